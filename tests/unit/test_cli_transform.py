"""`sluice transform test`: what a transform makes of a sample, shown without a deployment."""

import json
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest

from sluice_cli.exit_code import BadInputError
from sluice_cli.surroundings import Surroundings
from sluice_cli.transform_test import run_test

REPOSITORY = Path(__file__).parents[2]
AIRPORTS = [
    {"icao": "EKSN", "position": {"latitude": 57.64911, "longitude": 10.40744}},
    {"icao": "XXXX"},
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with transforms of its own."""
    transforms = tmp_path / "functions" / "transforms"
    transforms.mkdir(parents=True)
    for name in ("__init__.py", "airports_geohash.py"):
        shutil.copy(REPOSITORY / "functions" / "transforms" / name, transforms)
    return tmp_path


def add(project: Path, name: str, body: str) -> None:
    code = f"from transforms import DELETE\n\n\ndef transform(item):\n{body}"
    (project / "functions" / "transforms" / f"{name}.py").write_text(code)


def sample(project: Path, text: str, name: str = "sample.jsonl") -> Path:
    path = project / name
    path.write_text(text)
    return path


def run(project: Path, name: str, *options: str) -> tuple[int, str, str]:
    """Exit code, output and messages of the command, in a process of its own: each project has its own modules."""
    command = [sys.executable, "-m", "sluice_cli", "transform", "test", name, *options]
    path = {"PYTHONPATH": f"{project / 'functions'}:{REPOSITORY}:{REPOSITORY / 'functions'}"}
    done = subprocess.run(command, cwd=project, env=path, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_changes_are_shown_and_items_left_alone_named(project: Path) -> None:
    lines = sample(project, "".join(json.dumps(each) + "\n" for each in AIRPORTS))

    code, out, err = run(project, "airports_geohash", "--sample", str(lines))

    assert code == 0, err
    assert out.splitlines()[:2] == ["line 1: changed", "  + geohash: u4pruyd"]
    assert "line 2: None: csv_load skips such a row" in out
    assert err == "2 items: 1 changed, 1 left alone\n"


def test_items_in_dynamodb_json_are_plain_values_to_the_transform(project: Path) -> None:
    add(project, "twice", '    item["n"] = item["n"] * 2\n    return item\n')
    typed = {"Item": {"id": {"S": "1"}, "n": {"N": "1.5"}}}
    lines = sample(project, json.dumps(typed) + "\n")

    assert run(project, "twice", "--sample", str(lines))[1] == "line 1: changed\n  - n: 1.5\n  + n: 3.0\n"


def test_rows_of_a_csv_file_are_texts(project: Path) -> None:
    add(project, "shout", '    return {**item, "name": item["name"].upper()}\n')
    rows = sample(project, "id,name\n1,a\n2,B\n", "rows.csv")

    code, out, err = run(project, "shout", "--sample", str(rows))

    assert (code, out.splitlines()[:3]) == (0, ["row 1: changed", "  - name: a", "  + name: A"])
    assert "row 2: unchanged" in out
    assert "1 changed, 1 unchanged" in err


def test_limit_bounds_the_items(project: Path) -> None:
    add(project, "same", "    return item\n")
    lines = sample(project, '{"a": 1}\n' * 50)

    assert "3 items" in run(project, "same", "--sample", str(lines), "--limit", "3")[2]


def test_error_names_the_line_of_the_users_code_and_fails(project: Path) -> None:
    add(project, "breaks", '    n = item["n"]\n    return {"n": 1 / n}\n')
    lines = sample(project, '{"n": 0}\n{"n": 2}\n')

    code, out, _ = run(project, "breaks", "--sample", str(lines))

    assert code == 1
    problem, where = "ZeroDivisionError: division by zero", "transforms/breaks.py, line 6, in transform"
    assert out.startswith(f'line 1: {problem} ({where}: return {{"n": 1 / n}})')


def test_value_that_dynamodb_does_not_have_is_an_error(project: Path) -> None:
    add(project, "objects", '    return {"o": object()}\n')

    code, out, _ = run(project, "objects", "--sample", str(sample(project, '{"n": 0}\n')))

    assert code == 1
    assert out.startswith("line 1: ValueUnsupported")


def test_deletions_and_several_items_are_named(project: Path) -> None:
    add(project, "splits", '    return DELETE if item["n"] == 0 else [{"n": 1}, {"n": 2}]\n')

    code, out, err = run(project, "splits", "--sample", str(sample(project, '{"n": 0}\n{"n": 1}\n')))

    assert code == 0, err
    assert "line 1: DELETE: table_transform deletes such an item" in out
    assert "line 2: 2 items" in out


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("missing", '{"n": 0}\n', "there is no transform 'missing'; there are airports_geohash"),
        ("airports_geohash", "[1]\n", "line 1 of"),
        ("airports_geohash", '{"n": 0\n', "is not valid JSON"),
        ("airports_geohash", "", "the sample is empty"),
    ],
)
def test_bad_input_is_named(project: Path, name: str, text: str, words: str) -> None:
    code, _, err = run(project, name, "--sample", str(sample(project, text)))

    assert code == 2
    assert words in err


def test_missing_sample_is_named(project: Path) -> None:
    code, _, err = run(project, "airports_geohash", "--sample", "nowhere.jsonl")

    assert code == 2
    assert "--sample: nowhere.jsonl cannot be read" in err


def test_folder_without_transforms_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = Namespace(name="x", sample="y", table=None, limit=10)

    with pytest.raises(BadInputError, match="run this in the project"):
        run_test(options, Surroundings(root=tmp_path))
