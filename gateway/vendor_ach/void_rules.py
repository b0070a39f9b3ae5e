"""Which checks may be voided, and which voids be taken back: what is asked of a check before either."""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import Refused
from gateway.ledger import ach_answers
from gateway.ledger.ach_checks import CheckKey
from gateway.ledger.ach_returns import came_back_sql, return_code_sql, unclear_sql
from gateway.ledger.chart import CLEARING, cash_purpose
from gateway.outbound.built import place
from gateway.vendor_ach import gather, reversals, settling
from parsers.nacha_reasons import reason as reason_of

VENDOR_TYPES: Final = ("NEWA", "NEWD", "NEWI", "NEWL", "WIRE", "MANL", "COMV")
_ELSEWHERE: Final = {
    "SUSP": "take the step on its suspense item back (gateway suspense undo ITEM --move N --reason WHY)",
    "ESCR": "its money is a lease's escrow: take its file back (gateway files reverse FILE --reason WHY)",
}
_TRIED_AGAIN: Final = frozenset({"R01", "R09"})
"""Returns of a reversal after which it may be tried again: insufficient, uncollected funds."""


class Check(NamedTuple):
    """A check as it stands. The last two are of the live entry that it left by, if it did by ACH."""

    portfolio: str
    bank: str
    check_no: str
    issue: int
    type: str
    state: str
    amount_cents: int
    office_id: int
    lease: str | None
    asset: str | None
    void_entry_id: int | None
    file: str | None  # the bank file it is in
    sent_in: int | None
    sent_seq: int | None

    @property
    def key(self) -> CheckKey:
        return CheckKey(self.portfolio, self.bank, self.check_no, self.issue)

    @property
    def cash(self) -> str:
        """The account that its void gives the money to."""
        return CLEARING if self.sent_in is not None or self.type == "NEWI" else cash_purpose(self.bank)


def voidable(check: Check, action: str) -> None:
    if check.type not in VENDOR_TYPES:
        where = _ELSEWHERE.get(check.type, "void it where it was made")
        raise Refused(f"{action}: found type {check.type}, expected a vendor's check; {where}")
    if check.state == "RESERVED":
        raise Refused(
            f"{action}: found it in {check.file}, which waits for release, expected it in no file; reject that file first"
        )
    if check.state not in ("NEW", "SENT"):
        raise Refused(f"{action}: found it {check.state}, expected NEW or SENT: its payable is open already")
    if check.type == "NEWA" and check.state == "SENT" and check.sent_in is None:
        raise Refused(
            f"{action}: found it sent before this ledger knew of it, expected an entry to reverse; ask the bank to "
            "reverse it"
        )


def in_time(app: App, connection: Connection, check: Check, sent_in: int, action: str) -> str:
    """The last day of a reversal of what left by that file. Raises Refused when the next run would come too late for it, or
    could not make it for another bank's."""
    run = gather.context(app, connection, place(app, connection, check.portfolio))
    settled = settling.days(app, connection, [sent_in])[sent_in].on
    last = reversals.last_day(settled, run.calendar)
    earliest = run.calendar.add_banking_days(run.created.date(), run.bank.lead_days)
    possible = reversals.effective_date(settled, earliest)
    if possible > last:
        raise Refused(
            f"{action}: found it in {check.file}, settled on {settled}, and a reversal possible for {possible}, expected one by "
            f"{last}: ask the vendor for the money"
        )
    sent_by = gather.companies(run, [sent_in])[sent_in]
    if (other := reversals.elsewhere(sent_by, (run.bank.company_identification, run.odfi))) is not None:
        found, expected = other
        raise Refused(
            f"{action}: found it in {check.file}, {found}, expected {expected}: ask that bank to reverse it, or let the portfolio "
            f"name that bank again until its reversal is built (by {last})"
        )
    return last


_LAST_REVERSAL: Final = f"""
    SELECT f.outbound_id, f.name, {return_code_sql("v")} AS code
    FROM ach_entry v JOIN outbound_file f ON f.outbound_id = v.outbound_id AND f.state <> 'REJECTED'
    WHERE v.reverses_outbound_id = :o AND v.reverses_seq = :s ORDER BY v.outbound_id DESC LIMIT 1
"""


def not_reversed(connection: Connection, check: Check, action: str) -> None:
    """A reversal that came back for want of funds may be tried again while its days are open, as any entry may (Nacha's
    rules of reinitiation); one that came back for another reason would come back again."""
    row = connection.execute(text(_LAST_REVERSAL), {"o": check.sent_in, "s": check.sent_seq}).one_or_none()
    if row is None or row.code in _TRIED_AGAIN:
        return
    if row.code is not None:
        raise Refused(
            f"{action}: found its reversal in {row.name} returned by the bank ({row.code} {reason_of(row.code) or 'unknown'}), "
            f"expected none, or one returned for want of funds ({', '.join(sorted(_TRIED_AGAIN))}): another would come back "
            "too; ask the vendor for the money"
        )
    raise Refused(
        f"{action}: found its reversal in {row.name}, expected it in no file: reject that file if it waits, call it back "
        f"(gateway outbound recall {row.outbound_id} --reason WHY) if it was released and did not leave"
    )


def not_unclear(connection: Connection, check: Check, action: str) -> None:
    """A return that waits for a person may have brought the money already."""
    statement = f"SELECT {unclear_sql('e')} FROM ach_entry e WHERE e.outbound_id = :o AND e.seq = :s"
    answer = connection.execute(text(statement), {"o": check.sent_in, "s": check.sent_seq}).scalar()
    if answer is not None:
        raise Refused(
            f"{action}: found answer {answer} of the bank about its entry, which waits for a person, expected none: its money "
            f"may be back already; see gateway answers show {answer}, and clear it when it is seen to"
        )


def not_refused(connection: Connection, check: Check, action: str) -> None:
    """What the bank refused was paid to nobody, so that a reversal would take the vendor's own money."""
    if check.sent_in is None:
        return
    refusal = ach_answers.refusals(connection, [check.sent_in]).get(check.sent_in)
    if refusal is not None:
        raise Refused(
            f"{action}: found it in {check.file}, which the bank refused (answer {refusal.answer}), expected it paid: call that "
            f"file back (gateway outbound recall {check.sent_in} --reason WHY), then void it"
        )


def not_returned(connection: Connection, check: Check, action: str) -> None:
    """A void whose entry came back stands: the money is here, so that the check cannot count as sent."""
    returned = f"SELECT 1 FROM ach_entry e WHERE e.outbound_id = :o AND e.seq = :s AND {came_back_sql('e')}"
    if connection.execute(text(returned), {"o": check.sent_in, "s": check.sent_seq}).first() is not None:
        raise Refused(
            f"{action}: found its entry in {check.file} returned by the bank, expected it paid: leave the void as it is "
            "and pay the vendor by a new check"
        )
