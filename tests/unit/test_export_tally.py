"""The rejects of a slice of an export, as the tally keeps them."""

from __future__ import annotations

import json

from sluice.errors import RejectError
from sluice.rejects import Reason
from sluice.workflows.export_process.tally import RecordTally


def test_rejects_are_handed_over_once_in_the_order_of_their_rows() -> None:
    tally = RecordTally("a.json.gz")
    for row in (3, 1, 2):
        tally.refuse(row, b"{", RejectError(Reason.RECORD_INVALID, "no record"))
    assert tally.counts(3).rejected == 3
    assert [json.loads(line)["row"] for line in tally.take_rejects().splitlines()] == [1, 2, 3]
    assert tally.take_rejects() == b""
