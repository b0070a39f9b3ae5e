"""What ``gateway ledger …`` shows: lists with stable columns and filters. Money is cents; dates are ISO text.

Columns are those of the reference data where the thing exists there, so that a list can be compared with a file that
was loaded. Account numbers of vendors show their last four characters only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.errors import UsageError
from gateway.ledger.accounts import figures, portfolios
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.vault import Vault

_FETCH: Final = 5_000


@dataclass(frozen=True, slots=True)
class Filters:
    """What to leave out. ``since`` and ``until`` are business dates in the journal, due or effective dates elsewhere;
    ``file`` is a file's number or name; ``account`` a number, vector or purpose."""

    portfolio: str | None = None
    lease: str | None = None
    invoice: str | None = None
    batch: str | None = None
    check: str | None = None
    vendor: str | None = None
    unit: str | None = None
    file: str | None = None
    account: str | None = None
    since: str | None = None
    until: str | None = None
    state: str | None = None
    kind: str | None = None
    reason: str | None = None
    all: bool = False
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """Column keys, which of them are money, and the rows, fetched as they are read. ``paper``: the columns a person is
    shown, in their order; none: all. ``usual``: columns left out on paper where every row has this value. ``left_out``: how
    many rows are not there because all their figures are zero, of a list that leaves such out."""

    columns: tuple[str, ...]
    money: frozenset[str]
    rows: Iterator[tuple[Any, ...]]
    paper: tuple[str, ...] = ()
    usual: Mapping[str, Any] = field(default_factory=dict)
    left_out: int | None = None


@dataclass(frozen=True, slots=True)
class View:
    """One list as a query: ``columns`` maps each key to its SQL; ``filters`` each filter to its condition."""

    columns: Mapping[str, str]
    source: str
    filters: Mapping[str, str]
    order: str
    money: frozenset[str] = frozenset()
    unless_all: str = ""
    paper: tuple[str, ...] = ()
    usual: Mapping[str, Any] = field(default_factory=dict)
    states: tuple[str, ...] = ()  # that --state may name; none: any word


_FILE = "(CAST({0}.file_id AS TEXT) = :file OR EXISTS (SELECT 1 FROM inbound_file n WHERE n.file_id = {0}.file_id AND n.name = :file))"
_OFFICE = {"portfolio": "o.portfolio", "company": "o.company", "region": "o.region", "office": "o.office"}
_ACCOUNT = ":account IN (a.number, a.vector, a.purpose)"

JOURNAL = View(
    {
        "entry": "e.entry_id", "line": "j.line", **_OFFICE, "account": "a.number", "name": "a.name",
        "debit": "CASE j.side WHEN 'D' THEN j.amount_cents ELSE 0 END",
        "credit": "CASE j.side WHEN 'C' THEN j.amount_cents ELSE 0 END",
        "effective_date": "e.effective_date", "business_date": "u.business_date", "source_file": "f.name",
        "source_line": "e.source_line", "unit": "u.unit_id", "reason": "COALESCE(e.reason, u.reason)",
        "operator": "u.operator", "unit_reason": "u.reason",
    },
    "posting_unit u JOIN journal_entry e ON e.entry_id BETWEEN "
    f"u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1 "
    "JOIN journal_line j ON j.entry_id = e.entry_id JOIN gl_account a ON a.account_id = j.account_id "
    "JOIN office o ON o.office_id = e.office_id LEFT JOIN inbound_file f ON f.file_id = u.file_id",
    {
        "portfolio": "u.portfolio = :portfolio", "lease": "e.lease = :lease", "invoice": "e.invoice = :invoice",
        "unit": "u.unit_id = CAST(:unit AS BIGINT)", "file": _FILE.format("u"), "account": _ACCOUNT,
        "since": "u.business_date >= :since", "until": "u.business_date <= :until",
        "batch": "e.entry_id IN (SELECT p.entry_id FROM payment_line p WHERE p.batch = :batch UNION ALL "
        "SELECT p.reversed_by FROM payment_line p WHERE p.batch = :batch UNION ALL SELECT m.entry_id FROM suspense_item s "
        "JOIN suspense_move m ON m.item = s.item WHERE s.batch = :batch UNION ALL SELECT m.far_entry_id "
        "FROM suspense_item s JOIN suspense_move m ON m.item = s.item WHERE s.batch = :batch)",
    },
    "e.entry_id, j.line",
    frozenset({"debit", "credit"}),
    paper=(
        "entry", "line", *_OFFICE, "account", "name", "debit", "credit", "effective_date", "business_date", "source_file",
        "source_line", "unit", "reason",
    ),
)  # fmt: skip
LEASE = View(
    {
        "lease": "l.lease", **_OFFICE, "lessee": "l.lessee", "lessee_name": "l.lessee_name", "status": "l.status",
        "accrual_method": "l.accrual_method", "commencement": "l.commencement", "maturity": "l.maturity",
        "kind": "l.kind", "control_number": "l.control_number", "account_number": "l.account_number",
        "deal_number": "l.deal_number", "location": "l.location", "normal_payment": "l.normal_payment_cents",
        "next_due": "l.next_due", "prepaid": "l.prepaid", "nsf_count": "l.nsf_count",
        "escrow_balance": "(SELECT CAST(SUM(b.balance_cents) AS BIGINT) FROM escrow_balance b WHERE b.lease = l.lease)",
    },
    "lease l JOIN office o ON o.office_id = l.office_id",
    {
        "portfolio": "l.portfolio = :portfolio", "lease": "l.lease = :lease", "state": "l.status = :state",
        "invoice": "EXISTS (SELECT 1 FROM invoice i WHERE i.lease = l.lease AND i.invoice = :invoice)",
    },
    "LENGTH(l.lease), l.lease",
    frozenset({"normal_payment", "escrow_balance"}),
)  # fmt: skip
RECEIVABLES = View(
    {
        "invoice": "r.invoice", "lease": "i.lease", "due_date": "i.due_date", "charge": "r.charge", "asset": "r.asset",
        "billed": "r.billed_cents", "paid": "r.paid_cents", "open": "r.billed_cents - r.paid_cents",
    },
    "receivable r JOIN invoice i ON i.invoice = r.invoice JOIN lease l ON l.lease = i.lease",
    {
        "portfolio": "l.portfolio = :portfolio", "lease": "i.lease = :lease", "invoice": "r.invoice = :invoice",
        "since": "i.due_date >= :since", "until": "i.due_date <= :until",
        "state": "CASE WHEN r.paid_cents < r.billed_cents THEN 'OPEN' ELSE 'PAID' END = UPPER(:state)",
    },
    "LENGTH(i.lease), i.lease, i.due_date, LENGTH(r.invoice), r.invoice, r.position",
    frozenset({"billed", "paid", "open"}),
    states=("OPEN", "PAID"),
)  # fmt: skip
# What people applied from suspense, or paid out of it, is no line of its batch, but it is where the money went: it follows
# the lines, with who did it and when. A line in suspense counts with what still waits there, so that every cent is listed
# once.
_PAID = """
(SELECT l.batch, l.line, l.lease, l.invoice, l.charge,
    CASE WHEN l.state = 'APPLIED' AND h.item IS NOT NULL THEN h.remaining_cents ELSE l.amount_cents END AS amount_cents,
    l.state, l.suspense_item, NULL AS operator, NULL AS business_date, NULL AS at,
    NULL AS move, 0 AS step
    FROM payment_line l LEFT JOIN suspense_item h ON h.item = l.suspense_item
UNION ALL SELECT s.batch, NULL, COALESCE(m.lease, s.lease), m.invoice, m.charge, -m.cents,
    CASE WHEN back.item IS NULL THEN 'FROM SUSPENSE' ELSE 'REVERSED' END, m.item, m.operator, u.business_date, m.at,
    m.kind, m.number
    FROM suspense_move m JOIN suspense_item s ON s.item = m.item JOIN posting_unit u ON u.unit_id = m.unit_id
    LEFT JOIN suspense_move back ON back.item = m.item AND back.undoes = m.number
    WHERE s.kind = 'SUSPENSE' AND m.kind IN ('APPLY', 'PAY', 'REFUND', 'CLEAR')) p
"""
PAYMENTS = View(
    {
        "batch": "p.batch", "line": "p.line", "check": "b.check_no", "operator": "COALESCE(p.operator, b.operator)",
        "effective_date": "COALESCE(p.business_date, b.effective_date)",
        "effective_time": "COALESCE(SUBSTR(p.at, 12, 8), b.effective_time)", "lease": "p.lease", "invoice": "p.invoice",
        "amount": "p.amount_cents", "charge": "p.charge",
        "bank": "CASE WHEN p.line IS NOT NULL THEN b.cash_account END", "origination": "b.origination",
        "due_date": "i.due_date", "state": "p.state",
        "type": "CASE WHEN p.move = 'PAY' THEN 'SUSPENSE PAID OUT' WHEN p.move = 'REFUND' THEN 'SUSPENSE REFUNDED' "
        "WHEN p.move = 'CLEAR' THEN 'SUSPENSE CLEARED' WHEN p.invoice IS NULL THEN 'SUSPENSE' ELSE COALESCE(c.name, p.charge) || "
        "CASE WHEN p.line IS NULL THEN ' FROM SUSPENSE' ELSE '' END END",
        "suspense_item": "p.suspense_item",
    },
    f"{_PAID} JOIN payment_batch b ON b.batch = p.batch JOIN posting_unit o ON o.unit_id = b.unit_id LEFT JOIN invoice i ON i.invoice = p.invoice "
    "LEFT JOIN charge c ON c.portfolio = b.portfolio AND c.code = p.charge",
    {
        "portfolio": "b.portfolio = :portfolio", "lease": "p.lease = :lease", "invoice": "p.invoice = :invoice",
        "batch": "p.batch = :batch", "check": "b.check_no = :check", "file": _FILE.format("b"),
        "unit": "b.unit_id = CAST(:unit AS BIGINT)", "since": "COALESCE(p.business_date, b.effective_date) >= :since",
        "until": "COALESCE(p.business_date, b.effective_date) <= :until", "state": "p.state = UPPER(:state)",
    },
    # of one day as they were entered, which is the order of re-application
    "b.effective_date, CASE o.kind WHEN 'OPENING' THEN 0 ELSE o.unit_id END, b.effective_time, p.batch, "
    "COALESCE(p.line, 2147483647), p.at, p.suspense_item, p.step, p.invoice, p.charge",
    frozenset({"amount"}),
    unless_all="p.state <> 'REVERSED' AND p.amount_cents > 0",
    states=("APPLIED", "REVERSED", "FROM SUSPENSE"),
    # as the vendor shows the payments of a lease
    paper=("batch", "check", "operator", "effective_date", "lease", "invoice", "due_date", "type", "amount"),
)  # fmt: skip
SUSPENSE = View(
    {
        "item": "s.item", "kind": "s.kind", "portfolio": "s.portfolio", "lease": "s.lease", "invoice": "s.invoice",
        "amount": "s.amount_cents", "remaining": "s.remaining_cents", "reason": "s.reason", "batch": "s.batch",
        "check": "s.check_no", "opened_on": "s.opened_on", "closed_on": "s.closed_on",
    },
    "suspense_item s",
    {
        "portfolio": "s.portfolio = :portfolio", "lease": "s.lease = :lease", "invoice": "s.invoice = :invoice",
        "kind": "s.kind = :kind", "reason": "s.reason = :reason",
        "batch": "s.batch = :batch", "check": "s.check_no = :check", "file": _FILE.format("s"),
        "unit": "s.unit_id = CAST(:unit AS BIGINT)", "since": "s.opened_on >= :since", "until": "s.opened_on <= :until",
        "state": "CASE WHEN s.remaining_cents > 0 THEN 'OPEN' ELSE 'CLOSED' END = UPPER(:state)",
    },
    "s.item",
    frozenset({"amount", "remaining"}),
    unless_all="s.remaining_cents > 0",
    usual={"closed_on": None},
    states=("OPEN", "CLOSED"),
)  # fmt: skip
CHECKS = View(
    {
        "portfolio": "k.portfolio", "check": "k.check_no", "type": "k.type", "amount": "k.amount_cents",
        "disbursement_date": "k.disbursement_date", "vendor": "k.vendor", "lease": "k.lease", "asset": "k.asset",
        "reference": "k.reference", "bank": "k.bank", "payee": "k.payee",
        "flag": "CASE k.state WHEN 'SENT' THEN 'P' WHEN 'VOID' THEN 'V' END", "voided_on": "k.voided_on",
        "printed_on": "k.printed_on", "state": "k.state", "issue": "k.issue",
    },
    "bank_check k",
    {
        "portfolio": "k.portfolio = :portfolio", "lease": "k.lease = :lease", "check": "k.check_no = :check",
        "vendor": "k.vendor = :vendor", "account": "k.bank = :account", "file": _FILE.format("k"),
        "unit": "k.unit_id = CAST(:unit AS BIGINT)", "since": "k.disbursement_date >= :since",
        "until": "k.disbursement_date <= :until", "state": "k.state = UPPER(:state)",
    },
    "LENGTH(k.portfolio), k.portfolio, k.disbursement_date, LENGTH(k.check_no), k.check_no, k.bank",
    frozenset({"amount"}),
    paper=(
        "portfolio", "bank", "check", "issue", "state", "type", "amount", "disbursement_date", "vendor", "lease", "payee",
        "reference", "voided_on",
    ),
    usual={"issue": 1, "voided_on": None},
    states=("NEW", "RESERVED", "SENT", "RETURNED", "VOID"),
)  # fmt: skip
VENDORS = View(
    {
        "vendor": "v.vendor", "name": "v.name", "routing_number": "v.routing_sealed",
        "account_number": "'****' || v.account_last4", "account_type": "v.account_type", "sec": "v.sec",
        "prenote_sent": "v.prenote_sent", "prenote_sent_on": "v.prenote_sent_on", "dealer_alert": "v.dealer_alert",
        "suspense_override_on": "v.suspense_override_on", "holdback": "v.holdback",
    },
    "vendor v",
    {"vendor": "v.vendor = :vendor"},
    "v.vendor",
)  # fmt: skip
ACCOUNTS = View(
    {
        **_OFFICE, "vector": "a.vector", "number": "a.number", "name": "a.name", "side": "a.side", "purpose": "a.purpose",
        "opening_balance": "COALESCE((SELECT CAST(SUM(CASE a.side WHEN 'D' THEN t.debit_cents - t.credit_cents "
        "ELSE t.credit_cents - t.debit_cents END) AS BIGINT) FROM posting_unit u JOIN unit_total t "
        "ON t.unit_id = u.unit_id WHERE u.kind = 'OPENING' AND t.account_id = a.account_id), 0)",
    },
    "gl_account a JOIN office o ON o.office_id = a.office_id",
    {"portfolio": "o.portfolio = :portfolio", "account": _ACCOUNT},
    "LENGTH(o.portfolio), o.portfolio, LENGTH(o.company), o.company, LENGTH(o.region), o.region, LENGTH(o.office), "
    "o.office, a.number, a.vector",
    frozenset({"opening_balance"}),
)  # fmt: skip

CHARGES = View(
    {
        "portfolio": "c.portfolio", "code": "c.code", "name": "c.name", "type": "c.type", "basis": "c.basis",
        "payment_order": "c.payment_order", "priority": "c.priority", "used": "c.used", "level": "c.level", "taxable": "c.taxable",
        "receivable_purpose": "c.receivable_purpose", "income_purpose": "c.income_purpose",
    },
    "charge c",
    {"portfolio": "c.portfolio = :portfolio"},
    # as an invoice's are paid: hierarchy.py
    "LENGTH(c.portfolio), c.portfolio, CASE WHEN c.payment_order = 0 THEN 1 ELSE 0 END, c.priority DESC, c.payment_order, c.code",
)  # fmt: skip

VIEWS: Final[Mapping[str, View]] = {
    "journal": JOURNAL, "lease": LEASE, "receivables": RECEIVABLES, "payments": PAYMENTS, "suspense": SUSPENSE,
    "checks": CHECKS, "vendors": VENDORS, "accounts": ACCOUNTS, "charges": CHARGES,
}  # fmt: skip


def filters_of(name: str) -> frozenset[str]:
    """The filters that a list takes."""
    if name == "balance":
        return frozenset({"portfolio", "account", "limit", "all"})
    view = VIEWS[name]
    return frozenset({*view.filters, "limit", *(["all"] if view.unless_all else [])})


def show(connection: Connection, name: str, filters: Filters, *, vault: Vault | None = None) -> Listing:
    """The list of that name. Raises UsageError for a filter it does not have."""
    if name == "balance":
        return _balance(connection, filters)
    view = VIEWS[name]
    given = _given(name, filters)
    conditions = [view.filters[key] for key in given if key in view.filters]
    if view.unless_all and not filters.all and "state" not in given:
        conditions.append(view.unless_all)
    statement = f"SELECT {', '.join(view.columns.values())} FROM {view.source}"
    if conditions:
        statement += f" WHERE {' AND '.join(f'({c})' for c in conditions)}"
    statement += f" ORDER BY {view.order}"
    if filters.limit is not None:
        statement += f" LIMIT {filters.limit:d}"
    rows = _fetch(connection, statement, given)
    if name == "vendors":
        rows = _unsealed(rows, vault)
    states = ("state",) if view.paper and "state" not in view.paper and (filters.all or "state" in given) else ()
    return Listing(tuple(view.columns), view.money, rows, (*view.paper, *states), view.usual)


_KNOWN: Final[Mapping[str, tuple[str, str]]] = {
    "portfolio": ("portfolio WHERE portfolio = :value", "gateway status"),
    "lease": ("lease WHERE lease = :value", "gateway ledger lease"),
    "invoice": ("invoice WHERE invoice = :value", "gateway ledger receivables"),
    "batch": ("payment_batch WHERE batch = :value", "gateway ledger payments --all"),
    "vendor": ("vendor WHERE vendor = :value", "gateway ledger vendors"),
    "unit": ("posting_unit WHERE CAST(unit_id AS TEXT) = :value", "gateway ledger journal"),
    "file": ("inbound_file WHERE CAST(file_id AS TEXT) = :value OR name = :value", "gateway files list"),
    "account": ("gl_account WHERE :value IN (number, vector, purpose)", "gateway ledger accounts"),
}


def unknown(connection: Connection, filters: Filters) -> list[str]:
    """Of a list that is empty: which of its filters name something that is not there, and what lists those."""
    given = {key: getattr(filters, key) for key in _KNOWN if getattr(filters, key) is not None}
    return [
        f"no {key} {value} is in this ledger; see {_KNOWN[key][1]}"
        for key, value in given.items()
        if connection.execute(text(f"SELECT 1 FROM {_KNOWN[key][0]} LIMIT 1"), {"value": value}).first() is None
    ]


def _given(name: str, filters: Filters) -> dict[str, Any]:
    """The filters that were given. A filter the list does not have would silently show too much: it is refused."""
    given = {f.name: getattr(filters, f.name) for f in fields(filters) if f.name != "limit"}
    given = {key: value for key, value in given.items() if value not in (None, False)}
    known = filters_of(name)
    strange = sorted(given.keys() - known)
    if strange:
        raise UsageError(
            f"{_command(name)}: found {', '.join(map(_option, strange))}, expected {', '.join(map(_option, sorted(known)))}; "
            "leave it out"
        )
    states = () if name == "balance" else VIEWS[name].states
    if states and str(given.get("state", states[0])).upper() not in states:
        raise UsageError(f"{_command(name)}: found --state {given['state']}, expected one of {', '.join(states)}")
    if "unit" in given and not str(given["unit"]).isdigit():
        raise UsageError(f"{_command(name)}: found unit {given['unit']}, expected a number")
    return {key: value for key, value in given.items() if key != "all"}


def _command(name: str) -> str:
    """The command that shows a list."""
    return "suspense list" if name == "suspense" else f"ledger {name}"


def _option(key: str) -> str:
    """A filter as it is typed."""
    return "--" + {"since": "from", "until": "to"}.get(key, key)


def _unsealed(rows: Iterator[tuple[Any, ...]], vault: Vault | None) -> Iterator[tuple[Any, ...]]:
    """Routing numbers are public and shown whole, when there is a key to open them with."""
    for row in rows:
        routing = None if vault is None else vault.open(bytes(row[2]), field="vendor.routing")
        yield (*row[:2], routing, *row[3:])


def _fetch(connection: Connection, statement: str, values: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Run when the first row is read; closed when the reader stops."""
    with connection.execute(text(statement).execution_options(yield_per=_FETCH), values) as result:
        for row in result:
            yield tuple(row)


_BALANCE = (
    "portfolio", "company", "region", "office", "vector", "name", "side", "debit", "credit", "mtd_debit", "mtd_credit",
    "balance",
)  # fmt: skip


def _balance(connection: Connection, filters: Filters) -> Listing:
    given = _given("balance", filters)
    chosen = [given["portfolio"]] if "portfolio" in given else list(portfolios(connection))
    figures_ = [
        f
        for p in chosen
        for f in figures(connection, p)
        if given.get("account") in (None, f.vector, f.number, f.purpose)
    ]
    shown = figures_ if filters.all or "account" in given else [f for f in figures_ if any(f[-5:])]
    rows = [
        (
            f.portfolio, f.company, f.region, f.office, f.vector, f.name, f.side, f.debit_today, f.credit_today,
            f.debit_mtd, f.credit_mtd, f.balance,
        )
        for f in shown[: filters.limit]
    ]  # fmt: skip
    return Listing(_BALANCE, frozenset(_BALANCE[7:]), iter(rows), left_out=len(figures_) - len(shown))
