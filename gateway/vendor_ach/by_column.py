"""Checks about which nothing is special, decided by the column: most of a run.

Special is what any rule of ``rules`` could look at twice: a vendor with an alert, a change that waits, a prenote
to wait for or unsound details, class CTX, an amount out of bounds, a text in other characters or too wide. All that goes
the careful way, check by check (``decide``), which gives the same entries (a property test holds them equal).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress, repeat
from operator import itemgetter, not_
from typing import Final, NamedTuple

from gateway.vendor_ach.rules import WIDTHS, Candidate, Item, Payee, Rules, identification
from parsers.nacha_records import LIVE_CREDIT_CODE
from writers.nacha import RMR_FORBIDDEN, rmr_text
from writers.text import PRINTABLE_CHARSET

_BLOCK: Final = 4_000
_REFERENCE: Final = 57
"""What an addenda holds beside the widest amount."""
_AT: Final = {name: at for at, name in enumerate(Candidate._fields)}


class Terms(NamedTuple):
    """On which a plain vendor is paid; ``first`` day an entry may settle on, '' for any."""

    payee: Payee
    account_type: str
    sec: str
    version: int
    first: str


def items(
    candidates: Sequence[Candidate], terms: Mapping[str, Terms], effective: Mapping[str, str], rules: Rules
) -> tuple[list[Item], list[Candidate]]:
    """The entries of the plain checks, and the other checks in their order. ``effective`` is by disbursement date."""
    if identification(rules, "X") != f"{rules.origin}-X":
        return [], list(candidates)
    line = _line(rules)
    made: list[Item] = []
    others: list[Candidate] = []
    for at in range(0, len(candidates), _BLOCK):
        block = candidates[at : at + _BLOCK]
        plain = list(map(_plain(terms, effective, rules.max_entry_cents), block))
        rows = list(compress(block, plain))
        texts = [
            f"{c.check_no}\t{c.lease or ''}\t{c.asset or ''}\t{c.reference or c.lease or c.check_no}\n" for c in rows
        ]
        if not line("".join(texts)) or "".join(texts).count("\n") != len(rows):
            fits = [line(text) is not None and text.count("\n") == 1 for text in texts]
            plain = _narrowed(plain, fits)
            rows = list(compress(rows, fits))
        made += _made(rows, terms, effective, rules)
        others += compress(block, map(not_, plain))
    return made, others


def _plain(terms: Mapping[str, Terms], effective: Mapping[str, str], most: int) -> Callable[[Candidate], bool]:
    """Whether vendor, day and amount of a check are plain."""

    def plain(c: Candidate) -> bool:
        known = terms.get(c.vendor or "")
        return known is not None and 0 < c.amount_cents <= most and known.first <= effective[c.disbursement_date]

    return plain


def _narrowed(plain: Sequence[bool], fits: Sequence[bool]) -> list[bool]:
    its = iter(fits)
    return [one and next(its) for one in plain]


def _line(rules: Rules) -> Callable[[str], re.Match[str] | None]:
    """Matches lines of check number, lease, asset and what the remittance names, in characters that stay as they are."""
    widths = dict(WIDTHS)
    name = _class(rules.charset - frozenset("#:"))
    named = _class(PRINTABLE_CHARSET - RMR_FORBIDDEN)
    any_text = "[ -~]"
    line = r"\t".join((
        f"(?! ){name}{{1,{widths['check_no']}}}(?<! )",
        f"{any_text}{{0,{widths['lease']}}}",
        f"{any_text}{{0,{widths['asset']}}}",
        f"(?! ){named}{{1,{_REFERENCE}}}(?<! )",
    ))  # fmt: skip
    return re.compile(f"(?:{line}\\n)*+").fullmatch


def _class(characters: frozenset[str]) -> str:
    """Those of them that are no small letters, for those are written as capitals."""
    return f"[{''.join(re.escape(one) for one in sorted(characters) if not one.islower())}]"


def _made(
    rows: Sequence[Candidate], terms: Mapping[str, Terms], effective: Mapping[str, str], rules: Rules
) -> Iterator[Item]:
    """As ``rules.live_item`` makes them."""
    cents = list(map(itemgetter(_AT["amount_cents"]), rows))
    vendors = list(map(itemgetter(_AT["vendor"]), rows))
    its = list(map(terms.__getitem__, vendors))
    codes = {one.account_type: LIVE_CREDIT_CODE[one.account_type] for one in terms.values()}
    prefix = f"{rules.origin}-"
    return map(
        Item,
        repeat("LIVE"),
        rows,
        zip(rows),
        map(effective.__getitem__, map(itemgetter(_AT["disbursement_date"]), rows)),
        [one.sec for one in its],
        [one.payee for one in its],
        [codes[one.account_type] for one in its],
        cents,
        [prefix + c.check_no for c in rows],
        [(rmr_text(c.reference or c.lease or c.check_no, c.amount_cents),) for c in rows],
        vendors,
        [one.version for one in its],
        repeat(2),
    )
