"""The attacker: a server of pages, a name that is bound again, and a browser that opens the page."""

import base64
import contextlib
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

PAGE = Path(__file__).with_name("attack.html")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
NAME = "attacker.example"
REPORT_SECONDS = 120
REQUEST = re.compile(rb"^[A-Z]+ /\S* HTTP/1\.1\r$", re.MULTILINE)
STATUS = re.compile(rb"^HTTP/1\.1 (\d+) ", re.MULTILINE)
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-sync",
    "--no-proxy-server",
    f"--host-resolver-rules=MAP {NAME} 127.0.0.1",
)


class PageServer:
    """Serves the page, on a port of its own, and takes what the page reports."""

    def __init__(self) -> None:
        self.reports: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.rebound = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/rebind":
                    outer.rebound.set()
                body = PAGE.read_bytes()
                self.send_response(200)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.send_header("connection", "close")
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                outer.reports.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]

    @contextlib.contextmanager
    def running(self) -> Iterator["PageServer"]:
        """Serve for the length of a with block."""
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()


class Line:
    """The connection from the browser to local AWS, with a record of what went over it.

    With `pages` it leads there at first, and from the page's request `/rebind` on to local AWS. To the browser all of
    it is one server, as when the attacker's name has another address the second time.
    """

    def __init__(self, aws_port: int, pages: PageServer | None = None) -> None:
        self._aws_port, self._pages = aws_port, pages
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._requests: list[bytes] = []
        self._statuses: list[int] = []
        self.port = self._listening.getsockname()[1]

    @contextlib.contextmanager
    def running(self) -> Iterator["Line"]:
        """Lead connections on for the length of a with block."""
        threading.Thread(target=self._accept, daemon=True).start()
        try:
            yield self
        finally:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()

    def answers_to(self, requests: int) -> set[int]:
        """The statuses of local AWS's answers, once it has answered so many requests and all that it was sent."""
        deadline = time.monotonic() + REPORT_SECONDS
        while len(self._statuses) < requests or len(self._statuses) < len(self._requests):
            assert time.monotonic() < deadline, (self._requests, self._statuses)
            time.sleep(0.05)
        return set(self._statuses)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                is_page = self._pages is not None and not self._pages.rebound.is_set()
                far = socket.create_connection(
                    ("127.0.0.1", self._pages.port if self._pages and is_page else self._aws_port)
                )
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(source, sink, is_page), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket, is_page: bool) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(1 << 20):
                if not is_page:
                    self._requests += REQUEST.findall(part)
                    self._statuses += map(int, STATUS.findall(part))
                sink.sendall(part)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def page_url(port: int, *, target: str, report_port: int, package: bytes, rebind: bool = False) -> str:
    """Where the browser finds the page that attacks `target`."""
    settings = {
        "target": target,
        "report": f"http://{NAME}:{report_port}/report",
        "code": base64.b64encode(package).decode(),
        **({"rebind": "1"} if rebind else {}),
    }
    return f"http://{NAME}:{port}/?{urlencode(settings)}"


def report_of_page(
    url: str, pages: PageServer, profile: Path, wait_for_answers: Callable[[], object]
) -> dict[str, Any]:
    """Open the page in a browser until all is answered; what it says that each of its requests came to."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip(f"needs one of {', '.join(BROWSERS)}")
    log = profile / "browser.log"
    profile.mkdir()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [browser, *SWITCHES, f"--user-data-dir={profile / 'data'}", url],
            env={"HOME": str(profile), "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            report = pages.reports.get(timeout=REPORT_SECONDS)
            wait_for_answers()
        except queue.Empty:
            pytest.fail(f"the page did not report:\n{log.read_text(errors='replace')[-3000:]}")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return report
