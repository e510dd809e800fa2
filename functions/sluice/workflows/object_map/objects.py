"""One object of a run: its fields, the filters, and which objects an action may be applied to.

An object is {"Bucket", "Key", "Size": bytes, "ETag": with its quotes, "LastModified": ISO 8601 in UTC, "VersionId",
"StorageClass"}; what is not known is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from sluice.errors import InvalidInputError
from sluice.workflows.object_map.input import Bounds, Filters

S3Object = Mapping[str, Any]
FIELDS = ("Bucket", "Key", "Size", "ETag", "LastModified", "VersionId", "StorageClass")


def timestamp(moment: datetime) -> str:
    """A time as objects have it, such as 2026-11-30T12:00:00Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def is_timestamp(text: str) -> bool:
    """Whether `datetime` can read the text as a time with a zone."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def quoted_etag(etag: str) -> str:
    """An ETag with its quotes, as S3 gives it; an inventory leaves them out."""
    return etag if etag.startswith('"') else f'"{etag}"'


def is_taken(filters: Filters, each: S3Object) -> bool:
    """Whether the filters leave the object; what they need to know of it is known: see `ObjectCheck`."""
    size, modified = each["Size"], filters.modified_since
    return (
        each["Key"].startswith(filters.prefix)
        and each["Key"].endswith(filters.suffix)
        and (not filters.min_bytes or size >= filters.min_bytes)
        and (filters.max_bytes is None or size <= filters.max_bytes)
        and (modified is None or datetime.fromisoformat(each["LastModified"]).timestamp() >= modified)
        and (not filters.storage_classes or each["StorageClass"] in filters.storage_classes)
    )


@dataclass(frozen=True, slots=True)
class ObjectCheck:
    """Checks objects that a file names. `field`: of the input, that names the file; `needed`: see Filters.needed."""

    field: str
    bounds: Bounds
    needed: tuple[tuple[str, str], ...]

    def check(self, each: S3Object, where: str) -> None:
        """Raises InvalidInputError for an object that the action must not be applied to, or that lacks something."""
        bucket, key, bounds = each["Bucket"], each["Key"], self.bounds
        if bucket != bounds.data_bucket and not fnmatchcase(bucket, bounds.pattern):
            known = bounds.pattern or "there are none"
            problem = f"{where}: {bucket} is not among the buckets of the stack's {bounds.parameter}: {known}"
            raise InvalidInputError(self.field, problem)
        if bucket == bounds.data_bucket and bounds.own_prefixes and not key.startswith(bounds.own_prefixes):
            known = " or ".join(bounds.own_prefixes)
            problem = f"{where}: the key {key} must begin with {known} in the data bucket"
            raise InvalidInputError(self.field, problem)
        for name, needed_by in self.needed:
            if each[name] is None:
                raise InvalidInputError(needed_by, f"needs {name} of each object, and {where} has none")
