"""The report on a run: what it reads of the run's files, its charts, and a page that shows data as text only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from sluice.report.charts import BARS_SHOWN, BINS, Rate, Span, binned, running, timelines
from sluice.report.ending import leave_report, run_metrics
from sluice.report.facts import Child, ItemFacts, RunFacts, Work, read_facts
from sluice.report.page import render
from sluice.run_item.progress import Course, WorkDone
from sluice.runs.paths import Run
from sluice.runs.summary import with_subject

BUCKET = "data"
RUN = Run("csv_load", "july", "arn:aws:states:eu-west-1:111122223333:execution:sluice-csv_load-1a:july")
START = 1_790_000_000.0
SUMMARY: dict[str, Any] = {
    "workflow": "csv_load",
    "status": "COMPLETE",
    "execution": "july",
    "counts": {"read": 100, "written": 92, "skipped": 3, "rejected": 5, "failed": 0},
    "capacity": {"readUnits": 0, "writeUnits": 92.0},
    "results": {"bucket": BUCKET, "prefix": RUN.prefix},
    "rejects": {"key": RUN.rejects_key, "reasons": {"KeyEmpty": 4, "NumberInvalid": 1}},
    "failures": None,
    "error": None,
    "notes": ["maxConcurrency: requested 50, used 6"],
}
EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}'


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def put(s3: Any, key: str, *lines: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body="".join(json.dumps(each) + "\n" for each in lines).encode())


def put_children(s3: Any, label: str, *records: dict[str, Any]) -> None:
    """The result files of one Map Run, as Step Functions writes them."""
    prefix = f"{RUN.results_prefix}/{label}".rstrip("/") + "/4f5a"
    put(s3, f"{prefix}/SUCCEEDED_0.jsonl", *records)
    manifest = {"MapRunArn": "arn", "ResultFiles": {"SUCCEEDED": [{"Key": f"{prefix}/SUCCEEDED_0.jsonl"}]}}
    put(s3, f"{prefix}/manifest.json", manifest)


def child_record(index: int, start: int, stop: int, rows: int = 10, **more: Any) -> dict[str, Any]:
    counts = {"read": rows, "written": rows, "skipped": 0, "rejected": 0, "failed": 0}
    return {
        "Name": f"child-{index}",
        "Status": "SUCCEEDED",
        "StartDate": f"2026-09-21T12:00:{start:02d}.000Z",
        "StopDate": f"2026-09-21T12:00:{stop:02d}.000Z",
        "Input": json.dumps({"range": {"index": index, "start": 0}}),
        "Output": json.dumps({"counts": counts, "writeUnits": float(rows)}),
        **more,
    }


def facts_of(s3: Any, summary: dict[str, Any] | None = SUMMARY, **more: Any) -> RunFacts:
    return read_facts(s3, BUCKET, RUN, summary, more.pop("item", ItemFacts()), **more)


def leave(s3: Any, item: dict[str, Any], *, is_time_up: bool = False) -> None:
    leave_report(s3, BUCKET, RUN, SUMMARY, item, is_time_up=lambda: is_time_up)


class Page(HTMLParser):
    """The text of a page, the names of its elements, and the addresses that it refers to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action", "xlink:href")]
        assert not [name for name, _ in attrs if name.startswith("on")], "a handler of events"

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(facts: RunFacts) -> Page:
    return Page(render(facts))


def test_children_are_read_from_all_result_files(s3: Any) -> None:
    put_children(s3, "batches", child_record(0, 1, 3), child_record(1, 2, 4, Status="FAILED", Error="X", Cause="why"))
    put_children(s3, "merges/0", child_record(2, 5, 6))

    children = facts_of(s3).children

    assert [(each.map_run, each.label, each.status, each.stop - each.start) for each in children] == [
        ("batches", "range 0", "SUCCEEDED", 2),
        ("batches", "range 1", "FAILED", 2),
        ("merges/0", "range 2", "SUCCEEDED", 1),
    ]
    assert children[1].message == "why"
    assert children[0].done == WorkDone(read=10, written=10, write_units=10.0)


def test_work_of_a_child_with_a_course_is_counted_once(s3: Any) -> None:
    put_children(s3, "", child_record(0, 0, 40, rows=400), child_record(1, 0, 5, rows=50))
    course = Course()
    course.begin(START)
    course.note(START + 10, WorkDone(read=100, written=100))
    put_lines = course.lines(START + 40, WorkDone(read=400, written=400))
    s3.put_object(Bucket=BUCKET, Key=RUN.course_key(0, 0), Body=put_lines)

    work = facts_of(s3).work

    assert sum(each.done.read for each in work) == 450
    assert [(each.stop - each.start, each.done.read) for each in work] == [(5, 50), (10, 100), (30, 300)]


def test_rejects_have_examples_by_reason_most_frequent_first(s3: Any) -> None:
    lines = [{"row": row, "error": "KeyEmpty", "message": "empty", "record": {"id": ""}} for row in range(1, 5)]
    put(s3, RUN.rejects_key, {"row": 9, "error": "NumberInvalid", "message": "no", "record": {"n": "x"}}, *lines)

    groups = facts_of(s3).rejects

    assert [(each.reason, each.count, [line["row"] for line in each.examples]) for each in groups] == [
        ("KeyEmpty", 4, [1, 2, 3]),
        ("NumberInvalid", 1, [9]),
    ]


def test_a_run_that_left_nothing_has_a_report(s3: Any) -> None:
    error = {"name": "States.Timeout", "message": "too long"}
    page = page_of(facts_of(s3, None, status="TIMED_OUT", error=error))

    assert "TIMED_OUT" in page.text
    assert "too long" in page.text
    assert "sluice resume july" in page.text


def test_a_run_without_a_summary_shows_what_its_item_knows(s3: Any) -> None:
    shard = {"startedAt": {"N": str(START)}, "plannedRows": {"N": "100"}, "rowsRead": {"N": "60"}}
    item = ItemFacts.from_shards([{**shard, "rowsWritten": {"N": "50"}}, {"rowsRead": {"N": "10"}}])
    page = page_of(facts_of(s3, None, status="ABORTED", item=item))

    assert "70 read" in page.text
    assert "50 written" in page.text
    assert "20 not settled" in page.text


def test_page_shows_counts_notes_rejects_and_cost(s3: Any) -> None:
    put_children(s3, "", child_record(0, 1, 3), child_record(1, 2, 9))
    page = page_of(facts_of(s3))

    for text in ("100 read", "92 written", "3 skipped", "5 rejected", "requested 50, used 6", "0.000058", "range 1"):
        assert text in page.text
    assert "https://eu-west-1.console.aws.amazon.com/states/home" in " ".join(page.addresses)


def test_a_local_run_has_no_links_to_the_console(s3: Any) -> None:
    local = Run("csv_load", "july", RUN.execution_arn.replace("111122223333", "000000000000"))
    page = page_of(read_facts(s3, BUCKET, local, SUMMARY, ItemFacts()))

    assert [each for each in page.addresses if not each.startswith(("#", "data:"))] == []


def test_data_is_shown_as_text(s3: Any) -> None:
    rejected = {"row": 1, "error": EVIL, "message": EVIL, "record": {EVIL: EVIL}}
    put(s3, RUN.rejects_key, rejected)
    put(s3, RUN.sample_key, {"key": {"id": {"S": EVIL}}, "before": {"a": {"S": EVIL}}, "after": {EVIL: {"S": EVIL}}})
    s3.put_object(Bucket=BUCKET, Key="result.csv", Body=f'"{EVIL.replace(chr(34), chr(34) * 2)}"\n1\n'.encode())
    put_children(s3, "", child_record(0, 1, 3, Name=EVIL, Input="{}", Status="FAILED", Error=EVIL, Cause=EVIL))
    summary = SUMMARY | {
        "status": "FAILED",
        "error": {"name": EVIL, "message": EVIL},
        "notes": [EVIL],
        "table": EVIL,
        "source": EVIL,
        "rejects": {"key": RUN.rejects_key, "reasons": {EVIL: 1}},
        "sample": {"key": RUN.sample_key},
        "result": {"csv": "result.csv"},
        "report": {"largest": [{"key": {"pk": {"S": EVIL}}, "items": 1, "bytes": 2}]},
    }
    page = page_of(facts_of(s3, summary))

    assert not {"script", "img", "iframe", "object", "form"} & set(page.elements)
    assert page.text.count("<script>alert(1)</script>") >= 12
    assert "49" not in re.findall(r"onerror=alert\(2\)>(\S+)", page.text)


def test_bytes_that_are_not_utf_8_are_shown_as_escapes(s3: Any) -> None:
    put(s3, RUN.rejects_key, {"row": 7, "error": "KeyEmpty", "message": "byte", "record": ["7", "\udcff"]})
    leave(s3, {})

    assert b"\\udcff" in s3.get_object(Bucket=BUCKET, Key=RUN.report_page_key)["Body"].read()


@pytest.mark.parametrize("after", [None, [{"a": {"S": "1"}}, {"a": {"S": "2"}}]])
def test_samples_of_deleted_and_multiplied_items_are_shown(s3: Any, after: Any) -> None:
    put(s3, RUN.sample_key, {"key": {"id": {"S": "7"}}, "before": {"a": {"S": "0"}}, "after": after})
    page = page_of(facts_of(s3, SUMMARY | {"sample": {"key": RUN.sample_key}}))

    assert "id = 7" in page.text
    assert ("item 2" in page.text) == (after is not None)


def test_a_report_that_cannot_be_made_does_not_fail_the_run(s3: Any) -> None:
    put(s3, f"{RUN.results_prefix}/4f5a/manifest.json", {"ResultFiles": {"SUCCEEDED": [{"Key": "missing"}]}})

    leave(s3, {})

    assert "Contents" not in s3.list_objects_v2(Bucket=BUCKET, Prefix=RUN.report_page_key)


def test_a_run_leaves_its_report(s3: Any) -> None:
    leave(s3, {"startedAt": {"N": str(START)}, "writeUnitsPerSecond": {"N": "500"}})

    left = s3.get_object(Bucket=BUCKET, Key=RUN.report_page_key)
    assert left["ContentType"] == "text/html; charset=utf-8"
    assert "100 read" in Page(left["Body"].read().decode()).text


def test_a_report_without_time_lacks_the_children_and_is_written(s3: Any) -> None:
    put_children(s3, "", child_record(0, 1, 3))
    s3.put_object(Bucket=BUCKET, Key=RUN.course_key(1, 0), Body=b'{"at": 1}\n')
    leave(s3, {}, is_time_up=True)

    text = Page(s3.get_object(Bucket=BUCKET, Key=RUN.report_page_key)["Body"].read().decode()).text
    assert "100 read" in text
    assert "Children" not in text


def test_metrics_of_a_run_say_how_it_ended_and_what_it_did() -> None:
    metrics = {name: value for name, (_, value) in run_metrics(SUMMARY).items()}

    assert metrics == {
        "RunsComplete": 1,
        "RunsPartial": 0,
        "RunsFailed": 0,
        "RunsStopped": 0,
        "RowsRead": 100,
        "RowsWritten": 92,
        "RowsSkipped": 3,
        "RowsRejected": 5,
        "RowsFailed": 0,
        "ReadUnits": 0,
        "WriteUnits": 92,
        "UnitsUsd": pytest.approx(92 * 0.625e-6),
    }


def test_metrics_of_a_run_without_tables_have_no_units() -> None:
    metrics = run_metrics({"status": "FAILED", "counts": None, "capacity": None})

    assert (metrics["RunsFailed"][1], metrics["RowsRead"][1], metrics["UnitsUsd"][1]) == (1, 0, 0)


def test_subject_is_added_as_text_and_hides_nothing() -> None:
    subject = {"source": "s3://b/k", "table": {"no": "text"}, "target": "", "status": "mine"}

    named = with_subject(SUMMARY, {"subject": subject})

    assert named == SUMMARY | {"source": "s3://b/k"}
    assert with_subject(SUMMARY, {}) == SUMMARY
    assert len(with_subject(SUMMARY, {"subject": {"source": "x" * 5000}})["source"]) == 1000


moments = st.floats(0, 1000, allow_nan=False)
works = st.lists(
    st.tuples(moments, moments, st.integers(0, 10**6)).map(
        lambda each: Work(START + min(each[:2]), START + max(each[:2]), WorkDone(read=each[2]))
    ),
    max_size=20,
)


@given(works)
def test_binned_work_adds_up(work: list[Work]) -> None:
    span = Span(START, START + 1000)
    rates = binned(span, work, lambda each: each.done.read)

    assert len(rates) == BINS
    total = sum(each.done.read for each in work)
    assert sum(rates) * span.seconds / BINS == pytest.approx(total, rel=1e-6, abs=1e-3)


@given(st.lists(st.tuples(moments, moments), max_size=20))
def test_children_at_work_add_up_to_their_time(spans: list[tuple[float, float]]) -> None:
    children = [Child("", str(i), START + min(each), START + max(each), "SUCCEEDED") for i, each in enumerate(spans)]
    span = Span(START, START + 1000)

    seconds = sum(running(span, children)) * span.seconds / BINS
    assert seconds == pytest.approx(sum(each.stop - each.start for each in children), rel=1e-6, abs=1e-3)


def test_a_long_timeline_shows_the_failed_children_and_the_longest() -> None:
    children = [Child("", f"c{i}", START + i, START + i + 1 + i / 1000, "SUCCEEDED") for i in range(500)]
    children[7] = Child("", "bad", START, START + 0.001, "FAILED", error="X")
    [timeline] = timelines(Span(START, START + 600), children)

    names = [bar.child.name for bar in timeline.bars]
    assert len(names) == BARS_SHOWN
    assert {"bad", "c499"} <= set(names)
    assert (timeline.children, timeline.failed, timeline.is_complete) == (500, 1, False)
    assert all(bar.left >= 0 and bar.left + bar.width <= 100.01 for bar in timeline.bars)


def test_a_limit_above_the_values_is_within_the_chart() -> None:
    rate = Rate("Write units", "units/s", [10.0] * BINS, limit=500)

    assert rate.limit_y is not None
    assert 0 < rate.limit_y < 20
