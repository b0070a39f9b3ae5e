"""Looking at the bank's answers, and ending what waits for a person."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.answers.post import PAYLOAD
from gateway.app import App
from gateway.delivery import queue
from gateway.errors import Refused, UsageError
from gateway.ledger import ach_answers
from gateway.ledger.events import note, require_reason
from gateway.ledger.vendor_details import no_account_in
from gateway.log import last_four
from gateway.outbound.states import LEFT_SQL
from parsers.nacha_quoting import hidden
from parsers.nacha_reasons import reason

LIST_COLUMNS: Final = (
    "answer", "file", "line", "kind", "code", "original_trace", "amount", "settled_on", "portfolio", "vendor", "check",
    "sent_in", "state", "outcome",
)  # fmt: skip
MONEY_COLUMNS: Final = ("amount",)

_SELECT: Final = """
SELECT CAST(a.file_id AS TEXT) || '/' || CAST(a.number AS TEXT), i.name, a.line_no, a.kind, a.code, a.original_trace,
    a.amount_cents, a.settled_on, COALESCE(e.portfolio, f.portfolio), e.vendor, e.check_no, f.name, a.state,
    a.outcome || CASE WHEN c.state <> 'PROPOSED' THEN '; change ' || CAST(c.change_id AS TEXT) || ' is ' || c.state ELSE '' END
FROM ach_answer a JOIN inbound_file i ON i.file_id = a.file_id
LEFT JOIN vendor_change c ON c.change_id = a.change_id
LEFT JOIN ach_entry e ON e.outbound_id = a.outbound_id AND e.seq = a.seq
LEFT JOIN outbound_file f ON f.outbound_id = a.outbound_id
"""


def listing(
    connection: Connection, *, state: str | None = None, file_id: int | None = None, vendor: str | None = None
) -> list[tuple[Any, ...]]:
    """Answers in the order they came, in ``LIST_COLUMNS``; money is cents."""
    wanted = {"a.state": state, "a.file_id": file_id, "e.vendor": vendor}
    given = {name: value for name, value in wanted.items() if value is not None}
    where = " AND ".join(f"{name} = :{name[2:]}" for name in given) or "1 = 1"
    values = {name[2:]: value for name, value in given.items()}
    rows = connection.execute(text(f"{_SELECT} WHERE {where} ORDER BY a.file_id, a.number"), values)
    return [tuple(row) for row in rows]


_KEY: Final = re.compile("([0-9]{1,15})/([0-9]{1,15})")


def parse_key(written: str) -> tuple[int, int]:
    """``12/3``: entry 3 of file 12. Raises UsageError for anything else."""
    found = _KEY.fullmatch(written)
    if found is None:
        raise UsageError(f"answer {written}: found no FILE/NUMBER such as 12/3, expected one; see gateway answers list")
    return int(found[1]), int(found[2])


def show(app: App, key: tuple[int, int]) -> dict[str, Any]:
    """One answer with all it says; account numbers by their last four."""
    with app.db.read() as connection:
        row = connection.execute(
            text(f"{_SELECT} WHERE a.file_id = :file AND a.number = :number"), {"file": key[0], "number": key[1]}
        ).one_or_none()
        if row is None:
            raise UsageError(
                f"answer {key[0]}/{key[1]}: found none of that number, expected one of `gateway answers list`"
            )
        more = (
            connection.execute(
                text(
                    "SELECT trace_number, transaction_code, sec, change_id, cleared_by, cleared_at, clear_reason, payload, "
                    "(SELECT r.name FROM outbound_claim c JOIN outbound_file r ON r.outbound_id = c.outbound_id "
                    "WHERE c.source = 'answer:' || CAST(file_id AS TEXT) || '/' || CAST(number AS TEXT)) AS refused_in "
                    "FROM ach_answer WHERE file_id = :file AND number = :number"
                ),
                {"file": key[0], "number": key[1]},
            )
            .mappings()
            .one()
        )
    found = dict(zip(LIST_COLUMNS, row, strict=True)) | {k: v for k, v in more.items() if k != "payload"}
    said = json.loads(app.vault.open(bytes(more["payload"]), field=PAYLOAD))
    said.pop("company_id", None)  # the outcome tells it where it is another's
    return found | {
        "reason": reason(found["code"]) if found["code"] else None,
        "entry": _masked(said),
    }


_SECRET: Final = ("account", "raw")
_TRACE: Final = re.compile("[0-9]{15}")
_NUMBERS: Final = ("original_trace", "return_trace", "dishonored_trace", "trace", "trace_number")
"""As the reader gives them: hidden already where the record is out of place."""


_PLACED: Final = ("original_rdfi", "date_of_death", "original_returned_on")
"""Of what an addenda record says: numbers that are no account's where the record is in its place."""


def _masked(values: dict[str, Any]) -> dict[str, Any]:
    """What is blank left out, accounts by their last four; of an entry without an amount, which may be out of place, and of
    what a bank says in words every long number. Routing numbers and dates of an answer are shown where the trace numbers
    around them read: the entry's own, and the original's."""
    certain = values.get("amount_cents") is not None
    answer = values.get("answer") or {}
    placed = certain and answer.get("trace_number", answer.get("trace")) == values.get("trace_number")
    placed = placed and _TRACE.fullmatch(answer.get("original_trace", "")) is not None
    return _shown({k: v for k, v in values.items() if k != "answer"}, (), certain=certain) | (
        {"answer": _shown(answer, _PLACED if placed else (), certain=False)} if answer else {}
    )


def _shown(values: dict[str, Any], placed: Collection[str], *, certain: bool) -> dict[str, Any]:
    def shown(name: str, value: Any) -> Any:
        match value:
            case dict():  # corrected data: a routing number is one where nothing of them is out of place
                sound = ("routing",) if placed and not value.get("problem") else ()
                return _shown(value, sound, certain=certain)
            case str() if name in _SECRET:
                return last_four(value)
            case str() if not (certain or name in _NUMBERS or name in placed):
                return hidden(value)
        return value

    return {name: shown(name, value) for name, value in values.items() if value not in (None, "")}


_PORTFOLIO: Final = text(
    "SELECT f.portfolio FROM ach_answer a JOIN outbound_file f ON f.outbound_id = a.outbound_id "
    "WHERE a.file_id = :file AND a.number = :number"
)


def clear(app: App, key: tuple[int, int], *, reason: str, taken: bool = False, refused: bool = False) -> None:
    """A person has seen to an answer that waited; ``taken``: the bank took the file after all that it refused by it;
    ``refused``: the bank says that it pays nothing of the file, of which the answer left it open. That one waits on until a
    second person calls the file back. Raises UsageError without a reason, Refused for one that does not wait, and for a
    refusal that stands where nobody says so: its file counts as paid until it is called back."""
    what = f"clearing answer {key[0]}/{key[1]}"
    app.operator.require("post", what)
    require_reason(reason, what)
    if taken and refused:
        raise UsageError(f"{what}: found --taken and --refused, expected one of them")
    with app.db.write() as connection:
        no_account_in(connection, app.vault, reason, action=what)
        at = {"file": key[0], "number": key[1]}
        if taken or refused:  # nobody calls the file back meanwhile
            app.db.lock_portfolios(connection, list(connection.execute(_PORTFOLIO, at).scalars()))
        state = connection.execute(
            text("SELECT state FROM ach_answer WHERE file_id = :file AND number = :number"), at
        ).scalar()
        if state is None:
            raise UsageError(f"{what}: found none of that number, expected one of `gateway answers list`")
        if refused:
            _refuse(app, connection, key, reason, what)
            return
        file = _refused_file(connection, key)
        if file is None and taken:
            raise Refused(f"{what}: found no refusal of a file that stands, expected one: leave --taken out")
        if file is not None and not taken:
            raise Refused(
                f"{what}: found the bank's refusal of outbound file {file}, whose checks count as paid, expected it called back: "
                f"gateway outbound recall {file} --reason WHY; if the bank took it after all, say so with --taken"
            )
        changed = connection.execute(
            text(
                "UPDATE ach_answer SET state = 'CLEARED', cleared_by = :by, cleared_at = :when, clear_reason = :reason "
                "WHERE file_id = :file AND number = :number AND state = 'UNMATCHED'"
            ),
            at | {"by": app.operator.code, "when": app.now(), "reason": reason},
        ).rowcount
        if changed != 1:
            raise Refused(f"{what}: found it {state}, expected UNMATCHED: only what waits is cleared")
        if file is not None:
            said = f"refused by answer {key[0]}/{key[1]}, and taken after all: {reason}"
            queue.answered(connection, {file: said}, at=app.now())
        note(connection, app.operator, "answers.clear", f"answer:{key[0]}/{key[1]}", reason, at=app.now())


_OPEN_WORD: Final = text(f"""
SELECT f.outbound_id, f.name FROM ach_answer a JOIN outbound_file f ON f.outbound_id = a.outbound_id
WHERE a.file_id = :file AND a.number = :number AND a.kind = 'ACKNOWLEDGEMENT' AND a.state = 'UNMATCHED' AND a.code IS NULL
    AND f.state IN ({LEFT_SQL})
""")


def _refuse(app: App, connection: Connection, key: tuple[int, int], reason: str, what: str) -> None:
    """The bank refused the file after all: the answer is a refusal from now on."""
    answer, at = f"{key[0]}/{key[1]}", {"file": key[0], "number": key[1]}
    file = connection.execute(_OPEN_WORD, at).one_or_none()
    if file is None:
        raise Refused(
            f"{what}: found no word of the bank that leaves a file of ours open, expected one: leave --refused out"
        )
    outcome = (
        f"{file.name} is refused, as {app.operator.code} was told by the bank ({reason}): a second person calls it back with "
        f"gateway outbound recall {file.outbound_id} --reason WHY; if the bank took it all the same, say so with gateway answers "
        f"clear {answer} --taken --reason WHY"
    )
    connection.execute(
        text("UPDATE ach_answer SET code = :code, outcome = :outcome WHERE file_id = :file AND number = :number"),
        at | {"code": ach_answers.REFUSED, "outcome": outcome},
    )
    if file.outbound_id not in ach_answers.refusals(connection, [file.outbound_id]):
        raise Refused(
            f"{what}: found that the bank answered entries of {file.name}, or took it later, expected no word of that: it has the "
            "file; leave --refused out"
        )
    queue.answered(connection, {file.outbound_id: f"refused by answer {answer}: {reason}"}, at=app.now(), refused=True)
    note(connection, app.operator, ach_answers.REFUSED_BY_HAND, f"answer:{answer}", reason, at=app.now())


def _refused_file(connection: Connection, key: tuple[int, int]) -> int | None:
    """The outbound file that this answer refuses, where that stands."""
    statement = text("SELECT outbound_id FROM ach_answer WHERE file_id = :file AND number = :number")
    file = connection.execute(statement, {"file": key[0], "number": key[1]}).scalar()
    stands = ach_answers.refusals(connection, [] if file is None else [file])
    return int(file) if file in stands and stands[file].answer == f"{key[0]}/{key[1]}" else None
