"""What the addenda 05 of an entry say that it pays, held to what the entry pays.

A CTX entry carries an X12 820 (`parsers.x12_820`), a CCD or PPD entry may carry RMR segments
(``RMR*IV*invoice*PI*amount\\``). No bank refuses an entry for them, so that all findings are warnings: the receiver cannot
book what does not read or does not agree. Other texts are free, and an RMR without an amount states none.

>>> remittance_cents("RMR*IV*INV-1*PI*432.98\\\\RMR*IV*INV-2*PI*-2\\\\"), remittance_cents("THANK YOU")
(43098, None)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from parsers.nacha_codes import NachaCode
from parsers.nacha_errors import NachaError, finding
from parsers.nacha_quoting import hidden
from parsers.nacha_records import ADDENDA_05
from parsers.x12_820 import joined, read

TEXT: Final = 80
"""Characters of an addenda record's text."""
_AGREES: Final = re.compile(
    r"^6.{28}0*([0-9]+)([0-9]{2}).{39}1.{15}\n705RMR\*[^*\\\n]*\*[^*\\\n]*\*[^*\\\n]*\*\1\.\2\\ *[0-9]{11}$",
    re.MULTILINE,
)
"""An entry whose one RMR is written as here and says its amount: what nearly all of a large file are."""
_WITH_TEXT: Final = re.compile(r"^6.{28}([0-9]{10}).{39}1.{15}\n705(.{80})", re.MULTILINE)
_RMR: Final = re.compile(
    r"(?:^|[\\~\n])RMR\*[^*\\~]*\*[^*\\~]*\*[^*\\~]*\*(-?)([0-9]+)(?:\.([0-9]{1,2}))?(?=[*\\~ ]|$)"
)
_BPR: Final = re.compile(r"BPR\*[^*~\\]*\*([0-9]+)(?:\.([0-9]{1,2}))?(?=[*~\\])")

Text = tuple[int, str]
"""The number of an addenda record's line, and its text."""


def remittance_cents(text: str) -> int | None:
    """The sum of the RMR segments; None where none has an amount."""
    found = _RMR.findall(text)
    return sum((-1 if sign else 1) * _cents(whole, part) for sign, whole, part in found) if found else None


def all_agree(lines: str) -> bool:
    """Whether no RMR of a run of flawless PPD or CCD entries says another amount than its entry."""
    stated = lines.count("RMR*")
    if stated == 0 or stated == len(_AGREES.findall(lines)):
        return True
    return all(
        remittance_cents(joined([text])) in (None, int(cents))
        for cents, text in _WITH_TEXT.findall(lines)
        if "RMR*" in text
    )


def _cents(whole: str, part: str) -> int:
    return int(whole) * 100 + int(f"{part:0<2}")


def remittance(sec_code: str, cents: int, texts: Sequence[Text]) -> Iterator[NachaError]:
    """What is wrong with the addenda of a forward entry over so many cents."""
    if not texts:
        return
    if sec_code == "CTX":
        yield from _x12(cents, texts)
    elif sec_code in ("CCD", "PPD"):
        yield from _sum(cents, remittance_cents(joined([text for _, text in texts])), texts[0][0])


def _x12(cents: int, texts: Sequence[Text]) -> Iterator[NachaError]:
    text = joined([one for _, one in texts])
    found = read(text)
    problems = [x for x in found if x.name != "BPR02" or "RMR" not in x.expected] if isinstance(found, list) else []
    if problems:
        first, more = problems[0], len(problems) - 1
        also = f", and {more} more" if more else ""
        where = f"segment {first.segment}{f', {first.name}' if first.name else ''}"
        said = f"{hidden(first.found)} in the X12 820 of the entry ({where}{also})"
        action = "have the remittance made again: the receiver's program stumbles over it"
        yield _at(_line_of(text, first.segment, texts), NachaCode.REMITTANCE_FORM, said, first.expected, action)
    if text[3:4] not in ("", "*"):
        return
    total = _BPR.search(text)
    if total is not None and _cents(total[1], total[2] or "") != cents:
        line_no = texts[min(total.start() // TEXT, len(texts) - 1)][0]
        said = f"a payment of {_shown(_cents(total[1], total[2] or ''))} in BPR02 of the X12 820"
        action = "correct the remittance or the entry: the receiver books one of the two"
        yield _at(line_no, NachaCode.REMITTANCE_TOTAL, said, f"{_shown(cents)}, as the entry says", action)
    rmr = text.find("RMR*")
    yield from _sum(cents, remittance_cents(text), texts[min(max(rmr, 0) // TEXT, len(texts) - 1)][0])


def _sum(cents: int, said: int | None, line_no: int) -> Iterator[NachaError]:
    if said is not None and said != cents:
        action = "correct the remittance or the entry: the receiver books one of the two"
        found = f"{_shown(said)}, the sum of the RMR segments"
        yield _at(line_no, NachaCode.REMITTANCE_SUM, found, f"{_shown(cents)}, as the entry says", action)


def _line_of(text: str, segment: int, texts: Sequence[Text]) -> int:
    """The line in which a segment, counted from 1, begins; the first one where the text has no segments."""
    ends = text[105:106]
    parts = text.split(ends) if ends and text.startswith("ISA") else []
    start = sum(len(part) + 1 for part in parts[: segment - 1])
    return texts[min(start // TEXT, len(texts) - 1)][0]


def _at(line_no: int, code: NachaCode, found: str, expected: str, action: str) -> NachaError:
    return finding(line_no, ADDENDA_05, "text", code, found, expected, action)


def _shown(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02d}"
