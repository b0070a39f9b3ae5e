"""What was decided about a file's answers, into the ledger: entries, checks, alerts, proposals, and the answers themselves.

Everything in the caller's transaction, set by set. An entry's source line is the answer's, so that any cent leads back
to the bank's file and its line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.answers.read import as_json
from gateway.answers.values import Answer, Decision
from gateway.app import App, codes_of
from gateway.delivery import queue
from gateway.errors import LedgerError
from gateway.ledger import ach_answers, schema, vendor_changes
from gateway.ledger.accounts import accounts
from gateway.ledger.units import Unit, close_unit, open_unit
from gateway.ledger.vendor_alerts import put_on_alert
from gateway.ledger.vendor_changes import Maker
from gateway.ledger.vendor_details import current
from gateway.money import shown

UPDATE: Final = "ANSWERS"
"""Name of the posting units and reports."""
TRANSACTION: Final = "ACHR"
PAYLOAD: Final = "ach_answer.payload"
"""What the sealed entry is bound to."""
COLUMNS: Final = (
    "file_id", "number", "line_no", "kind", "code", "original_trace", "trace_number", "amount_cents", "transaction_code",
    "sec", "settled_on", "payload", "outbound_id", "seq", "state", "outcome", "change_id",
)  # fmt: skip


def post(
    app: App, connection: Connection, file_id: int, name: str, decided: Sequence[tuple[Answer, Decision]], *, at: str
) -> None:
    """Write all of it. Raises LedgerError where an office lacks an account."""
    _cash(app, connection, file_id, decided, at)
    _checks(app, connection, decided)
    _alerts(app, connection, decided, at)
    changes = _proposals(app, connection, file_id, name, decided, at)
    app.vault.hold(app.db, connection)
    app.db.bulk_insert(
        connection,
        schema.ach_answer,
        COLUMNS,
        (
            (
                file_id, a.number, a.entry.line, a.kind, a.code or None, a.original_trace or None, a.trace_number or None,
                a.amount_cents, a.transaction_code, a.sec, a.settled_on, app.vault.seal(as_json(a), field=PAYLOAD),
                *(d.entry or (None, None)), d.state.value, d.outcome, changes.get(a.number),
            )
            for a, d in decided
        ),
    )  # fmt: skip
    _settle(app, connection, file_id, name, decided, at)
    queue.answered(connection, ach_answers.proofs(connection, _named(decided)), at=at)


def _settle(
    app: App, connection: Connection, file_id: int, name: str, decided: Sequence[tuple[Answer, Decision]], at: str
) -> None:
    """What waited, and came once more when it could be done, waits for nobody."""
    settled = [
        {
            "file": decision.settles[0], "number": decision.settles[1], "by": app.operator.code, "at": at,
            "reason": f"done as {name} (#{file_id}) entry {answer.number}",
        }
        for answer, decision in decided if decision.settles is not None
    ]  # fmt: skip
    if settled:
        connection.execute(
            text(
                "UPDATE ach_answer SET state = 'CLEARED', cleared_by = :by, cleared_at = :at, clear_reason = :reason "
                "WHERE file_id = :file AND number = :number AND state = 'UNMATCHED'"
            ),
            settled,
        )


def _named(decided: Sequence[tuple[Answer, Decision]]) -> set[int]:
    """The files of ours whose entries were answered: the bank has them, whatever is known of their deliveries."""
    return {d.entry[0] for _, d in decided if d.entry is not None}


def _cash(app: App, connection: Connection, file_id: int, decided: Sequence[tuple[Answer, Decision]], at: str) -> None:
    """One unit a portfolio, one entry a check."""
    portfolios = sorted({cash.check.portfolio for _, d in decided for cash in d.cash})
    units: dict[str, Unit] = {}
    for portfolio in portfolios:
        units[portfolio] = open_unit(
            app.db, connection, portfolio=portfolio, kind="FILE", update_name=UPDATE, operator=app.operator.code,
            posted_at=at, file_id=file_id,
        )  # fmt: skip
    charts = {portfolio: accounts(connection, portfolio) for portfolio in portfolios}
    for answer, decision in decided:
        for cash in decision.cash:
            unit, chart = units[cash.check.portfolio], charts[cash.check.portfolio]
            unit.add(
                office_id=cash.office_id, txn=TRANSACTION, effective_date=answer.settled_on or unit.business_date,
                legs=[(_account(chart, cash.office_id, cash.debit, cash.cents), "D", cash.cents),
                      (_account(chart, cash.office_id, cash.credit, cash.cents), "C", cash.cents)],
                lease=cash.lease, reason=f"{answer.code} CHECK {cash.check.bank}/{cash.check.check_no}", source_line=answer.entry.line, corrects=cash.corrects,
            )  # fmt: skip
    for unit in units.values():
        close_unit(unit)


def _account(chart: Mapping[tuple[int, str], int], office_id: int, purpose: str, cents: int) -> int:
    try:
        return chart[office_id, purpose]
    except KeyError:
        raise LedgerError(
            f"posting a return of {shown(cents)}: found no account {purpose} in office {office_id}, expected one: load it "
            "with gl_accounts.csv; the file is tried again by gateway files release FILE --reason WHY"
        ) from None


def _checks(app: App, connection: Connection, decided: Sequence[tuple[Answer, Decision]]) -> None:
    """What is RETURNED, and what is SENT again: that one's void is over. A check stands as its last answer says."""
    becomes = {
        cash.check: cash.becomes for _, decision in decided for cash in decision.cash if cash.becomes is not None
    }
    by_state: dict[str, list[tuple[Any, ...]]] = {}
    for check, state in becomes.items():
        by_state.setdefault(state, []).append((check.issue, check.portfolio, check.bank, check.check_no))
    for state, rows in by_state.items():
        changed = app.db.bulk_update(
            connection, schema.bank_check, f"state = '{state}', issue = {{}}, voided_on = NULL, void_entry_id = NULL",
            ("portfolio", "bank", "check_no"), rows,
        )  # fmt: skip
        if changed != len(rows):
            raise LedgerError(f"marking checks {state}: found {changed}, expected {len(rows)}; nothing was posted")


def _alerts(app: App, connection: Connection, decided: Sequence[tuple[Answer, Decision]], at: str) -> None:
    said = {d.alert: f"returned {d.outcome}" for _, d in decided if d.alert is not None}
    put_on_alert(connection, said, maker=Maker(app.operator.code, app.operator.user), at=at)


def _brought_by(app: App, connection: Connection, file_id: int) -> Maker:
    """Whose file it was when it came, by their own code; who takes it in is often the service. One who has no code of
    their own, as the account of a system, stands beside the code that took it in."""
    owner = connection.execute(text("SELECT owner FROM inbound_file WHERE file_id = :id"), {"id": file_id}).scalar_one()
    if owner is None:
        return Maker(app.operator.code, app.operator.user)
    return Maker(next(iter(codes_of(app.settings, owner)), app.operator.code), owner)


def _proposals(
    app: App, connection: Connection, file_id: int, name: str, decided: Sequence[tuple[Answer, Decision]], at: str
) -> dict[int, int]:
    """Change numbers by answer number. A vendor named twice by one code has a round of its own for the second."""
    rounds: dict[tuple[str, int], dict[str, tuple[int, Mapping[str, str]]]] = {}
    times: Counter[tuple[str, str]] = Counter()
    for answer, decision in decided:
        if decision.vendor is not None and decision.changes:
            times[answer.code, decision.vendor] += 1
            at_round = (answer.code, times[answer.code, decision.vendor])
            rounds.setdefault(at_round, {})[decision.vendor] = (answer.number, decision.changes)
    if not rounds:
        return {}
    maker = _brought_by(app, connection, file_id)
    now = current(connection, app.vault, {v for wanted in rounds.values() for v in wanted})
    made: dict[int, int] = {}
    for (code, _), wanted in rounds.items():
        proposed = vendor_changes.propose_all(
            app.db, connection, app.vault, {v: (now[v], changes) for v, (_, changes) in wanted.items()}, origin="NOC",
            reason=f"{code} in {name}", maker=maker, at=at,
        )  # fmt: skip
        made |= {number: proposed[vendor] for vendor, (number, _) in wanted.items()}
    return made
