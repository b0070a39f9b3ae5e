"""How an outbound row names the check that it pays or takes back (``outbound_source.source``), and a journal entry its own."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

_MOST_ATTEMPTS: Final = 5
"""Reversals of one entry at most: a further one takes a return, and its five banking days run on."""
LEFT_ALL_THE_SAME: Final = "it left: "
"""How the reason of a bank file begins that was taken back here, and that the bank has: when it came there nobody said."""
ANY_PORTFOLIO: Final = "portfolio IN (SELECT portfolio FROM portfolio)"
"""Said beside the number of a check that is looked for by it alone: the key begins with the portfolio, and without one all checks
of years would be gone through."""


CheckName = tuple[str, str, str]
"""Portfolio, bank, number."""


class CheckKey(NamedTuple):
    """A check as it was paid: ``issue`` rises when a returned check is paid again."""

    portfolio: str
    bank: str
    check_no: str
    issue: int

    def source(self, word: Literal["check", "reversal"] = "check", attempt: int = 1) -> str:
        """What an outbound row names as where it came from; a first issue without its number. ``attempt`` rises when a
        reversal came back and is tried again.

        >>> CheckKey("1", "125", "4711", 1).source(), CheckKey("1", "125", "4711", 2).source("reversal")
        ('check:1:125:4711', 'reversal:1:125:4711#2')
        >>> CheckKey("1", "125", "4711", 1).source("reversal", 2)
        'reversal:1:125:4711#1/2'
        """
        return source_of(self.portfolio, self.bank, self.check_no, self.issue, word, attempt)


def source_of(portfolio: str, bank: str, check_no: str, issue: int, word: str = "check", attempt: int = 1) -> str:
    """``CheckKey.source`` of its parts."""
    plain = f"{word}:{portfolio}:{bank}:{check_no}"
    return f"{plain}#{issue}/{attempt}" if attempt > 1 else plain if issue == 1 else f"{plain}#{issue}"


def check_of_source(source: str) -> CheckKey | None:
    """The check a source names; None for a source of another kind. Check numbers hold no ``#`` (U0424C refuses them).

    >>> check_of_source("check:1:125:4711#2"), check_of_source("reversal:1:125:4711#1/2").issue
    (CheckKey(portfolio='1', bank='125', check_no='4711', issue=2), 1)
    """
    word, _, rest = source.partition(":")
    if word not in ("check", "reversal"):
        return None
    portfolio, bank, number = rest.split(":", 2)
    check_no, _, issue = number.partition("#")
    return CheckKey(portfolio, bank, check_no, int(issue.partition("/")[0] or 1))


def check_of_reason(portfolio: str, reason: str | None) -> CheckName | None:
    """The check that an entry's reason names: ``CHECK 126/4711``, with the bank's code before it or a word behind it.

    >>> check_of_reason("1", "R01 CHECK 126/4711"), check_of_reason("1", "ITEM 7")
    (('1', '126', '4711'), None)
    """
    _, word, rest = (reason or "").partition("CHECK ")
    bank, slash, number = rest.partition(" ")[0].partition("/")
    return (portfolio, bank, number) if word and slash else None


def source_sql(check: str) -> str:
    """The same as ``CheckKey.source``, of a row of ``bank_check`` by its alias."""
    return (
        f"'check:' || {check}.portfolio || ':' || {check}.bank || ':' || {check}.check_no || "
        f"CASE WHEN {check}.issue = 1 THEN '' ELSE '#' || CAST({check}.issue AS TEXT) END"
    )


def once_sql(source: str) -> str:
    """A condition on ``outbound_source`` of this alias: it debits or credits a vendor, and so goes out once. An offset, and
    what a scratch file goes with, go out again and again."""
    return f"({source}.source LIKE 'check:%' OR {source}.source LIKE 'reversal:%' OR {source}.source LIKE 'prenote:%')"


def sources_of(portfolio: str, bank: str, check_no: str, issue: int) -> tuple[str, ...]:
    """What outbound rows name for one issue of a check: paid, and taken back as often as that may be tried.

    >>> sources_of("1", "125", "4711", 1)[:3]
    ('check:1:125:4711', 'reversal:1:125:4711', 'reversal:1:125:4711#1/2')
    """
    key = CheckKey(portfolio, bank, check_no, issue)
    return key.source(), *(key.source("reversal", attempt) for attempt in range(1, _MOST_ATTEMPTS + 1))
