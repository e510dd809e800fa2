"""How large the artefact is that all functions share."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.figures import Better, Measurement, figure

FUNCTIONS = Path(__file__).parent.parent / "functions"
MEGABYTE = 1_000_000


@figure("package_megabytes", goal=12, better=Better.LOWER, unit="MB")
def package_size() -> Measurement:
    """functions/ with its requirements installed beside it, as `sam build` does, unpacked."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "package"
        shutil.copytree(FUNCTIONS, package, ignore=shutil.ignore_patterns("__pycache__"))
        uv = Path(sys.executable).with_name("uv")
        requirements = str(FUNCTIONS / "requirements.txt")
        subprocess.run(
            [
                uv,
                "pip",
                "install",
                "--quiet",
                "--python",
                sys.executable,
                "--target",
                package,
                "-r",
                requirements,
            ],
            check=True,
        )
        archive = shutil.make_archive(str(Path(folder) / "package"), "zip", package)
        detail = {
            "zippedMegabytes": round(Path(archive).stat().st_size / MEGABYTE, 2),
            "functionsMegabytes": round(_megabytes(FUNCTIONS), 2),
        }
        return Measurement(_megabytes(package), detail)


def _megabytes(folder: Path) -> float:
    files = (each for each in folder.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
    return sum(each.stat().st_size for each in files) / MEGABYTE
