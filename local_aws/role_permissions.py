"""What a role may do, when IAM is enforced: its credentials, and the policies behind them."""

import functools
import hashlib
import hmac
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack import app
from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, lambda_svc, sts

from local_aws.access.credentials import ACCESS_KEY, SECRET_KEY, RootCredentials
from local_aws.replacements import check, replace, require

STATE_MACHINE = "state-machine"
LONGEST_SESSION_NAME = 64

# A machine asks the same for each item. What IAM's API or CloudFormation changes counts at once.
REMEMBERED_SECONDS = 2.0
REMEMBERED_ANSWERS = 1_000
POLICY_CHANGES = ("PutRolePolicy", "DeleteRolePolicy", "AttachRolePolicy", "DetachRolePolicy")

ConditionKeys = tuple[tuple[str, str], ...]

# What else is remembered of policies that may have changed.
_forgetters: list[Callable[[], None]] = []
_answers: dict[tuple[str, str, str, str, ConditionKeys], tuple[str | None, float]] = {}
_policies: dict[tuple[str, str], tuple[Any, float]] = {}


@dataclass(frozen=True)
class Credentials:
    """What signs a call. Without a token they are the account's own, which may do anything."""

    access_key: str
    secret_key: str
    token: str | None = None


def install() -> None:
    """Replace what IAM enforcement does in ministack.

    Calls on this machine are taken for encrypted ones: policies that demand TLS would refuse all of them. A role's
    policies are remembered for moments: they were parsed twice for each request.
    """
    require(sts, "register_session")
    for module in (lambda_runtime, lambda_svc):
        replace(module, "execution_credentials", ("config",), execution_credentials)
    check(iam_evaluator, "resolve_principal", ("access_key_id", "account_id", "credential"))
    check(iam_evaluator, "evaluate", ("ctx", "policies", "limits"))
    pin = check(app, "pin_request_origin", ("source_ip", "secure_transport"))
    replace(
        app,
        "pin_request_origin",
        ("source_ip", "secure_transport"),
        lambda source_ip, secure_transport: pin(source_ip, True),  # noqa: FBT003
    )
    replace(iam_evaluator, "_fnmatch_compile", ("pattern", "ignore_case"), compiled_wildcards)
    gather = check(iam_evaluator, "_gather_role_policies", ("role_name", "account_id"))
    replace(iam_evaluator, "_gather_role_policies", ("role_name", "account_id"), _remembered(gather))
    require(iam, "_IAM_HANDLERS")
    for action in POLICY_CHANGES:
        iam._IAM_HANDLERS[action] = _forgetting(iam._IAM_HANDLERS[action])


@functools.lru_cache(maxsize=4096)
def compiled_wildcards(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    """The pattern of an action or a resource: its wildcards stand for any characters, line ends as well."""
    text = "".join({"*": ".*", "?": "."}.get(each) or re.escape(each) for each in pattern)
    return re.compile(rf"{text}\Z", re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _remembered(gather: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
    """A role's parsed policies, gathered again when they are REMEMBERED_SECONDS old."""

    def policies_of(role_name: str, account_id: str) -> Any:
        policies, until = _policies.get((role_name, account_id), (None, 0.0))
        if time.monotonic() >= until:
            policies = gather(role_name, account_id)
            if len(_policies) >= REMEMBERED_ANSWERS:
                _policies.clear()
            _policies[role_name, account_id] = (policies, time.monotonic() + REMEMBERED_SECONDS)
        return policies

    return policies_of


def _forgetting(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same operation of IAM, after which no remembered policy counts."""

    def changed(parameters: Any) -> Any:
        response = change(parameters)
        forget_policies()
        return response

    return changed


def forget_policies() -> None:
    """Read each role's policies again: some of them may have changed."""
    _policies.clear()
    _answers.clear()
    for forget in _forgetters:
        forget()


def when_policies_change(forget: Callable[[], None]) -> None:
    """Call this whenever a role's policies may have changed."""
    _forgetters.append(forget)


def is_enforced() -> bool:
    """Whether the server was started with IAM enforced."""
    return bool(app.AUTH)


def credentials_of(role_arn: str, session_name: str = STATE_MACHINE) -> Credentials:
    """The role's credentials for calls over HTTP; the account's own where IAM is not enforced."""
    root = RootCredentials.of_server()
    if not is_enforced():
        return Credentials(root.access_key_id, root.secret_access_key)
    # The same for the same session, yet nobody can compute them without the account's secret.
    secret = hmac.digest(root.secret_access_key.encode(), f"{role_arn}/{session_name}".encode(), "sha256").hex()
    digest = hashlib.sha256(secret.encode()).hexdigest()
    credentials = Credentials(f"ASIA{digest[:16].upper()}", secret, f"token-{digest[16:48]}")
    role_name = role_arn.rsplit("/", 1)[-1]
    account_id = role_arn.split(":")[4]
    session: dict[str, Any] = {
        "Arn": f"arn:aws:sts::{account_id}:assumed-role/{role_name}/{session_name}",
        "UserId": f"{role_name}:{session_name}",
        "SecretAccessKey": credentials.secret_key,
        "SessionToken": credentials.token,
    }
    sts.register_session(credentials.access_key, session)
    return credentials


def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
    """The variables with the credentials of a Lambda function's role."""
    credentials = credentials_of(config.get("Role", ""), config.get("FunctionName", "")[:LONGEST_SESSION_NAME])
    token = {"AWS_SESSION_TOKEN": credentials.token} if credentials.token else {}
    return {ACCESS_KEY: credentials.access_key, SECRET_KEY: credentials.secret_key, **token}


def denial(role_arn: str, action: str, resource_arn: str, keys: ConditionKeys = ()) -> str | None:
    """Why the role may not do this, or None when it may. Policies of buckets and keys are not looked at.

    `keys`: the call's own condition keys and their values, such as s3:prefix.
    """
    if not is_enforced():
        return None
    key = (role_arn, action, resource_arn, get_region(), keys)
    message, until = _answers.get(key, (None, 0.0))
    if time.monotonic() >= until:
        message = _evaluate(role_arn, action, resource_arn, keys)
        if len(_answers) >= REMEMBERED_ANSWERS:
            _answers.clear()
        _answers[key] = (message, time.monotonic() + REMEMBERED_SECONDS)
    return message


def current_denial(role_arn: str, action: str, resource_arn: str) -> str | None:
    """The same, by the policies of this very moment: a role is often given its rights just before it is used."""
    if not is_enforced():
        return None
    _policies.pop((role_arn.rsplit("/", 1)[-1], get_account_id()), None)
    return _evaluate(role_arn, action, resource_arn, ())


def _evaluate(role_arn: str, action: str, resource_arn: str, keys: ConditionKeys) -> str | None:
    principal = iam_evaluator.resolve_principal(credentials_of(role_arn).access_key, get_account_id())
    context = iam_evaluator.EvalContext(
        principal_arn=principal.arn,
        principal_type=principal.type,
        principal_account=principal.account,
        action=action,
        resource_arn=resource_arn,
        region=get_region(),
        service_context=dict(keys),
        principal_keys=principal.keys,
    )
    if iam_evaluator.evaluate(context, principal.policies, *principal.limits).decision == "Allow":
        return None
    return (
        f"User: {principal.arn} is not authorized to perform: {action} on resource: {resource_arn} "
        f"because no identity-based policy allows the {action} action"
    )
