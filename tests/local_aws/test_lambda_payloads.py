"""What Lambda takes and gives, as Invoke and as Task states have it."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.conftest import Client, Run

Function = Callable[..., str]

ECHO = "def handler(e, c): return e"
INVOKE = "arn:aws:states:::lambda:invoke"
SIX_MEBIBYTES = 6 * 1024 * 1024


def task(name: str, **arguments: Any) -> dict[str, Any]:
    return {"Type": "Task", "Resource": INVOKE, "Arguments": {"FunctionName": name, **arguments}}


@pytest.mark.parametrize("text", ['"HelloWorld"', "0.0", "0", "true", "{}", "[]", "null", '{"a": "é"}'])
def test_a_text_is_the_payload_itself(function: Function, run_state: Run, text: str) -> None:
    output = run_state(task(function(ECHO), Payload=text))["output"]
    assert output["Payload"] == json.loads(text)
    assert type(output["Payload"]) is type(json.loads(text))


def test_a_text_that_is_not_json_is_refused(function: Function, run_state: Run) -> None:
    ended = run_state(task(function(ECHO), Payload="hello"))
    assert ended["error"] == "Lambda.InvalidRequestContentException"
    assert ended["cause"].startswith("Could not parse request body into json: Could not parse payload into json: ")
    assert "(Service: AWSLambda; Status Code: 400; Error Code: InvalidRequestContentException;" in ended["cause"]


def test_without_a_payload_the_function_gets_an_empty_object(function: Function, run_state: Run) -> None:
    assert run_state(task(function(ECHO)))["output"]["Payload"] == {}


def test_the_log_is_returned_on_request(function: Function, run_state: Run, client: Client) -> None:
    name = function("def handler(e, c):\n    print('told')\n    return 1")
    for answer in (
        run_state(task(name, LogType="Tail"))["output"],
        client("lambda").invoke(FunctionName=name, LogType="Tail"),
    ):
        lines = base64.b64decode(answer["LogResult"]).decode().splitlines()
        assert [line.split(" ")[0] for line in lines] == ["START", "told", "END", "REPORT"]
        assert lines[0].endswith(" Version: $LATEST")
    assert "LogResult" not in run_state(task(name))["output"]


def test_the_metadata_has_the_headers_of_the_response(function: Function, run_state: Run) -> None:
    http = run_state(task(function(ECHO), Payload=[1]))["output"]["SdkHttpMetadata"]
    assert http["HttpHeaders"]["X-Amz-Executed-Version"] == "$LATEST"
    assert http["HttpHeaders"]["Content-Length"] == "3"
    assert http["AllHttpHeaders"]["Content-Type"] == ["application/json"]


@pytest.mark.parametrize(
    ("result", "payload"),
    [
        ("b'\"HelloWorld!\"'", b'"HelloWorld!"'),
        ("{'in': b'text'}", b'{"in": "text"}'),
        ("Decimal('0.10')", b"0.1"),
        ("[Decimal('3'), {'n': Decimal('-1.5')}]", b'[3, {"n": -1.5}]'),
        ("'é'", '"é"'.encode()),
        ("(1, 2)", b"[1, 2]"),
        ("b'no json'", b"no json"),
    ],
)
def test_results_are_marshalled_as_by_the_runtime(
    function: Function, client: Client, result: str, payload: bytes
) -> None:
    name = function(f"from decimal import Decimal\ndef handler(e, c): return {result}")
    answer = client("lambda").invoke(FunctionName=name)
    assert "FunctionError" not in answer
    assert answer["Payload"].read() == payload


@pytest.mark.parametrize("result", ["{1, 2}", "object()", "b'\\xff'"])
def test_other_results_cannot_be_marshalled(function: Function, client: Client, result: str) -> None:
    answer = client("lambda").invoke(FunctionName=function(f"def handler(e, c): return {result}"))
    payload = json.loads(answer["Payload"].read())
    assert payload["errorType"] == "Runtime.MarshalError"
    assert payload["errorMessage"].startswith("Unable to marshal response: ")


def test_a_result_has_six_megabytes_at_most(function: Function, client: Client) -> None:
    name = function("def handler(e, c): return 'x' * e")
    largest = client("lambda").invoke(FunctionName=name, Payload=str(SIX_MEBIBYTES + 98))
    assert len(largest["Payload"].read()) == SIX_MEBIBYTES + 100
    answer = client("lambda").invoke(FunctionName=name, Payload=str(SIX_MEBIBYTES + 99))
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read()) == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }


@pytest.mark.parametrize(
    ("payload", "kind", "code", "expected"),
    [
        (b'"' + b"x" * SIX_MEBIBYTES + b'"', "RequestResponse", "RequestEntityTooLargeException", "6291456 bytes for"),
        (b'"' + b"x" * 2**20 + b'"', "Event", "RequestEntityTooLargeException", "1048578 byte payload is too large"),
        (b"{", "RequestResponse", "InvalidRequestContentException", "Could not parse request body into json"),
        (b"n\x87r", "RequestResponse", "InvalidRequestContentException", "Could not parse request body into json"),
    ],
)
def test_payloads_that_invoke_refuses(
    function: Function, client: Client, payload: bytes, kind: str, code: str, expected: str
) -> None:
    with pytest.raises(ClientError) as caught:
        client("lambda").invoke(FunctionName=function(ECHO), Payload=payload, InvocationType=kind)
    assert caught.value.response["Error"]["Code"] == code
    assert expected in caught.value.response["Error"]["Message"]


def test_an_exception_is_in_the_log(function: Function, client: Client) -> None:
    name = function("def handler(e, c): raise ValueError('bad field')")
    log = base64.b64decode(client("lambda").invoke(FunctionName=name, LogType="Tail")["LogResult"]).decode()
    assert "[ERROR] ValueError: bad field\nTraceback (most recent call last):" in log
