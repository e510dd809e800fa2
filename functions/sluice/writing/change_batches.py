"""Puts and deletes that are ready-made and of one key each: BatchWriteItem, without a look at any of them."""

from __future__ import annotations

from collections.abc import Sequence

from sluice.errors import WireError
from sluice.writing.batch_writer import BATCH_ITEMS, BatchRequests, BatchWrite, Version, write_units
from sluice.writing.table_writer import Origin, WriteOutcome


class ChangeBatches:
    """Writes from any number of threads. Changes are as batch_writer's PUT and DELETE make them."""

    def __init__(self, requests: BatchRequests) -> None:
        self._requests = requests

    def write(self, changes: Sequence[bytes], origins: Sequence[Origin]) -> WriteOutcome:
        """Write changes of different keys, each with its origin; returns when all are settled.

        DynamoDB refuses a request that has a key twice: it is halved, and written in order.
        Raises ThrottledError, ServiceUnavailableError, TableNotFoundError, AccessDeniedError, UnexpectedResponseError.
        """
        outcome = WriteOutcome()
        for start in range(0, len(changes), BATCH_ITEMS):
            end = start + BATCH_ITEMS
            self._write(changes[start:end], origins[start:end], outcome)
        return outcome

    def _write(self, changes: Sequence[bytes], origins: Sequence[Origin], outcome: WriteOutcome) -> None:
        write = BatchWrite(self._requests)
        try:
            answer = self._requests.send(changes, write.attempts)
        except WireError as error:
            write.refused(_versions(changes, origins), error)
        else:
            # Nearly every answer takes all, and then nothing has to be told apart.
            if not answer.get("UnprocessedItems"):
                outcome.written += len(changes)
                outcome.write_units += write_units(answer)
                outcome.requests += write.attempts.sent
                outcome.throttled += write.attempts.throttled
                return
            write.answered(_versions(changes, origins), answer)
        outcome.add(write.run())


def _versions(changes: Sequence[bytes], origins: Sequence[Origin]) -> list[Version]:
    return [Version(change, origin) for change, origin in zip(changes, origins, strict=True)]
