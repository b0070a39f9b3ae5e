"""Settings of a portfolio, ``config/portfolios/pNN.toml``: how its files post, what it sends, who releases it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from gateway.money import to_cents
from gateway.settings_types import CashVector, Dollars, FileKind, Hour, Model


class AssessmentSettings(Model):
    posting: Literal["on-arrival", "end-of-period"] = "on-arrival"
    charge_lines_an_invoice: int = Field(default=25, ge=1)
    refuse_repeated_lines: bool = True


class EscrowSettings(Model):
    default_bank: CashVector = "126"


class PaymentSettings(Model):
    default_cash: CashVector = "125"
    warn_times_normal: int = Field(default=5, ge=1)
    suspended_statuses: tuple[str, ...] = ("ABPT", "AREP", "HHLD", "HREP", "HVOL", "NBRD")


class ReversalSettings(Model):
    default_reason: str = "UNDO"
    bank: Mapping[Literal["N", "S", "U", "O", "T"], CashVector] = {}  # cash account by reason family
    first_session: int = Field(default=900_001, ge=1, le=999_999)
    nsf_fee_code: str | None = None  # charge assessed on a lease whose payment bounced; None: no fee
    nsf_fee: Dollars = "0.00"

    @model_validator(mode="after")
    def _fee_is_whole(self) -> ReversalSettings:
        if (self.nsf_fee_code is None) != (to_cents(self.nsf_fee) == 0):
            raise PydanticCustomError(
                "fee",
                f"found {'nsf_fee' if self.nsf_fee_code is None else 'nsf_fee_code'} alone, expected nsf_fee_code and nsf_fee, or neither",
            )
        if self.nsf_fee_code == "PYMT":
            raise PydanticCustomError("fee", "found nsf_fee_code = 'PYMT', expected the code of a fee, not of rent")
        return self


class GlSettings(Model):
    record: Literal[128, 143] = 128
    name_case: Literal["upper", "lower"] = "upper"
    endpoint: str | None = None


class VendorAchSettings(Model):
    used: bool = False
    bank: str | None = None  # a name below [banks]
    prenotes: bool = False
    prenote_ccd: bool = False  # vendors of the corporate classes (CCD, CTX) too
    prenote_wait_days: int = Field(default=3, ge=3, le=10)
    grace_days: int = Field(default=2, ge=0, le=30)
    scratch_endpoint: str | None = None


class XselleratorSettings(Model):
    used: bool = False
    endpoint: str | None = None
    interfaces: tuple[Literal["BILLING", "DEPRECIATION", "LEVERAGED", "PAYMENTS", "DEFERRED", "TERMINATION"], ...] = (
        "BILLING",
    )
    condense: bool = False
    auto_condense_accounts: tuple[str, ...] = ()
    in_end_of_period: bool = False


class ReleaseSettings(Model):
    four_eyes: bool = True  # who approves a file had no part in it
    kinds_without: tuple[Literal["DSGL", "XSELLERATOR", "VACH-SCRATCH"], ...] = ("DSGL", "VACH-SCRATCH")


class FraudRule(Model):
    """A rule of Vendor ACH that looks at money before it leaves (``gateway/vendor_ach/fraud.py``)."""

    on: bool = True
    action: Literal["hold", "warn"] = "hold"


class CoolingRule(FraudRule):
    cooling_days: int = Field(default=3, ge=0, le=30)  # banking days after the change was applied


class VelocityRule(FraudRule):
    action: Literal["hold", "warn"] = "warn"
    payments: int = Field(default=30, ge=1)
    days: int = Field(default=7, ge=1, le=366)  # calendar days up to the effective date


class VendorLimit(FraudRule):
    limit: Dollars = "250000.00"  # one vendor, one effective date


class FileLimit(FraudRule):
    limit: Dollars = "1000000.00"


class DayLimit(FraudRule):
    limit: Dollars = "2500000.00"  # all files of one effective date


class DuplicateRule(FraudRule):
    near_days: int = Field(default=5, ge=0, le=60)  # the same amount, due so few days apart
    reference_days: int = Field(default=60, ge=0, le=400)  # the same amount and reference


class FraudSettings(Model):
    first_payment: FraudRule = FraudRule()
    changed_details: CoolingRule = CoolingRule()
    velocity: VelocityRule = VelocityRule()
    vendor_limit: VendorLimit = VendorLimit()
    file_limit: FileLimit = FileLimit()
    day_limit: DayLimit = DayLimit()
    duplicate: DuplicateRule = DuplicateRule()


class Expected(Model):
    """A file that should come: the nine-o'clock answer names it when it is late."""

    kind: FileKind
    by: Hour = "09:00"


Skippable = Literal[
    "U0415", "U0418", "U0409", "U0470", "U0424", "R0203", "U0460", "XSELLERATOR", "U1003", "U0422", "U0450"
]  # fmt: skip
"""End of Period modules that a portfolio may leave out: all but those that close the date and open the next one."""


class PortfolioSettings(Model):
    default_office: Annotated[str, StringConstraints(pattern=r"^[^/ ]+/[^/ ]+/[^/ ]+$")] | None = (
        None  # "1/1/1"; None: the lowest
    )
    assessments: AssessmentSettings = AssessmentSettings()
    escrow: EscrowSettings = EscrowSettings()
    payments: PaymentSettings = PaymentSettings()
    reversals: ReversalSettings = ReversalSettings()
    gl: GlSettings = GlSettings()
    vendor_ach: VendorAchSettings = VendorAchSettings()
    xsellerator: XselleratorSettings = XselleratorSettings()
    release: ReleaseSettings = ReleaseSettings()
    fraud: FraudSettings = FraudSettings()
    expected: tuple[Expected, ...] = ()
    eop_skip: tuple[Skippable, ...] = ()
