import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice_cli.exit_code import CommandError
from sluice_cli.packages import Package, package, zipped

FUNCTION = {"Type": "AWS::Serverless::Function", "Properties": {"CodeUri": "Code", "Handler": "a.b"}}
MACHINE = {"Type": "AWS::Serverless::StateMachine", "Properties": {"DefinitionUri": "../../machines/load.asl.json"}}


def built(root: Path, resources: dict[str, Any]) -> Path:
    """What SAM leaves: a template, a folder of code beside it, and the definition in the project."""
    folder = root / ".aws-sam" / "local"
    (folder / "Code" / "inner").mkdir(parents=True)
    (folder / "Code" / "a.py").write_text("code")
    (folder / "Code" / "inner" / "tool").write_text("tool")
    (folder / "Code" / "inner" / "tool").chmod(0o700)
    (root / "machines").mkdir()
    (root / "machines" / "load.asl.json").write_text("{}")
    (folder / "template.yaml").write_text(yaml.safe_dump({"Resources": resources}))
    return folder / "template.yaml"


def properties(packaged: Package, name: str) -> dict[str, Any]:
    found: dict[str, Any] = packaged.template["Resources"][name]["Properties"]
    return found


def test_local_files_become_objects_named_by_their_content(tmp_path: Path) -> None:
    packaged = package(built(tmp_path, {"Load": FUNCTION, "Other": FUNCTION, "Machine": MACHINE}), "packages")

    code, definition = properties(packaged, "Load")["CodeUri"], properties(packaged, "Machine")["DefinitionUri"]
    assert properties(packaged, "Load") == {"CodeUri": {"Bucket": "packages", "Key": code["Key"]}, "Handler": "a.b"}
    assert properties(packaged, "Other")["CodeUri"] == code
    assert definition["Bucket"] == "packages"
    assert set(packaged.objects) == {code["Key"], definition["Key"], packaged.template_key}
    assert packaged.objects[definition["Key"]]() == b"{}"
    assert json.loads(packaged.objects[packaged.template_key]()) == packaged.template
    with zipfile.ZipFile(io.BytesIO(packaged.objects[code["Key"]]())) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {"a.py": b"code", "inner/tool": b"tool"}


def test_same_files_have_the_same_keys_and_changed_ones_others(tmp_path: Path) -> None:
    template = built(tmp_path, {"Load": FUNCTION, "Machine": MACHINE})
    first = package(template, "packages")
    assert set(package(template, "packages").objects) == set(first.objects)

    (template.parent / "Code" / "a.py").write_text("changed")
    second = package(template, "packages")
    assert properties(second, "Load")["CodeUri"] != properties(first, "Load")["CodeUri"]
    assert properties(second, "Machine") == properties(first, "Machine")
    assert second.template_key != first.template_key


def test_resources_of_loops_are_packaged(tmp_path: Path) -> None:
    loop = ["Name", ["A", "B"], {"${Name}Function": FUNCTION}]
    packaged = package(built(tmp_path, {"Fn::ForEach::Each": loop}), "packages")
    body = packaged.template["Resources"]["Fn::ForEach::Each"][2]
    assert body["${Name}Function"]["Properties"]["CodeUri"]["Bucket"] == "packages"


def test_other_resources_and_inline_definitions_stay(tmp_path: Path) -> None:
    resources = {
        "Bucket": {"Type": "AWS::S3::Bucket"},
        "Inline": {"Type": "AWS::Serverless::StateMachine", "Properties": {"Definition": {"StartAt": "A"}}},
        "Uploaded": {
            "Type": "AWS::Serverless::Function",
            "Properties": {"CodeUri": {"Bucket": "b", "Key": "k"}},
        },
    }
    packaged = package(built(tmp_path, resources), "packages")
    assert packaged.template == {"Resources": resources}
    assert set(packaged.objects) == {packaged.template_key}


def test_local_files_of_other_resources_are_refused(tmp_path: Path) -> None:
    layer = {"Type": "AWS::Serverless::LayerVersion", "Properties": {"ContentUri": "Code"}}
    with pytest.raises(CommandError, match=r"ContentUri of AWS::Serverless::LayerVersion is a local path"):
        package(built(tmp_path, {"Layer": layer}), "packages")


def test_missing_file_is_named(tmp_path: Path) -> None:
    template = built(tmp_path, {"Machine": MACHINE})
    (tmp_path / "machines" / "load.asl.json").unlink()
    with pytest.raises(CommandError, match=r"machines/load\.asl\.json is named by the built template"):
        package(template, "packages")


def test_zip_is_the_same_for_the_same_files_and_keeps_modes(tmp_path: Path) -> None:
    folder = built(tmp_path, {}).parent / "Code"
    first = zipped(folder)
    (folder / "a.py").touch()
    assert zipped(folder) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        modes = {entry.filename: entry.external_attr >> 16 & 0o777 for entry in archive.infolist()}
    assert modes["inner/tool"] == 0o744
    assert modes["a.py"] & 0o444 == 0o444
