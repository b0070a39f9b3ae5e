"""X12 820, Payment Order/Remittance Advice, as the addenda of a CTX entry: which references an entry pays.

One interchange (ISA..IEA) with one group and one transaction set, release 004010, cut into pieces of 80 characters
regardless of segment ends; the last piece keeps no trailing blanks, which the addenda record fills up. Elements are
separated by ``*``, segments end with ``~``, components would be separated by ``:``. Order::

    ISA GS ST BPR TRN N1*PR N1*PE ENT RMR… SE GE IEA

Control numbers are those of the entry's trace number, so that an advice leads back to its entry. Account numbers are
left out: BPR names amount, format, company and date, the bank data stand in the entry. What cannot stand in an element
(a separator, too many characters) is a `WriterError`; texts are made fit beforehand.

>>> pieces("ABCDE" * 20)[1]
'ABCDEABCDEABCDEABCDE'
"""

from __future__ import annotations

from typing import Final

from parsers.x12_820 import COMPONENT, ELEMENT, SEGMENT, Advice
from writers.text import WriterError

PIECE: Final = 80
_FORBIDDEN: Final = frozenset(ELEMENT + SEGMENT + COMPONENT)
_WIDTHS: Final = {"sender": 15, "receiver": 15, "company_id": 10, "payer": 60, "payee": 60, "trace_number": 30}
REFERENCE_WIDTH: Final = 30


def render(advice: Advice) -> str:
    """The interchange as one text. Raises WriterError for what an element cannot hold."""
    _check(advice)
    control = f"{int(advice.control_number):09d}"
    day, time = advice.created_on.replace("-", ""), advice.created_at
    body = [
        segment("ST", "820", control),
        segment("BPR", "C", _amount(advice.total_cents), "C", "ACH", "CTX", "", "", "", "", advice.company_id, "", "",
                "", "", "", advice.effective_date.replace("-", "")),
        segment("TRN", "1", advice.trace_number, advice.company_id),
        segment("N1", "PR", advice.payer),
        segment("N1", "PE", advice.payee),
        segment("ENT", "1"),
        *(rmr(reference, cents) for reference, cents in advice.lines),
    ]  # fmt: skip
    body.append(segment("SE", str(len(body) + 1), control))
    head = segment(
        "ISA", "00", " " * 10, "00", " " * 10, advice.sender_qualifier, advice.sender.ljust(15),
        advice.receiver_qualifier, advice.receiver.ljust(15), day[2:], time, "U", "00401", control, "0", advice.usage,
        COMPONENT,
    )  # fmt: skip
    group = segment("GS", "RA", advice.sender, advice.receiver, day, time, str(int(control)), "X", "004010")
    return "".join([head, group, *body, segment("GE", "1", str(int(control))), segment("IEA", "1", control)])


def segment(*elements: str) -> str:
    return ELEMENT.join(elements) + SEGMENT


def rmr(reference: str, cents: int) -> str:
    """What is paid of one reference.

    >>> rmr("INV-1", 43298)
    'RMR*IV*INV-1*PI*432.98~'
    """
    return segment("RMR", "IV", reference, "PI", _amount(cents))


def pieces(text: str) -> tuple[str, ...]:
    """The addenda texts, each 80 characters but the last. Blanks at the end of a piece are part of it: an addenda record
    is blank-filled, so that they come back when `parsers.x12_820.joined` puts the pieces together."""
    return tuple(text[at : at + PIECE] for at in range(0, len(text), PIECE))


def problem(text: str, width: int) -> str | None:
    """Why a text cannot be an element, or None.

    >>> problem("A*B", 30)
    "'*' separates X12 elements and cannot stand in one"
    """
    if bad := sorted(_FORBIDDEN.intersection(text)):
        return f"{bad[0]!r} separates X12 elements and cannot stand in one"
    if not text.strip():
        return "an X12 element needs a value"
    return f"{len(text)} characters, an X12 element holds {width} here" if len(text) > width else None


def _check(advice: Advice) -> None:
    texts = [(name, getattr(advice, name), width) for name, width in _WIDTHS.items()]
    texts += [("reference", reference, REFERENCE_WIDTH) for reference, _ in advice.lines]
    for name, value, width in texts:
        wrong = problem(value, width)
        if wrong is not None:
            raise WriterError(f"remittance advice of trace {advice.trace_number}: {name} {value!r}: {wrong}")
    if not advice.lines or any(cents < 0 for _, cents in advice.lines):
        raise WriterError(f"remittance advice of trace {advice.trace_number}: no lines, or an amount below zero")


def _amount(cents: int) -> str:
    """Dollars as X12 writes them, always with two decimals."""
    return f"{cents // 100}.{cents % 100:02d}"
