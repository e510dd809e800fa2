"""One run of a workflow, and the keys in the data bucket of what it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sluice.state import State


@dataclass(frozen=True, slots=True)
class Run(State):
    """A run is one execution of a workflow's state machine; `name` is the execution's."""

    state_path: ClassVar = "run"

    workflow: str
    name: str
    execution_arn: str

    def state_machine_arn(self, name: str) -> str:
        """The ARN of another state machine of the run's account and Region."""
        arn, _, _ = self.execution_arn.partition(":execution:")
        return f"{arn}:stateMachine:{name}"

    @property
    def prefix(self) -> str:
        """What all keys of the run begin with."""
        return f"{self.workflow}/{self.name}/"

    @property
    def item_key(self) -> str:
        """The key of the run's item in the table of runs."""
        return self.prefix.rstrip("/")

    @property
    def plan_key(self) -> str:
        """The ranges of the run, one per line."""
        return f"{self.prefix}plan.jsonl"

    @property
    def tasks_key(self) -> str:
        """What the children look through that inspect a source, one task per line."""
        return f"{self.prefix}tasks.jsonl"

    @property
    def inspections_prefix(self) -> str:
        """Where the Map Run that inspects a source writes its result files."""
        return f"{self.prefix}inspections"

    def inspected_key(self, task: int, slice_number: int) -> str:
        """What one slice of an inspection has found."""
        return f"{self.prefix}inspected/{task:08d}-{slice_number:04d}.jsonl"

    def files_part_key(self, range_index: int, slice_number: int) -> str:
        """What one slice of a range has done of each of its objects."""
        return f"{self.prefix}files/{range_index:08d}-{slice_number:04d}.jsonl"

    @property
    def files_key(self) -> str:
        """What the run has done of each object."""
        return f"{self.prefix}files.jsonl"

    @property
    def segments_key(self) -> str:
        """The segments of a scan, one per line."""
        return f"{self.prefix}segments.jsonl"

    @property
    def keys_prefix(self) -> str:
        """Where a scan's distinct keys are."""
        return f"{self.prefix}keys/"

    @property
    def given_keys_key(self) -> str:
        """The run's copy of keys that its input brings."""
        return f"{self.keys_prefix}given.jsonl"

    @property
    def results_prefix(self) -> str:
        """Where the Map Run writes its result files."""
        return f"{self.prefix}results"

    @property
    def mirror_segments_key(self) -> str:
        """The segments of a copy that is made equal to its source, one per line."""
        return f"{self.prefix}mirror/segments.jsonl"

    @property
    def mirror_results_prefix(self) -> str:
        """Where the Map Run over these segments writes its result files."""
        return f"{self.prefix}mirror/results"

    def reject_part_key(self, range_index: int, slice_number: int) -> str:
        """The rejects of one slice of a range; the keys sort as the rows do."""
        return f"{self.prefix}rejects/{range_index:08d}-{slice_number:04d}.jsonl"

    @property
    def slices_prefix(self) -> str:
        """Where it is kept what slices have come to."""
        return f"{self.prefix}slices/"

    def part_outcome_key(self, part: int, slice_number: int) -> str:
        """What one slice of a range or a file has come to: its progress, then its rejects."""
        return f"{self.slices_prefix}{part:08d}-{slice_number:06d}"

    def part_of_outcome(self, key: str) -> int:
        """The range or the file whose outcome has this key."""
        return int(key.removeprefix(self.slices_prefix).partition("-")[0])

    def course_key(self, part: int | str, slice_number: int) -> str:
        """The course of one slice: what it had done every ten seconds."""
        name = f"{part:08d}" if isinstance(part, int) else part
        return f"{self.prefix}course/{name}-{slice_number:04d}.jsonl"

    def attempt_key(self, range_index: int, slice_number: int) -> str:
        """The marker that an attempt at a slice leaves before its first write."""
        return f"{self.prefix}attempts/{range_index:08d}-{slice_number:04d}"

    def repeat_key(self, range_index: int, slice_number: int) -> str:
        """The marker that a further attempt at the slice leaves before its first write."""
        return f"{self.attempt_key(range_index, slice_number)}-repeat"

    @property
    def plan_state_key(self) -> str:
        """What a resumed run needs to know of this one: its request, and the outcome."""
        return f"{self.prefix}plan.json"

    @property
    def cursors_prefix(self) -> str:
        """Where the segments' cursors are."""
        return f"{self.prefix}cursors/"

    def cursor_key(self, segment: int) -> str:
        """How far a segment has come; each slice overwrites what the one before has left."""
        return f"{self.cursors_prefix}{segment:06d}.json"

    def segment_of_cursor(self, key: str) -> int:
        """The segment whose cursor has this key."""
        return int(key.removeprefix(self.cursors_prefix).removesuffix(".json"))

    @property
    def samples_prefix(self) -> str:
        """Where the samples of slices are."""
        return f"{self.prefix}sample/"

    def sample_part_key(self, segment: int, slice_number: int) -> str:
        """Some of the items that one slice of a segment changed, before and after."""
        return f"{self.samples_prefix}{segment:06d}-{slice_number:04d}.jsonl"

    def journal_key(self, segment: int, slice_number: int, entry: int) -> str:
        """One entry of the journal of a slice."""
        return f"{self.prefix}journal/{segment:06d}/{slice_number:04d}-{entry:06d}.jsonl.gz"

    @property
    def handover_key(self) -> str:
        """Which run continues this one, or undoes it."""
        return f"{self.prefix}claim.json"

    @property
    def sample_key(self) -> str:
        """Some of the items that the run changed."""
        return f"{self.prefix}sample.jsonl"

    @property
    def verify_key(self) -> str:
        """Items of the sample that differ from what the transform gives now."""
        return f"{self.prefix}verify.jsonl"

    @property
    def parts_prefix(self) -> str:
        """Where the groups of batches, and what they are merged into, are."""
        return f"{self.prefix}parts/"

    def batch_part_key(self, batch: str, slice_number: int) -> str:
        """The groups that one slice of a batch has found."""
        return f"{self.parts_prefix}batches/{batch}-{slice_number:04d}.jsonl.gz"

    def batch_reject_key(self, batch: str, slice_number: int) -> str:
        """The rows that one slice of a batch has rejected."""
        return f"{self.prefix}rejects/{batch}-{slice_number:04d}.jsonl"

    def batch_unreadable_key(self, batch: str, slice_number: int) -> str:
        """The objects that one slice of a batch could not read."""
        return f"{self.prefix}unreadable/{batch}-{slice_number:04d}.jsonl"

    @property
    def remainder_prefix(self) -> str:
        """Where batches are named that are longer than an Express child."""
        return f"{self.prefix}remainder/"

    @property
    def merge_plans_prefix(self) -> str:
        """What the merges' plans begin with: one object per level of the tree, one merge per line."""
        return f"{self.prefix}merges/level-"

    def merge_plan_key(self, level: int) -> str:
        """The merges of one level."""
        return f"{self.merge_plans_prefix}{level}.jsonl"

    def merged_part_key(self, merge: str) -> str:
        """What a merge makes of its parts."""
        return f"{self.parts_prefix}merged/{merge}.jsonl.gz"

    def merge_rest_key(self, merge: str, slice_number: int) -> str:
        """What one slice of a merge has begun and not sent."""
        return f"{self.prefix}merges/{merge}/{slice_number:04d}"

    def merge_outcome_key(self, merge: str, slice_number: int) -> str:
        """What one slice of a merge has come to."""
        return f"{self.prefix}slices/merges/{merge}-{slice_number:04d}"

    def result_key(self, ending: str, *, is_complete: bool) -> str:
        """The run's result; one that lacks objects is called otherwise."""
        return f"{self.prefix}{'result' if is_complete else 'partial_result'}.{ending}"

    @property
    def unreadable_key(self) -> str:
        """All objects that could not be read."""
        return f"{self.prefix}unreadable.jsonl"

    @property
    def rejects_key(self) -> str:
        """All rejects of the run, in the source's order."""
        return f"{self.prefix}rejects.jsonl"

    @property
    def failures_key(self) -> str:
        """The ranges that failed."""
        return f"{self.prefix}failed.jsonl"

    @property
    def failed_keys_key(self) -> str:
        """The keys that failed, to be fed back."""
        return f"{self.prefix}failed_keys.jsonl"

    def outcome_key(self, part_key: str) -> str:
        """What the slice that leaves this part has come to: its progress, then the part."""
        return f"{self.prefix}slices/{part_key.removeprefix(self.prefix)}"

    @property
    def segment_report_key(self) -> str:
        """What each segment of a scan found."""
        return f"{self.prefix}by_segment.jsonl"

    @property
    def report_key(self) -> str:
        """What the built-in processor has measured."""
        return f"{self.prefix}report.jsonl"

    @property
    def query_prefix(self) -> str:
        """Where Athena leaves a query's result, unless its workgroup has a location of its own."""
        return f"{self.prefix}query"

    def row_part_key(self, part: int) -> str:
        """Some of the rows that Step Functions' own reader would not read right, or that the input has brought."""
        return f"{self.prefix}rows/{part:05d}.jsonl"

    @property
    def row_parts_key(self) -> str:
        """The list of these parts, as Athena lists the files of an UNLOAD."""
        return f"{self.prefix}rows/manifest.csv"

    @property
    def failed_rows_key(self) -> str:
        """The rows that failed, to be fed back."""
        return f"{self.prefix}failed_rows.jsonl"

    def listing_part_key(self, name: str) -> str:
        """Some of the batches of objects, one per line."""
        return f"{self.prefix}objects/{name}"

    @property
    def listing_key(self) -> str:
        """The list of these parts, as Athena lists the files of an UNLOAD."""
        return f"{self.prefix}objects/manifest.csv"

    @property
    def batch_outcomes_prefix(self) -> str:
        """Where the outcomes of batches of objects are."""
        return f"{self.prefix}outcomes/"

    def batch_outcome_key(self, batch: int) -> str:
        """What became of the objects of one batch."""
        return f"{self.batch_outcomes_prefix}{batch}.json"

    def batch_of_outcome(self, key: str) -> int:
        """The batch whose outcome has this key."""
        return int(key.removeprefix(self.batch_outcomes_prefix).removesuffix(".json"))

    @property
    def failed_objects_key(self) -> str:
        """The objects that failed, to be fed back."""
        return f"{self.prefix}failed_objects.jsonl"

    @property
    def function_results_key(self) -> str:
        """What a function has returned for its objects, one line per object."""
        return f"{self.prefix}function_results.jsonl"

    @property
    def report_page_key(self) -> str:
        """The page that shows how the run went."""
        return f"{self.prefix}report.html"

    @property
    def summary_key(self) -> str:
        """The run's summary."""
        return f"{self.prefix}summary.json"


def run_of_execution(execution_arn: str) -> Run:
    """The run that an execution is; the stack names its state machines <stack>-<workflow>-<id>."""
    machine, name = execution_arn.split(":")[-2:]
    return Run(machine.split("-")[-2], name, execution_arn)
