"""What rows point at is there; deliveries are what their events say; closed dates have their modules.

The tables that take a row a line, or a row an outbound record, have next to no foreign keys, and a hand that holds the
database passes over the others: each of them is compared as a set.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, text

from gateway.ledger import schema
from gateway.ledger.verify_base import Check, none, none_of

_BY_HAND: Final = (
    ("payment_line", "batch", "payment_batch", "batch"),
    *((table, "portfolio", "portfolio", "portfolio") for table in ("bank_check", "payment_batch", "suspense_item", "ach_entry")),
    *((table, "office_id", "office", "office_id") for table in ("bank_check", "suspense_item")),
)  # fmt: skip
"""(table, column, table pointed at, its key) where no foreign key says so."""
_GUARD: Final = "unit_guard"
"""An open unit points at it, and at no row of it."""


def checks(connection: Connection) -> Iterator[Check]:
    yield _pointed_at(connection)
    yield none(connection, "files that leave have their delivery, and only they", _DELIVERIES, "outbound_file")
    yield none(connection, "deliveries are as their events say", _EVENTS, "delivery")
    yield none(connection, "receipts are of what was released", _RECEIPTS, "delivery")
    yield none(connection, "closed dates have their modules", _CLOSED, "eop_run")


def pointers() -> list[tuple[str, str, str, str]]:
    """(table, column, table pointed at, its key) of every foreign key, and of what is bound without one."""
    keys = (key for table in schema.portfolio.metadata.sorted_tables for key in table.foreign_keys)
    named = ((k.parent.table.name, k.parent.name, k.column.table.name, k.column.name) for k in keys)
    return sorted({pointer for pointer in (*named, *_BY_HAND) if pointer[2] != _GUARD})


def _pointed_at(connection: Connection) -> Check:
    statement = " UNION ALL ".join(
        f"SELECT '{key} ' || CAST(m.v AS TEXT) || ' of {table}' FROM (SELECT {column} AS v FROM {table} "
        f"WHERE {column} IS NOT NULL EXCEPT SELECT {key} FROM {to}) m"
        for table, column, to, key in pointers()
    )
    lost = sorted(str(row) for row in connection.execute(text(statement)).scalars())
    return none_of("what rows point at is there", lost, "nothing missing", total=max(len(pointers()), len(lost)))


_LEAVES_AS: Final = "COALESCE(m.name, f.name)"
_DELIVERIES: Final = f"""
SELECT f.name FROM outbound_file f LEFT JOIN delivery d ON d.outbound_id = f.outbound_id
LEFT JOIN outbound_message m ON m.outbound_id = f.outbound_id
WHERE CASE WHEN d.delivery_id IS NULL THEN f.state = 'APPROVED' AND f.endpoint IS NOT NULL
    ELSE d.endpoint <> COALESCE(f.endpoint, '') OR d.remote_name <> {_LEAVES_AS}
        OR f.state <> CASE d.state WHEN 'RECALLED' THEN 'REJECTED' ELSE 'APPROVED' END END
ORDER BY f.outbound_id
"""
# The last event that says a state. A process that ended left INTERRUPTED, people left RESOLVED: of both one of two.
_EVENTS: Final = """
SELECT d.remote_name FROM delivery d
LEFT JOIN (SELECT delivery_id, MAX(event_id) AS event_id FROM delivery_event
    WHERE step NOT IN ('NOT_REACHED', 'STOPPED', 'REQUEUED', 'RESOLVE_PROPOSED', 'RESOLVE_WITHDRAWN') GROUP BY delivery_id) l
    ON l.delivery_id = d.delivery_id
LEFT JOIN delivery_event e ON e.event_id = l.event_id
LEFT JOIN delivery_event q ON q.delivery_id = d.delivery_id AND q.step = 'QUEUED'
WHERE q.event_id IS NULL OR q.detail <> d.remote_name OR CASE e.step
    WHEN 'QUEUED' THEN d.state <> 'PENDING'
    WHEN 'STARTED' THEN d.state <> 'SENDING'
    WHEN 'INTERRUPTED' THEN d.state NOT IN ('UNKNOWN', 'NOT_DELIVERED')
    WHEN 'RESOLVED' THEN d.state NOT IN ('DELIVERED', 'NOT_DELIVERED')
    ELSE d.state <> e.step END
ORDER BY d.delivery_id
"""
# A receipt is JSON as Python writes it. Without one a file may be DELIVERED by the words of people or of the bank.
_RECEIPTS: Final = """
SELECT d.remote_name FROM delivery d JOIN outbound_file f ON f.outbound_id = d.outbound_id
LEFT JOIN outbound_message m ON m.outbound_id = d.outbound_id
WHERE d.receipt IS NOT NULL AND (d.receipt NOT LIKE '%"bytes": ' || COALESCE(m.bytes, f.bytes) || ',%'
    OR d.receipt NOT LIKE '%"sha256": "' || COALESCE(m.sha256, f.sha256) || '"%'
    OR d.receipt NOT LIKE '%"endpoint": "' || d.endpoint || '"%'
    OR d.receipt NOT LIKE '%' || d.remote_name || '"%')
ORDER BY d.delivery_id
"""
# Modules are numbered as planned, and one that was planned keeps its row; a plan that changed leaves more rows than numbers.
_CLOSED: Final = """
SELECT 'portfolio ' || r.portfolio || ' ' || r.business_date FROM eop_run r
LEFT JOIN (SELECT run_id, COUNT(*) AS modules, MAX(position) AS last,
    SUM(CASE WHEN module IN ('U0410', 'U0499') AND state = 'DONE' THEN 1 ELSE 0 END) AS ends FROM eop_module GROUP BY run_id) m
    ON m.run_id = r.run_id
WHERE r.state = 'DONE' AND (m.run_id IS NULL OR m.modules < m.last OR m.ends <> 2) ORDER BY r.run_id
"""
