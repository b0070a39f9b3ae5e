"""Text for banks: what is changed is said, what cannot be changed is a problem, nothing is dropped."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from writers.text import BANK_CHARSET, CHARSETS, bank_text, payee_name


@pytest.mark.parametrize(
    ("text", "written", "warnings"),
    [
        ("Acme", "ACME", 0),
        ("  Acme ", "ACME", 0),
        ("Ærø Straße", "AERO STRASSE", 2),
        ("e\u0301clair", "ECLAIR", 1),
        ("Łódź", "LODZ", 3),
        ("O’Neil – Sons", "O'NEIL - SONS", 2),
        ("ééé", "EEE", 1),
        ("x\u0302-y", "X-Y", 1),
        ("", "", 0),
    ],
)
def test_written(text: str, written: str, warnings: int) -> None:
    made = bank_text(text)
    assert (made.text, len(made.warnings), made.problem) == (written, warnings, None)


@pytest.mark.parametrize("text", ["A_B", "東京", "A*B", "A\tB", "A\nB", "€5", "\u0301"])
def test_unmappable(text: str) -> None:
    made = bank_text(text)
    assert made.problem is not None
    assert made.text == ""


def test_sets() -> None:
    assert bank_text("a_b", CHARSETS["ascii"]).text == "A_B"


def test_payee_names() -> None:
    assert payee_name("A" * 22).warnings == ()
    made = payee_name("Ünited " + "A" * 30, 16)
    assert made.text == "UNITED AAAAAAAAA"
    assert made.warnings == ("Ü written as U", "payee name cut at 16 of 37 characters")
    assert payee_name(" ").problem == "the payee has no name"
    assert payee_name("東").problem is not None
    assert payee_name("A" * 21 + " B").text == "A" * 21


@given(st.text())
def test_only_the_banks_characters_leave(text: str) -> None:
    made = bank_text(text)
    assert BANK_CHARSET.issuperset(made.text)
    assert made.problem is None or made.text == ""
    if made.problem is None:
        assert made.warnings or made.text == normalize("NFC", text).strip().upper()
