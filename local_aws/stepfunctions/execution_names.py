"""Which names an execution may have."""

import re

MAXIMUM_LENGTH = 80
FORBIDDEN = re.compile(r'[\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ufffe\uffff\U0010ffff]')


def name_fault(name: str | None) -> tuple[str, str] | None:
    """Error code and message of a name that StartExecution refuses."""
    if not name:
        return None
    if len(name) > MAXIMUM_LENGTH:
        rule = f"Member must have length less than or equal to {MAXIMUM_LENGTH}"
        message = f"1 validation error detected: Value '{name}' at 'name' failed to satisfy constraint: {rule}"
        return "ValidationException", message
    return ("InvalidName", f"Invalid Name: '{name}'") if FORBIDDEN.search(name) else None
