"""``python -m gateway.intake.drafter HOME FOLDER REQUEST``: draft report B and the archive of a file being posted.

The second process of ``drafting.py``. It reads the records from the archived original, what became of them from the
frames, and everything else from what is committed; it writes into FOLDER only, and at its end says how many lines
posted. When the posting ends without a word, so does it.
"""

from __future__ import annotations

import json
import marshal
import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from gateway.app import App, open_app
from gateway.errors import GatewayError
from gateway.intake.artifacts import audit_report, container
from gateway.intake.drafting import ALL, FRAMES, LENGTH, RECORDS, Frame
from gateway.intake.files import InboundFile, file_row
from gateway.intake.parsing import parse_stream
from gateway.reports.render import draft_report
from gateway.reports.table import Blocks, Columns
from gateway.updates import u0418
from gateway.updates.assess_report import audit_blocks
from parsers.avro_archive import Archived, ArchiveWriter


def frames(notices: IO[bytes], spool: IO[bytes]) -> Iterator[Frame]:
    """Frames as they are told to be whole."""
    whole = at = 0
    while True:
        while at < whole:
            (size,) = LENGTH.unpack(spool.read(LENGTH.size))
            yield marshal.loads(spool.read(size))  # noqa: S302 - our own process wrote it
            at += LENGTH.size + size
        notice = notices.read(LENGTH.size)
        if len(notice) < LENGTH.size:
            raise GatewayError("drafting: found the posting ended, expected it to commit")
        (whole,) = LENGTH.unpack(notice)
        if whole == ALL:
            return


@dataclass(slots=True)
class Posted:
    """Which lines posted and as what, taken in file order. ``made`` fills with due dates of new invoices."""

    frames: Iterator[Frame]
    made: dict[str, str] = field(default_factory=dict)
    first_id: int = 0
    _last: int = 0
    _held: list[list[Any]] = field(default_factory=lambda: [[], [], [], []])

    def upto(self, last: int) -> list[list[Any]]:
        """Columns line, office_id, invoice and asset's lease of the lines to ``last`` that were not taken before."""
        while self._last < last:
            frame = next(self.frames, None)
            if frame is None:
                raise GatewayError(f"drafting: found what became of lines to {self._last}, expected {last}")
            self.first_id, self._last, made, columns = frame
            self.made.update(made)
            for held, column in zip(self._held, columns, strict=True):
                held += column
        cut = bisect_right(self._held[0], last)
        taken = [held[:cut] for held in self._held]
        for held in self._held:
            del held[:cut]
        return taken


def blocks(app: App, file: InboundFile, posted: Posted, archive: ArchiveWriter) -> Iterator[Columns]:
    """What ``audit_blocks`` wants, chunk by chunk of the original; each chunk is archived on its way."""
    for chunk in parse_stream(file.archived(app.home), file.kind, file.form, app.settings.inbound):
        if not chunk.records:
            continue
        columns: Sequence[Sequence[Any]] = list(zip(*chunk.records, strict=True))
        lines, offices, invoices, asset_leases = posted.upto(columns[0][-1])
        words = ["posted"] * len(columns[0])
        entries = [[posted.first_id + line] for line in columns[0]]
        standing = columns
        if tuple(lines) != columns[0]:
            stands = set(lines)
            words = ["posted" if line in stands else "rejected" for line in columns[0]]
            entries = [entry if word == "posted" else [] for word, entry in zip(words, entries, strict=True)]
            standing = list(zip(*(record for record in chunk.records if record[0] in stands), strict=True))
        archive.add(Archived(columns, [int(file.portfolio or 0)] * len(words), words, entries))
        if not lines:
            continue
        if len(standing[0]) != len(lines):
            raise GatewayError(f"drafting: found {len(standing[0])} records of {len(lines)} lines that posted")
        _, leases, assets, _, _, codes, cents, *_ = standing
        named = [lease or by_asset for lease, by_asset in zip(leases, asset_leases, strict=True)]
        yield offices, named, assets, codes, cents, invoices


def draft(app: App, file: InboundFile, folder: Path, posted: Posted) -> int:
    """Write all drafts; gives how many lines posted."""
    count = 0

    def counted(rows: Iterator[Columns]) -> Iterator[Columns]:
        nonlocal count
        for block in rows:
            count += len(block[0])
            yield block

    with app.db.read() as connection, (folder / RECORDS).open("wb") as out:
        archive = container(out, file)
        rows = counted(blocks(app, file, posted, archive))
        audit = Blocks(audit_blocks(connection, file.file_id, rows, posted.made))
        draft_report(audit_report(connection, file, u0418.UPDATE, audit), folder)
        archive.close()
    return count


def main(home: str, folder: str, request: str) -> None:
    app = open_app(Path(home))
    try:
        values = json.loads(request)
        with app.db.read() as connection:
            file = file_row(connection, values.pop("file_id"))
        with (Path(folder) / FRAMES).open("rb") as spool:
            posted = Posted(frames(sys.stdin.buffer, spool))
            count = draft(app, replace(file, hold_text=None, **values), Path(folder), posted)
        sys.stdout.write(str(count))
    finally:
        app.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
