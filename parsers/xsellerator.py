"""Xsellerator interface files: journal rows of the leasing side for Quorum's Xsellerator, read back.

Written by the gateway, one XML file an interface and date range (public pages of the vendor; what they leave
open is a table, ``config/formats/xsellerator.toml``). A ``DATAPACKET`` describes its fields and holds one
``ROW`` a journal line, values as attributes. Amounts have exactly two decimals, debit positive, credit
negative, and add to 0.00 over the file. Keys run from 1. UTF-8 with declaration.

The reader also takes one child element a field and ignores fields it does not know. It refuses a file that
lacks one of the fields 1 to 7, the ledger account or the amount, whose values do not read, or that does not
add to 0.00, and one whose rows lie elsewhere or are called otherwise than the table says; a document type declaration is
refused before anything else. Findings are `XselError` values.

>>> cents("-12.50"), cents("12.5")
(-1250, None)
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

from lxml import etree

from parsers.xsellerator_profile import (
    DEFAULT,
    XselField,
    XselProfile,
    XselProfileError,
    profile_from_mapping,
)

__all__ = [
    "DEFAULT",
    "SharedControl",
    "XselError",
    "XselField",
    "XselFile",
    "XselProfile",
    "XselProfileError",
    "XselRow",
    "cents",
    "condense",
    "profile_from_mapping",
    "read",
    "shared_control_numbers",
    "texts",
    "zero_sum_problem",
]


class XselRow(NamedTuple):
    """One journal line. ``amount_cents`` is positive for a debit, negative for a credit."""

    location: int
    control_number: str
    account_number: str
    deal_number: int
    ledger_account: str
    amount_cents: int
    description: str = ""


@dataclass(frozen=True, slots=True)
class XselFile:
    """A sound file: its range (ISO dates, None when it has no rows) and its rows in order."""

    start: str | None
    end: str | None
    rows: tuple[XselRow, ...]


@dataclass(frozen=True, slots=True)
class XselError:
    """What is wrong at which row (from 1; 0 is the file as a whole)."""

    row_no: int
    field: str
    code: str
    found: str
    expected: str


_AMOUNT: Final = re.compile(r"-?[0-9]{1,15}\.[0-9]{2}")
_INTEGER: Final = re.compile(r"[0-9]{1,10}")
_INSTANT: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T[0-9]{2}:[0-9]{2}:[0-9]{5}")
_OPTIONAL: Final = frozenset({"description"})


def cents(text: str) -> int | None:
    """Integer cents of an amount with exactly two decimals, else None."""
    if _AMOUNT.fullmatch(text) is None or text == "-0.00":
        return None
    return int(text.replace(".", ""))


@lru_cache(maxsize=64)
def _day(text: str) -> str | None:
    match = _INSTANT.fullmatch(text)
    if match is None:
        return None
    try:
        return date(*map(int, match.groups())).isoformat()
    except ValueError:
        return None


def read(data: bytes, profile: XselProfile = DEFAULT) -> XselFile | list[XselError]:
    """The file in its frozen form, or everything that is wrong with it."""
    root = _root(data, profile)
    if isinstance(root, XselError):
        return [root]
    strange, found = list(_strange(root, profile)), _rows(_elements(root, profile), profile)
    if not strange:
        return found
    return [*strange, *found] if isinstance(found, list) else strange


def texts(data: bytes, profile: XselProfile = DEFAULT) -> list[dict[str, str]]:
    """The named texts of every row as they stand, known or not; nothing when there are no rows to be had."""
    root = _root(data, profile)
    return [] if isinstance(root, XselError) else [_texts(element) for element in _elements(root, profile)]


def _root(data: bytes, profile: XselProfile) -> etree._Element | XselError:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, LookupError, ValueError) as wrong:
        return XselError(0, "file", "XML", str(wrong), "a well-formed XML document")
    if root.getroottree().docinfo.internalDTD is not None:
        return XselError(0, "file", "DOCTYPE", "a document type declaration", "none")
    around = profile.envelope
    if root.tag != around.packet:
        return XselError(0, "file", "ENVELOPE", f"element {root.tag}", f"element {around.packet}")
    return root


def _elements(root: etree._Element, profile: XselProfile) -> list[etree._Element]:
    return root.findall(f"{profile.envelope.rowdata}/{profile.envelope.row}")


def _strange(root: etree._Element, profile: XselProfile) -> Iterator[XselError]:
    """What would be passed over: a packet without a place for rows, and elements there that are no rows."""
    around = profile.envelope
    places = root.findall(around.rowdata)
    if not places:
        inside = ", ".join(dict.fromkeys(str(child.tag) for child in root if isinstance(child.tag, str))) or "nothing"
        yield XselError(
            0, "file", "ENVELOPE", f"{inside} in {around.packet}", f"element {around.rowdata}, which holds the rows"
        )
    others = Counter(
        child.tag for place in places for child in place if isinstance(child.tag, str) and child.tag != around.row
    )
    for tag, count in others.items():
        yield XselError(
            0, "file", "ENVELOPE", f"{count} of element {tag} in {around.rowdata}", f"element {around.row} only"
        )


def _texts(element: etree._Element) -> dict[Any, Any]:
    found: dict[Any, Any] = dict(element.attrib)
    return {child.tag: child.text or "" for child in element} | found if len(element) else found


def _rows(elements: list[etree._Element], profile: XselProfile) -> XselFile | list[XselError]:
    errors: list[XselError] = []
    rows: list[XselRow] = []
    ranges: dict[tuple[str, str], int] = {}
    for row_no, element in enumerate(elements, start=1):
        found, wrong = _values(row_no, element, profile)
        errors += wrong
        if wrong:
            continue
        rows.append(
            XselRow(
                int(found["location"]),
                found["control_number"],
                found["account_number"],
                int(found["deal_number"]),
                found["ledger_account"],
                cents(found["amount"]) or 0,
                found.get("description", ""),
            )
        )
        ranges.setdefault((_day(found["start"]) or "", _day(found["end"]) or ""), row_no)
    if len(ranges) > 1:
        second = list(ranges.values())[1]
        errors.append(XselError(second, "start", "RANGE", "another date range", "that of the first row"))
    total = sum(row.amount_cents for row in rows)
    if total and not errors:
        errors.append(XselError(0, "amount", "NOT_ZERO", f"a sum of {_money(total)}", "0.00"))
    start, end = next(iter(ranges), (None, None))
    return errors or XselFile(start, end, tuple(rows))


def _values(row_no: int, element: etree._Element, profile: XselProfile) -> tuple[dict[str, str], list[XselError]]:
    """The texts of the known fields by role, and what is wrong with them."""
    found = _texts(element)
    values: dict[str, str] = {}
    errors: list[XselError] = []
    for item in profile.fields:
        text = found.get(item.name)
        if text is None:
            if item.role not in _OPTIONAL:
                errors.append(XselError(row_no, item.name, "MISSING", "no such field", "a value"))
            continue
        values[item.role] = text
        if (expected := _unreadable(item, text, row_no)) is not None:
            errors.append(XselError(row_no, item.name, "VALUE", repr(text), expected))
    return values, errors


def _unreadable(item: XselField, text: str, row_no: int) -> str | None:
    """What the field should hold when the text is not it."""
    kind = item.type
    if kind == "string":
        if item.role == "ledger_account" and not text.strip():
            return "a ledger account"
        return f"at most {item.width} characters" if len(text) > item.width else None
    if kind == "i4":
        if item.role == "key" and text != str(row_no):
            return f"{row_no}, for keys run from 1"
        return "a whole number, not negative" if _INTEGER.fullmatch(text) is None else None
    if kind == "dateTime":
        return "a day as YYYYMMDDT00:00:00000" if _day(text) is None else None
    return "an amount with two decimals" if cents(text) is None else None


def _money(amount: int) -> str:
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100}.{abs(amount) % 100:02d}"


# --- rules over rows ----------------------------------------------------------------------------------------


def zero_sum_problem(rows: Iterable[XselRow]) -> str | None:
    """Why a journal may not be exported, or None. Rows without a ledger account, the usual cause, are named."""
    total, nameless = 0, []
    for row_no, row in enumerate(rows, start=1):
        total += row.amount_cents
        if not row.ledger_account.strip():
            control = row.control_number or "no control number"
            nameless.append(f"row {row_no} ({control}, {_money(row.amount_cents)})")
    if nameless:
        more = f" and {len(nameless) - 5} more" if len(nameless) > 5 else ""
        return f"no ledger account for {', '.join(nameless[:5])}{more}"
    return f"the rows add to {_money(total)}, not to 0.00" if total else None


class Deal(Protocol):
    """What the control number check looks at: rows of a file, or leases."""

    @property
    def control_number(self) -> str: ...
    @property
    def account_number(self) -> str: ...
    @property
    def deal_number(self) -> int: ...


@dataclass(frozen=True, slots=True)
class SharedControl:
    """A control number on more than one deal, each as account and number: Xsellerator refuses the data."""

    control_number: str
    deals: tuple[tuple[str, int], ...]


def shared_control_numbers(rows: Iterable[Deal]) -> list[SharedControl]:
    """Every control number that names two deals, in order of first appearance. Blank ones name none."""
    deals: defaultdict[str, dict[tuple[str, int], None]] = defaultdict(dict)
    for row in rows:
        if row.control_number.strip():
            deals[row.control_number][row.account_number, row.deal_number] = None
    return [SharedControl(control, tuple(found)) for control, found in deals.items() if len(found) > 1]


def condense(rows: Iterable[XselRow], auto_accounts: Iterable[str] | Mapping[str, object] = ()) -> list[XselRow]:
    """Rows of equal location, control number and ledger account added into one, in order of first appearance.

    ``auto_accounts`` give exactly one row a location and ledger account, with blank control number, blank
    customer account and deal 0. What comes to 0.00 is dropped. The text is that of the first row added.
    """
    auto = frozenset(auto_accounts)
    first: dict[tuple[int, str, str], XselRow] = {}
    sums: defaultdict[tuple[int, str, str], int] = defaultdict(int)
    for row in rows:
        if row.ledger_account in auto:
            row = row._replace(control_number="", account_number="", deal_number=0)
        key = (row.location, row.control_number, row.ledger_account)
        first.setdefault(key, row)
        sums[key] += row.amount_cents
    return list(_condensed(first, sums))


def _condensed(
    first: Mapping[tuple[int, str, str], XselRow], sums: Mapping[tuple[int, str, str], int]
) -> Iterator[XselRow]:
    for key, row in first.items():
        if sums[key]:
            yield row._replace(amount_cents=sums[key])
