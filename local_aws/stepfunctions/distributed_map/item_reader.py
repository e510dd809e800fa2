"""ItemReader: from an S3 object, or a listing, to items one by one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from local_aws.s3_objects import MissingObjectError, list_keys, list_objects, open_object
from local_aws.stepfunctions.authorization import may_list_bucket, may_use_object
from local_aws.stepfunctions.data_flow import select_input
from local_aws.stepfunctions.distributed_map.formats import count_records, read_records
from local_aws.stepfunctions.distributed_map.manifests import athena_files, inventory_rows
from local_aws.stepfunctions.errors import state_error
from local_aws.stepfunctions.map_fields import STATE_DATA, map_items
from local_aws.stepfunctions.partitions import known_resource
from local_aws.stepfunctions.scope import Scope, State
from local_aws.stepfunctions.templates import bindings, fill_json_path, fill_jsonata, integer_field

READER_FAILED = "States.ItemReaderFailed"
MAXIMUM_ITEMS = 100_000_000

Item = tuple[Any, str]


@dataclass(frozen=True)
class ItemSource:
    """Where a Map Run's items come from: their number, and a way to read them with their sources."""

    total: int
    read: Callable[[], Iterator[Item]]


def open_source(state: State, data: Any, scope: Scope) -> ItemSource:
    """The items of the state. Raises States.ItemReaderFailed, or what an input that is no array raises."""
    reader = state.get("ItemReader")
    if reader is None:
        items = map_items(state, data, scope)
        return ItemSource(len(items), lambda: ((item, STATE_DATA) for item in items))
    known_resource(reader["Resource"], scope)
    source = _arguments(reader, data, state, scope)
    config = reader.get("ReaderConfig", {})
    limit = _maximum_items(config, data, state, scope)
    message = _denial(reader["Resource"], source, config, scope)
    if message is not None:
        raise state_error(READER_FAILED, message)
    try:
        total, read = _from_s3(reader["Resource"], source, config, scope)
    except (MissingObjectError, UnicodeDecodeError, ValueError) as error:
        raise state_error(READER_FAILED, str(error)) from error
    return ItemSource(min(total, limit), lambda: islice(read(), limit))


def _denial(resource: str, source: dict[str, Any], config: State, scope: Scope) -> str | None:
    """Why the state machine's role may not read from there, when IAM is enforced."""
    bucket = source.get("Bucket", "")
    if not resource.endswith(":s3:listObjectsV2"):
        return may_use_object(scope, "GetObject", bucket, source.get("Key", ""))
    message = may_list_bucket(scope, bucket, source.get("Prefix"))
    if message is None and config.get("Transformation") == "LOAD_AND_FLATTEN":
        return may_use_object(scope, "GetObject", bucket, f"{source.get('Prefix', '')}any")
    return message


def _arguments(reader: State, data: Any, state: State, scope: Scope) -> dict[str, Any]:
    if scope.is_jsonata(state):
        filled = fill_jsonata(reader.get("Arguments", {}), "ItemReader/Arguments", bindings(data, scope), scope)
    else:
        filled = fill_json_path(reader.get("Parameters", {}), select_input(state, data, scope), scope)
    return dict(filled)


def _maximum_items(config: State, data: Any, state: State, scope: Scope) -> int:
    holder = {**config, "QueryLanguage": "JSONata" if scope.is_jsonata(state) else "JSONPath"}
    limit = int(integer_field(holder, "MaxItems", 0, select_input(state, data, scope), scope))
    if limit < 0:
        raise state_error(READER_FAILED, "field MaxItems must be positive")
    return min(limit or MAXIMUM_ITEMS, MAXIMUM_ITEMS)


def _from_s3(
    resource: str, location: dict[str, Any], config: State, scope: Scope
) -> tuple[int, Callable[[], Iterator[Item]]]:
    if resource.endswith(":s3:listObjectsV2"):
        return _from_listing(location, config)
    bucket, key = location.get("Bucket", ""), location.get("Key", "")
    version = location.get("VersionId")
    manifest_type = config.get("ManifestType")
    if manifest_type == "ATHENA_DATA":
        return _from_files(_readable(athena_files(bucket, key), scope), config)
    if manifest_type == "S3_INVENTORY" or config.get("InputType") == "MANIFEST":
        rows = list(inventory_rows(bucket, key))
        return len(rows), lambda: iter([(row, f"s3://{bucket}/{key}") for row in rows])
    source = f"s3://{bucket}/{key}"
    total = count_records(open_object(bucket, key, version), key, config)
    return total, lambda: ((item, source) for item in read_records(open_object(bucket, key, version), key, config))


def _from_listing(source: dict[str, Any], config: State) -> tuple[int, Callable[[], Iterator[Item]]]:
    bucket, prefix = source.get("Bucket", ""), source.get("Prefix", "")
    keys = list_keys(bucket, prefix)
    if config.get("Transformation", "NONE") == "LOAD_AND_FLATTEN":
        return _from_files([(bucket, key) for key in keys], config)
    return len(keys), lambda: ((entry, f"s3://{bucket}") for entry in list_objects(bucket, prefix))


def _readable(files: list[tuple[str, str]], scope: Scope) -> list[tuple[str, str]]:
    """The files, each of which the state machine's role has to be allowed to read."""
    message = (may_use_object(scope, "GetObject", *file) for file in files)
    denial = next((each for each in message if each is not None), None)
    if denial is not None:
        raise state_error(READER_FAILED, denial)
    return files


def _from_files(files: list[tuple[str, str]], config: State) -> tuple[int, Callable[[], Iterator[Item]]]:
    """The records of several files, one after the other."""

    def read() -> Iterator[Item]:
        for bucket, key in files:
            for item in read_records(open_object(bucket, key), key, config):
                yield item, f"s3://{bucket}/{key}"

    return sum(count_records(open_object(bucket, key), key, config) for bucket, key in files), read
