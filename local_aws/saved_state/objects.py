"""S3: buckets, objects, versions and started uploads."""

from collections.abc import Iterator
from typing import Any

from ministack.services import s3 as service

from local_aws.saved_state.bodies import LoadedBodies, SavedBodies
from local_aws.saved_state.stores import chunks, fill_stores, mapped, stores_of

WITH_BODIES = ("_object_versions", "_multipart_uploads")


def records(bodies: SavedBodies) -> Iterator[tuple[str, Any]]:
    """(kind, content) of everything there is."""
    yield "stores", stores_of(service, besides=("_buckets", *WITH_BODIES))
    for scope, bucket in service._buckets._data.items():
        yield "bucket", (scope, {name: value for name, value in bucket.items() if name != "objects"})
        for part in chunks(bucket["objects"]):
            yield "objects", (scope, {key: _with_reference(stored, bodies) for key, stored in part.items()})
    for name in WITH_BODIES:
        for part in chunks(getattr(service, name)._data):
            yield "bodies", (name, mapped(part, bodies.reference))


def restore(kind: str, content: Any, bodies: LoadedBodies) -> None:
    """Put one record back."""
    if kind == "stores":
        fill_stores(service, content)
    elif kind == "bucket":
        scope, bucket = content
        service._buckets._data[scope] = {**bucket, "objects": {}}
    elif kind == "objects":
        scope, objects = content
        for stored in objects.values():
            stored["body"] = bodies.body(stored["body"])
        service._buckets._data[scope]["objects"].update(objects)
    else:
        name, part = content
        fill_stores(service, {name: mapped(part, bodies.body)})


def finish() -> None:
    """Nothing is left to do."""


def _with_reference(stored: dict[str, Any], bodies: SavedBodies) -> dict[str, Any]:
    return {**stored, "body": bodies.reference(stored["body"])}
