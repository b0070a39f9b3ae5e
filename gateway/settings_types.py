"""What a value in a settings file may be: its form, and the words that refuse another one. Values in, values out."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydantic_core import PydanticCustomError

from gateway.money import to_cents
from parsers.nacha_records import routing_problem

FileKind = Literal["assessments", "escrow", "payments", "reversals"]
"""What an upstream system sends."""
BankKind = Literal["bank-answers", "bank-acknowledgement"]
"""What a bank sends."""
AnyKind = Literal[FileKind, BankKind]
"""What a source folder takes."""


def _reference(value: str) -> str:
    """A secret is named, never written: what stands in a settings file ends up in backups and screenshots."""
    if value and not value.startswith(("env:", "file:")):
        raise PydanticCustomError("reference", "found a plain value, expected env:NAME or file:PATH")
    return value


def database_address(value: str) -> str:
    """'', an address without a password, or a reference to one. Raises ValueError."""
    if value and not value.startswith(("env:", "file:", "postgresql://", "sqlite:///")):
        raise PydanticCustomError(
            "reference", "found no address of a database, expected postgresql://…, env:NAME or file:PATH"
        )
    if re.match(r"postgresql://[^/@]*:[^/]*@|.*[?&](ssl)?password=", value):
        raise PydanticCustomError(
            "reference",
            "found a password in it, expected postgresql://user@host/dbname and the password in ~/.pgpass, or the whole "
            "address as env:NAME or file:PATH",
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


def _fingerprint(value: str) -> str:
    """As people copy it: in either case, with blanks between the groups. Kept without."""
    bare = "".join(value.split()).lower()
    if value and re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", bare) is None:  # nothing but blanks pins nothing
        raise PydanticCustomError("fingerprint", "expected the 40 or 64 hexadecimal digits of a key's fingerprint")
    return bare


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
Address = Annotated[str, AfterValidator(database_address)]
Zone = Annotated[str, AfterValidator(_zone)]
Dollars = Annotated[str, AfterValidator(_dollars)]
Description = Annotated[str, AfterValidator(_description)]
NamePattern = Annotated[str, AfterValidator(_file_name)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
RoutingNumber = Annotated[str, AfterValidator(_routing)]
Modifiers = Annotated[str, AfterValidator(_modifiers)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
CashVector = Annotated[str, StringConstraints(pattern=r"^1(2[5-9]|3\d|4[0-4])$")]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)
