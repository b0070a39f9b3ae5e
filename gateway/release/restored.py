"""What a restore leaves in doubt of files: one that waited for approval in the backup may have been approved and sent since.

A rule holds it, which its approver accepts by name; its delivery is unknown then all the same, until two people say whether
it left (``delivery/queue.py``). One without an endpoint may have been fetched since; it is not put back into the outbox.
Of one that was rejected somebody may have said since that the bank has it; while the next run would pay the same, that is told.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, text

from gateway.ledger.ach_checks import source_sql
from gateway.ledger.restored import RULE
from gateway.outbound.states import left_sql

_MAY_HAVE_LEFT: Final = "may have been approved and sent since the backup"
_TO_RELEASE: Final = """
    SELECT o.outbound_id, o.name, o.sha256 FROM outbound_file o WHERE o.state = 'BUILT' AND NOT EXISTS (
        SELECT 1 FROM outbound_source s JOIN outbound_file f ON f.state = 'BUILT'
        AND s.source = 'outbound:' || CAST(f.outbound_id AS TEXT) WHERE s.outbound_id = o.outbound_id AND s.seq = 0)
    ORDER BY o.outbound_id
"""
"""Files that a person releases by themselves; what goes with one is released with it."""
_TO_FETCH: Final = f"""
    SELECT o.outbound_id, o.name FROM outbound_file o WHERE o.state = 'LOCAL' AND o.kind = 'VACH-BANK'
    AND NOT {left_sql("o")} ORDER BY o.outbound_id
"""
_TO_FETCH_ELSE: Final = f"""
    SELECT o.portfolio, o.kind, COUNT(*) AS files, MAX(o.outbound_id) AS last FROM outbound_file o
    WHERE o.state = 'LOCAL' AND o.kind <> 'VACH-BANK' AND NOT {left_sql("o")}
    GROUP BY o.portfolio, o.kind ORDER BY MAX(o.outbound_id)
"""
"""Others of the kind: nobody has to say of them that they were fetched, so there may be years of them."""
_FREE: Final = f"""
    SELECT DISTINCT o.outbound_id, o.name FROM outbound_file o JOIN outbound_source s ON s.outbound_id = o.outbound_id
    LEFT JOIN outbound_claim c ON c.source = s.source
    LEFT JOIN (SELECT {source_sql("k")} AS source FROM bank_check k WHERE k.state = 'NEW') n ON n.source = s.source
    WHERE o.state = 'REJECTED' AND o.kind = 'VACH-BANK' AND c.source IS NULL
    AND (n.source IS NOT NULL OR s.source LIKE 'reversal:%') ORDER BY o.outbound_id
"""
"""Rejected files of which the next run pays, or takes back, something again."""


def doubt(connection: Connection) -> list[str]:
    """Hold what waits for approval; gives each such file, each that is to be fetched (of files that are not a bank's the last
    of a kind), and each rejected one that somebody may have said the bank has, with what a person does about it."""
    return [*_unreleased(connection), *_to_fetch(connection), *_to_fetch_else(connection), *_rejected(connection)]


def _unreleased(connection: Connection) -> list[str]:
    rows = connection.execute(text(_TO_RELEASE)).all()
    for row in rows:
        connection.execute(
            text(
                "INSERT INTO fraud_finding (portfolio, business_date, outbound_id, rule, action, detail) "
                "SELECT portfolio, business_date, outbound_id, :rule, 'HOLD', :detail FROM outbound_file "
                "WHERE outbound_id = :o"
            ),
            {"rule": RULE, "detail": f"the ledger was restored: it {_MAY_HAVE_LEFT}", "o": row.outbound_id},
        )
        connection.execute(
            text(
                "UPDATE outbound_file SET hold_text = COALESCE(hold_text || '; ', '') || :said WHERE outbound_id = :o"
            ),
            {"said": f"{RULE}: it {_MAY_HAVE_LEFT}", "o": row.outbound_id},
        )
    return [
        f"{row.name} (#{row.outbound_id}): it waited for approval and {_MAY_HAVE_LEFT}: ask the receiver; where it did not "
        f"come, or to note that it did, gateway outbound approve {row.outbound_id} --sha256 {row.sha256[:8]} --accept {RULE} "
        f"--reason WHY, after which two people say which of both; gateway outbound reject {row.outbound_id} --reason WHY frees its "
        "payments for the next run: only where it did not come"
        for row in rows
    ]


def _to_fetch(connection: Connection) -> list[str]:
    return [
        f"{row.name} (#{row.outbound_id}): it was to be fetched by hand and may have been since the backup: if so, gateway "
        f"outbound taken {row.outbound_id} --reason WHY; if not, gateway outbound export {row.outbound_id} PATH --reason WHY "
        "writes it again, for a restore brings no outbox"
        for row in connection.execute(text(_TO_FETCH))
    ]


def _to_fetch_else(connection: Connection) -> list[str]:
    name = text("SELECT name FROM outbound_file WHERE outbound_id = :id")
    return [
        f"{connection.execute(name, {'id': row.last}).scalar_one()} (#{row.last}){_and_earlier(row.files - 1, row.kind)}, portfolio "
        f"{row.portfolio}: to be fetched by hand: where its receiver has not got one, gateway outbound export {row.last} PATH "
        "--reason WHY writes it again, for a restore brings no outbox"
        for row in connection.execute(text(_TO_FETCH_ELSE))
    ]


def _and_earlier(count: int, kind: str) -> str:
    return "" if count == 0 else f" and {count} earlier of {kind} (gateway outbound list --kind {kind} --state LOCAL)"


def _rejected(connection: Connection) -> list[str]:
    return [
        f"{row.name} (#{row.outbound_id}): it was rejected, and what it pays goes again with the next run; where the bank has it "
        f"all the same, as somebody may have said since the backup: gateway outbound taken {row.outbound_id} --reason WHY"
        for row in connection.execute(text(_FREE))
    ]
