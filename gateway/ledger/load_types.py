"""What a column of reference data may hold: pydantic types, each with the words a message uses for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, StringConstraints

from gateway.ledger.chart import CASH_VECTORS
from gateway.money import to_cents
from parsers.nacha_records import routing_problem


@dataclass(frozen=True, slots=True)
class ColumnType:
    """``check`` is what pydantic validates a cell with, ``expected`` the words for a person."""

    check: Any
    expected: str
    sql: Literal["TEXT", "BIGINT"] = "TEXT"


@lru_cache(maxsize=4096)
def _iso_date(text: str) -> str:
    if date.fromisoformat(text).isoformat() != text:  # fromisoformat also takes 20260302 and week dates
        raise ValueError("not YYYY-MM-DD")
    return text


@lru_cache(maxsize=4096)
def _iso_time(text: str) -> str:
    hour, minute, second = text.split(":")
    if not all(len(part) == 2 and part.isdigit() for part in (hour, minute, second)):
        raise ValueError("not HH:MM:SS")
    if int(hour) > 23 or int(minute) > 59 or int(second) > 59:
        raise ValueError("no time of day")
    return text


def _month(text: str) -> str:
    _iso_date(f"{text}-01")
    return text


def _routing(text: str) -> str:
    problem = routing_problem(text)
    if problem:
        raise ValueError(problem)
    return text


def _cents(*, least: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        cents = to_cents(text)
        if cents < least:
            raise ValueError("too small")
        return cents

    return check


def _whole(least: int, most: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        if not (text.isascii() and text.isdigit()) or not least <= int(text) <= most:
            raise ValueError("out of range")
        return int(text)

    return check


def identifier(width: int) -> ColumnType:
    """Upper-cased ASCII without blanks or commas; leading zeros stay."""
    check = Annotated[
        str, StringConstraints(strip_whitespace=True, to_upper=True, max_length=width, pattern=r"^[!-+\--~]+$")
    ]
    return ColumnType(check, f"1 to {width} letters or digits")


def invoice_reference() -> ColumnType:
    """An invoice number, or ``DEF FEE`` for a deferral fee received as cash."""
    check = Annotated[
        str,
        StringConstraints(strip_whitespace=True, to_upper=True, pattern=r"^(?i:def fee|[!-+\--~]{1,8})$"),
    ]
    return ColumnType(check, "an invoice number of up to 8, or DEF FEE")


def digits(width: int, *, exactly: bool = False) -> ColumnType:
    pattern = rf"^[0-9]{{{width if exactly else 1},{width}}}$"
    return ColumnType(
        Annotated[str, StringConstraints(strip_whitespace=True, pattern=pattern)],
        f"{width} digits" if exactly else f"1 to {width} digits",
    )


def words(width: int) -> ColumnType:
    """Text for people: anything printable."""
    check = Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=width, pattern=r"^[^\x00-\x1f\x7f]+$")
    ]
    return ColumnType(check, f"1 to {width} characters")


def one_of(*choices: str, expected: str = "") -> ColumnType:
    check = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_member(frozenset(choices)))]
    return ColumnType(check, expected or f"one of {', '.join(choices)}")


def _member(choices: frozenset[str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in choices:
            raise ValueError("not one of them")
        return text

    return check


def whole(least: int, most: int) -> ColumnType:
    return ColumnType(
        Annotated[str, AfterValidator(_whole(least, most))], f"a whole number {least} to {most}", "BIGINT"
    )


YES_NO = one_of("Y", "N")
DATE = ColumnType(Annotated[str, AfterValidator(_iso_date)], "a date such as 2026-03-31")
TIME = ColumnType(Annotated[str, AfterValidator(_iso_time)], "a time such as 09:30:00")
MONTH = ColumnType(Annotated[str, AfterValidator(_month)], "a month such as 2026-03")
AMOUNT = ColumnType(Annotated[str, AfterValidator(_cents(least=0))], "an amount such as 1234.56", "BIGINT")
POSITIVE = ColumnType(Annotated[str, AfterValidator(_cents(least=1))], "an amount above zero such as 1234.56", "BIGINT")
SIGNED = ColumnType(
    Annotated[str, AfterValidator(_cents(least=-(10**17)))], "an amount such as 1234.56 or -1234.56", "BIGINT"
)
DECIMAL = ColumnType(
    Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")],
    "a decimal number such as 6.25",
)
PORTFOLIO = ColumnType(
    Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[1-9][0-9]?$")], "1 to 99 without padding"
)
_CASH = f"{CASH_VECTORS[0]} to {CASH_VECTORS[-1]}"
CASH = one_of(*CASH_VECTORS, expected=_CASH)
CASH_OR_CLR = one_of(*CASH_VECTORS, "CLR", expected=f"{_CASH} or CLR")
ROUTING = ColumnType(
    Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_routing)],
    "a 9-digit routing number with its right check digit",
)
BANK_ACCOUNT = ColumnType(
    Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9A-Za-z][0-9A-Za-z \-]{0,16}$")],
    "1 to 17 letters, digits, blanks or hyphens",
)
