"""What the services of resources refuse, where ministack's stacks go past them."""

import json
import re
from collections.abc import Callable
from typing import Any

from ministack.services import dynamodb

from local_aws.stacks.failures import ResourceError, handler_error, service_error
from local_aws.stacks.schemas import violations

Properties = dict[str, Any]

LONGEST_TIMEOUT_SECONDS = 900
MOST_MEMORY_MB = 10_240
MOST_ENVIRONMENT_BYTES = 4_096
MOST_INLINE_CHARACTERS = 10_240
MOST_TRUST_CHARACTERS = 2_048
MOST_MANAGED_CHARACTERS = 6_144
RESERVED_VARIABLES = frozenset(
    (
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    )
)
BUCKET_NAME = re.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
NO_ENVIRONMENT = (
    "Lambda was unable to configure your environment variables because the environment variables you have provided "
)
TABLE_FIELDS = (
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
)
COUNTS = frozenset(("ReadCapacityUnits", "WriteCapacityUnits"))


def check_properties(kind: str, logical_id: str, properties: Any) -> None:
    """Raises ResourceError for properties that the schema or the service refuses."""
    if not isinstance(properties, dict):
        return
    if kind == "AWS::S3::Bucket" and properties.get("BucketName"):
        _check_bucket_name(str(properties["BucketName"]))
    if kind == "AWS::Lambda::Function":
        _check_function(properties)
    found = violations(kind, properties)
    if found:
        message = "\n".join(f"[{each}]" for each in found) if len(found) == 1 else f"[{', '.join(found)}]"
        raise ResourceError(f"Properties validation failed for resource {logical_id} with message:\n{message}")
    if kind in SERVICE_CHECKS:
        SERVICE_CHECKS[kind](properties)


def _check_bucket_name(name: str) -> None:
    if name != name.lower():
        raise ResourceError("Bucket name should not contain uppercase characters")
    if not BUCKET_NAME.fullmatch(name) or ".." in name:
        raise service_error("The specified bucket is not valid.", "S3", 400, "InvalidRequest")


def _check_function(properties: Properties) -> None:
    for name, most in (("Timeout", LONGEST_TIMEOUT_SECONDS), ("MemorySize", MOST_MEMORY_MB)):
        if _is_above(properties.get(name), most):
            field = name[0].lower() + name[1:]
            raise _lambda_error(
                f"1 validation error detected: Value '{properties[name]}' at '{field}' failed to satisfy constraint: "
                f"Member must have value less than or equal to {most}"
            )
    variables = (properties.get("Environment") or {}).get("Variables") or {}
    if not isinstance(variables, dict):
        return
    reserved = sorted(RESERVED_VARIABLES & set(variables))
    if reserved:
        raise _lambda_error(
            f"{NO_ENVIRONMENT}contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    text = json.dumps({name: str(value) for name, value in variables.items()}, separators=(",", ":"))
    if len(text.encode()) > MOST_ENVIRONMENT_BYTES:
        raise _lambda_error(f"{NO_ENVIRONMENT}exceeded the 4KB limit. String measured: {text}")


def _is_above(value: Any, most: int) -> bool:
    try:
        return value is not None and int(value) > most
    except (TypeError, ValueError):
        return False


def _lambda_error(message: str) -> ResourceError:
    return service_error(message, "Lambda", 400, "InvalidRequest")


def _check_table(properties: Properties) -> None:
    """CreateTable's own checks, with a table that is not kept."""
    name = "local-aws.checked"
    request = {key: _numbered(properties[key]) for key in TABLE_FIELDS if key in properties}
    status, _, body = dynamodb._create_table({"TableName": name, **request})
    dynamodb._tables.pop(name, None)
    if status >= 400:
        response = json.loads(body)
        raise service_error(
            response.get("message") or response.get("Message") or "", "DynamoDb", status, "InvalidRequest"
        )


def _numbered(value: Any) -> Any:
    """Capacities may be texts in a template."""
    if isinstance(value, list):
        return [_numbered(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: int(each) if name in COUNTS else _numbered(each) for name, each in value.items()}


def _check_role(properties: Properties) -> None:
    documents = [each.get("PolicyDocument") for each in properties.get("Policies") or ()]
    size = sum(map(_characters, documents))
    if size > MOST_INLINE_CHARACTERS:
        role = properties.get("RoleName") or "role"
        raise _iam_error(f"Maximum policy size of {MOST_INLINE_CHARACTERS} bytes exceeded for role {role}")
    if _characters(properties.get("AssumeRolePolicyDocument")) > MOST_TRUST_CHARACTERS:
        raise _iam_error(f"Cannot exceed quota for ACLSizePerRole: {MOST_TRUST_CHARACTERS}")


def _check_inline_policy(properties: Properties) -> None:
    if _characters(properties.get("PolicyDocument")) > MOST_INLINE_CHARACTERS:
        raise _iam_error(f"Maximum policy size of {MOST_INLINE_CHARACTERS} bytes exceeded")


def _check_managed_policy(properties: Properties) -> None:
    if _characters(properties.get("PolicyDocument")) > MOST_MANAGED_CHARACTERS:
        raise _iam_error(f"Cannot exceed quota for PolicySize: {MOST_MANAGED_CHARACTERS}")


def _characters(document: Any) -> int:
    """IAM does not count white space."""
    text = document if isinstance(document, str) else json.dumps(document or "", separators=(",", ":"))
    return len("".join(text.split()))


def _iam_error(message: str) -> ResourceError:
    return handler_error(f"{message} (Service: Iam, Status Code: 409)", "ServiceLimitExceeded")


SERVICE_CHECKS: dict[str, Callable[[Properties], None]] = {
    "AWS::DynamoDB::Table": _check_table,
    "AWS::IAM::ManagedPolicy": _check_managed_policy,
    "AWS::IAM::Policy": _check_inline_policy,
    "AWS::IAM::Role": _check_role,
    "AWS::IAM::RolePolicy": _check_inline_policy,
}
