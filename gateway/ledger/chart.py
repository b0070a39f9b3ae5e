"""The default chart of accounts and the default charges: what an office or portfolio has when none is loaded.

Postings name a *purpose*; the office's chart gives the account. An account has a vector (3-digit internal number), a
number (12), a name (36) and a side. Numbers are our choice, except 1011 (ASSESSED FEES) and the cash vectors
125..144 (125 the default, 126 the default for disbursals), which the vendor's pages state.

>>> cash_purpose("125"), cash_purpose("CLR"), charge_purposes("RC12")
('CASH 125', 'CLEARING', ('ASSMT RECV - RCR CHG 12', 'ASSMT INC/PAY - RCR CHG 12'))
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Side = Literal["D", "C"]

CLEARING: Final = "CLEARING"
CONTRACT_RECEIVABLE: Final = "CONTRACT RECEIVABLE"
LEASE_PAYMENTS_RECEIVABLE: Final = "LEASE PAYMENTS RECEIVABLE"
ASSESSED_FEES: Final = "ASSESSED FEES"
SALES_USE_TAX_PAYABLE: Final = "SALES/USE TAX PAYABLE"
PROPERTY_TAX_PAYABLE: Final = "PROPERTY TAX PAYABLE"
FHUT_PAYABLE: Final = "FHUT PAYABLE"
SUSPENSE: Final = "SUSPENSE"
REVERSAL_SUSPENSE: Final = "REVERSAL SUSPENSE"
ACCOUNTS_PAYABLE: Final = "ACCOUNTS PAYABLE"
SECURITY_DEPOSIT_PAYABLE: Final = "SECURITY DEPOSIT PAYABLE"
GAIN_LOSS_ON_SALE: Final = "GAIN/LOSS ON SALE"
LEASE_DEPRECIATION_START_VALUE: Final = "LEASE DEPRECIATION START VALUE"
ACCUMULATED_DEPRECIATION: Final = "ACCUMULATED DEPRECIATION"
DEPRECIATION_EXPENSE: Final = "DEPRECIATION EXPENSE"
VEHICLE_INVENTORY: Final = "VEHICLE INVENTORY"
VEHICLE_SALES: Final = "VEHICLE SALES"
COST_OF_GOODS_SOLD: Final = "COST OF GOODS SOLD"
DEFERRED_REVENUE: Final = "DEFERRED REVENUE"
RENT_REVENUE: Final = "RENT REVENUE"
INTEREST_EXPENSE: Final = "INTEREST EXPENSE"
NOTES_PAYABLE: Final = "NOTES PAYABLE"
INVESTOR_PAYABLE: Final = "INVESTOR PAYABLE"
BANK_FINANCING: Final = "BANK FINANCING"
OPENING_BALANCE: Final = "OPENING BALANCE"
RETAINED_EARNINGS: Final = "RETAINED EARNINGS"
LEASE_PAYOFF: Final = "LEASE PAYOFF"
PAYOFF_PAYABLE: Final = "PAYOFF PAYABLE"
GAP_CLAIM: Final = "GAP CLAIM"
GAP_PAYABLE: Final = "GAP PAYABLE"
DEALER_INSURER_RECEIVABLE: Final = "DEALER/INSURER RECEIVABLE"
PAYABLE_TO_CUSTOMER: Final = "PAYABLE TO CUSTOMER"
TERMINATION_PROFIT: Final = "TERMINATION PROFIT"

RENT: Final = "PYMT"
"""The charge code of rent."""

CASH_VECTORS: Final = tuple(str(n) for n in range(125, 145))
DEFAULT_DISBURSAL: Final = "126"
CLEARING_ACCOUNT: Final = "CLR"
"""What a payment names in place of a cash vector when no cash came."""

RECURRING: Final = tuple(f"RCR{n}" if n < 10 else f"RC{n}" for n in range(1, 16))
FEES: Final = ("LTCH", "COLL", "ASMF", "LEGF", "PEXT", "LEXT", "ITCF", "LSRW", "OTHF")
TAXES: Final = ("PTAX", "FHUT", "UTAX")

RECEIVABLE_PREFIX: Final = "ASSMT RECV - "
INCOME_PREFIX: Final = "ASSMT INC/PAY - "
_TAX_PAYABLE: Final = {"PTAX": PROPERTY_TAX_PAYABLE, "FHUT": FHUT_PAYABLE, "UTAX": SALES_USE_TAX_PAYABLE}
_RECURRING_CODE: Final = re.compile(r"RCR?(\d{1,2})\Z")


@dataclass(frozen=True, slots=True)
class Account:
    """One account of the default chart."""

    vector: str
    number: str
    name: str
    side: Side
    purpose: str


@dataclass(frozen=True, slots=True)
class Charge:
    """One default charge. ``basis`` C cash, A accrual; ``payment_order`` 0: after all others, in invoice order."""

    code: str
    name: str
    type: Literal["I", "P", "T", "E", "N"]
    basis: Literal["C", "A"]
    used: Literal["Y", "N"] = "Y"
    level: Literal["lease", "asset"] = "lease"
    payment_order: int = 0
    priority: Literal["Y", "N"] = "N"
    taxable: Literal["Y", "N"] = "N"

    @property
    def receivable_purpose(self) -> str:
        return charge_purposes(self.code)[0]

    @property
    def income_purpose(self) -> str:
        return charge_purposes(self.code)[1]


def cash_purpose(account: str) -> str:
    """Purpose of a cash vector ``125``..``144``, or of ``CLR``. Raises ValueError for anything else."""
    if account == CLEARING_ACCOUNT:
        return CLEARING
    if account not in CASH_VECTORS:
        raise ValueError(f"{account!r} is not a cash account 125 to 144, nor CLR")
    return f"CASH {account}"


def recurring_number(code: str) -> int | None:
    """``RCR1`` -> 1, ``RC15`` -> 15; None for any other code."""
    found = _RECURRING_CODE.match(code)
    return int(found[1]) if found and code in RECURRING else None


def charge_purposes(code: str) -> tuple[str, str]:
    """(receivable, income or payable) purpose of a charge code, the site's own codes included."""
    if code == RENT:
        return LEASE_PAYMENTS_RECEIVABLE, RENT_REVENUE
    number = recurring_number(code)
    if number is not None:
        return f"{RECEIVABLE_PREFIX}RCR CHG {number}", f"{INCOME_PREFIX}RCR CHG {number}"
    return RECEIVABLE_PREFIX + code, _TAX_PAYABLE.get(code, INCOME_PREFIX + code)


def _row(vector: str, purpose: str, side: Side) -> Account:
    return Account(vector, f"1{vector}", purpose, side, purpose)


def _numbered(first: int, side: Side, purposes: list[str]) -> list[Account]:
    return [_row(f"{first + n:03d}", purpose, side) for n, purpose in enumerate(purposes)]


DEFAULT_CHART: Final[tuple[Account, ...]] = tuple(
    sorted(
        [
            _row("001", CLEARING, "D"),
            _row("002", CONTRACT_RECEIVABLE, "D"),
            _row("003", LEASE_PAYMENTS_RECEIVABLE, "D"),
            _row("004", DEALER_INSURER_RECEIVABLE, "D"),
            _row("005", GAP_CLAIM, "D"),
            _row("006", LEASE_PAYOFF, "D"),
            _row("007", REVERSAL_SUSPENSE, "D"),
            _row("011", ASSESSED_FEES, "C"),
            _row("021", LEASE_DEPRECIATION_START_VALUE, "D"),
            _row("022", ACCUMULATED_DEPRECIATION, "C"),
            _row("023", VEHICLE_INVENTORY, "D"),
            *[_row(vector, cash_purpose(vector), "D") for vector in CASH_VECTORS],
            *_numbered(201, "D", [charge_purposes(code)[0] for code in RECURRING]),
            *_numbered(221, "D", [charge_purposes(code)[0] for code in FEES]),
            *_numbered(241, "D", [charge_purposes(code)[0] for code in TAXES]),
            *_numbered(301, "C", [charge_purposes(code)[1] for code in RECURRING]),
            *_numbered(321, "C", [charge_purposes(code)[1] for code in FEES]),
            *_numbered(
                401,
                "C",
                [
                    ACCOUNTS_PAYABLE, SALES_USE_TAX_PAYABLE, PROPERTY_TAX_PAYABLE, FHUT_PAYABLE, SUSPENSE,
                    SECURITY_DEPOSIT_PAYABLE, NOTES_PAYABLE, INVESTOR_PAYABLE, BANK_FINANCING, PAYOFF_PAYABLE,
                    GAP_PAYABLE, PAYABLE_TO_CUSTOMER, DEFERRED_REVENUE,
                ],
            ),
            *_numbered(501, "C", [OPENING_BALANCE, RETAINED_EARNINGS]),
            *_numbered(601, "C", [RENT_REVENUE, VEHICLE_SALES, GAIN_LOSS_ON_SALE, TERMINATION_PROFIT]),
            *_numbered(701, "D", [COST_OF_GOODS_SOLD, DEPRECIATION_EXPENSE, INTEREST_EXPENSE]),
        ],
        key=lambda account: account.vector,
    )
)  # fmt: skip

PURPOSES: Final = frozenset(account.purpose for account in DEFAULT_CHART)

DEFAULT_CHARGES: Final[tuple[Charge, ...]] = (
    Charge(RENT, "RENT", "I", "A"),
    *[Charge(code, f"RECURRING CHARGE {n}", "I", "C", used="N") for n, code in enumerate(RECURRING, 1)],
    Charge("LTCH", "LATE CHARGE", "I", "C"),
    Charge("COLL", "COLLECTION FEE", "I", "C"),
    Charge("ASMF", "ASSUMPTION FEE", "I", "C"),
    Charge("LEGF", "LEGAL FEE", "I", "C"),
    Charge("PEXT", "PAYMENT EXTENSION FEE", "I", "C"),
    Charge("LEXT", "LEASE EXTENSION FEE", "I", "C"),
    Charge("ITCF", "ITC FEE", "I", "C"),
    Charge("LSRW", "LEASE REWRITE FEE", "I", "C"),
    Charge("OTHF", "OTHER FEE", "I", "C"),
    Charge("PTAX", "PROPERTY TAX", "P", "A", level="asset"),
    Charge("FHUT", "FEDERAL HIGHWAY USE TAX", "P", "A", level="asset"),
    Charge("UTAX", "SALES/USE TAX", "P", "A", level="asset"),
)
