"""`make permissions`: whether the tests' runs needed every permission in template.yaml, and were denied none."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.permissions.comparison import faults
from tests.permissions.granted import permissions
from tests.permissions.records import kept
from tests.permissions.unexercised import listed


def main(directory: Path) -> int:
    """Print what is wrong, and return 1 if anything is. `directory`: where a whole run of tests/local left records."""
    records = kept(directory)
    if not records:
        print(f"{directory} has no records: run tests/local with PERMISSION_RECORDS={directory}")
        return 1
    granted = permissions()
    found = faults(granted, records, listed())
    print("\n".join(found) or f"{len(granted)} permissions, each needed by a run or listed as unexercised")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
