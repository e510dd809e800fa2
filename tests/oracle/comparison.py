"""Reads a table page by page from both, and says where they differ.

Where dynalite is known to be wrong, DynamoDB's own rule is expected instead:
- It ends a page at 1 MB of an internal size, DynamoDB at 1 MB of item size: its page is cut to ours, and
  ours must be the one that crosses 1 MB with its last item.
- It counts a string's UTF-16 units: capacity is compared where all strings are ASCII, and by item size everywhere.
- It takes no notice of a Scan's ConsistentRead: its capacity is doubled.
- It charges nothing for an empty page, DynamoDB the least unit.
- It wraps around above 4,096 segments: at most so many are compared.
"""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError

from tests.oracle.item_sizes import item_size
from tests.oracle.random_tables import Item, RandomTable

PAGE_BYTES = 1024 * 1024
NARROWING = (
    "FilterExpression",
    "ProjectionExpression",
    "Select",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
)
Answer = dict[str, Any]


class DifferenceError(AssertionError):
    """The two answered differently, or local AWS's answer is not what DynamoDB's rules say."""


@dataclass
class Comparison:
    """One operation, sent to local AWS and to dynalite."""

    local: Any
    dynalite: Any
    table: RandomTable
    operation: str = "scan"
    counts: Counter[str] = field(default_factory=Counter)

    def read(self, request: Answer, start_key: Item | None = None, most_pages: int = 40) -> None:
        """Compare page by page, up to the last or the fortieth. Raises DifferenceError."""
        for _ in range(most_pages):
            answer = self._page(request | ({} if start_key is None else {"ExclusiveStartKey": start_key}))
            self.counts["refusals" if "Error" in answer else "pages"] += 1
            start_key = answer.get("LastEvaluatedKey")
            if start_key is None:
                return

    def _page(self, request: Answer) -> Answer:
        ours, theirs = self._ask(self.local, request), self._ask(self.dynalite, request)
        if self._went_on(ours, theirs):
            self._check_is_full(request, ours)
            self.counts["pages of 1 MB"] += 1
            theirs = self._ask(self.dynalite, request | {"Limit": ours["ScannedCount"]})
        self._compare_capacity(request, ours, theirs)
        differing = [name for name in sorted({*ours, *theirs}) if _plain(ours.get(name)) != _plain(theirs.get(name))]
        if differing:
            differences = {name: (ours.get(name), theirs.get(name)) for name in differing}
            raise DifferenceError(f"{request}: local AWS and dynalite differ: {differences}"[:3000])
        return ours

    def _went_on(self, ours: Answer, theirs: Answer) -> bool:
        """Whether dynalite's page holds more, or came to the table's end without being full."""
        if not ours.get("ScannedCount"):
            return False
        is_longer = theirs.get("ScannedCount", 0) > ours["ScannedCount"]
        return is_longer or ("LastEvaluatedKey" in ours and "LastEvaluatedKey" not in theirs)

    def _ask(self, client: Any, request: Answer) -> Answer:
        try:
            answer = dict(getattr(client, self.operation)(TableName=self.table.definition["TableName"], **request))
        except ClientError as error:
            return {"Error": error.response["Error"]["Code"], "Message": error.response["Error"]["Message"]}
        del answer["ResponseMetadata"]
        return answer

    def _read_items(self, request: Answer, count: int) -> list[Item]:
        """What a page read: the same page without what narrows the answer."""
        whole = {name: value for name, value in request.items() if name not in NARROWING}
        if "KeyConditionExpression" in request:
            whole["ExpressionAttributeValues"] = {":pk": request["ExpressionAttributeValues"][":pk"]}
        return list(self._ask(self.local, whole | {"Limit": max(count, 1)})["Items"])

    def _check_is_full(self, request: Answer, ours: Answer) -> None:
        sizes = [item_size(item) for item in self._read_items(request, ours["ScannedCount"])]
        if not sum(sizes[:-1]) < PAGE_BYTES <= sum(sizes):
            raise DifferenceError(f"{request}: a page of {sum(sizes)} bytes, {sizes[-1]} of them its last item's")

    def _compare_capacity(self, request: Answer, ours: Answer, theirs: Answer) -> None:
        """By item size always; and as dynalite has it, where it is known to be right."""
        if "ConsumedCapacity" not in ours:
            return
        size = sum(item_size(item) for item in self._read_items(request, ours["ScannedCount"]))
        units = max(1, -(-size // 4096)) * (1.0 if request.get("ConsistentRead") else 0.5)
        if ours["ScannedCount"] and ours["ConsumedCapacity"]["CapacityUnits"] != units:
            raise DifferenceError(f"{request}: {ours['ConsumedCapacity']} for {size} bytes")
        if request.get("ConsistentRead") and self.operation == "scan":
            _double(theirs["ConsumedCapacity"])
        if self.table.is_ascii and ours["ScannedCount"]:
            self.counts["capacities"] += 1
        else:
            del ours["ConsumedCapacity"], theirs["ConsumedCapacity"]


def _double(consumed: Answer) -> None:
    for consumed_by in (consumed, consumed.get("Table", {})):
        if "CapacityUnits" in consumed_by:
            consumed_by["CapacityUnits"] *= 2


def _plain(value: Any) -> Any:
    """Numbers by value and sets without order."""
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and "N" in value and isinstance(value["N"], str):
        return {"N": Decimal(value["N"])}
    if len(value) == 1 and next(iter(value)) in ("SS", "NS", "BS"):
        return {kind: sorted(elements) for kind, elements in value.items()}
    return {name: _plain(element) for name, element in value.items()}
