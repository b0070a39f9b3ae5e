"""The scratch file beside a Vendor ACH bank file, written; the format is in `parsers.vach_scratch`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from parsers.layout import LayoutError
from parsers.vach_scratch import VACH, VachRecord
from writers.text import WriterError

_PIECE: Final = 4000


def render(rows: Sequence[VachRecord]) -> bytes:
    """One line a row, in the order given, which is that of the bank file. Raises WriterError for what does not fit."""
    return "".join(_pieces(rows)).encode("ascii")


def _pieces(rows: Sequence[VachRecord]) -> Iterator[str]:
    for at in range(0, len(rows), _PIECE):
        piece = rows[at : at + _PIECE]
        text = VACH.encode_all(piece)
        if text is None:
            text = "".join(map(_careful, piece))
        yield text


def _careful(row: VachRecord) -> str:
    """One record, so that what does not fit is named."""
    try:
        return VACH.encode(row) + "\n"
    except LayoutError as wrong:
        raise WriterError(f"check {row.check} of vendor {row.vendor}: {wrong}") from wrong
