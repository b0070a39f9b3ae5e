"""A bank's word about a file of ours: taken, or refused.

The file is named by the acknowledgement's own name (``{name}.ack``) or by its text; totals that the text tells must be
those that were sent. What says that a file was taken ends the doubt about its delivery. A refusal, totals of another
file and a name that nobody knows wait for a person (``gateway answers list``), as an alarm.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.answers import reports
from gateway.answers.names import acknowledging
from gateway.answers.post import COLUMNS, PAYLOAD
from gateway.answers.values import AnswerState, Taken
from gateway.app import App
from gateway.delivery import queue
from gateway.ledger import schema
from gateway.ledger.ach_answers import REFUSED
from gateway.money import from_cents, to_cents
from gateway.outbound.states import LEFT_STATES

_MOST_BYTES: Final = 1 << 20
"""More is no acknowledgement."""


class Sent(NamedTuple):
    """A file of ours that left, as an acknowledgement may tell it."""

    outbound_id: int
    name: str
    portfolio: str
    state: str
    entries: int
    debit_cents: int
    credit_cents: int
    delivery_state: str | None
    entry_answered: bool  # the bank answered an entry of it, so that it runs the file


@dataclass(frozen=True, slots=True)
class Word:
    """What an acknowledgement says. ``status`` None: it has none, so that it says that the file was taken."""

    name: str | None
    status: str | None
    accepted: bool
    totals: dict[str, str]  # entries, debit, credit as written, where the text has them
    text: str


def said(app: App, name: str, data: bytes) -> Word | str:
    """The word of the bank whose patterns fit; a sentence where none does."""
    written = data.decode("ascii", "backslashreplace")
    for bank, named in acknowledging(app.settings.gateway, name):
        form = bank.acknowledgements
        match = re.search(form.text, written, re.IGNORECASE) if form.text else None
        if form.text and match is None:
            continue
        groups = {k: v.strip() for k, v in (match.groupdict() if match else {}).items() if v is not None}
        status = groups.pop("status", None)
        accepted = status is None or status.upper() in {word.upper() for word in form.accepted}
        return Word(groups.pop("name", named), status, accepted, groups, written)
    return (
        f"Found nothing in {name} that banks.*.acknowledgements.text reads, expected the bank's acknowledgement of a file: "
        "look at it, and correct the expression or ask the bank."
    )


def differing(word: Word, sent: Sent) -> str | None:
    """Totals that are not those of the file, in words."""
    ours = {"entries": sent.entries, "debit": sent.debit_cents, "credit": sent.credit_cents}
    wrong = [
        f"{what} {told}, sent {ours[what] if what == 'entries' else from_cents(ours[what])}"
        for what, told in sorted(word.totals.items())
        if ours[what] not in _figures(told, is_money=what != "entries")
    ]
    return "; ".join(wrong) or None


def _figures(told: str, *, is_money: bool) -> set[int]:
    """What a figure may mean: ``$1,234.50`` is cents beyond doubt, ``123450`` is dollars or cents.

    >>> sorted(_figures("$1,234.50", is_money=True)), sorted(_figures("0007", is_money=False))
    ([123450], [7])
    """
    bare = re.sub(r"[$,\s]", "", told)
    found = {int(bare)} if re.fullmatch("[0-9]+", bare) else set()
    if is_money:
        with suppress(ValueError):
            found.add(to_cents(bare))
    return found


class AcknowledgementFile:
    """The kind of file, for the intake."""

    name = "ACKNOWLEDGEMENT"
    exceptions = reports.EXCEPTIONS
    audit = reports.AUDIT

    def read(self, app: App, name: str, blocks: Iterable[bytes]) -> Word | str:
        data = bytearray()
        for block in blocks:
            data += block if len(data) <= _MOST_BYTES else b""
        if len(data) > _MOST_BYTES:
            return f"Found {name} larger than {_MOST_BYTES} bytes, expected the acknowledgement of a file: look at it."
        return said(app, name, bytes(data))

    def portfolios(self, connection: Connection, read: Word) -> list[str]:
        return []

    def take(self, app: App, connection: Connection, file_id: int, name: str, read: Word, *, at: str) -> Taken:
        found = _held(app, connection, read.name)
        state, outcome = _outcome(read, found)
        refused = found is not None and not read.accepted and found.state in LEFT_STATES
        app.vault.hold(app.db, connection)
        payload = app.vault.seal(json.dumps({"text": read.text}), field=PAYLOAD)
        app.db.bulk_insert(
            connection,
            schema.ach_answer,
            COLUMNS,
            [
                (
                    file_id, 1, 1, "ACKNOWLEDGEMENT", REFUSED if refused else None, None, None, None, None, None, None, payload,
                    found.outbound_id if found else None, None, state.value, outcome, None,
                )
            ],
        )  # fmt: skip
        if found is not None and (refused or state is AnswerState.DONE):
            said = f"refused by {name} (#{file_id})" if refused else f"{name} (#{file_id})"
            queue.answered(connection, {found.outbound_id: said}, at=at, refused=refused)
        elif found is not None and state is AnswerState.UNMATCHED:
            queue.stop(connection, found.outbound_id, f"the bank's {name} (#{file_id}): {outcome}", at=at)
        return Taken(lines=1, waiting=int(state is AnswerState.UNMATCHED))

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return reports.exception_rows(connection, file_id)

    def audit_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return reports.audit_rows(connection, file_id)


_SENT: Final = """
SELECT f.outbound_id, f.name, f.portfolio, f.state, f.records, f.total_debit_cents, f.total_credit_cents, d.state,
    EXISTS (SELECT 1 FROM ach_answer a WHERE a.outbound_id = f.outbound_id AND a.seq IS NOT NULL)
FROM outbound_file f LEFT JOIN delivery d ON d.outbound_id = f.outbound_id
WHERE UPPER(f.name) = UPPER(:name) OR UPPER(d.remote_name) = UPPER(:name) ORDER BY f.outbound_id DESC LIMIT 1
"""


def _held(app: App, connection: Connection, name: str | None) -> Sent | None:
    """The file of that name, its portfolio locked: nobody calls it back or takes it back meanwhile. The portfolio need not
    be open, for no money moves."""
    found = _sent(connection, name)
    if found is None:
        return None
    app.db.lock_portfolios(connection, [found.portfolio])
    return _sent(connection, name)


def _sent(connection: Connection, name: str | None) -> Sent | None:
    """The file of that name here or at the bank; the last one."""
    row = connection.execute(text(_SENT), {"name": name or ""}).one_or_none()
    return None if row is None else Sent(*row)


def _outcome(word: Word, sent: Sent | None) -> tuple[AnswerState, str]:
    if sent is None:
        return AnswerState.UNMATCHED, (
            f"found the file name {word.name or 'none'}, expected that of a file of ours: ask the bank what it means"
        )
    wrong = differing(word, sent)
    if not word.accepted:
        return AnswerState.UNMATCHED, _refused(word, sent, wrong)
    if wrong is not None:
        return (
            AnswerState.UNMATCHED,
            f"found other totals for {sent.name} ({wrong}), expected ours: call the bank at once",
        )
    if sent.state not in LEFT_STATES:
        return AnswerState.UNMATCHED, (
            f"found {sent.name} {sent.state} here, expected a file that was released: it reached the bank all the same, and "
            "what it pays may be paid again; ask the bank at once"
        )
    if sent.delivery_state is None:
        return AnswerState.DONE, f"{sent.name} was taken by the bank"
    if sent.delivery_state == "ACKNOWLEDGED":
        return AnswerState.REPEATED, f"{sent.name} was acknowledged before: nothing done"
    odd = "" if sent.delivery_state != "PENDING" else "; it was never sent from here, ask how it got there"
    return AnswerState.DONE, f"{sent.name} was taken by the bank: delivery ACKNOWLEDGED{odd}"


def _refused(word: Word, sent: Sent, wrong: str | None) -> str:
    """What a refusal says, and what is to be done."""
    found = f"found {sent.name} {word.status}" + (f" with other totals ({wrong})" if wrong else "")
    if sent.state not in LEFT_STATES:
        return (
            f"{found}, expected no word about a file that is {sent.state} here: ask the bank whether it pays any of it"
        )
    if sent.entry_answered:
        return f"{found}, expected it accepted, for the bank answered an entry of it: call the bank at once"
    return (
        f"{found}, expected it accepted: the bank will not pay it; ask why, then call it back with gateway outbound recall "
        f"{sent.outbound_id} --reason WHY, so that what went into it goes again; if the bank took it all the same, as where it "
        "refused a second copy, say so with gateway answers clear --taken"
    )
