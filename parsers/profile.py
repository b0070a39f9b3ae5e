"""How a site's inbound batch files are written: tags, letters, order, widths, as tables.

Everything that the vendor's public pages on its batch files do not state outright is here and not in an ``if``, so that
a site that owns the vendor's manual corrects a table. ``DEFAULT`` is this product's reading of those pages;
``profile_from_mapping`` lays the parsed TOML of ``config/formats/*.toml`` over it and reports every
mistake at once. Profiles are frozen and hashable: the format modules compile a plan once for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from parsers.states import US_STATES

KINDS = ("assessments", "escrow", "reversals", "payments")
"""The four kinds of inbound file."""


class ProfileError(ValueError):
    """Mistakes in a profile, all of them: ``mistakes`` holds one sentence each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Names:
    """Root names by kind, and whether a file of escrow may come without ``p<n>_`` (no other kind may)."""

    assessments: tuple[str, ...] = ("btchassmt",)
    escrow: tuple[str, ...] = ("btchescr",)
    reversals: tuple[str, ...] = ("bptmtrev", "bpmtrev")
    payments: tuple[str, ...] = ("btchpmt",)
    bare: tuple[str, ...] = ("escrow",)


@dataclass(frozen=True, slots=True)
class Widths:
    """Greatest width of a value, in characters (of amounts: digits)."""

    lease: int = 10
    asset: int = 10
    invoice: int = 8
    check: int = 10
    code: int = 4
    money: int = 15
    assessment_money: int = 10
    name: int = 36
    address: int = 36
    address2: int = 36
    city: int = 25
    reference: int = 36
    note: int = 80


@dataclass(frozen=True, slots=True)
class Tags:
    """The literal before each item of an assessment line; case sensitive."""

    lease: str = "<lease>"
    asset: str = "<asset>"
    invoice: str = "<invoice>"
    due_date: str = "<duedate>"
    code: str = "<assmt>"
    amount: str = "<amount>"
    ptcode: str = "<ptcode>"
    fhcode: str = "<fhcode>"
    liendate: str = "<liendate>"
    reason: str = "<reason>"


ASSESSMENT_ITEMS = tuple(f.name for f in fields(Tags))
LEASE_CODES = (
    *(f"RCR{n}" for n in range(1, 10)),
    *(f"RC{n}" for n in range(10, 16)),
    *("LTCH", "COLL", "ASMF", "LEGF", "PEXT", "LEXT", "ITCF", "LSRW", "OTHF"),
)


@dataclass(frozen=True, slots=True)
class AssessmentProfile:
    """``p<n>_btchassmt.dat``. ``*_with`` name the codes that may carry the item; else it is ignored."""

    order: tuple[str, ...] = ASSESSMENT_ITEMS
    separators: tuple[str, ...] = (",", " ")
    lease_codes: tuple[str, ...] = LEASE_CODES
    asset_codes: tuple[str, ...] = ("PTAX", "FHUT", "UTAX")
    ptcode_with: tuple[str, ...] = ("PTAX",)
    fhcode_with: tuple[str, ...] = ("FHUT",)
    liendate_with: tuple[str, ...] = ("PTAX",)
    tags: Tags = field(default_factory=Tags)


ESCROW_ITEMS = (
    *("lease", "disbursal_date", "amount", "check_no", "payee", "address", "address2"),
    *("city", "state", "zip", "reference", "asset", "bank"),
)


@dataclass(frozen=True, slots=True)
class EscrowProfile:
    """``btchescr.dat``. ``free_form`` is the state of an address outside the United States."""

    order: tuple[str, ...] = ESCROW_ITEMS
    required: tuple[str, ...] = (*ESCROW_ITEMS[:6], "city", "state", "zip")
    states: tuple[str, ...] = tuple(US_STATES)
    free_form: str = "FF"
    zip_digits: tuple[int, ...] = (5, 9)
    first_bank: int = 125
    last_bank: int = 144


@dataclass(frozen=True, slots=True)
class ReversalLetters:
    """Prefix letters of a reversal line."""

    invoice: str = "I"
    lease: str = "L"
    batch: str = "B"
    reason: str = "R"
    check: str = "C"
    effective: str = "E"
    bank: str = "G"


@dataclass(frozen=True, slots=True)
class ReversalProfile:
    """``p<n>_bptmtrev.dat``. A reason begins with the letter of its family."""

    reason_families: tuple[str, ...] = ("N", "S", "U", "T", "O")
    letters: ReversalLetters = field(default_factory=ReversalLetters)


@dataclass(frozen=True, slots=True)
class PaymentLetters:
    """Prefix letters of a payment line."""

    invoice: str = "I"
    lease: str = "L"
    check: str = "C"
    effective: str = "E"
    due: str = "D"
    account: str = "A"
    batch: str = "B"
    origination: str = "O"
    note: str = "N"


@dataclass(frozen=True, slots=True)
class PaymentProfile:
    """``p<n>_btchpmt.dat``. ``clearing`` is the account word of a payment without cash."""

    first_account: int = 125
    last_account: int = 144
    clearing: str = "CLR"
    letters: PaymentLetters = field(default_factory=PaymentLetters)


@dataclass(frozen=True, slots=True)
class Profile:
    """All tables of the inbound files. Two-digit years from ``date_pivot`` on are 19xx, below it 20xx."""

    date_pivot: int = 70
    line_limit: int = 4096
    names: Names = field(default_factory=Names)
    widths: Widths = field(default_factory=Widths)
    assessments: AssessmentProfile = field(default_factory=AssessmentProfile)
    escrow: EscrowProfile = field(default_factory=EscrowProfile)
    reversals: ReversalProfile = field(default_factory=ReversalProfile)
    payments: PaymentProfile = field(default_factory=PaymentProfile)


DEFAULT = Profile()


def profile_from_mapping(default: Profile, mapping: Mapping[str, Any]) -> Profile:
    """``default`` with the keys of ``mapping`` laid over it. Raises ProfileError with every mistake."""
    mistakes: list[str] = []
    profile: Profile = _overlay(default, mapping, "", mistakes)
    if not mistakes:
        mistakes = [*_impossible(profile)]
    if mistakes:
        raise ProfileError(mistakes)
    return profile


def _overlay(default: Any, mapping: Mapping[str, Any], path: str, mistakes: list[str]) -> Any:
    known = {f.name: getattr(default, f.name) for f in fields(default)}
    changes: dict[str, Any] = {}
    for key, value in mapping.items():
        name = f"{path}{key}"
        if key not in known:
            mistakes.append(f"Found the key {name}, expected one of {', '.join(known)}: remove or correct it.")
        elif is_dataclass(known[key]):
            if isinstance(value, Mapping):
                changes[key] = _overlay(known[key], value, f"{name}.", mistakes)
            else:
                mistakes.append(f"Found {value!r} for {name}, expected a table: write it as [{name}].")
        else:
            try:
                changes[key] = _like(known[key], value)
            except ValueError as wrong:
                mistakes.append(f"Found {value!r} for {name}, expected {wrong}: correct it.")
    return replace(default, **changes)


def _like(default: Any, value: Any) -> Any:
    """``value`` in the type of ``default``; ValueError names the type expected."""
    if isinstance(default, int):
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        raise ValueError("a whole number, not negative")
    if isinstance(default, str):
        if isinstance(value, str) and value and value.isascii() and value.isprintable():
            return value
        raise ValueError("plain text, not empty")
    item = default[0] if default else ""
    if isinstance(value, list | tuple):
        return tuple(_like(item, one) for one in value)
    raise ValueError("a list")


def _impossible(profile: Profile) -> Iterator[str]:
    """One sentence for each thing no parser could be built from."""
    if not 0 <= profile.date_pivot <= 100:
        yield f"Found date_pivot {profile.date_pivot}, expected 0 to 100: correct it."
    if not 256 <= profile.line_limit <= 65536:
        yield f"Found line_limit {profile.line_limit}, expected 256 to 65536: correct it."
    for width in fields(Widths):
        size = getattr(profile.widths, width.name)
        high = 18 if "money" in width.name else 200
        if not 1 <= size <= high:
            yield f"Found widths.{width.name} {size}, expected 1 to {high}: correct it."
    yield from _bad_names(profile.names)
    yield from _bad_assessments(profile.assessments)
    yield from _bad_escrow(profile.escrow)
    yield from _bad_letters("reversals.letters", profile.reversals.letters)
    yield from _bad_letters("payments.letters", profile.payments.letters)
    for family in profile.reversals.reason_families:
        if not re.fullmatch("[A-Z]", family):
            yield f"Found reversals.reason_families {family!r}, expected one capital letter each: correct it."
    pay = profile.payments
    yield from _bad_range("payments.first_account", pay.first_account, pay.last_account)
    if not re.fullmatch("[A-Z]{1,4}", pay.clearing):
        yield f"Found payments.clearing {pay.clearing!r}, expected one to four capital letters: correct it."


def _bad_names(names: Names) -> Iterator[str]:
    for kind in KINDS:
        roots = getattr(names, kind)
        if not roots:
            yield f"Found no root name in names.{kind}, expected at least one: add it."
        for root in roots:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", root):
                yield f"Found names.{kind} {root!r}, expected letters, digits, _ and -: correct it."
    for kind in names.bare:
        if kind not in KINDS:
            yield f"Found names.bare {kind!r}, expected escrow or nothing: correct it."
        elif kind != "escrow":  # nothing looks for portfolios line by line in the others
            yield f"Found names.bare {kind!r}, expected escrow only: its lines name leases, other files are of one portfolio; remove it."


def _bad_order(name: str, found: tuple[str, ...], wanted: tuple[str, ...]) -> Iterator[str]:
    if sorted(found) != sorted(wanted):
        yield f"Found {', '.join(found)} in {name}, expected each of {', '.join(wanted)} once: correct it."


def _bad_range(name: str, first: int, last: int) -> Iterator[str]:
    if not 100 <= first <= last <= 999:
        yield f"Found {first} to {last} from {name} on, expected three digits, rising: correct it."


def _bad_assessments(table: AssessmentProfile) -> Iterator[str]:
    yield from _bad_order("assessments.order", table.order, ASSESSMENT_ITEMS)
    tags = [getattr(table.tags, item) for item in ASSESSMENT_ITEMS]
    for item, tag in zip(ASSESSMENT_ITEMS, tags, strict=True):
        if not re.fullmatch("<[!-;=?-~]+>", tag):
            yield f"Found assessments.tags.{item} {tag!r}, expected a word in angle brackets: correct it."
    if len(set(tags)) != len(tags):
        yield "Found one tag twice in assessments.tags, expected ten different ones: correct it."
    for separator in table.separators:
        if separator not in (",", " "):
            yield f"Found assessments.separators {separator!r}, expected ',' and ' ' only: correct it."
    both = sorted(set(table.lease_codes) & set(table.asset_codes))
    if both:
        yield f"Found {', '.join(both)} in both code lists, expected one level for each code: correct it."
    known = {*table.lease_codes, *table.asset_codes}
    if not table.lease_codes or not table.asset_codes:
        yield "Found an empty code list in assessments, expected codes for both levels: add them."
    for code in known:
        if not re.fullmatch("[A-Z0-9]+", code):
            yield f"Found the assessment code {code!r}, expected capital letters and digits: correct it."
    for key in ("ptcode_with", "fhcode_with", "liendate_with"):
        for code in getattr(table, key):
            if code not in known:
                yield f"Found assessments.{key} {code!r}, expected a code of the two lists: correct it."


def _bad_escrow(table: EscrowProfile) -> Iterator[str]:
    yield from _bad_order("escrow.order", table.order, ESCROW_ITEMS)
    for item in table.required:
        if item not in ESCROW_ITEMS:
            yield f"Found escrow.required {item!r}, expected one of {', '.join(ESCROW_ITEMS)}: correct it."
    for item in ("lease", "disbursal_date", "amount"):
        if item not in table.required:
            yield f"Found escrow.required without {item}, expected it there: add it."
    for item in ("address2", "reference"):
        if item in table.required:
            yield f"Found escrow.required with {item}, expected it optional: remove it."
    for state in (*table.states, table.free_form):
        if not re.fullmatch("[A-Z]{2}", state):
            yield f"Found the state {state!r}, expected two capital letters: correct it."
    yield from _bad_range("escrow.first_bank", table.first_bank, table.last_bank)


def _bad_letters(name: str, letters: ReversalLetters | PaymentLetters) -> Iterator[str]:
    values = [getattr(letters, f.name) for f in fields(letters)]
    for value in values:
        if not re.fullmatch("[A-Za-z]", value):
            yield f"Found {value!r} in {name}, expected one letter each: correct it."
    if len(set(values)) != len(values):
        yield f"Found one letter twice in {name}, expected different ones: correct it."
