"""``DSGL_Pxx.DAT``: the General Ledger Interface scratch file (U1003), read back.

Written by the gateway for the accounting system, one file a portfolio: one record for every ledger account of
every office, 128 characters (or 143, the later product), in one long stream without separators and without a
final newline. ASCII. Ordered by office key, then account number. Money is integer cents, in the file digits
and a trailing sign; zero is ``+``. Balances are positive on the account's own side (D or C).

A file is read whole or refused: its length must be a multiple of one record length, every field must read,
and the order must hold. The findings are `GlError` values; the length says which form it is, and where both
would fit, the form whose records read.

>>> line = " 1 1 1  1260731D101100      CASH                                "
>>> line += "00012649053+00000000000+00012649053+00000000000+00012649053+    "
>>> record(GL_128.decode(line)).debit_today_cents
12649053
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from parsers.layout import (
    YYMMDD,
    Alpha,
    AlphaRight,
    Blank,
    Choice,
    Field,
    FieldError,
    FieldType,
    Layout,
    SignedCents,
)

AMOUNTS: Final = (
    "debit_today_cents",
    "credit_today_cents",
    "debit_mtd_cents",
    "credit_mtd_cents",
    "balance_cents",
)


def _layout(width: int, money: int) -> Layout:
    fields = []
    at = 1

    def add(name: str, wide: int, kind: FieldType) -> None:
        nonlocal at
        fields.append(Field(name, at, at + wide - 1, kind))
        at += wide

    for name, wide in (("portfolio", 2), ("company", 2), ("region", 2), ("office", 3)):
        add(name, wide, AlphaRight(required=True))
    add("eop_date", 6, YYMMDD())
    add("side", 1, Choice(("D", "C")))
    add("number", 12, Alpha(flush=True))
    add("name", 36, Alpha())
    for name in AMOUNTS:
        add(name, money, SignedCents())
    add("filler", 4, Blank())
    return Layout(f"gl_{width}", width, fields)


GL_128: Final = _layout(128, 12)
GL_143: Final = _layout(143, 15)
LAYOUTS: Final = {128: GL_128, 143: GL_143}


class GlRecord(NamedTuple):
    """One account of one office at the end of a period; ``side`` is D or C, money is cents."""

    portfolio: str
    company: str
    region: str
    office: str
    eop_date: str
    side: str
    number: str
    name: str
    debit_today_cents: int
    credit_today_cents: int
    debit_mtd_cents: int
    credit_mtd_cents: int
    balance_cents: int

    @property
    def office_key(self) -> tuple[str, str, str, str]:
        return self[:4]


def record(values: Any) -> GlRecord:
    """A decoded line in its named form."""
    return GlRecord(*values)


def sort_key(row: GlRecord) -> tuple[str, ...]:
    """Office key as it stands in the file, right-justified, so that office 9 comes before 10; then account."""
    return (
        row.portfolio.rjust(2),
        row.company.rjust(2),
        row.region.rjust(2),
        row.office.rjust(3),
        row.number,
    )


@dataclass(frozen=True, slots=True)
class GlError:
    """What is wrong, at which record (from 1); positions count within the record."""

    record_no: int
    field: str
    first: int
    last: int
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class GlFile:
    """A sound file: its record length and its records in order."""

    width: int
    records: tuple[GlRecord, ...]


def width_of(data: bytes) -> int | None:
    """128 or 143 by length and first record; None when neither fits."""
    fits = [width for width in LAYOUTS if data and len(data) % width == 0]
    text = data[:143].decode("latin-1")
    for width in fits:
        if isinstance(LAYOUTS[width].decode(text[:width]), tuple):
            return width
    return fits[0] if len(fits) == 1 else None


def read(data: bytes) -> GlFile | list[GlError]:
    """The file in its frozen form, or everything that is wrong with it."""
    width = width_of(data)
    if width is None:
        return [GlError(1, "file", 1, 1, f"{len(data)} bytes", "a multiple of 128 or of 143 bytes, not none")]
    layout, text = LAYOUTS[width], data.decode("latin-1")
    errors: list[GlError] = []
    rows: list[GlRecord] = []
    for record_no, at in enumerate(range(0, len(text), width), start=1):
        values = layout.decode(text[at : at + width])
        if isinstance(values, list):
            errors += [_error(record_no, error) for error in values]
            continue
        row = GlRecord(*values)
        if rows and sort_key(row) <= sort_key(rows[-1]):
            errors.append(_out_of_order(record_no, layout, row, rows[-1]))
        rows.append(row)
    return errors or GlFile(width, tuple(rows))


def _error(record_no: int, error: FieldError) -> GlError:
    return GlError(record_no, error.field, error.first, error.last, repr(error.found), error.expected)


def _out_of_order(record_no: int, layout: Layout, row: GlRecord, before: GlRecord) -> GlError:
    item = next(item for item in layout.fields if item.name == "number")
    expected = f"an account after {before.number} of office {'/'.join(before.office_key)}"
    return GlError(record_no, "number", item.first, item.last, f"{row.number} of {'/'.join(row.office_key)}", expected)


class Difference(NamedTuple):
    """Two figures of one office that should be one."""

    office_key: tuple[str, str, str, str]
    what: str
    left_cents: int
    right_cents: int


def tie_out(rows: Iterable[GlRecord]) -> list[Difference]:
    """Every office whose books do not close: debits and credits of today and month, D and C balances."""
    sums: defaultdict[tuple[str, str, str, str], list[int]] = defaultdict(lambda: [0] * 6)
    for row in rows:
        office = sums[row.office_key]
        for index, cents in enumerate(row[8:12]):
            office[index] += cents
        office[4 if row.side == "D" else 5] += row.balance_cents
    names = (
        "debits and credits of today",
        "debits and credits of the month",
        "balances of D and C accounts",
    )
    return [
        Difference(key, name, office[at], office[at + 1])
        for key, office in sorted(sums.items())
        for name, at in zip(names, (0, 2, 4), strict=True)
        if office[at] != office[at + 1]
    ]


def compare(left: Sequence[GlRecord], right: Sequence[GlRecord]) -> list[Difference]:
    """Every figure in which two files (or a file and the journal) differ, account by account."""
    ours, theirs = ({(row.office_key, row.number): row for row in rows} for rows in (left, right))
    found = []
    for key in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(key), theirs.get(key)
        for index, name in enumerate(AMOUNTS, start=8):
            pair = (int(one[index]) if one else 0, int(other[index]) if other else 0)
            if pair[0] != pair[1]:
                what = f"{name.removesuffix('_cents')} of account {key[1]}"
                found.append(Difference(key[0], what, *pair))
    return found
