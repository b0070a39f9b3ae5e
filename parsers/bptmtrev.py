"""Batch Payment Reversal input, ``p<n>_bptmtrev.dat`` (also ``bpmtrev``), U0470: whole batches taken back.

Sent by upstream systems, read by the gateway; never sent on. After the vendor's public description of the
update and this project's inbound page, profile version 1; the letters beyond I and L are a table of
``parsers.profile``.

One record a line, comma separated: ``I<invoice>`` or ``L<lease>``, the amount in cents, ``B<batch number>``,
in that order; then in any order, each at most once, ``R<reason>``, ``C<check>``, ``E<effective YYMMDD>``,
``G<bank>``. The batch number is 20 digits: entry date, 6 of the session, 8 of the sequence. A reason begins
with the letter of its family. Whether the batch, the bank or the amount are right is for the update.

Refused: TARGET_PREFIX, VALUE_MISSING, the AMOUNT_ codes, BATCH_MISPLACED, ITEM_EMPTY, UNKNOWN_ITEM,
ITEM_REPEATED, TOO_WIDE, BAD_IDENTIFIER, BAD_DATE, BAD_BANK, BAD_BATCH, BAD_REASON, and the codes of stray
bytes and of lines without end.

>>> from parsers.profile import DEFAULT
>>> [chunk] = parse([b"L1,20000,B03030890000100000001,RNSFC,C123\\n"], profile=DEFAULT)
>>> Reversal(*chunk.records[0])
Reversal(line_no=1, target_kind='L', target='1', amount_cents=20000, batch='03030890000100000001', \
reason='NSFC', check_no='123', effective_date=None, bank=None)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from parsers import prefixed
from parsers.base import ParsedChunk
from parsers.checks import IDENTIFIER, Cell, Explained, Findings, shown
from parsers.codes import RejectCode
from parsers.engine import Row, cents_of, parse_lines, rows_of, text_of
from parsers.prefixed import Item, PrefixedPlan, Shape
from parsers.profile import Profile


class Reversal(NamedTuple):
    """One batch to reverse, named by an invoice (``I``) or a lease (``L``) it paid."""

    line_no: int
    target_kind: str
    target: str
    amount_cents: int
    batch: str
    reason: str | None
    check_no: str | None
    effective_date: str | None
    bank: str | None


def parse(chunks: Iterable[bytes], *, profile: Profile) -> Iterator[ParsedChunk]:
    """The records and rejects of a file, up to CHUNK_RECORDS lines at a time."""
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


def is_reason(text: str, profile: Profile) -> bool:
    """Whether a line can give this reason, written as it is kept: upper case, the letter of a family first."""
    code = rf"[{IDENTIFIER}]{{1,{profile.widths.code}}}"
    return re.fullmatch(code, text) is not None and text == text.upper() and _has_family(text, profile)


def reasons(profile: Profile) -> str:
    """What a reason looks like, for who typed another one."""
    families = ", ".join(profile.reversals.reason_families)
    return f"a code of up to {profile.widths.code} in capitals that begins with {families}, such as NSFC"


def _has_family(reason: str, profile: Profile) -> bool:
    return reason[0] in profile.reversals.reason_families


@lru_cache(maxsize=16)
def plan(profile: Profile) -> PrefixedPlan:
    """The compiled halves of the format for ``profile``."""
    letters, w = profile.reversals.letters, profile.widths
    items = (
        Item("batch", letters.batch, "batch", 20),
        Item("reason", letters.reason, "identifier", w.code),
        Item("check_no", letters.check, "identifier", w.check),
        Item("effective_date", letters.effective, "date", 6),
        Item("bank", letters.bank, "number", 3, expected="a bank of three digits"),
    )
    shape = Shape(letters.invoice, letters.lease, items, Reversal._fields[1:], batch_third=True)

    def settle(value: dict[str, Any], cells: dict[str, Cell], findings: Findings) -> None:
        reason = value.get("reason")
        if reason is not None and not _has_family(reason, profile):
            c = cells["reason"]
            expected = "a reason that begins with one of " + " ".join(profile.reversals.reason_families)
            findings.fault(RejectCode.BAD_REASON, "reason", c.column, f"{shown(c.text)} for {c.label}", expected)

    def strange(item: dict[str, Sequence[str | None]], numbers: Sequence[int]) -> set[int]:
        return {n for n, r in zip(numbers, item["reason"], strict=True) if r and not _has_family(r, profile)}

    return PrefixedPlan(profile, shape, _validator(profile), settle, strange)


def _validator(profile: Profile) -> Callable[[list[Row]], list[Row]]:
    """Rows as pydantic admits them."""
    w = profile.widths
    target, batch, day, bank = text_of(max(w.lease, w.invoice)), text_of(20, 20), text_of(10, 10), text_of(3, 3)
    reason, check = text_of(w.code) | None, text_of(w.check) | None
    return rows_of(Literal["I", "L"], target, cents_of(w.money), batch, reason, check, day | None, bank | None)
