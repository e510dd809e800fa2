"""ListMapRuns and DescribeMapRun, which lag behind a Map Run on AWS: here where a test has planned it."""

import json
from collections.abc import Callable
from typing import Any

from local_aws.faults import planned
from local_aws.stepfunctions.scope import Record

Response = tuple[int, dict[str, str], bytes]
Operation = Callable[[Record], Response]

LISTS, COUNTS = "map run lists", "map run counts"
ENDS = ("succeeded", "failed", "timedOut", "aborted")


def with_lag(list_map_runs: Operation, describe_map_run: Operation) -> tuple[Operation, Operation]:
    """Both operations, with answers of an earlier moment where a test has planned them."""

    def listed(data: Record) -> Response:
        fault, answer = planned.take(LISTS, ""), list_map_runs(data)
        return answer if fault is None else _changed(answer, lambda _: {"mapRuns": []})

    def described(data: Record) -> Response:
        fault, answer = planned.take(COUNTS, ""), describe_map_run(data)
        return answer if fault is None else _changed(answer, lambda now: _earlier(now, fault["share"]))

    return listed, described


def _changed(answer: Response, change: Callable[[Record], Record]) -> Response:
    status, headers, body = answer
    return (status, headers, json.dumps(change(json.loads(body))).encode()) if status == 200 else answer


def _earlier(now: Record, share: float) -> Record:
    """The description when this share of what has ended had: the items' number is known from the first on."""
    return now | {name: _earlier_counts(now[name], share) for name in ("itemCounts", "executionCounts")}


def _earlier_counts(counts: dict[str, int], share: float) -> dict[str, Any]:
    if not share:
        return dict.fromkeys(counts, 0)
    ended = {name: int(counts[name] * share) for name in ENDS}
    left = sum(counts[name] - ended[name] for name in ENDS)
    written = int(counts["resultsWritten"] * share)
    return counts | ended | {"running": counts["running"] + left, "resultsWritten": written}
