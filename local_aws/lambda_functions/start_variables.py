"""The environment variables that the interpreter of a worker is started with."""

import os

PASSED_ON = ("PATH", "LANG", "LC_ALL", "PYTHONUTF8", "SSL_CERT_FILE")
TIME_ZONE = ":UTC"
# What the interpreter and its libraries read at their start.
READ_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "MALLOC_", "OPENSSL_", "SSL_")


def start_environment() -> dict[str, str]:
    """Of every worker, whatever its function's variables are."""
    return {**{name: os.environ[name] for name in PASSED_ON if name in os.environ}, "TZ": TIME_ZONE}
