"""The scratch file beside a Vendor ACH bank file, written; the format is in `parsers.vach_scratch`."""

from __future__ import annotations

from collections.abc import Iterable

from parsers.layout import LayoutError
from parsers.vach_scratch import VACH, VachRecord
from writers.text import WriterError


def render(rows: Iterable[VachRecord]) -> bytes:
    """One line a row, in the order given, which is that of the bank file."""
    lines = []
    for row in rows:
        try:
            lines.append(VACH.encode(row) + "\n")
        except LayoutError as wrong:
            raise WriterError(f"check {row.check} of vendor {row.vendor}: {wrong}") from wrong
    return "".join(lines).encode("ascii")
