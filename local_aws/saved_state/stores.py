"""The stores of ministack's services: module-level dicts whose keys begin with the account, some with the Region."""

from collections.abc import Callable, Container, Iterator, Mapping
from types import ModuleType
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict

# Entries that share no memory of what was pickled before: it would grow with the state.
CHUNK_ENTRIES = 1_000

Stores = dict[str, dict[Any, Any]]


def stores_of(module: ModuleType, besides: Container[str] = ()) -> Stores:
    """The contents of a service's stores by name."""
    return {
        name: value._data
        for name, value in vars(module).items()
        if isinstance(value, AccountScopedDict | AccountRegionScopedDict) and name not in besides
    }


def fill_stores(module: ModuleType, saved: Stores) -> None:
    """Put contents back. Raises AttributeError if the service has no such store."""
    for name, content in saved.items():
        getattr(module, name)._data.update(content)


def chunks(entries: Mapping[Any, Any]) -> Iterator[dict[Any, Any]]:
    """The entries in parts that are small enough to pickle on their own."""
    part: dict[Any, Any] = {}
    for key, value in entries.items():
        part[key] = value
        if len(part) == CHUNK_ENTRIES:
            yield part
            part = {}
    if part:
        yield part


def mapped(value: Any, of_leaf: Callable[[Any], Any]) -> Any:
    """A copy of nested dicts and lists, with this done to everything else."""
    if isinstance(value, dict):
        return {key: mapped(each, of_leaf) for key, each in value.items()}
    if isinstance(value, list):
        return [mapped(each, of_leaf) for each in value]
    return of_leaf(value)
