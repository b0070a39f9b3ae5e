"""Files: received = posted + suspended + rejected + held; a line posts once; originals and released files are whole."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import GatewayError
from gateway.ledger import verify_ach
from gateway.ledger.ach_checks import LEFT_ALL_THE_SAME, once_sql
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.verify_base import Check, answers, none_of
from gateway.ledger.verify_vendors import LastPaid
from gateway.log import get
from gateway.sealed_files import SUFFIX, clear_blocks, count_by_key, is_sealed, key_of, sealed_size
from gateway.vault import Vault
from parsers import gl_scratch, vach_scratch
from parsers.xsellerator_profile import Envelope, XselField, XselProfile

STAGING: Final = {
    "assessments": "staged_assessment",
    "escrow": "staged_escrow",
    "reversals": "staged_reversal",
    "payments": "staged_payment",
}


class Figures(NamedTuple):
    """What a row says of a file's bytes. Cents are None where its entries say them (``verify_ach``)."""

    bytes: int
    records: int | None
    debit_cents: int | None
    credit_cents: int | None


class Released(NamedTuple):
    outbound_id: int
    name: str
    sha256: str
    kind: str
    header: str
    figures: Figures


def files(connection: Connection) -> Iterator[Check]:
    def column(statement: str) -> list[object]:
        return list(connection.execute(text(statement)).scalars())

    total = connection.execute(text("SELECT COUNT(*) FROM inbound_file")).scalar_one()
    yield none_of("received = posted + suspended + rejected + held", column(_SUMS), "no file", total=total)
    for kind, table in STAGING.items():
        count = connection.execute(text("SELECT COUNT(*) FROM inbound_file WHERE kind = :k"), {"k": kind}).scalar_one()
        statement = _FROM_LINES.format(kind=kind, table=table)
        yield none_of(f"lines and messages make the figures of {kind}", column(statement), "no file", total=count)
    yield none_of("posted files have their postings, and only they", column(_UNITS), "no file", total=total)
    yield none_of("a file posts once", column(_TWICE), "no file", total=total)
    yield none_of("the same bytes post once unless released", column(_SAME_BYTES), "no file", total=total)
    yield none_of("a line is assessed once", column(_LINE_TWICE), "no line", total=total)
    yield none_of("what a file brought has its file", column(_FILELESS), "nothing without one", total=total)
    yield none_of("files taken back are mirrored, and only they", column(_MIRRORED), "no file", total=total)


OF_FILES: Final = (
    "posting_unit",
    "payment_batch",
    "suspense_item",
    "bank_check",
    "line_message",
    "ach_answer",
    *STAGING.values(),
)
_FILELESS: Final = " UNION ".join(
    f"SELECT '{table} of file ' || t.file_id FROM (SELECT DISTINCT file_id FROM {table} WHERE file_id IS NOT NULL) t "
    "LEFT JOIN inbound_file f ON f.file_id = t.file_id WHERE f.file_id IS NULL"
    for table in OF_FILES
)
_MIRRORED: Final = f"""
SELECT DISTINCT f.name FROM inbound_file f
JOIN posting_unit u ON u.file_id = f.file_id AND u.kind IN ('FILE', 'MODULE')
LEFT JOIN (SELECT c.corrects / {ENTRIES_A_UNIT} AS unit_id, COUNT(*) AS entries FROM posting_unit o
    JOIN journal_entry c ON c.entry_id BETWEEN o.unit_id * {ENTRIES_A_UNIT} AND (o.unit_id + 1) * {ENTRIES_A_UNIT} - 1
    WHERE o.kind = 'OPERATOR' AND o.update_name = 'REVERSE' GROUP BY c.corrects / {ENTRIES_A_UNIT}) m
    ON m.unit_id = u.unit_id
WHERE (f.state = 'REVERSED' AND COALESCE(m.entries, 0) <> u.entries)
    OR (f.state <> 'REVERSED' AND COALESCE(m.entries, 0) <> 0)
ORDER BY f.name
"""
_SUMS: Final = """
SELECT name FROM inbound_file WHERE lines IS NOT NULL AND (lines <> records + rejects + blank
    OR amount_cents <> posted_cents + suspended_cents + rejected_cents + held_cents
    OR (state IN ('POSTED', 'REVERSED') AND held_cents <> 0)) ORDER BY file_id
"""
_FROM_LINES: Final = """
SELECT f.name FROM inbound_file f
LEFT JOIN (SELECT file_id, COUNT(*) AS lines, SUM(amount_cents) AS cents FROM {table} GROUP BY file_id) s
    ON s.file_id = f.file_id
LEFT JOIN (SELECT m.file_id, COUNT(*) AS lines, SUM(m.amount_cents) AS cents FROM line_message m
    LEFT JOIN {table} t ON t.file_id = m.file_id AND t.line_no = m.line_no
    WHERE m.severity = 'R' AND t.line_no IS NULL GROUP BY m.file_id) r ON r.file_id = f.file_id
LEFT JOIN (SELECT m.file_id, COUNT(*) AS lines, COALESCE(SUM(COALESCE(t.amount_cents, m.amount_cents)), 0) AS cents
    FROM line_message m LEFT JOIN {table} t ON t.file_id = m.file_id AND t.line_no = m.line_no
    WHERE m.severity = 'R' GROUP BY m.file_id) x ON x.file_id = f.file_id
WHERE f.kind = '{kind}' AND f.state IN ('POSTED', 'REVERSED')
    AND (COALESCE(s.lines, 0) + COALESCE(r.lines, 0) <> f.lines - f.blank
    OR COALESCE(s.cents, 0) + COALESCE(r.cents, 0) <> f.amount_cents
    OR COALESCE(x.lines, 0) <> f.rejects OR COALESCE(x.cents, 0) <> f.rejected_cents)
ORDER BY f.file_id
"""
# A line of these kinds is one entry; one of payments or reversals may be several, or none of its own. What answers of a
# bank posted is another check's (``verify_answers``).
_UNITS: Final = """
SELECT f.name FROM inbound_file f
LEFT JOIN (SELECT file_id, SUM(entries) AS entries FROM posting_unit
    WHERE file_id IS NOT NULL AND kind IN ('FILE', 'MODULE') GROUP BY file_id) u ON u.file_id = f.file_id
WHERE CASE WHEN f.state NOT IN ('POSTED', 'REVERSED') THEN COALESCE(u.entries, 0) <> 0
    WHEN f.kind IN ('assessments', 'escrow') THEN COALESCE(u.entries, 0) <> COALESCE(f.records, 0)
    ELSE u.file_id IS NULL AND f.kind NOT LIKE 'bank-%' END
ORDER BY f.file_id
"""
# A bank's acknowledgement may say by its name alone what it is about.
_SAME_BYTES: Final = """
SELECT MAX(name) FROM inbound_file WHERE state = 'POSTED' AND release IS NULL AND records > 0
GROUP BY COALESCE(portfolio, ''), kind, sha256, CASE kind WHEN 'bank-acknowledgement' THEN UPPER(name) END
HAVING COUNT(*) > 1 ORDER BY 1
"""
_TWICE: Final = """
SELECT file_id FROM posting_unit WHERE file_id IS NOT NULL AND kind IN ('FILE', 'MODULE')
GROUP BY file_id, portfolio, update_name HAVING COUNT(*) > 1 ORDER BY file_id
"""
_LINE_TWICE: Final = f"""
SELECT e.source_line FROM posting_unit u
JOIN journal_entry e ON e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1
WHERE u.file_id IS NOT NULL AND u.kind IN ('FILE', 'MODULE') AND u.update_name = 'U0418'
GROUP BY u.file_id, e.source_line HAVING COUNT(*) > 1
"""


ORIGINALS: Final = "originals are in the archive as received"
"""The name of the check."""


class Archived(NamedTuple):
    """An original as its row says: the SHA-256 and the size are those of the clear bytes."""

    name: str
    sha256: str
    bytes: int


def archived(connection: Connection) -> list[Archived]:
    """Every original that the ledger names."""
    rows = connection.execute(
        text("SELECT DISTINCT archive_name, sha256, bytes FROM inbound_file WHERE archive_name IS NOT NULL ORDER BY 1")
    )
    return [Archived(*row) for row in rows]


def originals(connection: Connection, archive: Path, vault: Vault | None) -> Iterator[Check]:
    """Every archived original is there and hashes to what was received."""
    rows = archived(connection)
    bad = strange_originals(rows, archive, vault)
    yield none_of(ORIGINALS, bad, "no file missing or changed", total=len(rows))


def strange_originals(rows: Sequence[Archived], archive: Path, vault: Vault | None) -> list[str]:
    """Originals that are missing or changed. Of a sealed one that needs a key which is not here, only that it is there,
    begins as a sealed file and has its size: the keys are another check's."""
    bad: list[str] = []
    for name, sha256, size in rows:
        path = archive / name
        if is_sealed(path) and path.is_file() and path.stat().st_size == sealed_size(size):
            named = key_of(path)
            if named and (vault is None or named not in vault.ids):
                continue
        try:
            found = _sha256(clear_blocks(path, vault))
        except (GatewayError, OSError):  # a block was changed, or is not in its place; or the file cannot be read
            found = ("", 0)
        if found != (sha256, size):
            bad.append(f"{name}: {'missing' if found is None else 'other bytes'}")
    return bad


def originals_by_key(connection: Connection, archive: Path) -> Counter[bytes]:
    """How many sealed originals there are by key id."""
    names = connection.execute(
        text(f"SELECT DISTINCT archive_name FROM inbound_file WHERE archive_name LIKE '%{SUFFIX}'")
    ).scalars()
    return count_by_key(archive / name for name in names if (archive / name).is_file())


def _sha256(blocks: Iterator[bytes]) -> tuple[str, int] | None:
    """Hash and size of a file given in blocks, None when there is none."""
    digest, size = hashlib.sha256(), 0
    try:
        for block in blocks:
            digest.update(block)
            size += len(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest(), size


def outbound(connection: Connection) -> Iterator[Check]:
    """Every record has a source, and what may go out once does."""
    rows = connection.execute(text("SELECT COALESCE(SUM(records), 0) FROM outbound_file")).scalar_one()
    loose = connection.execute(text(_WITHOUT_SOURCE)).scalars().all()
    yield none_of("every outbound record has its source", loose, "no file without one", total=rows)
    fileless = connection.execute(text(_NO_OUTBOUND_FILE)).scalars().all()
    yield none_of("what went into an outbound file has its file", fileless, "nothing without one", total=rows)
    twice = connection.execute(text(_CHECK_TWICE)).scalars().all()
    yield none_of("no check goes out twice", twice, "no check, reversal or prenote", total=rows)
    unclaimed = connection.execute(text(_UNCLAIMED)).scalars().all()
    yield none_of(
        "every check that is out is claimed by its file", unclaimed, "no check, reversal or prenote", total=rows
    )
    stale = connection.execute(text(_STALE)).scalars().all()
    yield none_of("what was rejected or called back is free again", stale, "no claim of such a file", total=rows)


_WITHOUT_SOURCE: Final = """
SELECT f.name FROM outbound_file f LEFT JOIN outbound_source s ON s.outbound_id = f.outbound_id AND s.seq > 0
GROUP BY f.outbound_id, f.name, f.records
HAVING COUNT(DISTINCT s.seq) <> f.records OR COALESCE(MAX(s.seq), 0) <> f.records ORDER BY f.outbound_id
"""
# Without foreign keys: a check a row cost as much as the row.
OF_OUTBOUND_FILES: Final = ("outbound_source", "outbound_claim", "ach_entry", "bank_check", "ach_answer")
_NO_OUTBOUND_FILE: Final = " UNION ".join(
    f"SELECT '{table} of outbound file ' || t.outbound_id FROM (SELECT DISTINCT outbound_id FROM {table} "
    "WHERE outbound_id IS NOT NULL) t LEFT JOIN outbound_file f ON f.outbound_id = t.outbound_id "
    "WHERE f.outbound_id IS NULL"
    for table in OF_OUTBOUND_FILES
)
# A prenote of a file that left after all may have gone again with another by then (``release/left.py``).
_ONCE: Final = (
    f"{once_sql('s')} AND NOT (s.source LIKE 'prenote:%' AND COALESCE(f.reason, '') LIKE '{LEFT_ALL_THE_SAME}%')"
)
_CHECK_TWICE: Final = f"""
SELECT s.source FROM outbound_source s JOIN outbound_file f ON f.outbound_id = s.outbound_id
WHERE f.kind = 'VACH-BANK' AND f.state <> 'REJECTED' AND {_ONCE}
GROUP BY s.source HAVING COUNT(DISTINCT f.outbound_id) > 1 ORDER BY s.source
"""
_UNCLAIMED: Final = f"""
SELECT s.source FROM outbound_source s JOIN outbound_file f ON f.outbound_id = s.outbound_id
LEFT JOIN outbound_claim c ON c.source = s.source AND c.outbound_id = s.outbound_id
WHERE f.kind = 'VACH-BANK' AND f.state <> 'REJECTED' AND {_ONCE} AND c.source IS NULL ORDER BY s.source
"""
_STALE: Final = """
SELECT c.source FROM outbound_claim c JOIN outbound_file f ON f.outbound_id = c.outbound_id
WHERE f.state = 'REJECTED' ORDER BY c.source
"""


def released(connection: Connection) -> list[Released]:
    """Files whose bytes must never change: all that were not rejected."""
    rows = connection.execute(
        text(
            "SELECT outbound_id, name, sha256, kind, header, bytes, records, total_debit_cents, total_credit_cents "
            "FROM outbound_file WHERE state <> 'REJECTED' ORDER BY outbound_id"
        )
    )
    return [Released(r.outbound_id, r.name, r.sha256, r.kind, r.header, Figures(*r[5:])) for r in rows]


def rendered(
    connection: Connection,
    files_: Sequence[Released],
    render: Callable[[int], bytes],
    entries: Mapping[int, str],
    paid: LastPaid | None,
) -> Iterator[Check]:
    """The frozen rows still give the bytes that were built, those of a bank file its ``entries``, all of them the figures
    that their row shows; and the last payment of each vendor went where ``paid`` finds it would go now."""
    bad, strange, other = [], [], []
    for file in files_:
        try:
            data = render(file.outbound_id)
            figures = _figures(file, data)
            is_bank_file = file.kind == "VACH-BANK"
            same = not is_bank_file or verify_ach.entries_of(data) == entries.get(file.outbound_id)
            if paid is not None and is_bank_file:
                paid.look(file.outbound_id, data)
        except Exception as error:
            if isinstance(error, SQLAlchemyError) and not answers(connection):
                raise
            # Not its words, unless they are ours: the writers quote what does not fit, which may be an account number.
            ours = isinstance(error, GatewayError)
            said = str(error) if ours else type(error).__name__
            get(__name__).error("verify.render", outbound_id=file.outbound_id, error=said)
            bad.append(file.name if ours else f"{file.name} ({said})")
            continue
        if hashlib.sha256(data).hexdigest() != file.sha256:
            bad.append(file.name)
        if not same:
            strange.append(file.name)
        if any(found not in (None, shown) for found, shown in zip(figures, file.figures, strict=True)):
            other.append(file.name)
    yield none_of("outbound files give the bytes they were built with", bad, "no file", total=len(files_))
    yield none_of("every row of a bank file is an entry", strange, "no file", total=len(files_))
    yield none_of("outbound files have the records and totals they show", other, "no file", total=len(files_))
    if paid is not None:
        yield paid.check()


def _figures(file: Released, data: bytes) -> Figures:
    """Of the bytes: their number, and of a file that is no bank file its records and totals, read back."""
    if file.kind == "DSGL":
        found = gl_scratch.read(data)
        records = found.records if isinstance(found, gl_scratch.GlFile) else ()
        debits = (record.debit_today_cents for record in records)
        return Figures(len(data), len(records), sum(debits), sum(record.credit_today_cents for record in records))
    if file.kind == "VACH-SCRATCH":
        cents = [row.amount_cents for row in vach_scratch.read(data) if isinstance(row, vach_scratch.VachRecord)]
    elif file.kind == "XSELLERATOR":
        cents = _exported(data, json.loads(file.header)["profile"])
    else:
        return Figures(len(data), None, None, None)
    debit, credit = sum(c for c in cents if c > 0), -sum(c for c in cents if c < 0)
    return Figures(len(data), len(cents), *((credit, debit) if file.kind == "VACH-SCRATCH" else (debit, credit)))


def _exported(data: bytes, table: Mapping[str, Any]) -> list[int]:
    from parsers import xsellerator  # with lxml, which the other files do without

    fields = tuple(XselField(**field) for field in table["fields"])
    found = xsellerator.read(data, XselProfile(fields, Envelope(**table["envelope"])))
    return [row.amount_cents for row in found.rows] if isinstance(found, xsellerator.XselFile) else []
