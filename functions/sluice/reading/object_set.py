"""Which objects a run of many reads: those below a prefix, or a list of keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sluice.errors import InvalidInputError
from sluice.fields import Fields, kind_of
from sluice.reading.source import SOURCE_FIELDS, SourceInput, bucket_name, object_key

FAIL, SKIP = "fail", "skip"
_CHOICES = ("key", "prefix", "keys")
SET_FIELDS = ("prefix", "suffix", "keys", "onUnreadable")
# What a dialect is read for that does not depend on an object's key.
_EXAMPLE = "example.csv"


@dataclass(frozen=True, slots=True)
class ObjectSet:
    """The objects of the input's `source`, which is `spec`. It has one of `key`, `prefix` and `keys`.

    `suffix`: what the keys below the prefix end with, empty for all of them.
    `skips_unreadable`: objects that cannot be read are listed in a file, instead of ending the run.
    """

    bucket: str
    spec: Mapping[str, Any]
    prefix: str | None = None
    suffix: str = ""
    keys: tuple[str, ...] = ()
    skips_unreadable: bool = False
    _by_ending: dict[str, SourceInput] = field(default_factory=dict, init=False, compare=False, repr=False)

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> ObjectSet:
        """What an inspection needs to know of a set, from its `common_spec`."""
        return cls(spec["bucket"], spec)

    @property
    def is_several(self) -> bool:
        """Whether there may be several objects."""
        return self.prefix is not None or bool(self.keys)

    @property
    def common_spec(self) -> dict[str, Any]:
        """The source without what says which objects they are."""
        return {name: value for name, value in self.spec.items() if name not in ("key", *SET_FIELDS)}

    @property
    def field_name(self) -> str:
        """The field that says which objects they are."""
        return "source.keys" if self.prefix is None else "source.prefix"

    def of(self, key: str, member: str | None = None) -> SourceInput:
        """One of the objects, or the file of that name in one that is a zip. Raises InvalidInputError.

        Its format is empty where neither the input nor a name says it.
        """
        ending = _ending(key)
        if ending not in self._by_ending:
            self._by_ending[ending] = SourceInput.from_input(self.common_spec | {"key": key})
        request = replace(self._by_ending[ending], key=key)
        is_known = member is None or request.dialect.format
        return request if is_known else replace(request, dialect=self.of(member or "").dialect)

    def __str__(self) -> str:
        if self.prefix is None:
            return f"source.keys in {self.bucket}"
        return f"s3://{self.bucket}/{self.prefix}" + (f"*{self.suffix}" if self.suffix else "")


def source_of(source: object) -> tuple[SourceInput, ObjectSet]:
    """Read the input's `source`: its objects, and the one object, or the example of what several have in common.

    Raises InvalidInputError naming the field.
    """
    if not isinstance(source, Mapping):
        raise InvalidInputError("source", f"must be an object, not {kind_of(source)}")
    fields = Fields(source, (*SOURCE_FIELDS, *SET_FIELDS), "source")
    choice = _choice(fields)
    if choice == "key":
        _refuse_folder(fields, "key", fields.text("key"))
        request = SourceInput.from_input({name: value for name, value in source.items() if name not in SET_FIELDS})
        return request, ObjectSet(request.bucket, source)
    objects = _object_set(fields, choice, source)
    return objects.of(next(iter(objects.keys), objects.suffix) or _EXAMPLE), objects


def _choice(fields: Fields) -> str:
    given = [name for name in _CHOICES if fields.has(name)]
    if not given:
        raise fields.wrong("key", "is required, or one of prefix and keys instead")
    if len(given) > 1:
        raise fields.wrong(given[1], f"cannot be combined with {given[0]}; give one of {', '.join(_CHOICES)}")
    if given[0] != "prefix" and fields.has("suffix"):
        raise fields.wrong("suffix", "applies to source.prefix alone")
    if given[0] == "key" and fields.has("onUnreadable"):
        raise fields.wrong("onUnreadable", "applies to source.prefix and source.keys alone")
    if given[0] != "key" and fields.has("versionId"):
        raise fields.wrong("versionId", f"is the version of one object; give source.key instead of source.{given[0]}")
    return given[0]


def _refuse_folder(fields: Fields, name: str, key: str) -> None:
    if key.endswith("/"):
        raise fields.wrong(name, f"{key} ends with a slash: use source.prefix to load every object below it")


def _object_set(fields: Fields, choice: str, source: Mapping[str, Any]) -> ObjectSet:
    return ObjectSet(
        bucket=bucket_name(fields, fields.text("bucket")),
        spec=source,
        prefix=object_key(fields, "prefix") if choice == "prefix" else None,
        suffix=object_key(fields, "suffix") if fields.has("suffix") else "",
        keys=_keys(fields) if choice == "keys" else (),
        skips_unreadable=fields.choice("onUnreadable", (FAIL, SKIP), FAIL) == SKIP,
    )


def _keys(fields: Fields) -> tuple[str, ...]:
    keys = fields.texts("keys")
    if not keys:
        raise fields.wrong("keys", "must name at least one object")
    names = [f"keys[{index}]" for index in range(len(keys))]
    each = Fields(dict(zip(names, keys, strict=True)), names, "source")
    seen: set[str] = set()
    for name, key in zip(names, keys, strict=True):
        object_key(each, name)
        _refuse_folder(fields, name, key)
        if key in seen:
            raise fields.wrong(name, f"{key} is in the list twice: its rows would be loaded twice")
        seen.add(key)
    return keys


def _ending(key: str) -> str:
    """What of a key says the object's format and compression."""
    name = key.lower().rpartition("/")[2]
    return "rejects.jsonl" if name.endswith("rejects.jsonl") else ".".join(name.rsplit(".", 2)[1:])
