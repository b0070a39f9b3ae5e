"""A small leasing company for outbound and period tests: rows by plain SQL, settings by hand, two people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, text

from gateway.app import App, Operator
from gateway.clock import Clock, instant_text
from gateway.home import Home
from gateway.ledger import schema, units
from gateway.ledger.database import Database
from gateway.ledger.vendor_details import last4
from gateway.outbound import store
from gateway.outbound.states import TAKEN
from gateway.settings import Bank, GatewaySettings, Operators, Settings
from gateway.settings_portfolio import FraudSettings, PortfolioSettings
from gateway.vault import Vault
from parsers.profile import DEFAULT as INBOUND
from parsers.xsellerator import DEFAULT as XSELLERATOR
from tests.support.held_vault import HeldVault

VAULT = Vault(b"k" * 32)
"""Seals what a test has in its ledger from the start; the gateway works with one of the same key that asks for the lock."""
ALL_RIGHTS = frozenset({"post", "load", "approve", "deliver", "resolve", "admin"})
ANN = Operator("ANN", "ann", ALL_RIGHTS)
BOB = Operator("BOB", "bob", ALL_RIGHTS)

FIRST_BANK = Bank(
    name="First National Bank",
    routing_number="091000019",
    immediate_origin="1234567890",
    origin_name="Prairie Leasing",
    company_name="Prairie Leasing",
    company_identification="1234567890",
)
NO_FRAUD_RULES = {name: {"on": False} for name in FraudSettings.model_fields}
"""What ``app_at`` sets unless it is told otherwise: most tests release files without a word about their vendors."""
VENDOR_ACH: dict[str, Any] = {"used": True, "bank": "first"}


def bank(**changes: Any) -> Bank:
    return FIRST_BANK.model_copy(update=changes)


def app_at(
    home: Home,
    db: Database,
    clock: Clock,
    *,
    portfolio: Mapping[str, Any] | None = None,
    bank: Bank = FIRST_BANK,
    endpoints: Mapping[str, Any] | None = None,
    covered: tuple[int, ...] = (2025, 2026, 2027),
    operator: Operator = ANN,
) -> App:
    gateway = GatewaySettings.model_validate(
        {"endpoints": endpoints or {}, "calendar": {"covered": covered}}
    ).model_copy(update={"banks": {"first": bank}})
    portfolios = {"1": PortfolioSettings.model_validate({"fraud": NO_FRAUD_RULES} | dict(portfolio or {}))}
    settings = Settings(gateway, portfolios, Operators(), INBOUND, XSELLERATOR)
    return App(home, settings, clock, db, HeldVault(b"k" * 32), operator)


def as_person(app: App, operator: Operator) -> App:
    return replace(app, operator=operator)


ACCOUNTS: Sequence[tuple[str, str, str, str]] = (
    ("003", "1003", "D", "LEASE PAYMENTS RECEIVABLE"),
    ("125", "1125", "D", "CASH 125"),
    ("126", "1126", "D", "CASH 126"),
    ("401", "1401", "C", "ACCOUNTS PAYABLE"),
    ("405", "1405", "C", "SUSPENSE"),
    ("501", "1501", "C", "OPENING BALANCE"),
    ("502", "1502", "C", "RETAINED EARNINGS"),
    ("601", "1601", "C", "RENT REVENUE"),
)


def insert(db: Database, table: str, **values: Any) -> None:
    with db.write() as connection:
        _add(connection, table, values)


def _add(connection: Connection, table: str, *rows: Mapping[str, Any]) -> None:
    names = ", ".join(rows[0])
    marks = ", ".join(f":{name}" for name in rows[0])
    connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), list(rows))


def company(db: Database, *, business_date: str = "2026-03-02", offices: Sequence[str] = ("1", "2")) -> None:
    """Portfolio 1 with offices 1/1/n, a chart of eight accounts each, rent, and one lease an office (``L1``, ``L2``)."""
    numbered = list(enumerate(offices, 1))
    with db.write() as connection:
        _add(
            connection,
            "portfolio",
            {"portfolio": "1", "name": "Prairie", "business_date": business_date, "period_state": "OPEN"},
        )
        _add(
            connection,
            "charge",
            {
                "portfolio": "1", "code": "PYMT", "name": "RENT", "type": "I", "basis": "A", "payment_order": 0,
                "priority": "N", "used": "Y", "level": "lease", "taxable": "N",
                "receivable_purpose": "LEASE PAYMENTS RECEIVABLE", "income_purpose": "RENT REVENUE",
            },
        )  # fmt: skip
        _add(
            connection,
            "office",
            *(
                {
                    "office_id": number, "portfolio": "1", "company": "1", "region": "1", "office": office,
                    "name": f"Office {office}",
                }
                for number, office in numbered
            ),
        )  # fmt: skip
        _add(
            connection,
            "gl_account",
            *(
                {
                    "account_id": number * 100 + int(vector[:1]) * 10 + int(vector[-1:]), "office_id": number,
                    "vector": vector, "number": account, "name": purpose, "side": side, "purpose": purpose,
                }
                for number, _ in numbered
                for vector, account, side, purpose in ACCOUNTS
            ),
        )  # fmt: skip
        _add(connection, "lease", *(_lease(f"L{number}", number) for number, _ in numbered))


def clearing(db: Database, *offices: int) -> None:
    """CLEARING in the charts of these offices: golden files list every account, so that it is not there by itself."""
    for office in offices:
        insert(
            db, "gl_account", account_id=office * 100 + 99, office_id=office, vector="010", number="1010",
            name="CLEARING", side="D", purpose="CLEARING",
        )  # fmt: skip


def lease(db: Database, name: str, office_id: int, **changes: Any) -> None:
    insert(db, "lease", **_lease(name, office_id) | changes)


def _lease(name: str, office_id: int) -> dict[str, Any]:
    return {
        "lease": name, "office_id": office_id, "portfolio": "1", "lessee": f"C{name}", "lessee_name": f"Customer {name}",
        "status": "ACTV", "kind": "lease", "control_number": f"STK{name}", "account_number": f"A{name}",
        "deal_number": name[1:], "location": "0", "prepaid": "N", "nsf_count": 0,
    }  # fmt: skip


def account(db: Database, office_id: int, purpose: str) -> int:
    with db.read() as connection:
        return int(
            connection.execute(
                text("SELECT account_id FROM gl_account WHERE office_id = :o AND purpose = :p"),
                {"o": office_id, "p": purpose},
            ).scalar_one()
        )


def post(
    db: Database,
    *legs: tuple[int, str, str, int],
    update: str = "U0418",
    kind: units.UnitKind = "OPERATOR",
    lease: str | None = "L1",
    corrects: int | None = None,
    reason: str | None = None,
    txn: str = "PYMT",
) -> int:
    """One unit with one entry an office: legs are (office_id, purpose, side, cents). Gives the first entry's id."""
    by_office: dict[int, list[units.Leg]] = {}
    for office_id, purpose, side, cents in legs:
        by_office.setdefault(office_id, []).append((account(db, office_id, purpose), side, cents))  # type: ignore[arg-type]
    with db.write() as connection:
        unit = units.open_unit(
            db, connection, portfolio="1", kind=kind, update_name=update, operator="ANN",
            posted_at="2026-03-02T14:00:00.000000Z",
        )  # fmt: skip
        ids = [
            unit.add(
                office_id=office_id, txn=txn, effective_date=unit.business_date, legs=entry, lease=lease,
                corrects=corrects, reason=reason,
            )
            for office_id, entry in by_office.items()
        ]  # fmt: skip
        units.close_unit(unit)
    return ids[0] if ids else 0


def rent(db: Database, office_id: int, cents: int, **options: Any) -> int:
    """Rent billed to the office's lease."""
    options.setdefault("lease", f"L{office_id}")
    return post(
        db,
        (office_id, "LEASE PAYMENTS RECEIVABLE", "D", cents),
        (office_id, "RENT REVENUE", "C", cents),
        **options,
    )


def mark(db: Database, update: str) -> None:
    """A unit without entries, as U0422 and U0450 leave."""
    with db.write() as connection:
        units.close_unit(
            units.open_unit(
                db, connection, portfolio="1", kind="MODULE", update_name=update, operator="ANN",
                posted_at="2026-03-02T14:00:00.000000Z",
            )
        )  # fmt: skip


def vendor(db: Database, key: str = "V1", **changes: Any) -> None:
    routing, number = changes.pop("routing", "091000019"), changes.pop("account", "12345678")
    values = {
        "vendor": key, "name": f"Vendor {key}", "routing_sealed": VAULT.seal(routing, field="vendor.routing"),
        "account_sealed": VAULT.seal(number, field="vendor.account"), "account_last4": last4(number),
        "account_type": "checking", "sec": "CCD",
    } | changes  # fmt: skip
    insert(db, "vendor", **values)


def check(db: Database, number: str, cents: int = 10_000, **changes: Any) -> None:
    values = {
        "portfolio": "1", "check_no": number, "bank": "126", "office_id": 1, "type": "NEWA", "amount_cents": cents,
        "disbursement_date": "2026-03-03", "vendor": "V1", "lease": "L1", "reference": f"INV-{number}", "state": "NEW",
    } | changes  # fmt: skip
    insert(db, "bank_check", **values)


def one(db: Database, statement: str, **values: Any) -> Any:
    with db.read() as connection:
        return connection.execute(text(statement), values).scalar_one()


def all_of(db: Database, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    with db.read() as connection:
        return [tuple(row) for row in connection.execute(text(statement), values)]


def change(db: Database, statement: str, **values: Any) -> None:
    with db.write() as connection:
        connection.execute(text(statement), values)


def at_bank(app: App) -> None:
    """A person said of every file without an endpoint that it was fetched; the copies stay."""
    with app.db.write() as connection:
        connection.execute(
            text(
                "INSERT INTO operator_event (at, operator, os_user, action, subject, reason) "
                "SELECT :at, 'ANN', 'ann', :taken, name, 'fetched' FROM outbound_file WHERE state = 'LOCAL' "
                "AND kind = 'VACH-BANK' AND name NOT IN (SELECT subject FROM operator_event WHERE action = :taken)"
            ),
            {"at": app.now(), "taken": TAKEN},
        )


def deliveries_are(db: Database, state: str) -> None:
    """Every delivery in a state, with the event that says so."""
    change(db, "UPDATE delivery SET state = :s", s=state)
    change(
        db,
        "INSERT INTO delivery_event (delivery_id, at, step, detail) "
        "SELECT delivery_id, '2026-03-02T14:00:00.000000Z', state, 'said' FROM delivery",
    )


def at(clock: Clock) -> str:
    return instant_text(clock.now())


def applied_change(db: Database, key: str) -> None:
    """The vendor's bank details were changed once: their version rises."""
    insert(
        db, "vendor_change", vendor=key, origin="OPERATOR", fields="account", before_sealed=b"", after_sealed=b"",
        reason="new account", state="APPLIED", maker="ANN", maker_user="ann", proposed_at="2026-03-01T14:00:00.000000Z",
        checker="BOB", checker_user="bob", decided_at="2026-03-01T15:00:00.000000Z",
    )  # fmt: skip


def rows_as_of_0002(app: App) -> None:
    """Frozen rows as revision 0002 kept them: one a value, those of bank files with their trace numbers."""
    with app.db.write() as connection:
        app.vault.hold(app.db, connection)
        kinds = connection.execute(text("SELECT outbound_id, kind FROM outbound_file")).all()
        rows = {(one, kind): store.payloads(app, connection, one, kind) for one, kind in kinds}
        connection.execute(text("DELETE FROM outbound_row"))
        made = [
            (one, seq, app.vault.seal(store.encode(row), field=store.FIELD), row[-1] if kind == "VACH-BANK" else None)
            for (one, kind), its in rows.items()
            for seq, row in enumerate(its, start=1)
        ]
        columns = ("outbound_id", "seq", "payload", "trace_number")
        app.db.bulk_insert(connection, schema.outbound_row, columns, made)
