"""DynamoDB: tables with their items, what changed in them during their recovery period, and ended exports."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ministack.services import dynamodb as service

from local_aws.exports import journal as journals
from local_aws.exports.export import FAILED, IN_PROGRESS, Export
from local_aws.exports.journal import Journal, journal_of
from local_aws.saved_state.bodies import LoadedBodies, SavedBodies
from local_aws.saved_state.stores import CHUNK_ENTRIES, chunks, fill_stores, stores_of

# Indexes are made of the items when they are needed; stream records and transaction tokens pass within a day.
INDEXES = service._INDEX_MEMBERS
PASSING = ("_stream_records", "_stream_trimmed", "_closed_streams", "_txn_idempotency")
INTERRUPTED = {
    "ExportStatus": FAILED,
    "FailureCode": "InternalError",
    "FailureMessage": "Local AWS ended while the export was in progress.",
}


def records(_bodies: SavedBodies) -> Iterator[tuple[str, Any]]:
    """(kind, content) of each table, of parts of its items and its journal, and of each export."""
    yield "stores", stores_of(service, besides=("_tables", "_exports", *PASSING))
    for scope, table in service._tables._data.items():
        yield "table", (scope, {name: value for name, value in table.items() if name not in ("items", INDEXES)})
        for part in chunks(table["items"]):
            yield "items", (scope, part)
        journal = journal_of(table)
        if journal is not None:
            yield from _journal_records(scope, journal)
    for scope, export in service._exports._data.items():
        yield "export", (scope, (export.task, _ended(export.description), export.request))


def _journal_records(scope: Any, journal: Journal) -> Iterator[tuple[str, Any]]:
    yield "journal", (scope, (journal.known_from, journal.period_micros, journal.last))
    changes = iter(journal.changes)
    while part := list(islice(changes, CHUNK_ENTRIES)):
        yield "changes", (scope, part)


def _ended(description: dict[str, Any]) -> dict[str, Any]:
    return {**description, **INTERRUPTED} if description["ExportStatus"] == IN_PROGRESS else description


def restore(kind: str, content: Any, _bodies: LoadedBodies) -> None:
    """Put one record back."""
    if kind == "stores":
        fill_stores(service, content)
        return
    scope, saved = content
    if kind == "export":
        service._exports._data[scope] = Export(*saved)
    elif kind == "table":
        service._tables._data[scope] = {**saved, "items": defaultdict(dict)}
    else:
        _restore_content(kind, service._tables._data[scope], saved)


def _restore_content(kind: str, table: dict[str, Any], saved: Any) -> None:
    if kind == "items":
        table["items"].update(saved)
    elif kind == "journal":
        known_from, period, last = saved
        journals._journals[id(table)] = Journal(table, known_from, period, last=last)
    else:
        journals._journals[id(table)].changes.extend(saved)


def finish() -> None:
    """Nothing is left to do."""
