"""The day an answer settled: the operator's day of the year has no year."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.answers.read import settled_on
from parsers.nacha_answers import AnswerBatch


@pytest.mark.parametrize(
    ("day", "effective", "received", "settled"),
    [
        ("064", "2026-03-09", "2026-03-05", "2026-03-05"),
        ("064", "2026-03-09", "2026-11-22", "2026-03-05"),
        ("365", "", "2027-01-04", "2026-12-31"),
        ("004", "", "2026-12-31", "2027-01-04"),
        ("010", "", "2026-12-31", "2026-01-10"),
        ("366", "", "2029-01-02", "2028-12-31"),
        ("366", "", "2026-03-05", None),
        ("000", "2026-03-09", "2026-03-05", "2026-03-09"),
        ("", "2026-03-09", "2026-03-05", "2026-03-09"),
        ("", "260309", "2026-03-05", None),
        ("abc", "", "2026-03-05", None),
    ],
)
def test_settled_on(day: str, effective: str, received: str, settled: str | None) -> None:
    batch = AnswerBatch(
        sec_code="CCD", company_id="", company_name="", description="", effective_date=effective, settlement_day=day,
        odfi="", batch_number=None, entries=(),
    )  # fmt: skip
    assert settled_on(batch, date.fromisoformat(received)) == settled
