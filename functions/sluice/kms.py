"""What to do about an error of AWS that comes from a KMS key."""

from __future__ import annotations

import re

# An action or an ARN of KMS, or an error code such as KMS.DisabledException: not a bucket or table named after it.
_KMS = re.compile(r"(?<![\w-])kms:|\bKMS[A-Z]\w*Exception|\bKMS\.|\bKMS key\b", re.ASCII)
ADVICE = (
    "the data is encrypted with a KMS key: name it in the stack's parameter KmsKeyArns, and see to it that the key is "
    "enabled and its policy lets the account use it"
)


def is_about_kms(problem: str) -> bool:
    """Whether AWS speaks of a KMS key."""
    return _KMS.search(problem) is not None


def with_advice(problem: str) -> str:
    """The problem, and what to do where it comes from a KMS key; once only."""
    return f"{problem} ({ADVICE})" if is_about_kms(problem) and ADVICE not in problem else problem
