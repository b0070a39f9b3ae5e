"""The rules of single NACHA records: what is wrong with values that read. Each is a function of values alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from parsers.layout import FieldError, Layout, mask
from parsers.nacha_classes import ANSWERS, CLASSES
from parsers.nacha_codes import NachaCode
from parsers.nacha_errors import NachaError, field_finding, finding
from parsers.nacha_quoting import quoted
from parsers.nacha_records import (
    ALL_DEBITS,
    FILE_HEADER,
    LIVE_CREDITS,
    LIVE_DEBITS,
    LOAN_DEBIT,
    ORIGINATED,
    PRENOTES,
    ZERO_DOLLAR,
    routing_problem,
    routing_warning,
)

SERVICE_CLASSES: Final = ("200", "220", "225")
HASH_MODULUS: Final = 10**10

Values = Mapping[str, Any]
BankingDay = Callable[[date], bool]
"""Whether the ACH operator settles on a day."""


@dataclass(slots=True)
class Totals:
    """What control records state: of a batch, or of the file. ``unsure``: a record of it did not read."""

    lines: int = 0
    hash: int = 0
    debit_cents: int = 0
    credit_cents: int = 0
    unsure: bool = False

    def add(self, other: Totals) -> None:
        self.lines += other.lines
        self.hash += other.hash
        self.debit_cents += other.debit_cents
        self.credit_cents += other.credit_cents
        self.unsure = self.unsure or other.unsure


def read_record(
    layout: Layout, line: str, line_no: int, *, compared: bool = False
) -> tuple[dict[str, Any], list[NachaError]]:
    """The fields that read, by name, and a finding for each that does not. Of a record out of place what may be quoted
    alone; with ``compared`` everything, for the caller to hide what it says of it."""
    decoded = layout.decode(line)
    if isinstance(decoded, tuple):
        return dict(zip(layout.names, decoded, strict=True)), []
    values, errors = {}, []
    said = quoted(layout, line)
    for item, view, shown in zip(layout.fields, layout.explain(line), said.views, strict=True):
        if view.error is not None:
            error = FieldError(item.name, item.first, item.last, item.shown(shown.raw), view.error)
            errors.append(field_finding(line_no, layout.name, item, error, view.raw))
        elif compared or said.in_place or shown.raw == view.raw:
            values[item.name] = view.value
    return values, errors


_ROUTING: Final = "the routing number of a bank, with its check digit"


def file_header(line_no: int, values: Values) -> Iterator[NachaError]:
    bank = values.get("immediate_destination", "")
    if len(bank) == 9 and (problem := routing_problem(bank)):
        found, action = f"{mask(bank)}: {problem}", "correct the routing number of the receiving point"
        yield finding(line_no, FILE_HEADER, "immediate_destination", NachaCode.ROUTING, found, _ROUTING, action)


def batch_header(line_no: int, layout: Layout, values: Values, last_number: int) -> Iterator[NachaError]:
    """What a batch header shows by itself; its dates are judged by `batch_dates` when its entries are known."""

    def wrong(name: str, code: NachaCode, expected: str, action: str) -> NachaError:
        return finding(line_no, layout, name, code, values[name], expected, action)

    sec_code = values.get("sec_code", "")
    classes = ("280",) if sec_code == "ADV" else SERVICE_CLASSES
    if values.get("service_class", classes[0]) not in classes:
        want = "280 in ADV" if sec_code == "ADV" else "200, 220 or 225"
        yield wrong("service_class", NachaCode.SERVICE_CLASS, want, "state the service class of the batch")
    if "sec_code" in values and sec_code not in CLASSES:
        yield wrong("sec_code", NachaCode.SEC_CODE, "an entry class such as PPD, CCD or CTX", "correct the class")
    if values.get("odfi") == "00000000":
        action = "state the originating bank"
        yield wrong("odfi", NachaCode.ROUTING, "the first 8 digits of a routing number", action)
    day = values.get("settlement_day", "")
    if day and not "001" <= day <= "366":
        yield wrong("settlement_day", NachaCode.SETTLEMENT_DAY, "a day of the year, 001 to 366", "correct the day")
    if values.get("batch_number", last_number + 1) <= last_number:
        want, action = f"a number above {last_number}", "number the batches upwards through the file"
        yield wrong("batch_number", NachaCode.BATCH_NUMBER, want, action)
    yield from _description(line_no, layout, values)


_RESERVED: Final = {
    "REVERSAL": "",
    "PAYROLL": "PPD",
    "PURCHASE": "WEB",
    "AUTOENROLL": "ENR",
    "REDEPCHECK": "RCK",
    "NO CHECK": "XCK",
}
"""Reserved descriptions and the class each belongs to; a reversal belongs to any. PAYROLL may have up to three
characters behind it, which fill the field."""
_PAY: Final = re.compile(r"PAYROLL|SALAR(?:Y|IES)|WAGES?\b")
_PAYROLL_SINCE: Final = "2026-03-20"


def vendor_description_problem(text: str, sec_code: str | None) -> str | None:
    """Why a description does not say what payments to vendors of a class are (None: of every class); None where it does.
    Some banks want PAYROLL for individuals: in PPD it is no mistake."""
    upper = text.upper()
    word = next((one for one in _RESERVED if upper.startswith(one)), "")
    if word and (word, sec_code) != ("PAYROLL", "PPD"):
        return f"{word} is reserved" + (f" for class {_RESERVED[word]}" if _RESERVED[word] else "")
    if not word and sec_code in (None, "PPD") and _PAY.search(upper):
        return "wages are described by PAYROLL since 20 March 2026, and payments to vendors are none"
    return None


def _description(line_no: int, layout: Layout, values: Values) -> Iterator[NachaError]:
    text = values.get("description", "")

    def wrong(code: NachaCode, expected: str, action: str) -> NachaError:
        return finding(line_no, layout, "description", code, text, expected, action)

    upper, sec_code = text.upper(), values.get("sec_code", "")
    word = next((one for one in _RESERVED if upper.startswith(one)), "")
    if word and not text.startswith(word):
        yield wrong(NachaCode.DESCRIPTION_CASE, word, "write the reserved description in capitals")
    if word == "REVERSAL" != upper:
        yield wrong(NachaCode.REVERSAL_DESCRIPTION, "REVERSAL alone", "describe a reversal by that word and no other")
    if word and _RESERVED[word] not in ("", sec_code):
        want, action = f"{word} in {_RESERVED[word]} alone", "describe the batch in another way"
        yield wrong(NachaCode.RESERVED_DESCRIPTION, want, action)
    own = CLASSES[sec_code].description if sec_code in CLASSES else ""
    if own and upper not in (own, "REVERSAL"):
        yield wrong(NachaCode.CLASS_DESCRIPTION, f"{own} in {sec_code}", "describe the batch as its class demands")


def batch_dates(
    line_no: int,
    layout: Layout,
    values: Values,
    created: str,
    banking_day: BankingDay | None,
    *,
    has_credits: bool,
) -> Iterator[NachaError]:
    """Rules of a batch header that hold for forward entries alone: answers repeat the dates of what they answer."""

    def wrong(name: str, code: NachaCode, expected: str, action: str) -> NachaError:
        return finding(line_no, layout, name, code, values[name], expected, action)

    effective = values.get("effective_date", "")
    if effective and effective < created:
        want = f"a day from the file's creation on ({created})"
        action = "build the file for a coming banking day"
        yield wrong("effective_date", NachaCode.EFFECTIVE_DATE, want, action)
    if effective and banking_day is not None and not banking_day(date.fromisoformat(effective)):
        yield wrong("effective_date", NachaCode.BANKING_DAY, "a banking day", "take the next banking day")
    if "001" <= values.get("settlement_day", "") <= "366":
        action = "leave it blank in a file to be sent; it is right in one that the operator delivered"
        yield wrong("settlement_day", NachaCode.SETTLEMENT_FILLED, "blanks in a file of ours", action)
    text = values.get("description", "")
    is_pay = values.get("sec_code") == "PPD" and has_credits and _PAY.search(text.upper()) is not None
    if is_pay and effective >= _PAYROLL_SINCE and not text.upper().startswith("PAYROLL"):
        want, action = "PAYROLL at the beginning", "describe pay as PAYROLL, and nothing else so"
        yield wrong("description", NachaCode.PAYROLL_DESCRIPTION, want, action)


def entry(line_no: int, layout: Layout, values: Values, header: Values, last_trace: str) -> Iterator[NachaError]:
    """An entry under its batch header; ``last_trace`` is the highest trace number of the batch so far."""
    dfi, digit = values.get("receiving_dfi"), values.get("check_digit")
    if dfi is not None and digit is not None:
        yield from _routing(line_no, layout, dfi + digit)
    code, amount = values.get("transaction_code"), values.get("amount_cents")
    if code is not None:
        yield from _transaction_code(line_no, layout, code, header)
        if amount is not None:
            yield from _amount(line_no, layout, code, amount, header.get("sec_code", ""))
    if "sequence" in values:
        yield from _trace_order(line_no, layout, "sequence", values["sequence"], last_trace)
    trace, odfi = values.get("trace_number"), header.get("odfi")
    if trace is None:
        return
    if odfi is not None and trace[:8] != odfi:
        want = f"a trace number beginning with {odfi}"
        action = "number entries under the originating bank of the batch"
        yield finding(line_no, layout, "trace_number", NachaCode.TRACE_ODFI, trace, want, action)
    yield from _trace_order(line_no, layout, "trace_number", trace, last_trace)


def _trace_order(line_no: int, layout: Layout, name: str, trace: str, last: str) -> Iterator[NachaError]:
    if trace <= last:
        want, action = f"a number above {last}", "number entries upwards, none twice"
        yield finding(line_no, layout, name, NachaCode.TRACE_ORDER, trace, want, action)


def _routing(line_no: int, layout: Layout, routing: str) -> Iterator[NachaError]:
    if problem := routing_problem(routing):
        found, action = f"{mask(routing)}: {problem}", "correct the receiver's routing number"
        yield finding(line_no, layout, "check_digit", NachaCode.ROUTING, found, _ROUTING, action)
    elif warning := routing_warning(routing):
        found, action = f"{mask(routing)}: {warning}", "ask the receiver for the routing number again"
        code = NachaCode.ROUTING_RANGE
        yield finding(line_no, layout, "receiving_dfi", code, found, "an assigned range", action)


def _transaction_code(line_no: int, layout: Layout, code: str, header: Values) -> Iterator[NachaError]:
    def wrong(rule: NachaCode, found: str, want: str, action: str) -> NachaError:
        return finding(line_no, layout, "transaction_code", rule, found, want, action)

    sec_code, service = header.get("sec_code", ""), header.get("service_class")
    is_reversal = header.get("description") == "REVERSAL"
    known = CLASSES.get(sec_code)
    allowed = (known.codes if known else ORIGINATED) | (frozenset() if sec_code == "ADV" else ANSWERS)
    is_debit = code in ALL_DEBITS
    if code not in allowed and not (is_reversal and code in LIVE_CREDITS | LIVE_DEBITS and sec_code != "COR"):
        want = f"one of {' '.join(sorted(allowed))} in {sec_code or 'ACH'} entries"
        yield wrong(NachaCode.TRANSACTION_CODE, code, want, "correct the code, or the class of the batch")
    elif service == ("220" if is_debit else "225"):
        found = f"transaction code {code}, a {'debit' if is_debit else 'credit'}"
        want = f"{'credits' if is_debit else 'debits'} only in a batch of service class {service}"
        yield wrong(NachaCode.TRANSACTION_SIDE, found, want, "put it in a batch of another service class")
    if code == LOAN_DEBIT and not is_reversal:
        want, action = (
            "code 55 in a batch described as REVERSAL",
            "debit loan accounts to reverse a credit, nothing else",
        )
        yield wrong(NachaCode.LOAN_DEBIT, code, want, action)


def _amount(line_no: int, layout: Layout, code: str, amount: int, sec_code: str) -> Iterator[NachaError]:
    known = CLASSES.get(sec_code)
    without = known is not None and known.zero_amount
    live = code in LIVE_CREDITS or code in LIVE_DEBITS
    if live and not without and amount == 0:
        want, action = f"an amount for code {code}", "take the entry out or give it a prenote code"
        yield finding(line_no, layout, "amount_cents", NachaCode.AMOUNT_ZERO, "0.00", want, action)
    if amount and (without or code in PRENOTES or code in ZERO_DOLLAR):
        found, want = f"{amount // 100}.{amount % 100:02d}", f"0.00 for code {code} in {sec_code}"
        action = "give the entry a live code or the amount zero"
        yield finding(line_no, layout, "amount_cents", NachaCode.AMOUNT_NOT_ZERO, found, want, action)


def batch_control(
    line_no: int, layout: Layout, values: Values, header: Values, header_line: int
) -> Iterator[NachaError]:
    """The fields a control repeats from its header."""
    for name, code in (
        ("service_class", NachaCode.CONTROL_SERVICE_CLASS),
        ("company_id", NachaCode.CONTROL_COMPANY_ID),
        ("odfi", NachaCode.CONTROL_ODFI),
        ("batch_number", NachaCode.CONTROL_BATCH_NUMBER),
    ):
        found, want = values.get(name), header.get(name)
        if found is not None and want is not None and found != want:
            expected = f"{want}, as in the header of line {header_line}"
            action = "repeat the batch header's value"
            yield finding(line_no, layout, name, code, found, expected, action)


def sums(line_no: int, layout: Layout, values: Values, totals: Totals, of: str) -> Iterator[NachaError]:
    """Count, hash and totals of a control record against those computed."""
    checks = [("entry_addenda_count", NachaCode.ENTRY_ADDENDA_COUNT, totals.lines)]
    if not totals.unsure:
        checks += [
            ("entry_hash", NachaCode.ENTRY_HASH, totals.hash % HASH_MODULUS),
            ("total_debit_cents", NachaCode.TOTAL_DEBIT, totals.debit_cents),
            ("total_credit_cents", NachaCode.TOTAL_CREDIT, totals.credit_cents),
        ]
    yield from compared(line_no, layout, values, checks, of)


def compared(
    line_no: int, layout: Layout, values: Values, checks: list[tuple[str, NachaCode, int]], of: str
) -> Iterator[NachaError]:
    for name, code, want in checks:
        found = values.get(name)
        if found is not None and found != want:
            said, right = (f"{n // 100}.{n % 100:02d}" if name.endswith("_cents") else str(n) for n in (found, want))
            action = "find the entry lost, changed or added, or compute the control again"
            yield finding(line_no, layout, name, code, said, f"{right}, computed from the {of}", action)
