"""Fresh small ledgers for histories of payments and reversals, cheap enough for thousands of them.

Reference data is loaded once into a template; a history gets a copy, loads its invoices as a site loads them, and posts
files by the steps of intake. A file is read from one place that each overwrites and is not archived, which is what a
check does; but for that the transaction is the one every file takes, and it is committed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Connection, event, text

from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.errors import Refused
from gateway.home import Home
from gateway.intake import actions
from gateway.intake.files import InboundFile, file_row
from gateway.intake.processing import process
from gateway.intake.registry import update_for
from gateway.intake.work import Work
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.ledger.load import load
from gateway.ledger.vendor_changes import Maker
from gateway.ledger.verify import verify
from gateway.settings_reading import load_settings
from gateway.updates import assess_by_hand, suspense_undo, suspense_work, waive
from gateway.updates.suspense_rules import Target
from gateway.updates.suspense_work import Check
from gateway.vault import Vault
from parsers.btchassmt import Assessment
from tests.conftest import database_at

TODAY = "2003-05-08"
START = datetime(2003, 5, 8, 9, 30, tzinfo=UTC)
KEY = Vault(bytes(32))

Picture = dict[str, Any]


class Unkept(Database):
    """PostgreSQL without a commit: a history is one transaction, and the next begins by rolling it back, which is ten
    times as fast as a database of its own. What is checked at a commit is checked at the end of every ``write``."""

    _all: Connection | None = None

    def again(self) -> None:
        if self._all is not None:
            self._all.rollback()
            self._all.close()
        self._all = self.engine.connect()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        assert self._all is not None
        with self._all.begin_nested():
            yield self._all
            self._all.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
            self._all.execute(text("SET CONSTRAINTS ALL DEFERRED"))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        assert self._all is not None
        yield self._all

    def close(self) -> None:
        if self._all is not None:
            self._all.rollback()
            self._all.close()
            self._all = None
        super().close()


class Ledgers:
    """Copies of one prepared ledger, one at a time and all behind one engine, which then keeps its statements."""

    def __init__(self, folder: Path, template: Path | str, files: dict[str, str]) -> None:
        """Load ``files`` (kind: CSV) into a copy of the migrated template: a file of SQLite, or the admin URL of
        PostgreSQL."""
        self.folder = folder
        home = Home(folder / "home")
        home.make()
        home.settings_file.write_text("")
        if isinstance(template, Path):
            self.url = f"sqlite:///{folder}/history.db"
            shutil.copy(template, folder / "history.db")
        else:
            self.url = database_at(template, "histories")
            with psycopg.connect(template, autocommit=True) as connection:
                connection.execute("DROP DATABASE IF EXISTS histories WITH (FORCE)")
                connection.execute("CREATE DATABASE histories TEMPLATE gateway_template STRATEGY FILE_COPY")
        self.settings = load_settings(home)
        self.db = Database(self.url)
        self.load(files)
        self.db.close()
        if isinstance(template, Path):
            (folder / "history.db").rename(folder / "prepared.db")
            event.listen(
                self.db.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous = OFF")
            )
        else:
            self.db = Unkept(self.url)
        self.app = App(home, self.settings, FixedClock(START), self.db, KEY, Operator("JS1", "", frozenset({"post"})))

    def fresh(self) -> Ledger:
        """A copy for one history, in the place of the one before."""
        if isinstance(self.db, Unkept):
            self.db.again()
            return Ledger(self)
        self.db.close()
        for leftover in self.folder.glob("history.db*"):
            leftover.unlink()
        shutil.copy(self.folder / "prepared.db", self.folder / "history.db")
        return Ledger(self)

    def load(self, files: dict[str, str]) -> None:
        folder = self.folder / "reference"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for kind, rows in files.items():
            (folder / f"{kind}.csv").write_text(rows, encoding="utf-8")
        load(
            self.db, [folder], vault=KEY, maker=Maker("JS1", "js"), posted_at="2003-05-08T09:00:00.000000Z",
            business_date=TODAY,
        )  # fmt: skip


class Ledger:
    """One ledger with a history of its own."""

    def __init__(self, ledgers: Ledgers) -> None:
        self.folder, self.db, self.app, self.load = ledgers.folder, ledgers.db, ledgers.app, ledgers.load
        self.files = self.checks = 0

    def at(self) -> datetime:
        """When the next file posts: a minute after the one before."""
        return START + timedelta(minutes=self.files)

    def drop(self, kind: str, portfolio: str, lines: list[str], operator: str) -> InboundFile:
        """Post the lines as a file of the kind, let pass by an operator: a history may send the same bytes again."""
        app = replace(self.app, clock=FixedClock(self.at()), operator=Operator(operator, "", frozenset({"post"})))
        path = self.folder / "file.dat"
        self.files += 1
        data = "".join(f"{line}\n" for line in lines).encode("latin-1")  # so that a test can send any byte
        path.write_bytes(data)
        with self.db.write() as connection:
            file_id = self.db.insert_returning_id(
                connection, schema.inbound_file, "file_id",
                {
                    "name": f"p{portfolio}_{kind}.dat", "kind": kind, "form": "dat", "portfolio": portfolio,
                    "source": "inbox", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data),
                    "state": "CLAIMED", "claim_name": str(self.files), "archive_name": "", "claimed_at": app.now(),
                    "operator": operator, "release": "all DUPLICATE",
                },
            )  # fmt: skip
            process(Work(app, connection, file_row(connection, file_id), update_for(kind), path, dry=True))
        with self.db.read() as connection:
            return file_row(connection, file_id)

    def outcomes(self, file: InboundFile) -> list[str]:
        """``P``, ``S code`` or ``R code`` of each line."""
        rows = self.rows(
            "SELECT line_no, severity, code FROM line_message WHERE file_id = :f AND severity <> 'W' ORDER BY line_no",
            f=file.file_id,
        )
        found = {line: f"{severity} {code}" for line, severity, code in rows}
        return [found.get(line, "P") for line in range(1, int(file.lines or 0) + 1)]

    def take_back(self, file: InboundFile) -> None:
        """The whole file, as an operator."""
        actions.reverse(self.app, file.file_id, reason="WRONG FILE")

    def pay_out(self, number: int, cents: int) -> int:
        """Part of an item, by check; gives the number of the move."""
        self.checks += 1
        done = suspense_work.pay(
            self.app, number, Check(f"99{self.checks}"), "WHOM IT MAY BE", cents=cents, reason="ASKED FOR"
        )
        return done.moves[0].number

    def apply(self, number: int, lease: str, cents: int) -> int:
        """Part of an item, to what is open of a lease; gives the number of the first move."""
        done = suspense_work.apply(self.app, number, [Target("lease", lease, cents)], reason="PLACED", again=True)
        return done.moves[0].number

    def undo(self, number: int, move: int) -> bool:
        """The whole step that the move belongs to; False where that is refused."""
        try:
            suspense_undo.undo(self.app, number, move, reason="PLACED WRONGLY")
        except Refused:
            return False
        return True

    def assess(self, lease: str, invoice: str, code: str, cents: int) -> None:
        """One charge by hand, on an invoice of the lease."""
        record = Assessment(1, lease, None, invoice, None, code, cents, None, None, None, None)
        assess_by_hand.assess(self.app, record, reason="OWED", again=True)

    def waive(self, invoice: str, code: str, cents: int) -> int | None:
        """The waiver's unit; None where it is refused."""
        try:
            return waive.waive(self.app, invoice, code, cents, reason="NOT OWED", again=True).unit
        except Refused:
            return None

    def unwaive(self, unit: int) -> None:
        waive.undo(self.app, unit, reason="OWED AFTER ALL")

    def item(self, batch: str, reason: str, remaining: int, lease: str | None = None) -> int:
        """The number of an item in suspense, of this lease where one is given. Items that are alike are one as good as the
        other."""
        found = self.rows(
            "SELECT item FROM suspense_item WHERE kind = 'SUSPENSE' AND batch = :batch AND reason = :reason "
            "AND remaining_cents = :remaining AND (:lease = '' OR lease = :lease) ORDER BY item",
            batch=batch, reason=reason, remaining=remaining, lease=lease or "",
        )  # fmt: skip
        return int(found[0][0])

    # --- looking ---------------------------------------------------------------------------------------------------

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.db.read() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def unsound(self) -> list[str]:
        """What ``gateway verify`` finds wrong."""
        return [f"{check.name}: {check.found} {check.detail}" for check in verify(self.db) if not check.ok]

    def picture(self) -> Picture:
        """All that a history can change, in the words of the model. Offices are portfolio/office. What a file made that
        was taken back is left out: its batches have another number, its items are closed."""
        office = "o.portfolio || '/' || o.office"
        return {
            "open": {
                (invoice, charge): cents
                for invoice, charge, cents in self.rows(
                    "SELECT invoice, charge, billed_cents - paid_cents FROM receivable"
                )
            },
            "applied": Counter(
                self.rows(
                    "SELECT p.batch, b.check_no, b.operator, b.effective_date, p.lease, p.invoice, p.charge, p.amount_cents "
                    "FROM payment_line p JOIN payment_batch b ON b.batch = p.batch "
                    "WHERE p.state = 'APPLIED' AND p.invoice IS NOT NULL"
                )
            ),
            "batches": {
                batch: rest for batch, *rest in self.rows(
                    "SELECT batch, state, operator, amount_cents FROM payment_batch WHERE batch NOT LIKE '%~%'"
                )
            },
            "items": Counter(
                self.rows(
                    f"SELECT s.kind, {office}, s.lease, s.batch, s.amount_cents, s.remaining_cents, s.reason "
                    "FROM suspense_item s JOIN office o ON o.office_id = s.office_id "
                    "LEFT JOIN inbound_file f ON f.file_id = s.file_id "
                    "WHERE COALESCE(f.state, '') <> 'REVERSED' OR s.remaining_cents > 0"
                )
            ),
            "books": {
                (place, purpose): int(cents)
                for place, purpose, cents in self.rows(
                    f"SELECT {office}, a.purpose, SUM(t.debit_cents - t.credit_cents) FROM unit_total t "
                    "JOIN gl_account a ON a.account_id = t.account_id JOIN office o ON o.office_id = a.office_id "
                    f"GROUP BY {office}, a.purpose"
                )
                if cents
            },
            "escrow": {
                (lease, charge): cents
                for lease, charge, cents in self.rows("SELECT lease, charge, balance_cents FROM escrow_balance")
                if cents
            },
            "nsf": dict(self.rows("SELECT lease, nsf_count FROM lease WHERE nsf_count > 0")),
        }  # fmt: skip
