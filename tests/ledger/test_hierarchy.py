"""The payment hierarchy, with both published vectors, and the configuration it refuses."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger import chart, hierarchy
from gateway.ledger.hierarchy import OpenCharge, allocate, in_order, order_problem


def _invoice(*charges: tuple[str, int, str]) -> list[OpenCharge]:
    return [OpenCharge(name, "", n, 100, order, priority) for n, (name, order, priority) in enumerate(charges, 1)]


VECTORS = [
    (
        _invoice(
            ("Principal", 3, "N"), ("Interest", 2, "N"), ("Late", 1, "N"), ("Legal", 0, "N"), ("Other", 0, "N"),
            ("Sales tax", 4, "N"),
        ),
        ["Late", "Interest", "Principal", "Sales tax", "Legal", "Other"],
    ),
    (
        _invoice(
            ("Rental", 1, "N"), ("Interest", 2, "N"), ("Sales tax", 3, "Y"), ("Collections", 4, "N"),
            ("Rewrite", 5, "Y"),
        ),
        ["Sales tax", "Rewrite", "Rental", "Interest", "Collections"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("charges", "expected"), VECTORS)
def test_order_of_the_published_vectors(charges: list[OpenCharge], expected: list[str]) -> None:
    assert [c.charge for c in in_order(reversed(charges))] == expected


def test_priority_does_not_lift_a_charge_of_order_zero() -> None:
    assert [c.charge for c in in_order(_invoice(("Other", 0, "Y"), ("Rent", 1, "N")))] == ["Rent", "Other"]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from("YN"), st.integers(0, 500)), max_size=8), st.integers(0, 2000)
)
def test_allocation_loses_no_cent(lines: list[tuple[int, str, int]], cents: int) -> None:
    charges = [OpenCharge(f"C{n}", "", n, open_, order, p) for n, (order, p, open_) in enumerate(lines, 1)]
    parts, rest = allocate(charges, cents)
    assert sum(part for _, part in parts) + rest == cents
    assert all(0 < part <= line.open_cents for line, part in parts)
    assert rest == 0 or sum(c.open_cents for c in charges) == cents - rest


@pytest.mark.parametrize(
    ("orders", "problem"),
    [
        ({}, None),
        ({"A": 0, "B": 0}, None),
        ({"A": 2, "B": 1, "C": 0}, None),
        ({"A": 2}, ("payment orders A 2", "1 to 1, each once; 1 is missing")),
        ({"A": 1, "B": 1}, ("payment orders A 1, B 1", "1 to 2, each once; 1 is repeated, 2 is missing")),
        ({"A": 4, "B": 1, "C": 0, "D": 4}, (
            "payment orders B 1, A 4, D 4", "1 to 3, each once; 4 is repeated, 2 is missing, 3 is missing"
        )),
    ],
)  # fmt: skip
def test_orders_run_from_one_without_gap_or_repeat(orders: dict[str, int], problem: tuple[str, str] | None) -> None:
    assert order_problem(orders) == problem


def test_default_chart_fits_its_fields_and_covers_every_default_charge() -> None:
    assert doctest.testmod(chart).failed == doctest.testmod(hierarchy).failed == 0
    for field in ("vector", "number", "purpose"):
        values = [getattr(account, field) for account in chart.DEFAULT_CHART]
        assert len(values) == len(set(values))
    assert all(len(a.vector) == 3 and len(a.number) <= 12 and len(a.name) <= 36 for a in chart.DEFAULT_CHART)
    assert {p for c in chart.DEFAULT_CHARGES for p in (c.receivable_purpose, c.income_purpose)} <= chart.PURPOSES
    assert next(a.number for a in chart.DEFAULT_CHART if a.purpose == chart.ASSESSED_FEES) == "1011"
