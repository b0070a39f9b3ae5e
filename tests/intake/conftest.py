"""An application over both databases, with a portfolio, a few leases, and an update that posts every line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stamina
from sqlalchemy import Connection, text

from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.home import Home
from gateway.intake.claim import Claimer
from gateway.intake.files import InboundFile, file_row
from gateway.intake.processing import ProcessedFile, process_file
from gateway.intake.turns import Turns
from gateway.intake.watching import Folder, folders
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.reports.table import Column, ReportSpec
from gateway.settings import Settings, load_settings
from gateway.updates.base import Outcome, PostingContext
from gateway.vault import Vault

PERSON = Operator("OPS", "olga", frozenset({"post", "load", "approve", "deliver", "resolve", "admin"}))
COLUMNS = (Column("line", "LINE", 8, "count"), Column("message", "MESSAGE", 60, wraps=True))


class PlainUpdate:
    """Debits cash and credits suspense for every line that stands; refuses what names a lease nobody knows."""

    name = "U0418"
    exceptions = ReportSpec("U0418A", "EXCEPTIONS", COLUMNS)
    audit = ReportSpec("U0418B", "AUDIT", COLUMNS)

    def __init__(self, kind: str = "assessments") -> None:
        self.kind = kind
        self.staging = schema.metadata.tables[
            {"assessments": "staged_assessment", "escrow": "staged_escrow", "payments": "staged_payment"}[kind]
        ]
        self.fault: Exception | None = None
        self.posts = 0

    def post(self, context: PostingContext) -> Outcome:
        self.posts += 1
        if self.fault is not None:
            raise self.fault
        lease = "s.target" if self.kind == "payments" else "s.lease"
        rows = context.connection.execute(
            text(
                f"SELECT s.line_no, {lease}, s.amount_cents, l.portfolio, l.office_id FROM {self.staging.name} s "
                f"LEFT JOIN lease l ON l.lease = {lease} WHERE s.file_id = :id AND NOT EXISTS "
                "(SELECT 1 FROM line_message m WHERE m.file_id = s.file_id AND m.line_no = s.line_no "
                "AND m.severity = 'R') ORDER BY s.line_no"
            ),
            {"id": context.file.file_id},
        ).all()
        outcome = Outcome()
        for line_no, name, cents, portfolio, office in rows:
            if portfolio is None or (context.file.portfolio or portfolio) != portfolio:
                context.message(
                    line_no, "R", "LEASE_UNKNOWN", field="lease", found=f"lease {name}", expected="a lease of this file's "
                    "portfolio", action="correct it", amount_cents=cents,
                )  # fmt: skip
                outcome.rejected += 1
                outcome.rejected_cents += cents
                continue
            unit = context.unit(portfolio, self.name)
            unit.add(
                office_id=office, txn="LTCH", effective_date=unit.business_date, lease=name, source_line=line_no,
                legs=[(office * 10 + 1, "D", cents), (office * 10 + 2, "C", cents)],
            )  # fmt: skip
            outcome.posted += 1
            outcome.posted_cents += cents
        return outcome

    def audit_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        for line_no, state, entries in self.outcomes(connection, file_id):
            yield (line_no, f"{state} {entries}")

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        rows = connection.execute(
            text("SELECT line_no, code FROM line_message WHERE file_id = :id ORDER BY line_no, seq"), {"id": file_id}
        )
        for row in rows:
            yield (row[0], row[1])

    def outcomes(self, connection: Connection, file_id: int) -> Iterator[tuple[int, str, list[int]]]:
        rows = connection.execute(
            text(
                f"SELECT s.line_no, MIN(m.severity), MIN(e.entry_id) FROM {self.staging.name} s "
                "LEFT JOIN line_message m ON m.file_id = s.file_id AND m.line_no = s.line_no AND m.severity = 'R' "
                "LEFT JOIN posting_unit u ON u.file_id = s.file_id "
                "LEFT JOIN journal_entry e ON e.source_line = s.line_no AND e.entry_id / 100000000 = u.unit_id "
                "WHERE s.file_id = :id GROUP BY s.line_no ORDER BY s.line_no"
            ),
            {"id": file_id},
        )
        for line_no, refused, entry in rows:
            yield line_no, "rejected" if refused else "posted", [int(entry)] if entry else []


@pytest.fixture(autouse=True)
def _no_backoff() -> Iterator[None]:
    with stamina.set_testing(True, attempts=10, cap=True):
        yield


@pytest.fixture
def settings(home: Home) -> Settings:
    return load_settings(home)


def with_intake(settings: Settings, **changes: Any) -> Settings:
    intake = settings.gateway.intake.model_copy(update=changes)
    return replace(settings, gateway=settings.gateway.model_copy(update={"intake": intake}))


def with_source(settings: Settings, **changes: Any) -> Settings:
    source = settings.gateway.sources["inbox"].model_copy(update=changes)
    return replace(settings, gateway=settings.gateway.model_copy(update={"sources": {"inbox": source}}))


@pytest.fixture
def app(home: Home, settings: Settings, clock: FixedClock, db: Database) -> App:
    """Portfolios 1 and 2, open on 2026-03-02, with leases 100..199 and 200..299."""
    fill(db)
    return App(home, settings, clock, db, Vault(bytes(32)), PERSON)


def fill(db: Database) -> None:
    with db.write() as connection:
        for number in (1, 2):
            connection.execute(
                schema.portfolio.insert(),
                {"portfolio": str(number), "name": "TEST", "business_date": "2026-03-02", "period_state": "OPEN"},
            )
            connection.execute(
                schema.office.insert(),
                {
                    "office_id": number,
                    "portfolio": str(number),
                    "company": "1",
                    "region": "1",
                    "office": "1",
                    "name": "X",
                },
            )
            for account, side, purpose in ((1, "D", "CASH 125"), (2, "C", "SUSPENSE")):
                connection.execute(
                    schema.gl_account.insert(),
                    {
                        "account_id": number * 10 + account, "office_id": number, "vector": f"12{account}",
                        "number": f"10{account}", "name": purpose, "side": side, "purpose": purpose,
                    },
                )  # fmt: skip
            connection.execute(
                schema.lease.insert(),
                [
                    {
                        "lease": str(number * 100 + n), "office_id": number, "portfolio": str(number), "lessee": "L1",
                        "lessee_name": "SMITH", "status": "ANOR", "kind": "lease", "prepaid": "N", "nsf_count": 0,
                    }
                    for n in range(100)
                ],
            )  # fmt: skip


@pytest.fixture
def inbox(app: App) -> Folder:
    return folders(app)[0]


@pytest.fixture
def claimer(app: App) -> Iterator[Claimer]:
    made = Claimer(app, Turns(needed=False))
    yield made
    made.close()


@pytest.fixture
def update() -> PlainUpdate:
    return PlainUpdate()


@pytest.fixture
def post(app: App, claimer: Claimer, inbox: Folder, update: PlainUpdate) -> Callable[..., InboundFile]:
    """Drop bytes under a name, claim and process them; gives the row."""

    def run(name: str, data: bytes, *, with_app: App = app, process: bool = True) -> InboundFile:
        path = with_app.home.inbox / name
        path.write_bytes(data)
        [file_id] = claimer.take(inbox, [path])
        if process:
            return process_file(with_app, file_id, update=update).file
        with app.db.read() as connection:
            return file_row(connection, file_id)

    return run


def again(app: App, file_id: int, update: PlainUpdate) -> ProcessedFile:
    return process_file(app, file_id, update=update)


def charge(lease: int, cents: int = 2500, code: str = "LTCH") -> bytes:
    return b"<lease>%d<assmt>%s<amount>%d\n" % (lease, code.encode(), cents)


def names_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


def journal_lines(app: App) -> int:
    with app.db.read() as connection:
        return int(connection.execute(text("SELECT COUNT(*) FROM journal_line")).scalar_one())
