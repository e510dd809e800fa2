"""The input of an object_map execution, read and checked: which objects, and the action for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sluice.errors import InvalidInputError
from sluice.fields import Fields
from sluice.reading.source import bucket_name, object_key
from sluice.runs.destination import AllowedBuckets, Destination, read_destination
from sluice.runs.input import (
    APPLY,
    COPY_OBJECT,
    DRY_RUN,
    FUNCTION,
    TOLERANCE_FIELDS,
    ToleratedFailures,
    rejects_tolerated,
    resumed_run,
)
from sluice.runs.paths import Run
from sluice.settings import ObjectSettings
from sluice.state import State

EXPRESS, STANDARD = "EXPRESS", "STANDARD"
DELETE_OBJECT, TAG_OBJECT = "deleteObject", "putObjectTagging"
ACTIONS = (FUNCTION, COPY_OBJECT, DELETE_OBJECT, TAG_OBJECT)
PREFIX, INVENTORY, OBJECTS = "prefix", "inventory", "objects"
# Below these prefixes of the data bucket are users' objects; what runs leave behind is elsewhere.
_OWN_PREFIXES = ("input/", "output/")
_FIELDS = (
    "bucket",
    "prefix",
    "suffix",
    "inventory",
    "objects",
    "minBytes",
    "maxBytes",
    "modifiedSince",
    "storageClass",
    "action",
    "mode",
    "batchSize",
    "maxBatchBytes",
    "maxConcurrency",
    "childType",
    *TOLERANCE_FIELDS,
    "rejectsTolerated",
    "resume",
)
_BYTES_MAX = 10**18
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
_TAGS_MAX, _TAG_NAME_MAX, _TAG_VALUE_MAX = 10, 128, 256
_TAG = re.compile(r"[\w\s+\-=._:/@]*")


@dataclass(frozen=True, slots=True)
class Filters(State):
    """Which objects a run takes. `modified_since` is in seconds since 1970; `storage_classes` is empty for all."""

    prefix: str = ""
    suffix: str = ""
    min_bytes: int = 0
    max_bytes: int | None = None
    modified_since: float | None = None
    storage_classes: tuple[str, ...] = ()

    @classmethod
    def from_input(cls, fields: Fields) -> Filters:
        """Read the filters. Raises InvalidInputError naming the field."""
        least = fields.integer("minBytes", 0, low=0, high=_BYTES_MAX)
        most = fields.integer("maxBytes", None, low=0, high=_BYTES_MAX)
        if most is not None and most < least:
            raise fields.wrong("maxBytes", f"{most:,} is less than minBytes, {least:,}: no object would be left")
        return cls(
            prefix=object_key(fields, "prefix") if fields.text_or("prefix", "") else "",
            suffix=fields.text_or("suffix", ""),
            min_bytes=least,
            max_bytes=most,
            modified_since=_time(fields, "modifiedSince"),
            storage_classes=_storage_classes(fields),
        )

    @property
    def needed(self) -> tuple[tuple[str, str], ...]:
        """What the filters need to know of each object, with the field of the input that needs it."""
        needs = (
            ("Size", "minBytes", self.min_bytes > 0),
            ("Size", "maxBytes", self.max_bytes is not None),
            ("LastModified", "modifiedSince", self.modified_since is not None),
            ("StorageClass", "storageClass", bool(self.storage_classes)),
        )
        return tuple((name, field) for name, field, is_needed in needs if is_needed)


def _time(fields: Fields, name: str) -> float | None:
    if not fields.has(name):
        return None
    text = fields.text(name)
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise fields.wrong(name, f"{text} is not a date such as 2026-11-30 or 2026-11-30T12:00:00Z") from error
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _storage_classes(fields: Fields) -> tuple[str, ...]:
    name = "storageClass"
    if not fields.has(name):
        return ()
    classes = (fields.text(name),) if isinstance(fields.raw(name), str) else fields.texts(name)
    for each in classes:
        if not re.fullmatch(r"[A-Z][A-Z_]*", each):
            raise fields.wrong(name, f"{each} is not a storage class such as STANDARD or GLACIER")
    if not classes:
        raise fields.wrong(name, "must not be empty: no object would be left")
    return classes


@dataclass(frozen=True, slots=True)
class ObjectSource(State):
    """Where the objects are named: below a prefix of `bucket`, or in the object `key` of `bucket`, by `kind`."""

    kind: str
    bucket: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectAction(State):
    """What is done with each object. `tags`: the tag set of an object, as S3 takes it."""

    type: str
    function: str | None = None
    destination: Destination | None = None
    tags: tuple[dict[str, str], ...] = ()

    @property
    def parameter(self) -> str:
        """The stack's parameter that bounds the buckets of the objects."""
        return {DELETE_OBJECT: "DeleteBucketPattern", TAG_OBJECT: "OutputBucketPattern"}.get(
            self.type, "SourceBucketPattern"
        )


@dataclass(frozen=True, slots=True)
class Bounds(State):
    """The objects that the action may be applied to: those of the buckets that match `pattern`.

    In the data bucket only those below `own_prefixes`; empty for all but the run's own.
    """

    data_bucket: str
    pattern: str
    parameter: str
    own_prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObjectMapInput:
    """The input. `rejects_tolerated`: see `sluice.runs.input.rejects_tolerated`."""

    source: ObjectSource
    filters: Filters
    action: ObjectAction
    bounds: Bounds
    mode: str
    batch_size: int
    max_batch_bytes: int | None
    max_concurrency: int
    child_type: str
    tolerated_failures: ToleratedFailures
    rejects_tolerated: dict[str, float] | None
    resumed_run: str | None

    @classmethod
    def from_input(cls, raw: object, run: Run, data_bucket: str, allowed: ObjectSettings) -> ObjectMapInput:
        """Read the execution's input. Raises InvalidInputError naming the field."""
        fields = Fields(raw, _FIELDS)
        mode = fields.choice("mode", (APPLY, DRY_RUN), APPLY)
        filters = Filters.from_input(fields)
        buckets = AllowedBuckets(data_bucket, allowed.source_buckets, allowed.output_buckets, allowed.delete_buckets)
        action = read_action(fields, buckets, allowed.functions, needs_confirmation=mode == APPLY)
        source = _source(fields, action, buckets)
        if source.kind == PREFIX and source.bucket == data_bucket:
            _check_own(fields, filters, action, run)
        _check_copies(fields, source, filters, action)
        return cls(
            source=source,
            filters=filters,
            action=action,
            bounds=_bounds(action, buckets),
            mode=mode,
            batch_size=fields.integer("batchSize", 100, low=1, high=500),
            max_batch_bytes=fields.integer("maxBatchBytes", None, low=1, high=_BYTES_MAX),
            max_concurrency=fields.integer("maxConcurrency", 50, low=1, high=10_000),
            child_type=_child_type(fields, action),
            tolerated_failures=ToleratedFailures.from_input(fields),
            rejects_tolerated=rejects_tolerated(fields),
            resumed_run=resumed_run(fields),
        )


def _child_type(fields: Fields, action: ObjectAction) -> str:
    child_type = fields.choice("childType", (EXPRESS, STANDARD), EXPRESS)
    if child_type == STANDARD and action.type != FUNCTION:
        problem = f"STANDARD is for functions that need more than five minutes; leave it out for {action.type}"
        raise fields.wrong("childType", problem)
    return child_type


def _source(fields: Fields, action: ObjectAction, buckets: AllowedBuckets) -> ObjectSource:
    kinds = [each for each in ("bucket", INVENTORY, OBJECTS) if fields.has(each)]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none of them"
        raise fields.wrong("bucket", f"give one of bucket (with prefix), inventory and objects, not {found}")
    if kinds == ["bucket"]:
        bucket = bucket_name(fields, fields.text("bucket"))
        _check_bucket(fields, action, buckets, bucket)
        return ObjectSource(PREFIX, bucket)
    given = fields.section(kinds[0], ("bucket", "key"))
    bucket = bucket_name(given, given.text("bucket"))
    buckets.check_source(given, "bucket", bucket)
    return ObjectSource(kinds[0], bucket, object_key(given, "key"))


def _check_bucket(fields: Fields, action: ObjectAction, buckets: AllowedBuckets, bucket: str) -> None:
    check = {DELETE_OBJECT: buckets.check_delete, TAG_OBJECT: buckets.check_output}
    check.get(action.type, buckets.check_source)(fields, "bucket", bucket)


def _check_own(fields: Fields, filters: Filters, action: ObjectAction, run: Run) -> None:
    """In the data bucket a run takes no objects that it writes itself, and changes only users' objects."""
    if action.type in (DELETE_OBJECT, TAG_OBJECT) and not filters.prefix.startswith(_OWN_PREFIXES):
        known = " or ".join(_OWN_PREFIXES)
        raise fields.wrong("prefix", f"must begin with {known} in the data bucket, not {filters.prefix or 'be empty'}")
    if run.prefix.startswith(filters.prefix):
        given = filters.prefix or "the empty prefix"
        raise fields.wrong("prefix", f"this run itself writes below {run.prefix}, which begins with {given}")


def _check_copies(fields: Fields, source: ObjectSource, filters: Filters, action: ObjectAction) -> None:
    to = action.destination
    if to is None or source.kind != PREFIX or source.bucket != to.bucket:
        return
    if to.prefix.startswith(filters.prefix):
        problem = f"copies below {to.prefix} are themselves below the prefix {filters.prefix}; choose another"
        raise InvalidInputError("action.copyObject.destination.prefix", problem)


def _bounds(action: ObjectAction, buckets: AllowedBuckets) -> Bounds:
    pattern = {
        "DeleteBucketPattern": buckets.delete_pattern,
        "OutputBucketPattern": buckets.output_pattern,
        "SourceBucketPattern": buckets.source_pattern,
    }[action.parameter]
    own = _OWN_PREFIXES if action.type in (DELETE_OBJECT, TAG_OBJECT) else ()
    return Bounds(buckets.data_bucket, pattern, action.parameter, own)


def read_action(
    fields: Fields, buckets: AllowedBuckets, functions: tuple[str, ...], *, needs_confirmation: bool
) -> ObjectAction:
    """The input's `action`. Raises InvalidInputError naming the field."""
    given = fields.section("action", ACTIONS)
    kinds = [kind for kind in ACTIONS if given.has(kind)]
    if len(kinds) != 1:
        raise fields.wrong("action", f"give one of {', '.join(ACTIONS)}")
    kind = kinds[0]
    if kind == FUNCTION:
        return _function(given, functions)
    if kind == COPY_OBJECT:
        copy = given.section(COPY_OBJECT, ("destination",))
        return ObjectAction(COPY_OBJECT, destination=read_destination(copy, buckets))
    if kind == TAG_OBJECT:
        return ObjectAction(TAG_OBJECT, tags=_tags(given.section(TAG_OBJECT, ("tags",))))
    delete = given.section(DELETE_OBJECT, ("confirm",))
    if needs_confirmation and not delete.boolean("confirm", default=False):
        problem = 'must be true: objects are deleted for good. "mode": "dryRun" shows how many, and their bytes'
        raise delete.wrong("confirm", problem)
    return ObjectAction(DELETE_OBJECT)


def _function(given: Fields, functions: tuple[str, ...]) -> ObjectAction:
    name = given.text(FUNCTION)
    if name not in functions:
        allowed = ", ".join(functions) or "there are none"
        raise given.wrong(FUNCTION, f"{name} is not among the stack's ProcessorFunctions: {allowed}")
    return ObjectAction(FUNCTION, function=name)


def _tags(given: Fields) -> tuple[dict[str, str], ...]:
    tags: Any = given.raw("tags")
    if not isinstance(tags, dict) or not tags:
        raise given.wrong("tags", 'must be an object with at least one tag, such as {"team": "night"}')
    if len(tags) > _TAGS_MAX:
        raise given.wrong("tags", f"has {len(tags)} tags; an object has at most {_TAGS_MAX}")
    for name, value in tags.items():
        _check_tag(given, name, value)
    return tuple({"Key": name, "Value": value} for name, value in tags.items())


def _check_tag(given: Fields, name: str, value: object) -> None:
    field = f"tags.{name}"
    if not isinstance(value, str):
        raise given.wrong(field, "must be a string")
    if not 1 <= len(name) <= _TAG_NAME_MAX or len(value) > _TAG_VALUE_MAX:
        limits = f"a name has 1 to {_TAG_NAME_MAX} characters, a value at most {_TAG_VALUE_MAX}"
        raise given.wrong(field, limits)
    if not (_TAG.fullmatch(name) and _TAG.fullmatch(value)) or name.startswith("aws:"):
        problem = "letters, digits, spaces and + - = . _ : / @ only; names must not begin with aws:"
        raise given.wrong(field, problem)
