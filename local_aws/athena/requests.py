"""What a caller of StartQueryExecution asks for, checked in Athena's order."""

from dataclasses import dataclass
from typing import Any

from ministack.services import athena as service

MAXIMUM_QUERY_BYTES = 262_144
FEWEST_TOKEN_CHARACTERS = 32
MOST_TOKEN_CHARACTERS = 128
PRIMARY = "primary"
CATALOG = "awsdatacatalog"
DEFAULT_DATABASE = "default"

INVALID_INPUT = "INVALID_INPUT"
NO_LOCATION = (
    "No output location provided. An output location is required either through the Workgroup result configuration "
    "setting or as an API input."
)


class RefusedError(Exception):
    """The request is answered with this error; an InvalidRequestException names an `athena_code` as well."""

    def __init__(self, message: str, athena_code: str = INVALID_INPUT, code: str = "InvalidRequestException") -> None:
        super().__init__(message)
        self.message = message
        self.athena_code = athena_code
        self.code = code


@dataclass(frozen=True)
class StartRequest:
    """A checked request. `compared`: what a second request with the same token has to agree in."""

    query: str
    parameters: list[str]
    output_location: str
    work_group: str
    cutoff_bytes: int | None
    database: str | None
    catalog: str | None
    token: str | None
    compared: tuple[str | None, ...]


def read_request(data: dict[str, Any]) -> StartRequest:
    """The request, its SQL not yet looked at. Raises RefusedError."""
    query = data.get("QueryString")
    if query is None:
        raise _invalid("Value null at 'queryString' failed to satisfy constraint: Member must not be null")
    if not 1 <= len(query.encode()) <= MAXIMUM_QUERY_BYTES:
        rule = "Member must have length between 1 and 262144, inclusive"
        raise _invalid(f"Value at 'queryString' failed to satisfy constraint: {rule}")
    token = data.get("ClientRequestToken")
    _check_token(token)
    name = data.get("WorkGroup") or PRIMARY
    configuration = work_group_configuration(name)
    context = data.get("QueryExecutionContext") or {}
    location = (data.get("ResultConfiguration") or {}).get("OutputLocation")
    return StartRequest(
        query=query.strip().rstrip(";").rstrip(),
        parameters=list(data.get("ExecutionParameters") or []),
        output_location=_output_location(location, name, configuration),
        work_group=name,
        cutoff_bytes=configuration.get("BytesScannedCutoffPerQuery"),
        database=context.get("Database"),
        catalog=context.get("Catalog"),
        token=token,
        compared=(query, context.get("Catalog"), context.get("Database"), location),
    )


def work_group_configuration(name: str) -> dict[str, Any]:
    """A workgroup's configuration. Raises RefusedError when there is no such workgroup."""
    service._ensure_default_workgroup()
    group = service._workgroups.get(name)
    if group is None:
        raise RefusedError("WorkGroup is not found.")
    return dict(group.get("WorkGroupConfiguration") or group.get("Configuration") or {})


def _output_location(requested: str | None, name: str, configuration: dict[str, Any]) -> str:
    """The folder of the results, without a slash at the end; a workgroup may not let its callers choose."""
    own = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
    is_enforced = configuration.get("EnforceWorkGroupConfiguration", name != PRIMARY)
    location = own if is_enforced else requested or own
    if not location:
        raise RefusedError(NO_LOCATION)
    if not location.startswith("s3://") or not location.removeprefix("s3://").partition("/")[0]:
        raise RefusedError("outputLocation is not a valid S3 path.")
    return str(location).rstrip("/")


def _check_token(token: str | None) -> None:
    """SDKs make a token of their own; what calls without one here is a state machine."""
    if token is None:
        return
    text = "Value at 'clientRequestToken' failed to satisfy constraint: Member must have length"
    if len(token) < FEWEST_TOKEN_CHARACTERS:
        raise _invalid(f"{text} greater than or equal to {FEWEST_TOKEN_CHARACTERS}")
    if len(token) > MOST_TOKEN_CHARACTERS:
        raise _invalid(f"{text} less than or equal to {MOST_TOKEN_CHARACTERS}")


def _invalid(message: str) -> RefusedError:
    return RefusedError(f"1 validation error detected: {message}")
