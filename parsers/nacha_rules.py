"""The rules of single NACHA records: what is wrong with values that read. Each is a function of values alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from parsers.layout import FieldError, Layout
from parsers.nacha_errors import NachaCode, NachaError, field_finding, finding
from parsers.nacha_records import (
    BATCH_CONTROL,
    BATCH_HEADER,
    DEBITS,
    FILE_HEADER,
    LIVE_CREDITS,
    LIVE_DEBITS,
    ORIGINATED,
    ZERO_DOLLAR,
    routing_problem,
)

SEC_CODES: Final = ("PPD", "CCD", "CTX")
SERVICE_CLASSES: Final = ("200", "220", "225")
HASH_MODULUS: Final = 10**10

Values = Mapping[str, Any]


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


def read_record(layout: Layout, line: str, line_no: int) -> tuple[dict[str, Any], list[NachaError]]:
    """The fields that read, by name, and a finding for each that does not."""
    decoded = layout.decode(line)
    if isinstance(decoded, tuple):
        return dict(zip(layout.names, decoded, strict=True)), []
    values, errors = {}, []
    for item, view in zip(layout.fields, layout.explain(line), strict=True):
        if view.error is None:
            values[item.name] = view.value
        else:
            error = FieldError(item.name, item.first, item.last, item.shown(view.raw), view.error)
            errors.append(field_finding(line_no, layout.name, item, error, view.raw))
    return values, errors


def file_header(line_no: int, values: Values) -> Iterator[NachaError]:
    bank = values.get("immediate_destination", "")
    if len(bank) == 9 and (problem := routing_problem(bank)):
        action = "correct the routing number of the receiving point"
        yield finding(line_no, FILE_HEADER, "immediate_destination", NachaCode.ROUTING, bank, problem, action)


def batch_header(line_no: int, values: Values, created: str, last_number: int) -> Iterator[NachaError]:
    def wrong(name: str, code: NachaCode, expected: str, action: str) -> NachaError:
        return finding(line_no, BATCH_HEADER, name, code, values[name], expected, action)

    if values.get("service_class", "200") not in SERVICE_CLASSES:
        action = "state the service class of the batch"
        yield wrong("service_class", NachaCode.SERVICE_CLASS, "200, 220 or 225", action)
    if values.get("sec_code", "PPD") not in SEC_CODES:
        action = "originate only these classes"
        yield wrong("sec_code", NachaCode.SEC_CODE, "PPD, CCD or CTX", action)
    if values.get("settlement_day"):
        action = "leave the settlement day to the ACH operator"
        yield wrong("settlement_day", NachaCode.RESERVED, "3 blanks", action)
    if values.get("effective_date", created) < created:
        want = f"a day from the file's creation on ({created})"
        action = "build the file for a coming banking day"
        yield wrong("effective_date", NachaCode.EFFECTIVE_DATE, want, action)
    if values.get("batch_number", last_number + 1) <= last_number:
        want, action = f"a number above {last_number}", "number the batches upwards through the file"
        yield wrong("batch_number", NachaCode.BATCH_NUMBER, want, action)


def entry(line_no: int, layout: Layout, values: Values, header: Values, last_trace: str) -> Iterator[NachaError]:
    """An entry under its batch header; ``last_trace`` is the highest trace number of the batch so far."""
    dfi, digit = values.get("receiving_dfi"), values.get("check_digit")
    if dfi is not None and digit is not None and (problem := routing_problem(dfi + digit)):
        action = "correct the receiver's routing number"
        yield finding(line_no, layout, "check_digit", NachaCode.ROUTING, dfi + digit, problem, action)
    code, amount = values.get("transaction_code"), values.get("amount_cents")
    if code is not None:
        yield from _transaction_code(line_no, layout, code, header)
        if amount is not None and code in ORIGINATED:
            yield from _amount(line_no, layout, code, amount)
    trace, odfi = values.get("trace_number"), header.get("odfi")
    if trace is None:
        return
    if odfi is not None and trace[:8] != odfi:
        want = f"a trace number beginning with {odfi}"
        action = "number entries under the originating bank of the batch"
        yield finding(line_no, layout, "trace_number", NachaCode.TRACE_ODFI, trace, want, action)
    if trace <= last_trace:
        want, action = f"a trace number above {last_trace}", "number entries upwards, none twice"
        yield finding(line_no, layout, "trace_number", NachaCode.TRACE_ORDER, trace, want, action)


def _transaction_code(line_no: int, layout: Layout, code: str, header: Values) -> Iterator[NachaError]:
    sec_code, service = header.get("sec_code", ""), header.get("service_class")
    if code not in ORIGINATED or (code in ZERO_DOLLAR and sec_code == "PPD"):
        found, want = code, f"a code for originated {sec_code or 'ACH'} entries"
        action = "use 22 or 32 for a live credit to checking or savings"
    elif service == ("220" if code in DEBITS else "225"):
        found = f"transaction code {code}, a {'debit' if code in DEBITS else 'credit'}"
        only = "credits" if code in DEBITS else "debits"
        want = f"{only} only in a batch of service class {service}"
        action = "put it in a batch of another service class"
    else:
        return
    yield finding(line_no, layout, "transaction_code", NachaCode.TRANSACTION_CODE, found, want, action)


def _amount(line_no: int, layout: Layout, code: str, amount: int) -> Iterator[NachaError]:
    live = code in LIVE_CREDITS or code in LIVE_DEBITS
    if live and amount == 0:
        want, action = f"an amount for code {code}", "take the entry out or give it a prenote code"
        yield finding(line_no, layout, "amount_cents", NachaCode.AMOUNT_ZERO, "0.00", want, action)
    if not live and amount != 0:
        found, want = f"{amount // 100}.{amount % 100:02d}", f"0.00 for code {code}"
        action = "give the entry a live code or the amount zero"
        yield finding(line_no, layout, "amount_cents", NachaCode.AMOUNT_NOT_ZERO, found, want, action)


def batch_control(line_no: int, values: Values, header: Values, header_line: int) -> Iterator[NachaError]:
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
            yield finding(line_no, BATCH_CONTROL, name, code, found, expected, action)


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
            action = "find the entry lost, changed or added, or compute the control again"
            yield finding(line_no, layout, name, code, found, f"{want}, computed from the {of}", action)
