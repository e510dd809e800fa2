"""Manifests that name the files to read: of an Athena query, and of an S3 inventory."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from urllib.parse import unquote_plus

from local_aws.s3_objects import open_object


def athena_files(bucket: str, key: str) -> list[tuple[str, str]]:
    """The bucket and key of each data file that an Athena query's manifest lists."""
    with open_object(bucket, key) as manifest:
        lines = manifest.read().decode().split("\n")
    return [_split_uri(line.strip()) for line in lines if line.strip()]


def _split_uri(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def inventory_rows(bucket: str, key: str) -> Iterator[dict[str, str]]:
    """The rows of the CSV files that an S3 inventory's manifest.json lists."""
    with open_object(bucket, key) as file:
        manifest = json.load(file)
    columns = [name.strip() for name in manifest["fileSchema"].split(",")]
    destination = manifest.get("destinationBucket", bucket).removeprefix("arn:aws:s3:::")
    for entry in manifest["files"]:
        with gzip.GzipFile(fileobj=open_object(destination, entry["key"])) as content:
            for row in csv.reader(io.TextIOWrapper(content, encoding="utf-8", newline="")):
                values = dict(zip(columns, row, strict=False))
                yield {**values, "Key": unquote_plus(values.get("Key", ""))}
