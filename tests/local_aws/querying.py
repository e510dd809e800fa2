"""Athena in tests: tables over objects in S3, queries, and what they leave."""

import time
import uuid
from collections.abc import Callable
from typing import Any

DEADLINE_SECONDS = 120
OPEN_CSV = "org.apache.hadoop.hive.serde2.OpenCSVSerde"
LAZY_SIMPLE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"
JSON = "org.openx.data.jsonserde.JsonSerDe"
PARQUET = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"

Execution = dict[str, Any]


class Querying:
    """A database and a bucket of its own. Queries' results go below `results/` in the bucket."""

    def __init__(self, client: Callable[[str], Any], bucket: str) -> None:
        self.athena, self.glue, self.s3 = client("athena"), client("glue"), client("s3")
        self.bucket = bucket
        self.database = f"d_{uuid.uuid4().hex[:12]}"
        self.glue.create_database(DatabaseInput={"Name": self.database})

    @property
    def output(self) -> dict[str, str]:
        return {"OutputLocation": f"s3://{self.bucket}/results"}

    def put(self, key: str, body: bytes | str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body)

    def table(
        self,
        name: str,
        columns: dict[str, str],
        serde: str = OPEN_CSV,
        *,
        serde_parameters: dict[str, str] | None = None,
        partition_keys: dict[str, str] | None = None,
        header_lines: int | None = 0,
    ) -> None:
        """A table of this database over the objects below its name and a slash."""
        info = {"SerializationLibrary": serde, "Parameters": serde_parameters or {}}
        storage = {
            "Columns": [{"Name": column, "Type": kind} for column, kind in columns.items()],
            "Location": f"s3://{self.bucket}/{name}/",
            "SerdeInfo": info,
        }
        keys = [{"Name": column, "Type": kind} for column, kind in (partition_keys or {}).items()]
        parameters = {} if header_lines is None else {"skip.header.line.count": str(header_lines)}
        table = {"Name": name, "StorageDescriptor": storage, "PartitionKeys": keys, "Parameters": parameters}
        self.glue.create_table(DatabaseName=self.database, TableInput=table)

    def start(self, sql: str, **fields: Any) -> str:
        context = {"QueryExecutionContext": {"Database": self.database}, "ResultConfiguration": self.output}
        answer = self.athena.start_query_execution(QueryString=sql, **context | fields)
        return str(answer["QueryExecutionId"])

    def execution(self, query_id: str) -> Execution:
        """The query as it is now."""
        execution: Execution = self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
        return execution

    def ended(self, query_id: str) -> Execution:
        """The query when it has ended."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            execution = self.execution(query_id)
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return execution
            time.sleep(0.01)
        raise AssertionError(f"{query_id} has not ended")

    def run(self, sql: str, **fields: Any) -> Execution:
        return self.ended(self.start(sql, **fields))

    def reason(self, sql: str, **fields: Any) -> str:
        """Why the query failed."""
        status = self.run(sql, **fields)["Status"]
        assert status["State"] == "FAILED"
        assert status["AthenaError"]["ErrorMessage"] == status["StateChangeReason"]
        return str(status["StateChangeReason"])

    def csv(self, sql: str, **fields: Any) -> str:
        """The query's result, as it is stored."""
        execution = self.run(sql, **fields)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        return self.body(execution["ResultConfiguration"]["OutputLocation"]).decode()

    def lines(self, sql: str, **fields: Any) -> list[str]:
        """The lines of the query's result, without its header."""
        return self.csv(sql, **fields).splitlines()[1:]

    def body(self, uri: str) -> bytes:
        """The object of a URI."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        body: bytes = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", [])]
