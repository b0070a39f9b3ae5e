"""What a bank's acknowledgement says, read by the expression of its settings: every match is one answer."""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

from gateway.answers.names import acknowledging
from gateway.app import App
from gateway.money import to_cents

Meaning = Literal["TAKEN", "REFUSED", "UNCLEAR"]
_LINE_END: Final = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Word:
    """What one match says. ``status`` None: it has none, so that it says that the file was taken."""

    line: int  # of the acknowledgement, from 1
    name: str | None
    status: str | None
    meaning: Meaning  # by the settings; UNCLEAR: a status that they do not name, such as one of a part
    totals: dict[str, str]  # entries, debit, credit as written, where the text has them
    text: str

    @property
    def same(self) -> tuple[object, ...]:
        """What makes two words of one acknowledgement the same one."""
        return ((self.name or "").upper(), (self.status or "").upper(), tuple(sorted(self.totals.items())))


@dataclass(frozen=True, slots=True)
class Said:
    """All words of an acknowledgement in order, and the lines, blank ones aside, of which no word came."""

    words: tuple[Word, ...]
    unread: tuple[int, ...] = ()


def said(app: App, name: str, data: bytes) -> Said | str:
    """The words of the bank whose patterns fit; a sentence where none does."""
    written = data.decode("ascii", "backslashreplace")
    for bank, named in acknowledging(app.settings.gateway, name):
        form = bank.acknowledgements
        if not form.text:
            return Said((Word(1, named, None, "TAKEN", {}, written),))
        matches = list(re.finditer(form.text, written, re.IGNORECASE))
        matches = [m for m in matches if m.group()] or matches[:1]
        if not matches:
            continue
        refused: dict[str, Meaning] = {word.upper(): "REFUSED" for word in form.refused}
        meanings = refused | {word.upper(): "TAKEN" for word in form.accepted}
        starts = [0, *(end.end() for end in _LINE_END.finditer(written))]
        words: dict[tuple[object, ...], Word] = {}
        read: set[int] = set()
        for match in matches:
            first = bisect_right(starts, match.start())
            last = bisect_right(starts, max(match.start(), match.end() - 1))
            read.update(range(first, last + 1))
            groups = {k: v.strip() for k, v in match.groupdict().items() if v is not None}
            status = groups.pop("status", None)
            meaning: Meaning = "TAKEN" if status is None else meanings.get(status.upper(), "UNCLEAR")
            all_of_it = written if len(matches) == 1 else match.group()
            word = Word(first, groups.pop("name", named), status, meaning, groups, all_of_it)
            words.setdefault(word.same, word)
        lines = (written[a:b] for a, b in zip(starts, [*starts[1:], len(written)], strict=True))
        unread = tuple(n for n, line in enumerate(lines, 1) if n not in read and line.strip())
        return Said(tuple(words.values()), unread)
    return (
        f"Found nothing in {name} that banks.*.acknowledgements.text reads, expected the bank's acknowledgement of a file: "
        "look at it, and correct the expression or ask the bank."
    )


def figures(told: str, *, is_money: bool) -> set[int]:
    """What a figure may mean: ``$1,234.50`` is cents beyond doubt, ``123450`` is dollars or cents.

    >>> sorted(figures("$1,234.50", is_money=True)), sorted(figures("0007", is_money=False))
    ([123450], [7])
    """
    bare = re.sub(r"[$,\s]", "", told)
    found = {int(bare)} if re.fullmatch("[0-9]+", bare) else set()
    if is_money:
        with suppress(ValueError):
            found.add(to_cents(bare))
    return found
