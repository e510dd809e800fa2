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
REQUESTS_IN_FLIGHT = 16


def sink_for(wire: Wire, process: Process, tally: Tally) -> Sink:
    """The sink that the process names."""
    sink, export = process.sink, process.export
    if not isinstance(sink, TableSink):
        raise InvalidInputError("sink", "objects are no sink yet")
    if sink.is_guarded:
        puts = NewerPuts(wire, sink.name, WRITE_MICROS)
        return RawTableSink(wire, guarded_put_of(export), puts, tally, REQUESTS_IN_FLIGHT)
    batches = ChangeBatches(BatchRequests(wire, sink.name, sink.schema))
    return RawTableSink(wire, change_of(export), batches, tally, REQUESTS_IN_FLIGHT)
