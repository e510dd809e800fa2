"""What local AWS records of the calls that roles make."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import LocalAws, running
from tests.local_aws.accounts import Account, policy

BUCKET = "recorded-bucket"
OBJECTS = f"arn:aws:s3:::{BUCKET}/in/*"
GET = ("s3:GetObject", OBJECTS)


@pytest.fixture(scope="module")
def enforcing() -> Iterator[LocalAws]:
    with running(enforce_iam=True) as started:
        yield started


@pytest.fixture(scope="module")
def account(enforcing: LocalAws) -> Account:
    account = Account(enforcing)
    account.client("s3").create_bucket(Bucket=BUCKET)
    for name in ("in/a", "in/b", "secret/a"):
        account.client("s3").put_object(Bucket=BUCKET, Key=name, Body=b"1")
    return account


@pytest.fixture
def new_records(enforcing: LocalAws) -> Any:
    """What has been recorded since the test began, as (action, object, decision, statements)."""
    before = len(lines(enforcing))

    def records() -> list[tuple[str, str, str, list[dict[str, str]]]]:
        found = (json.loads(line) for line in lines(enforcing)[before:])
        return [
            (each["action"], each["resource"].partition(f"{BUCKET}/")[2], each["decision"], each["statements"])
            for each in found
        ]

    return records


def lines(enforcing: LocalAws) -> list[str]:
    path = enforcing.permission_records
    return path.read_text().splitlines() if path.exists() else []


def role_of(enforcing: LocalAws) -> str:
    return str(json.loads(lines(enforcing)[-1])["role"])


def test_allowed_calls_of_one_permission_are_one_record(account: Account, new_records: Any) -> None:
    s3 = account.session("s3", GET)
    for key in ("in/a", "in/b", "in/a"):
        s3.get_object(Bucket=BUCKET, Key=key)
    assert new_records() == [("s3:GetObject", "in/a", "Allow", [{"sid": "", "resource": OBJECTS}])]


def test_allowed_call_is_recorded_again_when_a_policy_changes(account: Account, new_records: Any) -> None:
    s3 = account.session("s3", GET)
    s3.get_object(Bucket=BUCKET, Key="in/a")
    account.role(GET)
    s3.get_object(Bucket=BUCKET, Key="in/b")
    assert [each[1] for each in new_records()] == ["in/a", "in/b"]


def test_every_statement_that_allows_a_call_is_recorded(account: Account, new_records: Any) -> None:
    account.session("s3", GET, ("s3:GetObject", "*"), ("s3:PutObject", "*")).get_object(Bucket=BUCKET, Key="in/a")
    ((*_, statements),) = new_records()
    assert [each["resource"] for each in statements] == [OBJECTS, "*"]


def test_each_denied_call_is_a_record(account: Account, new_records: Any) -> None:
    s3 = account.session("s3", GET)
    for _ in range(2):
        with pytest.raises(ClientError):
            s3.get_object(Bucket=BUCKET, Key="secret/a")
    assert new_records() == [("s3:GetObject", "secret/a", "ImplicitDeny", [])] * 2


def test_policy_of_a_bucket_is_recorded_when_it_denies(account: Account, new_records: Any) -> None:
    denial = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/in/b"}
    account.client("s3").put_bucket_policy(Bucket=BUCKET, Policy=policy(denial | {"Sid": "NoB"}))
    s3 = account.session("s3", ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*"))
    try:
        s3.get_object(Bucket=BUCKET, Key="secret/a")
        with pytest.raises(ClientError):
            s3.get_object(Bucket=BUCKET, Key="in/b")
    finally:
        account.client("s3").delete_bucket_policy(Bucket=BUCKET)
    assert new_records() == [
        ("s3:GetObject", "secret/a", "Allow", [{"sid": "", "resource": f"arn:aws:s3:::{BUCKET}/*"}]),
        ("s3:GetObject", "in/b", "Deny", [{"sid": "NoB", "resource": ""}]),
    ]


def test_calls_of_the_owner_are_left_out(account: Account, new_records: Any) -> None:
    account.client("s3").get_object(Bucket=BUCKET, Key="in/a")
    assert new_records() == []


def test_missing_key_needs_the_right_to_list(account: Account, new_records: Any) -> None:
    everything = ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/*")
    listing = ("s3:ListBucket", f"arn:aws:s3:::{BUCKET}")
    with pytest.raises(ClientError) as missing:
        account.session("s3", everything, listing).get_object(Bucket=BUCKET, Key="none")
    assert missing.value.response["Error"]["Code"] == "NoSuchKey"
    with pytest.raises(ClientError) as denied:
        account.session("s3", everything).get_object(Bucket=BUCKET, Key="none")
    assert denied.value.response["Error"]["Code"] == "AccessDenied"
    assert [(action, decision) for action, _, decision, _ in new_records()] == [
        ("s3:GetObject", "Allow"),
        ("s3:ListBucket", "Allow"),
        ("s3:GetObject", "Allow"),
        ("s3:ListBucket", "ImplicitDeny"),
    ]


def test_changed_policy_is_felt_at_once(account: Account, enforcing: LocalAws) -> None:
    s3, iam = account.session("s3", GET), account.client("iam")
    s3.get_object(Bucket=BUCKET, Key="in/a")
    role = role_of(enforcing)
    document = iam.get_role_policy(RoleName=role, PolicyName="p")["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName="p")
    with pytest.raises(ClientError):
        s3.get_object(Bucket=BUCKET, Key="in/a")
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps(document))
    s3.get_object(Bucket=BUCKET, Key="in/a")
