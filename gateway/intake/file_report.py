"""A file's report and the archive of its records, as a process that only writes them needs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO, Any

from sqlalchemy import Connection, text

from gateway.intake.files import InboundFile
from gateway.money import from_cents
from gateway.reports.table import Report, ReportSpec
from parsers.avro_archive import ArchiveWriter


def report_of(
    connection: Connection,
    file: InboundFile,
    spec: ReportSpec,
    rows: Iterable[Sequence[Any]],
    *,
    note: str | None = None,
) -> Report:
    """A report of a file; its figures are those of ``file``."""
    name = connection.execute(
        text("SELECT name FROM portfolio WHERE portfolio = :p"), {"p": file.portfolio or ""}
    ).scalar()
    return Report(
        spec=spec, portfolio=file.portfolio or "*", portfolio_name=str(name or "ALL"),
        business_date=str(file.business_date), run_at=file.posted_at or file.claimed_at, rows=rows,
        notes=[words for words in (file.hold_text, note) if words], figures=figures_of(file),
    )  # fmt: skip


def figures_of(file: InboundFile) -> dict[str, Any]:
    """Counts and money of a file as JSON has them."""
    money = ("amount", "posted", "suspended", "rejected", "held")
    return {
        "file": file.file_id,
        "name": file.name,
        "sha256": file.sha256,
        "state": file.state.value,
        "lines": file.lines,
        "records": file.records,
        "rejects": file.rejects,
        "blank": file.blank,
        "unreadable": file.unreadable,
        **{m: from_cents(getattr(file, f"{m}_cents") or 0) for m in money},
    }


def container(out: IO[bytes], file: InboundFile) -> ArchiveWriter:
    """The archive of a file's records, to be filled."""
    return ArchiveWriter(out, file.kind, marker=bytes.fromhex(file.sha256)[:16])
