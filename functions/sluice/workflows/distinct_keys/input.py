"""The input of a distinct_keys execution, read and checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sluice.fields import Fields
from sluice.limits import SEGMENTS_MAX
from sluice.reading.source import COMPRESSED_ENDINGS, bucket_name, object_key
from sluice.run_item.shares import Limits, limits_in
from sluice.runs.input import FUNCTION, TOLERANCE_FIELDS, ToleratedFailures
from sluice.runs.paths import Run
from sluice.settings import ProcessorSettings
from sluice.workflows.distinct_keys.given_keys import KeysObject

OPTIMIZE = ("cost", "balanced", "time")
NO_PROCESSOR, MEASURE, STATE_MACHINE = "none", "measure", "stateMachine"

_FIELDS = (
    "table",
    "index",
    "keys",
    "segments",
    "optimize",
    "maxConcurrency",
    "maxReadUnitsPerSecond",
    "processor",
    "batchSize",
    *TOLERANCE_FIELDS,
)


@dataclass(frozen=True, slots=True)
class Processor:
    """What is done with each key; `name` is the function's or the state machine's."""

    type: str
    name: str | None = None

    def to_state(self, run: Run) -> dict[str, Any]:
        """The processor as the children of ProcessKeys get it; a state machine by ARN, beside the run's own."""
        return {
            "type": self.type,
            "function": self.name if self.type == FUNCTION else None,
            "stateMachine": run.state_machine_arn(self.name) if self.type == STATE_MACHINE and self.name else None,
        }


@dataclass(frozen=True, slots=True)
class DistinctInput:
    """`segments` None: planned from the table's size. `keys`: no scan, these keys are processed."""

    table: str
    index: str | None
    keys: KeysObject | None
    segments: int | None
    optimize: str
    max_concurrency: int
    limits: Limits
    processor: Processor
    batch_size: int
    tolerated_failures: ToleratedFailures

    @classmethod
    def from_input(cls, raw: object, allowed: ProcessorSettings) -> DistinctInput:
        """Read the execution's input. Raises InvalidInputError naming the field."""
        fields = Fields(raw, _FIELDS)
        processor = _processor(fields, allowed)
        return cls(
            table=fields.text("table"),
            index=fields.text_or("index", None),
            keys=_keys(fields, processor),
            segments=fields.integer("segments", None, low=1, high=SEGMENTS_MAX),
            optimize=fields.choice("optimize", OPTIMIZE, "balanced"),
            max_concurrency=fields.integer("maxConcurrency", 50, low=1, high=10_000),
            limits=limits_in(fields),
            processor=processor,
            batch_size=fields.integer("batchSize", 100, low=1, high=500),
            tolerated_failures=ToleratedFailures.from_input(fields),
        )


def _keys(fields: Fields, processor: Processor) -> KeysObject | None:
    if not fields.has("keys"):
        return None
    given = fields.section("keys", ("bucket", "key"))
    if processor.type == NO_PROCESSOR:
        raise fields.wrong("processor", "is required with keys, because otherwise nothing would be done with them")
    if object_key(given, "key").endswith(COMPRESSED_ENDINGS):
        raise given.wrong("key", "is compressed; give plain JSON Lines")
    return KeysObject(bucket_name(given, given.text("bucket")), given.text("key"))


def _processor(fields: Fields, allowed: ProcessorSettings) -> Processor:
    if not fields.has("processor") or isinstance(fields.raw("processor"), str):
        return Processor(fields.choice("processor", (NO_PROCESSOR, MEASURE), NO_PROCESSOR))
    given = fields.section("processor", (FUNCTION, STATE_MACHINE))
    kinds = [kind for kind in (FUNCTION, STATE_MACHINE) if given.has(kind)]
    if len(kinds) != 1:
        raise fields.wrong("processor", f"give one of {FUNCTION} and {STATE_MACHINE}")
    kind = kinds[0]
    known, parameter = {
        FUNCTION: (allowed.functions, "ProcessorFunctions"),
        STATE_MACHINE: (allowed.state_machines, "ProcessorStateMachines"),
    }[kind]
    name = given.text(kind)
    if name not in known:
        raise given.wrong(kind, f"{name} is not among the stack's {parameter}: {', '.join(known) or 'there are none'}")
    return Processor(kind, name)
