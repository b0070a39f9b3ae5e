"""``gateway verify``: every invariant of the ledger, recomputed from what lies in the database and the archive.

Nothing here trusts a figure that the posting path stored: sums are made again from journal lines, outcomes from staged
rows and messages, hashes from bytes. A check names what it looked at, what it found and what it should have found; what
cannot be looked at, because a row is damaged, is a finding too (``verify_base.attempted``), and the other checks go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, text

from gateway.ledger import (
    gl_transfers,
    guards,
    sealed,
    triggers,
    units,
    verify_ach,
    verify_answers,
    verify_clearing,
    verify_files,
    verify_lines,
    verify_rooms,
    verify_rows,
    verify_staged,
    verify_subledger,
    verify_suspense,
    verify_vendors,
)
from gateway.ledger.database import Database
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.verify_base import Check, attempted, none_of
from gateway.ledger.verify_vendors import LastPaid
from gateway.vault import Vault

Progress = Callable[[int, int | None], None]
Render = Callable[[int], bytes]
"""The bytes of an outbound file, made again from its frozen rows."""
Strange = Callable[[], list[str]]
"""Files of the outbox that are not as built."""
Keys = Callable[[], Sequence[bytes]]
"""The ids of the home's keys."""


@dataclass(frozen=True, slots=True)
class _Unit:
    unit_id: int
    portfolio: str
    previous_digest: str | None
    digest: str | None


def verify(
    db: Database,
    *,
    archive: Path | None = None,
    vault: Vault | None = None,
    render: Render | None = None,
    outbox: Strange | None = None,
    keys: Keys | None = None,
    progress: Progress | None = None,
) -> list[Check]:
    """Check everything, in one consistent view of the database.

    ``archive`` is the folder of the originals, ``vault`` opens those that are sealed, ``render`` makes an outbound
    file again, ``outbox`` names copies that are not as built, ``keys`` the ids of the home's keys; without them those
    checks are left out.
    """
    checks: list[Check] = []
    net: dict[int, int] = {}
    with db.read() as connection:

        def look(what: str, make: Callable[[], Check | Iterable[Check]]) -> None:
            checks.extend(attempted(connection, what, make))

        look("guards in the database", lambda: _guards(db, connection))
        look("the journal", lambda: _journal(connection))
        look("unit totals equal their lines", lambda: verify_lines.totals(connection, net))
        look("posting units", lambda: _units(connection))
        look("digest chain", lambda: _digests(db, connection, progress))
        look("the subledger", lambda: verify_subledger.checks(connection, net))
        look("rows beside the journal", lambda: verify_rows.checks(connection))
        look("what files made", lambda: verify_staged.checks(connection))
        look("suspense", lambda: verify_suspense.checks(connection))
        look("what banks answered", lambda: verify_answers.checks(connection))
        look("files that came", lambda: verify_files.files(connection))
        if archive is not None:
            look("originals in the archive", lambda: verify_files.originals(connection, archive, vault))
        look("files that leave", lambda: verify_files.outbound(connection))
        look("Vendor ACH", lambda: verify_ach.checks(connection))
        look("CLEARING of vendors' checks", lambda: verify_clearing.checks(connection))
        look("what rows point at, deliveries, closed dates", lambda: verify_rooms.checks(connection))
        if outbox is not None:  # a restore takes a ledger whose day waits to be built again
            look("what U0422 zeroed", lambda: gl_transfers.zeroed_without_file(connection))
        if vault is not None:
            look("vendors", lambda: verify_vendors.checks(connection, vault))
        if keys is not None:
            look("keys of sealed values", lambda: sealed_by_known_keys(connection, archive, keys()))
        if render is not None:
            look("bytes of outbound files", lambda: _rendered(connection, render, vault))
    if outbox is not None:
        checks += attempted(db, "files in the outbox", lambda: _outbox(db, outbox))
    return checks


def sealed_by_known_keys(connection: Connection, archive: Path | None, known: Sequence[bytes]) -> Check:
    """Every sealed value, and every sealed original, names a key that is here."""
    named = sealed.by_key(connection)
    if archive is not None:
        named += verify_files.originals_by_key(connection, archive)
    lost = sorted(named.keys() - {b"", *known})
    found = [f"{named[key]} values of key {key.hex()}" for key in lost]
    return none_of("account numbers are sealed with a key of this home", found, "none", total=named.total())


def _rendered(connection: Connection, render: Render, vault: Vault | None) -> Iterator[Check]:
    entries, paid = verify_ach.entries(connection), None if vault is None else LastPaid(connection, vault)
    return verify_files.rendered(connection, verify_files.released(connection), render, entries, paid)


def _outbox(db: Database, strange: Strange) -> Check:
    with db.read() as connection:
        total = len(verify_files.released(connection))
    expected = "no copy of other bytes, and nothing else"
    return none_of("files in the outbox are as built", strange(), expected, total=total)


def _guards(db: Database, connection: Connection) -> Iterator[Check]:
    """The triggers that refuse change are there, as this version writes them."""
    wanted = guards.guarding(is_sqlite=db.is_sqlite)
    present = triggers.in_force(db, connection)
    wrong = [name for name, does in wanted.items() if present.get(name, "").split() != does.split()]
    yield none_of("guards in the database", sorted(wrong), "every trigger as written", total=len(wanted))


_UNBALANCED: Final = """
SELECT e.entry_id FROM journal_entry e LEFT JOIN journal_line j ON j.entry_id = e.entry_id
LEFT JOIN gl_account a ON a.account_id = j.account_id GROUP BY e.entry_id
HAVING SUM(CASE j.side WHEN 'D' THEN j.amount_cents ELSE -j.amount_cents END) <> 0 OR COUNT(a.account_id) <> COUNT(*)
    OR MIN(a.office_id) <> MAX(a.office_id) OR MIN(a.office_id) <> MIN(e.office_id) ORDER BY e.entry_id
"""
_LOST_LINES: Final = """
SELECT DISTINCT j.entry_id FROM journal_line j LEFT JOIN journal_entry e ON e.entry_id = j.entry_id
WHERE e.entry_id IS NULL ORDER BY j.entry_id
"""
_LOST_CHARGES: Final = """
SELECT DISTINCT r.invoice FROM receivable r LEFT JOIN invoice i ON i.invoice = r.invoice
WHERE i.invoice IS NULL ORDER BY r.invoice
"""
_HEADERS: Final = f"""
SELECT u.unit_id FROM posting_unit u
LEFT JOIN (SELECT entry_id / {ENTRIES_A_UNIT} AS unit_id, COUNT(*) AS entries FROM journal_entry
    GROUP BY entry_id / {ENTRIES_A_UNIT}) e ON e.unit_id = u.unit_id
LEFT JOIN (SELECT unit_id, SUM(debit_cents) AS cents FROM unit_total GROUP BY unit_id) t ON t.unit_id = u.unit_id
WHERE u.state <> 'CLOSED' OR u.entries <> COALESCE(e.entries, 0) OR u.amount_cents <> COALESCE(t.cents, 0)
ORDER BY u.unit_id
"""
_HOMELESS: Final = f"""
SELECT DISTINCT e.entry_id / {ENTRIES_A_UNIT} FROM journal_entry e
LEFT JOIN posting_unit u ON u.unit_id = e.entry_id / {ENTRIES_A_UNIT} WHERE u.unit_id IS NULL
"""


def _column(connection: Connection, statement: str) -> list[object]:
    return list(connection.execute(text(statement)).scalars())


def _journal(connection: Connection) -> Iterator[Check]:
    def column(statement: str) -> list[object]:
        return _column(connection, statement)

    entries = connection.execute(text("SELECT COUNT(*) FROM journal_entry")).scalar_one()
    yield none_of("every entry balances within one office", column(_UNBALANCED), "no entry", total=entries)
    yield none_of("every entry is in a unit", column(_HOMELESS), "no unit missing", total=entries)
    yield none_of("every line is in an entry", column(_LOST_LINES), "no line without one", total=entries)
    charges = connection.execute(text("SELECT COUNT(*) FROM receivable")).scalar_one()
    yield none_of("every charge line is on an invoice", column(_LOST_CHARGES), "no charge without one", total=charges)


def _units(connection: Connection) -> Iterator[Check]:
    units_ = connection.execute(text("SELECT COUNT(*) FROM posting_unit")).scalar_one()
    bad = _column(connection, _HEADERS)
    yield none_of("units are closed and count their entries", bad, "no unit", total=units_)


def _digests(db: Database, connection: Connection, progress: Progress | None) -> Iterator[Check]:
    """Each unit's digest recomputed, and its link to the portfolio's unit before it."""
    rows = connection.execute(
        text("SELECT unit_id, portfolio, previous_digest, digest FROM posting_unit ORDER BY unit_id")
    )
    chain = [_Unit(*row) for row in rows]
    before: dict[str, str] = {}
    broken: dict[str, list[object]] = {unit.portfolio: [] for unit in chain}
    for done, unit in enumerate(chain, 1):
        linked = (unit.previous_digest or "") == before.get(unit.portfolio, "")
        if not linked or units.unit_digest(db, connection, unit.unit_id) != unit.digest:
            broken[unit.portfolio].append(unit.unit_id)
        before[unit.portfolio] = unit.digest or ""
        if progress is not None:
            progress(done, len(chain))
    for portfolio, found in sorted(broken.items()):
        total = sum(unit.portfolio == portfolio for unit in chain)
        yield none_of("digest chain", found, "no unit changed since it was closed", total=total, where=portfolio)
