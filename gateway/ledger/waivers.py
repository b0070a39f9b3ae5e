"""Waivers as the journal has them: what was taken off a charge line by hand, and whether it still stands.

A waiver is one entry of a unit named WAIVE, with the code WAIV, that points at the entry it corrects: the newest one that
put money on the charge line and stands. Taken back, another entry of both names points at the waiver. Nothing is stored
beside that: the charge is the corrected entry's code.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.ledger.schema import ENTRIES_A_UNIT

UNIT: Final = "WAIVE"
"""``update_name`` of the posting units."""
WAIVED: Final = "WAIV"
"""Transaction code of the entries."""


class Waiver(NamedTuple):
    """One waiver. ``taken_back``: the unit that did."""

    unit: int
    entry: int
    invoice: str
    charge: str
    asset: str  # '' = the lease itself
    amount_cents: int
    taken_back: int | None


_WAIVERS: Final = f"""
SELECT w.entry_id / {ENTRIES_A_UNIT}, w.entry_id, w.invoice, c.txn, COALESCE(w.asset, ''), j.amount_cents,
    back.entry_id / {ENTRIES_A_UNIT}
FROM journal_entry w JOIN journal_entry c ON c.entry_id = w.corrects AND c.txn <> :waived
JOIN journal_line j ON j.entry_id = w.entry_id AND j.side = 'D'
LEFT JOIN journal_entry back ON back.lease = w.lease AND back.corrects = w.entry_id AND back.txn = :waived
WHERE w.txn = :waived AND {{which}} ORDER BY w.entry_id
"""


def in_unit(connection: Connection, unit: int) -> Waiver | None:
    """The waiver of a posting unit; None where the unit is none, or took one back."""
    statement = _WAIVERS.format(which="w.entry_id BETWEEN :low AND :high")
    low = unit * ENTRIES_A_UNIT
    values = {"waived": WAIVED, "low": low, "high": low + ENTRIES_A_UNIT - 1}
    row = connection.execute(text(statement), values).one_or_none()
    return None if row is None else Waiver(*row)


def standing(connection: Connection, invoice: str) -> list[Waiver]:
    """The waivers on an invoice that were not taken back, oldest first."""
    statement = _WAIVERS.format(
        which="w.lease = (SELECT i.lease FROM invoice i WHERE i.invoice = :invoice) AND w.invoice = :invoice "
        "AND back.entry_id IS NULL"
    )
    return [Waiver(*row) for row in connection.execute(text(statement), {"waived": WAIVED, "invoice": invoice})]


def by_line(connection: Connection) -> dict[tuple[str, str, str], list[Waiver]]:
    """All waivers that stand, by invoice, charge and asset: people made them, so there are few."""
    statement = _WAIVERS.format(
        which="back.entry_id IS NULL AND w.entry_id IN (SELECT e.entry_id FROM posting_unit u JOIN journal_entry e "
        f"ON e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1 "
        "WHERE u.update_name = :unit)"
    )
    found: dict[tuple[str, str, str], list[Waiver]] = {}
    for row in connection.execute(text(statement), {"waived": WAIVED, "unit": UNIT}):
        one = Waiver(*row)
        found.setdefault((one.invoice, one.charge, one.asset), []).append(one)
    return found


_BILLED: Final = f"""
SELECT MAX(e.entry_id) FROM journal_entry e
JOIN journal_line j ON j.entry_id = e.entry_id AND j.side = 'D' AND j.account_id = :receivable
WHERE e.lease = :lease AND e.invoice = :invoice AND e.txn = :charge AND COALESCE(e.asset, '') = :asset
AND NOT EXISTS (SELECT 1 FROM journal_entry m JOIN posting_unit u ON u.unit_id = m.entry_id / {ENTRIES_A_UNIT}
    WHERE m.lease = e.lease AND m.corrects = e.entry_id AND u.update_name = 'REVERSE')
"""


def billed_by(
    connection: Connection, *, lease: str, invoice: str, charge: str, asset: str, receivable: int
) -> int | None:
    """The newest entry that put money on a charge line, but those of files taken back. ``receivable`` is its account."""
    values = {"lease": lease, "invoice": invoice, "charge": charge, "asset": asset, "receivable": receivable}
    return connection.execute(text(_BILLED), values).scalar()
