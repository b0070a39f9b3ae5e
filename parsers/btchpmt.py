"""Batch Payments input, ``p<n>_btchpmt.dat`` (U0415): money received for invoices and leases.

Sent by upstream systems, read by the gateway; never sent on. It makes the batches that ``bptmtrev``
reverses. After this project's inbound page, profile version 1; the letters beyond I and L are a table of
``parsers.profile``.

One record a line, comma separated: ``I<invoice>`` or ``L<lease>``, the amount in cents; then in any order,
each at most once, ``C<check>``, ``E<effective YYMMDD>``, ``D<due YYMMDD>``, ``A<cash account 125..144 or
CLR>``, ``B<batch number of 20 digits>``, ``O<origination>``, ``N<note>``. A due date with an invoice is
ignored, unread, with a warning: the invoice says when it is due. A note holds no comma.

Refused: TARGET_PREFIX, VALUE_MISSING, the AMOUNT_ codes, ITEM_EMPTY, UNKNOWN_ITEM, ITEM_REPEATED, TOO_WIDE,
BAD_IDENTIFIER, BAD_DATE, BAD_BANK, BAD_BATCH, and the codes of stray bytes and of lines without end.

>>> from parsers.profile import DEFAULT
>>> [chunk] = parse([b"L50,10000,C123,E030308,NMarch rent\\n"], profile=DEFAULT)
>>> Payment(*chunk.records[0])
Payment(line_no=1, target_kind='L', target='50', amount_cents=10000, check_no='123', \
effective_date='2003-03-08', due_date=None, account=None, batch=None, origination=None, note='March rent')
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from parsers import prefixed
from parsers.base import ParsedChunk
from parsers.checks import Cell, Explained, Findings, table_of
from parsers.codes import RejectCode, WarnCode
from parsers.engine import Row, cents_of, parse_lines, rows_of, text_of
from parsers.prefixed import Item, PrefixedPlan, Shape
from parsers.profile import Profile


class Payment(NamedTuple):
    """Money for an invoice (``I``) or a lease (``L``)."""

    line_no: int
    target_kind: str
    target: str
    amount_cents: int
    check_no: str | None
    effective_date: str | None
    due_date: str | None
    account: str | None
    batch: str | None
    origination: str | None
    note: str | None


def parse(chunks: Iterable[bytes], *, profile: Profile) -> Iterator[ParsedChunk]:
    """The records, rejects and warnings of a file, up to CHUNK_RECORDS lines at a time."""
    return parse_lines(chunks, plan(profile), profile.line_limit)


def render(record: Row, profile: Profile) -> str:
    """The line (without terminator) that reads back as ``record``; its ``line_no`` is not used."""
    return prefixed.render(record, plan(profile).shape)


def line_of(item: dict[str, Any], profile: Profile) -> str:
    """The canonical line of values by field name, dates as YYMMDD; None is left out."""
    return prefixed.line_of(item, plan(profile).shape)


def explain_line(line: str, *, profile: Profile) -> list[Explained]:
    """The items of ``line`` with their columns and meanings."""
    return prefixed.explain(line, plan(profile))


@lru_cache(maxsize=16)
def plan(profile: Profile) -> PrefixedPlan:
    """The compiled halves of the format for ``profile``."""
    table, w = profile.payments, profile.widths
    letters, first, last = table.letters, table.first_account, table.last_account
    accounts = table_of(first, last) | {table.clearing}
    known = f"a cash account from {first} to {last} or {table.clearing}"
    items = (
        Item("check_no", letters.check, "identifier", w.check),
        Item("effective_date", letters.effective, "date", 6),
        Item("due_date", letters.due, "date", 6),
        Item("account", letters.account, "digits", 4, accounts, known),
        Item("batch", letters.batch, "batch", 20),
        Item("origination", letters.origination, "identifier", w.code),
        Item("note", letters.note, "text", w.note),
    )
    shape = Shape(letters.invoice, letters.lease, items, Payment._fields[1:], batch_third=False)
    return PrefixedPlan(profile, shape, _validator(profile), _settle, _strange)


def _settle(value: dict[str, Any], cells: dict[str, Cell], findings: Findings) -> None:
    """A due date beside an invoice is dropped with a warning, whatever it holds."""
    if "invoice" not in cells or "due_date" not in cells or not cells["due_date"].text:
        return
    ignored = (RejectCode.BAD_DATE, "due_date")
    findings.faults = [fault for fault in findings.faults if (fault.code, fault.field) != ignored]
    value["due_date"] = None
    findings.warn(
        WarnCode.DUE_DATE_IGNORED,
        "due_date",
        "a due date with an invoice",
        "one with a lease only",
        "nothing to do, the item was ignored and the record stands",
    )


def _strange(item: dict[str, Sequence[str | None]], numbers: Sequence[int]) -> set[int]:
    """Lines with a due date beside an invoice."""
    due = item["due_date"]
    if not any(due):
        return set()
    return {n for n, kind, day in zip(numbers, item["target_kind"], due, strict=True) if kind == "I" and day}


def _validator(profile: Profile) -> Callable[[list[Row]], list[Row]]:
    """Rows as pydantic admits them."""
    w = profile.widths
    target, day = text_of(max(w.lease, w.invoice)), text_of(10, 10) | None
    check, account, batch = text_of(w.check) | None, text_of(4) | None, text_of(20, 20) | None
    code, note = text_of(w.code) | None, text_of(w.note) | None
    return rows_of(Literal["I", "L"], target, cents_of(w.money), check, day, day, account, batch, code, note)
