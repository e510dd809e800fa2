"""Hold the definitions and the template against the independent tools; a finding that is not accepted ends with 1."""

import argparse
import sys
from pathlib import Path

from tests.statemachine.definitions import ROOT
from tests.validate import accepted
from tests.validate.definition_tools import definition_findings
from tests.validate.filled import filled_definitions
from tests.validate.findings import open_findings
from tests.validate.planted import missed_faults
from tests.validate.template_tools import template_findings


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.validate", description=__doc__)
    parser.add_argument("--npm", type=Path, required=True, help="the directory that the npm packages are installed in")
    parser.add_argument("--checkov", type=Path, required=True, help="checkov's executable")
    arguments = parser.parse_args()
    definitions = filled_definitions()
    lines = [
        *open_findings(definition_findings(definitions, arguments.npm), accepted.DEFINITIONS),
        *open_findings(template_findings(ROOT / "template.yaml", arguments.checkov), accepted.TEMPLATE),
        *missed_faults(arguments.npm, arguments.checkov),
    ]
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(f"{len(definitions)} definitions and the template: {len(lines) or 'no'} findings\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
