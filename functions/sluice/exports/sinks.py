"""The sink that a process names, ready to take records."""

from __future__ import annotations

from sluice.errors import InvalidInputError
from sluice.exports.file_slice import Sink
from sluice.exports.guard import WRITE_MICROS
from sluice.exports.process import Process, TableSink
from sluice.exports.table_sinks import RawTableSink, change_of, guarded_put_of
from sluice.exports.tally import Tally
from sluice.writing.batch_writer import BatchRequests
from sluice.writing.change_batches import ChangeBatches
from sluice.writing.newer_puts import NewerPuts
from sluice.writing.wire import Wire

# At 5 to 10 ms a request this is as much as one vCPU can prepare.
BATCHES_IN_FLIGHT = 8
PUTS_IN_FLIGHT = 32
# Several batches to a thread at once: handing over costs as much as a request.
BATCH_PORTION_LINES = 250
PUT_PORTION_LINES = 25


def sink_for(wire: Wire, process: Process, tally: Tally) -> tuple[Sink, int]:
    """The sink that the process names, and how many lines it takes at a time."""
    sink = process.sink
    if not isinstance(sink, TableSink):
        raise InvalidInputError("sink", "objects are no sink yet")
    if sink.is_guarded:
        puts = NewerPuts(wire, sink.name, WRITE_MICROS)
        return RawTableSink(guarded_put_of(process.export), puts.write, tally, PUTS_IN_FLIGHT), PUT_PORTION_LINES
    batches = ChangeBatches(BatchRequests(wire, sink.name, sink.schema))
    return RawTableSink(change_of(process.export), batches.write, tally, BATCHES_IN_FLIGHT), BATCH_PORTION_LINES
