"""What a processed file leaves for people: reports, the rejected lines, and an Avro archive of the records.

All of it follows from the database and the archived original and can be written again at any time; that is why it
is written after the commit, and why a crash in between costs nothing: the next start writes what is missing.

``var/reports/<business date>/<file>-<name>/`` has ``p1_lpu0418a.rpt .csv .json`` (and ``b``) and
``<name>.rejects``; ``var/avro/<business date>/<file>-<name>.avro`` has each record with its outcome.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from gateway import crashpoints, log
from gateway.answers.files import BankFile, bank_file
from gateway.app import App
from gateway.crashpoints import Step
from gateway.errors import GatewayError
from gateway.home import read_blocks, temporary_of
from gateway.intake import archive
from gateway.intake.drafting import RECORDS, Drafts
from gateway.intake.file_report import container, report_of
from gateway.intake.files import InboundFile, file_row, refused_lines
from gateway.intake.parsing import FORMATS, parse_stream
from gateway.intake.reader import BESIDE_RECORDS, second_process
from gateway.intake.registry import is_bank_kind, update_for
from gateway.intake.states import FileState
from gateway.intake.turns import Turns
from gateway.ledger.database import stream_blocks
from gateway.reports.render import complete_report, write_report
from gateway.reports.table import Report, ReportSpec
from gateway.updates.base import Update
from parsers.avro_archive import Archived

REPORTED_STATES: Final = (
    FileState.POSTED, FileState.REJECTED, FileState.STAGED, FileState.EMPTY, FileState.REVERSED,
)  # fmt: skip

WriteReport = Callable[[Report, Path, str], Sequence[Path]]

_write_report: Final[WriteReport] = partial(write_report, durable=False)
"""``confirm`` makes them durable, many at once."""


def avro_of(app: App, file: InboundFile) -> Path:
    """Where the records of a file are."""
    return app.home.avro / str(file.business_date) / f"{file.file_id}-{file.name.removesuffix('.avro')}.avro"


def report_posted(app: App, file_id: int) -> None:
    """For a file that posted outside the intake, which writes them for its own; only where its original is.

    A report that cannot be written is an alarm; what posted stays posted, the next start writes it.
    """
    try:
        with app.db.read() as connection:
            here = file_row(connection, file_id).archived(app.home).is_file()
        if here:
            confirm(app, {file_id: write_unconfirmed(app, file_id)})
    except Exception as fault:
        log.get(__name__).error("alarm.not_reported", file_id=file_id, error=str(fault), exc_info=fault)


def confirm(app: App, written: Mapping[int, Sequence[Path]], *, turns: Turns | None = None) -> None:
    """Flush what was written for these files to disk, then note that they have it.

    For many files at once: one flush and one transaction cost as much for a hundred files as for one.
    """
    done = [{"id": file_id} for file_id, paths in written.items() if paths]
    if not done:
        return
    archive.flush_written([path for paths in written.values() for path in paths])
    with (turns or Turns(needed=False)).mine(), app.db.write() as connection:
        connection.execute(text("UPDATE inbound_file SET reported = 'Y' WHERE file_id = :id"), done)


def write_unconfirmed(
    app: App,
    file_id: int,
    *,
    update: Update | None = None,
    write: WriteReport = _write_report,
    drafts: Drafts | None = None,
) -> list[Path]:
    """Write, or write again, everything a file leaves; gives the paths. Nothing for files that are not done.

    A power failure may take them until they are confirmed. ``drafts`` are used up.
    """
    with app.db.read() as connection:
        file = file_row(connection, file_id)
        if file.state not in REPORTED_STATES:
            return []
        folder = file.reports(app.home)
        _make(folder)
        if is_bank_kind(file.kind):  # its lines hold account numbers: no copy of any, and nothing to drop again
            paths = _reports(app, connection, file, bank_file(file.kind), folder, write)
            crashpoints.reached(Step.REPORTED)
            return paths
        update = update or update_for(file.kind)
        drafted = drafts.finished(file) if drafts is not None else None
        is_large = (file.records or 0) >= BESIDE_RECORDS and write is _write_report and drafted is None
        with _beside(app, file) if is_large else nullcontext() as beside:
            paths = _reports(app, connection, file, update, folder, write, drafted)
            paths += _rejected_lines(app, connection, file, update, folder)
            crashpoints.reached(Step.REPORTED)
            if drafted is not None:
                paths.append(_placed(drafted / RECORDS, avro_of(app, file)))
            elif beside is not None:
                paths.append(_finished(beside, app, file))
            elif file.lines:
                paths.append(write_records(app, connection, file, update))
        crashpoints.reached(Step.ARCHIVED_RECORDS)
    return paths


def unreported(app: App) -> list[int]:
    """Files whose artifacts a crash may have taken, and whose original is here."""
    states = ", ".join(f"'{state.value}'" for state in REPORTED_STATES)
    with app.db.read() as connection:
        rows = connection.execute(
            text(
                f"SELECT file_id, archive_name FROM inbound_file WHERE reported = 'N' AND state IN ({states}) "
                "ORDER BY file_id"
            )
        ).all()
    return [int(number) for number, archived in rows if (app.home.archive / archived).is_file()]


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o770, parents=True, exist_ok=True)


def _reports(
    app: App,
    connection: Connection,
    file: InboundFile,
    update: Update | BankFile,
    folder: Path,
    write: WriteReport,
    drafted: Path | None = None,
) -> list[Path]:
    """A always; B when the file could post, from its drafts where there are any."""
    exceptions = report_of(connection, file, update.exceptions, update.exception_rows(connection, file.file_id))
    paths = [*write(exceptions, folder, _stem(file, update.exceptions))]
    if file.state is not FileState.STAGED:
        posted = file.state in (FileState.POSTED, FileState.REVERSED) and drafted is None
        note = _not_kept(connection, file)
        rows = update.audit_rows(connection, file.file_id) if posted and note is None else ()
        audit = report_of(connection, file, update.audit, rows, note=note)
        stem = _stem(file, update.audit)
        paths += complete_report(audit, drafted, folder, stem) if drafted is not None else write(audit, folder, stem)
    return paths


def _not_kept(connection: Connection, file: InboundFile) -> str | None:
    """Said in place of the rows of a reversal file that was taken back: its batches are where they were, and only the journal
    tells that they moved. Its first report B, which nothing but a restore takes, has them."""
    if file.kind != "reversals" or file.state is not FileState.REVERSED:
        return None
    unit = connection.execute(
        text("SELECT unit_id FROM posting_unit WHERE file_id = :id AND kind IN ('FILE', 'MODULE')"),
        {"id": file.file_id},
    ).scalar()
    return (
        "The file was taken back whole before this report was written again: what it moved is not kept line by line. "
        f"gateway ledger journal --unit {unit} has its entries."
    )


def _stem(file: InboundFile, spec: ReportSpec) -> str:
    prefix = f"p{file.portfolio}_" if file.portfolio else ""
    return f"{prefix}lp{spec.name.lower()}"


def _rejected_lines(app: App, connection: Connection, file: InboundFile, update: Update, folder: Path) -> list[Path]:
    """``<name>.rejects``: byte for byte from the archived original, or the canonical line of an Avro record.

    Raises GatewayError for an original that is not as received: lines of those numbers may have posted.
    """
    wanted = refused_lines(connection, file.file_id)
    first = next(wanted, None)
    path = folder / f"{file.name}.rejects"
    if first is None:
        path.unlink(missing_ok=True)
        return []
    if (found := archive.sha256_of(file.archived(app.home))) != file.sha256:
        raise GatewayError(
            f"writing the rejected lines of {file.name}: found its original with SHA-256 {found[:12]}…, expected {file.sha256[:12]}… "
            f"as received: put var/archive/{file.archive_name} back from a backup (see gateway verify)"
        )
    numbers = _put_first(first, wanted)
    parts = (
        lines_of(read_blocks(file.archived(app.home)), numbers)
        if file.form == "dat"
        else _canonical(app, file, numbers)
    )
    temporary = temporary_of(path)
    with temporary.open("wb") as out:
        out.writelines(parts)
    temporary.chmod(0o640)
    temporary.replace(path)
    return [path]


def _put_first(first: int, rest: Iterator[int]) -> Iterator[int]:
    yield first
    yield from rest


def lines_of(blocks: Iterable[bytes], numbers: Iterator[int]) -> Iterator[bytes]:
    """The bytes of these lines (ascending numbers from 1), terminators included, in blocks: a line may be huge."""
    wanted = next(numbers, None)
    line = 1
    for block in blocks:
        if wanted is None:
            return
        if wanted > line + (ends := block.count(b"\n")):
            line += ends
            continue
        start = 0
        while wanted is not None and start < len(block):
            end = block.find(b"\n", start) + 1
            if line == wanted:
                yield block[start:] if end == 0 else block[start:end]
            if end == 0:
                break
            if line == wanted:
                wanted = next(numbers, None)
            line += 1
            start = end


def _canonical(app: App, file: InboundFile, numbers: Iterator[int]) -> Iterator[bytes]:
    """The text lines of these records of an Avro file."""
    profile = app.settings.inbound
    wanted = next(numbers, None)
    for chunk in parse_stream(file.archived(app.home), file.kind, file.form, profile):
        raw = {reject.line_no: reject.raw for reject in chunk.rejects}
        records = {record[0]: record for record in chunk.records}
        while wanted is not None and (wanted in raw or wanted in records):
            line = raw.get(wanted)
            yield (FORMATS[file.kind].render(records[wanted], profile).encode() if line is None else line) + b"\n"
            wanted = next(numbers, None)


@contextmanager
def _beside(app: App, file: InboundFile) -> Iterator[subprocess.Popen[bytes]]:
    """A second process that archives the records of a large file while its reports are written; it ends where these fail."""
    command = second_process("archiver", str(app.home.root), str(file.file_id))
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _finished(process: subprocess.Popen[bytes], app: App, file: InboundFile) -> Path:
    _, complaint = process.communicate()
    if process.returncode:
        raise GatewayError(
            f"archiving the records of {file.name}: found the second process ended with {process.returncode}: "
            f"{complaint.decode(errors='replace').strip()}"
        )
    return avro_of(app, file)


def write_records(app: App, connection: Connection, file: InboundFile, update: Update) -> Path:
    """The canonical records with outcome and entries, in one container."""
    path = avro_of(app, file)
    _make(path.parent)
    temporary = temporary_of(path)
    with temporary.open("wb") as out:
        archive = container(out, file)
        for block in _archived(connection, file, update):
            archive.add(block)
        archive.close()
    return _placed(temporary, path)


def _placed(written: Path, path: Path) -> Path:
    _make(path.parent)
    written.chmod(0o640)
    return written.replace(path)


_OVERRIDE: Final = {FileState.REJECTED: "rejected", FileState.STAGED: "held"}


def _archived(connection: Connection, file: InboundFile, update: Update) -> Iterator[Archived]:
    """The records with portfolio, outcome and entry ids, in file order."""
    table = update.staging
    columns = ", ".join(f"s.{c.name}" for c in table.columns if c.name != "file_id")
    if file.portfolio is None:
        select = f"SELECT {columns}, l.portfolio FROM {table.name} s LEFT JOIN lease l ON l.lease = s.lease"
    else:
        select = f"SELECT {columns} FROM {table.name} s"
    rows = stream_blocks(connection, f"{select} WHERE s.file_id = :id ORDER BY s.line_no", id=file.file_id)
    override = _OVERRIDE.get(file.state)
    outcomes = update.outcomes(connection, file.file_id)
    for block in rows:
        records = list(zip(*block, strict=True))
        lines, words, entries = zip(*islice(outcomes, len(block)), strict=True)
        if lines != records[0]:
            raise GatewayError(
                f"archiving the records of {file.name}: found outcomes of lines {lines[0]} to {lines[-1]}, expected "
                f"those of {records[0][0]} to {records[0][-1]}"
            )
        if override is not None:
            words = tuple(word if word == "rejected" else override for word in words)
        named = [file.portfolio] * len(block) if file.portfolio else records.pop()
        yield Archived(records, [None if p is None else int(p) for p in named], words, entries)
