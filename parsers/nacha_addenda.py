"""An entry and the addenda behind it: are they of the right type, number and order, and what do answers say?

Forward entries have the addenda of their class (`parsers.nacha_classes`), international ones 10 to 18 in order.
A return has one addenda 99, a notification of change one 98, whatever the class of the entry they answer; an
international return may repeat the addenda of the forward entry before its 99.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from parsers.layout import Layout
from parsers.nacha_answer_records import ADDENDA_98_IAT
from parsers.nacha_classes import ANSWERS, CLASSES
from parsers.nacha_codes import NachaCode
from parsers.nacha_corrections import corrected_data
from parsers.nacha_errors import NachaError, finding, whole
from parsers.nacha_iat_records import IAT_ADDENDA, IAT_MANDATORY, IAT_MOST
from parsers.nacha_reasons import CHANGE_REASONS, REFUSED_REASONS, RETURN_REASONS
from parsers.nacha_records import ADDENDA_05, ALL_CODES, ZERO_DOLLAR
from parsers.nacha_remittance import Text, remittance

Values = Mapping[str, Any]
MOST_TEXTS: Final = 9_999
"""Addenda of an entry of CTX; what more come are an error, and are not kept."""
_DEATH: Final = ("R14", "R15")


@dataclass(slots=True)
class OpenEntry:
    """The entry whose addenda are being read; ``values`` are its fields that read, ``counts`` its addenda by type."""

    line_no: int
    layout: Layout
    values: Values
    sec_code: str
    international: bool
    counts: Counter[str] = field(default_factory=Counter)
    texts: list[Text] = field(default_factory=list)  # remittance: of CTX all, else those with an RMR

    @property
    def trace(self) -> str:
        return str(self.values.get("trace_number", ""))

    @property
    def is_answer(self) -> bool | None:
        """Whether it is a return or a notification of change; None when its code does not tell."""
        code = self.values.get("transaction_code")
        if self.sec_code == "COR" or code in ANSWERS:
            return True
        return False if code in ALL_CODES else None

    @property
    def answer_type(self) -> str:
        return "98" if self.sec_code == "COR" else "99"

    def add(self, line_no: int, line: str, layout: Layout | None, values: Values) -> Iterator[NachaError]:
        """One addenda record behind the entry; ``layout`` None: its type is of no class."""
        kind = line[1:3]
        self.counts[kind] += 1
        total = self.counts.total()
        name = layout.name if layout else ADDENDA_05.name
        if self.values.get("addenda_indicator") == "0" and total == 1:
            found = f"an addenda record behind the entry of line {self.line_no}"
            want, action = "none, for its indicator in position 79 is 0", "set the indicator to 1"
            yield whole(line_no, name, NachaCode.ADDENDA_UNEXPECTED, found, want, action)
        if problem := self._type_problem(kind):
            code, want = problem
            action = "correct positions 2 to 3, or take the record out"
            yield finding(line_no, layout or ADDENDA_05, "addenda_type", code, kind, want, action)
        elif (most := self._most(kind)) is not None and self._count(kind) > most:
            found = f"addenda record {self._count(kind)} of its type behind the entry of line {self.line_no}"
            want = f"at most {most} in {self.sec_code}" if most else f"none in {self.sec_code}"
            action = (
                "use CTX for more remittance" if self.sec_code in ("CCD", "PPD") and kind == "05" else "take it out"
            )
            yield whole(line_no, name, NachaCode.ADDENDA_TOO_MANY, found, want, action)
        is_remittance = layout is ADDENDA_05 and (self.sec_code == "CTX" or "RMR*" in line)
        if is_remittance and total <= MOST_TEXTS and _reads(ADDENDA_05, values):
            self.texts.append((line_no, line[3:83]))
        if layout is not None:
            yield from self._numbers(line_no, kind, layout, values)
            yield from _answer(line_no, layout, values)

    def _count(self, kind: str) -> int:
        """Addenda so far: of the type where types are counted apart, else all."""
        return self.counts[kind] if kind in IAT_ADDENDA or self.is_answer else self.counts.total()

    def _most(self, kind: str) -> int | None:
        if kind in ("98", "99"):
            return 1
        if kind in IAT_ADDENDA:
            return IAT_MOST.get(kind)
        known = CLASSES.get(self.sec_code)
        return known.most if known else None

    def _type_problem(self, kind: str) -> tuple[NachaCode, str] | None:
        known = CLASSES.get(self.sec_code)
        if kind in IAT_ADDENDA and self.international:
            return self._order_problem(kind)
        if self.is_answer:
            return None if kind == self.answer_type else (NachaCode.ADDENDA_TYPE, self.answer_type)
        if known is None or self.is_answer is None:
            every = ("02", "05", "98", "99", *IAT_ADDENDA)
            return None if kind in every else (NachaCode.ADDENDA_TYPE, "a type of addenda records")
        if self.international:
            return NachaCode.ADDENDA_TYPE, "10 to 18 in IAT"
        return None if kind == known.addenda else (NachaCode.ADDENDA_TYPE, f"{known.addenda} in {self.sec_code}")

    def _order_problem(self, kind: str) -> tuple[NachaCode, str] | None:
        """The next mandatory type while one is missing, then 17, then 18."""
        earlier = self.counts - Counter({kind: 1})
        if earlier["99"]:
            return NachaCode.ADDENDA_ORDER, "no further one behind the 99"
        missing = [one for one in IAT_MANDATORY if not earlier[one]]
        wanted = (missing[0],) if missing else ("18",) if earlier["18"] else ("17", "18")
        return None if kind in wanted else (NachaCode.ADDENDA_ORDER, " or ".join(wanted))

    def _numbers(self, line_no: int, kind: str, layout: Layout, values: Values) -> Iterator[NachaError]:
        number = self._count(kind)
        if values.get("sequence", number) != number:
            code, action = NachaCode.ADDENDA_SEQUENCE, "number the addenda of an entry from 1 without gaps"
            yield finding(line_no, layout, "sequence", code, values["sequence"], str(number), action)
        trace = self.trace
        back = values.get("entry_sequence")
        if trace and back is not None and back != trace[-7:]:
            code, action = NachaCode.ADDENDA_ENTRY, "repeat the last seven digits of the entry's trace number"
            yield finding(line_no, layout, "entry_sequence", code, back, trace[-7:], action)
        if trace and values.get("trace_number", trace) != trace:
            code, action = NachaCode.ADDENDA_TRACE, "repeat the trace number of the entry"
            yield finding(line_no, layout, "trace_number", code, values["trace_number"], trace, action)

    def close(self) -> Iterator[NachaError]:
        """No more addenda can follow: are there as many as the entry and its class say?"""
        if missing := self._missing():
            code, found, want = missing
            action = "add it, or correct the entry"
            yield finding(self.line_no, self.layout, "addenda_indicator", code, found, want, action)
        declared, total = self.values.get("addenda_count"), self.counts.total()
        # banks copy the forward entry's count into a return as often as they count its one addenda record
        if declared is not None and declared != total and self.is_answer is False:
            code, action = NachaCode.ADDENDA_COUNT, "state the number of addenda records"
            want = f"{total}, as many as follow"
            yield finding(self.line_no, self.layout, "addenda_count", code, declared, want, action)
        if self.texts and total <= MOST_TEXTS and self.is_answer is False and _reads(self.layout, self.values):
            yield from remittance(self.sec_code, self.values["amount_cents"], self.texts)

    def _missing(self) -> tuple[NachaCode, str, str] | None:
        total, known = self.counts.total(), CLASSES.get(self.sec_code)
        transaction = self.values.get("transaction_code")
        if self.is_answer:
            kind = self.answer_type
            found = f"{'a notification of change' if kind == '98' else 'a return'} without its addenda {kind}"
            return None if self.counts[kind] else (NachaCode.ANSWER_MISSING, found, "one behind the entry")
        if self.values.get("addenda_indicator") == "1" and not total:
            found = "indicator 1 and no addenda record"
            return NachaCode.ADDENDA_MISSING, found, "an addenda record behind the entry"
        if self.international and (lacking := [one for one in IAT_MANDATORY if not self.counts[one]]):
            found = f"no addenda {' '.join(lacking)}"
            return NachaCode.ADDENDA_MISSING, found, "10 to 16 behind every entry of IAT"
        if known and total < known.least:
            return NachaCode.ADDENDA_MISSING, f"{total} addenda records", f"{known.least} at least in {self.sec_code}"
        if transaction in ZERO_DOLLAR and not total and self.sec_code in ("CCD", "CTX"):
            found = f"transaction code {transaction} and no addenda record"
            return NachaCode.ADDENDA_MISSING, found, "remittance behind an entry without amount"
        return None


def _reads(layout: Layout, values: Values) -> bool:
    """Whether every field did: of a record out of place no figure is compared or shown."""
    return all(name in values for name in layout.names)


def _answer(line_no: int, layout: Layout, values: Values) -> Iterator[NachaError]:
    """What a return or a notification of change says."""

    def wrong(name: str, code: NachaCode, expected: str, action: str) -> NachaError:
        return finding(line_no, layout, name, code, values[name], expected, action)

    for name, prefix in (("return_code", ""), ("return_reason", "R"), ("dishonored_reason", "R")):
        if name in values and prefix + values[name] not in RETURN_REASONS:
            yield wrong(name, NachaCode.RETURN_CODE, "a return code of the rules", "ask the bank what it means")
    if "date_of_death" in values:
        yield from _death(line_no, layout, values)
    reasons: Mapping[str, str] = CHANGE_REASONS | REFUSED_REASONS
    for name in ("change_code", "refused_change_code"):
        if name in values and values[name] not in reasons:
            yield wrong(name, NachaCode.CHANGE_CODE, "a change code of the rules", "ask the bank what it means")
        reasons = CHANGE_REASONS
    if "corrected_data" in values:
        change = values.get("refused_change_code", values.get("change_code", ""))
        if not values["corrected_data"].strip():
            if "refused_change_code" in values:  # it repeats the notification, which may be refused for just that
                return
            code, want = NachaCode.CORRECTED_BLANK, "what is right instead"
            yield finding(line_no, layout, "corrected_data", code, "blanks", want, "ask the bank for it")
        elif layout is not ADDENDA_98_IAT and (problem := corrected_data(change, values["corrected_data"]).problem):
            action = "read it by eye and ask the bank"
            yield wrong("corrected_data", NachaCode.CORRECTED_DATA, problem, action)


def _death(line_no: int, layout: Layout, values: Values) -> Iterator[NachaError]:
    code, day = values.get("return_code"), values["date_of_death"]
    name = "date_of_death"
    if code is None:
        return
    if day and code not in _DEATH:
        action = "ask the bank whether the code is right"
        yield finding(line_no, layout, name, NachaCode.DATE_OF_DEATH, day, f"blanks with {code}", action)
    if not day and code in _DEATH:
        missing = NachaCode.DATE_OF_DEATH_MISSING
        yield finding(line_no, layout, name, missing, "blanks", f"a day with {code}", "ask the bank for it")
