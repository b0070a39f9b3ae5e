"""Which way a NACHA file goes, by what is in it."""

from __future__ import annotations

import pytest

from parsers.nacha_direction import direction
from tests.answers import bank
from tests.formats.nacha_class_samples import SAMPLES

OURS, BANKS = {"1234567890"}, {"091000019"}
TRACE = "091000010000001"


def header(to: str, origin: str) -> str:
    return f"101{to:>10}{origin:>10}2603051700A094101".ljust(94)


REFUSED = bank.records(bank.change_of(TRACE, "", reason="C65"), sec="COR")
CASES = [
    (SAMPLES["ccd"], True, "no entry is a return"),
    (bank.records(bank.return_of(TRACE, 5)), False, "line 4 is a return (addenda 99)"),
    (bank.records(bank.change_of(TRACE, "1"), sec="COR"), False, "line 4 is a notification of change (addenda 98)"),
    (bank.records(bank.dishonored(TRACE, 5)), False, "addenda 99"),
    (REFUSED, True, "from 1234567890 to 091000019"),
    (bank.records(bank.return_of(TRACE, 5))[1:], False, "line 3 is a return (addenda 99)"),
    ([bank.file_header(), bank.batch_header(sec="ATX")], False, "line 2 begins a batch of class ATX"),
    ([header("1234567890", "091000019")], False, "its header goes from 091000019 to 1234567890"),
    ([header("999999999", "091000019")], False, "its header goes from 091000019"),
    ([header("1234567890", "999999999")], False, "to 1234567890"),
    ([bank.entry("22", 5, trace=TRACE)], True, "no entry is a return or a notification of change"),
]


@pytest.mark.parametrize(("records", "to_bank", "why"), CASES)
def test_the_content_tells(records: list[str], to_bank: bool, why: str) -> None:
    told = direction(enumerate(records, 1), ours=OURS, banks=BANKS)
    assert told is not None
    assert (told.to_bank, why in told.why) == (to_bank, True), told.why


@pytest.mark.parametrize("records", [[], ["", "L1,20000"]])
def test_no_record_no_direction(records: list[str]) -> None:
    assert direction(enumerate(records, 1), ours=OURS, banks=BANKS) is None
