"""What of a record of a NACHA file may be quoted: no account number leaves it because the record is out of place.

A byte lost or added, or lines wrapped, push an account number into fields that are shown to anybody. Where a field is what
it says is told by the fields of digits, dates, constants and blanks: while each of them reads, the record is in place. Then

* a record that reads in all its fields is quoted in full (but for its secret fields);
* of a record in place, the fields that do not read and the free text are quoted with long numbers hidden;
* of a record out of place everything is, and numbers hidden in it are not used to judge it or any other.

A long number is more than four digits and letters in a row, with a digit in each of its groups; single blanks, dashes, dots
or slashes may part those. Account numbers may have letters. Its last four are shown. At the end of a record out of place it is
hidden altogether, for it may go on in the next one.

What this cannot see: bytes lost or added by just as many that digits of an account, of this record or the next, stand where
another number belongs, and every other number of the record reads.

>>> hidden("no 776655443322, 7766-5544, 12AB34CD or 1234")
'no ********3322, ****-5544, ****34CD or 1234'
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, NamedTuple

from parsers.layout import HHMM, YYMMDD, Blank, Const, Digits, FieldView, Layout, Numeric

_NUMBER: Final = re.compile(
    r"(?<![0-9A-Za-z])(?=[A-Za-z]*[0-9])[0-9A-Za-z]++(?:[ ./-](?=[A-Za-z]*[0-9])[0-9A-Za-z]++)*"
)
_DIGIT: Final = re.compile("[0-9A-Za-z]")
_SHOWN: Final = 4
_PLACING: Final = (Const, Blank, Digits, Numeric, YYMMDD, HHMM)
"""Types whose fields tell by what is in them that they are in their place."""


def hidden(text: str) -> str:
    """The text with the last four characters alone of every longer number."""
    return _NUMBER.sub(lambda found: _covered(found[0], _SHOWN), text)


def _covered(number: str, shown: int) -> str:
    last = len(_DIGIT.findall(number)) - shown
    return _DIGIT.sub("*", number, count=last) if last > 0 else number


def hidden_record(line: str) -> str:
    """A record out of place: as `hidden`, and a number at its end altogether."""
    end = len(line.rstrip())
    return _NUMBER.sub(lambda found: _covered(found[0], 0 if found.end() == end else _SHOWN), line)


class Quoted(NamedTuple):
    """A record's fields as they may be shown, and whether it is in place."""

    views: tuple[FieldView, ...]
    in_place: bool


def quoted(layout: Layout, line: str) -> Quoted:
    """The fields of a record; what is hidden of one that reads is not its value any more."""
    views = layout.explain(line)
    wrong = [isinstance(item.type, _PLACING) for item, view in zip(layout.fields, views, strict=True) if view.error]
    if not wrong:
        return Quoted(tuple(views), True)
    placed = not any(wrong)
    covered = hidden(line) if placed else hidden_record(line)
    return Quoted(
        tuple(
            view if placed and isinstance(item.type, _PLACING) else _as(view, covered[item.first - 1 : item.last])
            for item, view in zip(layout.fields, views, strict=True)
        ),
        placed,
    )


def _as(view: FieldView, raw: str) -> FieldView:
    return view if raw == view.raw else view._replace(raw=raw, value=None if view.error else raw.strip())


def in_place(layout: Layout, line: str, of: Collection[str] = ()) -> bool:
    """Whether every number, date, constant and blank of a record is where it belongs; or those ``of`` these names."""
    if isinstance(layout.decode(line), tuple):
        return True
    return not any(
        view.error and isinstance(item.type, _PLACING) and (not of or item.name in of)
        for item, view in zip(layout.fields, layout.explain(line), strict=True)
    )
