"""What the intake asks of a kind of file that a bank sends: read it, say whose money it moves, take it in.

``read`` gives the reason in words where nothing of the file can be read; then nothing of it is taken in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from gateway.answers import gather, post, reports
from gateway.answers.acknowledge import AcknowledgementFile
from gateway.answers.decide import decide_all
from gateway.answers.match import apart
from gateway.answers.names import ACKNOWLEDGEMENT, ANSWERS
from gateway.answers.read import answers_of, lost_of
from gateway.answers.values import Answer, AnswerState, Taken, waits
from gateway.app import App
from gateway.ledger import schema
from gateway.reports.table import ReportSpec
from parsers.nacha_answers import read_answers
from parsers.nacha_codes import NachaCode
from parsers.nacha_errors import NachaError
from parsers.nacha_quoting import hidden
from parsers.nacha_records import FileHeader

_MESSAGE_COLUMNS: Final = (
    "file_id", "line_no", "seq", "severity", "code", "field", "col", "found", "expected", "action",
)  # fmt: skip


class BankFile(Protocol):
    """A kind of file of a bank."""

    name: str
    exceptions: ReportSpec  # report A
    audit: ReportSpec  # report B

    def read(self, app: App, name: str, blocks: Iterable[bytes]) -> Any:
        """What it says, or a sentence why nothing of it can be read."""

    def portfolios(self, connection: Connection, read: Any) -> list[str]:
        """Those whose money it may move; they are locked and open before ``take``."""

    def take(self, app: App, connection: Connection, file_id: int, name: str, read: Any, *, at: str) -> Taken:
        """Do what it says, in the caller's transaction."""

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        """What waits for a person, and what of the file's form is not as the rules have it."""

    def audit_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        """Every answer: what it is about, and what was done."""


@dataclass(frozen=True, slots=True)
class _Read:
    answers: Sequence[Answer]
    deviations: Sequence[NachaError]
    more: int  # deviations that were counted and not kept
    today: date
    lost: tuple[Answer, str] | None  # what the file should hold and does not, and the words


class AnswersFile:
    """Returns and notifications of change."""

    name = post.UPDATE
    exceptions = reports.EXCEPTIONS
    audit = reports.AUDIT

    def read(self, app: App, name: str, blocks: Iterable[bytes]) -> _Read | str:
        today = app.here().date()
        found = read_answers(blocks)
        answers = answers_of(found, received_on=today)
        if not answers:
            first = (
                f"line {found.deviations[0].line_no}: {found.deviations[0].message}" if found.deviations else "nothing"
            )
            return (
                f"Found no entry in {name} ({first}), expected returns or notifications of change as the bank sends them: "
                "look at it with gateway explain PATH, and ask the bank."
            )
        deviations = (*_not_for_us(app, found.header), *found.deviations)
        return _Read(answers, deviations, found.more_deviations, today, lost_of(found, number=len(answers) + 1))

    def portfolios(self, connection: Connection, read: _Read) -> list[str]:
        return gather.portfolios_of(connection, read.answers)

    def take(self, app: App, connection: Connection, file_id: int, name: str, read: _Read, *, at: str) -> Taken:
        app.db.lock(connection, post.UPDATE)  # two files may say the same of no portfolio
        found = gather.facts(app, connection, read.answers, today=read.today)
        decisions = decide_all(read.answers, found, source=f"{name} (#{file_id})")
        decided = list(zip(read.answers, decisions, strict=True))
        if read.lost is not None:
            missing, words = read.lost
            decided.append((missing, waits(words)))
        post.post(app, connection, file_id, name, decided, at=at)
        _keep_deviations(app, connection, file_id, read.deviations, read.more)
        waiting = [a.amount_cents for a, d in decided if d.state is AnswerState.UNMATCHED]
        repeated = [a.amount_cents for a, d in decided if d.state is AnswerState.REPEATED]
        return Taken(
            lines=len(decided),
            waiting=len(waiting),
            cents=sum(a.amount_cents or 0 for a in read.answers),
            idle_cents=sum(cents or 0 for cents in (*waiting, *repeated)),
            unreadable=waiting.count(None),
        )

    def exception_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return reports.exception_rows(connection, file_id)

    def audit_rows(self, connection: Connection, file_id: int) -> Iterator[Sequence[Any]]:
        return reports.audit_rows(connection, file_id)


def _not_for_us(app: App, header: FileHeader | None) -> Iterator[NachaError]:
    """A destination that is no number by which a bank of the settings knows us, nor its own: banks put either there."""
    named = header.immediate_destination if header is not None else ""
    ours = {
        number.strip()
        for bank in app.settings.gateway.banks.values()
        for number in (bank.immediate_origin, bank.company_identification, bank.routing_number, bank.odfi)
    }
    if named and all(apart(named, number) for number in ours if number):
        yield NachaError(
            1, "file_header", "immediate_destination", 4, 13, NachaCode.VALUE, hidden(named),
            f"one of {', '.join(sorted(hidden(number) for number in ours if number))}",
            "ask the bank whether the file is ours",
        )  # fmt: skip


def _keep_deviations(
    app: App, connection: Connection, file_id: int, deviations: Sequence[NachaError], more: int
) -> None:
    """As warnings of their lines: they stop no sound entry. The last says how many there are besides."""
    if more:
        last = deviations[-1]
        said = f"{last.action}; {more:,} more deviations are not listed: look at the whole file with gateway check PATH"
        deviations = [*deviations[:-1], replace(last, action=said)]
    app.db.bulk_insert(
        connection,
        schema.line_message,
        _MESSAGE_COLUMNS,
        (
            (
                file_id,
                d.line_no,
                seq,
                "W",
                d.code.value,
                f"{d.record} {d.field}",
                d.first,
                d.found,
                d.expected,
                d.action,
            )
            for seq, d in enumerate(deviations, 1)
        ),
    )


_FILES: Final[dict[str, BankFile]] = {ANSWERS: AnswersFile(), ACKNOWLEDGEMENT: AcknowledgementFile()}


def bank_file(kind: str) -> BankFile:
    """How a kind of file is taken in."""
    return _FILES[kind]
