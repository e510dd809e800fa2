"""Puts and deletes that are ready-made and of one key each: BatchWriteItem, without a look at any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sluice.errors import WireError
from sluice.writing.batch_writer import BATCH_ITEMS, BatchRequests, BatchWrite, Version, write_units
from sluice.writing.outstanding import Answer
from sluice.writing.table_writer import Origin, WriteOutcome


class ChangeBatches:
    """Requests of many changes, as batch_writer's PUT and DELETE make them. For any number of threads."""

    operation = "BatchWriteItem"
    changes_per_request = BATCH_ITEMS

    def __init__(self, requests: BatchRequests) -> None:
        self._requests = requests

    def body(self, changes: Sequence[bytes]) -> bytes:
        """The request of up to `changes_per_request` changes."""
        return self._requests.body(changes)

    def units(self, answer: Mapping[str, Any]) -> float | None:
        """The write units of a request that was carried out; None when something of it is left."""
        return None if answer.get("UnprocessedItems") else write_units(answer)

    def settle(self, changes: Sequence[bytes], origins: Sequence[Origin], answer: Answer) -> WriteOutcome:
        """Go on after the answer until all changes are settled.

        DynamoDB refuses a request that has a key twice: it is halved, and written in order.
        Raises ThrottledError, ServiceUnavailableError, TableNotFoundError, AccessDeniedError, UnexpectedResponseError.
        """
        versions = [Version(change, origin) for change, origin in zip(changes, origins, strict=True)]
        if answer is None:
            return BatchWrite(self._requests, versions).run()
        write = BatchWrite(self._requests)
        if isinstance(answer, WireError):
            write.refused(versions, answer)
        else:
            write.answered(versions, answer)
        return write.run()
