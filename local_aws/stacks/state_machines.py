"""AWS::StepFunctions::StateMachine: Step Functions' own checks at creation, and the logging configuration."""

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import stepfunctions
from ministack.services.cloudformation import provisioners

from local_aws.stacks.existing_names import Create, Properties
from local_aws.stacks.failures import service_error
from local_aws.stepfunctions.creation_checks import lower_camel, refusal
from local_aws.stepfunctions.definition_checks.validation import STANDARD, definition_refusal
from local_aws.stepfunctions.machine_deletion import while_deleting

LONGEST_NAME = 80


def checked_creation(create: Create) -> Create:
    """The creation of a state machine, after Step Functions' own checks."""

    create_with_logging: Create = with_logging(create)

    def checked(logical_id: str, properties: Properties, stack_name: str) -> tuple[str, dict[str, Any]]:
        name = properties.get("StateMachineName") or provisioners._physical_name(
            stack_name, logical_id, max_len=LONGEST_NAME
        )
        definition = provisioners._sfn_definition(properties)
        arn = f"arn:aws:states:{get_region()}:{get_account_id()}:stateMachine:{name}"
        invalid = definition_refusal(definition, properties.get("StateMachineType", STANDARD))
        answer = error_response_json("InvalidDefinition", invalid, 400) if invalid else while_deleting(arn)
        answer = answer or refusal(arn, definition, properties.get("RoleArn"), properties.get("LoggingConfiguration"))
        if answer is not None:
            response = json.loads(answer[2])
            message = response.get("message") or response.get("Message") or ""
            raise service_error(message, "AWSStepFunctions", answer[0], _handler_code(response))
        return create_with_logging(logical_id, properties, stack_name)

    return checked


def with_logging(provision: Callable[..., Any]) -> Callable[..., Any]:
    """A creation or an update after which the state machine has its logging configuration with the API's names."""

    def provisioned(*given: Any) -> Any:
        made = provision(*given)
        machine = stepfunctions._state_machines.get(made[0])
        if machine is not None:
            machine["loggingConfiguration"] = lower_camel(machine["loggingConfiguration"])
        return made

    return provisioned


def _handler_code(message: dict[str, Any]) -> str:
    return "AccessDenied" if "AccessDenied" in str(message.get("__type")) else "InvalidRequest"
