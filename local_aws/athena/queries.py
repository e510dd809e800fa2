"""One query from its start to its end, in a thread of its own."""

import contextvars
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.athena.catalog import DataFile, data_files, find_table
from local_aws.athena.ddl import run_definition
from local_aws.athena.engine import CANCELLED as STOPPED
from local_aws.athena.engine import ResultColumn, engine, errors_of, fetched, result_columns
from local_aws.athena.errors import SYSTEM, CancelledError, QueryError
from local_aws.athena.permissions import QueryRights
from local_aws.athena.relations import create_view, store
from local_aws.athena.requests import StartRequest
from local_aws.athena.result_files import put_csv, put_metadata
from local_aws.athena.statements import SELECT, UNLOAD, Statement, with_parameters
from local_aws.athena.unload import check_target, parse_unload, unload_rows
from local_aws.faults import planned
from local_aws.s3_objects import MissingObjectError, open_object, put_object

if TYPE_CHECKING:
    from local_aws.athena.translation import Translation

QUEUED, RUNNING = "QUEUED", "RUNNING"
SUCCEEDED, FAILED, CANCELLED = "SUCCEEDED", "FAILED", "CANCELLED"
COUNT = ResultColumn("rows", "BIGINT")

Row = Sequence[Any]


@dataclass
class Query:
    """A query that was started, and how it goes."""

    query_id: str
    request: StartRequest
    statement: Statement
    rights: QueryRights
    submitted: float = field(default_factory=time.time)
    state: str = QUEUED
    reason: str | None = None
    error: QueryError | None = None
    completed: float | None = None
    columns: list[ResultColumn] = field(default_factory=list)
    update_count: int | None = None
    scanned_bytes: int = 0
    manifest: str | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    _stopped: threading.Event = field(default_factory=threading.Event)
    _connection: Any = None

    @property
    def output_location(self) -> str:
        """The URI of the result's object."""
        return f"{self.request.output_location}/{self.query_id}{self.statement.suffix}"

    @property
    def output_location_parts(self) -> tuple[str, str]:
        """The bucket and key of the result's object."""
        bucket, _, key = self.output_location.removeprefix("s3://").partition("/")
        return bucket, key

    def start(self) -> None:
        """Run the query in a thread of its own."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), daemon=True, name="athena-query").start()

    def stop(self) -> None:
        """Cancel the query, if it has not ended."""
        self._stopped.set()
        connection = self._connection
        if connection is not None:
            connection.interrupt()
        if self.state in (QUEUED, RUNNING):
            self._end(CANCELLED, STOPPED)

    def _run(self) -> None:
        try:
            self._attempt()
            outcome: tuple[str, str | None] = (SUCCEEDED, None)
        except CancelledError as error:
            outcome = (CANCELLED, str(error))
        except QueryError as error:
            self.error = error
            outcome = (FAILED, error.reason)
        except BaseException as error:
            self.error = QueryError(f"{type(error).__name__}: {error}", "GENERIC_INTERNAL_ERROR", category=SYSTEM)
            self._end(FAILED, self.error.reason)
            raise
        self._end(*outcome)

    def _end(self, state: str, reason: str | None) -> None:
        """The first end is the one that counts."""
        if not self.ended.is_set():
            self.reason, self.completed = reason, time.time()
            self.state = state
            self.ended.set()

    def _attempt(self) -> None:
        self.state = RUNNING if self.state == QUEUED else self.state
        fault = planned.take("query", "")
        self._wait(planned.query_seconds)
        if fault is not None:
            raise CancelledError(fault["reason"]) if fault["state"] == CANCELLED else QueryError(fault["reason"])
        if self.statement.kind in (SELECT, UNLOAD):
            self._run_query()
        else:
            run_definition(self.statement, self.request.database, self.rights)
            self._put_nothing()

    def _wait(self, seconds: float) -> None:
        if self._stopped.wait(seconds):
            raise CancelledError(STOPPED)

    def _put_nothing(self) -> None:
        bucket, key = self.output_location_parts
        with _output(bucket):
            put_object(bucket, key, b"")

    def _run_query(self) -> None:
        text = with_parameters(self.statement, self.request.parameters)
        directory = Path(tempfile.mkdtemp(prefix="athena-"))
        try:
            with engine(directory) as connection:
                self._connection = connection
                if self.statement.kind == UNLOAD:
                    self._unload(connection, text, directory)
                else:
                    self._select(connection, text, directory)
        finally:
            self._connection = None
            shutil.rmtree(directory, ignore_errors=True)

    def _select(self, connection: Any, text: str, directory: Path) -> None:
        translation = self._prepare(connection, text, directory)
        bucket, key = self.output_location_parts
        self.rights.check_writing(bucket, key)
        with errors_of(text), _output(bucket):
            connection.execute(translation.sql)
            self.columns = result_columns(connection)
            put_csv(bucket, key, self.columns, self._until_stopped(fetched(connection)))
            put_metadata(bucket, f"{key}.metadata", self.query_id, self.columns)

    def _until_stopped(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            if self._stopped.is_set():
                raise CancelledError(STOPPED)
            yield row

    def _unload(self, connection: Any, text: str, directory: Path) -> None:
        unload = parse_unload(text)
        translation = self._prepare(connection, unload.query, directory)
        check_target(unload, self.rights)
        bucket, key = self.output_location_parts
        self.rights.check_writing(bucket, key)
        with errors_of(text), _output(bucket):
            self.update_count, uris = unload_rows(connection, translation.sql, unload, directory)
            self.columns = [COUNT]
            put_metadata(bucket, f"{key}.metadata", self.query_id, self.columns)
            if uris:
                put_object(bucket, f"{key}-manifest.csv", "".join(f"{uri}\n" for uri in uris).encode())
                self.manifest = f"{self.output_location}-manifest.csv"

    def _prepare(self, connection: Any, text: str, directory: Path) -> "Translation":
        """The tables of the query as views in the database. Raises QueryError, CancelledError."""
        from local_aws.athena.translation import translate

        translation = translate(text, self.request.database, self.request.catalog)
        for number, name in enumerate(dict.fromkeys(translation.tables)):
            table = find_table(name, self.rights)
            objects = data_files(table, self.rights)
            self._scan(objects, times=translation.tables.count(name))
            stored = store(table, objects, directory / f"table-{number}", self._read)
            with errors_of(text):
                create_view(connection, table, stored, translation.hidden)
        return translation

    def _scan(self, files: list[DataFile], times: int) -> None:
        self.scanned_bytes += times * sum(file.size for file in files)
        cutoff = self.request.cutoff_bytes
        if cutoff is not None and self.scanned_bytes > cutoff:
            raise CancelledError("Bytes scanned limit was exceeded")

    def _read(self, file: DataFile) -> bytes:
        if self._stopped.is_set():
            raise CancelledError(STOPPED)
        self.rights.check_reading(file.bucket, file.key)
        try:
            with open_object(file.bucket, file.key) as body:
                return body.read()
        except MissingObjectError as error:
            raise QueryError(str(error), "HIVE_CANNOT_OPEN_SPLIT") from error


@contextmanager
def _output(bucket: str) -> Iterator[None]:
    """Raises QueryError if the bucket of the result does not exist."""
    try:
        yield
    except MissingObjectError as error:
        raise QueryError(f"The output bucket {bucket} is missing: {error}", category=SYSTEM, kind=401) from error
