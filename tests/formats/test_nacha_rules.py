"""Every rule of `parsers.nacha_codes.RULES`, at every place it names, is broken once in an otherwise sound file and
found there; and every field of every record table is filled with what it may not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import pytest

from parsers.field_types import HHMM, YYMMDD, Alpha, AlphaRight, Blank, Choice, Const, Digits, Numeric
from parsers.layout import Field, Layout
from parsers.nacha import read, validate
from parsers.nacha_classes import CLASSES, layout_of
from parsers.nacha_codes import RULES, NachaCode, family
from parsers.nacha_errors import NachaError

from .nacha_class_samples import (
    ADVICE,
    BANK,
    FILLER,
    HEADER,
    SAMPLES,
    addenda_05,
    addenda_99,
    advice_addenda,
    as_bytes,
    batch_header,
    entry,
    file,
    iat_18,
    iat_addenda,
    iat_entry,
    line,
)


def is_weekday(day: date) -> bool:
    return day.weekday() < 5


def findings(lines: list[str] | bytes) -> list[NachaError]:
    data = lines if isinstance(lines, bytes) else as_bytes(lines)
    return list(validate([data], banking_day=is_weekday))


def places(found: list[NachaError]) -> list[tuple[int, str, str, str]]:
    return [(e.line_no, family(e.record), e.field, e.code.value) for e in found]


@pytest.mark.parametrize("name", SAMPLES)
def test_samples_are_sound(name: str) -> None:
    assert places(findings(SAMPLES[name])) == []


def test_samples_show_every_class_and_every_table() -> None:
    assert {x[50:53] for lines in SAMPLES.values() for x in lines if x[0] == "5"} == set(CLASSES)
    assert {layout.name for _, _, layout in records()} >= {"addenda_18", "addenda_99_contested", "file_control_adv"}


def placed(name: str, number: int, *texts: tuple[int, str]) -> list[str]:
    """A sample with texts put into line ``number``."""
    lines = list(SAMPLES[name])
    lines[number - 1] = line((1, lines[number - 1]), *texts)
    return lines


def without(name: str, *numbers: int) -> list[str]:
    return [x for number, x in enumerate(SAMPLES[name], 1) if number not in numbers]


def inserted(name: str, before: int, *lines: str) -> list[str]:
    sample = SAMPLES[name]
    return [*sample[: before - 1], *lines, *sample[before - 1 :]]


def joined(name: str) -> bytes:
    return as_bytes(SAMPLES[name])


CCD = batch_header("CCD")


def ctx(text: str) -> list[str]:
    """The sample of CTX with another X12 820, of as many records."""
    return [*SAMPLES["ctx"][:3], *advice_addenda(text), *SAMPLES["ctx"][8:]]


DEFECTS: list[tuple[NachaCode, int, str, list[str] | bytes]] = [
    # code, line, place, file
    (NachaCode.FILE_EMPTY, 1, "file.record", b""),
    (NachaCode.BYTE_ORDER_MARK, 1, "record.record", b"\xef\xbb\xbf" + joined("ppd")),
    (NachaCode.END_MARK, 11, "record.record", joined("ppd") + b"\x1a"),
    (NachaCode.END_MARK, 11, "record.record", joined("ppd") + b"\x1a" * 30),
    (NachaCode.END_MARK, 11, "record.record", joined("ppd") + b"\x1a\n"),
    (NachaCode.END_MARK, 11, "record.record", joined("ppd").replace(b"\n", b"\r\n") + b"\x1a\r\n"),
    (NachaCode.END_MARK, 11, "record.record", joined("ppd").replace(b"\n", b"") + b"\x1a"),
    (NachaCode.END_MARK, 10, "record.record", joined("ppd")[:-1] + b"\x1a\n"),
    (NachaCode.LINE_ENDING, 1, "record.record", joined("ppd").replace(b"\n", b"\r")),
    (NachaCode.LINE_ENDING, 1, "record.record", joined("ppd").replace(b"\n", b"\r") + b"\n"),
    (NachaCode.LINE_ENDING, 10, "record.record", joined("ppd")[:-1]),
    (NachaCode.LINE_ENDING, 10, "record.record", joined("ppd")[:-1] + b"\r\n"),
    (NachaCode.LINE_ENDING, 10, "record.record", joined("ppd").replace(b"\n", b"\r\n", 9)),
    (NachaCode.LINE_ENDING, 10, "record.record", joined("ppd").replace(b"\n", b"") + b"\n"),
    (NachaCode.BLANK_LINE, 3, "record.record", inserted("ppd", 3, "")),
    (NachaCode.BLANK_LINE, 3, "record.record", inserted("ppd", 3, " " * 90)),
    (NachaCode.LINE_LENGTH, 6, "record.record", [x.rstrip() for x in SAMPLES["ppd"]]),
    (NachaCode.LINE_LENGTH, 3, "record.record", [x + "X" * (n == 2) for n, x in enumerate(SAMPLES["ppd"])]),
    (NachaCode.LINE_LENGTH, 3, "record.record", ["\n".join(SAMPLES["ppd"]).replace("\n632", "632")]),
    (NachaCode.SECOND_FILE, 11, "file_header.record", joined("ppd") + joined("ccd")),
    (NachaCode.RECORD_TYPE, 3, "record.record", inserted("ppd", 3, line((1, "4")))),
    (NachaCode.RECORD_TYPE, 4, "record.record", inserted("ppd", 4, line((1, "99R03091000010000001")))),
    (NachaCode.RECORD_ORDER, 2, "record.record", inserted("ppd", 2, HEADER)),
    (NachaCode.RECORD_ORDER, 2, "record.record", without("ppd", 2)),
    (NachaCode.RECORD_ORDER, 3, "record.record", inserted("ppd", 3, FILLER)),
    (NachaCode.RECORD_ORDER, 3, "addenda.record", inserted("ppd", 3, addenda_05(1, "X"))),
    (NachaCode.FILE_HEADER_MISSING, 1, "file_header.record", without("ppd", 1)),
    (NachaCode.FILE_CONTROL_MISSING, 5, "file_control.record", SAMPLES["ppd"][:5]),
    (NachaCode.BATCH_CONTROL_MISSING, 5, "batch_control.record", without("ppd", 5)),
    (NachaCode.BATCH_EMPTY, 3, "batch_control.record", without("ppd", 3, 4)),
    (NachaCode.FILE_ID_MODIFIER, 1, "file_header.file_id_modifier", placed("ppd", 1, (34, "a"))),
    (NachaCode.ROUTING, 1, "file_header.immediate_destination", placed("ppd", 1, (4, " 091000018"))),
    (NachaCode.ROUTING, 2, "batch_header.odfi", placed("ppd", 2, (80, "00000000"))),
    (NachaCode.ROUTING, 3, "entry.check_digit", placed("ppd", 3, (12, "8"))),
    (NachaCode.ROUTING, 3, "entry.check_digit", placed("ppd", 3, (4, "000000000"))),
    (NachaCode.ROUTING, 3, "entry.check_digit", placed("adv", 3, (12, "8"))),
    (NachaCode.ROUTING_RANGE, 3, "entry.receiving_dfi",
     file([batch_header("PPD"), entry(1, "22", 5, (4, "131000018"))])),
    (NachaCode.SERVICE_CLASS, 2, "batch_header.service_class", placed("ppd", 2, (2, "280"))),
    (NachaCode.SERVICE_CLASS, 2, "batch_header.service_class", placed("adv", 2, (2, "200"))),
    (NachaCode.SEC_CODE, 2, "batch_header.sec_code", placed("ppd", 2, (51, "ZZZ"))),
    (NachaCode.SEC_CODE, 2, "batch_header.sec_code", placed("ppd", 2, (51, "ppd"))),
    (NachaCode.ADV_MIXED, 5, "batch_header.sec_code", file(
        [CCD, entry(1, "22", 5)], SAMPLES["adv"][1:4])),
    (NachaCode.DESCRIPTION_CASE, 2, "batch_header.description", placed("ppd", 2, (54, "Reversal  "))),
    (NachaCode.DESCRIPTION_CASE, 2, "batch_header.description", placed("ppd", 2, (54, "Payroll 07"))),
    (NachaCode.REVERSAL_DESCRIPTION, 2, "batch_header.description", placed("ppd", 2, (54, "REVERSAL 1"))),
    (NachaCode.PAYROLL_DESCRIPTION, 2, "batch_header.description", placed("ppd", 2, (54, "REG SALARY"))),
    (NachaCode.RESERVED_DESCRIPTION, 2, "batch_header.description", placed("ccd", 2, (54, "PAYROLL   "))),
    (NachaCode.RESERVED_DESCRIPTION, 2, "batch_header.description", placed("ppd", 2, (54, "PURCHASE  "))),
    (NachaCode.CLASS_DESCRIPTION, 2, "batch_header.description", placed("rck", 2, (54, "CHECKS    "))),
    (NachaCode.EFFECTIVE_DATE, 2, "batch_header.effective_date", placed("ppd", 2, (70, "260730"))),
    (NachaCode.BANKING_DAY, 2, "batch_header.effective_date", placed("ppd", 2, (70, "260802"))),
    (NachaCode.SETTLEMENT_DAY, 2, "batch_header.settlement_day", placed("return", 2, (76, "367"))),
    (NachaCode.SETTLEMENT_FILLED, 2, "batch_header.settlement_day", placed("ppd", 2, (76, "215"))),
    (NachaCode.BATCH_NUMBER, 2, "batch_header.batch_number", placed("ppd", 2, (88, "0000000"))),
    (NachaCode.BATCH_NUMBER, 10, "batch_header.batch_number", placed("ccd", 10, (88, "0000001"))),
    (NachaCode.TRANSACTION_CODE, 3, "entry.transaction_code", placed("ppd", 3, (2, "20"))),
    (NachaCode.TRANSACTION_CODE, 3, "entry.transaction_code", placed("ppd", 3, (2, "24"))),
    (NachaCode.TRANSACTION_CODE, 3, "entry.transaction_code", placed("pop", 3, (2, "22"))),
    (NachaCode.TRANSACTION_CODE, 3, "entry.transaction_code", placed("change", 3, (2, "22"))),
    (NachaCode.TRANSACTION_SIDE, 11, "entry.transaction_code", placed("ccd", 11, (2, "27"))),
    (NachaCode.LOAN_DEBIT, 3, "entry.transaction_code", placed("ppd", 3, (2, "55"))),
    (NachaCode.AMOUNT_ZERO, 3, "entry.amount_cents", placed("ppd", 3, (30, "0" * 10))),
    (NachaCode.AMOUNT_NOT_ZERO, 6, "entry.amount_cents", placed("ccd", 6, (39, "1"))),
    (NachaCode.AMOUNT_NOT_ZERO, 3, "entry.amount_cents", placed("change", 3, (39, "1"))),
    (NachaCode.AMOUNT_NOT_ZERO, 3, "entry.amount_cents", placed("enr", 3, (39, "1"))),
    (NachaCode.TRACE_ODFI, 3, "entry.trace_number", placed("ppd", 3, (80, "09100002"))),
    (NachaCode.TRACE_ORDER, 4, "entry.trace_number", placed("ppd", 4, (88, "0000001"))),
    (NachaCode.TRACE_ORDER, 4, "entry.sequence", placed("adv", 4, (91, "0001"))),
    (NachaCode.ADDENDA_MISSING, 3, "entry.addenda_indicator", placed("ppd", 3, (79, "1"))),
    (NachaCode.ADDENDA_MISSING, 3, "entry.addenda_indicator", without("pos", 4)),
    (NachaCode.ADDENDA_MISSING, 3, "entry.addenda_indicator", file([CCD, entry(1, "24", 0)])),
    (NachaCode.ADDENDA_MISSING, 3, "entry.addenda_indicator", file([batch_header("DNE"), entry(1, "23", 0)])),
    (NachaCode.ADDENDA_MISSING, 3, "entry.addenda_indicator", without("iat", 7)),
    (NachaCode.ANSWER_MISSING, 3, "entry.addenda_indicator", without("return", 4)),
    (NachaCode.ANSWER_MISSING, 3, "entry.addenda_indicator", without("change", 4)),
    (NachaCode.ANSWER_MISSING, 3, "entry.addenda_indicator", file([CCD, entry(1, "21", 5)])),
    (NachaCode.ADDENDA_UNEXPECTED, 4, "addenda.record", placed("ccd", 3, (79, "0"))),
    (NachaCode.ADDENDA_TYPE, 4, "addenda.addenda_type", placed("ccd", 4, (2, "99"))),
    (NachaCode.ADDENDA_TYPE, 4, "addenda.addenda_type", placed("ccd", 4, (2, "06"))),
    (NachaCode.ADDENDA_TYPE, 4, "addenda.addenda_type", placed("ccd", 4, (2, "02"))),
    (NachaCode.ADDENDA_TYPE, 4, "addenda.addenda_type", placed("return", 4, (2, "98"))),
    (NachaCode.ADDENDA_TYPE, 4, "addenda.addenda_type", placed("change", 4, (2, "99"))),
    (NachaCode.ADDENDA_TYPE, 4, "addenda.addenda_type", placed("iat", 4, (2, "05"))),
    (NachaCode.ADDENDA_ORDER, 7, "addenda.addenda_type", without("iat", 7)),
    (NachaCode.ADDENDA_ORDER, 12, "addenda.addenda_type", inserted("iat", 12, iat_addenda(1)[6])),
    (NachaCode.ADDENDA_ORDER, 13, "addenda.addenda_type", inserted("iat", 13, iat_addenda(1)[6])),
    (NachaCode.ADDENDA_ORDER, 12, "addenda.addenda_type", inserted("iat return", 12, iat_addenda(1)[6])),
    (NachaCode.ADDENDA_TOO_MANY, 5, "addenda.record", inserted("ccd", 5, addenda_05(1, "RMR", 2))),
    (NachaCode.ADDENDA_TOO_MANY, 4, "addenda.record",
     file([batch_header("TEL"), entry(1, "27", 5, indicator="1"), addenda_05(1, "X")])),
    (NachaCode.ADDENDA_TOO_MANY, 5, "addenda.record", inserted("return", 5, addenda_99(1, "R03"))),
    (NachaCode.ADDENDA_TOO_MANY, 16, "addenda.record", file(
        [batch_header("IAT"), iat_entry(1, "22", 5, 13), *iat_addenda(1), *(iat_18(1, n) for n in range(1, 7))])),
    (NachaCode.ADDENDA_COUNT, 3, "entry.addenda_count", placed("ctx", 3, (55, "0003"))),
    (NachaCode.ADDENDA_COUNT, 3, "entry.addenda_count", placed("iat", 3, (13, "0008"))),
    (NachaCode.ADDENDA_SEQUENCE, 5, "addenda.sequence", placed("ctx", 5, (84, "0003"))),
    (NachaCode.ADDENDA_SEQUENCE, 12, "addenda.sequence", placed("iat", 12, (84, "0002"))),
    (NachaCode.ADDENDA_ENTRY, 4, "addenda.entry_sequence", placed("ccd", 4, (88, "0000009"))),
    (NachaCode.ADDENDA_ENTRY, 4, "addenda.entry_sequence", placed("iat", 4, (88, "0000009"))),
    (NachaCode.ADDENDA_TRACE, 4, "addenda.trace_number", placed("pos", 4, (94, "9"))),
    (NachaCode.ADDENDA_TRACE, 4, "addenda.trace_number", placed("return", 4, (94, "9"))),
    (NachaCode.REMITTANCE_FORM, 4, "addenda.text", placed("ctx", 4, (4, "XXX"))),
    (NachaCode.REMITTANCE_FORM, 4, "addenda.text", ctx(ADVICE.replace("~ST*820", " ST*820"))),
    (NachaCode.REMITTANCE_FORM, 8, "addenda.text", ctx(ADVICE.replace("SE*9", "SE*8"))),
    (NachaCode.REMITTANCE_FORM, 6, "addenda.text", ctx(ADVICE.replace("BPR*C*432.98", "BPR*C*432.987"))),
    (NachaCode.REMITTANCE_TOTAL, 6, "addenda.text", ctx(ADVICE.replace("BPR*C*4", "BPR*C*9"))),
    (NachaCode.REMITTANCE_SUM, 7, "addenda.text", ctx(ADVICE.replace("INV-7*PI*4", "INV-7*PI*5"))),
    (NachaCode.REMITTANCE_SUM, 4, "addenda.text", placed("ccd", 4, (4, "RMR*IV*INV-7*PI*99999.00\\"))),
    (NachaCode.RETURN_CODE, 4, "addenda.return_code", placed("return", 4, (4, "R49"))),
    (NachaCode.RETURN_CODE, 4, "addenda.return_reason", placed("dishonored", 4, (57, "49"))),
    (NachaCode.RETURN_CODE, 4, "addenda.dishonored_reason", placed("contested", 4, (77, "49"))),
    (NachaCode.CHANGE_CODE, 4, "addenda.change_code", placed("change", 4, (4, "C44"))),
    (NachaCode.CHANGE_CODE, 4, "addenda.refused_change_code", placed("refused change", 4, (65, "C62"))),
    (NachaCode.DATE_OF_DEATH, 4, "addenda.date_of_death", placed("return", 4, (22, "260601"))),
    (NachaCode.DATE_OF_DEATH_MISSING, 6, "addenda.date_of_death", placed("return", 6, (22, " " * 6))),
    (NachaCode.CORRECTED_BLANK, 4, "addenda.corrected_data", placed("change", 4, (36, " " * 29))),
    (NachaCode.CORRECTED_DATA, 6, "addenda.corrected_data", placed("change", 6, (36, "021000022"))),
    (NachaCode.CORRECTED_DATA, 6, "addenda.corrected_data", placed("change", 6, (48, " " * 17))),
    (NachaCode.CORRECTED_DATA, 6, "addenda.corrected_data", placed("change", 6, (46, "0"))),
    (NachaCode.CORRECTED_DATA, 8, "addenda.corrected_data", placed("change", 8, (62, "99"))),
    (NachaCode.CORRECTED_DATA, 4, "addenda.corrected_data", placed("change", 4, (36, " 0098765432"))),
    (NachaCode.CONTROL_SERVICE_CLASS, 5, "batch_control.service_class", placed("ppd", 5, (2, "220"))),
    (NachaCode.CONTROL_COMPANY_ID, 5, "batch_control.company_id", placed("ppd", 5, (45, "9"))),
    (NachaCode.CONTROL_ODFI, 5, "batch_control.odfi", placed("ppd", 5, (87, "9"))),
    (NachaCode.CONTROL_BATCH_NUMBER, 5, "batch_control.batch_number", placed("ppd", 5, (94, "7"))),
    (NachaCode.ENTRY_ADDENDA_COUNT, 5, "batch_control.entry_addenda_count", placed("ppd", 5, (10, "9"))),
    (NachaCode.ENTRY_ADDENDA_COUNT, 6, "file_control.entry_addenda_count", placed("ppd", 6, (21, "9"))),
    (NachaCode.ENTRY_HASH, 5, "batch_control.entry_hash", placed("ppd", 5, (20, "9"))),
    (NachaCode.ENTRY_HASH, 6, "file_control.entry_hash", placed("ppd", 6, (31, "9"))),
    (NachaCode.TOTAL_DEBIT, 5, "batch_control.total_debit_cents", placed("ppd", 5, (32, "9"))),
    (NachaCode.TOTAL_DEBIT, 6, "file_control.total_debit_cents", placed("ppd", 6, (43, "9"))),
    (NachaCode.TOTAL_DEBIT, 6, "file_control.total_debit_cents", placed("adv", 6, (51, "9"))),
    (NachaCode.TOTAL_CREDIT, 5, "batch_control.total_credit_cents", placed("ppd", 5, (44, "9"))),
    (NachaCode.TOTAL_CREDIT, 6, "file_control.total_credit_cents", placed("ppd", 6, (55, "9"))),
    (NachaCode.BATCH_COUNT, 6, "file_control.batch_count", placed("ppd", 6, (7, "2"))),
    (NachaCode.BLOCK_COUNT, 6, "file_control.block_count", placed("ppd", 6, (13, "2"))),
    (NachaCode.FILLER, 10, "filler.record", placed("ppd", 10, (94, "8"))),
    (NachaCode.FILLER, 11, "filler.record", [*SAMPLES["ppd"], *SAMPLES["ppd"][1:]]),
    (NachaCode.FILLER_COUNT, 9, "filler.record", SAMPLES["ppd"][:9]),
    (NachaCode.FILLER_COUNT, 20, "filler.record", SAMPLES["ppd"] + [FILLER] * 10),
    (NachaCode.FILLER_COUNT, 20, "filler.record", SAMPLES["change"] + [FILLER] * 10),
]  # fmt: skip


@pytest.mark.parametrize(("code", "number", "place", "lines"), DEFECTS, ids=lambda v: v if isinstance(v, str) else None)
def test_a_defect_is_found_at_its_place(code: NachaCode, number: int, place: str, lines: list[str] | bytes) -> None:
    found = findings(lines)
    assert (number, *place.split("."), code.value) in places(found)
    if RULES[code].is_warning:
        assert all(error.is_warning for error in found if error.line_no == number and error.code == code)


def test_warnings_alone_leave_a_file_sound() -> None:
    lines = placed("ccd", 2, (54, "PAYROLL   "))
    assert [e.code for e in findings(lines)] == [NachaCode.RESERVED_DESCRIPTION]
    assert not isinstance(read(as_bytes(lines)), list)


def test_every_rule_is_broken_above_at_every_place_it_names() -> None:
    """Rules of the fields' own tables are broken below, and the one of `read` in its own test."""
    broken = {(code, *place.split(".")) for code, _, place, _ in DEFECTS}
    named = {(code, *place) for code, rule in RULES.items() for place in rule.places}
    assert named - broken == {(NachaCode.SEC_CODE_NOT_SENT, "batch_header", "sec_code")}
    assert broken - named == set()
    assert set(RULES) == set(NachaCode)
    assert {code for code, rule in RULES.items() if not rule.places} == {code for code, _ in _SPOILED.values()} | {
        NachaCode.CHARACTER
    }


def test_only_classes_that_we_send_are_read_as_ours() -> None:
    errors = read(as_bytes(SAMPLES["web"]))
    assert isinstance(errors, list)
    assert places(errors) == [(2, "batch_header", "sec_code", "SEC_CODE_NOT_SENT")]


def test_a_reversal_may_have_the_other_side_and_debit_a_loan() -> None:
    reversal = (54, "REVERSAL  ")
    assert findings(file([batch_header("TEL", reversal), entry(1, "22", 5)])) == []
    assert findings(file([batch_header("PPD", reversal), entry(1, "55", 5)])) == []
    assert findings(file([batch_header("RCK", reversal), entry(1, "22", 5)])) == []


def test_pay_is_described_freely_before_the_rule_and_in_debits() -> None:
    salary = (54, "REG SALARY")
    old = file([batch_header("PPD", salary, (70, "260319")), entry(1, "22", 5)])
    old[0] = line((1, old[0]), (24, "260318"))
    assert findings(old) == []
    assert findings(file([batch_header("PPD", salary), entry(1, "27", 5)])) == []
    assert findings(file([batch_header("PPD", (54, "PAYROLL 01")), entry(1, "22", 5)])) == []


def test_a_return_may_count_its_addenda_as_the_forward_entry_did() -> None:
    assert findings(file([
        batch_header("CTX"), entry(1, "21", 5, (55, "0007ACME SUPPLY CO"), (73, "    "), indicator="1"),
        addenda_99(1, "R02"),
    ])) == []  # fmt: skip


# --- every field of every table -----------------------------------------------------------------------------

_SPOILED: dict[type, tuple[NachaCode, Callable[[Field], str | None]]] = {
    Const: (NachaCode.CONSTANT, lambda item: "~" * item.width),
    Blank: (NachaCode.RESERVED, lambda item: "X".rjust(item.width)),
    Digits: (NachaCode.NOT_DIGITS, lambda item: "X" * item.width),
    Numeric: (NachaCode.NOT_DIGITS, lambda item: " " * item.width),
    YYMMDD: (NachaCode.DATE, lambda _: "260230"),
    HHMM: (NachaCode.TIME, lambda _: "2460"),
    Choice: (NachaCode.VALUE, lambda item: "~" * item.width),
    Alpha: (NachaCode.REQUIRED, lambda item: " " * item.width if _must(item) else None),
    AlphaRight: (NachaCode.REQUIRED, lambda item: " " * item.width),
}
"""A text that a field of a type may not hold, and the code under which it is found."""
_OWN = {"file_id_modifier": NachaCode.FILE_ID_MODIFIER, "sec_code": NachaCode.SEC_CODE}


def _must(item: Field) -> bool:
    return isinstance(item.type, Alpha) and (item.type.required or item.type.flush)


def records() -> Iterator[tuple[str, int, Layout]]:
    """One record of each table among the samples: sample, line number, table."""
    seen: set[str] = set()
    for name, lines in SAMPLES.items():
        header = ""
        for number, text in enumerate(lines, 1):
            header = text if text[0] == "5" else header
            layout = layout_of(text, header)
            assert layout is not None
            if layout.name not in seen and layout.name != "filler":
                seen.add(layout.name)
                yield name, number, layout


def field_defects() -> Iterator[tuple[str, int, Layout, Field, str, NachaCode]]:
    for name, number, layout in records():
        for item in layout.fields[1:]:
            yield name, number, layout, item, "\x07" * item.width, NachaCode.CHARACTER
            code, spoil = next(v for kind, v in _SPOILED.items() if isinstance(item.type, kind))
            if (text := spoil(item)) is not None:
                yield name, number, layout, item, text, _OWN.get(item.name, code)


@pytest.mark.parametrize(
    ("name", "number", "layout", "item", "text", "code"),
    list(field_defects()),
    ids=lambda v: v.name if isinstance(v, Field | Layout) else str(v) if isinstance(v, NachaCode) else "",
)
def test_a_field_that_does_not_read_is_found(
    name: str, number: int, layout: Layout, item: Field, text: str, code: NachaCode
) -> None:
    found = places(findings(placed(name, number, (item.first, text))))
    if item.name == "addenda_type":  # it tells the table; what it may be is a rule of its own
        assert (number, "addenda", "addenda_type", "ADDENDA_TYPE") in found
    elif item.name == "sec_code":  # likewise
        assert (number, "batch_header", "sec_code") in [one[:3] for one in found]
    else:
        assert (number, family(layout.name), item.name, code.value) in found


def test_routing_numbers_and_accounts_are_shown_by_their_last_four() -> None:
    for _, _, _, lines in DEFECTS:
        for error in findings(lines):
            assert "123456789" not in error.message.replace("1234567890", "")
            assert BANK not in error.message
    (error,) = [e for e in findings(placed("ppd", 3, (12, "8"))) if e.code == NachaCode.ROUTING]
    assert error.message == (
        "Found *****0028: check digit 8 should be 1, expected the routing number of a bank, with its check digit: "
        "correct the receiver's routing number."
    )
    (error,) = [e for e in findings(placed("change", 4, (36, " 0098765432"))) if e.field == "corrected_data"]
    assert "98765" not in error.message
    assert "5432" in error.message


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ctx(ADVICE.replace("INV-7*PI*4", "INV-7*PI*5")),
            {"REMITTANCE_SUM": "Found 532.98, the sum of the RMR segments, expe"},
        ),
        (
            ctx(ADVICE.replace("C*432.98*", "C*955.00*")),
            {"REMITTANCE_TOTAL": "Found a payment of 955.00 in BPR02 of the X12"},
        ),
        (
            ctx(ADVICE.replace("ISA*", "XXX*")),
            {"REMITTANCE_FORM": "Found 'XXX' in the X12 820 of the entry (segment 1, XX"},
        ),
        (
            ctx(ADVICE.replace("ST*820", "ST*7766554433")),
            {"REMITTANCE_FORM": "Found '******4433' in the X12 820 of the entr"},
        ),
    ],
)
def test_remittance_that_does_not_agree_is_told_once_and_is_no_error(lines: list[str], told: dict[str, str]) -> None:
    found = findings(lines)
    assert [error.code.value for error in found] == list(told)
    for error in found:
        assert error.is_warning and error.message.startswith(told[error.code.value]), error.message


@pytest.mark.parametrize(
    ("text", "agrees"),
    [
        ("RMR*IV*INV-7*PI*432.98\\", True),
        ("RMR*IV*INV-7*PI*432.98", True),
        ("RMR*IV*INV-7**432.98*500.00*67.02\\", True),
        ("RMR*IV*A*PI*400\\RMR*IV*B*PI*32.9\\", False),
        ("RMR*IV*A*PI*400\\RMR*IV*B*PI*32.98\\", True),
        ("RMR*IV*A*PI*500.00\\RMR*CM*B*PI*-67.02\\", True),
        ("RMR*IV*INV-7*PI*4329.8\\", False),
        ("RMR*IV*INV-7\\", True),
        ("REF*VV*9\\RMR*IV*INV-7*PI*1.00\\", False),
        ("THANK YOU, 99.00", True),
    ],
)
@pytest.mark.parametrize("sec", ["ccd", "ppd"])
def test_an_rmr_states_the_amount_of_its_entry(text: str, agrees: bool, sec: str) -> None:
    """In a run that is taken whole and record by record (a warning before it sends it that way)."""
    lines = [batch_header(sec.upper()), entry(1, "22", 43298, indicator="1"), addenda_05(1, text), entry(2, "22", 5)]
    want = [] if agrees else ["REMITTANCE_SUM"]
    assert [error.code.value for error in findings(file(lines))] == want
    careful = file([*lines, entry(3, "22", 5, (4, "000000019"))])
    assert [e.code.value for e in findings(careful) if e.code.value.startswith("REMITTANCE")] == want
