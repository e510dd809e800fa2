import math
import types

import pytest

from local_aws.replacements import UnknownMinistackError, replace, require


def part() -> types.ModuleType:
    module = types.ModuleType("part")
    exec("def run(a, b): return 'old'", module.__dict__)
    return module


def test_known_function_is_replaced_and_returned() -> None:
    module = part()
    old = replace(module, "run", ("a", "b"), lambda a, b: "new")
    assert (old(1, 2), module.run(1, 2)) == ("old", "new")


@pytest.mark.parametrize(("name", "expected"), [("gone", "part.gone is missing"), ("run", r"takes \('a', 'b'\)")])
def test_unknown_function_is_named_with_the_version_it_was_written_for(name: str, expected: str) -> None:
    with pytest.raises(UnknownMinistackError, match=f"{expected}.*ministack 1.5.33"):
        replace(part(), name, ("a",), math.sqrt)


def test_missing_name_is_reported() -> None:
    with pytest.raises(UnknownMinistackError, match="other is missing"):
        require(part(), "run", "other")
