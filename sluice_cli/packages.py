"""Packaging a built template as `sam package` does: local files become S3 objects that are named by their content."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from samcli.lib.utils.hash import dir_checksum, file_checksum
from samcli.lib.utils.resources import RESOURCES_WITH_LOCAL_PATHS

from sluice_cli.exit_code import CommandError

PACKAGED = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::StateMachine": "DefinitionUri"}
REMOTE = ("s3://", "https://")
READABLE_BITS = 0o444


@dataclass(frozen=True)
class Package:
    """A template that names only S3 objects, and the bucket's objects: by key, what makes their content.

    One of the objects is the template itself.
    """

    bucket: str
    template: Mapping[str, Any]
    template_key: str
    objects: Mapping[str, Callable[[], bytes]]


def package(built_template: Path, bucket: str) -> Package:
    """The package of what `sam build` left, for a bucket. Raises CommandError for files that it cannot upload."""
    # SAM writes the long forms of functions, such as Fn::Sub, so that plain YAML is enough.
    template = yaml.load(built_template.read_text(), yaml.CSafeLoader)
    objects: dict[str, Callable[[], bytes]] = {}
    keys: dict[Path, str] = {}
    for kind, properties in _resources(template.get("Resources", {})):
        for name in _local_paths(kind, properties):
            path = (built_template.parent / properties[name]).resolve()
            keys[path] = key = keys.get(path) or _add(path, objects)
            properties[name] = {"Bucket": bucket, "Key": key}
    body = json.dumps(template).encode()
    template_key = hashlib.md5(body, usedforsecurity=False).hexdigest() + ".template"
    return Package(bucket, template, template_key, {**objects, template_key: lambda: body})


def _resources(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Type and properties of each resource, those in the body of a Fn::ForEach included."""
    if isinstance(node, list):
        for each in node:
            yield from _resources(each)
    elif isinstance(node, dict) and isinstance(node.get("Type"), str) and isinstance(node.get("Properties"), dict):
        yield node["Type"], node["Properties"]
    elif isinstance(node, dict):
        for each in node.values():
            yield from _resources(each)


def _local_paths(kind: str, properties: Mapping[str, Any]) -> list[str]:
    """The properties that name local files. Raises CommandError for those that only SAM can package."""
    names = RESOURCES_WITH_LOCAL_PATHS.get(kind, ())
    found = [name for name in names if isinstance(uri := properties.get(name), str) and not uri.startswith(REMOTE)]
    for name in found:
        if name != PACKAGED.get(kind):
            raise CommandError(
                f"{name} of {kind} is a local path, which only `sam deploy` can upload; "
                "`sluice local deploy` uploads the code of functions and the definitions of state machines"
            )
    return found


def _add(path: Path, objects: dict[str, Callable[[], bytes]]) -> str:
    """Add the object of a file or of a folder; returns its key, which is SAM's."""
    if path.is_dir():
        key = str(dir_checksum(str(path)))
        objects[key] = lambda: zipped(path)
    elif path.is_file():
        key = str(file_checksum(str(path)))
        objects[key] = path.read_bytes
    else:
        raise CommandError(f"{path} is named by the built template and does not exist")
    return key


def zipped(folder: Path) -> bytes:
    """The files of a folder as a deployment package: always the same bytes for the same files."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
            entry.create_system = 3
            entry.external_attr = (path.stat().st_mode | READABLE_BITS) << 16
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED)
    return content.getvalue()
