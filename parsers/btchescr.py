"""Batch Escrow Disbursement input, ``p<n>_btchescr.dat`` or ``btchescr.dat`` (U0409): checks out of escrow.

Sent by upstream systems, read by the gateway; never sent on. After the vendor's public description of the
update and this project's inbound page, profile version 1; order, required values, states and banks are a
table of ``parsers.profile``.

One record a line, comma separated, blanks around values ignored, no prefixes: lease, disbursal date YYMMDD,
amount in cents, check number, payee, address, address 2, city, state, zip, reference, asset, bank. Double
quotes may enclose a value with commas; two of them stand for one inside. With 13 values all are there; with
12 the places of state and zip tell whether address 2 or the reference is missing; with 11 both are: the
vendor's own example has eleven, its last two being the asset and the bank. State ``FF`` is an address in
free form: its zip is not checked and may be blank, as may its city. Bank: a cash account 125..144, or blank.

Refused: QUOTE_MISPLACED, VALUE_COUNT, LAYOUT_UNDECIDED, VALUE_MISSING, the AMOUNT_ codes, TOO_WIDE,
BAD_IDENTIFIER, BAD_DATE, BAD_STATE, BAD_ZIP, BAD_BANK, and the codes of stray bytes and of lines without end.

>>> from parsers.profile import DEFAULT
>>> line = b"50, 970104, 500, 0001, smith, 111 anza, burlingame, ca, 94010, 79,125\\n"
>>> [chunk] = parse([line], profile=DEFAULT)
>>> Escrow(*chunk.records[0])
Escrow(line_no=1, lease='50', disbursal_date='1997-01-04', amount_cents=500, check_no='0001', payee='smith', \
address='111 anza', address2=None, city='burlingame', state='CA', zip='94010', reference=None, asset='79', \
bank='125')
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from parsers.base import ParsedChunk
from parsers.checks import (
    IDENTIFIER,
    Cell,
    DateTable,
    Explained,
    Findings,
    cell,
    explained,
    shown,
    table_of,
    yymmdd,
)
from parsers.codes import RejectCode
from parsers.engine import (
    Fast,
    Row,
    admit,
    cents_of,
    closed_up,
    left_over,
    optional,
    parse_lines,
    rows_of,
    text_of,
    upper,
)
from parsers.profile import Profile

Layout = tuple[str, ...]

_CELL = re.compile(r' *(?:"((?:[^"]|"")*)" *|([^",]*))(?:,|$)')
_STRAY = re.compile("[^ -~\n]")
_IDENTIFIERS = re.compile(f"[{IDENTIFIER}\n]*")


class Escrow(NamedTuple):
    """One check to a payee out of a lease's escrow."""

    line_no: int
    lease: str
    disbursal_date: str
    amount_cents: int
    check_no: str | None
    payee: str | None
    address: str | None
    address2: str | None
    city: str | None
    state: str | None
    zip: str | None
    reference: str | None
    asset: str | None
    bank: str | None


FIELDS = tuple("amount" if name == "amount_cents" else name for name in Escrow._fields[1:])
IDENTIFIERS = ("lease", "check_no", "asset")


def parse(chunks: Iterable[bytes], *, profile: Profile) -> Iterator[ParsedChunk]:
    """The records and rejects of a file, up to CHUNK_RECORDS lines at a time."""
    return parse_lines(chunks, plan(profile), profile.line_limit)


def render(record: Row, profile: Profile) -> str:
    """The line of 13 values (without terminator) that reads back as ``record``."""
    item = dict(zip(Escrow._fields[1:], record[1:], strict=True))
    return line_of(item | {"disbursal_date": yymmdd(item["disbursal_date"])}, profile)


def line_of(item: dict[str, Any], profile: Profile) -> str:
    """The canonical line of values by field name, the date as YYMMDD; None is blank."""
    values = [item.get("amount_cents" if name == "amount" else name) for name in profile.escrow.order]
    return ",".join(_quoted("" if value is None else str(value)) for value in values)


def _quoted(text: str) -> str:
    if '"' in text or "," in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def explain_line(line: str, *, profile: Profile) -> list[Explained]:
    """The values of ``line`` with their columns and meanings; unnamed when they cannot be told apart."""
    compiled = plan(profile)
    findings = Findings(1, compiled.dates)
    values = compiled.values(line, findings)
    cells = compiled.named(values, findings)
    if cells is None:
        return [explained(c, c.text) for c in values]
    return [explained(c, compiled.value(c, cells, findings)) for c in cells.values() if c.column]


@lru_cache(maxsize=16)
def plan(profile: Profile) -> Plan:
    """The compiled halves of the format for ``profile``."""
    return Plan(profile)


class Plan:
    """Batch Escrow lines under one profile."""

    amount_at = 3

    def __init__(self, profile: Profile) -> None:
        self.widths, self.table = profile.widths, profile.escrow
        self.dates = DateTable(profile.date_pivot)
        self.states = frozenset(self.table.states)
        self.banks = table_of(self.table.first_bank, self.table.last_bank)
        order = self.table.order
        self.layouts: dict[int, tuple[Layout, ...]] = {
            13: (order,),
            12: (_without(order, "address2"), _without(order, "reference")),
            11: (_without(order, "address2", "reference"),),
        }
        self.free = frozenset(("city", "zip"))
        self.validate = self._validator()

    def _validator(self) -> Callable[[list[Row]], list[Row]]:
        """Rows as pydantic admits them; city and zip may be blank in an address of free form."""
        w, optional_here = self.widths, frozenset(FIELDS) - frozenset(self.table.required) | self.free
        sizes = {"lease": w.lease, "check_no": w.check, "payee": w.name, "address": w.address, "asset": w.asset}
        sizes |= {"address2": w.address2, "city": w.city, "zip": ZIP_WIDTH, "reference": w.reference}
        types = {name: text_of(size) for name, size in sizes.items()}
        types |= {"disbursal_date": text_of(10, 10), "state": text_of(2, 2), "bank": text_of(3, 3)}
        types["amount"] = cents_of(w.money)
        return rows_of(*(types[name] | None if name in optional_here else types[name] for name in FIELDS))

    # which value is which

    def layout(self, values: Sequence[str]) -> Layout | None:
        """The names of ``values`` in order; None when their number fits none or two layouts fit none or both."""
        layouts = self.layouts.get(len(values), ())
        if len(layouts) == 1:
            return layouts[0]
        fits = [one for one in layouts if self._addressed(one, values, strict=True)]
        fits = fits or [one for one in layouts if self._addressed(one, values, strict=False)]
        return fits[0] if len(fits) == 1 else None

    def _addressed(self, layout: Layout, values: Sequence[str], strict: bool) -> bool:
        """Whether state and zip stand where ``layout`` has them; a free form proves less than a state."""
        state = values[layout.index("state")].strip(" ").upper()
        code = values[layout.index("zip")].strip(" ")
        if state == self.table.free_form:
            return not strict
        return state in self.states and self._zip_ok(code)

    def _zip_ok(self, code: str) -> bool:
        return len(code) in self.table.zip_digits and code.isascii() and code.isdigit()

    # the fast half

    def fast(self, text: str, numbers: Sequence[int]) -> Fast:
        """A few hundred lines by column, those of one layout together; lines with quotes are left."""
        odd: set[int] = set()
        lines = text.split("\n")[:-1]
        if '"' in text or not text.isascii() or not text.replace("\n", "").isprintable():
            odd = {n for n, s in zip(numbers, lines, strict=True) if '"' in s or _STRAY.search(s)}
        if " " in text:
            text = closed_up(text)
            lines = text.split("\n")[:-1]
        sizes = {line.count(",") + 1 for line in lines}
        size = sizes.pop()
        layouts = () if sizes else self.layouts.get(size, ())
        if not odd and len(layouts) == 1:
            values = text[:-1].replace("\n", ",").split(",")
            rows = self._columns(layouts[0], numbers, [values[at::size] for at in range(size)], odd)
        else:
            rows = self._by_layout(numbers, [line.split(",") for line in lines], odd)
        return admit(self.validate, rows, odd)

    def _by_layout(self, numbers: Sequence[int], split: list[list[str]], odd: set[int]) -> list[Row]:
        """Rows of lines of several layouts, in order of their numbers; ``odd`` gains those of none."""
        groups: dict[Layout, tuple[list[int], list[list[str]]]] = {}
        for number, values in zip(numbers, split, strict=True):
            layout = None if number in odd else self.layout(values)
            if layout is None:
                odd.add(number)
                continue
            group = groups.setdefault(layout, ([], []))
            group[0].append(number)
            group[1].append(values)
        rows = [
            row
            for layout, (some, lines) in groups.items()
            for row in self._columns(layout, some, list(zip(*lines, strict=True)), odd)
        ]
        return sorted(rows, key=itemgetter(0)) if len(groups) > 1 else rows

    def _columns(
        self, layout: Layout, numbers: Sequence[int], columns: Sequence[Sequence[str]], odd: set[int]
    ) -> list[Row]:
        """Rows of lines of one layout; ``odd`` gains those that need careful reading."""
        item: dict[str, Sequence[str]] = dict.fromkeys(FIELDS, ("",) * len(numbers))
        item.update(zip(layout, columns, strict=True))
        for name in (*IDENTIFIERS, "state", "bank"):
            item[name] = upper(item[name])
        for name in IDENTIFIERS:
            if not _IDENTIFIERS.fullmatch("\n".join(item[name])):
                odd.update(n for n, v in zip(numbers, item[name], strict=True) if not _IDENTIFIERS.fullmatch(v))
        if "" not in item["amount"] and "".join(item["amount"]).isdecimal():
            cents = list(map(int, item["amount"]))
        else:
            cents = [int(v) if v.isdecimal() else 0 for v in item["amount"]]
        if max(map(len, item["amount"])) > self.widths.money:
            odd.update(n for n, v in zip(numbers, item["amount"], strict=True) if len(v) > self.widths.money)
        days = list(map(self.dates.__getitem__, item["disbursal_date"]))
        if "" in days:
            odd.update(n for n, day in zip(numbers, days, strict=True) if day == "")
        if not self.banks.issuperset(filter(None, item["bank"])):
            odd.update(n for n, v in zip(numbers, item["bank"], strict=True) if v and v not in self.banks)
        odd |= self._odd_addresses(numbers, item)
        values = {name: optional(column) for name, column in item.items() if name != "amount"}
        values["disbursal_date"] = days
        rows = zip(numbers, *(cents if name == "amount" else values[name] for name in FIELDS), strict=True)
        return left_over(rows, odd)

    def _odd_addresses(self, numbers: Sequence[int], item: dict[str, Sequence[str]]) -> set[int]:
        """Lines whose state is not of the United States, whose zip is wrong, or whose city is blank."""
        if self.states.issuperset(item["state"]) and all(item["city"]) and all(map(self._zip_ok, set(item["zip"]))):
            return set()
        return {
            n
            for n, city, state, code in zip(numbers, item["city"], item["state"], item["zip"], strict=True)
            if not (city and state in self.states and self._zip_ok(code))
        }

    # the careful half

    def careful(self, line: str, line_no: int) -> tuple[Row | None, Findings]:
        """One line with a reason for whatever is wrong in it."""
        findings = Findings(line_no, self.dates)
        findings.printable(line)  # a stray byte is reported first, and the money beside it still counted
        values = self.values(line, findings)
        cells = None if findings.faults else self.named(values, findings)
        if cells is None:
            return None, findings
        row = [self.value(cells[name], cells, findings) for name in FIELDS]
        if findings.faults:
            return None, findings
        return self.validate([(line_no, *row)])[0], findings

    def values(self, line: str, findings: Findings) -> list[Cell]:
        """The values of ``line``, quotes taken off, not yet named."""
        found: list[Cell] = []
        at = 0
        while True:
            match = _CELL.match(line, at)
            if match is None:
                findings.fault(
                    RejectCode.QUOTE_MISPLACED,
                    "line",
                    line.index('"', at) + 1,
                    f"a double quote in value {len(found) + 1}",
                    "quotes around a whole value, and two of them for one inside",
                    "correct the quotes and drop the line again",
                )
                return found
            quoted, bare = match.groups()
            label = f"value {len(found) + 1}"
            if bare is None:
                found.append(cell("value", label, quoted.replace('""', '"'), match.start(1) + 1))
            else:
                found.append(cell("value", label, bare, match.start(2) + 1))
            at = match.end()
            if line[at - 1 : at] != "," or at == match.start():
                return found

    def named(self, values: list[Cell], findings: Findings) -> dict[str, Cell] | None:
        """``values`` by name, the missing ones blank; None and a fault when they cannot be told apart."""
        if len(values) not in self.layouts:
            findings.fault(
                RejectCode.VALUE_COUNT,
                "line",
                1,
                f"{len(values)} values",
                "11, 12 or 13 values: " + ", ".join(self.table.order),
                "correct the commas, or quote the value that holds one, and drop the line again",
            )
            return None
        layout = self.layout([c.text for c in values])
        if layout is None:
            first, second = ([one.index(n) + 1 for n in ("state", "zip")] for one in self.layouts[12])
            findings.fault(
                RejectCode.LAYOUT_UNDECIDED,
                "state",
                values[first[0] - 1].column,
                "12 values without a state and zip that tell which one is missing",
                f"state and zip as values {first[0]} and {first[1]} (no address 2)"
                f" or {second[0]} and {second[1]} (no reference)",
                "correct state and zip, or write all 13 values, and drop the line again",
            )
            return None
        cells = {name: Cell(name, "", "", 0, "") for name in FIELDS}
        for name, c in zip(layout, values, strict=True):
            cells[name] = Cell(name, "the " + name.replace("_", " "), c.text, c.column, c.raw)
        return cells

    def value(self, c: Cell, cells: dict[str, Cell], findings: Findings) -> Any:
        """The value of one cell, faults noted."""
        w = self.widths
        free = cells["state"].text.upper() == self.table.free_form
        if c.name == "amount":
            return findings.amount(c, w.money)
        if c.name in self.table.required and not (free and c.name in self.free) and not findings.need(c):
            return None
        if c.name == "disbursal_date":
            return findings.date(c)
        if c.name in IDENTIFIERS:
            return findings.identifier(c, {"lease": w.lease, "check_no": w.check, "asset": w.asset}[c.name])
        if c.name == "bank":
            expected = f"a cash account from {self.table.first_bank} to {self.table.last_bank}"
            return findings.digits(c, self.banks, RejectCode.BAD_BANK, expected)
        if c.name == "state":
            expected = f"a state of the United States, or {self.table.free_form} for an address in free form"
            return findings.digits(c, self.states, RejectCode.BAD_STATE, expected, (self.table.free_form,))
        if c.name == "zip":
            return self._zip(c, free, findings)
        width = {"payee": w.name, "address": w.address, "address2": w.address2, "city": w.city}
        return findings.text(c, width.get(c.name, w.reference))

    def _zip(self, c: Cell, free: bool, findings: Findings) -> str | None:
        if free or not c.text:
            return findings.text(c, ZIP_WIDTH)
        if not self._zip_ok(c.text):
            sizes = " or ".join(map(str, self.table.zip_digits))
            findings.fault(RejectCode.BAD_ZIP, "zip", c.column, f"{shown(c.text)} for {c.label}", f"{sizes} digits")
            return None
        return c.text


ZIP_WIDTH = 10
"""Of an address in free form, where a postal code is not a zip."""


def _without(order: Layout, *names: str) -> Layout:
    return tuple(name for name in order if name not in names)
