"""A page in a real browser cannot use local AWS, neither from another origin nor by DNS rebinding."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_aws import LocalAws, running
from tests.browser.attacker import NAME, Line, PageServer, page_url, report_of_page
from tests.local_aws.sessions import session_of

pytestmark = pytest.mark.chromium

ROLE = "arn:aws:iam::000000000000:role/victim"
BUCKET = "victims"


@dataclass(frozen=True)
class Victim:
    """A local AWS with a function, whose code leaves a trace where it runs, and an object."""

    aws: LocalAws
    package: bytes
    trace: Path

    def client(self, service: str) -> Any:
        return session_of(self.aws).client(service, endpoint_url=self.aws.endpoint_url)

    def fill(self) -> None:
        self.client("lambda").create_function(
            FunctionName="victim",
            Runtime="python3.13",
            Role=ROLE,
            Handler="index.handler",
            Code={"ZipFile": self.package},
        )
        self.client("s3").create_bucket(Bucket=BUCKET)
        self.client("s3").put_object(Bucket=BUCKET, Key="precious.txt", Body=b"precious")

    def state(self) -> dict[str, Any]:
        """All that the page tries to change."""
        s3 = self.client("s3")
        return {
            "functions": [each["FunctionName"] for each in self.client("lambda").list_functions()["Functions"]],
            "buckets": [each["Name"] for each in s3.list_buckets()["Buckets"]],
            "objects": [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", ())],
            "precious": s3.get_object(Bucket=BUCKET, Key="precious.txt")["Body"].read(),
            "users": self.client("iam").list_users()["Users"],
            "queues": self.client("sqs").list_queues().get("QueueUrls", []),
            "code that ran": self.trace.exists(),
        }


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    trace = tmp_path / "trace"
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("index.py", f"def handler(e, c):\n    open({str(trace)!r}, 'w').close()\n")
    with running() as aws:
        victim = Victim(aws, package.getvalue(), trace)
        victim.fill()
        yield victim


@pytest.fixture
def pages() -> Iterator[PageServer]:
    with PageServer().running() as pages:
        yield pages


ELEMENTS = ("form with a function", "form with an action", "form with an object", "form that resets", "image")
BLIND = ("create function", "invoke", "invoke attack", "get", "get, signed like before", "create queue")
EMULATOR = ("config", "reset")
READING = ("fetch", "put", "delete", "read", "health")
REQUESTS = len((*ELEMENTS, *BLIND, *EMULATOR, *READING, "socket"))


def test_the_function_leaves_its_trace_for_its_owner(victim: Victim) -> None:
    victim.client("lambda").invoke(FunctionName="victim")
    assert victim.state()["code that ran"]


def test_a_page_of_another_origin_changes_nothing(victim: Victim, pages: PageServer, tmp_path: Path) -> None:
    before = victim.state()
    with Line(victim.aws.port).running() as line:
        target = f"http://127.0.0.1:{line.port}"
        url = page_url(pages.port, target=target, report_port=pages.port, package=victim.package)
        report = report_of_page(url, pages, tmp_path / "profile", lambda: line.answers_to(REQUESTS))
    assert report == (
        # The browser keeps the answers from the page.
        dict.fromkeys((*BLIND, *EMULATOR), "opaque")
        # These ask the server first, or want to read the answer: the browser ends them.
        | dict.fromkeys(READING, "TypeError")
        | dict.fromkeys(ELEMENTS, "sent")
        | {"socket": "refused"}
    )
    assert line.answers_to(REQUESTS) == {403}
    assert victim.state() == before


def test_a_page_whose_name_is_bound_to_loopback_changes_nothing(
    victim: Victim, pages: PageServer, tmp_path: Path
) -> None:
    before = victim.state()
    with Line(victim.aws.port, pages).running() as line:
        target = f"http://{NAME}:{line.port}"
        url = page_url(line.port, target=target, report_port=pages.port, package=victim.package, rebind=True)
        report = report_of_page(url, pages, tmp_path / "profile", lambda: line.answers_to(REQUESTS))
    assert pages.rebound.is_set()
    # The page is of the same origin now: it reads each answer.
    assert report == (
        dict.fromkeys((*BLIND, *EMULATOR, *READING), 403) | dict.fromkeys(ELEMENTS, "sent") | {"socket": "refused"}
    )
    assert line.answers_to(REQUESTS) == {403}
    assert victim.state() == before
