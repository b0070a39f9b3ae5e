"""A small leasing company for tests of U0418 and U0409, and a way to drop files into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from gateway.ledger import schema
from gateway.ledger.chart import DEFAULT_CHART, charge_purposes
from gateway.ledger.database import Database
from gateway.settings import GatewaySettings, Operators, Settings
from gateway.settings_portfolio import PortfolioSettings
from gateway.updates.base import FileFacts, Outcome, PostingContext, Update
from gateway.updates.escrow_facts import Line
from parsers.base import render_message
from parsers.btchassmt import Assessment
from parsers.profile import DEFAULT as INBOUND
from parsers.xsellerator_profile import DEFAULT as XSELLERATOR

TODAY = "2026-03-02"
POSTED_AT = "2026-03-02T14:00:00Z"

CHARGES: dict[str, tuple[str, str, str, str]] = {  # code: type, basis, used, level
    "LTCH": ("I", "C", "Y", "lease"),
    "LEGF": ("I", "A", "Y", "lease"),
    "COLL": ("I", "C", "N", "lease"),
    "ASMF": ("N", "A", "Y", "lease"),
    "RCR2": ("E", "A", "Y", "lease"),
    "RCR9": ("E", "C", "Y", "lease"),
    "RC10": ("E", "A", "Y", "lease"),
    "RCR3": ("E", "A", "N", "lease"),
    "PTAX": ("P", "A", "Y", "asset"),
}
OFFICES = {1: ("1", "1"), 2: ("1", "2"), 3: ("2", "1"), 4: ("3", "1")}  # office_id: portfolio, office
PORTFOLIOS = ("1", "2", "3")
NO_CASH_130 = "CASH 130"  # office 2 lacks it, and the receivable of LEGF


@dataclass
class World:
    """Portfolios 1 (offices 1 and 2) and 2 with the same charges, 3 without any; leases as a test adds them."""

    db: Database
    charge_lines: int = 25
    default_bank: str = "126"
    files: int = 0
    leases: dict[str, tuple[int, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with self.db.write() as c:
            for portfolio in PORTFOLIOS:
                self._insert(
                    c, schema.portfolio, portfolio=portfolio, name="P", business_date=TODAY, period_state="OPEN"
                )
            for office_id, (portfolio, office) in OFFICES.items():
                self._insert(
                    c, schema.office, office_id=office_id, portfolio=portfolio, company="1", region="1", office=office,
                    name="O",
                )  # fmt: skip
                lacks = (NO_CASH_130, charge_purposes("LEGF")[0]) if office_id == 2 else ()
                rows = [
                    (office_id * 1000 + n, office_id, a.vector, a.number, a.name, a.side, a.purpose)
                    for n, a in enumerate(DEFAULT_CHART)
                    if a.purpose not in lacks
                ]
                columns = ("account_id", "office_id", "vector", "number", "name", "side", "purpose")
                self.db.bulk_insert(c, schema.gl_account, columns, rows)
            for portfolio in PORTFOLIOS[:2]:
                for code, (kind, basis, used, level) in CHARGES.items():
                    receivable, income = charge_purposes(code)
                    self._insert(
                        c, schema.charge, portfolio=portfolio, code=code, name=f"{code} NAME", type=kind, basis=basis,
                        payment_order=0, priority="N", used=used, level=level, taxable="N",
                        receivable_purpose=receivable, income_purpose=income,
                    )  # fmt: skip

    @staticmethod
    def _insert(c: Connection, table: Any, **values: Any) -> None:
        c.execute(table.insert().values(**values))

    def lease(self, lease: str, *, office: int = 1, status: str = "ANOR", **more: Any) -> None:
        portfolio = OFFICES[office][0]
        with self.db.write() as c:
            self._insert(
                c, schema.lease, lease=lease, office_id=office, portfolio=portfolio, lessee=f"S{lease}",
                lessee_name="LESSEE", status=status, kind="lease", **more,
            )  # fmt: skip

    def asset(self, asset: str, lease: str | None) -> None:
        with self.db.write() as c:
            self._insert(c, schema.asset, asset=asset, lease=lease, description="VAN")

    def invoice(self, invoice: str, lease: str, due: str, *lines: tuple[str, int]) -> None:
        with self.db.write() as c:
            self._insert(c, schema.invoice, invoice=invoice, lease=lease, due_date=due, source="LOAD")
            for position, (code, cents) in enumerate(lines, 1):
                self._insert(
                    c, schema.receivable, invoice=invoice, charge=code, asset="", position=position,
                    billed_cents=cents, paid_cents=0,
                )  # fmt: skip

    def escrow(self, lease: str, charge: str, cents: int) -> None:
        with self.db.write() as c:
            self._insert(c, schema.escrow_balance, lease=lease, charge=charge, balance_cents=cents)

    @property
    def settings(self) -> Settings:
        portfolio = PortfolioSettings.model_validate(
            {
                "assessments": {"charge_lines_an_invoice": self.charge_lines},
                "escrow": {"default_bank": self.default_bank},
            }
        )
        return Settings(GatewaySettings(), dict.fromkeys(PORTFOLIOS, portfolio), Operators(), INBOUND, XSELLERATOR)

    def stage(
        self, update: Update, rows: Sequence[tuple[Any, ...]], *, portfolio: str | None = "1", state: str = "CLAIMED"
    ) -> int:
        """A file with these staged rows (line number first); gives its number."""
        self.files += 1
        columns = ("file_id", *(Assessment if update.kind == "assessments" else Line)._fields)
        with self.db.write() as c:
            self._insert(
                c, schema.inbound_file, file_id=self.files, name="f.dat", kind=update.kind, form="dat",
                portfolio=portfolio, source="inbox", sha256=str(self.files), bytes=1, state=state,
                claim_name=str(self.files), claimed_at=POSTED_AT,
                amount_cents=sum(row[columns.index("amount_cents") - 1] for row in rows),
            )  # fmt: skip
            self.db.bulk_insert(c, update.staging, columns, [(self.files, *row) for row in rows])
        return self.files

    def post(self, update: Update, file_id: int, *, portfolio: str | None = "1") -> Outcome:
        with self.posting(file_id, update.kind, portfolio=portfolio) as context:
            outcome = update.post(context)
            context.close_units()
        return outcome

    @contextmanager
    def posting(self, file_id: int, kind: str, *, portfolio: str | None = "1") -> Iterator[PostingContext]:
        with self.db.write() as c:
            yield PostingContext(
                self.db, c, self.settings, FileFacts(file_id, "f.dat", kind, portfolio), "TST", POSTED_AT
            )

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.db.read() as c:
            return [tuple(row) for row in c.execute(text(statement), values)]

    def messages(self, file_id: int) -> dict[int, tuple[str, str]]:
        """line -> (code, sentence)"""
        found = self.rows(
            "SELECT line_no, code, found, expected, action FROM line_message WHERE file_id = :f ORDER BY line_no, seq",
            f=file_id,
        )
        return {line: (code, render_message(*words)) for line, code, *words in found}

    def postings(self, file_id: int) -> list[tuple[Any, ...]]:
        """(line, lease, invoice, asset, txn, side, purpose, cents) of the file, in order."""
        return self.rows(
            "SELECT e.source_line, e.lease, e.invoice, e.asset, e.txn, l.side, a.purpose, l.amount_cents "
            "FROM posting_unit u JOIN journal_entry e ON e.entry_id / 100000000 = u.unit_id "
            "JOIN journal_line l ON l.entry_id = e.entry_id JOIN gl_account a ON a.account_id = l.account_id "
            "WHERE u.file_id = :f ORDER BY e.source_line, l.line",
            f=file_id,
        )

    def billed(self) -> dict[tuple[str, str, str], int]:
        return {row[:3]: row[3] for row in self.rows("SELECT invoice, charge, asset, billed_cents FROM receivable")}

    def balances(self) -> dict[tuple[str, str], int]:
        return {row[:2]: row[2] for row in self.rows("SELECT lease, charge, balance_cents FROM escrow_balance")}


def assessment(line_no: int, code: str = "LTCH", cents: int = 100, **items: Any) -> Assessment:
    blank: Mapping[str, Any] = dict.fromkeys(Assessment._fields)
    return Assessment(**{**blank, "line_no": line_no, "code": code, "amount_cents": cents, **items})


def disbursement(line_no: int, lease: str = "50", cents: int = 100, check: str | None = "1", **items: Any) -> Line:
    blank: Mapping[str, Any] = dict.fromkeys(Line._fields)
    values = {"disbursal_date": "2026-03-05", "payee": "SMITH", "address": "111 ANZA", "city": "BURLINGAME"}
    values |= {"state": "CA", "zip": "94010"}
    return Line(
        **{**blank, **values, "line_no": line_no, "lease": lease, "amount_cents": cents, "check_no": check, **items}
    )
