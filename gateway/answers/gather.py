"""Everything the ledger knows of what a file of answers names, in a few set-based questions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select, text

from gateway.answers.match import CheckRow, Facts, TakenBack, Waiting, key
from gateway.answers.post import PAYLOAD
from gateway.answers.read import decides
from gateway.answers.values import Answer, EntryKey, Identity
from gateway.app import App
from gateway.errors import GatewayError
from gateway.ledger import schema
from gateway.ledger.ach_checks import ANY_PORTFOLIO, CheckKey
from gateway.ledger.ach_returns import came_back_sql, is_return_sql
from gateway.ledger.vendor_changes import details_versions
from gateway.ledger.vendor_details import current
from gateway.outbound.rendering import entry_of
from gateway.outbound.states import LEFT_STATES, at_bank_sql
from gateway.outbound.store import sealed_rows
from gateway.vault import Vault
from gateway.vendor_ach.entries import SentEntry, checks_by_entry, entries_by_trace

_ASKED: Final = 5_000
"""Keys in one statement."""


def sent_by_trace(connection: Connection, answers: Iterable[Answer]) -> dict[str, list[SentEntry]]:
    found: dict[str, list[SentEntry]] = {}
    for sent in entries_by_trace(connection, {answer.original_trace for answer in answers}):
        found.setdefault(sent.entry.trace_number, []).append(sent)
    return found


def portfolios_of(connection: Connection, answers: Iterable[Answer]) -> list[str]:
    """Portfolios whose money the answers may move: those of every entry that ever had one of the trace numbers."""
    return sorted({s.entry.portfolio for found in sent_by_trace(connection, answers).values() for s in found})


def facts(app: App, connection: Connection, answers: Sequence[Answer], *, today: date) -> Facts:
    """The portfolios are locked: nothing of this moves until the transaction ends."""
    vault = app.vault
    by_trace = sent_by_trace(connection, answers)
    sent = [s for found in by_trace.values() for s in found]
    paid = checks_by_entry(connection, map(key, sent))
    vendors = sorted({s.entry.vendor for s in sent if s.entry.vendor is not None})
    asked = any(answer.kind == "CHANGE" for answer in answers)
    asked_of = [s for s in sent if s.state in LEFT_STATES]
    taken, waiting = _before(connection, vault, answers)
    return Facts(
        today=today,
        sent=by_trace,
        paid=paid,
        checks=dict(_checks(connection, [check for checks in paid.values() for check in checks])),
        versions=details_versions(connection) if asked else {},
        details=current(connection, vault, vendors) if asked and vendors else {},
        accounts=_accounts(app, connection, map(key, asked_of)),
        companies=dict(_companies(connection, {s.entry.outbound_id for s in asked_of})),
        taken=taken,
        waiting=waiting,
        returned=dict(_returned(connection, {s.entry.outbound_id for s in sent})),
        taken_back=dict(_taken_back(connection, {s.entry.outbound_id for s in sent})),
    )


def _checks(connection: Connection, keys: Sequence[CheckKey]) -> Iterator[tuple[tuple[str, str, str], CheckRow]]:
    wanted = {(k.portfolio, k.bank, k.check_no) for k in keys}
    numbers = sorted({k.check_no for k in keys})
    for row in _asked(
        connection,
        "SELECT portfolio, bank, check_no, office_id, lease, amount_cents, state, issue, void_entry_id FROM bank_check "
        f"WHERE {ANY_PORTFOLIO} AND check_no IN :keys",
        numbers,
    ):
        if (row[0], row[1], row[2]) in wanted:
            yield (row[0], row[1], row[2]), CheckRow(*row[3:])


def _accounts(app: App, connection: Connection, keys: Iterable[EntryKey]) -> dict[EntryKey, str]:
    """The accounts that entries went to, as they are frozen in their files; of a file whose key is lost none."""
    found: dict[EntryKey, str] = {}
    for _, its in groupby(sorted(keys), key=itemgetter(0)):
        with suppress(GatewayError):
            rows = sealed_rows(app, connection, its)
            found |= {at: entry_of(row).account for at, row in rows.items()}
    return found


def _companies(connection: Connection, files: Iterable[int]) -> Iterator[tuple[int, list[str]]]:
    """The company identifications in the batches of bank files, as these were frozen."""
    statement = "SELECT outbound_id, header FROM outbound_file WHERE outbound_id IN :keys"
    for outbound_id, header in _asked(connection, statement, sorted(files)):
        yield outbound_id, sorted({batch["company_id"] for batch in json.loads(header)["batches"]})


def _before(
    connection: Connection, vault: Vault, answers: Sequence[Answer]
) -> tuple[dict[Identity, str], dict[tuple[Identity, str], Waiting]]:
    """Answers of earlier files: what was acted upon, and what waits or waited for a person with all that it said."""
    taken: dict[Identity, str] = {}
    waiting: dict[tuple[Identity, str], Waiting] = {}
    asked = {answer.identity for answer in answers}
    for row in _asked(
        connection,
        "SELECT a.kind, COALESCE(a.code, ''), a.original_trace, COALESCE(a.trace_number, ''), f.name, a.file_id, "
        "a.number, a.state, CASE a.state WHEN 'DONE' THEN NULL ELSE a.payload END, a.outcome "
        "FROM ach_answer a JOIN inbound_file f ON f.file_id = a.file_id WHERE a.original_trace IN :keys "
        "AND a.state <> 'REPEATED'",
        sorted({identity.original_trace for identity in asked}),
    ):
        identity, place = Identity(*row[:4]), _place(*row[4:7])
        if row[7] == "DONE":
            taken[identity] = place
        elif identity in asked:
            open_as = (int(row[5]), int(row[6])) if row[7] == "UNMATCHED" else None
            waiting[identity, decides(vault.open(bytes(row[8]), field=PAYLOAD))] = Waiting(place, row[9], open_as)
    return taken, waiting


def _returned(connection: Connection, files: Iterable[int]) -> Iterator[tuple[EntryKey, str]]:
    """Entries of these bank files, and those they reverse, that came back."""
    for row in _asked(
        connection,
        "SELECT a.outbound_id, a.seq, f.name, a.file_id, a.number FROM ach_answer a "
        f"JOIN inbound_file f ON f.file_id = a.file_id WHERE {is_return_sql('a')} AND a.outbound_id IN "
        "(SELECT outbound_id FROM outbound_file WHERE outbound_id IN :keys UNION "
        "SELECT reverses_outbound_id FROM ach_entry WHERE outbound_id IN :keys)",
        sorted(files),
    ):
        yield (row[0], row[1]), _place(*row[2:])


def _taken_back(connection: Connection, files: Iterable[int]) -> Iterator[tuple[EntryKey, TakenBack]]:
    """Reversals of entries of these bank files that did not come back. Their deliveries are held until the transaction ends,
    so that none of them leaves while its credit's return is posted."""
    rows = list(
        _asked(
            connection,
            f"SELECT e.outbound_id AS credit_in, e.seq, f.outbound_id, f.name, f.state, {at_bank_sql('f')} AS at_bank "
            "FROM ach_entry v JOIN ach_entry e ON e.outbound_id = v.reverses_outbound_id AND e.seq = v.reverses_seq "
            "JOIN outbound_file f ON f.outbound_id = v.outbound_id AND f.state <> 'REJECTED' "
            f"WHERE v.reverses_outbound_id IN :keys AND NOT {came_back_sql('v')} ORDER BY v.outbound_id",
            sorted(files),
        )
    )
    table = schema.delivery
    wanted = sorted({row.outbound_id for row in rows})
    held = select(table.c.outbound_id, table.c.state).where(table.c.outbound_id.in_(wanted)).with_for_update()
    states = {int(file): str(state) for file, state in connection.execute(held)} if wanted else {}
    for credit_in, seq, outbound_id, name, state, at_bank in rows:
        yield (credit_in, seq), TakenBack(outbound_id, name, state, states.get(outbound_id), bool(at_bank))


def _place(name: str, file_id: int, number: int) -> str:
    return f"{name} (#{file_id}) entry {number}"


def _asked(connection: Connection, statement: str, keys: Sequence[Any]) -> Iterator[Any]:
    """The statement for all keys, some thousands at a time."""
    clause = text(statement).bindparams(bindparam("keys", expanding=True))
    iterator = iter(keys)
    while part := list(islice(iterator, _ASKED)):
        yield from connection.execute(clause, {"keys": part})
