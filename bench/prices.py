"""What AWS charges for what runs are counted in: US dollars, us-east-1, without the free tier.

Units of DynamoDB are in sluice.dynamodb.prices.

State transitions: https://docs.aws.amazon.com/step-functions/latest/dg/concepts-transitions.html says that a
Distributed Map is charged one for each child execution that it starts.
"""

from __future__ import annotations

# https://aws.amazon.com/step-functions/pricing/, as of April 2026; retries count.
STATE_TRANSITION = 0.025 / 1_000
# https://aws.amazon.com/step-functions/pricing/, as of March 2026; the executions' GB-seconds come on top.
EXPRESS_REQUEST = 1.00 / 1_000_000
# The first tier; billed per 100 ms, and in chunks of 64 MB.
EXPRESS_GIGABYTE_SECOND = 0.00001667
# https://aws.amazon.com/s3/pricing/, S3 Standard: COPY, and HEAD with all that is neither PUT nor LIST.
S3_COPY_REQUEST = 0.005 / 1_000
S3_HEAD_REQUEST = 0.0004 / 1_000
# https://aws.amazon.com/lambda/pricing/, as of May 2026; the invocations' GB-seconds come on top.
LAMBDA_REQUEST = 0.20 / 1_000_000
# https://aws.amazon.com/s3/pricing/, "Management and replication", as noted in November 2026, to be checked: a job, and
# an object of it, beside the requests.
S3_BATCH_JOB = 0.25
S3_BATCH_OBJECT = 1.00 / 1_000_000
