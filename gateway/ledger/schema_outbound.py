"""Tables of files that leave, of what a bank answers, of deliveries, alarms and what operators did."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from gateway.ledger.schema_base import SEALED_AS, Id, index_where, metadata, money, words

outbound_file = Table(
    "outbound_file",
    metadata,
    Column("outbound_id", Id, primary_key=True),
    words("name", nullable=False),
    words("kind", nullable=False),  # VACH-BANK VACH-SCRATCH VACH-REFUSED-NOC DSGL XSELLERATOR
    Column("portfolio", Text, ForeignKey("portfolio.portfolio"), nullable=False),
    words("business_date", nullable=False),
    # BUILT -> APPROVED -> (delivery); BUILT -> REJECTED; LOCAL: never leaves (scratch without endpoint)
    words("state", nullable=False),
    words("sha256", nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("records", BigInteger, nullable=False),
    money("total_debit_cents"),
    money("total_credit_cents"),
    words("endpoint"),  # NULL: stays in the outbox
    words("header", nullable=False),  # JSON: everything beside the rows that the bytes depend on
    words("hold_text"),  # why it waits for a person
    words("maker", nullable=False),
    words("maker_user", nullable=False),
    words("built_at", nullable=False),
    words("approved_by"),
    words("approved_user"),
    words("approved_at"),
    words("reason"),
    words("machine"),  # whose outbox has the copy that was built or released; NULL where the ledger lies in its home
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)
outbound_row = Table(
    "outbound_row",
    metadata,
    Column("outbound_id", Id, ForeignKey("outbound_file.outbound_id"), primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    # A block of rows, of which seq is the first (from 1): JSON; sealed where it holds account numbers. Ledgers of
    # revision 0002 froze row by row.
    Column("payload", LargeBinary, nullable=False, info={SEALED_AS: "outbound.row"}),
    words("trace_number"),  # of a row that is no ach_entry: a refused notification
    Index("ix_outbound_row_trace_number", "trace_number"),
    sqlite_with_rowid=False,
)
outbound_message = Table(
    "outbound_message",
    metadata,
    # The OpenPGP message in which a file leaves, made at release and kept: every attempt sends the same bytes.
    Column("outbound_id", Id, ForeignKey("outbound_file.outbound_id"), primary_key=True, autoincrement=False),
    words("name", nullable=False),
    words("sha256", nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False, info={SEALED_AS: None}),  # encrypted to the bank, not with our key
    words("recipient", nullable=False),  # fingerprints
    words("signer"),
    words("made_at", nullable=False),
)
outbound_source = Table(
    "outbound_source",
    metadata,
    Column("outbound_id", Id, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # the row it went into
    Column("source", Text, primary_key=True),  # 'check:1:125:4711', 'entry:300000001', 'account:12'
    Index("ix_outbound_source_source", "source"),
    sqlite_with_rowid=False,
)
outbound_claim = Table(
    "outbound_claim",
    metadata,
    Column("source", Text, primary_key=True),  # what may go out once only; deleted when a file is rejected
    Column("outbound_id", Id, nullable=False),
    sqlite_with_rowid=False,
)
ach_entry = Table(
    "ach_entry",
    metadata,
    # What an entry of a bank file was for: outbound_row holds its bytes, sealed; this is what answers are matched by.
    # Whether it left follows from the file's state, whether it came back from ach_answer.
    Column("outbound_id", Id, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),  # of the row in its file, from 1
    words("trace_number", nullable=False),
    Column("kind", Text, CheckConstraint("kind IN ('PRENOTE','LIVE','REVERSAL','OFFSET')"), nullable=False),
    words("portfolio", nullable=False),
    words("vendor"),
    Column("details_version", Integer),  # the vendor's bank details that were used
    words("bank"),  # with check_no and issue: the check paid or reversed
    words("check_no"),
    Column("issue", Integer),
    money("amount_cents"),
    words("transaction_code", nullable=False),
    words("sec", nullable=False),
    words("effective_date", nullable=False),  # a banking day; the day it settles: vendor_ach/settling.py
    Column("reverses_outbound_id", Id),
    Column("reverses_seq", Integer),
    Column("settled_unit_id", Id),  # of a reversal: the unit that posted its settlement
    Index("ix_ach_entry_trace_number", "trace_number"),
    Index("ix_ach_entry_vendor", "vendor"),
    index_where(
        "ix_ach_entry_reverses", "reverses_outbound_id", "reverses_seq", which="reverses_outbound_id IS NOT NULL"
    ),
    sqlite_with_rowid=False,
)
ach_answer = Table(
    "ach_answer",
    metadata,
    # An entry of a file of the bank, or its acknowledgement of one of ours: what it says, and what became of it. What
    # was posted for it is found by file and line: its unit is the file's, its entries' source_line the answer's line.
    Column("file_id", Id, ForeignKey("inbound_file.file_id"), primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),  # entries of the file, from 1
    Column("line_no", Integer, nullable=False),
    Column(
        "kind",
        Text,
        CheckConstraint(
            "kind IN ('RETURN','DISHONORED','CONTESTED','CHANGE','REFUSED_CHANGE','OTHER','ACKNOWLEDGEMENT')"
        ),
        nullable=False,
    ),
    words("code"),  # R01, C01, …
    words("original_trace"),
    words("trace_number"),  # of the answer itself: with kind, code and original trace it says that one came before
    money("amount_cents", nullable=True),  # NULL: cannot be read
    words("transaction_code"),
    words("sec"),
    words("settled_on"),
    # Sealed JSON of the entry as read: it holds account numbers.
    Column("payload", LargeBinary, nullable=False, info={SEALED_AS: "ach_answer.payload"}),
    Column("outbound_id", Id),  # the ach_entry it answers; of an acknowledgement the file, without seq
    Column("seq", Integer),
    # UNMATCHED waits for an operator, who ends it as CLEARED. REPEATED: an earlier file said the same.
    Column("state", Text, CheckConstraint("state IN ('DONE','REPEATED','UNMATCHED','CLEARED')"), nullable=False),
    words("outcome", nullable=False),  # what was done, in words, without account numbers
    Column("change_id", Id),  # the vendor_change it proposed
    words("cleared_by"),
    words("cleared_at"),
    words("clear_reason"),
    Index("ix_ach_answer_original_trace", "original_trace"),
    Index("ix_ach_answer_outbound_id_seq", "outbound_id", "seq"),
    Index("ix_ach_answer_state", "state"),
    sqlite_with_rowid=False,
)
fraud_finding = Table(
    "fraud_finding",
    metadata,
    # What a rule said before money left, and who let it go: kept as the duty of every originator asks.
    Column("finding_id", Id, primary_key=True),
    words("portfolio", nullable=False),
    words("business_date", nullable=False),
    Column("outbound_id", Id, ForeignKey("outbound_file.outbound_id")),  # NULL: the check was withheld
    words("rule", nullable=False),
    Column("action", Text, CheckConstraint("action IN ('HOLD','WARN')"), nullable=False),
    words("vendor"),
    words("bank"),
    words("check_no"),
    words("detail", nullable=False),
    words("accepted_by"),
    words("accepted_user"),
    words("accepted_at"),
    words("accepted_reason"),
    Index("ix_fraud_finding_outbound_id", "outbound_id"),
    Index("ix_fraud_finding_vendor", "vendor"),
    sqlite_autoincrement=True,
)
delivery = Table(
    "delivery",
    metadata,
    Column("delivery_id", Id, primary_key=True),
    Column("outbound_id", Id, ForeignKey("outbound_file.outbound_id"), nullable=False),
    words("endpoint", nullable=False),
    words("state", nullable=False),  # gateway/delivery/states.py
    words("remote_name", nullable=False),
    words("temporary_name", nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    words("next_attempt_at"),
    words("started_at"),
    words("ended_at"),
    words("last_error"),
    words("receipt"),  # JSON: host key fingerprint, size, SHA-256 read back or why not, instants
    words("resolved_by"),
    words("resolved_second"),
    words("resolved_reason"),
    UniqueConstraint("outbound_id"),
    UniqueConstraint("endpoint", "remote_name"),
)
delivery_event = Table(
    "delivery_event",
    metadata,
    Column("event_id", Id, primary_key=True),
    Column("delivery_id", Id, ForeignKey("delivery.delivery_id"), nullable=False),
    words("at", nullable=False),
    words("step", nullable=False),
    words("detail"),
    Index("ix_delivery_event_delivery_id", "delivery_id"),
)

alarm = Table(
    "alarm",
    metadata,
    Column("alarm_id", Id, primary_key=True),
    words("key", nullable=False),  # one alarm a key while it is open
    words("code", nullable=False),
    words("text", nullable=False),
    words("raised_at", nullable=False),
    words("last_sent_at"),
    words("cleared_at"),
    Index("ix_alarm_key", "key"),
)

operator_event = Table(
    "operator_event",
    metadata,
    Column("event_id", Id, primary_key=True),
    words("at", nullable=False),
    words("operator", nullable=False),
    words("os_user", nullable=False),
    words("action", nullable=False),
    words("subject", nullable=False),  # 'check 1/125/4711', 'vendor V1', the name of a file, …
    words("reason"),
    Index("ix_operator_event_subject", "subject"),
)
