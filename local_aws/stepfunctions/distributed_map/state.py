"""The distributed Map state: a Map Run from its first event to its output."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from local_aws.stepfunctions.authorization import may_start_children
from local_aws.stepfunctions.data_flow import finish
from local_aws.stepfunctions.distributed_map.batches import (
    Batcher,
    ChildInput,
    child_inputs,
    evaluate_batcher,
)
from local_aws.stepfunctions.distributed_map.children import Children
from local_aws.stepfunctions.distributed_map.inline_results import InlineResults
from local_aws.stepfunctions.distributed_map.item_reader import READER_FAILED, ItemSource, open_source
from local_aws.stepfunctions.distributed_map.map_run import Identity, MapRun, Tolerance
from local_aws.stepfunctions.distributed_map.result_writer import (
    Destination,
    ResultFiles,
    open_destination,
    write_test_manifest,
)
from local_aws.stepfunctions.errors import RUNTIME, StateError, StoppedError, state_error
from local_aws.stepfunctions.map_fields import ItemContext, item_input, maximum_concurrency
from local_aws.stepfunctions.map_run_machines import PROCESSOR
from local_aws.stepfunctions.scope import Record, Scope, State
from local_aws.stepfunctions.templates import float_field, integer_field

EXCEEDED = "States.ExceedToleratedFailureThreshold"
EXCEEDED_CAUSE = "The specified tolerated failure threshold was exceeded"


@dataclass(frozen=True)
class Plan:
    """A distributed Map's fields, evaluated."""

    identity: Identity
    tolerance: Tolerance
    batcher: Batcher | None
    destination: Destination | None


def run_distributed_map(state: State, data: Any, scope: Scope) -> tuple[Any, str | None]:
    """Run the state's items as children of a new Map Run. Raises StateError, StoppedError."""
    message = may_start_children(scope)
    if message is not None:
        raise scope.failure(RUNTIME, message)
    history = scope.run.history
    concurrency = maximum_concurrency(state, data, scope)
    given = None if "ItemReader" in state else open_source(state, data, scope)
    history.add("MapStateStarted", length=given.total if given else 0)
    plan = _plan(state, data, scope)
    if plan.destination is not None:
        write_test_manifest(plan.destination, plan.identity, scope)
    source, problem = (given, None) if given else _read_source(state, data, scope)
    history.add("MapRunStarted", mapRunArn=plan.identity.map_run_arn)
    map_run = MapRun(
        plan.identity,
        scope.run.record["executionArn"],
        source.total if source else 0,
        concurrency,
        plan.tolerance,
    )
    map_run.record[PROCESSOR] = state["ItemProcessor"] if "ItemProcessor" in state else state["Iterator"]
    if source is None:
        raise _failed(map_run, problem, scope)
    result = _Stream(state, data, scope, plan, map_run, source).run()
    history.add("MapRunSucceeded")
    history.add("MapStateSucceeded")
    return finish(state, data, scope, result=result)


def _plan(state: State, data: Any, scope: Scope) -> Plan:
    return Plan(
        identity=Identity.of(scope.run.record["executionArn"], state.get("Label")),
        tolerance=_tolerance(state, data, scope),
        batcher=evaluate_batcher(state, data, scope),
        destination=open_destination(state, data, scope),
    )


def _tolerance(state: State, data: Any, scope: Scope) -> Tolerance:
    count = integer_field(state, "ToleratedFailureCount", 0, data, scope)
    percentage = float_field(state, "ToleratedFailurePercentage", 0.0, data, scope)
    if count < 0:
        raise scope.failure(RUNTIME, "ToleratedFailureCount cannot be negative.")
    if not 0 <= percentage <= 100:
        raise scope.failure(RUNTIME, "ToleratedFailurePercentage must be between 0 and 100.")
    return Tolerance(count, percentage)


def _read_source(state: State, data: Any, scope: Scope) -> tuple[ItemSource | None, Any]:
    """A reader's failure comes after the Map Run's start; what is wrong with the state itself, before."""
    try:
        return open_source(state, data, scope), None
    except StateError as error:
        if getattr(error, "error", None) != READER_FAILED:
            raise
        return None, error


def _failed(map_run: MapRun, error: Any, scope: Scope) -> Exception:
    map_run.end("FAILED")
    scope.run.history.add("MapRunFailed", error=error.error, cause=error.cause)
    return error  # type: ignore[no-any-return]


@dataclass
class _Stream:
    """Items that pass through a Map Run."""

    state: State
    data: Any
    scope: Scope
    plan: Plan
    map_run: MapRun
    source: ItemSource
    files: ResultFiles | None = None
    inline: InlineResults = field(default_factory=InlineResults)

    def run(self) -> Any:
        """The state's result. Raises States.ExceedToleratedFailureThreshold, StoppedError."""
        if self.plan.destination is not None:
            self.files = ResultFiles(self.plan.destination, self.plan.identity)
        else:
            self.inline = InlineResults(self.state.get("ResultWriter", {}).get("WriterConfig", {}))
        processor = self.state.get("ItemProcessor") or self.state["Iterator"]
        children = Children(self.map_run, processor, self.scope.inner(), self._ended)
        inputs = child_inputs(self._item_inputs(), self.plan.batcher)
        try:
            first_left = children.run_all(inputs, self._is_over)
            self._never_started(inputs, first_left)
            return self._finish()
        except StateError as error:
            raise _failed(self.map_run, error, self.scope) from error
        except StoppedError:
            self.map_run.end("ABORTED")
            raise

    def _item_inputs(self) -> Iterator[Any]:
        scope = self.scope.inner()
        for index, (item, source) in enumerate(self._read()):
            yield item_input(self.state, self.data, ItemContext(index, item, source), scope)

    def _read(self) -> Iterator[Any]:
        try:
            yield from self.source.read()
        except (ValueError, OSError) as error:
            raise state_error(READER_FAILED, str(error)) from error

    def _is_over(self) -> bool:
        return self.map_run.is_exceeded() or self.scope.run.stopped.is_set()

    def _ended(self, number: int, child: Record) -> None:
        if self.files is not None:
            self.files.ended(child)
        else:
            self.inline.ended(number, child)

    def _never_started(self, inputs: Iterator[ChildInput], first: ChildInput | None) -> None:
        """After an early stop the rest is still read: each child that never started has a PENDING record."""
        if first is None:
            return
        for given in chain([first], inputs):
            self.map_run.never_started(given.item_count)
            if self.files is not None:
                self.files.pending(given.text)

    def _finish(self) -> Any:
        key = self.files.put() if self.files is not None else None
        self.map_run.results_written()
        self.scope.run.check()
        if self.map_run.is_exceeded():
            raise state_error(EXCEEDED, EXCEEDED_CAUSE)
        self.map_run.end("SUCCEEDED")
        if self.plan.destination is None:
            return self.inline.result(self.scope.name)
        details = {"Bucket": self.plan.destination.bucket, "Key": key}
        return {"MapRunArn": self.plan.identity.map_run_arn, "ResultWriterDetails": details}
