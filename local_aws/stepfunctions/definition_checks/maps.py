"""What only a Map state has: its processor's mode, its reader, batcher and writer, and its label."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from local_aws.stepfunctions.definition_checks.fields import PROCESSORS, misplaced, misplaced_message
from local_aws.stepfunctions.definition_checks.report import Report
from local_aws.stepfunctions.definition_checks.scalars import BATCH_NUMBERS, READER_NUMBERS, check_numbers

DISTRIBUTED = "DISTRIBUTED"
EXPRESS = "EXPRESS"
MAXIMUM_LABEL_CHARACTERS = 40
NOT_IN_LABELS = set('?*<>{}[]:;,\\|^~$#%&`" ')
READERS = ("s3:getObject", "s3:listObjectsV2")
WRITERS = ("s3:putObject",)
READER_VALUES = {
    "InputType": ("CSV", "JSON", "JSONL", "PARQUET", "MANIFEST"),
    "CSVHeaderLocation": ("FIRST_ROW", "GIVEN"),
    "CSVDelimiter": ("COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"),
    "Transformation": ("NONE", "LOAD_AND_FLATTEN"),
    "ManifestType": ("ATHENA_DATA", "S3_INVENTORY"),
}
WRITER_VALUES = {"OutputType": ("JSON", "JSONL"), "Transformation": ("NONE", "COMPACT", "FLATTEN")}


def processor_config(processor: Any) -> dict[str, Any]:
    """A processor's configuration; empty when it is not an object."""
    config = processor.get("ProcessorConfig") if isinstance(processor, dict) else None
    return config if isinstance(config, dict) else {}


def check_map(state: dict[str, Any], language: str, in_express: bool, location: str, report: Report) -> None:
    """Report the faults of a Map state's own fields."""
    report.exactly_one(state, PROCESSORS, location)
    report.at_most_one(state, ("ItemSelector", "Parameters"), location)
    for name in PROCESSORS:
        config = processor_config(state.get(name))
        if config:
            _check_config(config, in_express, f"{location}/{name}/ProcessorConfig", report)
    _check_label(state.get("Label"), f"{location}/Label", report)
    checks = {"ItemReader": _check_reader, "ResultWriter": _check_writer, "ItemBatcher": _check_batcher}
    for name, check in checks.items():
        path = f"{location}/{name}"
        if name in state and report.is_a(state[name], dict, path):
            check(state[name], language, path, report)


def _check_config(config: dict[str, Any], in_express: bool, location: str, report: Report) -> None:
    report.one_of(config.get("Mode", "INLINE"), ("INLINE", DISTRIBUTED), f"{location}/Mode")
    if config.get("Mode") != DISTRIBUTED:
        if config.get("Mode") == "INLINE":
            report.unsupported({name: 0 for name in ("ExecutionType",) if name in config}, (), location)
        return
    report.required(config, ("ExecutionType",), location)
    if "ExecutionType" in config:
        report.one_of(config["ExecutionType"], ("STANDARD", EXPRESS), f"{location}/ExecutionType")
    if in_express:
        message = f"The field 'Mode' with value '{DISTRIBUTED}' is not supported inside '{EXPRESS}' state machines"
        report.schema(message, f"{location}/Mode")


def _check_label(label: Any, location: str, report: Report) -> None:
    if not isinstance(label, str):
        return
    bad = next((each for each in label if each in NOT_IN_LABELS or unicodedata.category(each) == "Cc"), None)
    if not label:
        report.schema("Label cannot be empty", location)
    elif len(label) > MAXIMUM_LABEL_CHARACTERS:
        report.schema(f"Label cannot exceed {MAXIMUM_LABEL_CHARACTERS} characters", location)
    elif bad is not None:
        report.schema(f"Label contains invalid character: '{bad}'", location)


def _check_reader(reader: dict[str, Any], language: str, location: str, report: Report) -> None:
    report.required(reader, ("Resource",), location)
    _check_resource(reader, READERS, location, report)
    _check_language(reader, language, location, report)
    config = reader.get("ReaderConfig")
    if not isinstance(config, dict):
        return
    path = f"{location}/ReaderConfig"
    _check_values(config, READER_VALUES, path, report)
    _check_language(config, language, path, report)
    report.at_most_one(config, ("MaxItems", "MaxItemsPath"), path)
    check_numbers(config, READER_NUMBERS, language, path, report)
    _check_headers(config, path, report)


def _check_headers(config: dict[str, Any], location: str, report: Report) -> None:
    if config.get("InputType") == "CSV" and "CSVHeaderLocation" not in config:
        report.schema("The field 'CSVHeaderLocation' is required", location)
    if config.get("InputType") == "JSON" and "CSVHeaderLocation" in config:
        report.schema("Field 'CSVHeaderLocation' is not supported", location)
    if config.get("CSVHeaderLocation") == "GIVEN":
        report.required(config, ("CSVHeaders",), location)


def _check_writer(writer: dict[str, Any], language: str, location: str, report: Report) -> None:
    _check_resource(writer, WRITERS, location, report)
    _check_language(writer, language, location, report)
    if isinstance(writer.get("WriterConfig"), dict):
        _check_values(writer["WriterConfig"], WRITER_VALUES, f"{location}/WriterConfig", report)


def _check_batcher(batcher: dict[str, Any], language: str, location: str, report: Report) -> None:
    _check_language(batcher, language, location, report)
    for name in BATCH_NUMBERS:
        report.at_most_one(batcher, (name, f"{name}Path"), location)
    check_numbers(batcher, BATCH_NUMBERS, language, location, report)


def _check_resource(given: dict[str, Any], known: tuple[str, ...], location: str, report: Report) -> None:
    resource = given.get("Resource")
    if "Resource" not in given or not report.is_a(resource, str, f"{location}/Resource"):
        return
    if str(resource).split(":")[2:5] != ["states", "", ""] or ":".join(str(resource).split(":")[5:]) not in known:
        report.schema("The field 'Resource' does not match any of the allowed values", f"{location}/Resource")


def _check_language(given: dict[str, Any], language: str, location: str, report: Report) -> None:
    for name in misplaced(given, language):
        report.schema(misplaced_message(name, language), location)


def _check_values(given: dict[str, Any], known: Mapping[str, tuple[str, ...]], location: str, report: Report) -> None:
    for name, values in known.items():
        if name in given:
            report.one_of(given[name], values, f"{location}/{name}")
