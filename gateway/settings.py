"""Settings: read once from ``config/*.toml`` into frozen models; every mistake is shown together.

``gateway.toml`` holds what belongs to the installation (database, sources, endpoints, banks, alarms);
``portfolios/pNN.toml`` what belongs to a portfolio; ``formats/*.toml`` the profiles of the formats;
``operators.toml`` the people. Secrets are never values here: ``"env:NAME"`` or ``"file:PATH"`` refer to them.
Every key has a default that is written as a comment in the file ``gateway init`` makes.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from gateway.errors import SettingsError
from gateway.home import Home
from gateway.money import to_cents
from parsers.nacha_records import routing_problem
from parsers.profile import DEFAULT, Profile, ProfileError, profile_from_mapping
from parsers.xsellerator_profile import XselProfile, XselProfileError
from parsers.xsellerator_profile import profile_from_mapping as xsel_profile_from_mapping


def _reference(value: str) -> str:
    """A secret is named, never written: what stands in a settings file ends up in backups and screenshots."""
    if value and not value.startswith(("env:", "file:")):
        raise PydanticCustomError("reference", "found a plain value, expected env:NAME or file:PATH")
    return value


def _database(value: str) -> str:
    if value and not value.startswith(("env:", "file:", "postgresql://", "sqlite:///")):
        raise PydanticCustomError(
            "reference", "found no address of a database, expected postgresql://…, env:NAME or file:PATH"
        )
    return value


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("zone", "expected a time zone such as America/New_York") from None
    return value


def _dollars(value: str) -> str:
    try:
        if to_cents(value) < 0:
            raise ValueError
    except ValueError:
        raise PydanticCustomError("dollars", "expected dollars and cents such as 25.00") from None
    return value


def _hour(value: str) -> str:
    if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value) is None:
        raise PydanticCustomError("hour", "expected a time of day such as 09:00")
    return value


def _description(value: str) -> str:
    """Reserved words say something to the receiving bank: REVERSAL what is taken back, PURCHASE a consumer's debit."""
    if not value.strip() or len(value) > 10 or value.strip().upper() in ("REVERSAL", "PURCHASE"):
        raise PydanticCustomError("description", "expected 1 to 10 characters, not REVERSAL or PURCHASE")
    return value


def _file_name(value: str) -> str:
    """What makes names unique must stand in them; a path must not."""
    try:
        names = {
            value.format(portfolio=p, date=d, further=f) for p in "12" for d in ("260303", "260304") for f in ("", "-2")
        }
    except (KeyError, ValueError, IndexError):
        names = set()
    if len(names) != 8 or "/" in value:
        raise PydanticCustomError("name", "expected a file name with {portfolio}, {date} and {further}")
    return value


def _routing(value: str) -> str:
    if problem := routing_problem(value):
        raise PydanticCustomError("routing", "expected a routing number: {problem}", {"problem": problem})
    return value


def _modifiers(value: str) -> str:
    if not value or len(set(value)) != len(value) or re.fullmatch(r"[A-Z0-9]+", value) is None:
        raise PydanticCustomError("modifiers", "expected different characters A-Z and 0-9, the first of a day first")
    return value


Secret = Annotated[str, AfterValidator(_reference)]
Hour = Annotated[str, AfterValidator(_hour)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
CashVector = Annotated[str, StringConstraints(pattern=r"^1(2[5-9]|3\d|4[0-4])$")]
M = TypeVar("M", bound="Model")
Right = Literal["post", "load", "approve", "deliver", "resolve", "admin"]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class DatabaseSettings(Model):
    url: Annotated[str, AfterValidator(_database)] = ""
    """'' = SQLite in ``var/ledger.db``; else ``postgresql://…`` or a reference ``env:NAME`` / ``file:PATH``."""


class Source(Model):
    """A folder that files are dropped into, and how the sender says that a file is whole."""

    path: str = "inbox"
    completeness: Literal["quiet", "marker", "rename"] = "quiet"
    quiet_seconds: float = Field(default=2.0, gt=0)
    markers: tuple[str, ...] = (".done", ".ok")
    polling: bool = False  # for network mounts, where the kernel sends no events


class Intake(Model):
    scan_seconds: float = Field(default=1.0, gt=0)
    ignored_suffixes: tuple[str, ...] = (".part", ".tmp", ".filepart", ".filtered")
    overlap_share: float = Field(default=0.5, gt=0, le=1)
    overlap_prefix: int = Field(default=10, ge=1)
    overlap_days: int = Field(default=45, ge=0)
    reject_limit_percent: float | None = Field(default=None, gt=0, le=100)
    free_space_mb: int = Field(default=200, ge=0)  # claiming stops below this, posting goes on
    claim_group: int = Field(default=200, ge=1)
    workers: int = Field(default=2, ge=1, le=16)


class Retry(Model):
    attempts: int = Field(default=8, ge=1)
    first_seconds: float = Field(default=5.0, gt=0)
    max_seconds: float = Field(default=900.0, gt=0)


Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday"]
WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)


class Windows(Model):
    """Until when an endpoint takes files on a banking day; what comes later goes with the next window."""

    times: tuple[Hour, ...] = ()  # cutoffs; none: at any time
    by_weekday: Mapping[Weekday, tuple[Hour, ...]] = {}  # where a day differs
    timezone: Annotated[str, AfterValidator(_zone)] = "America/New_York"
    warn_minutes: int = Field(default=60, ge=1)  # an alarm so long before a cutoff with files still here

    @model_validator(mode="after")
    def _opens(self) -> Self:
        if (self.times or self.by_weekday) and not any(self.by_weekday.get(day, self.times) for day in WEEKDAYS):
            raise PydanticCustomError(
                "window", "expected a time on one weekday at least; leave windows out where files go at any time"
            )
        return self

    @property
    def any(self) -> bool:
        return bool(self.times) or any(self.by_weekday.values())


class Endpoint(Model):
    """A place files are delivered to over SFTP."""

    host: str
    port: int = Field(default=22, ge=1, le=65535)
    user: str
    key: str  # file reference of the private key, relative to the home: "config/keys/id_bank"
    key_passphrase: Secret = ""  # "env:NAME" or "file:PATH"
    known_hosts: str = "config/keys/known_hosts"
    host_keys: tuple[str, ...] = ()  # further pinned keys: "ssh-ed25519 AAAA…"
    directory: str = "."
    temporary_directory: str | None = None  # None: the same directory
    temporary_suffix: str = ".part"
    read_back: Literal["full", "size", "none"] = "full"  # what the far side lets us see of an upload
    stat_after_rename: bool = True  # off where the far side takes files away at once
    acknowledge_within_minutes: int | None = Field(default=None, ge=1)
    connect_timeout: float = Field(default=20.0, gt=0)
    io_timeout: float = Field(default=60.0, gt=0)
    channels: int = Field(default=4, ge=1, le=16)
    retry: Retry = Retry()
    windows: Windows = Windows()


class X12(Model):
    """Who a CTX remittance advice is from and to, in the words of X12."""

    sender_qualifier: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2}$")] = "ZZ"
    sender: Annotated[str, StringConstraints(max_length=15)] = ""  # '' = company_identification
    receiver_qualifier: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2}$")] = "ZZ"
    receiver: Annotated[str, StringConstraints(max_length=15)] = ""  # '' = the vendor's number
    usage: Literal["P", "T"] = "P"  # production or test


class Acknowledgements(Model):
    """How a bank says that it took a file of ours: by a file whose name or text names it, or tells its totals."""

    files: tuple[str, ...] = ()  # patterns: {name} stands for the name of our file, * for anything
    text: str = ""  # regular expression with the groups it has: name, status, debit, credit, entries; '' = not read
    accepted: tuple[str, ...] = ("ACCEPTED", "OK")  # what the group status says of a file that was taken

    @field_validator("text")
    @classmethod
    def _groups(cls, value: str) -> str:
        try:
            groups = re.compile(value).groupindex
        except re.error as error:
            raise PydanticCustomError("expression", f"found {error}, expected a regular expression") from None
        if strange := groups.keys() - {"name", "status", "debit", "credit", "entries"}:
            raise PydanticCustomError(
                "groups", f"found the group {min(strange)}, expected name, status, debit, credit or entries"
            )
        return value

    @model_validator(mode="after")
    def _names(self) -> Self:
        nameless = [pattern for pattern in self.files if pattern.count("{name}") != 1]
        if nameless and "name" not in re.compile(self.text).groupindex:
            raise PydanticCustomError(
                "nameless", f"found {nameless[0]}, expected {{name}} once in it, or a group name in text"
            )
        return self


class OpenPgp(Model):
    """How a bank wants its file encrypted."""

    recipient: str  # file of the bank's public key, relative to the home: "config/keys/bank.asc"
    sign_with: Secret = ""  # "env:NAME" or "file:PATH" of our secret key, armored; '' = not signed
    passphrase: Secret = ""  # "env:NAME" or "file:PATH"; '' = the secret key has none
    armor: bool = False
    suffix: Annotated[str, StringConstraints(pattern=r"^\.[A-Za-z0-9]{1,8}$")] = ".pgp"


class Bank(Model):
    """What one ODFI wants to see; nothing about a bank is in code."""

    name: Annotated[str, StringConstraints(max_length=23)]  # immediate destination name
    routing_number: Annotated[str, AfterValidator(_routing)]
    immediate_destination: str = ""  # 10 characters; '' = blank + routing number
    immediate_origin: Annotated[str, StringConstraints(max_length=10)]  # right-justified
    origin_name: Annotated[str, StringConstraints(max_length=23)]
    company_name: Annotated[str, StringConstraints(min_length=1, max_length=16)]
    company_identification: Annotated[str, StringConstraints(min_length=1, max_length=10)]
    odfi: Annotated[str, StringConstraints(pattern=r"^([0-9]{8})?$")] = ""  # '' = first 8 of the routing number
    entry_description: Annotated[str, AfterValidator(_description)] = "VENDOR PAY"
    entry_descriptions: Mapping[Literal["CCD", "CTX", "PPD"], Annotated[str, AfterValidator(_description)]] = {}
    prenote_description: Annotated[str, AfterValidator(_description)] = "PRENOTE"
    discretionary_data: str = ""
    reference_code: str = ""
    line_ending: Literal["lf", "crlf", "none"] = "lf"
    service_class: Literal["auto", "200 only", "never 200"] = "auto"
    character_set: Literal["ascii", "narrow"] = "narrow"
    balanced: bool = False
    offset_account: Secret = ""  # "env:NAME" / "file:PATH", the company's own account, for balanced files
    offset_account_type: Literal["checking", "savings"] = "checking"
    line_limit: int = Field(default=10_000, ge=10)  # records a file, headers and filler included
    name_pattern: Annotated[str, AfterValidator(_file_name)] = "P{portfolio:0>2}-VACH-BANK-{date}{further}.DAT"
    refused_name_pattern: Annotated[str, AfterValidator(_file_name)] = (
        "P{portfolio:0>2}-VACH-REFUSED-NOC-{date}{further}.DAT"
    )
    endpoint: str | None = None
    lead_days: int = Field(default=1, ge=0, le=10)
    modifier_alphabet: Annotated[str, AfterValidator(_modifiers)] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    same_day: Literal["never", "asked"] = "never"
    same_day_windows: Mapping[Hour, Annotated[str, StringConstraints(pattern=r"^SD([01]\d|2[0-3])[0-5]\d$")]] = {}
    same_day_limit: Annotated[str, AfterValidator(_dollars)] = "1000000.00"
    answers: tuple[str, ...] = ("*.ach",)  # names of its files of returns and notifications of change
    x12: X12 = X12()
    after_delivery: Literal["keep", "encrypt", "remove"] = "encrypt"
    """What becomes of the copies in the outbox that hold account numbers, once delivery is proved."""
    acknowledgements: Acknowledgements = Acknowledgements()
    openpgp: OpenPgp | None = None

    @model_validator(mode="after")
    def _same_day_has_windows(self) -> Bank:
        if self.same_day == "asked" and not self.same_day_windows:
            raise PydanticCustomError("window", "expected same_day_windows beside same_day = 'asked'")
        return self

    @model_validator(mode="after")
    def _balanced_has_an_account(self) -> Bank:
        if self.balanced and not self.offset_account:
            raise PydanticCustomError("offset", "expected offset_account beside balanced = true")
        return self


class Alarms(Model):
    command: tuple[str, ...] = ()  # run with the alarm as JSON on standard input
    webhook: Secret = ""  # "env:NAME" or "file:PATH" of a URL
    mail_to: tuple[str, ...] = ()
    mail_from: str = ""
    mail_host: str = "localhost"
    repeat_minutes: int = Field(default=60, ge=1)


class Retention(Model):
    """Days after their business date that what can be made again is kept; None = for ever."""

    reports_days: int | None = Field(default=None, ge=1)
    avro_days: int | None = Field(default=None, ge=1)


class Calendar(Model):
    covered: tuple[int, ...] = (2025, 2026, 2027, 2028, 2029, 2030)  # years a person has checked


class Service(Model):
    operator: str = "SVC"  # the code under which the service posts
    eop_at: Hour | None = None  # "22:30", local time of the zone; None: by hand
    timezone: Annotated[str, AfterValidator(_zone)] = "America/New_York"


class GatewaySettings(Model):
    database: DatabaseSettings = DatabaseSettings()
    sources: Mapping[Name, Source] = {"inbox": Source()}
    intake: Intake = Intake()
    endpoints: Mapping[Name, Endpoint] = {}
    banks: Mapping[Name, Bank] = {}
    alarms: Alarms = Alarms()
    retention: Retention = Retention()
    calendar: Calendar = Calendar()
    service: Service = Service()


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
    nsf_fee: Annotated[str, AfterValidator(_dollars)] = "0.00"

    @model_validator(mode="after")
    def _fee_is_whole(self) -> ReversalSettings:
        if (self.nsf_fee_code is None) != (to_cents(self.nsf_fee) == 0):
            raise PydanticCustomError("fee", "expected both nsf_fee_code and nsf_fee, or neither")
        if self.nsf_fee_code == "PYMT":
            raise PydanticCustomError("fee", "expected the code of a fee, not of rent")
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
    four_eyes: bool = True  # a second person approves every file that leaves
    kinds_without: tuple[Literal["DSGL", "XSELLERATOR", "VACH-SCRATCH"], ...] = ("DSGL", "VACH-SCRATCH")


class FraudRule(Model):
    """A rule of Vendor ACH that looks at money before it leaves (``gateway/outbound/fraud.py``)."""

    on: bool = True
    action: Literal["hold", "warn"] = "hold"


class CoolingRule(FraudRule):
    cooling_days: int = Field(default=3, ge=0, le=30)  # banking days after the change was applied


class VelocityRule(FraudRule):
    action: Literal["hold", "warn"] = "warn"
    payments: int = Field(default=30, ge=1)
    days: int = Field(default=7, ge=1, le=366)  # calendar days up to the effective date


class VendorLimit(FraudRule):
    limit: Annotated[str, AfterValidator(_dollars)] = "250000.00"  # one vendor, one effective date


class FileLimit(FraudRule):
    limit: Annotated[str, AfterValidator(_dollars)] = "1000000.00"


class DayLimit(FraudRule):
    limit: Annotated[str, AfterValidator(_dollars)] = "2500000.00"  # all files of one effective date


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

    kind: Literal["assessments", "escrow", "reversals", "payments"]
    by: Hour = "09:00"


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
    eop_skip: tuple[str, ...] = ()


class OperatorSettings(Model):
    users: tuple[str, ...]
    rights: tuple[Right, ...] = ("post", "load", "approve", "deliver", "resolve", "admin")
    name: str = ""


class Operators(Model):
    operators: Mapping[Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{3}$")], OperatorSettings] = {}

    @field_validator("operators")
    @classmethod
    def _not_empty(cls, value: Mapping[str, OperatorSettings]) -> Mapping[str, OperatorSettings]:
        for code, operator in value.items():
            if not operator.users:
                raise ValueError(f"operator {code} names no operating system user")
        return value


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is configured, checked."""

    gateway: GatewaySettings
    portfolios: Mapping[str, PortfolioSettings]  # by portfolio number '1'..'99'
    operators: Operators
    inbound: Profile
    xsellerator: XselProfile

    def portfolio(self, number: str) -> PortfolioSettings:
        """A portfolio without a file of its own has the defaults, which are written in the sample file."""
        return self.portfolios.get(number, DEFAULT_PORTFOLIO)


DEFAULT_PORTFOLIO = PortfolioSettings()


def load_settings(home: Home) -> Settings:
    """Read and check every file below ``config``. Raises SettingsError with all mistakes at once."""
    mistakes: list[str] = []
    read_gateway = _model(home, home.settings_file, GatewaySettings, mistakes)
    gateway = read_gateway or GatewaySettings()
    portfolios: dict[str, PortfolioSettings] = {}
    for path in sorted(home.portfolios.glob("*.toml")):
        number = path.stem[1:].lstrip("0")
        if path.stem[:1] != "p" or not number.isdigit() or not 1 <= int(number) <= 99 or len(path.stem) != 3:
            mistakes.append(f"{_short(home, path)}: found name {path.name}, expected p01.toml to p99.toml: rename it")
            continue
        read = _model(home, path, PortfolioSettings, mistakes)
        if read is not None:
            portfolios[number] = read
    operators = _model(home, home.operators_file, Operators, mistakes) or Operators()
    inbound = xsellerator = None
    try:
        inbound = profile_from_mapping(DEFAULT, _toml(home, home.formats / "inbound.toml", mistakes))
    except ProfileError as error:
        mistakes += [f"config/formats/inbound.toml: {m}" for m in error.mistakes]
    try:
        xsellerator = xsel_profile_from_mapping(_toml(home, home.formats / "xsellerator.toml", mistakes))
    except XselProfileError as error:
        mistakes += [f"config/formats/xsellerator.toml: {m}" for m in error.mistakes]
    if read_gateway is not None:  # what could not be read names nothing
        _check_references(gateway, portfolios, mistakes)
    if "operator" in gateway.service.model_fields_set and gateway.service.operator not in operators.operators:
        mistakes.append(
            f"config/gateway.toml: service.operator: found {gateway.service.operator!r}, expected one of [operators.*] in "
            f"operators.toml ({', '.join(operators.operators)})"
        )
    if mistakes or inbound is None or xsellerator is None:
        raise SettingsError(mistakes)
    return Settings(gateway, portfolios, operators, inbound, xsellerator)


def _check_references(
    gateway: GatewaySettings, portfolios: Mapping[str, PortfolioSettings], mistakes: list[str]
) -> None:
    """A name that points at nothing is a mistake here, not a surprise in the night."""
    endpoints = [(f"banks.{n}.endpoint", bank.endpoint) for n, bank in gateway.banks.items()]
    for number, settings in portfolios.items():
        file = f"config/portfolios/p{int(number):02d}.toml"
        endpoints += [
            (f"{file}: gl.endpoint", settings.gl.endpoint),
            (f"{file}: vendor_ach.scratch_endpoint", settings.vendor_ach.scratch_endpoint),
            (f"{file}: xsellerator.endpoint", settings.xsellerator.endpoint),
        ]
        bank = settings.vendor_ach.bank
        if settings.vendor_ach.used and bank not in gateway.banks:
            mistakes.append(
                f"{file}: vendor_ach.bank: found {bank!r}, expected one of [banks.*] in gateway.toml "
                f"({', '.join(gateway.banks) or 'there is none'})"
            )
    mistakes += [
        f"{where}: found {name!r}, expected one of [endpoints.*] in gateway.toml "
        f"({', '.join(gateway.endpoints) or 'there is none'})"
        for where, name in endpoints
        if name is not None and name not in gateway.endpoints
    ]


def _short(home: Home, path: Path) -> str:
    return str(path.relative_to(home.root))


def _toml(home: Home, path: Path, mistakes: list[str]) -> dict[str, Any]:
    """The parsed file; an absent file is an empty one."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        mistakes.append(f"{_short(home, path)}: {error}")
        return {}


def _model(home: Home, path: Path, model: type[M], mistakes: list[str]) -> M | None:
    before = len(mistakes)
    content = _toml(home, path, mistakes)
    if len(mistakes) > before:
        return None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        mistakes += [f"{_short(home, path)}: {_mistake(model, problem)}" for problem in error.errors()]
        return None


def _mistake(model: type[BaseModel], problem: ErrorDetails) -> str:
    """One mistake in our words: the key, what was found (never of a secret), what was expected."""
    loc = problem["loc"]
    where = ".".join(str(part) for part in loc)
    if problem["type"] == "extra_forbidden":
        names = _keys(model, loc[:-1])
        near = get_close_matches(str(loc[-1]), names, 1, 0.6)
        return f"{where}: found an unknown key, expected {near[0] if near else 'one of ' + ', '.join(names)}"
    if problem["type"] == "missing":
        return f"{where}: found no value, expected one"
    message = problem["msg"].replace("Input should be", "expected").replace("Value error, ", "")
    message = message.removeprefix("String should match pattern ").removesuffix(
        ", unable to parse string as an integer"
    )
    if problem["type"] == "reference":
        return f"{where}: {message}"
    if problem["type"] == "string_pattern_mismatch":
        message = f"expected the form {message}"
    return f"{where}: found {problem['input']!r}, {message}"


def _keys(model: Any, loc: Sequence[int | str]) -> list[str]:
    """The keys of the table at ``loc``; steps through names of tables of the same kind."""
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = model.model_fields[str(part)].annotation
        args = [a for a in get_args(model) if isinstance(a, type) and issubclass(a, BaseModel)]
        model = args[0] if args else model
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def secret(reference: str, home: Home, *, what: str) -> str:
    """Resolve ``env:NAME`` or ``file:PATH`` (relative to the home). Raises SettingsError naming ``what``."""
    kind, _, rest = reference.partition(":")
    if kind == "env":
        value = os.environ.get(rest)
        if value is None:
            raise SettingsError([f"{what}: found no environment variable {rest}, expected the secret in it"])
        return value
    if kind == "file":
        try:
            return (home.root / rest).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError([f"{what}: could not read {rest}: {error.strerror}"]) from error
    raise SettingsError([f"{what}: found a plain value, expected env:NAME or file:PATH"])


def iso_date(text: str, *, what: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingsError([f"{what}: found {text!r}, expected a date such as 2026-11-21"]) from None
