"""What the check costs in an account, and how long it takes, from what it is going to do."""

from __future__ import annotations

from dataclasses import dataclass

from bench.prices import LAMBDA_REQUEST, S3_COPY_REQUEST, STATE_TRANSITION
from sluice.dynamodb.prices import READ_UNIT_USD, WRITE_UNIT_USD

MINUTES_ON_AWS = 60
# https://aws.amazon.com/dynamodb/pricing/on-demand/, https://aws.amazon.com/lambda/pricing/,
# https://aws.amazon.com/athena/pricing/, us-east-1, 2026.
EXPORT_GIGABYTE = 0.10
LAMBDA_GIGABYTE_SECOND = 0.0000133334
ATHENA_TERABYTE = 5.00


@dataclass(frozen=True)
class Charge:
    """So many of something, at a price in US dollars each."""

    what: str
    amount: float
    price: float

    @property
    def dollars(self) -> float:
        """The charge."""
        return self.amount * self.price


# Counted in runs of the check on local AWS, and rounded up.
CHARGES = (
    Charge("DynamoDB write units (loads, a transform, a copy)", 120_000, WRITE_UNIT_USD),
    Charge("DynamoDB read units (scans, comparisons)", 20_000, READ_UNIT_USD),
    Charge("DynamoDB exports (GB, at least 10 MB each)", 0.05, EXPORT_GIGABYTE),
    Charge("Step Functions state transitions", 14_000, STATE_TRANSITION),
    Charge("Lambda requests", 500, LAMBDA_REQUEST),
    Charge("Lambda GB-seconds", 3_000, LAMBDA_GIGABYTE_SECOND),
    Charge("S3 PUT, COPY and LIST requests", 10_000, S3_COPY_REQUEST),
    Charge("Athena (TB scanned)", 0.0001, ATHENA_TERABYTE),
)


def total_dollars() -> float:
    """All charges, without the free tier."""
    return sum(each.dollars for each in CHARGES)


def estimate_lines() -> list[str]:
    """The charges as a table, with their sum and the time."""
    lines = [f"  {each.what:<52} {each.amount:>12,.10g} {each.dollars:>9.4f} USD" for each in CHARGES]
    return [*lines, f"  {'in all, without the free tier':<65} {total_dollars():>9.2f} USD, {MINUTES_ON_AWS} minutes"]
