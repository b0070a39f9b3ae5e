"""Release: a person looks at a finished file's totals and lets it leave, or sends it back with a reason.

The approval is bound to the SHA-256 of the bytes the approver was shown. Where four eyes apply, the approver differs
in operator code and in operating system user from whoever had a part in the file (``makers``). A rejected file never
leaves; what went into it is free again, and a file built anew takes another name, modifier and trace numbers.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.crashpoints import Step, reached
from gateway.delivery import queue
from gateway.errors import Refused, UsageError
from gateway.ledger import ach_answers, ach_returns, restored
from gateway.ledger.events import note, require_reason
from gateway.ledger.vendor_details import no_account_in
from gateway.outbound import gl, in_clear, outbox, store
from gateway.outbound.states import LEFT_STATES, TAKEN, OutboundState
from gateway.release import makers, openpgp, review
from gateway.vendor_ach import settling

LIST_COLUMNS: Final = (
    "id", "name", "kind", "portfolio", "sha256", "bytes", "state", "endpoint", "total_debit", "total_credit", "records",
)  # fmt: skip
MONEY_COLUMNS: Final = ("total_debit", "total_credit")

_SELECT: Final = (
    "SELECT outbound_id AS id, name, kind, portfolio, sha256, bytes, state, endpoint, "
    "total_debit_cents AS total_debit, total_credit_cents AS total_credit, records FROM outbound_file"
)


def listing(
    app: App, *, portfolio: str | None = None, state: str | None = None, kind: str | None = None
) -> list[tuple[Any, ...]]:
    """Outbound files, oldest first, in ``LIST_COLUMNS``; money is cents."""
    wanted = {"portfolio": portfolio, "state": state, "kind": kind}
    given = {key: value for key, value in wanted.items() if value is not None}
    where = " WHERE " + " AND ".join(f"{key} = :{key}" for key in given) if given else ""
    with app.db.read() as connection:
        return [tuple(row) for row in connection.execute(text(f"{_SELECT}{where} ORDER BY outbound_id"), given)]


def show(app: App, outbound_id: int) -> dict[str, Any]:
    """Everything about one file but its rows: the list's columns, who made and released it, header, delivery."""
    with app.db.read() as connection:
        key = {"id": outbound_id}
        row = connection.execute(text(f"{_SELECT} WHERE outbound_id = :id"), key).mappings().one_or_none()
        if row is None:
            raise _unknown(outbound_id)
        more = (
            connection.execute(
                text(
                    "SELECT business_date, hold_text, maker, maker_user, built_at, approved_by, approved_user, "
                    "approved_at, reason, machine, header FROM outbound_file WHERE outbound_id = :id"
                ),
                {"id": outbound_id},
            )
            .mappings()
            .one()
        )
        delivery = connection.execute(
            text("SELECT state, endpoint, remote_name, attempts FROM delivery WHERE outbound_id = :id"),
            {"id": outbound_id},
        ).mappings()
        waits = row["state"] == OutboundState.BUILT
        refusal = ach_answers.refusals(connection, [outbound_id]).get(outbound_id)
        settles = row["state"] in LEFT_STATES and refusal is None
        header = json.loads(more["header"])
        to = openpgp.foreseen(app, header, kind=row["kind"], portfolio=row["portfolio"]) if waits else None
        return {
            **row,
            **{key: value for key, value in more.items() if key != "header"},
            "machine": elsewhere(app, more["machine"]),
            "header": header,
            "encrypts_to": None if to is None else asdict(to),
            "in_clear": in_clear.waiting(app, connection).get(outbound_id),
            "message": openpgp.shown(connection, outbound_id),
            "delivery": next((dict(d) for d in delivery), None),
            "follows": _leader(connection, outbound_id),
            "fetched": _fetched(connection, row["name"]),
            "settles": settling.shown(app, connection, outbound_id) if settles else None,
            "refused": None if refusal is None else refusal._asdict(),
            "at_bank": [
                one._asdict() for one in ach_answers.held(connection, [outbound_id]).get(outbound_id, ()) if waits
            ],
            "classes": review.classes(connection, outbound_id),
            "findings": review.findings(connection, outbound_id),
            "lifted": [one._asdict() for one in makers.lifted(connection, outbound_id)] if waits else [],
            "parts": [part.shown() for part in makers.parts(connection, outbound_id)] if waits else [],
        }


def _fetched(connection: Connection, name: str) -> dict[str, Any] | None:
    """The first word that a file without an endpoint was fetched."""
    row = connection.execute(
        text(
            "SELECT at, operator, os_user, reason FROM operator_event WHERE action = :taken AND subject = :name "
            "ORDER BY event_id LIMIT 1"
        ),
        {"taken": TAKEN, "name": name},
    ).mappings()
    return next((dict(r) for r in row), None)


@dataclass(frozen=True, slots=True)
class File:
    outbound_id: int
    name: str
    kind: str
    portfolio: str
    state: str
    sha256: str
    endpoint: str | None
    machine: str | None


@dataclass(frozen=True, slots=True)
class Released:
    """A file after approval or rejection."""

    outbound_id: int
    name: str
    kind: str
    state: OutboundState
    build_again: str | None = None  # what to type, where what it transferred was zeroed and no other file will have it


def approve(
    app: App, outbound_id: int, *, sha256: str, accept: Collection[str] = (), reason: str | None = None
) -> list[Released]:
    """Release a file whose SHA-256 the approver saw, and the scratch file that goes with it.

    ``accept`` names the fraud rules that hold the file and are accepted for ``reason``. Raises Refused when the hash is
    another, the file does not wait, the approver had a part in it, or a rule that holds it is not accepted.
    """
    app.operator.require("approve", "approving an outbound file")
    with app.db.write() as connection:
        file = _waiting(app, connection, outbound_id, "approving")
        no_account_in(connection, app.vault, reason or "", action=f"approving {file.name}")
        _check_hash(file, sha256)
        _check_second_person(app, connection, file)
        _check_sources_unchanged(connection, file)
        if not restored.is_doubted(connection, outbound_id):  # this may note that it left long ago
            review.check_in_time(app, connection, outbound_id, file.name, file.endpoint)
        accepted = review.accept(
            connection, outbound_id, file.name, rules=accept, reason=reason, operator=app.operator, at=app.now()
        )
        beside = pairs(connection, file, OutboundState.BUILT)
        for one in (file, *beside):  # what a person looked at in the outbox is what leaves
            outbox.publish(app, one.outbound_id, one.name, one.sha256)
        released = [_release(app, connection, file)]
        released += [
            _release(app, connection, pair)
            for pair in beside
            if not store.needs_approval(app, pair.kind, pair.portfolio)
        ]
        connection.execute(
            text("UPDATE bank_check SET state = 'SENT' WHERE outbound_id = :id AND state = 'RESERVED'"),
            {"id": outbound_id},
        )
        said = "; ".join(filter(None, [f"sha256 {file.sha256}", accepted]))
        note(connection, app.operator, "outbound.approve", file.name, said, at=app.now())
    reached(Step.APPROVED)
    return released


def reject(app: App, outbound_id: int, *, reason: str) -> list[Released]:
    """Take a waiting file back for a reason, with the scratch file that goes with it; free what went into them.

    The maker may reject too. Raises UsageError without a reason, Refused when the file does not wait.
    """
    app.operator.require("approve", "rejecting an outbound file")
    require_reason(reason, f"rejecting outbound file {outbound_id}")
    with app.db.write() as connection:
        file = _waiting(app, connection, outbound_id, "rejecting")
        no_account_in(connection, app.vault, reason, action=f"rejecting {file.name}")
        taken_back = [file, *pairs(connection, file, OutboundState.BUILT)]
        for one in taken_back:
            take_back(app, connection, one, reason)
        note(connection, app.operator, "outbound.reject", file.name, reason, at=app.now())
        done = [withdrawn(connection, one) for one in taken_back]
    for one in taken_back:
        outbox.withdraw(app, one.outbound_id, one.name)
    return done


def withdrawn(connection: Connection, file: File) -> Released:
    """A file that was just taken back."""
    again = gl.build_again_with(connection, file.portfolio, file.outbound_id) if file.kind == gl.KIND else None
    return Released(file.outbound_id, file.name, file.kind, OutboundState.REJECTED, again)


def _unknown(outbound_id: int) -> UsageError:
    return UsageError(
        f"outbound file {outbound_id}: found none of that number, expected one of `gateway outbound list`"
    )


def portfolio_of(app: App, outbound_id: int) -> str:
    """Of any file that was built. Raises UsageError for none of that number."""
    with app.db.read() as connection:
        found = connection.execute(text(f"{FILE} WHERE outbound_id = :id"), {"id": outbound_id}).one_or_none()
    if found is None:
        raise _unknown(outbound_id)
    return str(found.portfolio)


FILE: Final = "SELECT outbound_id, name, kind, portfolio, state, sha256, endpoint, machine FROM outbound_file"


def elsewhere(app: App, machine: str | None) -> str | None:
    """The machine in whose outbox a copy lies, where that is another one than this. A SQLite ledger has one home: one that
    was restored from a shared database keeps the names of others."""
    return None if app.db.is_sqlite or machine == app.machine else machine


def locked(app: App, connection: Connection, outbound_id: int) -> File:
    """The file, its portfolio locked. Raises UsageError for a number that none has."""
    found = connection.execute(text(f"{FILE} WHERE outbound_id = :id"), {"id": outbound_id}).one_or_none()
    if found is None:
        raise _unknown(outbound_id)
    app.db.lock_portfolios(connection, [found.portfolio])
    return File(*connection.execute(text(f"{FILE} WHERE outbound_id = :id"), {"id": outbound_id}).one())


def _waiting(app: App, connection: Connection, outbound_id: int, action: str) -> File:
    """The file, its portfolio locked; Refused unless it waits for release and is not led by another file."""
    file = locked(app, connection, outbound_id)
    if file.state != OutboundState.BUILT:
        raise Refused(f"{action} {file.name}: found it {file.state}, expected BUILT: only what waits is released")
    leader = _leader(connection, outbound_id)
    if leader is not None:
        raise Refused(f"{action} {file.name}: found that it goes with {leader['name']}; release or reject that one")
    return file


def _leader(connection: Connection, outbound_id: int) -> dict[str, Any] | None:
    """The file (id, name) with which one that waits is released or rejected; None: it is released by itself."""
    row = (
        connection.execute(
            text(
                "SELECT f.outbound_id AS id, f.name FROM outbound_source s JOIN outbound_file f ON f.state = 'BUILT' "
                "AND s.source = 'outbound:' || CAST(f.outbound_id AS TEXT) WHERE s.outbound_id = :id AND s.seq = 0"
            ),
            {"id": outbound_id},
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else dict(row)


def pairs(connection: Connection, file: File, *states: OutboundState) -> list[File]:
    """Files in one of these states that go with this one."""
    named = ", ".join(f"'{state}'" for state in states)
    rows = connection.execute(
        text(
            f"{FILE} WHERE portfolio = :portfolio AND state IN ({named}) AND EXISTS (SELECT 1 FROM outbound_source s "
            "WHERE s.outbound_id = outbound_file.outbound_id AND s.seq = 0 AND s.source = :source)"
        ),
        {"portfolio": file.portfolio, "source": store.pair_source(file.outbound_id)},
    )
    return [File(*row) for row in rows]


SHORTEST: Final = 8
"""Characters of a hash that stand for all of it, where a person types them."""


def _check_hash(file: File, sha256: str) -> None:
    if len(sha256) < SHORTEST:
        raise UsageError(
            f"approving {file.name}: found the SHA-256 {sha256}, expected at least the first {SHORTEST} characters of the one "
            "that was looked at"
        )
    if sha256.lower() != file.sha256:
        raise Refused(
            f"approving {file.name}: found SHA-256 {sha256}, expected {file.sha256}: an approval is for the bytes that "
            f"were shown; look at it again with gateway outbound show {file.outbound_id}"
        )


def _check_second_person(app: App, connection: Connection, file: File) -> None:
    """Whoever had a part in the file is not the one who looks at it (``makers``)."""
    if not app.settings.portfolio(file.portfolio).release.four_eyes:
        return
    if not store.needs_approval(app, file.kind, file.portfolio):
        return
    why = makers.refusal(app, connection, file.outbound_id, file.name)
    if why is not None:
        raise Refused(why)


def _check_sources_unchanged(connection: Connection, file: File) -> None:
    """A check voided since the file was built is money that must not leave; one that came back is not taken back."""
    if file.kind != "VACH-BANK":
        return
    back = ach_returns.moot_reversals(connection, [file.outbound_id]).get(file.outbound_id)
    if back is not None:
        raise Refused(
            f"approving {file.name}: found that it takes back the entry of trace number {back}, expected it to have been paid; "
            "reject the file and build it again"
        )
    review.check_not_at_bank(connection, file.outbound_id, file.name)
    review.check_vendors_unchanged(connection, file.outbound_id, file.name)
    changed = connection.execute(
        text(
            "SELECT check_no, state FROM bank_check WHERE outbound_id = :id AND state <> 'RESERVED' ORDER BY check_no"
        ),
        {"id": file.outbound_id},
    ).first()
    if changed is not None:
        raise Refused(
            f"approving {file.name}: found check {changed.check_no} {changed.state} since the file was built, expected "
            "it reserved; reject the file and build it again"
        )


def _release(app: App, connection: Connection, file: File) -> Released:
    state = OutboundState.LOCAL if file.endpoint is None else OutboundState.APPROVED
    leaves_as = openpgp.freeze(
        app, connection, file.outbound_id, name=file.name, kind=file.kind, portfolio=file.portfolio
    )
    connection.execute(
        text(
            "UPDATE outbound_file SET state = :state, approved_by = :code, approved_user = :user, approved_at = :at, "
            "machine = :machine WHERE outbound_id = :id AND state = 'BUILT'"
        ),
        {
            "state": state.value,
            "code": app.operator.code,
            "user": app.operator.user,
            "at": app.now(),
            "machine": app.machine,
            "id": file.outbound_id,
        },
    )
    if file.endpoint is not None:
        queue.enqueue(
            connection, outbound_id=file.outbound_id, endpoint=file.endpoint, remote_name=leaves_as, at=app.now()
        )
    return Released(file.outbound_id, file.name, file.kind, state)


_FREE: Final[Sequence[str]] = (
    "UPDATE outbound_file SET state = 'REJECTED', approved_by = :code, approved_user = :user, approved_at = :at, "
    "reason = :reason WHERE outbound_id = :id AND state IN ('BUILT', 'APPROVED', 'LOCAL')",
    "UPDATE bank_check SET state = 'NEW' WHERE outbound_id = :id AND state IN ('RESERVED', 'SENT')",
    "UPDATE bank_check SET outbound_id = NULL WHERE outbound_id = :id",
    "UPDATE payment_batch SET exported_in = NULL WHERE exported_in = :name",
    "DELETE FROM outbound_claim WHERE outbound_id = :id",
)


def take_back(app: App, connection: Connection, file: File, reason: str) -> None:
    values = {
        "id": file.outbound_id,
        "name": file.name,
        "code": app.operator.code,
        "user": app.operator.user,
        "at": app.now(),
        "reason": reason,
    }
    for statement in _FREE:
        connection.execute(text(statement), {k: v for k, v in values.items() if f":{k}" in statement})
