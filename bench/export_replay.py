"""From a file of an export to acknowledged writes: records per CPU second, against boto3 and against the least."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from bench.distinct_cpu import best_cpu_seconds
from bench.export_contestants import BareRequests, Clients, clients, with_batch_writer, with_sluice
from bench.export_files import ExportedFile, flight_items, full_lines, incremental_lines
from bench.figures import Better, Measurement, figure
from bench.flights import KEYS, TABLE
from bench.null_endpoint import NullServices, in_process, in_thread
from sluice.dynamodb.items import comparable

BOTO3_RECORDS, BOTO3_ROUNDS = 20_000, 3
LIMIT_RECORDS, LIMIT_ROUNDS = 100_000, 6
CHECKED_RECORDS = 1_000
CONTESTANTS = {
    "sluice": "all that process_export_file does with its event: the object is checked, read and written",
    "boto3": "the object read, gzip, json, TypeDeserializer, Table.batch_writer",
    "limit": "decompression and split lines, then the wire's requests with ready-made bodies, signed as they are sent",
    "limitSignedBefore": "the same with requests that are signed beforehand too, and no look at the answers",
}

Contestants = Mapping[str, Callable[[], int]]


@figure("export_replay_vs_boto3", goal=10, better=Better.HIGHER, unit="ratio")
def versus_boto3() -> Measurement:
    """Over gzip, json, TypeDeserializer and Table.batch_writer: the lower of a full and an incremental export."""
    files = exported_files(CHECKED_RECORDS)
    for name, file in files.items():
        if changes_sent(with_sluice, file) != changes_sent(with_batch_writer, file):
            raise AssertionError(f"the contestants do not send the same changes of the {name} export")
    return _compare("boto3", BOTO3_RECORDS, BOTO3_ROUNDS, _by_boto3)


@figure("export_replay_vs_limit", goal=0.5, better=Better.HIGHER, unit="ratio")
def versus_limit() -> Measurement:
    """Over decompression, split lines and the wire with ready-made bodies: the lower of the two likewise."""
    return _compare("limit", LIMIT_RECORDS, LIMIT_ROUNDS, _by_limits)


def exported_files(records: int) -> dict[str, ExportedFile]:
    """The same flights in a full export, and in an incremental one."""
    items = flight_items(records)
    return {
        "full": ExportedFile.full(full_lines(items)),
        "incremental": ExportedFile.incremental(incremental_lines(items)),
    }


def null_services(files: Mapping[str, ExportedFile], *, keeps_batches: bool = False) -> NullServices:
    """The endpoint that has these files."""
    return NullServices(KEYS, {file.key: file.source for file in files.values()}, keeps_batches=keeps_batches)


def changes_sent(replay: Callable[[Clients, ExportedFile], int], file: ExportedFile) -> list[str]:
    """The puts and deletes that a contestant sends, sorted."""
    services = null_services({"": file}, keeps_batches=True)
    with in_thread(services) as url, clients(url) as through:
        replay(through, file)
    batches = [json.loads(body).get("RequestItems", {}) for body in services.batches]
    changes = [change for batch in batches for change in batch.get(TABLE, [])]
    return sorted(_shown(kind, request) for change in changes for kind, request in change.items())


def _shown(kind: str, request: Mapping[str, Any]) -> str:
    attributes = comparable({"M": request["Item" if kind == "PutRequest" else "Key"]})[1]
    return f"{kind} {sorted(attributes.items())}"


def _by_boto3(through: Clients, file: ExportedFile) -> Contestants:
    return {"sluice": lambda: with_sluice(through, file), "boto3": lambda: with_batch_writer(through, file)}


def _by_limits(through: Clients, file: ExportedFile) -> Contestants:
    bare = BareRequests(through.wire, file)
    return {
        "sluice": lambda: with_sluice(through, file),
        "limit": bare.with_wire,
        "limitSignedBefore": bare.signed_before,
    }


def _compare(
    peer: str, records: int, rounds: int, contestants: Callable[[Clients, ExportedFile], Contestants]
) -> Measurement:
    """Sluice over its peer, on the file with which that is less."""
    files = exported_files(records)
    with in_process(null_services(files)) as url, clients(url) as through:
        seconds = {name: best_cpu_seconds(contestants(through, file), records, rounds) for name, file in files.items()}
    compared = set.union(*map(set, seconds.values()))
    detail: dict[str, Any] = {
        "contestants": {name: does for name, does in CONTESTANTS.items() if name in compared},
        "records": records,
        "compared": f"the best of {rounds} turns of each",
        "recordsPerCpuSecond": {
            name: {each: round(records / best) for each, best in of_file.items()} for name, of_file in seconds.items()
        },
        "ratios": {
            name: {each: round(best / of_file["sluice"], 3) for each, best in of_file.items() if each != "sluice"}
            for name, of_file in seconds.items()
        },
    }
    return Measurement(min(of_file[peer] / of_file["sluice"] for of_file in seconds.values()), detail)
