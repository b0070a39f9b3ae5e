"""The kinds of reference data, as tables: file name, columns, key, what each row must point at.

Order matters: a kind comes after the kinds it refers to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.ledger import load_types as t
from gateway.ledger.load_types import ColumnType, digits, identifier, one_of, whole, words

DEFERRAL_FEE: Final = "DEF FEE"
"""What a payment line names in place of an invoice when a deferral fee was received as cash."""

CHECK_TYPES: Final = ("NEWA", "NEWD", "NEWI", "NEWL", "WIRE", "MANL", "COMV", "ESCR")


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a file. ``store`` is its column in the staging and target table; ``kept`` False: used, not stored
    in the target as it is."""

    name: str
    type: ColumnType
    optional: bool = False
    store: str = ""
    kept: bool = True
    default: str | int | None = None
    sensitive: bool = False

    @property
    def column(self) -> str:
        return self.store or self.name


@dataclass(frozen=True, slots=True)
class Reference:
    """``columns`` of the staged row must name a row of ``table``; a NULL in the first names nothing and is fine."""

    columns: tuple[str, ...]
    table: str
    target: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One CSV file. ``key`` are staged columns; ``table`` is where the rows go (upsert by ``key``)."""

    name: str
    table: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]
    references: tuple[Reference, ...] = ()
    office: bool = False  # rows carry an office key; staging gets office_id
    codes: bool = False  # further columns are tax or add-on codes
    extra: tuple[tuple[str, str], ...] = ()  # further staging columns that land in the target: (name, SQL type)
    named_as: tuple[str, tuple[str, ...]] | None = None  # (table, columns) others refer to it by; None: table and key

    @property
    def referred(self) -> tuple[str, tuple[str, ...]]:
        return self.named_as or (self.table, self.key)

    def field(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)


_LEASE = Field("lease", identifier(10))
_ASSET = Field("asset", identifier(10))
_PORTFOLIO = Field("portfolio", t.PORTFOLIO)
_OFFICE_PARTS = (
    Field("company", identifier(2), kept=False),
    Field("region", identifier(2), kept=False),
    Field("office", identifier(3), kept=False),
)
OFFICE_KEY = ("portfolio", "company", "region", "office")
_TO_PORTFOLIO = Reference(("portfolio",), "portfolio", ("portfolio",))
_TO_OFFICE = Reference(OFFICE_KEY, "office", OFFICE_KEY)
_TO_LEASE = Reference(("lease",), "lease", ("lease",))
_TO_ASSET = Reference(("asset",), "asset", ("asset",))

PORTFOLIOS = Kind("portfolios", "portfolio", ("portfolio",), (_PORTFOLIO, Field("name", words(36))))
OFFICES = Kind(
    "offices",
    "office",
    OFFICE_KEY,
    (
        _PORTFOLIO,
        Field("company", identifier(2)),
        Field("region", identifier(2)),
        Field("office", identifier(3)),
        Field("name", words(36)),
    ),
    (_TO_PORTFOLIO,),
)
GL_ACCOUNTS = Kind(
    "gl_accounts",
    "gl_account",
    ("office_id", "vector"),
    (
        Field("portfolio", t.PORTFOLIO, kept=False),
        *_OFFICE_PARTS,
        Field("vector", digits(3, exactly=True)),
        Field("number", identifier(12)),
        Field("name", words(36)),
        Field("side", one_of("D", "C")),
        Field("purpose", words(36)),
        Field("opening_balance", t.SIGNED, optional=True, kept=False),
    ),
    (_TO_OFFICE,),
    office=True,
)
CHARGES = Kind(
    "charges",
    "charge",
    ("portfolio", "code"),
    (
        _PORTFOLIO,
        Field("code", identifier(4)),
        Field("name", words(36)),
        Field("type", one_of("I", "P", "T", "E", "N")),
        Field("basis", one_of("C", "A")),
        Field("payment_order", whole(0, 999)),
        Field("priority", t.YES_NO),
        Field("used", t.YES_NO),
        Field("level", one_of("lease", "asset"), optional=True, default="lease"),
        Field("taxable", t.YES_NO, optional=True, default="N"),
    ),
    (_TO_PORTFOLIO,),
    extra=(("receivable_purpose", "TEXT"), ("income_purpose", "TEXT")),
)
LEASES = Kind(
    "leases",
    "lease",
    ("lease",),
    (
        _LEASE,
        _PORTFOLIO,
        *_OFFICE_PARTS,
        Field("lessee", identifier(10)),
        Field("lessee_name", words(60)),
        Field("status", identifier(4)),
        Field("accrual_method", identifier(4), optional=True),
        Field("commencement", t.DATE, optional=True),
        Field("maturity", t.DATE, optional=True),
        Field("kind", one_of("lease", "loan"), optional=True, default="lease"),
        Field("control_number", identifier(15), optional=True),
        Field("account_number", identifier(15), optional=True),
        Field("deal_number", digits(10), optional=True),
        Field("location", digits(9), optional=True),
        Field("normal_payment", t.AMOUNT, optional=True, store="normal_payment_cents"),
        Field("next_due", t.DATE, optional=True),
        Field("prepaid", t.YES_NO, optional=True, default="N"),
        Field("escrow_balance", t.AMOUNT, optional=True, store="escrow_cents", kept=False),
    ),
    (_TO_OFFICE,),
    office=True,
)
ASSETS = Kind(
    "assets",
    "asset",
    ("asset",),
    (
        _ASSET,
        Field("lease", identifier(10), optional=True),
        Field("description", words(80)),
        Field("vin", identifier(20), optional=True),
        Field("stock_number", identifier(15), optional=True),
        Field("year", digits(4, exactly=True), optional=True),
        Field("make", words(30), optional=True),
        Field("model", words(30), optional=True),
        Field("status", identifier(4), optional=True),
    ),
    (_TO_LEASE,),
)
INVOICES = Kind(
    "invoices",
    "receivable",
    ("invoice", "charge", "asset"),
    (
        Field("invoice", identifier(8)),
        _LEASE,
        Field("due_date", t.DATE),
        Field("charge", identifier(4)),
        Field("amount", t.AMOUNT, store="amount_cents"),
        Field("asset", identifier(10), optional=True, default=""),
    ),
    (_TO_LEASE, _TO_ASSET),
    named_as=("invoice", ("invoice",)),
)
PAYMENTS = Kind(
    "payments",
    "payment_line",
    ("batch", "line"),
    (
        Field("batch", digits(20, exactly=True)),
        Field("line", whole(1, 9999)),
        Field("check", identifier(10), optional=True, store="check_no"),
        Field("operator", identifier(3)),
        Field("effective_date", t.DATE),
        Field("effective_time", t.TIME),
        _LEASE,
        Field("invoice", t.invoice_reference()),
        Field("amount", t.POSITIVE, store="amount_cents"),
        Field("charge", identifier(4), optional=True),
        Field("bank", t.CASH_OR_CLR, optional=True, default="125"),
        Field("origination", identifier(4), optional=True),
    ),
    (_TO_LEASE,),
)
VENDORS = Kind(
    "vendors",
    "vendor",
    ("vendor",),
    (
        Field("vendor", identifier(9)),
        Field("name", words(36)),
        Field("routing_number", t.ROUTING, sensitive=True, kept=False),
        Field("account_number", t.BANK_ACCOUNT, sensitive=True, kept=False),
        Field("account_type", one_of("checking", "savings")),
        Field("sec", one_of("CCD", "PPD", "CTX")),
        Field("prenote_sent", t.YES_NO, optional=True),
        Field("prenote_sent_on", t.DATE, optional=True),
        Field("dealer_alert", t.YES_NO, optional=True),
        Field("suspense_override_on", t.DATE, optional=True),
        Field("holdback", t.YES_NO, optional=True),
    ),
    extra=(("routing_sealed", "BYTEA"), ("account_sealed", "BYTEA"), ("account_last4", "TEXT")),
)
CHECKS = Kind(
    "checks",
    "bank_check",
    ("portfolio", "check_no"),
    (
        _PORTFOLIO,
        Field("check", identifier(10), store="check_no"),
        Field("type", one_of(*CHECK_TYPES)),
        Field("amount", t.POSITIVE, store="amount_cents"),
        Field("disbursement_date", t.DATE),
        Field("vendor", identifier(9), optional=True),
        Field("lease", identifier(10), optional=True),
        Field("asset", identifier(10), optional=True),
        Field("reference", words(36), optional=True),
        Field("bank", t.CASH, optional=True, default="126"),
        Field("payee", words(36), optional=True),
        Field("flag", one_of("P", "V"), optional=True, kept=False),
        Field("voided_on", t.DATE, optional=True),
        Field("printed_on", t.DATE, optional=True),
    ),
    (_TO_PORTFOLIO, Reference(("vendor",), "vendor", ("vendor",)), _TO_LEASE, _TO_ASSET),
    extra=(("office_id", "BIGINT"),),
)
SCHEDULES = Kind(
    "schedules",
    "schedule",
    ("lease", "term"),
    (
        _LEASE,
        Field("term", whole(1, 999)),
        Field("due_date", t.DATE),
        Field("principal", t.AMOUNT, store="principal_cents"),
        Field("interest", t.AMOUNT, store="interest_cents"),
    ),
    (_TO_LEASE,),
    codes=True,
)
DEPRECIATION = Kind(
    "depreciation",
    "depreciation",
    ("lease", "iteration"),
    (
        _LEASE,
        Field("iteration", whole(1, 999)),
        Field("start_value", t.AMOUNT, store="start_value_cents"),
        Field("end_value", t.AMOUNT, store="end_value_cents"),
        Field("months", whole(1, 999)),
        Field("start_on", t.DATE),
        Field("ended_on", t.DATE, optional=True),
        Field("accumulated", t.AMOUNT, optional=True, store="accumulated_cents"),
    ),
    (_TO_LEASE,),
)
LEVERAGED = Kind(
    "leveraged",
    "leveraged",
    ("lease", "due_date"),
    (
        _LEASE,
        Field("bank", words(36)),
        Field("due_date", t.DATE),
        Field("principal", t.AMOUNT, store="principal_cents"),
        Field("interest", t.AMOUNT, store="interest_cents"),
        Field("active", t.YES_NO),
    ),
    (_TO_LEASE,),
)
DEFERRED = Kind(
    "deferred",
    "deferred",
    ("lease", "code"),
    (
        _LEASE,
        Field("code", identifier(4)),
        Field("total", t.AMOUNT, store="total_cents"),
        Field("start_month", t.MONTH),
        Field("months", whole(1, 999)),
        Field("deferred_account", identifier(20)),
        Field("revenue_account", identifier(20)),
    ),
    (_TO_LEASE,),
)
INSURANCE = Kind(
    "insurance",
    "insurance",
    ("lease", "policy"),
    (
        _LEASE,
        Field("policy", words(36)),
        Field("expires_on", t.DATE, optional=True),
        Field("status", words(20)),
        Field("required", t.YES_NO),
    ),
    (_TO_LEASE,),
)
NOTES = Kind(
    "notes",
    "note",
    ("note",),
    (
        Field("note", identifier(20)),
        _PORTFOLIO,
        Field("principal", t.AMOUNT, store="principal_cents"),
        Field("rate", t.DECIMAL),
        Field("next_accrual_on", t.DATE),
    ),
    (_TO_PORTFOLIO,),
)
INVESTORS = Kind(
    "investors",
    "investor",
    ("investor", "lease"),
    (
        Field("investor", identifier(10)),
        _LEASE,
        Field("name", words(36)),
        Field("share", t.DECIMAL),
        Field("due_on", t.DATE),
        Field("amount", t.AMOUNT, store="amount_cents"),
    ),
    (_TO_LEASE,),
)
HOLIDAYS = Kind(
    "holidays",
    "holiday",
    ("calendar", "date"),
    (
        Field("calendar", words(20)),
        Field("date", t.DATE),
        Field("name", words(60)),
        Field("removed", t.YES_NO, optional=True, kept=False),
    ),
)

KINDS: Final[tuple[Kind, ...]] = (
    PORTFOLIOS, OFFICES, CHARGES, GL_ACCOUNTS, VENDORS, HOLIDAYS, LEASES, ASSETS, INVOICES, PAYMENTS, CHECKS, SCHEDULES,
    DEPRECIATION, LEVERAGED, DEFERRED, INSURANCE, NOTES, INVESTORS,
)  # fmt: skip
BY_NAME: Final = {kind.name: kind for kind in KINDS}
