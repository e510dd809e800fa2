"""The report in a real browser: it shows all of itself without a network, on a phone as on a desk."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sluice.report.facts import Child, ItemFacts, RejectGroup, RunFacts, Work
from sluice.report.page import render
from sluice.run_item.progress import WorkDone
from sluice.runs.paths import Run

pytestmark = pytest.mark.chromium

START = 1_790_000_000.0
RUN = Run("csv_load", "20260921T120000Z-4f5a6b", "arn:aws:states:eu-west-1:111122223333:execution:s-csv_load-1a:july")
LONG = "x" * 400
# What the page itself finds out, as its title: Chromium's --dump-dom prints it.
PROBE = """<script>
addEventListener("load", () => {
  const wide = [...document.querySelectorAll("main *")].filter(
    (each) => !each.closest(".scroll, pre, svg, .lane b") && each.clientWidth && each.scrollWidth > each.clientWidth + 1
  );
  if (document.documentElement.scrollWidth > innerWidth) wide.push(document.documentElement);
  const unnamed = [...document.querySelectorAll("[role=img]")].filter((each) => !each.getAttribute("aria-label"));
  const colors = getComputedStyle(document.body);
  document.documentElement.dataset.probe = JSON.stringify({
    width: innerWidth, wide: wide.map((each) => each.outerHTML.slice(0, 80)), unnamed: unnamed.length,
    headings: [...document.querySelectorAll("h1, h2")].map((each) => each.textContent.trim().split(/\\s+/)[0]),
    bars: document.querySelectorAll(".track i").length,
    requests: performance.getEntriesByType("resource").map((each) => each.name),
    background: colors.backgroundColor, color: colors.color,
  });
});
</script>"""


def facts() -> RunFacts:
    done = WorkDone(read=1000, written=900, rejected=100, write_units=900.0)
    children = [Child("", f"c{i}", START + i, START + i + 9, "SUCCEEDED", ("range", i), done) for i in range(9)]
    children.append(Child("", "c9", START, START + 3, "FAILED", ("range", 9), None, "ThrottledError", LONG))
    summary = {
        "workflow": RUN.workflow,
        "status": "FAILED",
        "source": f"s3://bucket/{LONG}.csv",
        "table": "orders",
        "counts": {"read": 9000, "written": 8100, "skipped": 0, "rejected": 900, "failed": 0},
        "capacity": {"readUnits": 0, "writeUnits": 8100.0},
        "rejects": {"key": RUN.rejects_key, "reasons": {"KeyEmpty": 900}},
        "notes": [LONG],
    }
    reject = {"row": 12, "error": "KeyEmpty", "message": LONG, "record": {"id": "", "name": LONG}}
    return RunFacts(
        run=RUN,
        bucket="bucket",
        status="FAILED",
        summary=summary,
        item=ItemFacts(started_at=START, ended_at=START + 20, planned_rows=10_000, write_limit=2_000),
        children=children,
        work=[Work(each.start, each.stop, each.done) for each in children if each.done],
        rejects=[RejectGroup("KeyEmpty", 900, [reject] * 3)],
        samples=[{"key": {"id": {"S": LONG}}, "before": {"price": {"N": "1"}}, "after": {"price": {"S": LONG}}}],
        result_rows=[["month", "a" * 60], ["2013-01", "1"]],
        error={"name": "TooManyRejectsError", "message": LONG},
    )


def probed(directory: Path, width: int, *arguments: str) -> dict[str, Any]:
    """What the page says of itself in a window of this width, with the network blocked."""
    path = directory / "report.html"
    html = render(facts()).replace("default-src 'none'", "default-src 'none'; script-src 'unsafe-inline'")
    path.write_text(html.replace("</body>", f"{PROBE}</body>"))
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert browser is not None
    frame = directory / "frame.html"
    # A window of Chromium is never narrower than 500 pixels; a frame is.
    frame.write_text(f'<body style="margin:0"><iframe src="report.html" width="{width}" height="3000"></iframe>')
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--allow-file-access-from-files",
        f"--user-data-dir={directory / 'profile'}",
        *arguments,
        "--dump-dom",
        path.as_uri() if width >= 500 else frame.as_uri(),
    ]
    if width >= 500:
        command.insert(1, f"--window-size={width},3000")
    else:
        frame.write_text(
            frame.read_text()
            + "<script>addEventListener('load', () => document.documentElement.dataset.probe ="
            + " document.querySelector('iframe').contentDocument.documentElement.dataset.probe)</script>"
        )
    dom = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    found = dom.partition('data-probe="')[2].partition('"')[0].replace("&quot;", '"').replace("&lt;", "<")
    probe: dict[str, Any] = json.loads(found.replace("&gt;", ">").replace("&amp;", "&"))
    return probe


@pytest.mark.parametrize("width", [390, 1200])
def test_page_fits_its_window_and_needs_no_network(tmp_path: Path, width: int) -> None:
    probe = probed(tmp_path, width)

    assert probe["width"] == width
    assert probe["wide"] == []
    assert probe["requests"] == []
    assert probe["unnamed"] == 0
    assert probe["bars"] == 10
    assert {"csv_load", "What", "Over", "Rejects", "Before", "Cost"} <= set(probe["headings"])


def test_page_is_dark_where_the_reader_wants_it_dark(tmp_path: Path) -> None:
    light, dark = probed(tmp_path, 1200), probed(tmp_path, 1200, "--force-dark-mode")

    assert light["background"] != dark["background"]
    assert light["color"] != dark["color"]
