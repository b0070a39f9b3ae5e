"""Batch Assessment input, ``p<n>_btchassmt.dat`` (U0418): charges put on leases and assets.

Sent by upstream systems, read by the gateway; never sent on. After the vendor's public description of the
update (tags directly before their values, fixed order) and this project's inbound page, profile version 1;
every tag, width and code list is a table of ``parsers.profile``.

One record a line, items in this order, each at most once: ``<lease>`` or ``<asset>`` (exactly one),
``<invoice>``, ``<duedate>`` YYMMDD, ``<assmt>`` code, ``<amount>``, ``<ptcode>``, ``<fhcode>``,
``<liendate>``, ``<reason>``. One comma or blanks between items are tolerated; an optional item without a
value counts as absent. Amounts are cents. ``<ptcode>`` and ``<liendate>`` belong to property tax and
``<fhcode>`` to federal highway use tax: with another code the item is ignored, unread, with a warning.

Refused: TEXT_OUTSIDE_TAGS, UNKNOWN_TAG, TAG_REPEATED, TAG_ORDER, LEASE_AND_ASSET, LEASE_OR_ASSET_MISSING,
VALUE_MISSING, the AMOUNT_ codes, TOO_WIDE, BAD_IDENTIFIER, BAD_DATE, UNKNOWN_CODE, CODE_LEVEL, and the
codes of stray bytes and of lines without end.

>>> from parsers.profile import DEFAULT
>>> [chunk] = parse([b"<asset>778<duedate>030401<assmt>PTAX<amount>43298<ptcode>AUTO\\n"], profile=DEFAULT)
>>> Assessment(*chunk.records[0])
Assessment(line_no=1, lease=None, asset='778', invoice=None, due_date='2003-04-01', code='PTAX', \
amount_cents=43298, ptcode='AUTO', fhcode=None, liendate=None, reason=None)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import compress, repeat
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from parsers.base import ParsedChunk
from parsers.checks import IDENTIFIER, Cell, DateTable, Explained, Findings, cell, explained, shown, yymmdd
from parsers.codes import RejectCode, WarnCode
from parsers.engine import (
    Fast,
    Row,
    admit,
    cents_of,
    left_over,
    optional,
    parse_lines,
    rows_of,
    text_of,
    upper,
)
from parsers.profile import ASSESSMENT_ITEMS, Profile

PLAIN = ("lease", "code", "amount")
"""Most lines of most files hold these and nothing else; they have an expression of their own."""

_TAG = re.compile(r"<[^<> ,]*>")


class Assessment(NamedTuple):
    """One charge. ``lease`` or ``asset`` is None, never both."""

    line_no: int
    lease: str | None
    asset: str | None
    invoice: str | None
    due_date: str | None
    code: str
    amount_cents: int
    ptcode: str | None
    fhcode: str | None
    liendate: str | None
    reason: str | None


def parse(chunks: Iterable[bytes], *, profile: Profile) -> Iterator[ParsedChunk]:
    """The records, rejects and warnings of a file, up to CHUNK_RECORDS lines at a time."""
    return parse_lines(chunks, plan(profile), profile.line_limit)


def render(record: Row, profile: Profile) -> str:
    """The line (without terminator) that reads back as ``record``; its ``line_no`` is not used."""
    item = dict(zip(Assessment._fields[1:], record[1:], strict=True))
    item["due_date"] = item["due_date"] and yymmdd(item["due_date"])
    item["liendate"] = item["liendate"] and yymmdd(item["liendate"])
    item["amount"] = item.pop("amount_cents")
    return line_of(item, profile)


def line_of(item: dict[str, Any], profile: Profile) -> str:
    """The canonical line of values by item name, dates as YYMMDD; None and missing are left out."""
    table = profile.assessments
    return "".join(f"{getattr(table.tags, name)}{item[name]}" for name in table.order if item.get(name) is not None)


def explain_line(line: str, *, profile: Profile) -> list[Explained]:
    """The items of ``line`` with their columns, tag and value apart."""
    compiled = plan(profile)
    findings = Findings(1, compiled.dates)
    found: list[Explained] = []
    for tag, column, c in compiled.cells(line, findings):
        found.append((column, column + len(tag) - 1, "tag", tag, c.name))
        found.append(explained(c, compiled.value(c, findings)))
    return found


@lru_cache(maxsize=16)
def plan(profile: Profile) -> Plan:
    """The compiled halves of the format for ``profile``."""
    return Plan(profile)


class Plan:
    """Batch Assessment lines under one profile."""

    amount_at = 6

    def __init__(self, profile: Profile) -> None:
        self.widths, self.table = profile.widths, profile.assessments
        self.dates = DateTable(profile.date_pivot)
        self.names = {getattr(self.table.tags, name): name for name in self.table.order}
        self.lease_codes, self.asset_codes = frozenset(self.table.lease_codes), frozenset(self.table.asset_codes)
        self.limited = (
            ("ptcode", frozenset(self.table.ptcode_with), WarnCode.PTCODE_IGNORED),
            ("fhcode", frozenset(self.table.fhcode_with), WarnCode.FHCODE_IGNORED),
            ("liendate", frozenset(self.table.liendate_with), WarnCode.LIENDATE_IGNORED),
        )
        self.plain_order = tuple(name for name in self.table.order if name in PLAIN)
        self.plain_pattern, self.pattern = self._pattern(True), self._pattern(False)
        self.spaced = re.compile(r"(?<=[^\n ,>])" + self._separator() + "(?=<)")
        self.validate = self._validator()

    # the fast half

    def _pattern(self, plain: bool) -> re.Pattern[str]:
        """Each line once: a group an item, or all of it in the last group."""
        ident, w = f"[{IDENTIFIER}]", self.widths
        value = {"due_date": "(?:[0-9]{6})?", "liendate": "(?:[0-9]{6})?"}
        value |= {"code": f"{ident}{{1,{w.code}}}", "amount": f"[0-9]{{1,{w.assessment_money}}}"}
        widths = {"lease": w.lease, "asset": w.asset, "invoice": w.invoice}
        items = []
        for name in self.table.order:
            width = widths.get(name, w.code)
            item = f"{re.escape(self._label(name))}({value.get(name, f'{ident}{{0,{width}}}')})"
            if name in PLAIN and (plain or name != "lease"):
                items.append(item)
            elif not plain:
                items.append(f"(?:{item})?")
        return re.compile(f"{''.join(items)}\\n|(.*)\\n")

    def _separator(self) -> str:
        """What may stand between items, as an expression."""
        comma, blank = ("," in self.table.separators), (" " in self.table.separators)
        return {(1, 1): " *,? *", (1, 0): ",", (0, 1): " +", (0, 0): "(?!)"}[comma, blank]

    def _validator(self) -> Callable[[list[Row]], list[Row]]:
        """Rows as pydantic admits them: widths, closed code lists, positive cents."""
        w = self.widths
        lease, asset, invoice, day = (text_of(n) | None for n in (w.lease, w.asset, w.invoice, 10))
        code, cents = text_of(w.code) | None, cents_of(w.assessment_money)
        known: Any = Literal[(*self.table.lease_codes, *self.table.asset_codes)]
        return rows_of(lease, asset, invoice, day, known, cents, code, code, day, code)

    def fast(self, text: str, numbers: Sequence[int]) -> Fast:
        """A few hundred lines by column: those of the plain shape first, the others by the full expression."""
        if " " in text or "," in text:
            text = self.spaced.sub("", text).replace("> ", ">")
        rows, others, odd = self._plain(text, numbers)
        if others:
            rest = list(others)
            more, hard = self._full("".join([f"{others[n]}\n" for n in rest]), rest)
            rows = sorted(rows + more, key=itemgetter(0))
            odd |= hard
        return admit(self.validate, rows, odd)

    def _plain(self, text: str, numbers: Sequence[int]) -> tuple[list[Row], dict[int, str], set[int]]:
        """Rows of lines that hold lease, code and amount and nothing else; the other lines by number."""
        *columns, wrong = zip(*self.plain_pattern.findall(text), strict=True)
        others: dict[int, str] = {}
        if any(wrong):
            others = {n: line for n, line in zip(numbers, wrong, strict=True) if line}
            if len(others) == len(numbers):
                return [], others, set()
            keep = [not line for line in wrong]
            numbers, columns = [*compress(numbers, keep)], [(*compress(column, keep),) for column in columns]
        item = dict(zip(self.plain_order, columns, strict=True))
        lease, code = optional(upper(item["lease"])), upper(item["code"])
        none = repeat(None)
        rows = list(
            zip(numbers, lease, none, none, none, code, map(int, item["amount"]), none, none, none, none)  # noqa: B905
        )
        if all(lease) and self.lease_codes.issuperset(code):
            return rows, others, set()
        odd = self._levels(rows)
        return left_over(rows, odd), others, odd

    def _full(self, text: str, numbers: Sequence[int]) -> tuple[list[Row], set[int]]:
        """Rows of lines with any of the items, and the numbers of those that need careful reading."""
        *columns, wrong = zip(*self.pattern.findall(text), strict=True)
        odd = set(compress(numbers, wrong))
        item = dict(zip(self.table.order, columns, strict=True))
        code, cents = upper(item["code"]), [int(digits or 0) for digits in item["amount"]]
        due, lien = self._days(item["due_date"]), self._days(item["liendate"])
        lease, asset, invoice, ptcode, fhcode, reason = (
            optional(upper(item[name])) for name in ("lease", "asset", "invoice", "ptcode", "fhcode", "reason")
        )
        rows = list(zip(numbers, lease, asset, invoice, due, code, cents, ptcode, fhcode, lien, reason, strict=True))
        odd |= self._levels(rows)
        odd.update(n for column in (due, lien) if "" in column for n, day in zip(numbers, column) if day == "")  # noqa: B905
        for column, (_, codes, _) in zip((ptcode, fhcode, lien), self.limited, strict=True):
            if any(column):
                odd.update(n for n, v, c in zip(numbers, column, code, strict=True) if v is not None and c not in codes)
        return left_over(rows, odd), odd

    def _days(self, column: Sequence[str]) -> Sequence[str | None]:
        return list(map(self.dates.__getitem__, column)) if any(column) else (None,) * len(column)

    def _levels(self, rows: list[Row]) -> set[int]:
        """Lines that do not name exactly one of lease and asset, or whose code is of the other level."""
        lease_codes, asset_codes = self.lease_codes, self.asset_codes
        return {
            row[0]
            for row in rows
            if (row[1] is None) == (row[2] is None) or row[5] not in (lease_codes if row[2] is None else asset_codes)
        }

    # the careful half

    def careful(self, line: str, line_no: int) -> tuple[Row | None, Findings]:
        """One line with a reason for whatever is wrong in it."""
        findings = Findings(line_no, self.dates)
        findings.printable(line)  # a stray byte is reported first, and the money beside it still counted
        cells = {c.name: c for _, _, c in self.cells(line, findings)}
        end = len(line.rstrip(" ")) + 1
        value: dict[str, Any] = {}
        for name in ("code", "amount"):
            c = cells.get(name) or Cell(name, self._label(name), "", end, "")
            if findings.need(c):
                value[name] = self.value(c, findings)
        for name, codes, warning in self.limited:
            item = cells.get(name)
            if item is not None and item.text and value.get("code") not in (None, *codes):
                findings.warn(
                    warning,
                    name,
                    f"{item.label} with {value['code']}",
                    f"it with {' or '.join(sorted(codes))} only",
                    "nothing to do, the item was ignored and the record stands",
                )
                del cells[name]
        for name, c in cells.items():
            if name not in ("code", "amount"):
                value[name] = self.value(c, findings)
        self._target(cells, value, findings, end)
        if findings.faults:
            return None, findings
        return self.validate([(line_no, *(value.get(name) for name in ASSESSMENT_ITEMS))])[0], findings

    def _label(self, name: str) -> str:
        return str(getattr(self.table.tags, name))

    def cells(self, line: str, findings: Findings) -> list[tuple[str, int, Cell]]:
        """Tag, its column and its value, in the order of the line; faults of the tags noted."""
        tags = [*_TAG.finditer(line)]
        lead = line[: tags[0].start()] if tags else line
        if lead.strip(" "):
            findings.fault(
                RejectCode.TEXT_OUTSIDE_TAGS,
                "line",
                len(lead) - len(lead.lstrip(" ")) + 1,
                f"{shown(lead.strip(' '))} before the first tag",
                "a line that begins with " + " or ".join(self._label(n) for n in self.table.order[:2]),
                "correct the start of the line and drop it again",
            )
        found: list[tuple[str, int, Cell]] = []
        at = -1
        for index, match in enumerate(tags):
            end = tags[index + 1].start() if index + 1 < len(tags) else len(line)
            name = self.names.get(match.group())
            if name is None:
                self._unknown(match, findings)
                continue
            place = self.table.order.index(name)
            self._ordered(match, name, at, place, found, findings)
            at = max(at, place)
            raw = line[match.end() : end]
            if index + 1 < len(tags):
                raw = self._unseparated(raw)
            found.append((match.group(), match.start() + 1, cell(name, match.group(), raw, match.end() + 1)))
        return found

    def _unseparated(self, raw: str) -> str:
        """``raw`` without the tolerated separator before the next tag."""
        text = raw.rstrip(" ") if " " in self.table.separators else raw
        return text[:-1] if "," in self.table.separators and text.endswith(",") and text != "," else text

    def _unknown(self, match: re.Match[str], findings: Findings) -> None:
        tag = match.group()
        near = tag.lower()
        findings.fault(
            RejectCode.UNKNOWN_TAG,
            "line",
            match.start() + 1,
            f"the tag {shown(tag)}",
            "one of " + " ".join(self.names),
            f"write it as {near} and drop the line again"
            if near in self.names
            else "correct or remove the item and drop the line again",
        )

    def _ordered(
        self,
        match: re.Match[str],
        name: str,
        at: int,
        place: int,
        found: list[tuple[str, int, Cell]],
        findings: Findings,
    ) -> None:
        tag, column = match.group(), match.start() + 1
        if any(c.name == name for _, _, c in found):
            findings.fault(
                RejectCode.TAG_REPEATED,
                name,
                column,
                f"{tag} a second time",
                "each item once",
                "write one record a line and drop it again",
            )
        elif place < at:
            findings.fault(
                RejectCode.TAG_ORDER,
                name,
                column,
                f"{tag} after {self._label(self.table.order[at])}",
                "the order " + " ".join(self.names),
                "put the items in order and drop the line again",
            )

    def value(self, c: Cell, findings: Findings) -> Any:
        """The value of one item, faults noted."""
        w = self.widths
        if c.name == "amount":
            return findings.amount(c, w.assessment_money)
        if c.name in ("due_date", "liendate"):
            return findings.date(c)
        width = {"lease": w.lease, "asset": w.asset, "invoice": w.invoice}.get(c.name, w.code)
        return findings.identifier(c, width)

    def _target(self, cells: dict[str, Cell], value: dict[str, Any], findings: Findings, end: int) -> None:
        """Exactly one of lease and asset, and a code of its level."""
        lease, asset = (bool(cells[n].text) if n in cells else False for n in ("lease", "asset"))
        one, names = "exactly one of them", (self._label("lease"), self._label("asset"))
        if lease and asset:
            column = cells["asset"].column
            action = "write one line for the lease and one for the asset"
            findings.fault(RejectCode.LEASE_AND_ASSET, "asset", column, "both " + " and ".join(names), one, action)
        elif not lease and not asset:
            action = "add the one to charge and drop the line again"
            findings.fault(
                RejectCode.LEASE_OR_ASSET_MISSING, "lease", end, "neither " + " nor ".join(names), one, action
            )
        code = value.get("code")
        if code is None:
            return
        c = cells["code"]
        if code not in self.lease_codes and code not in self.asset_codes:
            expected = "one of " + " ".join((*self.table.lease_codes, *self.table.asset_codes))
            findings.fault(RejectCode.UNKNOWN_CODE, "code", c.column, f"{shown(c.text)} for {c.label}", expected)
        elif lease != asset and code not in (self.lease_codes if lease else self.asset_codes):
            here, there = ("lease", "asset") if lease else ("asset", "lease")
            findings.fault(
                RejectCode.CODE_LEVEL,
                "code",
                c.column,
                f"the {there}-level code {code} with {self._label(here)}",
                f"{self._label(there)} for it",
                f"charge it by {self._label(there)} or correct the code",
            )
