"""An export by its ARN."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sluice.aws import aws_errors
from sluice.errors import ExportNotCompletedError, InvalidInputError, SourceNotFoundError
from sluice.exports.process_input import ObjectPlace

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

COMPLETED = "COMPLETED"


def find_summary(dynamodb: DynamoDBClient, arn: str) -> ObjectPlace:
    """Where the export's summary is. Raises SourceNotFoundError, ExportNotCompletedError naming the status,
    AccessDeniedError, ServiceUnavailableError; InvalidInputError on export for one in Ion.
    """
    named = {
        "ExportNotFoundException": SourceNotFoundError(f"there is no export {arn}"),
        "ValidationException": InvalidInputError("export", f"{arn} is no ARN of an export that can be found from here"),
    }
    with aws_errors(f"export {arn}", named):
        export = dynamodb.describe_export(ExportArn=arn)["ExportDescription"]
    status = export.get("ExportStatus")
    if status != COMPLETED:
        reason = ": ".join(export[name] for name in ("FailureCode", "FailureMessage") if export.get(name))
        raise ExportNotCompletedError(f"the export {arn} is {status}{f' ({reason})' if reason else ''}")
    if export.get("ExportFormat") == "ION":
        raise InvalidInputError("export", "is in Ion; export the table as DYNAMODB_JSON")
    return ObjectPlace(export["S3Bucket"], _below(export.get("S3Prefix"), export["ExportManifest"]))


def _below(prefix: str | None, key: str) -> str:
    """The manifest's key in the bucket, whether or not AWS names it with the prefix."""
    folder = f"{prefix.rstrip('/')}/" if prefix else ""
    return key if key.startswith(folder) else folder + key
