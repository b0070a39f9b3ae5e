"""Which entry of ours an answer is about: by original trace number, then amount, within the time a number is not reused.

What is not found, and what answers an entry that cannot be so answered, waits for a person with the reason; nothing is
guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from gateway.answers.values import Answer, EntryKey, Identity
from gateway.ledger.ach_checks import CheckKey
from gateway.log import last_four
from gateway.money import shown
from gateway.outbound.states import LEFT_STATES
from gateway.vendor_ach.entries import SentEntry
from gateway.vendor_ach.numbers import NOT_AGAIN_DAYS
from parsers.nacha_quoting import hidden


class CheckRow(NamedTuple):
    """A check as it stands."""

    office_id: int
    lease: str | None
    amount_cents: int
    state: str
    issue: int
    void_entry_id: int | None


class TakenBack(NamedTuple):
    """The reversal of an entry, and how far it is."""

    outbound_id: int
    file: str
    state: str
    delivery: str | None
    at_bank: bool

    @property
    def said(self) -> str:
        """What is to be done about it where the entry came back."""
        if self.state == "BUILT":
            return f"its reversal waits in {self.file}: reject that file (gateway outbound reject {self.outbound_id} --reason WHY)"
        if not self.at_bank and self.delivery in (None, "PENDING", "NOT_DELIVERED"):
            return (
                f"its reversal in {self.file} must not leave: call that file back (gateway outbound recall "
                f"{self.outbound_id} --reason WHY)"
            )
        return (
            f"its reversal left in {self.file}, so that the money comes twice unless the reversal comes back too: see "
            "gateway vendor clearing"
        )


class Waiting(NamedTuple):
    """An answer that was not acted upon: its place and why, in words, and while it waits for a person, file and number."""

    place: str
    outcome: str
    open_as: tuple[int, int] | None = None


@dataclass(slots=True)
class Facts:
    """What the ledger says about everything a file of answers names. ``taken`` (what was acted upon), ``waiting`` (what was
    not, by all that decides too) and ``returned`` say where."""

    today: date
    sent: Mapping[str, Sequence[SentEntry]]  # by trace number, the oldest first
    paid: Mapping[EntryKey, Sequence[CheckKey]]
    checks: dict[tuple[str, str, str], CheckRow]  # by portfolio, bank, number
    versions: Mapping[str, int]  # of bank details, by vendor
    details: Mapping[str, Mapping[str, str]]  # of vendors, in clear
    accounts: Mapping[EntryKey, str] = field(default_factory=dict, repr=False)  # that entries went to, where that opens
    companies: Mapping[int, Sequence[str]] = field(default_factory=dict)  # identifications in the batches of our files
    taken: dict[Identity, str] = field(default_factory=dict)
    waiting: dict[tuple[Identity, str], Waiting] = field(default_factory=dict)
    returned: dict[EntryKey, str] = field(default_factory=dict)
    taken_back: dict[EntryKey, TakenBack] = field(default_factory=dict)  # by the last reversal that did not come back

    def rows_of(self, entry: SentEntry) -> list[tuple[CheckKey, CheckRow | None]]:
        """The checks of an entry, each as it stands now."""
        return [
            (check, self.checks.get((check.portfolio, check.bank, check.check_no))) for check in self.paid[key(entry)]
        ]


def key(sent: SentEntry) -> EntryKey:
    return (sent.entry.outbound_id, sent.entry.seq)


def apart(theirs: str, ours: str) -> bool:
    """Whether two numbers, as banks write them, are not the same: one that is blank, cut, padded or masked at an end may be.

    >>> apart("00-7711 ", "7711"), apart("", "7711"), apart("XXXX7711", "55667711"), apart("7712", "7711")
    (False, False, False, True)
    """
    a, b = (re.sub("[^A-Z0-9]", "", number.upper()).lstrip("0X") for number in (theirs, ours))
    return not (a.startswith(b) or b.startswith(a) or a.endswith(b) or b.endswith(a))


def of_another(answer: Answer, sent: SentEntry, facts: Facts) -> str | None:
    """Why an answer with the trace number of an entry of ours (a return: its amount too) is not about it, in words; None where
    nothing says so. Banks return what they got: company, class and account are the original's (Nacha, return entries; a
    notification of change has them too)."""
    ours = facts.companies.get(sent.entry.outbound_id, ())
    theirs = answer.company_id
    if ours and all(apart(theirs, company) for company in ours):
        return (
            f"found company identification {hidden(theirs)} in its batch, expected {', '.join(ours)} as in {sent.file}: it may be "
            "another company's; ask the bank"
        )
    account = facts.accounts.get(key(sent))
    if account is not None and apart(answer.entry.account, account):
        came, went = last_four(answer.entry.account), last_four(account)
        expected = f"expected {went}" if came != went else "which ends alike and is another, expected the one"
        return (
            f"found account {came}, {expected} that entry {sent.entry.trace_number} in {sent.file} went to: it may be another "
            "company's; ask the bank"
        )
    return None


def matched(answer: Answer, facts: Facts, *, amount_counts: bool) -> SentEntry | str:
    """The entry; or why there is none, in words. ``amount_counts``: a return's amount is the entry's."""
    trace = answer.original_trace
    found = facts.sent.get(trace, ())
    if not found:
        return f"found original trace number {trace or 'blank'}, expected one of an entry of ours: ask the bank"
    recent = [s for s in found if (facts.today - date.fromisoformat(s.entry.effective_date)).days <= NOT_AGAIN_DAYS]
    if not recent:
        last = found[-1]
        return (
            f"found trace number {trace} last used in {last.file} for {last.entry.effective_date}, expected one settled "
            f"within {NOT_AGAIN_DAYS} days: ask the bank"
        )
    left = [s for s in recent if s.state in LEFT_STATES]
    if not left:
        last = recent[-1]
        return (
            f"found trace number {trace} in {last.file}, which is {last.state}, expected a file that left: it reached the bank "
            f"all the same, and what it pays may be paid again; look at gateway trace {trace}, ask the bank at once, and where it "
            f"pays it: gateway outbound taken {last.entry.outbound_id} --reason WHY"
        )
    if not amount_counts:
        return left[-1]
    equal = [s for s in left if s.entry.amount_cents == answer.amount_cents]
    if not equal:
        came = "an amount that cannot be read" if answer.amount_cents is None else shown(answer.amount_cents)
        return (
            f"found {came} for trace number {trace}, expected {shown(left[-1].entry.amount_cents)} as in {left[-1].file}: "
            "ask the bank"
        )
    return equal[-1]
