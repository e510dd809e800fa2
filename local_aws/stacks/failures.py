"""How a resource's failure is reported: in the words of CloudFormation's resource handlers."""

from ministack.core.responses import new_uuid


class ResourceError(ValueError):
    """A resource could not be created, updated or deleted; the message is the event's reason."""


def handler_error(message: str, code: str) -> ResourceError:
    """What a resource handler returned, with CloudFormation's name of the error."""
    text = f'Resource handler returned message: "{message}" (RequestToken: {new_uuid()}, HandlerErrorCode: {code})'
    return ResourceError(text)


def service_error(message: str, service: str, status: int, code: str) -> ResourceError:
    """What the resource's own service answered to its handler."""
    details = f"(Service: {service}, Status Code: {status}, Request ID: {new_uuid()})"
    return handler_error(f"{message} {details}", code)
