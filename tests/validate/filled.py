"""State machine definitions as CloudFormation deploys them: with the template's substitutions applied."""

from dataclasses import dataclass
from typing import Any

from tests.statemachine.definitions import NAMES, ROOT, machine_resource, resources

PARTITIONS = {"aws": "eu-west-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}
ACCOUNT = "111122223333"


@dataclass(frozen=True)
class Definition:
    """One definition; lines are those of the file that it comes from."""

    file: str
    text: str


def filled_definitions() -> list[Definition]:
    """Every definition in every partition."""
    return [_filled(name, partition) for name in NAMES for partition in PARTITIONS]


def _filled(name: str, partition: str) -> Definition:
    path = ROOT / "statemachines" / f"{name}.asl.json"
    text = path.read_text()
    for placeholder, value in machine_resource(name)["DefinitionSubstitutions"].items():
        text = text.replace(f"${{{placeholder}}}", _substituted(value, partition))
    return Definition(str(path.relative_to(ROOT)), text)


def _substituted(value: dict[str, Any], partition: str) -> str:
    """What a Ref or Fn::GetAtt gives in a stack with the name sluice."""
    if value == {"Ref": "AWS::Partition"}:
        return partition
    logical_id = value.get("Ref") or value["Fn::GetAtt"].removesuffix(".Arn")
    region = PARTITIONS[partition]
    match resources()[logical_id]["Type"]:
        case "AWS::Serverless::Function":
            return f"arn:{partition}:lambda:{region}:{ACCOUNT}:function:sluice-{logical_id}"
        case "AWS::Serverless::StateMachine":
            return f"arn:{partition}:states:{region}:{ACCOUNT}:stateMachine:sluice-{logical_id}"
        case "AWS::S3::Bucket":
            return f"sluice-{logical_id}-{ACCOUNT}-{region}".lower()
        case kind:
            assert kind == "AWS::DynamoDB::Table", kind
            return f"sluice-{logical_id}"
