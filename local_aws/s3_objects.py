"""ministack's S3 from inside the server: objects as files, and files stored as objects without being read."""

import hashlib
import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from ministack.services import s3 as service

# What S3 assumes of an object that comes without one.
CONTENT_TYPE = "binary/octet-stream"


class MissingObjectError(Exception):
    """The bucket or key is not there, or may not be read or written."""


class StoredFile:
    """An object's body that stays on disk; slices of it are read on demand."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = path.stat().st_size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(max(0, stop - start))

    def open(self) -> BinaryIO:
        """The body as a file."""
        return self._path.open("rb")

    def __del__(self) -> None:
        self._path.unlink(missing_ok=True)


def open_object(bucket: str, key: str, version_id: str | None = None) -> BinaryIO:
    """An object's body as a file. Raises MissingObjectError."""
    body = _current_body(bucket, key) if version_id is None else _version_body(bucket, key, version_id)
    return body.open() if isinstance(body, StoredFile) else io.BytesIO(body)


def _current_body(bucket: str, key: str) -> Any:
    stored = _bucket(bucket)["objects"].get(key)
    if stored is None:
        raise MissingObjectError(f"The specified key does not exist. (Bucket: {bucket}, Key: {key})")
    return stored["body"]


def _version_body(bucket: str, key: str, version_id: str) -> Any:
    for version in service._object_versions.get((bucket, key), []):
        if version["version_id"] == version_id and not version.get("is_delete_marker"):
            return service._version_body(_bucket(bucket), bucket, key, version)
    raise MissingObjectError(f"The specified version does not exist. (Bucket: {bucket}, Key: {key})")


def has_bucket(bucket: str) -> bool:
    """Whether there is such a bucket."""
    return bucket in service._buckets


def list_keys(bucket: str, prefix: str) -> list[str]:
    """The keys under a prefix in S3's order. Raises MissingObjectError."""
    return sorted((key for key in list(_bucket(bucket)["objects"]) if key.startswith(prefix)), key=str.encode)


def list_objects(bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
    """The objects under a prefix as ItemReader lists them: their time is a number. Raises MissingObjectError."""
    return _entries(_bucket(bucket)["objects"], list_keys(bucket, prefix))


def _entries(objects: Any, keys: list[str]) -> Iterator[dict[str, Any]]:
    """Made one by one: a bucket may have millions. What was deleted meanwhile is left out, as of a later page."""
    for key in keys:
        stored = objects.get(key)
        if stored is not None:
            yield _entry(key, stored)


def _entry(key: str, stored: dict[str, Any]) -> dict[str, Any]:
    moment = datetime.fromisoformat(str(stored["last_modified"]).replace("Z", "+00:00"))
    return {
        "Etag": stored["etag"],
        "Key": key,
        "LastModified": float(int(moment.timestamp())),
        "Size": stored["size"],
        "StorageClass": stored.get("storage_class") or "STANDARD",
    }


def put_object(bucket: str, key: str, body: bytes) -> None:
    """Store a small object. Raises MissingObjectError."""
    _bucket(bucket)
    status, _, answer = service._put_object(bucket, key, body, {"content-type": CONTENT_TYPE})
    if status >= 300:
        raise MissingObjectError(answer.decode(errors="replace"))


def delete_object(bucket: str, key: str) -> None:
    """Remove an object; in a bucket with versions a delete marker is left."""
    service._delete_object(bucket, key, {})


def put_file(bucket: str, key: str, path: Path, etag: str | None = None) -> None:
    """Make a file an object's body without loading it. The file is the object's from then on.

    `etag`: another one than the MD5 of the body, as uploads in parts have it.
    """
    put_object(bucket, key, b"")
    stored = _bucket(bucket)["objects"][key]
    body = StoredFile(path)
    digest = etag or _md5(path)
    stored.update(body=body, size=len(body), etag=f'"{digest}"')
    for version in service._object_versions.get((bucket, key), []):
        if version["version_id"] == stored.get("version_id"):
            version.update(data=body, size=len(body), etag=f'"{digest}"')


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _bucket(name: str) -> Any:
    bucket = service._buckets.get(name)
    if bucket is None:
        raise MissingObjectError(f"The specified bucket does not exist. (Bucket: {name})")
    return bucket
