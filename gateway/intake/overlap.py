"""A file much of which has posted before: the vendor sent yesterday's lines again, with some new ones.

A line that the other file was refused never posted, so it is neither counted nor left out; that a file is the other
one sent again is still told from all lines, or the few that did post could post twice.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from gateway.app import App
from gateway.errors import LedgerError
from gateway.intake import hashes
from gateway.intake.archive import hashes_path
from gateway.intake.files import InboundFile, recently_posted, refused_lines
from gateway.intake.hashes import Hashes, Spool
from gateway.intake.parsing import parse_stream
from gateway.ledger import schema


@dataclass(frozen=True, slots=True)
class Overlap:
    """The file with most lines in common. ``mask`` and ``lines`` are of those that stand there."""

    other: InboundFile
    mask: NDArray[np.bool_]
    lines: int


FEW_LANDMARKS: Final = 8
"""A file with fewer (many equal lines) is compared with every other one: chance could hide a share of so few."""


def candidates(
    app: App, connection: Connection, file: InboundFile, business_date: str, mine: Hashes
) -> list[InboundFile]:
    """What a file is compared with. A file whose bytes an operator let pass as a duplicate is not held against it again.

    Found by landmarks, so that the cost of a file does not grow with the files before it; of the lines of two files of
    like size at least half of which are shared, some landmark is, but for a chance of 2 to the power of -32.
    """
    marks: list[int] | None = hashes.landmarks(mine)
    if len(mine) > hashes.SAMPLE_LINES and len(marks or ()) < FEW_LANDMARKS:
        marks = None
    found = recently_posted(
        connection, file, business_date, app.settings.gateway.intake.overlap_days,
        landmarks=marks, larger_than=max(64 * len(mine), hashes.SAMPLE_LINES),
    )  # fmt: skip
    return [other for other in found if other.sha256 != file.sha256 or not file.released("DUPLICATE")]


def remember(app: App, connection: Connection, file: InboundFile, mine: Hashes) -> None:
    """Keep the landmarks of a file that posts or is preloaded."""
    rows = [(mark, file.file_id) for mark in hashes.landmarks(mine)]
    app.db.bulk_insert(connection, schema.line_sample, ("hash", "file_id"), rows)


def find(app: App, connection: Connection, others: Sequence[InboundFile], mine: Hashes) -> Overlap | None:
    """The worst overlap that is over the limits of the settings; None if there is none."""
    intake = app.settings.gateway.intake
    worst: Overlap | None = None
    for other in others:
        theirs = hashes_of(app, other)
        begins_alike = hashes.prefix(mine, theirs, intake.overlap_prefix) >= intake.overlap_prefix
        if not begins_alike and hashes.unlike(mine, theirs, intake.overlap_share):
            continue
        mask = hashes.shared(mine, theirs)
        if not begins_alike and int(mask.sum()) < intake.overlap_share * len(mine):
            continue
        mask = _standing(app, connection, other, mine, mask)
        count = int(mask.sum())
        if count > (worst.lines if worst else 0):
            worst = Overlap(other, mask, count)
    return worst


def in_any(
    app: App, connection: Connection, others: Sequence[InboundFile], mine: Hashes
) -> tuple[NDArray[np.bool_], NDArray[np.uint64]]:
    """Which of my lines stand in any of the files, and in which."""
    mask = np.zeros(len(mine), dtype=np.bool_)
    whose = np.zeros(len(mine), dtype=np.uint64)
    for other in others:
        also = _standing(app, connection, other, mine, hashes.shared(mine, hashes_of(app, other)))
        whose[also & ~mask] = other.file_id
        mask |= also
    return mask, whose


def _standing(
    app: App, connection: Connection, other: InboundFile, mine: Hashes, mask: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """``mask`` (what I share with all of the other file's lines) without those that were refused there."""
    if not mask.any():
        return mask
    refused = np.fromiter(refused_lines(connection, other.file_id), dtype=np.uint64)
    if len(refused) == 0:
        return mask
    _require_original(app, other)
    with Spool(app.home.work, f"standing-{other.file_id}-{uuid.uuid4().hex}") as spool:
        for chunk in parse_stream(other.archived(app.home), other.kind, other.form, app.settings.inbound):
            lines = np.asarray(chunk.hash_lines, dtype=np.uint64)
            stands = refused[np.minimum(np.searchsorted(refused, lines), len(refused) - 1)] != lines
            spool.put(np.asarray(chunk.hashes, dtype=np.uint64)[stands], lines[stands])
        return hashes.shared(mine, spool.hashes())


def _require_original(app: App, file: InboundFile) -> None:
    """Without it nobody knows which lines are new. Raises LedgerError."""
    if not file.archived(app.home).is_file():
        raise LedgerError(
            f"comparing with file {file.file_id} ({file.name}): found no original of it in {app.home.archive} here, expected "
            "one (homes that share a ledger share that folder): share it, or put it back from a backup"
        )


def pairs(mask: NDArray[np.bool_], whose: NDArray[np.uint64], numbers: Hashes) -> Iterator[tuple[int, int]]:
    """(line number, file number) of the shared lines."""
    at = np.flatnonzero(mask)
    yield from zip(numbers[at].tolist(), whose[at].tolist(), strict=True)


def keep(app: App, file: InboundFile, spool: Spool) -> None:
    """The hashes beside the archived original. They follow from its bytes, so keeping them early does no harm."""
    spool.hashes()
    target = hashes_path(app.home, file.archive_name)
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    os.link(spool.hashes_file, temporary)
    temporary.chmod(app.home.private_file)
    temporary.replace(target)


def hashes_of(app: App, file: InboundFile) -> Hashes:
    """The hashes of a file's lines; made again from the archived original when they are missing or cut short."""
    path = hashes_path(app.home, file.archive_name)
    expected = (file.lines or 0) - (file.blank or 0)
    if path.is_file() and path.stat().st_size == 8 * expected:
        return hashes.mapped(path)
    _require_original(app, file)
    with Spool(app.home.work, f"again-{file.file_id}-{uuid.uuid4().hex}") as spool:
        for chunk in parse_stream(file.archived(app.home), file.kind, file.form, app.settings.inbound):
            spool.add(chunk)
        keep(app, file, spool)
        return spool.hashes()
