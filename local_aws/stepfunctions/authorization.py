"""The role of a state machine, checked before each call it makes when IAM is enforced."""

import json
from typing import Any

from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region
from ministack.services import stepfunctions as service

from local_aws.athena.permissions import not_authorized, query_work_group, work_group_arn
from local_aws.role_permissions import denial, is_enforced
from local_aws.stepfunctions.errors import state_error
from local_aws.stepfunctions.scope import Scope
from local_aws.stepfunctions.sdk_metadata import optimised_cause, sdk_cause

DENIED = "AccessDeniedException"
ATHENA = "arn:aws:states:::athena:"
AWS_SDK = "arn:aws:states:::aws-sdk:"


def authorize(resource: str, given: Any, scope: Scope) -> None:
    """Raises the error of a call that the state machine's role may not make; S3 checks its own calls."""
    if not is_enforced():
        return
    role_arn = scope.run.role_arn
    if ":function:" in resource or resource.startswith("arn:aws:states:::lambda:invoke"):
        reference = resource if ":function:" in resource else given.get("FunctionName", "")
        message = denial(role_arn, "lambda:InvokeFunction", _function_arn(reference))
        _refuse(message, "Lambda.AWSLambdaException", "AWSLambda", 403)
    elif resource.startswith("arn:aws:states:::states:startExecution"):
        message = denial(role_arn, "states:StartExecution", given.get("StateMachineArn", ""))
        _refuse(message, "StepFunctions.AWSStepFunctionsException", "AWSStepFunctions", 400)
    elif resource.startswith("arn:aws:states:::dynamodb:"):
        action = resource.rpartition(":")[2]
        message = denial(role_arn, f"dynamodb:{action[0].upper()}{action[1:]}", _table_arn(given.get("TableName", "")))
        _refuse(message, "DynamoDB.AmazonDynamoDBException", "AmazonDynamoDBv2", 400)
    elif resource.startswith(ATHENA):
        _authorize_athena(role_arn, resource.removeprefix(ATHENA), given or {})
    elif resource.startswith(AWS_SDK):
        _authorize_sdk(role_arn, resource, given)


def may_stop_query(scope: Scope, work_group: str) -> bool:
    """Whether the role may cancel queries of this workgroup."""
    return denial(scope.run.role_arn, "athena:StopQueryExecution", work_group_arn(work_group)) is None


def may_stop_execution(scope: Scope, execution_arn: str) -> bool:
    """Whether the role may stop an execution that one of the state machine's states has started."""
    return denial(scope.run.role_arn, "states:StopExecution", execution_arn) is None


def may_start_children(scope: Scope) -> str | None:
    """Why a Distributed Map may not start its children: it starts its own state machine's executions."""
    return denial(scope.run.role_arn, "states:StartExecution", scope.run.context["StateMachine"]["Id"])


def may_use_object(scope: Scope, action: str, bucket: str, key: str) -> str | None:
    """Why a Distributed Map's reader or writer may not use this object."""
    return denial(scope.run.role_arn, f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}")


def may_list_bucket(scope: Scope, bucket: str, prefix: str | None) -> str | None:
    """Why a Distributed Map's reader may not list what this bucket has below the prefix."""
    keys = () if prefix is None else (("s3:prefix", prefix),)
    return denial(scope.run.role_arn, "s3:ListBucket", f"arn:aws:s3:::{bucket}", keys)


def _function_arn(reference: str) -> str:
    if reference.startswith("arn:"):
        return reference
    return f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{reference}"


def _table_arn(reference: str) -> str:
    if reference.startswith("arn:"):
        return reference
    return f"arn:aws:dynamodb:{get_region()}:{get_account_id()}:table/{reference}"


def _authorize_athena(role_arn: str, action: str, given: Any) -> None:
    """`.sync` also asks how the query goes."""
    arn = work_group_arn(query_work_group(given))
    operation = f"{action[0].upper()}{action[1:]}".removesuffix(".sync")
    for each in [operation] + (["GetQueryExecution"] if action.endswith(".sync") else []):
        if denial(role_arn, f"athena:{each}", arn) is not None:
            _refuse(not_authorized(each), "Athena.AmazonAthenaException", "AmazonAthena", 400)


def _authorize_sdk(role_arn: str, resource: str, given: Any) -> None:
    name, _, action = resource.removeprefix(AWS_SDK).partition(":")
    if name == "s3" or service._AWS_SDK_SERVICE_MAP.get(name, {}).get("protocol") != "json":
        return
    message = _json_denial(role_arn, name, action, given)
    if message is not None:
        prefix = service._AWS_SDK_ERROR_PREFIX.get(name, name.capitalize())
        raise state_error(f"{prefix}.{prefix}Exception", sdk_cause(message, prefix, 400))


def _json_denial(role_arn: str, name: str, action: str, given: Any) -> str | None:
    known = service._AWS_SDK_SERVICE_MAP[name]
    key = known.get("service_key", name)
    operation = action[0].upper() + action[1:]
    headers = {"x-amz-target": f"{known['target_prefix']}.{operation}"}
    body = json.dumps(given or {}).encode()
    region_and_account = (get_region(), get_account_id())
    resource_arn = _run_arn(given) or iam_actions.extract_resource_arn(
        key, "POST", "/", headers, body, {}, *region_and_account
    )
    return denial(role_arn, f"{key}:{operation}", resource_arn)


def _run_arn(given: Any) -> str | None:
    """The execution or Map Run that a call of Step Functions is about, which ministack takes for any resource."""
    arns = [each for name, each in (given or {}).items() if name.lower() in ("executionarn", "maprunarn")]
    return arns[0] if arns else None


def _refuse(message: str | None, error: str, name: str, status: int) -> None:
    if message is not None:
        raise state_error(error, optimised_cause(message, name, status, DENIED))
