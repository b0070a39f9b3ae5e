"""A small leasing company for tests of payments and reversals, and a way to drop files into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import text

from gateway.ledger import schema, units
from gateway.ledger.chart import DEFAULT_CHART, cash_purpose, charge_purposes
from gateway.ledger.database import Database
from gateway.settings import GatewaySettings, Operators, Settings
from gateway.settings_portfolio import PortfolioSettings
from gateway.updates.base import Outcome, PostingContext
from gateway.updates.u0415 import UPDATE as PAYMENTS
from gateway.updates.u0470 import UPDATE as REVERSALS
from parsers import bptmtrev, btchpmt
from parsers.base import render_message
from parsers.profile import DEFAULT as INBOUND
from parsers.xsellerator_profile import DEFAULT as XSELLERATOR

TODAY = "2003-05-08"
POSTED_AT = "2003-05-08T09:30:00.000000Z"

CHARGES = {  # code: (type, basis, payment order, priority)
    "PYMT": ("I", "A", 0, "N"),
    "LTCH": ("I", "C", 1, "Y"),
    "RCR1": ("E", "C", 0, "N"),
    "RCR2": ("E", "A", 0, "N"),
    "PTAX": ("P", "A", 2, "N"),
}


@dataclass
class World:
    """Portfolio 1 with offices 1/1/1 and 1/1/2, portfolio 2 with 1/1/1; leases and invoices as a test adds them."""

    db: Database
    portfolios: dict[str, PortfolioSettings] = field(default_factory=dict)
    charges: dict[str, tuple[str, str, int, str]] = field(default_factory=lambda: dict(CHARGES))
    files: int = 0

    def __post_init__(self) -> None:
        with self.db.write() as c:
            for portfolio, office, office_id in (("1", "1", 1), ("1", "2", 2), ("2", "1", 3)):
                if office == "1":
                    c.execute(
                        schema.portfolio.insert().values(
                            portfolio=portfolio, name=f"P{portfolio}", business_date=TODAY, period_state="OPEN"
                        )
                    )
                c.execute(
                    schema.office.insert().values(
                        office_id=office_id, portfolio=portfolio, company="1", region="1", office=office, name="O"
                    )
                )
            for office_id in (1, 2, 3):
                rows = [
                    (office_id * 1000 + n, office_id, a.vector, a.number, a.name, a.side, a.purpose)
                    for n, a in enumerate(DEFAULT_CHART)
                    if not (office_id == 2 and a.purpose == "CASH 144")
                ]
                self.db.bulk_insert(
                    c, schema.gl_account,
                    ("account_id", "office_id", "vector", "number", "name", "side", "purpose"), rows,
                )  # fmt: skip
            for code, (kind, basis, order, priority) in self.charges.items():
                receivable, income = charge_purposes(code)
                c.execute(
                    schema.charge.insert().values(
                        portfolio="1", code=code, name=f"{code} NAME", type=kind, basis=basis, payment_order=order,
                        priority=priority, used="Y", level="lease", taxable="N", receivable_purpose=receivable,
                        income_purpose=income,
                    )
                )  # fmt: skip

    @property
    def settings(self) -> Settings:
        return Settings(GatewaySettings(), self.portfolios, Operators(), INBOUND, XSELLERATOR)

    def lease(
        self, lease: str, *, office: int = 1, status: str = "ANOR", lessee: str | None = None, **more: Any
    ) -> None:
        with self.db.write() as c:
            c.execute(
                schema.lease.insert().values(
                    lease=lease, office_id=office, portfolio="2" if office == 3 else "1", lessee=lessee or f"S{lease}",
                    lessee_name=f"LESSEE OF {lease}", status=status, kind="lease", **more,
                )
            )  # fmt: skip

    def invoice(self, invoice: str, lease: str, due: str, *lines: tuple[str, int]) -> None:
        self.bill([(invoice, lease, due, list(lines))])

    def bill(self, invoices: Sequence[tuple[str, str, str, list[tuple[str, int]]]]) -> None:
        """Invoices billed through the ledger, so that receivables and accounts agree. All of portfolio 1."""
        with self.db.write() as c:
            accounts = {
                (o, p): a for a, o, p in c.execute(text("SELECT account_id, office_id, purpose FROM gl_account"))
            }
            offices = dict(tuple(row) for row in c.execute(text("SELECT lease, office_id FROM lease")))
            unit = units.open_unit(
                self.db, c, portfolio="1", kind="OPERATOR", update_name="BILL", operator="TST", posted_at=POSTED_AT
            )
            for invoice, lease, due, lines in invoices:
                c.execute(schema.invoice.insert().values(invoice=invoice, lease=lease, due_date=due, source="TEST"))
                for position, (code, cents) in enumerate(lines, 1):
                    self._bill_line(c, unit, accounts, offices[lease], (invoice, lease, due), position, code, cents)
            units.close_unit(unit)

    def _bill_line(
        self, c: Any, unit: units.Unit, accounts: dict[tuple[int, str], int], office: int, head: tuple[str, str, str],
        position: int, code: str, cents: int,
    ) -> None:  # fmt: skip
        invoice, lease, due = head
        kind, basis, _, _ = self.charges[code]
        receivable, income = charge_purposes(code)
        c.execute(
            schema.receivable.insert().values(
                invoice=invoice, charge=code, asset="", position=position, billed_cents=cents, paid_cents=0
            )
        )
        other = "ASSESSED FEES" if basis == "C" else income
        unit.add(
            office_id=office, txn=code, effective_date=due, lease=lease, invoice=invoice,
            legs=[(accounts[office, receivable], "D", cents), (accounts[office, other], "C", cents)],
        )  # fmt: skip
        if kind == "E" and basis == "A":
            c.execute(
                text(
                    "INSERT INTO escrow_balance (lease, charge, balance_cents) VALUES (:l, :c, :a) ON CONFLICT "
                    "(lease, charge) DO UPDATE SET balance_cents = escrow_balance.balance_cents + :a"
                ),
                {"l": lease, "c": code, "a": cents},
            )

    @staticmethod
    def account(c: Any, office: int, purpose: str) -> int:
        return int(
            c.execute(
                text("SELECT account_id FROM gl_account WHERE office_id = :o AND purpose = :p"),
                {"o": office, "p": purpose},
            ).scalar_one()
        )

    def payments(self, *lines: str, portfolio: str = "1", operator: str = "JS1") -> tuple[int, Outcome]:
        return self.drop(PAYMENTS, btchpmt, lines, portfolio, operator)

    def reversals(self, *lines: str, portfolio: str = "1", operator: str = "JS2") -> tuple[int, Outcome]:
        return self.drop(REVERSALS, bptmtrev, lines, portfolio, operator)

    def drop(
        self, update: Any, parser: Any, lines: Iterable[str], portfolio: str, operator: str
    ) -> tuple[int, Outcome]:
        """Stage the lines as a file and post it; gives its id and outcome."""
        self.files += 1
        data = "".join(f"{line}\n" for line in lines).encode()
        with self.db.write() as c:
            file_id = self.db.insert_returning_id(
                c, schema.inbound_file, "file_id",
                {
                    "name": f"p{portfolio}_{update.kind}.dat", "kind": update.kind, "form": "dat", "portfolio": portfolio,
                    "source": "inbox", "sha256": str(self.files), "bytes": len(data), "state": "STAGED",
                    "claim_name": str(self.files), "claimed_at": POSTED_AT, "business_date": TODAY,
                },
            )  # fmt: skip
            context = PostingContext(
                self.db, c, self.settings, _facts(file_id, update.kind, portfolio), operator, POSTED_AT
            )
            columns = [column.name for column in update.staging.columns]
            for chunk in parser.parse([data], profile=INBOUND):
                self.db.bulk_insert(c, update.staging, columns, [(file_id, *r) for r in chunk.records])
                for reject in chunk.rejects:
                    context.message(
                        reject.line_no, "R", reject.code, field=reject.field, found=reject.found,
                        expected=reject.expected, action=reject.action, amount_cents=reject.amount_cents,
                    )  # fmt: skip
                for warning in chunk.warnings:
                    context.message(
                        warning.line_no, "W", warning.code, field=warning.field, found=warning.found,
                        expected=warning.expected, action=warning.action,
                    )  # fmt: skip
            context.flush()
            outcome = update.post(context)
            context.close_units()
            state = "POSTED" if outcome.posted + outcome.suspended else "REJECTED"
            c.execute(text("UPDATE inbound_file SET state = :s WHERE file_id = :f"), {"s": state, "f": file_id})
        return file_id, outcome

    # --- looking ---------------------------------------------------------------------------------------------------

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.db.read() as c:
            return [tuple(row) for row in c.execute(text(statement), values)]

    def messages(self, file_id: int) -> list[tuple[int, str, str, str]]:
        """(line, severity, code, sentence) in order."""
        found = self.rows(
            "SELECT line_no, severity, code, found, expected, action FROM line_message WHERE file_id = :f "
            "ORDER BY line_no, seq",
            f=file_id,
        )
        return [(line, severity, code, render_message(*parts)) for line, severity, code, *parts in found]

    def legs(self, file_id: int) -> list[tuple[Any, ...]]:
        """(line of the file, txn, effective date, office, side, purpose, cents) of every leg the file posted."""
        return self.rows(
            "SELECT e.source_line, e.txn, e.effective_date, e.office_id, l.side, a.purpose, l.amount_cents "
            "FROM posting_unit u JOIN journal_entry e ON e.entry_id / 100000000 = u.unit_id "
            "JOIN journal_line l ON l.entry_id = e.entry_id JOIN gl_account a ON a.account_id = l.account_id "
            "WHERE u.file_id = :f ORDER BY l.entry_id, l.line",
            f=file_id,
        )

    def lines(self, *, state: str = "APPLIED") -> list[tuple[Any, ...]]:
        """(batch, lease, invoice, charge, cents) of payment lines."""
        return self.rows(
            "SELECT batch, lease, invoice, charge, amount_cents FROM payment_line WHERE state = :s ORDER BY batch, line",
            s=state,
        )

    def balances(self) -> dict[tuple[int, str], int]:
        """(office, purpose) -> debits less credits, where not zero."""
        total: Counter[tuple[int, str]] = Counter()
        for office, purpose, debit, credit in self.rows(
            "SELECT a.office_id, a.purpose, t.debit_cents, t.credit_cents FROM unit_total t "
            "JOIN gl_account a ON a.account_id = t.account_id"
        ):
            total[office, purpose] += debit - credit
        return {key: cents for key, cents in total.items() if cents}

    def open(self) -> dict[str, int]:
        """invoice -> open cents, all invoices."""
        return {
            invoice: int(cents)
            for invoice, cents in self.rows(
                "SELECT invoice, SUM(billed_cents - paid_cents) FROM receivable GROUP BY invoice ORDER BY invoice"
            )
        }

    def escrow(self) -> dict[tuple[str, str], int]:
        return {(l, c): b for l, c, b in self.rows("SELECT lease, charge, balance_cents FROM escrow_balance")}  # noqa: E741

    def suspense(self) -> list[tuple[Any, ...]]:
        """(kind, office, lease, amount, remaining, reason) by number."""
        return self.rows(
            "SELECT kind, office_id, lease, amount_cents, remaining_cents, reason FROM suspense_item ORDER BY item"
        )

    def check_subledgers(self) -> None:
        """Receivables, suspense and escrow against the accounts, office by office."""
        balances = self.balances()
        details: Counter[tuple[int, str]] = Counter()
        for office, code, cents in self.rows(
            "SELECT l.office_id, r.charge, r.billed_cents - r.paid_cents FROM receivable r "
            "JOIN invoice i ON i.invoice = r.invoice JOIN lease l ON l.lease = i.lease"
        ):
            details[office, charge_purposes(code)[0]] += cents
        for kind, office, _, _, remaining, _ in self.suspense():
            details[office, "SUSPENSE" if kind == "SUSPENSE" else "REVERSAL SUSPENSE"] += (
                -remaining if kind == "SUSPENSE" else remaining
            )
        for office, code, cents in self.rows(
            "SELECT l.office_id, e.charge, e.balance_cents FROM escrow_balance e JOIN lease l ON l.lease = e.lease"
        ):
            details[office, charge_purposes(code)[1]] -= cents
        for purpose in {charge_purposes(c)[0] for c in self.charges} | {
            "SUSPENSE", "REVERSAL SUSPENSE", *(charge_purposes(c)[1] for c, t in self.charges.items() if t[0] == "E"),
        }:  # fmt: skip
            for office in (1, 2, 3):
                assert details[office, purpose] == balances.get((office, purpose), 0), (office, purpose)


def _facts(file_id: int, kind: str, portfolio: str) -> Any:
    from gateway.updates.base import FileFacts

    return FileFacts(file_id, f"p{portfolio}_{kind}.dat", kind, portfolio)


CASH = cash_purpose("125")
RENT = charge_purposes("PYMT")[0]


def simple(rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Legs without office and date."""
    return [(line, txn, side, purpose, cents) for line, txn, _, _, side, purpose, cents in rows]
