"""The rights of a query's caller: in Glue, on the objects it reads, and on its results."""

from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import athena as service

from local_aws.athena.errors import QueryError, denied
from local_aws.athena.requests import CATALOG, PRIMARY, RefusedError
from local_aws.role_permissions import denial

ACCESS_DENIED = "AccessDeniedException"
OWN_CATALOG = "AwsDataCatalog"


def query_resource(data: dict[str, Any], region: str, account_id: str) -> str | None:
    """The workgroup's ARN of a request that names none, or only a query; None where there is no query in it."""
    query = service._executions.get_scoped(account_id, region, data.get("QueryExecutionId"))
    if query is None and "QueryString" not in data:
        return None
    return work_group_arn(PRIMARY if query is None else query.request.work_group)


def work_group_arn(name: str) -> str:
    """A workgroup's ARN."""
    return f"arn:aws:athena:{get_region()}:{get_account_id()}:workgroup/{name}"


def query_work_group(given: dict[str, Any]) -> str:
    """The workgroup that a request names, or that of its query."""
    query = service._executions.get(given.get("QueryExecutionId"))
    return str(given.get("WorkGroup") or (PRIMARY if query is None else query.request.work_group))


def not_authorized(action: str) -> str:
    """What Athena tells a caller who lacks one of its own rights."""
    message = f"You are not authorized to perform: athena:{action} on the resource."
    return f"{message} After your AWS administrator or you have updated your permissions, please try again."


@dataclass(frozen=True)
class QueryRights:
    """What the caller's role may do; without a role, anything."""

    role_arn: str | None

    def check_start(self, bucket: str, catalog: str | None) -> None:
        """What Athena checks before it takes a query on. Raises RefusedError."""
        name = OWN_CATALOG if catalog is None or catalog.lower() == CATALOG else catalog
        catalog_arn = f"arn:aws:athena:{get_region()}:{get_account_id()}:datacatalog/{name}"
        if self._denial("athena:GetDataCatalog", catalog_arn) is not None:
            raise RefusedError(not_authorized("GetDataCatalog"), code=ACCESS_DENIED)
        if self._denial("s3:GetBucketLocation", f"arn:aws:s3:::{bucket}") is not None:
            raise RefusedError(f"Unable to verify/create output bucket {bucket}")

    def check_glue(self, action: str, database: str, table: str | None = None) -> None:
        """An action of Glue, which needs its right on the catalog, the database and the table. Raises QueryError."""
        resources = ["catalog", f"database/{database}"] + ([f"table/{database}/{table}"] if table else [])
        for resource in resources:
            message = self._denial(f"glue:{action}", f"arn:aws:glue:{get_region()}:{get_account_id()}:{resource}")
            if message is not None:
                raise denied(message)

    def check_listing(self, bucket: str, prefix: str) -> None:
        """Listing what is below a table's location. Raises QueryError."""
        message = self._denial("s3:ListBucket", f"arn:aws:s3:::{bucket}", (("s3:prefix", prefix),))
        if message is not None:
            raise _unreadable(f"s3://{bucket}/{prefix}", message)

    def check_reading(self, bucket: str, key: str) -> None:
        """Reading an object. Raises QueryError."""
        message = self._denial("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")
        if message is not None:
            raise _unreadable(f"s3://{bucket}/{key}", message)

    def check_writing(self, bucket: str, key: str) -> None:
        """Writing an object of the result. Raises QueryError."""
        if self._denial("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}") is not None:
            raise QueryError(
                f"Access denied when writing output to url: s3://{bucket}/{key} . Please ensure you are allowed to "
                "access the S3 bucket. If you are encrypting query results with KMS key, please ensure you are "
                "allowed to access your KMS key"
            )

    def check_result(self, bucket: str, key: str) -> None:
        """Reading a result through Athena. Raises RefusedError."""
        message = self._denial("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}")
        if message is not None:
            raise RefusedError(f"Access denied when reading s3://{bucket}/{key}. {message}", code=ACCESS_DENIED)

    def _denial(self, action: str, arn: str, keys: tuple[tuple[str, str], ...] = ()) -> str | None:
        return None if self.role_arn is None else denial(self.role_arn, action, arn, keys)


def _unreadable(path: str, denial: str) -> QueryError:
    message = f"Access Denied: {path}. {denial} (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied)"
    return QueryError(message, "PERMISSION_DENIED", kind=1009)
