"""``DSGL_Pxx.DAT``: the General Ledger Interface scratch file, written; the format is in `parsers.gl_scratch`.

The records stand in one stream without separators. A figure its field cannot hold refuses the whole file and
names account and figure: a file with one account missing or cut would still look like a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from parsers.gl_scratch import AMOUNTS, LAYOUTS, GlRecord, sort_key
from parsers.layout import LayoutError
from writers.text import WriterError


def file_name(portfolio: str, *, upper: bool = True) -> str:
    """The name of a portfolio's file.

    >>> file_name("1"), file_name("12", upper=False)
    ('DSGL_P01.DAT', 'dsgl_p12.dat')
    """
    name = f"DSGL_P{portfolio.strip().zfill(2)}.DAT"
    return name if upper else name.lower()


def render(rows: Iterable[GlRecord], *, width: int = 128) -> bytes:
    """The file of one portfolio and date: the rows in order of office and account, every one of them."""
    ordered = sorted(rows, key=sort_key)
    _check(ordered, width)
    return "".join(_lines(ordered, width)).encode("ascii")


def _check(rows: list[GlRecord], width: int) -> None:
    if width not in LAYOUTS:
        raise WriterError(f"a GL record is 128 or 143 characters wide, not {width}")
    if not rows:
        raise WriterError("a GL file without accounts would tell the accounting system nothing")
    if len({(row.portfolio, row.eop_date) for row in rows}) > 1:
        raise WriterError("a GL file holds one portfolio and one End of Period date")
    for one, other in pairwise(rows):
        if sort_key(one) == sort_key(other):
            raise WriterError(f"account {one.number} of office {'/'.join(one.office_key)} comes twice")


def _lines(rows: list[GlRecord], width: int) -> Iterator[str]:
    layout = LAYOUTS[width]
    for row in rows:
        try:
            yield layout.encode(row)
        except LayoutError as wrong:
            raise WriterError(_named(row, width, wrong)) from wrong


def _named(row: GlRecord, width: int, wrong: LayoutError) -> str:
    most = 10 ** (11 if width == 128 else 14) - 1
    office = "/".join(row.office_key)
    for name, cents in zip(AMOUNTS, row[8:], strict=True):
        if isinstance(cents, int) and abs(cents) > most:
            hint = ": the portfolio needs the 143-byte form" if width == 128 else ""
            figure = f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"
            return (
                f"account {row.number} of office {office}: {name.removesuffix('_cents')} {figure} "
                f"does not fit the {width}-byte record{hint}"
            )
    return f"account {row.number} of office {office}: {wrong}"
