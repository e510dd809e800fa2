"""What CreateStateMachine and UpdateStateMachine check of the role and of the logging configuration."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import cloudwatch_logs
from ministack.services import stepfunctions as service

from local_aws.role_permissions import current_denial, is_enforced
from local_aws.role_trust import trusts
from local_aws.stepfunctions.scope import Record

Response = tuple[int, dict[str, str], bytes]
Operation = Callable[[Record], Response]

PRINCIPALS = ("states.amazonaws.com", "states.{region}.amazonaws.com")
RULE_ACTIONS = ("events:PutTargets", "events:PutRule", "events:DescribeRule")
MANAGED_RULES = {
    "states:startExecution": "StepFunctionsGetEventsForStepFunctionsExecutionRule",
    "batch:submitJob": "StepFunctionsGetEventsForBatchJobsRule",
    "ecs:runTask": "StepFunctionsGetEventsForECSTaskRule",
    "codebuild:startBuild": "StepFunctionsGetEventForCodeBuildStartBuildRule",
    "codebuild:startBuildBatch": "StepFunctionsGetEventForCodeBuildStartBuildBatchRule",
    "elasticmapreduce:createCluster": "StepFunctionsGetEventForEMRRunJobFlowRule",
    "elasticmapreduce:terminateCluster": "StepFunctionsGetEventForEMRTerminateJobFlowsRule",
    "elasticmapreduce:addStep": "StepFunctionsGetEventForEMRAddJobFlowStepsRule",
    "sagemaker:createTrainingJob": "StepFunctionsGetEventsForSageMakerTrainingJobsRule",
    "sagemaker:createTransformJob": "StepFunctionsGetEventsForSageMakerTransformJobsRule",
    "sagemaker:createHyperParameterTuningJob": "StepFunctionsGetEventsForSageMakerTuningJobsRule",
    "sagemaker:createProcessingJob": "StepFunctionsGetEventsForSageMakerProcessingJobsRule",
}
LOG_ACTIONS = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
NOT_TRUSTED = (
    "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the "
    "provided role."
)
NO_LOG_DESTINATION = "The state machine IAM Role is not authorized to access the Log Destination"
BAD_LOGGING = "Invalid Logging Configuration: "
OFF = "OFF"


def checked_creation(create: Operation) -> Operation:
    """CreateStateMachine, refused when the role or the logging configuration is."""

    def checked(data: Record) -> Response:
        given = (data.get("definition"), data.get("roleArn"), data.get("loggingConfiguration"))
        return refusal(machine_arn(data), *given) or create(data)

    return checked


def machine_arn(data: Record) -> str:
    """The ARN of the state machine that is to be created."""
    return f"arn:aws:states:{get_region()}:{get_account_id()}:stateMachine:{data.get('name')}"


def checked_update(update: Operation) -> Operation:
    """UpdateStateMachine, refused when the role or the logging configuration is."""

    def checked(data: Record) -> Response:
        machine = service._state_machines.get(data.get("stateMachineArn"))
        if machine is None:
            return update(data)
        given = (data.get(name, machine.get(name)) for name in ("definition", "roleArn", "loggingConfiguration"))
        return refusal(machine["stateMachineArn"], *given) or update(data)

    return checked


def refusal(arn: str, definition: Any, role_arn: Any, logging: Any) -> Response | None:
    """The error of a state machine that cannot be created like this, or None."""
    if not isinstance(definition, str) or not isinstance(role_arn, str):
        return None
    fault = _role_fault(arn, definition, role_arn) or _logging_fault(role_arn, lower_camel(logging or {}))
    return None if fault is None else error_response_json(*fault, 400)


def _role_fault(arn: str, definition: str, role_arn: str) -> tuple[str, str] | None:
    if not is_enforced():
        return None
    keys = {"aws:sourceaccount": get_account_id(), "aws:sourcearn": arn}
    if not any(trusts(role_arn, each.format(region=get_region()), keys) for each in PRINCIPALS):
        return "AccessDeniedException", NOT_TRUSTED
    for rule in sorted(_rules(definition)):
        rule_arn = f"arn:aws:events:{get_region()}:{get_account_id()}:rule/{rule}"
        if any(current_denial(role_arn, action, rule_arn) is not None for action in RULE_ACTIONS):
            return "AccessDeniedException", f"'{role_arn}' is not authorized to create managed-rule."
    return None


def _rules(definition: str) -> set[str]:
    """The managed rules with which Step Functions learns that what the states started has ended."""
    try:
        machine = json.loads(definition)
    except ValueError:
        return set()
    waiting = (each.partition(".sync")[0] for each in _resources(machine) if each.endswith((".sync", ".sync:2")))
    names = (":".join(each.split(":")[5:]) for each in waiting if each.split(":")[2:5] == ["states", "", ""])
    return {MANAGED_RULES[name] for name in names if name in MANAGED_RULES}


def _resources(node: Any) -> Iterator[str]:
    """The resources of every state, those of branches and iterations as well."""
    if isinstance(node, dict):
        if isinstance(node.get("Resource"), str):
            yield node["Resource"]
        for name, each in node.items():
            if name not in ("Arguments", "Parameters", "Result", "Output", "Assign"):
                yield from _resources(each)
    elif isinstance(node, list):
        for each in node:
            yield from _resources(each)


def _logging_fault(role_arn: str, logging: Any) -> tuple[str, str] | None:
    if logging.get("level", OFF) == OFF:
        return None
    destinations = logging.get("destinations") or []
    if len(destinations) != 1:
        return "InvalidLoggingConfiguration", f"{BAD_LOGGING}Must specify exactly one Log Destination."
    arn = str(destinations[0].get("cloudWatchLogsLogGroup", {}).get("logGroupArn", ""))
    if not arn.endswith(":*"):
        return "InvalidLoggingConfiguration", f"{BAD_LOGGING}Log Group ARN must be provided with '*' qualifier."
    exists = arn.removesuffix(":*").split(":log-group:")[-1] in cloudwatch_logs._log_groups
    if not exists or any(current_denial(role_arn, action, "*") is not None for action in LOG_ACTIONS):
        return "AccessDeniedException", NO_LOG_DESTINATION
    return None


def lower_camel(value: Any) -> Any:
    """CloudFormation's names of properties as those of the API."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: lower_camel(each) for name, each in value.items()}
    return [lower_camel(each) for each in value] if isinstance(value, list) else value
