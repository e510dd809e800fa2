"""Lambda: functions with their packages, versions and aliases, layers and event source mappings."""

from collections.abc import Iterator
from typing import Any

from ministack.services import lambda_svc as service

from local_aws.saved_state.bodies import LoadedBodies, SavedBodies
from local_aws.saved_state.stores import fill_stores, mapped, stores_of

PASSING = ("_esm_backoff_until",)


def records(bodies: SavedBodies) -> Iterator[tuple[str, Any]]:
    """All stores; packages are kept apart."""
    yield "stores", mapped(stores_of(service, besides=PASSING), bodies.reference)


def restore(_kind: str, content: Any, bodies: LoadedBodies) -> None:
    """Put the stores back."""
    fill_stores(service, mapped(content, bodies.body))


def finish() -> None:
    """Let event source mappings poll again."""
    service.load_persisted_state({})
