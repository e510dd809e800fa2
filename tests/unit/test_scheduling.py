import pytest

from tests.scheduling import scope_of


@pytest.mark.parametrize(
    ("nodeid", "scope"),
    [
        ("tests/unit/test_wire.py::test_a[x::y]", "tests/unit/test_wire.py"),
        ("tests/local/test_csv_load.py::test_a", "csv_load"),
        ("tests/local/test_csv_load_faults.py::test_a", "csv_load"),
        ("tests/local/test_cli.py::test_a", "cli"),
        ("tests/local_aws/test_csv_load.py::test_a", "tests/local_aws/test_csv_load.py"),
    ],
)
def test_modules_of_a_workflow_stay_together(nodeid: str, scope: str) -> None:
    assert scope_of(nodeid) == scope
