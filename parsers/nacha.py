"""NACHA files of any entry class, strictly validated; those we send (PPD, CCD and CTX) read back in their frozen form.

Sent by the gateway to the originating bank, and by banks to us (`parsers.nacha_answers` reads those); record tables in
`parsers.nacha_records` and its neighbours, after the Nacha operating rules, appendix three (2026). Record order: file
header 1, then for each batch a header 5, entries 6 each with its addenda 7, a control 8; then the file control 9 and
filler lines of nines up to a multiple of ten records. Records are 94 characters; LF, CR LF or nothing separates them,
one way throughout. Money is integer cents.

Validation recomputes every count, hash and total and compares; checks field formats, order of batch and trace
numbers, check digits, transaction codes against class and service class, addenda against entries, and what answers
say. The rules are `parsers.nacha_codes.RULES`; every finding is reported, not the first alone.

>>> [(e.line_no, e.code.value) for e in validate([b""])]
[(1, 'FILE_EMPTY')]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from parsers.layout import Layout
from parsers.nacha_check import Checker
from parsers.nacha_codes import NachaCode
from parsers.nacha_errors import NachaError, finding
from parsers.nacha_lines import LineEnding, blocks, line_ending, records
from parsers.nacha_records import (
    ADDENDA_05,
    BATCH_HEADER,
    ENTRY,
    ENTRY_CTX,
    FILE_HEADER,
    Batch,
    Entry,
    FileHeader,
    NachaFile,
    check_digit,
    routing_problem,
    routing_warning,
)
from parsers.nacha_rules import BankingDay

__all__ = [
    "Batch",
    "Entry",
    "FileHeader",
    "LineEnding",
    "NachaCode",
    "NachaError",
    "NachaFile",
    "check_digit",
    "line_ending",
    "read",
    "records",
    "routing_problem",
    "routing_warning",
    "validate",
    "walk",
]

SENT: Final = ("CCD", "CTX", "PPD")
"""The classes we send."""


def validate(chunks: Iterable[bytes], *, banking_day: BankingDay | None = None) -> Iterator[NachaError]:
    """Every finding of a file given in chunks of any size, in file order; nothing for a sound file. Findings that are
    warnings leave it sound. Without ``banking_day`` effective dates are not held to the operator's calendar."""
    yield from _checked(Checker(banking_day), chunks)


def walk(chunks: Iterable[bytes], each: Callable[[int, str], None]) -> Iterator[NachaError]:
    """As `validate`, and every record of 94 characters goes to ``each`` with the number of its line."""
    yield from _checked(Checker(each=each), chunks)


def _checked(checker: Checker, chunks: Iterable[bytes]) -> Iterator[NachaError]:
    for block in blocks(chunks):
        yield from checker.feed(block)
    yield from checker.finish()


def read(data: bytes | Iterable[bytes]) -> NachaFile | list[NachaError]:
    """A file of ours in its frozen form, or everything that is wrong with it. Other classes than those we send are
    read by `parsers.nacha_answers`."""
    whole = data if isinstance(data, bytes) else b"".join(data)
    lines = list(records([whole]))
    errors = [error for error in validate([whole]) if not error.is_warning]
    return errors or list(_not_sent(lines)) or _build([line for _, line in lines])


def _not_sent(lines: list[tuple[int, str]]) -> Iterator[NachaError]:
    for line_no, line in lines:
        if line[0] == "5" and line[50:53] not in SENT:
            code, action = NachaCode.SEC_CODE_NOT_SENT, "read it as a file of the bank"
            yield finding(line_no, BATCH_HEADER, "sec_code", code, line[50:53], " ".join(SENT), action)


def _build(lines: list[str]) -> NachaFile:
    """From records found sound."""
    header = FileHeader(**_named(FILE_HEADER, lines[0]))
    batches: list[Batch] = []
    fields: dict[str, Any] = {}
    entries: list[Entry] = []
    addenda: list[str] = []
    detail: tuple[Any, ...] = ()

    def close() -> None:
        if detail:
            entries.append(_entry(detail, tuple(addenda)))
            addenda.clear()

    for line in lines[1:]:
        kind = line[0]
        if kind == "7":
            addenda.append(_decoded(ADDENDA_05, line)[0])
            continue
        close()
        detail = ()
        if kind == "6":
            detail = _decoded(ENTRY_CTX if fields["sec_code"] == "CTX" else ENTRY, line)
        elif kind == "5":
            fields = _named(BATCH_HEADER, line)
        elif kind == "8":
            batches.append(Batch(entries=tuple(entries), **fields))
            entries.clear()
        else:
            break
    return NachaFile(header=header, batches=tuple(batches))


def _entry(values: tuple[Any, ...], addenda: tuple[str, ...]) -> Entry:
    if len(values) == len(ENTRY_CTX.names):
        code, bank, digit, account, cents, identification, _, name, more, _, trace = values
    else:
        code, bank, digit, account, cents, identification, name, more, _, trace = values
    return Entry(code, bank, digit, account, cents, identification, name, more, addenda, trace)


def _decoded(layout: Layout, line: str) -> tuple[Any, ...]:
    values = layout.decode(line)
    if isinstance(values, list):
        raise ValueError(f"{layout.name} does not read although the file was found sound: {values[0]}")
    return values


def _named(layout: Layout, line: str) -> dict[str, Any]:
    return dict(zip(layout.names, _decoded(layout, line), strict=True))
