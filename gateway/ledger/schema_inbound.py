"""Tables of files that came: their rows, messages, and staged records."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
)

from gateway.ledger.schema_base import Id, metadata, money, words

inbound_file = Table(
    "inbound_file",
    metadata,
    Column("file_id", Id, primary_key=True),
    words("name", nullable=False),  # as dropped
    words("kind", nullable=False),  # assessments escrow reversals payments bank-answers bank-acknowledgement
    Column("form", Text, CheckConstraint("form IN ('dat','avro')"), nullable=False),
    words("portfolio"),  # NULL: of each line's lease (a bare btchescr.dat), or of each entry answered (a bank's file)
    words("source", nullable=False),  # the configured source it came from
    words("sha256", nullable=False),
    Column("bytes", BigInteger, nullable=False),
    words("state", nullable=False),  # gateway/intake/states.py: FileState, transitions beside each member
    words("hold_code"),  # why HELD or WAITING or FAILED
    words("hold_text"),
    Column("held_against", Id),  # the file a duplicate or overlap equals
    words("claim_name", nullable=False),  # its name below inbox/.claimed until the archive has it
    words("archive_name"),  # relative to var/archive, set when the copy is durable
    Column("lines", BigInteger),
    Column("records", BigInteger),
    Column("rejects", BigInteger),
    Column("blank", BigInteger),
    money("amount_cents", nullable=True),  # records and readable rejects
    money("posted_cents", nullable=True),
    money("suspended_cents", nullable=True),
    money("rejected_cents", nullable=True),
    money("held_cents", nullable=True),
    Column("unreadable", BigInteger),  # rejects whose amount cannot be read
    words("claimed_at", nullable=False),
    words("posted_at"),
    words("business_date"),
    words("operator"),  # who dropped or released it; the service's own code otherwise
    words("owner"),  # the system user whose file it was when it came; NULL for files of before schema 0003
    words("release"),  # 'all' or 'new-lines' when an operator released it
    Column("reported", Text, nullable=False, server_default="N"),  # reports, rejects and Avro are written
    Index("ix_inbound_file_sha256", "sha256"),
    Index("ix_inbound_file_state", "state"),
    sqlite_autoincrement=True,
)

line_sample = Table(
    "line_sample",
    metadata,
    # Some line hashes of a file that posted, so that an overlap is found without reading every earlier file:
    # those with the most low bits zero, about 64 to 128 a file, and the hash of its first line. Signed 64 bits.
    Column("hash", BigInteger, primary_key=True, autoincrement=False),
    Column("file_id", Id, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

line_message = Table(
    "line_message",
    metadata,
    Column("file_id", Id, ForeignKey("inbound_file.file_id"), primary_key=True, autoincrement=False),
    Column("line_no", Integer, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    # R: the line was refused (at most one a line, seq 0). W: it stands, with a warning. S: went to suspense.
    Column("severity", Text, CheckConstraint("severity IN ('R','W','S')"), nullable=False),
    words("code", nullable=False),
    words("field"),
    Column("col", Integer),
    words("found", nullable=False),
    words("expected", nullable=False),
    words("action", nullable=False),
    money("amount_cents", nullable=True),
    Column("suspense_item", Id),
    sqlite_with_rowid=False,
)


def _staged(name: str, *columns: Column[str] | Column[int]) -> Table:
    """A staging table: one row a parsed record, kept for good; its outcome is derived, never written here."""
    return Table(
        name,
        metadata,
        Column("file_id", Id, primary_key=True, autoincrement=False),
        Column("line_no", Integer, primary_key=True, autoincrement=False),
        *columns,
        sqlite_with_rowid=False,
    )


staged_assessment = _staged(
    "staged_assessment",
    words("lease"),
    words("asset"),
    words("invoice"),
    words("due_date"),
    words("code", nullable=False),
    money("amount_cents"),
    words("ptcode"),
    words("fhcode"),
    words("liendate"),
    words("reason"),
)
staged_escrow = _staged(
    "staged_escrow",
    words("lease", nullable=False),
    words("disbursal_date", nullable=False),
    money("amount_cents"),
    words("check_no"),
    words("payee"),
    words("address"),
    words("address2"),
    words("city"),
    words("state"),
    words("zip"),
    words("reference"),
    words("asset"),
    words("bank"),
)
staged_reversal = _staged(
    "staged_reversal",
    words("target_kind", nullable=False),
    words("target", nullable=False),
    money("amount_cents"),
    words("batch", nullable=False),
    words("reason"),
    words("check_no"),
    words("effective_date"),
    words("bank"),
)
staged_payment = _staged(
    "staged_payment",
    words("target_kind", nullable=False),
    words("target", nullable=False),
    money("amount_cents"),
    words("check_no"),
    words("effective_date"),
    words("due_date"),
    words("account"),
    words("batch"),
    words("origination"),
    words("note"),
)
