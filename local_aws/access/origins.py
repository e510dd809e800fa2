"""Where requests may come from: programs on this machine and in its containers, but no web page.

A page in a browser can send requests to loopback. It cannot take the Origin header off them, and when it reaches
loopback under a name of its own (DNS rebinding), it cannot choose the Host header.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from local_aws.access.refusals import Reason, RefusedError

LOOPBACK = "127.0.0.1"
CONTAINER_HOST = "host.docker.internal"
LOOPBACK_NAMES = frozenset((LOOPBACK, "::1", "localhost"))


@dataclass(frozen=True)
class Origins:
    """What a server accepts; `bind_host` is the address that it listens on."""

    bind_host: str = LOOPBACK

    def check(self, method: str, headers: Mapping[str, str], local_address: str) -> None:
        """Raises RefusedError. `local_address` is this machine's end of the connection."""
        if "origin" in headers:
            raise RefusedError(Reason.DENIED, "Local AWS accepts no requests from web pages (header Origin).")
        if method == "OPTIONS":
            raise RefusedError(Reason.DENIED, "Local AWS accepts no requests from web pages (method OPTIONS).")
        host = headers.get("host", "")
        if not self._is_known(hostname(host), local_address):
            raise RefusedError(
                Reason.DENIED,
                f"Local AWS accepts no requests for the host {host!r}. Use {LOOPBACK}, localhost, a name that ends in "
                f".localhost or the address that it is bound to; containers use {CONTAINER_HOST}, after a start with "
                "another bind address than loopback (sluice local up --bind).",
            )

    def _is_known(self, name: str, local_address: str) -> bool:
        if name in LOOPBACK_NAMES or name.endswith(".localhost") or name in (self.bind_host, local_address):
            return bool(name)
        return name == CONTAINER_HOST and self.bind_host != LOOPBACK


def hostname(host: str) -> str:
    """The name or address in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
