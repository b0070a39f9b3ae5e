"""What is done about each answer of the bank, one after the other in file order. Values in, values out.

Return of a live credit: cash comes back and the payable is open again, check by check; its check is RETURNED, and the
vendor goes on alert where the reason says that the next payment would come back too (Nacha Operating Rules, return
reason codes). A check that was voided meanwhile has its payable open already, against CLEARING: cash comes back for
CLEARING. Return of our reversal debit: the payee keeps the money, so the payable is closed again and the check is
SENT; where the credit itself came back too, CLEARING is closed instead. A returned prenote blocks its vendor: that
follows from the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from gateway.answers import change
from gateway.answers.match import CheckRow, Facts, Waiting, key, matched, of_another
from gateway.answers.read import decides
from gateway.answers.values import Answer, AnswerState, Cash, Decision, waits
from gateway.ledger.ach_checks import CheckKey
from gateway.ledger.chart import ACCOUNTS_PAYABLE, CLEARING
from gateway.money import shown
from gateway.vendor_ach.entries import SentEntry
from parsers.nacha_reasons import reason
from parsers.nacha_records import ALL_CODES, ALL_DEBITS

ALERTING: Final = frozenset({"R02", "R03", "R04", "R12", "R13", "R16", "R20"})
"""Reasons by which the account is gone or takes no entries: dealer alert (the texts of the return reason codes)."""


def decide_all(answers: Iterable[Answer], facts: Facts, *, source: str) -> list[Decision]:
    """One decision an answer; ``source`` names the file in words. ``facts`` is kept up to date meanwhile."""
    return [_decided(answer, facts, f"{source} entry {answer.number}") for answer in answers]


def _decided(answer: Answer, facts: Facts, here: str) -> Decision:
    """What was acted upon is done once, whatever else it says; what was not does not stand in the way of a corrected one, nor
    what waits in the way of the same once more, where it can be done by now. What a person cleared stays so."""
    if answer.kind == "OTHER":
        return waits(
            "found an entry without a return or change, expected answers only: look at it in the file "
            "(gateway explain PATH), and book by hand what it brought, unless the whole file came since"
        )
    in_all = (answer.identity, decides(answer))
    before = facts.taken.get(answer.identity)
    waiting = facts.waiting.get(in_all)
    if before is None and waiting is not None and waiting.open_as is None:
        before = waiting.place
    if before is not None:
        return Decision(AnswerState.REPEATED, f"the same as {before}: nothing done")
    decision = _by_kind(answer, facts, here)
    if decision.state is AnswerState.DONE:
        facts.taken[answer.identity] = here
        return decision if waiting is None else replace(decision, settles=waiting.open_as)
    if waiting is not None:
        now = "" if decision.outcome == waiting.outcome else f", for now it is this: {decision.outcome}"
        return Decision(AnswerState.REPEATED, f"the same as {waiting.place}: nothing done{now}")
    facts.waiting[in_all] = Waiting(here, decision.outcome)
    return decision


def _by_kind(answer: Answer, facts: Facts, here: str) -> Decision:
    match answer.kind:
        case "RETURN":
            return _return(answer, facts, here)
        case "CHANGE":
            sent = _ours(answer, facts)
            return waits(f"{_said(answer)}: {sent}") if isinstance(sent, str) else change.decided(answer, sent, facts)
        case _:
            return _for_a_person(answer, facts)


def _ours(answer: Answer, facts: Facts) -> SentEntry | str:
    """The entry that an answer without an amount is about; or why there is none, in words. Its trace number alone may be
    another company's: each numbers its own from 1, beneath the same bank."""
    sent = matched(answer, facts, amount_counts=False)
    return sent if isinstance(sent, str) else of_another(answer, sent, facts) or sent


def _said(answer: Answer) -> str:
    """``R03 no account, or unable to locate it``."""
    return f"{answer.code} {reason(answer.code) or 'a code that is not known here'}"


def _for_a_person(answer: Answer, facts: Facts) -> Decision:
    """Between the banks: nothing moves by it, somebody has to look."""
    words = {"DISHONORED": "a dishonored return", "CONTESTED": "a contested return"}
    sent = _ours(answer, facts)
    what = words.get(answer.kind, "a refused notification of change")
    return waits(
        f"{_said(answer)}: found {what}, expected a return or a notification of change: talk to the bank, and say what "
        "came of it with gateway answers clear FILE/NUMBER --reason WHY",
        None if isinstance(sent, str) else key(sent),
    )


def _return(answer: Answer, facts: Facts, here: str) -> Decision:
    sent = matched(answer, facts, amount_counts=True)
    if isinstance(sent, str):
        return waits(f"{_said(answer)}: {sent}")
    came, is_debit = answer.transaction_code, sent.entry.transaction_code in ALL_DEBITS
    if came in ALL_CODES and (came in ALL_DEBITS) != is_debit:
        ours = "debit" if is_debit else "credit"
        return waits(
            f"{_said(answer)}: found transaction code {came}, expected that of a returned {ours} as entry "
            f"{sent.entry.trace_number} is one: ask the bank",
            key(sent),
        )
    another = of_another(answer, sent, facts)
    if another is not None:
        return waits(f"{_said(answer)}: {another}")
    before = facts.returned.get(key(sent))
    if before is not None:
        return waits(
            f"{_said(answer)}: found the entry returned before by {before}, expected it once: ask the bank", key(sent)
        )
    decision = _of_kind(answer, sent, facts)
    if decision.state is AnswerState.DONE:
        facts.returned[key(sent)] = here
        original = (sent.entry.reverses_outbound_id, sent.entry.reverses_seq)
        facts.taken_back = {of: back for of, back in facts.taken_back.items() if of != original}
        for cash in decision.cash:
            _moved(facts, cash)
    return decision


def _of_kind(answer: Answer, sent: SentEntry, facts: Facts) -> Decision:
    vendor = sent.entry.vendor
    match sent.entry.kind:
        case "LIVE":
            return _live(answer, sent, facts)
        case "REVERSAL":
            return _reversal(answer, sent, facts)
        case "PRENOTE":
            return Decision(
                AnswerState.DONE,
                f"{_said(answer)}: the prenote of vendor {vendor} came back; nothing is paid to these bank details until "
                "they are changed",
                key(sent),
            )
        case _:
            return waits(
                f"{_said(answer)}: found the return of our own offset entry, expected returns of payments: ask the bank "
                "which account it holds against us",
                key(sent),
            )


def _live(answer: Answer, sent: SentEntry, facts: Facts) -> Decision:
    """CASH / ACCOUNTS PAYABLE a check, or CASH / CLEARING where the payable is open by a void."""
    rows = _standing(sent, facts, ("SENT", "VOID"))
    if isinstance(rows, str):
        return waits(f"{_said(answer)}: {rows}", key(sent))
    cash = tuple(
        Cash(
            check, row.office_id, row.lease, f"CASH {check.bank}",
            ACCOUNTS_PAYABLE if row.state == "SENT" else CLEARING, row.amount_cents,
            "RETURNED" if row.state == "SENT" else None,
        )
        for check, row in rows
    )  # fmt: skip
    vendor = sent.entry.vendor if answer.code in ALERTING else None
    done = _listed(cash, "RETURNED") or "void before, cash is back against CLEARING"
    alert = f"; vendor {vendor} on alert" if vendor else ""
    back = facts.taken_back.get(key(sent))
    twice = f"; {back.said}" if back is not None else ""
    return Decision(AnswerState.DONE, f"{_said(answer)}: {done}{alert}{twice}", key(sent), cash, alert=vendor)


def _reversal(answer: Answer, sent: SentEntry, facts: Facts) -> Decision:
    rows = _standing(sent, facts, ("VOID",))
    if isinstance(rows, str):
        return waits(f"{_said(answer)}: {rows}", key(sent))
    entry = sent.entry
    came_back = (entry.reverses_outbound_id, entry.reverses_seq) in facts.returned
    debit, becomes = (CLEARING, None) if came_back else (ACCOUNTS_PAYABLE, "SENT")
    cash = tuple(
        Cash(
            check, row.office_id, row.lease, debit, f"CASH {check.bank}", row.amount_cents, becomes,
            row.void_entry_id if becomes else None,
        )
        for check, row in rows
    )  # fmt: skip
    done = (
        "the credit came back before, so the money goes against CLEARING; gateway vendor clearing shows what is left there"
        if came_back
        else _listed(cash, "SENT again, paid after all")
    )
    return Decision(AnswerState.DONE, f"{_said(answer)}: our reversal came back; {done}", key(sent), cash)


def _standing(sent: SentEntry, facts: Facts, expected: Sequence[str]) -> list[tuple[CheckKey, CheckRow]] | str:
    """The checks of an entry in a state in which it can come back; or what is wrong with them."""
    rows = facts.rows_of(sent)
    good = [
        (check, row) for check, row in rows if row is not None and row.issue == check.issue and row.state in expected
    ]
    if len(good) != len(rows) or not rows:
        named = (
            ", ".join(f"check {check.check_no} " + (f"{row.state}" if row else "missing") for check, row in rows)
            or "no check of it"
        )
        return f"found {named}, expected {' or '.join(expected)}: see gateway trace {sent.entry.trace_number}"
    total = sum(row.amount_cents for _, row in good)
    if total != sent.entry.amount_cents:
        return f"found checks of {shown(total)}, expected {shown(sent.entry.amount_cents)} as they were sent: run gateway verify"
    return good


def _listed(cash: Sequence[Cash], words: str) -> str:
    """``check 4711 RETURNED``; empty where none changed."""
    changed = [c.check.check_no for c in cash if c.becomes is not None]
    return f"check{'s' if len(changed) > 1 else ''} {', '.join(changed)} {words}" if changed else ""


def _moved(facts: Facts, cash: Cash) -> None:
    if cash.becomes is not None:
        at = (cash.check.portfolio, cash.check.bank, cash.check.check_no)
        facts.checks[at] = facts.checks[at]._replace(state=cash.becomes)
