"""``python -m gateway.intake.drafter HOME FOLDER``: draft report B and the archive of a file being posted.

The process of ``drafting.py``: told by a line of JSON which file it is, and then how much of the frames is whole. It reads
the records from the archived original, what became of them from the frames, and everything else from what is committed; it
writes into FOLDER only, and at its end says how many lines posted or went to suspense. When the posting ends without a word,
so does it.
"""

from __future__ import annotations

import json
import marshal
import sys
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from gateway.app import App, open_app
from gateway.collection import collect_rarely
from gateway.errors import GatewayError
from gateway.intake.drafting import ALL, FRAMES, LENGTH, RECORDS, Frame
from gateway.intake.file_report import container, report_of
from gateway.intake.files import InboundFile, file_row
from gateway.intake.parsing import parse_stream
from gateway.intake.registry import update_for
from gateway.reports.render import draft_report
from gateway.reports.table import Columns
from gateway.updates.base import Draft
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
class Told:
    """What was told of the lines, taken in file order."""

    frames: Iterator[Frame]
    _last: int = 0
    _held: list[list[Any]] = field(default_factory=list)

    def upto(self, last: int) -> tuple[list[list[Any]], list[Any]]:
        """The columns of the lines to ``last`` that were not taken before, and what came with them."""
        more = []
        while self._last < last:
            frame = next(self.frames, None)
            if frame is None:  # nothing more is told: the rest was rejected
                self._last = last
                break
            self._last, columns, said = frame
            self._held = self._held or [[] for _ in columns]
            for held, column in zip(self._held, columns, strict=True):
                held += column
            more.append(said)
        if not self._held:
            raise GatewayError(f"drafting: found nothing told of lines to {last}, expected what became of them")
        cut = bisect_right(self._held[0], last)
        taken = [held[:cut] for held in self._held]
        for held in self._held:
            del held[:cut]
        return taken, more


@dataclass(slots=True)
class Chunks:
    """The chunks of the original beside what was told of them. ``count``: lines that posted or went to suspense."""

    app: App
    file: InboundFile
    told: Told
    archive: ArchiveWriter
    count: int = 0

    def parts(self, draft: Draft) -> Iterator[Any]:
        """What report B is made of; each chunk is archived on its way."""
        file = self.file
        for chunk in parse_stream(file.archived(self.app.home), file.kind, file.form, self.app.settings.inbound):
            if not chunk.records:
                continue
            columns: Columns = list(zip(*chunk.records, strict=True))
            outcomes, entry_ids, parts = draft.follow(columns, *self.told.upto(columns[0][-1]))
            self.archive.add(Archived(columns, [int(file.portfolio or 0)] * len(outcomes), outcomes, entry_ids))
            self.count += len(outcomes) - outcomes.count("rejected")
            yield from parts


def make(app: App, file: InboundFile, folder: Path, told: Told) -> int:
    """Write all drafts; gives how many lines posted or went to suspense."""
    update = update_for(file.kind)
    with app.db.read() as connection, (folder / RECORDS).open("wb") as out:
        archive = container(out, file)
        chunks, draft = Chunks(app, file, told, archive), update.draft(connection, file.file_id)
        draft_report(report_of(connection, file, update.audit, draft.rows(chunks.parts(draft))), folder)
        archive.close()
    return chunks.count


def main(home: str, folder: str, notices: IO[bytes], out: IO[str]) -> None:
    app = open_app(Path(home))
    try:
        request = notices.readline()
        if not request:
            raise GatewayError("drafting: found the posting ended before it began, expected a file to draft for")
        values = json.loads(request)
        with app.db.read() as connection:
            file = file_row(connection, values.pop("file_id"))
        with (Path(folder) / FRAMES).open("rb") as spool:
            told = Told(frames(notices, spool))
            count = make(app, replace(file, hold_text=None, **values), Path(folder), told)
        out.write(str(count))
    finally:
        app.close()


if __name__ == "__main__":
    collect_rarely()
    HOME, FOLDER = sys.argv[1:]
    main(HOME, FOLDER, sys.stdin.buffer, sys.stdout)
