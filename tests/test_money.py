"""Money: cents inside, ``1234.56`` outside, nothing in between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.money import from_cents, shown, to_cents


@pytest.mark.parametrize(
    ("text", "cents"),
    [("0", 0), ("5", 500), ("432.98", 43298), ("-0.01", -1), ("-12", -1200), ("0.00", 0), ("0012.50", 1250)],
)
def test_amounts(text: str, cents: int) -> None:
    assert to_cents(text) == cents


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,234.56",
        "12.5",
        "12.345",
        "+1.00",
        "1e3",
        " 1.00",
        "1.00 ",
        "1.00\n",
        "--1",
        ".50",
        "1.",
        "٣.00",
        "NaN",
        "9" * 16,
    ],
)
def test_nothing_else_is_an_amount(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        to_cents(text)


@given(st.integers(-(10**16), 10**16))
def test_text_and_back(cents: int) -> None:
    assert to_cents(from_cents(cents)) == cents if abs(cents) < 10**17 else True
    assert shown(cents).replace(",", "") == from_cents(cents)
    assert from_cents(-cents) == (
        from_cents(cents).removeprefix("-") if cents < 0 else f"-{from_cents(cents)}" if cents else "0.00"
    )
