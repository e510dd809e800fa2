"""What local AWS lets through: signed requests of programs. Requests are signed by botocore and sent as they are."""

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.config import Config
from botocore.credentials import Credentials

from local_aws import LocalAws, clock, faults, running
from tests.local_aws.accounts import Account
from tests.local_aws.raw_requests import TARGET, Answer, RawRequest, credentials_of, presigned, signed, unsigned
from tests.local_aws.sessions import session_of

ADVICE = "sluice local status"


@pytest.fixture
def list_tables(local_aws: LocalAws) -> RawRequest:
    return unsigned(local_aws, headers=TARGET, body="{}")


def package(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", source)
    return packed.getvalue()


def changed(request: RawRequest, **headers: str) -> RawRequest:
    return RawRequest(
        request.method,
        request.path,
        {**request.headers, **{k.replace("_", "-"): v for k, v in headers.items()}},
        request.body,
    )


def test_a_signed_request_is_served(local_aws: LocalAws, list_tables: RawRequest) -> None:
    answer = signed(list_tables, credentials_of(local_aws)).send(local_aws)
    # Other tests may have left more tables than fit on a page.
    assert (answer.status, list(json.loads(answer.text))[:1]) == (200, ["TableNames"])


@pytest.mark.parametrize(
    ("method", "path", "headers", "code"),
    [
        ("POST", "/", TARGET, '"__type": "MissingAuthenticationTokenException"'),
        ("GET", "/2015-03-31/functions/", {}, '"__type": "MissingAuthenticationTokenException"'),
        ("POST", "/2015-03-31/functions/f/invocations", {}, '"__type": "MissingAuthenticationTokenException"'),
        (
            "POST",
            "/",
            {"content-type": "application/x-www-form-urlencoded"},
            "<Error><Type>Sender</Type><Code>MissingAuthenticationToken</Code>",
        ),
        ("GET", "/?Action=GetCallerIdentity&Version=2011-06-15", {}, "<Code>MissingAuthenticationToken</Code>"),
        ("GET", "/bucket/key", {}, "<Error><Code>AccessDenied</Code>"),
        ("PUT", "/2026-results", {}, "<Error><Code>AccessDenied</Code>"),
    ],
)
def test_an_unsigned_request_is_refused_in_its_protocol(
    local_aws: LocalAws, method: str, path: str, headers: dict[str, str], code: str
) -> None:
    answer = unsigned(local_aws, method, path, headers).send(local_aws)
    assert answer.status == 403
    assert code in answer.text
    assert ADVICE in answer.text


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("dynamodb", "list_tables", "UnrecognizedClientException"),
        ("lambda", "list_functions", "UnrecognizedClientException"),
        ("stepfunctions", "list_state_machines", "UnrecognizedClientException"),
        ("sqs", "list_queues", "UnrecognizedClientException"),
        ("iam", "list_roles", "InvalidClientTokenId"),
        ("cloudformation", "list_stacks", "InvalidClientTokenId"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
    ],
)
@pytest.mark.parametrize("key", ["test", "000000000000", "AKIAIOSFODNN7EXAMPLE"])
def test_sdks_read_the_error_and_what_to_do(local_aws: LocalAws, service: str, call: str, code: str, key: str) -> None:
    session = session_of(local_aws)
    client = session.client(
        service, endpoint_url=local_aws.endpoint_url, aws_access_key_id=key, aws_secret_access_key="test"
    )
    with pytest.raises(client.exceptions.ClientError, match=ADVICE) as refused:
        getattr(client, call)()
    assert refused.value.response["Error"]["Code"] == code


def test_a_wrong_secret_is_refused(local_aws: LocalAws, list_tables: RawRequest) -> None:
    wrong = Credentials(local_aws.credentials.access_key_id, "0" * 40)
    answer = signed(list_tables, wrong).send(local_aws)
    assert answer.status == 403
    assert "InvalidSignatureException" in answer.text


@pytest.mark.parametrize(
    "change",
    [
        lambda it: RawRequest(it.method, it.path, it.headers, b'{"Limit": 1}'),
        lambda it: RawRequest(it.method, "/?x=1", it.headers, it.body),
        lambda it: RawRequest(it.method, "/other", it.headers, it.body),
        lambda it: RawRequest("PUT", it.path, it.headers, it.body),
        lambda it: RawRequest(it.method, it.path, {**it.headers, "host": "localhost"}, it.body),
        lambda it: RawRequest(
            it.method, it.path, {**it.headers, "x-amz-target": "DynamoDB_20120810.DeleteTable"}, it.body
        ),
        lambda it: RawRequest(it.method, it.path, {**it.headers, "x-amz-meta-more": "1"}, it.body),
        lambda it: RawRequest(
            it.method, it.path, {n: v for n, v in it.headers.items() if n != "content-type"}, it.body
        ),
        lambda it: RawRequest(
            it.method, it.path, {**it.headers, "Authorization": it.headers["Authorization"][:-1] + "x"}, it.body
        ),
    ],
    ids=["body", "query", "path", "method", "host", "operation", "unsigned header", "missing header", "signature"],
)
def test_a_request_that_was_changed_after_its_signature_is_refused(
    local_aws: LocalAws, list_tables: RawRequest, change: Callable[[RawRequest], RawRequest]
) -> None:
    answer = change(signed(list_tables, credentials_of(local_aws))).send(local_aws)
    assert answer.status == 403
    assert "InvalidSignatureException" in answer.text


@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer token",
        "AWS AKIA:signature",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=0",
        "AWS4-ECDSA-P256-SHA256 Credential=a/20260101/s3/aws4_request, SignedHeaders=host, Signature=0",
        "AWS4-HMAC-SHA256 Credential=a/20260101/r/s/aws4_request, SignedHeaders=host, Signature=0, Credential=b",
    ],
)
def test_other_authorizations_are_incomplete(local_aws: LocalAws, list_tables: RawRequest, authorization: str) -> None:
    answer = changed(list_tables, authorization=authorization).send(local_aws)
    assert answer.status == 403
    assert "IncompleteSignatureException" in answer.text


def test_two_signatures_are_refused(local_aws: LocalAws, list_tables: RawRequest) -> None:
    twice = RawRequest("POST", "/?x-amz-credential=other/20260101/r/dynamodb/aws4_request", list_tables.headers, b"{}")
    assert signed(twice, credentials_of(local_aws)).send(local_aws).status == 403


@pytest.mark.parametrize(("minutes", "status"), [(-16, 403), (-14, 200), (14, 200), (16, 403)])
def test_a_signature_lasts_a_quarter_of_an_hour(
    local_aws: LocalAws, list_tables: RawRequest, minutes: int, status: int
) -> None:
    request = signed(list_tables, credentials_of(local_aws), age=timedelta(minutes=minutes))
    assert request.send(local_aws).status == status


def test_after_a_step_of_the_clock_both_times_may_be_signed() -> None:
    with running(fault_injection=True) as stepped:
        clock.advance(stepped, 86_400)
        request = unsigned(stepped, headers=TARGET, body="{}")
        for age, status in ((timedelta(0), 200), (timedelta(days=-1), 200), (timedelta(hours=-12), 403)):
            assert signed(request, credentials_of(stepped), age=age).send(stepped).status == status


@pytest.mark.parametrize("declared", ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "0" * 64])
def test_only_s3_takes_a_body_that_was_not_hashed(local_aws: LocalAws, list_tables: RawRequest, declared: str) -> None:
    request = signed(changed(list_tables, x_amz_content_sha256=declared), credentials_of(local_aws))
    answer = request.send(local_aws)
    assert answer.status == 403
    assert "X-Amz-Content-Sha256" in answer.text


def test_s3_holds_the_body_against_its_hash(local_aws: LocalAws, bucket: str) -> None:
    put = unsigned(local_aws, "PUT", f"/{bucket}/key", body="right")
    request = signed(put, credentials_of(local_aws), "s3")
    wrong = RawRequest("PUT", request.path, request.headers, b"wrong")
    assert "XAmzContentSHA256Mismatch" in wrong.send(local_aws).text
    assert request.send(local_aws).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/_ministack/health", "/_ministack/reset"])
@pytest.mark.parametrize("origin", ["https://example.com", "http://127.0.0.1:1", "null"])
def test_requests_of_web_pages_are_refused_even_signed(
    local_aws: LocalAws, method: str, path: str, origin: str
) -> None:
    request = unsigned(local_aws, method, path, {**TARGET, "origin": origin})
    answer = signed(request, credentials_of(local_aws)).send(local_aws)
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("path", ["/", "/bucket/key", "/_ministack/health"])
def test_preflights_are_refused(local_aws: LocalAws, path: str) -> None:
    request = unsigned(local_aws, "OPTIONS", path, {"access-control-request-method": "POST"})
    assert request.send(local_aws).status == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:1", 200),
        ("localhost", 200),
        ("LOCALHOST:80", 200),
        ("[::1]:4566", 200),
        ("bucket.localhost", 200),
        ("attacker.example", 403),
        ("localhost.attacker.example", 403),
        ("notlocalhost", 403),
        ("127.0.0.1.attacker.example", 403),
        ("127.0.0.2", 403),
        ("host.docker.internal", 403),
        ("0.0.0.0", 403),
        ("", 403),
    ],
)
def test_only_names_of_this_machine_are_hosts(local_aws: LocalAws, host: str, status: int) -> None:
    health = unsigned(local_aws, "GET", "/_ministack/health", {"host": host}).send(local_aws)
    # A name before .localhost is a bucket's; the signature itself is right.
    request = signed(unsigned(local_aws, headers={**TARGET, "host": host or "x"}, body="{}"), credentials_of(local_aws))
    request = RawRequest(request.method, request.path, {**request.headers, "host": host}, request.body)
    assert health.status == status
    assert (request.send(local_aws).status == 403) is (status == 403)


def test_containers_reach_a_server_that_is_bound_for_them() -> None:
    with running(bind_host="0.0.0.0") as bound:
        for host, status in (("host.docker.internal:4566", 200), ("127.0.0.1", 200), ("attacker.example", 403)):
            assert unsigned(bound, "GET", "/_ministack/health", {"host": host}).send(bound).status == status


def test_the_address_of_the_connection_is_a_host() -> None:
    with running(bind_host="127.0.0.3") as bound:
        request = unsigned(bound, "GET", "/_ministack/health", {"host": "127.0.0.3:1"})
        assert request.send(bound, "127.0.0.3").status == 200
        other = unsigned(bound, "GET", "/_ministack/health", {"host": "127.0.0.4:1"})
        assert other.send(bound, "127.0.0.3").status == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/_ministack/reset"),
        ("POST", "/%5Fministack/reset"),
        ("POST", "/_ministack/config"),
        ("GET", "/_ministack/ready"),
        ("GET", "/_ministack/ses/messages"),
        ("GET", "/_ministack/sqs/messages"),
        ("GET", "/_ministack/lambda-code/name"),
        ("POST", "/_ministack/health"),
        ("PUT", "/_ministack/cfn-response/token"),
        ("GET", "/_localstack/init"),
        ("GET", "/_aws/execute-api/abc/stage/path"),
        ("GET", "/_aws/lambda-url/abc/path"),
        ("GET", "/restapis/abc/stage/_user_request_/path"),
        ("POST", "/_local_aws/unknown"),
    ],
)
def test_endpoints_of_the_emulator_are_blocked(
    local_aws: LocalAws, bucket: str, client: Callable[[str], Any], method: str, path: str
) -> None:
    request = unsigned(local_aws, method, path, body="{}" if method != "GET" else "")
    assert request.send(local_aws).status == 403
    answer = signed(request, credentials_of(local_aws)).send(local_aws)
    assert answer.status == 403
    assert "APIs of AWS only" in answer.text
    client("s3").head_bucket(Bucket=bucket)


@pytest.mark.parametrize("path", ["/_ministack/health", "/_localstack/health"])
def test_health_needs_no_signature(local_aws: LocalAws, path: str) -> None:
    assert unsigned(local_aws, "GET", path).send(local_aws).status == 200


@pytest.mark.parametrize("path", [faults.PATH, clock.PATH, "/_local_aws/large-objects"])
def test_controls_need_the_owners_signature(local_aws: LocalAws, client: Callable[[str], Any], path: str) -> None:
    request = unsigned(local_aws, "POST", path, body='{"seconds": 86400}')
    before = clock.now(local_aws)
    assert request.send(local_aws).status == 403
    session = client("sts").get_session_token()["Credentials"]
    other = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    assert signed(request, other, "local-aws").send(local_aws).status == 403
    assert clock.now(local_aws) - before < timedelta(hours=1)


def test_controls_are_only_there_for_tests() -> None:
    with running() as plain:
        request = unsigned(plain, "POST", clock.PATH, body='{"seconds": 0}')
        assert signed(request, credentials_of(plain), "local-aws").send(plain).status == 403


@pytest.mark.parametrize("enforce_iam", [False, True])
def test_no_answer_has_cors_headers(enforce_iam: bool) -> None:
    rule = {"AllowedMethods": ["GET", "PUT"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}
    with running(enforce_iam=enforce_iam) as started:
        s3 = session_of(started).client("s3", endpoint_url=started.endpoint_url)
        s3.create_bucket(Bucket="with-cors")
        s3.put_bucket_cors(Bucket="with-cors", CORSConfiguration={"CORSRules": [rule]})
        s3.put_object(Bucket="with-cors", Key="key", Body=b"body")
        requests = [
            unsigned(started, "GET", "/_ministack/health"),
            unsigned(started, "GET", "/with-cors/key"),
            signed(unsigned(started, "GET", "/with-cors/key"), credentials_of(started), "s3"),
            signed(unsigned(started, "GET", "/with-cors/missing"), credentials_of(started), "s3"),
            signed(unsigned(started, headers=TARGET, body="{}"), credentials_of(started)),
        ]
        answers = [request.send(started) for request in requests]
    assert [answer.status for answer in answers] == [200, 403, 200, 404, 200]
    assert not [name for answer in answers for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize("key", ["key", "a folder/é+(1)//x"])
def test_presigned_urls_are_served_until_they_expire(
    local_aws: LocalAws, client: Callable[[str], Any], bucket: str, version: str, style: str, key: str
) -> None:
    addressing: Any = {"addressing_style": style}
    s3 = session_of(local_aws).client(
        "s3",
        endpoint_url=f"http://localhost:{local_aws.port}",
        config=Config(signature_version=version, s3=addressing),
    )

    def send(method: str, operation: str, expires: int, body: bytes = b"") -> Answer:
        url = s3.generate_presigned_url(operation, Params={"Bucket": bucket, "Key": key}, ExpiresIn=expires)
        host, _, path = url.removeprefix("http://").partition("/")
        assert host.startswith(bucket) is (style == "virtual")
        return RawRequest(method, f"/{path}", {"host": host}, body).send(local_aws)

    assert send("PUT", "put_object", 60, b"body").status == 200
    assert send("GET", "get_object", 60).text == "body"
    assert client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == b"body"
    # Version 2 counts from now; version 4 from the signature on, see the next test.
    if version == "s3":
        expired = send("GET", "get_object", -2)
        assert (expired.status, "Request has expired" in expired.text) == (403, True)
    assert send("PUT", "get_object", 60, b"other method").status == 403
    assert client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == b"body"


def test_a_presigned_url_of_version_4_expires(local_aws: LocalAws, bucket: str) -> None:
    request = presigned(unsigned(local_aws, "GET", f"/{bucket}"), credentials_of(local_aws), "s3", 60)
    assert request.send(local_aws).status == 200
    old = presigned(
        unsigned(local_aws, "GET", f"/{bucket}"), credentials_of(local_aws), "s3", 60, age=timedelta(seconds=61)
    )
    answer = old.send(local_aws)
    assert (answer.status, "Request has expired" in answer.text) == (403, True)


@pytest.mark.parametrize("change", ["X-Amz-Expires=6", "X-Amz-Date=2", "X-Amz-SignedHeaders=x", "more=1"])
def test_a_presigned_url_that_was_changed_is_refused(local_aws: LocalAws, bucket: str, change: str) -> None:
    request = presigned(unsigned(local_aws, "GET", f"/{bucket}"), credentials_of(local_aws), "s3", 60)
    name = change.partition("=")[0]
    path = request.path.replace(f"{name}=", change) if name in request.path else f"{request.path}&{change}"
    assert RawRequest("GET", path, request.headers).send(local_aws).status == 403


def test_credentials_are_of_one_start_and_only_its_users() -> None:
    with running() as one, running() as other:
        assert one.credentials != other.credentials
        assert one.credentials.access_key_id != other.credentials.access_key_id
        file = one.directory / "credentials.json"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(one.directory.stat().st_mode) == 0o700
        assert one.credentials.secret_access_key not in repr(one.credentials)
        answer = signed(unsigned(other, headers=TARGET, body="{}"), credentials_of(one)).send(other)
    assert answer.status == 403


def test_the_token_of_a_session_is_needed() -> None:
    with running(enforce_iam=True) as enforcing:
        client = session_of(enforcing).client("sts", endpoint_url=enforcing.endpoint_url)
        session = client.get_session_token()["Credentials"]
        request = unsigned(enforcing, headers=TARGET, body="{}")
        for token, status in ((session["SessionToken"], 200), ("other", 403), (None, 403)):
            credentials = Credentials(session["AccessKeyId"], session["SecretAccessKey"], token)
            assert signed(request, credentials).send(enforcing).status == status
        root = credentials_of(enforcing)
        with_token = Credentials(root.access_key, root.secret_key, "of another account")
        answer = signed(request, with_token).send(enforcing)
    assert answer.status == 403
    assert "no session token" in answer.text


def test_nobody_can_compute_the_credentials_of_a_function() -> None:
    """ministack derives them from the ARNs of the function and its role, which anybody may know."""
    source = (
        "import boto3, os\n"
        "def handler(e, c):\n"
        "    return [os.environ['AWS_ACCESS_KEY_ID'], boto3.client('sts').get_caller_identity()['Arn']]\n"
    )
    with running(enforce_iam=True) as enforcing:
        account = Account(enforcing)
        function = account.client("lambda").create_function(
            FunctionName="known",
            Runtime="python3.13",
            Role=account.role(),
            Handler="index.handler",
            Code={"ZipFile": package(source)},
            Timeout=30,
        )
        key, identity = json.load(account.client("lambda").invoke(FunctionName="known")["Payload"])
        digest = hashlib.sha256(f"{function['FunctionArn']}:{function['Role']}".encode()).hexdigest()
        guess = Credentials(
            f"ASIA{digest[:16].upper()}",
            hashlib.sha256(f"secret:{digest}".encode()).hexdigest(),
            hashlib.sha256(f"token:{digest}".encode()).hexdigest(),
        )
        answer = signed(unsigned(enforcing, headers=TARGET, body="{}"), guess).send(enforcing)
    assert identity.endswith("/known")
    assert key != guess.access_key
    assert "UnrecognizedClientException" in answer.text
