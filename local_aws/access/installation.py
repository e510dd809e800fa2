"""Lets ministack take the gate's word for who calls, and look up the secrets that it has given out."""

from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import _account_from_sts_session
from ministack.services import s3

from local_aws.access.credentials import RootCredentials
from local_aws.access.refusals import CREDENTIALS_ADVICE, Reason, RefusedError
from local_aws.access.verification import SecretOf
from local_aws.launch import ACCOUNT_ID
from local_aws.replacements import check, replace, require

REASONS = {"ExpiredTokenException": Reason.EXPIRED_TOKEN, "InvalidToken": Reason.WRONG_TOKEN}


def install() -> None:
    """Replace ministack's own checks of signatures: requests come through the gate, which has done that."""
    require(iam_evaluator, "_signed_request", "_verified_key", "_anonymous", "CredentialResolutionError")
    check(iam_evaluator, "find_iam_access_key_account", ("access_key_id",))
    check(iam_evaluator, "resolve_credential", ("access_key_id", "account_id", "session_token"))
    replace(
        app,
        "pin_signed_request",
        ("method", "raw_path", "query_params", "raw_headers", "handshake"),
        _pin_verified_request,
    )
    parameters = ("method", "path", "headers", "query_params")
    replace(s3, "_verify_presigned_sigv4", parameters, lambda *_request: None)


def _pin_verified_request(
    _method: str, _raw_path: str, query_params: dict[str, Any], raw_headers: Any, _handshake: bool = False
) -> None:
    authorization = next((value.decode("latin-1") for name, value in raw_headers if name == b"authorization"), "")
    pin_verified_request(app.extract_access_key_id({"authorization": authorization}, query_params))


def pin_verified_request(access_key_id: str) -> None:
    """Tell ministack that the request is signed with this key, and that the signature was checked."""
    iam_evaluator._signed_request.set(None)
    iam_evaluator._verified_key.set(access_key_id)
    iam_evaluator._anonymous.set(False)


def secret_keys(root: RootCredentials) -> SecretOf:
    """Secrets of the root, of sessions of roles, and of access keys that were made with IAM."""

    def secret_of(access_key_id: str, token: str) -> str:
        if access_key_id == root.access_key_id:
            if token:
                message = f"The credentials of local AWS have no session token. Unset it. {CREDENTIALS_ADVICE}"
                raise RefusedError(Reason.WRONG_TOKEN, message)
            return root.secret_access_key
        if iam_evaluator.is_root_access_key(access_key_id):
            raise _unknown(access_key_id)
        account_id = (
            _account_from_sts_session(access_key_id)
            or iam_evaluator.find_iam_access_key_account(access_key_id)
            or ACCOUNT_ID
        )
        found = iam_evaluator.resolve_credential(access_key_id, account_id, token)
        if isinstance(found, iam_evaluator.CredentialResolutionError):
            raise RefusedError(REASONS[found.code], found.message) if found.code in REASONS else _unknown(access_key_id)
        return str(found.secret_access_key)

    return secret_of


def _unknown(access_key_id: str) -> RefusedError:
    return RefusedError(
        Reason.UNKNOWN_KEY, f"The access key {access_key_id!r} is not one of this local AWS. {CREDENTIALS_ADVICE}"
    )
