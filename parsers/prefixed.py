"""Lines of the form ``I<invoice>`` or ``L<lease>``, amount, then items told apart by their first letter.

The shared engine of Batch Payments and Batch Payment Reversal. A format gives its letters and what each
item holds; here its lines are cut, in bulk by one expression and singly with words for each fault. Items
after the amount may stand in any order, each once; a blank optional item counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from parsers.checks import (
    IDENTIFIER,
    Cell,
    DateTable,
    Explained,
    Findings,
    cell,
    explained,
    shown,
    yymmdd,
)
from parsers.codes import RejectCode
from parsers.engine import Fast, Row, admit, closed_up, left_over, optional, upper
from parsers.profile import Profile

__all__ = ["Item", "PrefixedPlan", "Shape", "explain", "line_of", "render"]


@dataclass(frozen=True, slots=True)
class Item:
    """One item behind a letter: its name in the record, what it holds, and the greatest width."""

    name: str
    letter: str
    kind: str
    """``identifier``, ``date``, ``batch``, ``text``, ``digits`` (of ``allowed``) or ``number`` (three digits)."""
    width: int
    allowed: frozenset[str] = frozenset()
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """A format's tables: the two target letters, widths, items in canonical order, whether the first is due."""

    invoice: str
    lease: str
    items: tuple[Item, ...]
    record: tuple[str, ...]
    batch_third: bool


class PrefixedPlan:
    """Lines of one shape. ``settle`` gives a format its last word on a row's items in careful reading."""

    amount_at = 3

    def __init__(
        self,
        profile: Profile,
        shape: Shape,
        validate: Callable[[list[Row]], list[Row]],
        settle: Callable[[dict[str, Any], dict[str, Cell], Findings], None],
        strange: Callable[[dict[str, Sequence[str | None]], Sequence[int]], set[int]],
    ) -> None:
        self.profile, self.shape, self.validate = profile, shape, validate
        self.settle, self.strange = settle, strange
        self.dates = DateTable(profile.date_pivot)
        self.by_letter = {item.letter: item for item in shape.items}
        self.in_order, self.in_any_order = self._pattern(True), self._pattern(False)
        self.order = [name for name in shape.record if name not in ("target_kind", "target", "amount_cents")]

    # the fast half

    def _pattern(self, in_order: bool) -> re.Pattern[str]:
        """Groups: invoice, lease, amount, then one an item, last the line that fits nothing."""
        w, shape, ident = self.profile.widths, self.shape, f"[{IDENTIFIER}]"
        holds = {"date": "(?:[0-9]{6})?", "batch": "(?:[0-9]{20})?", "number": "(?:[0-9]{3})?"}
        parts = []
        for group, item in enumerate(shape.items, 4):
            value = holds.get(item.kind, f"{ident}{{0,{item.width}}}")
            if item.kind == "text":
                value = f'(?:[{IDENTIFIER}"<>][{IDENTIFIER}"<> ]{{0,{item.width - 1}}})?'
            parts.append((group, f"{item.letter} *({value})"))
        head = (
            f"(?:{shape.invoice} *({ident}{{1,{w.invoice}}})|{shape.lease} *({ident}{{1,{w.lease}}}))"
            f",([0-9]{{1,{w.money}}})"
        )
        if shape.batch_third:
            head += "," + parts.pop(0)[1].replace("(?:[0-9]{20})?", "[0-9]{20}")
        if in_order:
            tail = "".join(f"(?:,{part})?" for _, part in parts)
            return re.compile(f"{head}{tail}\\n|(.*)\\n")
        # (?(n)(?!)|...) refuses an item whose group has matched before: each once
        tail = "|".join(f"(?({group})(?!)|{part})" for group, part in parts)
        return re.compile(f"{head}(?:,(?:{tail}))*\\n|(.*)\\n")

    def fast(self, text: str, numbers: Sequence[int]) -> Fast:
        """A few hundred lines by column."""
        if " " in text:
            text = closed_up(text)
        found = self.in_order.findall(text)
        others = [index for index, row in enumerate(found) if row[-1]]
        if others:
            again = "".join([f"{found[index][-1]}\n" for index in others])
            for index, row in zip(others, self.in_any_order.findall(again), strict=True):
                found[index] = row
        invoice, lease, amount, *columns, wrong = zip(*found, strict=True)
        odd = set(compress(numbers, wrong))
        item: dict[str, Sequence[str | None]] = {}
        for column, one in zip(columns, self.shape.items, strict=True):
            item[one.name] = self._column(one, column)
            if one.kind in ("date", "batch") and any(column):
                odd |= self._no_day(one, column, item[one.name], numbers)
            elif one.allowed and not one.allowed.issuperset(filter(None, item[one.name])):
                odd.update(n for n, v in zip(numbers, item[one.name], strict=True) if v and v not in one.allowed)
        kind = ["I" if value else "L" for value in invoice]
        target = upper([i or v for i, v in zip(invoice, lease, strict=True)])
        cents = [int(digits or 0) for digits in amount]
        if 0 in cents:
            odd.update(n for n, c in zip(numbers, cents, strict=True) if c == 0)
        item["target_kind"] = kind
        odd |= self.strange(item, numbers)
        rows = zip(numbers, kind, target, cents, *(item[name] for name in self.order), strict=True)
        return admit(self.validate, left_over(rows, odd), odd)

    def _column(self, one: Item, column: Sequence[str]) -> Sequence[str | None]:
        if one.kind == "date":
            return list(map(self.dates.__getitem__, column)) if any(column) else optional(column)
        return optional(column if one.kind in ("text", "batch", "number") else upper(column))

    def _no_day(
        self, one: Item, column: Sequence[str], values: Sequence[str | None], numbers: Sequence[int]
    ) -> set[int]:
        """Lines whose date, or the first six digits of whose batch, is no day of the calendar."""
        days = values if one.kind == "date" else [self.dates[text[:6]] for text in column]
        if "" not in days:
            return set()
        return {n for n, day in zip(numbers, days, strict=True) if day == ""}

    # the careful half

    def careful(self, line: str, line_no: int) -> tuple[Row | None, Findings]:
        """One line with a reason for whatever is wrong in it."""
        findings = Findings(line_no, self.dates)
        findings.printable(line)  # a stray byte is reported first, and the money beside it still counted
        cells = self.cells(line, findings)
        value = {name: self.value(c, findings) for name, c in cells.items() if name != "letter"}
        self.settle(value, cells, findings)
        if findings.faults:
            return None, findings
        kind = "I" if "invoice" in value else "L"
        target = value["invoice" if kind == "I" else "lease"]
        rest = [value.get(name) for name in self.order]
        return self.validate([(line_no, kind, target, value["amount"], *rest)])[0], findings

    def cells(self, line: str, findings: Findings) -> dict[str, Cell]:
        """The items of ``line`` by name (``invoice`` or ``lease`` for the target), faults of form noted."""
        found: dict[str, Cell] = {}
        texts = line.split(",")
        column = 1
        for index, raw in enumerate(texts):
            whole = cell("item", "the item", raw, column)
            column += len(raw) + 1
            if index == 0:
                self._target(whole, found, findings)
            elif index == 1:
                found["amount"] = Cell("amount", "the amount", whole.text, whole.column, raw)
            elif index == 2 and whole.text[:1].isdigit():
                findings.comma_in_amount(whole, found["amount"].text)
            else:
                self._item(index, whole, found, findings)
        end = len(line.rstrip(" ")) + 1
        if "amount" not in found:
            found["amount"] = Cell("amount", "the amount", "", end, "")
        if self.shape.batch_third and len(texts) < 3:
            found["batch"] = Cell("batch", "the batch number", "", end, "")
        return found

    def _target(self, whole: Cell, found: dict[str, Cell], findings: Findings) -> None:
        letters = {self.shape.invoice: "invoice", self.shape.lease: "lease"}
        name = letters.get(whole.text[:1])
        if name is None:
            findings.fault(
                RejectCode.TARGET_PREFIX,
                "target",
                whole.column,
                f"{shown(whole.text)} at the start",
                f"{self.shape.invoice} and an invoice or {self.shape.lease} and a lease",
                f"{_put_right(whole.text, letters)} and drop the line again",
            )
        else:
            found[name] = self._after_letter(name, f"the {name}", whole)

    def _after_letter(self, name: str, label: str, whole: Cell) -> Cell:
        return cell(name, label, whole.text[1:], whole.column + 1)

    def _item(self, index: int, whole: Cell, found: dict[str, Cell], findings: Findings) -> None:
        """One item after the amount; the letter decides what it is."""
        item = self.by_letter.get(whole.text[:1])
        letters = " ".join(self.by_letter)
        first = self.shape.items[0]
        if self.shape.batch_third and index == 2 and item is not first:
            findings.fault(
                RejectCode.BATCH_MISPLACED,
                "batch",
                whole.column,
                f"{shown(whole.text)} in third place",
                f"{first.letter} and the batch number",
                "put the batch number after the amount and drop the line again",
            )
        elif not whole.text:
            findings.fault(
                RejectCode.ITEM_EMPTY,
                "item",
                whole.column,
                "nothing between commas or after the last one",
                f"an item beginning with one of {letters}",
                "remove the comma and drop the line again",
            )
        elif item is None:
            near = whole.text[:1].upper() in self.by_letter
            findings.fault(
                RejectCode.UNKNOWN_ITEM,
                "item",
                whole.column,
                f"the item {shown(whole.text)}",
                f"an item beginning with one of {letters}",
                f"write the letter as {whole.text[:1].upper()} and drop the line again"
                if near
                else "correct or remove the item and drop the line again",
            )
        elif item.name in found:
            findings.fault(
                RejectCode.ITEM_REPEATED,
                item.name,
                whole.column,
                f"the item {item.letter} a second time",
                "each item once",
                "remove one of them and drop the line again",
            )
        else:
            label = f"the {item.name.replace('_', ' ')}"
            found[item.name] = self._after_letter(item.name, label, whole)

    def value(self, c: Cell, findings: Findings) -> Any:
        """The value of one item, faults noted."""
        w = self.profile.widths
        if c.name == "amount":
            return findings.amount(c, w.money)
        if c.name in ("invoice", "lease"):
            width = w.invoice if c.name == "invoice" else w.lease
            return findings.identifier(c, width) if findings.need(c) else None
        item = next(item for item in self.shape.items if item.name == c.name)
        if item.kind == "date":
            return findings.date(c)
        if item.kind == "batch":
            if self.shape.batch_third and not findings.need(c):
                return None
            return findings.batch(c)
        if item.kind == "text":
            return findings.text(c, item.width)
        if item.kind == "number":
            if not c.text or re.fullmatch("[0-9]{3}", c.text):
                return c.text or None
            return findings.digits(c, (), RejectCode.BAD_BANK, item.expected)
        if item.kind == "digits":
            return findings.digits(c, item.allowed, RejectCode.BAD_BANK, item.expected)
        return findings.identifier(c, item.width)


def _put_right(target: str, letters: Container[str]) -> str:
    """What is to be done about a target that does not begin with one of its letters."""
    if target[:1] in ('"', "'"):  # as a spreadsheet writes a value with a comma in it
        return "take the quotation marks away"
    near = target[:1].upper()
    return f"write the letter as {near}" if near in letters else "put the letter before the number"


def line_of(item: dict[str, Any], shape: Shape) -> str:
    """The canonical line of values by item name, dates as YYMMDD; None and missing are left out."""
    letter = {"I": shape.invoice, "L": shape.lease}.get(item["target_kind"], item["target_kind"])
    parts = [f"{letter}{item['target']}", str(item["amount_cents"])]
    parts += [f"{one.letter}{item[one.name]}" for one in shape.items if item.get(one.name) is not None]
    return ",".join(parts)


def render(record: Row, shape: Shape) -> str:
    """The line that reads back as ``record``."""
    item = dict(zip(shape.record, record[1:], strict=True))
    for one in shape.items:
        if one.kind == "date" and item[one.name] is not None:
            item[one.name] = yymmdd(item[one.name])
    return line_of(item, shape)


def explain(line: str, plan: PrefixedPlan) -> list[Explained]:
    """The items of ``line`` with their columns and meanings."""
    findings = Findings(1, plan.dates)
    cells = plan.cells(line, findings)
    letters = {item.name: item.letter for item in plan.shape.items}
    letters |= {"invoice": plan.shape.invoice, "lease": plan.shape.lease}
    found: list[Explained] = []
    for c in cells.values():
        lead = len(c.raw) - len(c.raw.lstrip(" ")) if c.text else 0
        at = c.column - lead - 1
        if at and line[at - 1 : at] == letters.get(c.name):
            found.append((at, at, "letter", letters[c.name], c.name))
        if c.text:
            found.append(explained(c, plan.value(c, findings)))
    return sorted(found)
