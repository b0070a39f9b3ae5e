"""Settings of the installation and its people, as frozen models; ``settings_reading`` reads them, once.

``gateway.toml`` holds what belongs to the installation (database, sources, endpoints, banks, alarms);
``portfolios/pNN.toml`` what belongs to a portfolio (``settings_portfolio``); ``formats/*.toml`` the profiles of the formats;
``operators.toml`` the people. Secrets are never values here: ``"env:NAME"`` or ``"file:PATH"`` refer to them.
Every key has a default that is written as a comment in the file ``gateway init`` makes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import normpath
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, StringConstraints, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway.errors import SettingsError
from gateway.home import Home
from gateway.settings_portfolio import PortfolioSettings
from gateway.settings_types import (
    Address,
    AnyKind,
    Description,
    Dollars,
    Fingerprint,
    Hour,
    Model,
    Modifiers,
    Name,
    NamePattern,
    RoutingNumber,
    Secret,
    Zone,
)
from parsers.profile import Profile
from parsers.xsellerator_profile import XselProfile

Right = Literal["post", "load", "approve", "deliver", "resolve", "admin"]


class DatabaseSettings(Model):
    url: Address = ""
    """'' = SQLite in ``var/ledger.db``; else ``postgresql://…`` or a reference ``env:NAME`` / ``file:PATH``."""
    home: Annotated[str, StringConstraints(max_length=200, pattern=r"^(\S(.*\S)?)?$")] = ""
    """How this home is called among those that share the database; '' = ``machine:folder``. One that was renamed or moved
    keeps the name that its files were released under."""


class Source(Model):
    """A folder that files are dropped into, and how the sender says that a file is whole."""

    path: str = "inbox"
    completeness: Literal["quiet", "marker", "rename"] = "quiet"
    quiet_seconds: float = Field(default=2.0, gt=0)
    markers: tuple[str, ...] = (".done", ".ok")
    polling: bool = False  # for network mounts, where the kernel sends no events
    kinds: tuple[AnyKind, ...] = ()  # who can write here is believed for these alone; () = all


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
    timezone: Zone = "America/New_York"
    warn_minutes: int = Field(default=60, ge=1)  # an alarm so long before a cutoff with files still here

    @model_validator(mode="after")
    def _opens(self) -> Self:
        if (self.times or self.by_weekday) and not any(self.by_weekday.get(day, self.times) for day in WEEKDAYS):
            raise PydanticCustomError(
                "window",
                "found no weekday with a time, expected one at least; leave windows out where files go at any time",
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

    @model_validator(mode="after")
    def _temporary_name_is_another(self) -> Self:
        """Under the final name at once, a torn upload would be a file to the receiver and a target that is there to us."""
        aside = self.temporary_directory
        if not self.temporary_suffix and (not aside or normpath(aside) == normpath(self.directory or ".")):
            raise PydanticCustomError(
                "temporary",
                "found temporary_suffix = '' without a temporary_directory of its own, expected one of the two: a file is "
                "written under another name first; leave temporary_suffix out for '.part', or name the directory",
            )
        if "/" in self.temporary_suffix:
            raise PydanticCustomError(
                "temporary",
                "found a / in temporary_suffix, expected the end of a name such as '.part'; a folder is temporary_directory",
            )
        return self


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
    text: str = ""  # regular expression, each match an answer; groups name, status, debit, credit, entries
    accepted: tuple[str, ...] = ("ACCEPTED", "OK")  # what the group status says of a file that was taken
    refused: tuple[str, ...] = ("REJECTED", "REFUSED", "FAILED")  # of one that is not paid at all
    """Of a file with any other status a person asks the bank: it may pay a part."""

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

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        both = {word.upper() for word in self.accepted} & {word.upper() for word in self.refused}
        if both and "refused" in self.model_fields_set:
            raise PydanticCustomError(
                "meaning", f"found {min(both)} in accepted and in refused, expected each status in one of them"
            )
        return self


class OpenPgp(Model):
    """How a bank wants its file encrypted."""

    recipient: str  # file of the bank's public key, relative to the home: "config/keys/bank.asc"
    fingerprint: Fingerprint = ""  # of that key, as the bank says it: any other one is refused; '' = any is taken
    sign_with: Secret = ""  # "env:NAME" or "file:PATH" of our secret key, armored; '' = not signed
    passphrase: Secret = ""  # "env:NAME" or "file:PATH"; '' = the secret key has none
    armor: bool = False
    suffix: Annotated[str, StringConstraints(pattern=r"^\.[A-Za-z0-9]{1,8}$")] = ".pgp"


class Bank(Model):
    """What one ODFI wants to see; nothing about a bank is in code."""

    name: Annotated[str, StringConstraints(max_length=23)]  # immediate destination name
    routing_number: RoutingNumber
    immediate_destination: str = ""  # 10 characters; '' = blank + routing number
    immediate_origin: Annotated[str, StringConstraints(max_length=10)]  # right-justified
    origin_name: Annotated[str, StringConstraints(max_length=23)]
    company_name: Annotated[str, StringConstraints(min_length=1, max_length=16)]
    company_identification: Annotated[str, StringConstraints(min_length=1, max_length=10)]
    odfi: Annotated[str, StringConstraints(pattern=r"^([0-9]{8})?$")] = ""  # '' = first 8 of the routing number
    entry_description: Description = "VENDOR PAY"
    entry_descriptions: Mapping[Literal["CCD", "CTX", "PPD"], Description] = {}
    prenote_description: Description = "PRENOTE"
    discretionary_data: str = ""
    reference_code: str = ""
    line_ending: Literal["lf", "crlf", "none"] = "lf"
    service_class: Literal["auto", "200 only", "never 200"] = "auto"
    character_set: Literal["ascii", "narrow"] = "narrow"
    balanced: bool = False
    offset_account: Secret = ""  # "env:NAME" / "file:PATH", the company's own account, for balanced files
    offset_account_type: Literal["checking", "savings"] = "checking"
    line_limit: int = Field(default=10_000, ge=10)  # records a file, headers and filler included
    name_pattern: NamePattern = "P{portfolio:0>2}-VACH-BANK-{date}{further}.DAT"
    refused_name_pattern: NamePattern = "P{portfolio:0>2}-VACH-REFUSED-NOC-{date}{further}.DAT"
    endpoint: str | None = None
    lead_days: int = Field(default=1, ge=0, le=10)
    modifier_alphabet: Modifiers = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    same_day: Literal["never", "asked"] = "never"
    same_day_windows: Mapping[Hour, Annotated[str, StringConstraints(pattern=r"^SD([01]\d|2[0-3])[0-5]\d$")]] = {}
    same_day_limit: Dollars = "1000000.00"
    answers: tuple[str, ...] = ("*.ach",)  # names of its files of returns and notifications of change
    x12: X12 = X12()
    after_delivery: Literal["keep", "encrypt", "remove"] = "encrypt"
    """What becomes of the copies in the outbox that hold account numbers, once delivery is proved."""
    acknowledgements: Acknowledgements = Acknowledgements()
    openpgp: OpenPgp | None = None

    @model_validator(mode="after")
    def _same_day_has_windows(self) -> Bank:
        if self.same_day == "asked" and not self.same_day_windows:
            raise PydanticCustomError("window", "found same_day = 'asked' without same_day_windows, expected both")
        return self

    @model_validator(mode="after")
    def _balanced_has_an_account(self) -> Bank:
        if self.balanced and not self.offset_account:
            raise PydanticCustomError("offset", "found balanced = true without offset_account, expected both")
        if self.balanced and self.service_class == "never 200":
            raise PydanticCustomError(
                "offset",
                "found balanced = true with service_class = 'never 200', expected another: a balanced batch is one of 200",
            )
        return self


class Alarms(Model):
    command: tuple[str, ...] = ()  # run with the alarm as JSON on standard input
    webhook: Secret = ""  # "env:NAME" or "file:PATH" of a URL
    mail_to: tuple[str, ...] = ()
    mail_from: str = ""
    mail_host: str = "localhost"
    repeat_minutes: int = Field(default=60, ge=1)
    module_minutes: int = Field(default=60, ge=1)  # that End of Period may be in one module before people hear of it


class Retention(Model):
    """Days after their business date that reports and Avro records are kept; None = for ever."""

    reports_days: int | None = Field(default=None, ge=1)
    avro_days: int | None = Field(default=None, ge=1)


class Calendar(Model):
    covered: tuple[int, ...] = (2025, 2026, 2027, 2028, 2029, 2030)  # years a person has checked


class Service(Model):
    operator: str = "SVC"  # the code under which the service posts
    eop_at: Hour | None = None  # "22:30", local time of the zone; None: by hand
    timezone: Zone = "America/New_York"


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
                raise PydanticCustomError(
                    "users", f"found no user of operator {code}, expected the name of a system user at least"
                )
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


def secret(reference: str, home: Home, *, what: str) -> str:
    """Resolve ``env:NAME`` or ``file:PATH`` (relative to the home; not readable by others). Raises SettingsError naming
    ``what``."""
    kind, _, rest = reference.partition(":")
    if kind == "env":
        value = os.environ.get(rest)
        if value is None:
            raise SettingsError([f"{what}: found no environment variable {rest}, expected the secret in it"])
        return value
    if kind == "file":
        path = home.root / rest
        try:
            home.require_private(path, f"{what}: {rest}")
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise SettingsError(
                [f"{what}: could not read {rest}: {error.strerror}; expected the secret in it"]
            ) from error
        except UnicodeDecodeError as error:
            raise SettingsError(
                [f"{what}: found bytes in {rest} that are no UTF-8, expected the secret as text (a key armored)"]
            ) from error
    raise SettingsError([f"{what}: found a plain value, expected env:NAME or file:PATH"])
