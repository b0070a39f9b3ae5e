"""A bank's word about a file of ours: taken, or refused.

The file is named by the acknowledgement's own name (``{name}.ack``) or by its text, which may tell of several, each by an
answer of its own; totals that the text tells must be those that were sent. What says that a file was taken ends the doubt
about its delivery. A refusal, totals of another file, a status that settings do not name, words that contradict each other
and a name that nobody knows wait for a person (``gateway answers list``), as an alarm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, text

from gateway.answers import reports
from gateway.answers.post import COLUMNS, PAYLOAD
from gateway.answers.values import AnswerState, Taken
from gateway.answers.words import Said, Word, figures, said
from gateway.app import App
from gateway.delivery import queue
from gateway.ledger import schema
from gateway.ledger.ach_answers import REFUSED, TO_ASK
from gateway.money import from_cents
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


def differing(word: Word, sent: Sent) -> str | None:
    """Totals that are not those of the file, in words."""
    ours = {"entries": sent.entries, "debit": sent.debit_cents, "credit": sent.credit_cents}
    wrong = [
        f"{what} {told}, sent {ours[what] if what == 'entries' else from_cents(ours[what])}"
        for what, told in sorted(word.totals.items())
        if ours[what] not in figures(told, is_money=what != "entries")
    ]
    return "; ".join(wrong) or None


class AcknowledgementFile:
    """The kind of file, for the intake."""

    name = "ACKNOWLEDGEMENT"
    exceptions = reports.EXCEPTIONS
    audit = reports.AUDIT

    def read(self, app: App, name: str, blocks: Iterable[bytes]) -> Said | str:
        data = bytearray()
        for block in blocks:
            data += block if len(data) <= _MOST_BYTES else b""
        if len(data) > _MOST_BYTES:
            return f"Found {name} larger than {_MOST_BYTES} bytes, expected the acknowledgement of a file: look at it."
        return said(app, name, bytes(data))

    def portfolios(self, connection: Connection, read: Said) -> list[str]:
        return []

    def take(self, app: App, connection: Connection, file_id: int, name: str, read: Said, *, at: str) -> Taken:
        decided = _decided(read.words, _held(app, connection, read.words))
        app.vault.hold(app.db, connection)
        app.db.bulk_insert(
            connection,
            schema.ach_answer,
            COLUMNS,
            [
                (
                    file_id, number, d.word.line, "ACKNOWLEDGEMENT", REFUSED if d.refused else None, None, None, None, None, None,
                    None, app.vault.seal(json.dumps({"text": d.word.text}), field=PAYLOAD),
                    d.sent.outbound_id if d.sent else None, None, d.state.value, d.outcome, None,
                )
                for number, d in enumerate(decided, 1)
            ],
        )  # fmt: skip
        by = f"{name} (#{file_id})"
        about = {d.sent.outbound_id: d for d in decided if d.sent is not None}
        taken = {file: by for file, d in about.items() if d.state is AnswerState.DONE}
        refused = {file: f"refused by {by}" for file, d in about.items() if d.refused}
        queue.answered(connection, taken, at=at)
        queue.answered(connection, refused, at=at, refused=True)
        for file, d in about.items():
            if d.state is AnswerState.UNMATCHED and not d.refused:
                queue.stop(connection, file, f"the bank's {by}: {d.outcome}", at=at)
        _keep_unread(app, connection, file_id, read.unread)
        waiting = sum(d.state is AnswerState.UNMATCHED for d in decided)
        return Taken(lines=len(decided), waiting=waiting)

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return reports.exception_rows(connection, file_id)

    def audit_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return reports.audit_rows(connection, file_id)


def _keep_unread(app: App, connection: Connection, file_id: int, unread: Sequence[int]) -> None:
    """Lines of which no word came, as one warning: headings are such lines, and so is an answer of another form."""
    if not unread:
        return
    count = f"{len(unread)} line{'s' if len(unread) > 1 else ''}"
    app.db.bulk_insert(
        connection,
        schema.line_message,
        ("file_id", "line_no", "seq", "severity", "code", "field", "found", "expected", "action"),
        [
            (
                file_id, unread[0], 1, "W", "NOT_READ", "TEXT",
                f"{count} that banks.*.acknowledgements.text does not read as an answer, the first line {unread[0]}",
                "headings and remarks only", "look at the file, and correct the expression where one of them is an answer",
            )
        ],
    )  # fmt: skip


_SENT: Final = text("""
SELECT UPPER(f.name), UPPER(d.remote_name), f.outbound_id, f.name, f.portfolio, f.state, f.records, f.total_debit_cents,
    f.total_credit_cents, d.state,
    EXISTS (SELECT 1 FROM ach_answer a WHERE a.outbound_id = f.outbound_id AND a.seq IS NOT NULL)
FROM outbound_file f LEFT JOIN delivery d ON d.outbound_id = f.outbound_id
WHERE UPPER(f.name) IN :names OR UPPER(d.remote_name) IN :names ORDER BY f.outbound_id
""").bindparams(bindparam("names", expanding=True))
_ASKED: Final = 5_000
"""Names in one statement."""


def _held(app: App, connection: Connection, words: Sequence[Word]) -> dict[str, Sent]:
    """The files of the names in the words, their portfolios locked: nobody calls one back or takes it back meanwhile. The
    portfolios need not be open, for no money moves."""
    names = sorted({word.name.upper() for word in words if word.name})
    found = _sent(connection, names)
    if not found:
        return {}
    app.db.lock_portfolios(connection, sorted({sent.portfolio for sent in found.values()}))
    return _sent(connection, names)


def _sent(connection: Connection, names: Sequence[str]) -> dict[str, Sent]:
    """Files by these names, here or at the bank, in capitals; the last of each."""
    wanted, found = set(names), dict[str, Sent]()
    for start in range(0, len(names), _ASKED):
        for ours, theirs, *row in connection.execute(_SENT, {"names": names[start : start + _ASKED]}):
            found |= {name: Sent(*row) for name in (ours, theirs) if name in wanted}
    return found


class _Decided(NamedTuple):
    """What becomes of a word."""

    word: Word
    sent: Sent | None
    state: AnswerState
    outcome: str
    refused: bool  # by this the bank will not pay the file

    @property
    def meaning(self) -> tuple[bool, bool]:
        """Words of another meaning about one file contradict this one."""
        return self.refused, self.state is AnswerState.UNMATCHED


def _decided(words: Sequence[Word], found: Mapping[str, Sent]) -> list[_Decided]:
    """One decision a word; those that contradict each other about one file all wait for a person."""
    each = [_alone(word, found.get((word.name or "").upper())) for word in words]
    by_file: dict[int, list[_Decided]] = {}
    for d in each:
        if d.sent is not None:
            by_file.setdefault(d.sent.outbound_id, []).append(d)
    torn = {file: _contradiction(ds) for file, ds in by_file.items() if len({d.meaning for d in ds}) > 1}
    return [
        d
        if d.sent is None or d.sent.outbound_id not in torn
        else d._replace(state=AnswerState.UNMATCHED, refused=False, outcome=torn[d.sent.outbound_id])
        for d in each
    ]


def _alone(word: Word, sent: Sent | None) -> _Decided:
    """What one word says by itself. The bank will not pay what it refuses whole, and that alone."""
    if sent is None:
        said = f"found the file name {word.name or 'none'}, expected that of a file of ours: ask the bank what it means"
        return _Decided(word, None, AnswerState.UNMATCHED, said, refused=False)
    wrong = differing(word, sent)
    if word.meaning == "TAKEN":
        state, said = _taken(sent, wrong)
        return _Decided(word, sent, state, said, refused=False)
    whole = word.meaning == "REFUSED" and wrong is None
    return _Decided(
        word, sent, AnswerState.UNMATCHED, _not_taken(word, sent, wrong), refused=whole and sent.state in LEFT_STATES
    )


def _contradiction(said: Sequence[_Decided]) -> str:
    """For the first few of them."""
    named = [f"{d.word.status or 'taken'}{_told(d.word)} (line {d.word.line})" for d in said[:3]]
    more = f" and {len(said) - 3} more" if len(said) > 3 else ""
    name = said[0].sent.name if said[0].sent else said[0].word.name
    return f"found {name} {', '.join(named)}{more} in one acknowledgement, expected one answer about a file: it may pay it; {TO_ASK}"


def _told(word: Word) -> str:
    """Its totals as written."""
    return "".join(f" {what} {told}" for what, told in sorted(word.totals.items()))


def _taken(sent: Sent, wrong: str | None) -> tuple[AnswerState, str]:
    if wrong is not None:
        return (
            AnswerState.UNMATCHED,
            f"found other totals for {sent.name} ({wrong}), expected ours: {TO_ASK}",
        )
    if sent.state not in LEFT_STATES:
        return AnswerState.UNMATCHED, (
            f"found {sent.name} {sent.state} here, expected a file that was released: it reached the bank all the same, and "
            f"what it pays may be paid again: ask the bank at once, and where it pays it: gateway outbound taken {sent.outbound_id} "
            "--reason WHY"
        )
    if sent.delivery_state is None:
        return AnswerState.DONE, f"{sent.name} was taken by the bank"
    if sent.delivery_state == "ACKNOWLEDGED":
        return AnswerState.REPEATED, f"{sent.name} was acknowledged before: nothing done"
    odd = "" if sent.delivery_state != "PENDING" else "; it was never sent from here, ask how it got there"
    return AnswerState.DONE, f"{sent.name} was taken by the bank: delivery ACKNOWLEDGED{odd}"


def _not_taken(word: Word, sent: Sent, wrong: str | None) -> str:
    """What a word says that is no taking, and what is to be done: only a plain refusal of the whole file frees its checks."""
    found = f"found {sent.name} {word.status}" + (f" with other totals ({wrong})" if wrong else "")
    if sent.state not in LEFT_STATES:
        return (
            f"{found}, expected no word about a file that is {sent.state} here: ask the bank whether it pays any of it"
        )
    if sent.entry_answered:
        return f"{found}, expected it accepted, for the bank answered an entry of it: call the bank at once"
    if word.meaning == "UNCLEAR" or wrong is not None:
        return f"{found}, expected it accepted, or refused whole: it may pay all of it, or a part; {TO_ASK}"
    return (
        f"{found}, expected it accepted: the bank will not pay it; ask why, then call it back with gateway outbound recall "
        f"{sent.outbound_id} --reason WHY, so that what went into it goes again; if the bank took it all the same, as where it "
        "refused a second copy, say so with gateway answers clear FILE/NUMBER --taken --reason WHY"
    )
