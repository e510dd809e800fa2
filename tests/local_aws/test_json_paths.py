"""Reference paths and Choice rules of JSONPath states, on plain values."""

from typing import Any

import pytest

from local_aws.stepfunctions.choice_rules import holds
from local_aws.stepfunctions.json_paths import resolve
from local_aws.stepfunctions.scope import NoHistory, Run, Scope

DATA = {
    "a": {"b": [10, 20, 30]},
    "rows": [{"n": 1, "s": "x"}, {"n": 2, "s": "y"}],
    "odd key": 5,
    "when": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def scope() -> Scope:
    run = Run(record={}, context={"Execution": {"Name": "run-1"}}, history=NoHistory())
    return Scope(run, "JSONPath", {"kept": {"x": [1]}}, state={"Name": "Here"})


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DATA),
        ("$.a.b[1]", 20),
        ("$.a.b[-1]", 30),
        ("$.a.b[0:2]", [10, 20]),
        ("$['odd key']", 5),
        ("$.rows[*].n", [1, 2]),
        ("$..s", ["x", "y"]),
        ("$.rows[?(@.n == 2)]", [{"n": 2, "s": "y"}]),
        ("$.rows[?(@.n > 5)]", []),
        ("$$.Execution.Name", "run-1"),
        ("$$.State.Name", "Here"),
        ("$kept.x[0]", 1),
    ],
)
def test_path_leads_to_its_value(scope: Scope, path: str, value: Any) -> None:
    assert resolve(path, DATA, scope) == value


@pytest.mark.parametrize("path", ["$.none.x", "$.a.b[9]", "$unknown", "$.a["])
def test_path_to_nothing_is_a_runtime_error(scope: Scope, path: str) -> None:
    with pytest.raises(Exception, match=r"States\.Runtime"):
        resolve(path, DATA, scope)


@pytest.mark.parametrize(
    ("rule", "is_held"),
    [
        ({"Variable": "$.a.b[0]", "NumericEquals": 10}, True),
        ({"Variable": "$.a.b[0]", "NumericLessThanPath": "$.a.b[1]"}, True),
        ({"Variable": "$.a.b[0]", "StringEquals": "10"}, False),
        ({"Variable": "$.rows[0].s", "StringMatches": "x*"}, True),
        ({"Variable": "$.rows[0].s", "StringMatches": "\\*"}, False),
        ({"Variable": "$.none", "IsPresent": False}, True),
        ({"Variable": "$.a", "IsPresent": True}, True),
        ({"Variable": "$.when", "IsTimestamp": True}, True),
        ({"Variable": "$.when", "TimestampLessThan": "2026-01-01T01:00:00+00:00"}, True),
        ({"Variable": "$.a.b[0]", "IsString": True}, False),
        ({"Not": {"Variable": "$.a", "IsNull": True}}, True),
        ({"And": [{"Variable": "$.a", "IsPresent": True}, {"Variable": "$.b", "IsPresent": True}]}, False),
        ({"Or": [{"Variable": "$.a", "IsPresent": True}, {"Variable": "$.b", "IsPresent": True}]}, True),
    ],
)
def test_rule_is_compared_by_its_type(scope: Scope, rule: dict[str, Any], is_held: bool) -> None:
    assert holds(rule, DATA, scope) is is_held
