"""`sluice load`: a file, or objects, into a table, with types that were found in them."""

import io
from argparse import Namespace
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluice_cli import run as runs
from sluice_cli.arguments import TEXT
from sluice_cli.aws import Aws, Target
from sluice_cli.exit_code import BadInputError, ExitCode, NotDeployedError
from sluice_cli.input_checks import check_input
from sluice_cli.load import tables
from sluice_cli.load.detection import CSV, Detected, Hints, detect_file
from sluice_cli.load.inputs import source_of, types_input, with_types
from sluice_cli.load.options import hints_of, pairs_of, read_mapping, tolerated, types_of
from sluice_cli.load.samples import SCHEME, Objects, detect_objects
from sluice_cli.load.tables import Table
from sluice_cli.load.target_table import TargetTable
from sluice_cli.load.upload import LocalFile, upload
from sluice_cli.load.view import counted, found_lines
from sluice_cli.reject_lines import first_rejects
from sluice_cli.report import stored_summary
from sluice_cli.run_input import apply_settings, parse_setting
from sluice_cli.stack import DATA_BUCKET, Stack, describe_stack
from sluice_cli.surroundings import Surroundings
from sluice_cli.where import command_line, explaining, target_of

WORKFLOW = "csv_load"
DRY_RUN = {"mode": "dryRun"}
# Fields of the input by option.
FIELDS = {"write": "write", "on_conflict": "onConflict", "max_write_units": "maxWriteUnitsPerSecond"}


@dataclass(frozen=True)
class Request:
    """What the options say, checked as far as that goes without the file. `fields` are those of the input."""

    options: Namespace
    hints: Hints
    types: dict[str, str]
    rename: dict[str, str]
    mapping: dict[str, Any] | None
    name: str
    fields: dict[str, Any]

    @classmethod
    def of(cls, options: Namespace) -> "Request":
        """Read the options. Raises BadInputError."""
        if options.mapping and (options.types or options.rename or options.empty):
            raise BadInputError("--mapping says what each attribute is; omit --types, --rename and --empty")
        if options.up and not options.local:
            raise BadInputError("--up starts local AWS: add --local")
        settings = [parse_setting(text) for text in options.set]
        fields = {field: getattr(options, name) for name, field in FIELDS.items() if getattr(options, name) is not None}
        if options.rejects_tolerated is not None:
            fields["rejectsTolerated"] = tolerated(options.rejects_tolerated)
        return cls(
            options,
            hints_of(options),
            types_of(options),
            pairs_of("--rename", options.rename, "column=attribute"),
            read_mapping(Path(options.mapping)) if options.mapping else None,
            runs.new_name(datetime.now(UTC)) if options.name is None else runs.check_name(options.name),
            apply_settings(fields, settings),
        )

    @property
    def target_table(self) -> TargetTable:
        """What the options say of the table."""
        return TargetTable.of(self.options, self.types, self.rename)


def load(options: Namespace, surroundings: Surroundings) -> ExitCode:
    """Look into the file, create the table if that is wanted, upload, load, and follow the run to its end."""
    request = Request.of(options)
    objects = Objects.parse(options.file) if options.file.startswith(SCHEME) else None
    found = None if objects else detect_file(Path(options.file), request.hints)
    target = _target(options, surroundings)
    with explaining(target):
        aws = surroundings.connect(target)
        stack = describe_stack(aws, options.stack_name)
        tables.check_name(options.table, stack)
        existing = tables.describe(aws, options.table)
        if found is None:
            found = detect_objects(aws, Objects.parse(options.file), request.hints)
        return Load(request, surroundings, aws, stack, found, objects, existing).run()


def _target(options: Namespace, surroundings: Surroundings) -> Target:
    if options.up:
        _bring_up(options, surroundings)
    try:
        return target_of(options, surroundings)
    except NotDeployedError as error:
        raise NotDeployedError(f"{error}, or add --up") from error


def _bring_up(options: Namespace, surroundings: Surroundings) -> None:
    """Start local AWS unless it runs, and deploy the stack unless it is there."""
    from sluice_cli import local
    from sluice_cli.local_deploy import local_deploy

    aws, is_new = local.up(surroundings.root, outlive_caller=True)
    if is_new:
        surroundings.say(f"local AWS is ready at {aws.endpoint_url}; `sluice local down` stops it")
    target = Target(aws)
    with explaining(target):
        try:
            describe_stack(surroundings.connect(target), options.stack_name)
        except NotDeployedError:
            deployment = Namespace(stack_name=options.stack_name, parameter=[], watch=False, verbose=False)
            local_deploy(deployment, surroundings)


@dataclass(frozen=True)
class Load:
    """A load to be made. `existing`: the table, if there is one; `objects`: the source, if it is in S3."""

    request: Request
    surroundings: Surroundings
    aws: Aws
    stack: Stack
    found: Detected
    objects: Objects | None
    existing: Table | None

    def run(self) -> ExitCode:
        """Show what was found, and load it. Raises CommandError before anything is written."""
        options, say = self.request.options, self.surroundings.say
        table = self.request.target_table.resolve(self.found, self.existing)
        if self.request.mapping is None:
            self.request.target_table.check_key(table, self.found)
        self._show(table)
        self._confirm_encoding()
        if options.dry_run and self.existing is None:
            say(f"would create table {table}; there is nothing to try the rows on before that. Nothing is written.")
            return ExitCode.SUCCEEDED
        file = None if self.objects else LocalFile.read(Path(options.file))
        document = self.document(table, file)
        check_input(self.stack, runs.planned_run(self.stack, WORKFLOW, self.request.name), document)
        if file is not None:
            self._upload(file)
        if self.existing is None:
            tables.create(self.aws, table)
            say(f"created table {table}")
        if options.dry_run:
            return self._follow(document | DRY_RUN, self.request.name)
        if not self.found.columns.is_whole and self.found.layout == CSV and self.request.mapping is None:
            exit_code = self._verify(document)
            if exit_code is not ExitCode.SUCCEEDED:
                return exit_code
        return self._follow(document, self.request.name)

    def document(self, table: Table, file: LocalFile | None) -> dict[str, Any]:
        """The input of csv_load. `file`: the local file, if it is one."""
        request = self.request
        objects = self.objects.source if self.objects else {}
        if file is not None:
            objects = {"bucket": self.stack.outputs[DATA_BUCKET], "key": file.key}
        source = source_of(self.found, objects, request.hints.headers)
        document: dict[str, Any] = {"source": source, "table": table.name}
        if request.mapping is not None:
            return document | {"mapping": request.mapping} | request.fields
        document["keys"] = list(table.keys)
        document |= types_input(self.found, self._types_beside(table), request.hints.words, self._from_table(table))
        if request.rename:
            document["rename"] = request.rename
        return document | request.fields

    def _types_beside(self, table: Table) -> dict[str, str]:
        """--types, without the columns whose type the table gives."""
        from_table = self._from_table(table)
        return {name: kind for name, kind in self.request.types.items() if name not in from_table}

    def _from_table(self, table: Table) -> frozenset[str]:
        return frozenset(map(self.request.target_table.column_of, {**table.keys, **table.indexed}))

    def _show(self, table: Table) -> None:
        attributes = {**table.keys, **table.indexed}
        types = with_types(self.found.columns.columns, self.request.types)
        rename = self.request.rename
        shown = {name: attributes.get(rename.get(name, name), kind) for name, kind in types.items()}
        keys = [name for name in shown if rename.get(name, name) in table.keys]
        for line in found_lines(self.request.options.file, self.found, shown, keys):
            self.surroundings.say(line)
        if self.request.mapping is not None:
            self.surroundings.say(f"the items are those of the mapping in {self.request.options.mapping}")

    def _confirm_encoding(self) -> None:
        """A guess is for the user to judge. Raises BadInputError where nobody can be asked."""
        if not self.found.guess or self.request.options.yes:
            return
        encoding, guess = self.found.encoding, self.found.guess
        if not self.surroundings.stdin.isatty():
            raise BadInputError(
                f"the file is not UTF-8. As {encoding} it has the text: {guess}. If that is right, add "
                f"--encoding {encoding}; if not, name another encoding"
            )
        self.surroundings.say(f"the file is not UTF-8. As {encoding} it has the text: {guess}. Is that right? [y/N]")
        if self.surroundings.stdin.readline().strip().lower() not in ("y", "yes"):
            raise BadInputError("nothing is loaded; name the encoding with --encoding")

    def _upload(self, file: LocalFile) -> None:
        bucket = self.stack.outputs[DATA_BUCKET]
        is_new = upload(self.aws, bucket, file, self.surroundings)
        self.surroundings.say(f"{'uploaded to' if is_new else 'already at'} s3://{bucket}/{file.key}")

    def _verify(self, document: dict[str, Any]) -> ExitCode:
        """Try types that a sample has on all rows. The dry run's summary is shown where they do not fit."""
        say = self.surroundings.say
        rows = counted(self.found.columns.rows, "row")
        say(f"the types come from the first {rows}; a dry run tries them on all rows before anything is written")
        printed = io.StringIO()
        quiet = replace(self.surroundings, stdout=printed)
        exit_code = replace(self, surroundings=quiet)._follow(document | DRY_RUN, runs.new_name(datetime.now(UTC)))
        if exit_code is not ExitCode.SUCCEEDED:
            say(printed.getvalue().rstrip())
            say("nothing is written; give the columns that the rejects name the type S with --types, and load again")
        return exit_code

    def _follow(self, document: dict[str, Any], name: str) -> ExitCode:
        from sluice_cli.follow import start_and_follow

        options = self.request.options
        run = runs.planned_run(self.stack, WORKFLOW, name)
        doing = "a dry run of" if document.get("mode") == DRY_RUN["mode"] else "loading into"
        self.surroundings.say(f"{doing} table {options.table} on {self.aws}: {name}")
        exit_code = start_and_follow(self.aws, self.stack, run, options, self.surroundings, document=document)
        summary = stored_summary(self.aws, self.stack, run)
        if options.output == TEXT and summary and (shown := first_rejects(self.aws, summary)):
            self.surroundings.print("\n".join(shown))
            self.surroundings.say(f"to see more of them: {command_line(options, 'rejects', name)}")
        return exit_code
