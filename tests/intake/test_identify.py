"""What a name says, and names that nothing can be kept under."""

from __future__ import annotations

import pytest

from gateway.app import App
from gateway.intake.identify import LONGEST_NAME, unknown_name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("p1_btchassmt.dat", None),
        ("x" * (LONGEST_NAME - 4) + ".dat", "Found the root name xxx"),
        (
            "x" * (LONGEST_NAME - 3) + ".ach",
            "Found a name of 201 bytes (" + "x" * 40 + "…), expected at most 200: have it",
        ),
        ("é" * 101, "Found a name of 202 bytes"),
    ],
)
def test_a_name_that_is_too_long_is_left_where_it_is(app: App, name: str, why: str | None) -> None:
    found = unknown_name(app.settings, name)
    assert found is None if why is None else found is not None and found.startswith(why)
