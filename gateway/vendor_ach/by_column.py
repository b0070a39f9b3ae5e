"""Checks about which nothing is special, decided by the column: most of a run.

Special is what any rule of ``rules`` could look at twice: a vendor with an alert, a change that waits, a prenote
to wait for or unsound details, class CTX, an amount out of bounds, a text in other characters or too wide. All that goes
the careful way, check by check (``decide``), which gives the same entries (a property test holds them equal).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import compress, repeat
from operator import attrgetter, not_
from typing import Final, NamedTuple

from gateway.vendor_ach.columns import column, rows_of
from gateway.vendor_ach.rules import WIDTHS, Candidate, Item, Payee, Rules, identification
from parsers.nacha_records import LIVE_CREDIT_CODE
from writers.nacha import RMR_FORBIDDEN, rmr_text
from writers.text import PRINTABLE_CHARSET

_BLOCK: Final = 4_000
_REFERENCE: Final = 57
"""What an addenda holds beside the widest amount."""
_JUDGED: Final = attrgetter("vendor", "amount_cents", "disbursement_date")
_TEXTS: Final = attrgetter("check_no", "lease", "asset", "reference")


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
    first = {vendor: its.first for vendor, its in terms.items()}
    most = rules.max_entry_cents
    made: list[Item] = []
    others: list[Candidate] = []
    for at in range(0, len(candidates), _BLOCK):
        block = candidates[at : at + _BLOCK]
        plain = [
            vendor in first and 0 < cents <= most and first[vendor] <= effective[due]
            for vendor, cents, due in map(_JUDGED, block)
        ]
        rows = list(compress(block, plain))
        texts = [
            f"{check_no}\t{lease or ''}\t{asset or ''}\t{reference or lease or check_no}\n"
            for check_no, lease, asset, reference in map(_TEXTS, rows)
        ]
        together = "".join(texts)
        if not line(together) or together.count("\n") != len(rows):
            fits = [line(text) is not None and text.count("\n") == 1 for text in texts]
            plain = _narrowed(plain, fits)
            rows = list(compress(rows, fits))
        made += _made(rows, terms, effective, rules)
        others += compress(block, map(not_, plain))
    return made, others


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
    cents, vendors = column(rows, "amount_cents"), column(rows, "vendor")
    its = list(map(terms.__getitem__, vendors))
    codes = {vendor: LIVE_CREDIT_CODE[one.account_type] for vendor, one in terms.items()}
    prefix = f"{rules.origin}-"
    names = [reference or lease or check_no for check_no, lease, _, reference in map(_TEXTS, rows)]
    return rows_of(
        Item,
        (
            repeat("LIVE"),
            rows,
            zip(rows, strict=True),
            map(effective.__getitem__, column(rows, "disbursement_date")),
            column(its, "sec"),
            column(its, "payee"),
            map(codes.__getitem__, vendors),
            cents,
            [prefix + check_no for check_no in column(rows, "check_no")],
            zip(map(rmr_text, names, cents), strict=True),
            vendors,
            column(its, "version"),
            repeat(2),
            repeat(None),
            repeat(None),
            repeat(1),
        ),
    )
