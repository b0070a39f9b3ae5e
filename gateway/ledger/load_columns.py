"""What a person is told of the files of reference data before writing one: file, key, columns and what each may hold.

From the tables that the loader itself goes by; only what a column is for, where its name does not say, is written here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from gateway.ledger.load_kinds import OFFICE_KEY, Field, Kind
from gateway.ledger.load_types import AMOUNT


class ColumnFacts(NamedTuple):
    """A column as told. ``column`` None: any further column, named by a code."""

    file: str
    column: str | None
    key: bool
    optional: bool
    default: str | None
    holds: str
    about: str | None


_ABOUT: Final = {
    ("gl_accounts", "vector"): "names the account in files: cash has 125 to 144",
    ("gl_accounts", "number"): "the General Ledger's number of it",
    (
        "gl_accounts",
        "purpose",
    ): "what is posted to it, as CASH 125 or SUSPENSE; gateway ledger accounts has those of the default chart",
    ("gl_accounts", "opening_balance"): "the balance that it has, on its own side; the difference is posted",
    ("charges", "code"): "gateway ledger charges has those of the default",
    ("charges", "type"): "income, payable, special tax, escrow, none of them",
    ("charges", "basis"): "cash or accrual",
    ("charges", "payment_order"): "which of an invoice is paid first: from 1 without a gap; 0 comes last",
    ("charges", "priority"): "Y is paid before all with N",
    ("charges", "used"): "N: an assessment of it is rejected",
    ("charges", "level"): "asset: its lines name an asset",
    ("charges", "taxable"): "kept and shown; no tax is computed",
    ("leases", "status"): "beginning with H, its payments wait in suspense",
    ("leases", "accrual_method"): "IBL and TRAN are reversed without re-application",
    ("leases", "control_number"): "the dealer system's; one open deal has it",
    ("leases", "normal_payment"): "a payment of many times as much is warned of",
    ("leases", "next_due"): "due date of the invoice that an assessment makes where none is open",
    ("leases", "prepaid"): "Y: its receivables are not in Xsellerator files",
    ("leases", "escrow_balance"): "held for the lease; the difference is posted",
    ("invoices", "invoice"): "several rows make one invoice, a row a charge",
    ("payments", "batch"): "date YYMMDD, session (6 digits), place in it (8 digits)",
    ("payments", "charge"): "without it the invoice's charges are paid in their order",
    ("payments", "bank"): "vector of the cash account, or clearing",
    ("vendors", "sec"): "class of its entries in the bank file",
    ("vendors", "prenote_sent"): "Y: another system sent one, on prenote_sent_on; of new vendors only",
    (
        "vendors",
        "dealer_alert",
    ): "Y: its payments are withheld; only gateway vendor alert VENDOR --off --reason WHY ends it",
    ("vendors", "suspense_override_on"): "checks due up to then are paid in spite of the alert",
    ("vendors", "holdback"): "kept and shown; it withholds nothing, dealer_alert does",
    ("checks", "type"): "NEWA is paid by Vendor ACH",
    ("checks", "disbursement_date"): "when it is due to be paid",
    ("checks", "bank"): "vector of the cash account",
    ("checks", "flag"): "printed or void",
    ("holidays", "date"): "a day off of the site; weekends and those of the Federal Reserve are known",
    ("holidays", "removed"): "Y: it was no day off after all",
}


def columns_of(kind: Kind) -> Iterator[ColumnFacts]:
    """The columns of a kind's file, as the loader takes them."""
    file, key = f"{kind.name}.csv", {*kind.key, *(OFFICE_KEY if "office_id" in kind.key else ())}
    for field in kind.fields:
        yield ColumnFacts(
            file, field.name, field.column in key, field.optional, _default(field), field.type.expected,
            _ABOUT.get((kind.name, field.name)),
        )  # fmt: skip
    if kind.codes:
        yield ColumnFacts(
            file, None, False, True, None, AMOUNT.expected, "any tax or add-on code is a column, named by the code"
        )


def _default(field: Field) -> str | None:
    return None if field.default in (None, "") else str(field.default)
