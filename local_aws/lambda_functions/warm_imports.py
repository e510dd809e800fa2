"""What the parent of Lambda workers imports before it forks them. It is imported by `zygote_main` only.

The parent notes which environment variables the imported modules have read: a worker whose variables differ in one of
them cannot use these modules, and gets an interpreter of its own.
"""

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import Any

MODULES = (
    "asyncio",
    "boto3",
    "boto3.crt",
    "boto3.s3.inject",
    "boto3.s3.transfer",
    "boto3.session",
    "concurrent.futures.thread",
    "csv",
    "decimal",
    "fractions",
    "gzip",
    "http.client",
    "s3transfer.subscribers",
    "statistics",
    "uuid",
    "zoneinfo",
    "aws_lambda_powertools",
    "aws_lambda_powertools.logging.correlation_paths",
    "aws_lambda_powertools.utilities.typing",
)
# botocore's data for every client, and for those that functions make most.
DATA = ("endpoints", "partitions", "sdk-default-configuration", "_retry")
SERVICES = ("dynamodb", "lambda", "s3", "stepfunctions")
SERVICE_DATA = ("service-2", "endpoint-rule-set-1")


def import_all() -> dict[str, str | None]:
    """Import the modules that are installed, and parse botocore's data; the environment variables that were read."""
    with _recorded_reads() as names:
        for name in MODULES:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        with contextlib.suppress(ImportError):
            _parse_botocore_data()
    return {name: os.environ.get(name) for name in names}


@contextlib.contextmanager
def _recorded_reads() -> Iterator[set[str]]:
    names: set[str] = set()
    plain = type(os.environ)

    class Recorded(plain):  # type: ignore[misc, valid-type]
        def __getitem__(self, name: str) -> str:
            names.add(name)
            return str(super().__getitem__(name))

    os.environ.__class__ = Recorded
    try:
        yield names
    finally:
        os.environ.__class__ = plain


def _parse_botocore_data() -> None:
    """Keep the files' content, parsed: a client needs a third of its time for that.

    The files of a package do not change. One session's clients share what it has parsed, so nothing writes to it.
    """
    loaders: Any = importlib.import_module("botocore.loaders")
    parsed: dict[str, Any] = {}
    load = loaders.JSONFileLoader._load_file

    def load_once(self: Any, full_path: str, open_method: Any) -> Any:
        return parsed[full_path] if full_path in parsed else load(self, full_path, open_method)

    def load_and_keep(self: Any, full_path: str, open_method: Any) -> Any:
        parsed[full_path] = load(self, full_path, open_method)
        return parsed[full_path]

    loaders.JSONFileLoader._load_file = load_and_keep
    loader = loaders.Loader(include_default_search_paths=False, extra_search_paths=[loaders.Loader.BUILTIN_DATA_PATH])
    for name in DATA:
        loader.load_data(name)
    for service in SERVICES:
        for kind in SERVICE_DATA:
            loader.load_service_model(service, kind)
    for path in [path for path, content in parsed.items() if content is None]:
        del parsed[path]
    loaders.JSONFileLoader._load_file = load_once
