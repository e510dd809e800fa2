"""Faults that the tools must find: a tool that no longer runs, or finds nothing, does not pass unnoticed."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.statemachine.definitions import ROOT
from tests.validate.definition_tools import definition_findings
from tests.validate.filled import Definition
from tests.validate.template_tools import template_findings

Machine = dict[str, Any]
Fault = Callable[[Machine], object]


def _sound() -> Machine:
    ask = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": "arn:aws:lambda:eu-west-1:111122223333:function:ask"},
        "Output": "{% $states.result.Payload %}",
        "Next": "Done",
    }
    return {"QueryLanguage": "JSONata", "StartAt": "Ask", "States": {"Ask": ask, "Done": {"Type": "Succeed"}}}


def _output(expression: str) -> Fault:
    return lambda machine: machine["States"]["Ask"].update(Output=expression)


FAULTS: dict[str, tuple[str, Fault]] = {
    "no Next": ("asl-validator", lambda machine: machine["States"]["Ask"].pop("Next")),
    "Next of no state": ("language service", lambda machine: machine["States"]["Ask"].update(Next="Nowhere")),
    "unknown field": ("language service", lambda machine: machine["States"]["Ask"].update(Timeout=3)),
    "field of JSONPath": ("asl-validator", lambda machine: machine["States"]["Ask"].update(ResultPath="$.a")),
    "bad expression": ("JSONata", _output("{% $states.result. %}")),
    "open expression": ("JSONata", _output("{% $states.result")),
    "$eval": ("JSONata", _output("{% $eval('1') %}")),
    "unknown function": ("JSONata", _output("{% $concat('a', 'b') %}")),
    "unbound variable": ("JSONata", _output("{% $total + 1 %}")),
}
TEMPLATE_CHANGES = (
    ("      BillingMode: PAY_PER_REQUEST\n", "      BilingMode: PAY_PER_REQUEST\n"),
    ("        BlockPublicPolicy: true\n", "        BlockPublicPolicy: false\n"),
)
# What each tool must say about the changed template.
TEMPLATE_SIGNS = {"cfn-lint": "BilingMode", "sam validate": "BilingMode", "checkov": "CKV_AWS_54"}


def missed_faults(packages: Path, checkov: Path) -> list[str]:
    """A line for each planted fault that its tool did not find, and one if the sound definition has a finding."""
    planted = {"sound": _sound(), **{name: _with_fault(fault) for name, (_, fault) in FAULTS.items()}}
    definitions = [Definition(name, json.dumps(machine, indent=2)) for name, machine in planted.items()]
    found = {(each.file, each.tool) for each in definition_findings(definitions, packages)}
    missed = [f"planted, not found: {name} ({tool})" for name, (tool, _) in FAULTS.items() if (name, tool) not in found]
    wrong = [f"found in a sound definition ({tool})" for file, tool in sorted(found) if file == "sound"]
    return [*missed, *wrong, *_missed_in_template(checkov)]


def _with_fault(fault: Fault) -> Machine:
    machine = _sound()
    fault(machine)
    return machine


def _missed_in_template(checkov: Path) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        # CodeUri and DefinitionUri lead to files beside the template.
        for each in ("functions", "statemachines"):
            Path(folder, each).symlink_to(ROOT / each)
        path = Path(folder, "template.yaml")
        path.write_text(_changed_template())
        found = [(each.tool, each.message) for each in template_findings(path, checkov)]
    return [
        f"planted, not found: {sign} in the template ({tool})"
        for tool, sign in TEMPLATE_SIGNS.items()
        if not any(tool == each and sign in message for each, message in found)
    ]


def _changed_template() -> str:
    text = (ROOT / "template.yaml").read_text()
    for before, after in TEMPLATE_CHANGES:
        assert before in text, before
        text = text.replace(before, after)
    return text
