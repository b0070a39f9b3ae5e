"""Which file names are whose."""

from __future__ import annotations

import pytest

from parsers.names import Ambiguous, Identified, Unknown, identify
from parsers.profile import DEFAULT, profile_from_mapping

GOOD = [
    ("p1_btchassmt.dat", "assessments", 1, "dat"),
    ("P99_BTCHASSMT.DAT", "assessments", 99, "dat"),
    ("p1_btchescr.dat", "escrow", 1, "dat"),
    ("btchescr.dat", "escrow", None, "dat"),
    ("BtchEscr.Avro", "escrow", None, "avro"),
    ("p12_bptmtrev.dat", "reversals", 12, "dat"),
    ("p12_bpmtrev.dat", "reversals", 12, "dat"),
    ("p3_btchpmt.avro", "payments", 3, "avro"),
]


@pytest.mark.parametrize(("name", "kind", "portfolio", "form"), GOOD)
def test_known(name: str, kind: str, portfolio: int | None, form: str) -> None:
    found = identify(name, [DEFAULT])
    assert isinstance(found, Identified)
    assert (found.kind, found.portfolio, found.form) == (kind, portfolio, form)


BAD = [
    ("p0_btchassmt.dat", "the portfolio 0"),
    ("p100_btchassmt.dat", "the portfolio 100"),
    ("p01_btchassmt.dat", "the portfolio 01"),
    ("btchassmt.dat", "no portfolio"),
    ("p1_btchassmt.txt", "the ending .txt"),
    ("p1_other.dat", "the root name other"),
    ("p1_btchassmt.dat.done", "a name of another form"),
    ("p1_btchassmt", "a name of another form"),
    ("p1_btchassmt.d\u0430t", "a name of another form"),
    ("", "a name of another form"),
]


@pytest.mark.parametrize(("name", "why"), BAD)
def test_unknown(name: str, why: str) -> None:
    found = identify(name, [DEFAULT])
    assert isinstance(found, Unknown)
    assert found.message == (
        f"Found {why} in {name!r}, expected p<n>_<root>.dat or .avro with a portfolio of 1 to 99 without "
        "padding and a known root name: rename the file or correct the names table of the format profile."
    )


def test_two_claims() -> None:
    other = profile_from_mapping(DEFAULT, {"names": {"payments": ["btchpmt", "BTCHESCR"]}})
    found = identify("p1_btchescr.dat", [other])
    assert isinstance(found, Ambiguous)
    assert found.kinds == ("escrow", "payments")
    assert "claimed by escrow and payments" in found.message
    assert isinstance(identify("p1_btchescr.dat", [DEFAULT, other]), Ambiguous)


def test_a_root_name_of_the_site() -> None:
    other = profile_from_mapping(DEFAULT, {"names": {"escrow": ["Pay-Out"], "bare": ["escrow"]}})
    assert identify("PAY-OUT.dat", [other]) == Identified("escrow", None, "dat")
    none = profile_from_mapping(DEFAULT, {"names": {"bare": []}})
    assert isinstance(identify("btchescr.dat", [none]), Unknown)
    assert isinstance(identify("btchescr.dat", [other]), Unknown)
