"""Query's pages end, and cost, as Scan's do."""

from collections.abc import Callable
from typing import Any

from ministack.services import dynamodb as service

from local_aws.dynamodb.plain_items import Item
from local_aws.dynamodb.read_pages import Page, consumed_capacity, index_entry, read_page
from local_aws.replacements import replace

_original: dict[str, Callable[..., Any]] = {}
_last_page: list[Page] = []


def install() -> None:
    """Replace where Query ends a page, and what it costs."""
    replace(service, "_paginate_evaluated_items", ("items", "limit", "table", "index_name"), _paginate)
    capacity_fields = ("result", "data", "table_name", "write", "old_item", "new_item", "index_name")
    _original["capacity"] = replace(service, "_add_consumed_capacity", capacity_fields, _add_consumed_capacity)
    _original["query"] = replace(service, "_query", ("data",), query)


def query(data: dict[str, Any]) -> Any:
    """One page of a partition; the page is read between its beginning and its end."""
    _last_page.clear()
    try:
        return _original["query"](data)
    finally:
        _last_page.clear()


def _paginate(
    items: list[Item], limit: int | None, table: dict[str, Any], index_name: str | None = None
) -> tuple[list[Item], bool]:
    page = read_page(items, None if limit is None else int(limit), index_entry(table, index_name))
    _last_page[:] = [page]
    return page.items, page.is_full


def _add_consumed_capacity(
    result: dict[str, Any], data: dict[str, Any], table_name: str, write: bool = False, **fields: Any
) -> None:
    if write or not _last_page or data.get("ReturnConsumedCapacity", "NONE") == "NONE":
        _original["capacity"](result, data, table_name, write=write, **fields)
    else:
        table = service._tables.get(table_name)
        result["ConsumedCapacity"] = consumed_capacity(table, table_name, _last_page[0].size, data)
