"""Names of vendors that look like one, and those that do not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vendor_ach.alike import LEGAL_FORMS, key


@pytest.mark.parametrize(
    "name",
    [
        "HARBOR MOTORS", "Harbor Motors", "harbor-motors", "HARBOR  MOTORS.", "HarborMotors", "Harbor Motors Inc.",
        "HARBOR MOTORS, L.L.C.", "THE HARBOR MOTORS", "The Harbor Motors Co., Ltd", "HARB0R MOTORS", "HARBOR M0T0R5",
        "HAR8OR MOTORS 1NC", "HARBOR MOTORS C0RP", "Hárbor Motörs", "HARBOR & MOTORS", "Harbor and Motors",
        *(f"HARBOR MOTORS {form}" for form in LEGAL_FORMS),
    ],
)  # fmt: skip
def test_one_name_however_it_is_written(name: str) -> None:
    assert key(name) == key("HARBOR MOTORS")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HARBOR MOTORS", "HARBOR MOTOR"),
        ("HARBOR MOTORS", "HARBOR MOTORS EAST"),
        ("HARBOR MOTORS", "OTHER MOTORS"),
        ("STORE 105", "STORE 106"),
        ("UNIT 11", "UNIT 1"),
        ("INC RESEARCH", "RESEARCH"),  # a legal form stands at the end
        ("MOTORS THE", "MOTORS"),  # and the article at the beginning
        ("THE CO", "THE INC"),  # nothing but them: the last words are kept
        ("日本", "HARBOR"),
    ],
)
def test_two_names(one: str, other: str) -> None:
    assert key(one) != key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("BILL", "8I11"), ("O'NEIL SONS", "ONEIL SONS"), ("A & B CO", "A and B"), ("Straße", "STRASSE")]
)
def test_letters_that_look_alike(one: str, other: str) -> None:
    assert key(one) == key(other)


@pytest.mark.parametrize("name", ["", " ", "---", "..."])
def test_a_name_without_letters_has_no_key(name: str) -> None:
    assert key(name) == ""


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_two_numbers_are_two_names(one: int, other: int) -> None:
    assert (key(f"STORE {one}") == key(f"STORE {other}")) == (one == other)
