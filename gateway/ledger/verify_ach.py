"""Vendor ACH: entries are what their files, rows and checks say, voids and settled reversals what the journal says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import Final

from sqlalchemy import Connection

from gateway.ledger.ach_returns import came_back_sql
from gateway.ledger.chart import CLEARING
from gateway.ledger.database import stream_rows
from gateway.ledger.schema import ENTRIES_A_UNIT
from gateway.ledger.verify_base import Check, none, pair
from parsers.layout import Field
from parsers.nacha_records import BATCH_HEADER, ENTRY, WIDTH

_IN_UNIT: Final = f"e.entry_id BETWEEN u.unit_id * {ENTRIES_A_UNIT} AND (u.unit_id + 1) * {ENTRIES_A_UNIT} - 1"


def checks(connection: Connection) -> Iterator[Check]:
    yield pair(connection, "bank files are the sum of their entries", _FILES, _ENTRY_SUMS, "file")
    yield none(connection, "entries are what their checks say", _OTHER_CHECK, "ach_entry")
    yield none(connection, "reversals take back what left, once", _OTHER_ORIGINAL, "ach_entry")
    yield pair(connection, "voids by hand are posted", _VOID_LEGS, _VOID_CHECKS, "void")
    yield pair(connection, "settled reversals are posted", _SETTLED_CASH, _SETTLED_ENTRIES, "unit")


def entries(connection: Connection) -> dict[int, str]:
    """What the entries of each bank file come to, to be compared with its records (``entries_of``)."""
    rows = stream_rows(connection, _ENTRIES)
    return {outbound_id: _digest(row[1:] for row in its) for outbound_id, its in groupby(rows, key=itemgetter(0))}


def entries_of(data: bytes) -> str:
    """The same of the entry records of a bank file, which are sealed in the ledger, in order."""
    return _digest(_said(data.decode("ascii").replace("\r", "").replace("\n", "")))


def _said(records: str) -> Iterator[Row]:
    effective_date = ""
    for at in range(0, len(records), WIDTH):
        record = records[at : at + WIDTH]
        if record[0] == "5":
            day = record[_DAY]
            effective_date = f"20{day[:2]}-{day[2:4]}-{day[4:]}"
        elif record[0] == "6":
            yield record[_TRACE], record[_CODE], int(record[_CENTS]), effective_date


def _digest(rows: Iterable[Row]) -> str:
    digest = hashlib.sha256()
    for trace_number, code, cents, effective_date in rows:
        digest.update(f"{trace_number} {code} {cents} {effective_date}\n".encode())
    return digest.hexdigest()


Row = tuple[str, str, int, str]
"""Trace number, transaction code, cents, effective date."""
_ENTRIES: Final = """
SELECT outbound_id, trace_number, transaction_code, amount_cents, effective_date FROM ach_entry ORDER BY outbound_id, seq
"""


def _place(field: Field) -> slice:
    return slice(field.first - 1, field.last)


_TRACE, _CODE = _place(ENTRY.field("trace_number")), _place(ENTRY.field("transaction_code"))
_CENTS, _DAY = _place(ENTRY.field("amount_cents")), _place(BATCH_HEADER.field("effective_date"))
_FILES: Final = """
SELECT f.name AS what, f.records, f.records AS last, f.total_debit_cents, f.total_credit_cents FROM outbound_file f
WHERE f.kind = 'VACH-BANK'
"""
_ENTRY_SUMS: Final = """
SELECT f.name AS what, COUNT(*) AS records, MAX(e.seq) AS last,
    CAST(SUM(CASE WHEN e.transaction_code IN ('27', '37', '47', '55') THEN e.amount_cents ELSE 0 END) AS BIGINT),
    CAST(SUM(CASE WHEN e.transaction_code IN ('27', '37', '47', '55') THEN 0 ELSE e.amount_cents END) AS BIGINT)
FROM ach_entry e JOIN outbound_file f ON f.outbound_id = e.outbound_id GROUP BY f.outbound_id, f.name
"""
# A check in a rejected file may have changed since. One that CTX paid with others is not named here.
_OTHER_CHECK: Final = """
SELECT 'trace ' || e.trace_number FROM ach_entry e
JOIN outbound_file f ON f.outbound_id = e.outbound_id AND f.state <> 'REJECTED'
LEFT JOIN bank_check k ON k.portfolio = e.portfolio AND k.bank = e.bank AND k.check_no = e.check_no
    AND k.amount_cents = e.amount_cents AND k.vendor = e.vendor AND k.issue >= e.issue
WHERE e.check_no IS NOT NULL AND k.check_no IS NULL ORDER BY e.trace_number
"""
# One that came back may be tried again. An original of another amount would have taken back another check.
_OTHER_ORIGINAL: Final = f"""
SELECT 'trace ' || v.trace_number FROM ach_entry v
JOIN outbound_file vf ON vf.outbound_id = v.outbound_id AND vf.state <> 'REJECTED'
LEFT JOIN ach_entry o ON o.outbound_id = v.reverses_outbound_id AND o.seq = v.reverses_seq AND o.kind = 'LIVE'
    AND o.portfolio = v.portfolio AND o.vendor = v.vendor AND o.amount_cents = v.amount_cents
    AND COALESCE(o.check_no, '') = COALESCE(v.check_no, '')
LEFT JOIN outbound_file f ON f.outbound_id = o.outbound_id AND f.state IN ('APPROVED', 'LOCAL')
WHERE (v.kind = 'REVERSAL' OR v.reverses_outbound_id IS NOT NULL) AND (v.kind <> 'REVERSAL' OR f.outbound_id IS NULL)
UNION SELECT 'trace ' || MAX(v.trace_number) FROM ach_entry v
JOIN outbound_file f ON f.outbound_id = v.outbound_id AND f.state <> 'REJECTED'
WHERE v.reverses_outbound_id IS NOT NULL AND NOT {came_back_sql("v")}
GROUP BY v.reverses_outbound_id, v.reverses_seq HAVING COUNT(*) > 1 ORDER BY 1
"""
# A void that was taken back, by a person or by the return of its reversal, has an entry that corrects it.
_VOID_LEGS: Final = f"""
SELECT 'entry ' || e.entry_id AS what, e.entry_id, e.office_id, e.lease, a.purpose, j.amount_cents
FROM posting_unit u JOIN journal_entry e ON {_IN_UNIT}
JOIN journal_line j ON j.entry_id = e.entry_id AND j.side = 'D' JOIN gl_account a ON a.account_id = j.account_id
LEFT JOIN (SELECT e.corrects FROM posting_unit u JOIN journal_entry e ON {_IN_UNIT}
    WHERE u.update_name IN ('VOID', 'ANSWERS') AND e.corrects IS NOT NULL) back ON back.corrects = e.entry_id
WHERE u.update_name = 'VOID' AND e.corrects IS NULL AND back.corrects IS NULL
"""
_VOID_CHECKS: Final = f"""
SELECT 'entry ' || k.void_entry_id AS what, k.void_entry_id, k.office_id, k.lease,
    CASE WHEN k.type = 'NEWI' OR k.outbound_id IS NOT NULL THEN '{CLEARING}' ELSE 'CASH ' || k.bank END, k.amount_cents
FROM bank_check k WHERE k.void_entry_id IS NOT NULL
"""
_SETTLED_CASH: Final = f"""
SELECT 'unit ' || u.unit_id AS what, u.unit_id, CAST(SUM(j.amount_cents) AS BIGINT) AS cents
FROM posting_unit u JOIN journal_entry e ON {_IN_UNIT}
JOIN journal_line j ON j.entry_id = e.entry_id AND j.side = 'D' JOIN gl_account a ON a.account_id = j.account_id
    AND a.purpose LIKE 'CASH %'
WHERE u.update_name = 'U0424' AND u.kind = 'MODULE' GROUP BY u.unit_id
"""
_SETTLED_ENTRIES: Final = """
SELECT 'unit ' || e.settled_unit_id AS what, e.settled_unit_id, CAST(SUM(e.amount_cents) AS BIGINT) AS cents
FROM ach_entry e WHERE e.settled_unit_id IS NOT NULL GROUP BY e.settled_unit_id
"""
