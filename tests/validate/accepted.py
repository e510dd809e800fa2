"""The findings that stay, each with its reason."""

from tests.validate.findings import Accepted

DEFINITIONS = (
    Accepted(
        "language service",
        'Value is not accepted. Valid values: "CSV", "JSON", "JSONL", "MANIFEST".',
        "Distributed Map reads PARQUET; the language service's list is older.",
        "MapParquetRows",
    ),
)

TEMPLATE = (
    Accepted(
        "checkov",
        "CKV_AWS_115",
        "Functions share the account's concurrency: reserving some would take it from the user's other functions, and "
        "a run's MaxConcurrency already limits it.",
    ),
    Accepted(
        "checkov",
        "CKV_AWS_116",
        "Step Functions invokes the functions synchronously and records their failures: a dead letter queue would stay "
        "empty.",
    ),
    Accepted(
        "checkov",
        "CKV_AWS_117",
        "The functions call DynamoDB, S3 and other AWS APIs only, over TLS. A VPC would need an endpoint for "
        "each service.",
    ),
    Accepted(
        "checkov",
        "CKV_AWS_173",
        "The variables are names of resources and no secrets. Lambda encrypts them with a key of AWS.",
    ),
    Accepted(
        "checkov",
        "CKV_AWS_18",
        "Server access logs need a second bucket. CloudTrail data events record the same, where the user's "
        "policy asks for it.",
        "DataBucket",
    ),
    Accepted(
        "checkov",
        "CKV_AWS_21",
        "The bucket holds results that expire; versions would keep, and bill, what the lifecycle rules delete.",
        "DataBucket",
    ),
    Accepted(
        "checkov",
        "CKV_AWS_28",
        "The items are the limits of active runs, and expire. There is nothing to restore.",
        "RunTable",
    ),
    Accepted(
        "checkov",
        "CKV_AWS_27",
        "The queue is encrypted with SqsManagedSseEnabled; this check knows KMS keys only.",
        "ExportDeadLetterQueue",
    ),
)
