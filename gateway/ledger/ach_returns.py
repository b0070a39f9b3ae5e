"""Which entries the bank returned, or we took back: in SQL, and the reversals that a return makes moot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, bindparam, text

from gateway.ledger.ach_answers import refused_sql
from gateway.ledger.ach_checks import source_sql


def is_return_sql(answer: str) -> str:
    """A condition on ``ach_answer`` of this alias: a return that was taken. One that waits for a person is none yet."""
    return f"({answer}.kind = 'RETURN' AND {answer}.state = 'DONE')"


def waits_sql(answer: str) -> str:
    """A condition on ``ach_answer`` of this alias: one about an entry that waits for a person; a return, perhaps."""
    return f"({answer}.kind IN ('RETURN', 'DISHONORED', 'CONTESTED') AND {answer}.state = 'UNMATCHED')"


def unclear_sql(entry: str) -> str:
    """An answer about the ``ach_entry`` of this alias that waits for a person, as ``FILE/NUMBER``; NULL where there is none."""
    return f"""(SELECT MIN(CAST(ua.file_id AS TEXT) || '/' || CAST(ua.number AS TEXT)) FROM ach_answer ua
        WHERE ua.original_trace = {entry}.trace_number AND {waits_sql("ua")})"""


def return_code_sql(entry: str) -> str:
    """The code by which the ``ach_entry`` of this alias came back; NULL where it did not."""
    return f"""(SELECT MIN(ra.code) FROM ach_answer ra
        WHERE ra.outbound_id = {entry}.outbound_id AND ra.seq = {entry}.seq AND {is_return_sql("ra")})"""


def came_back_sql(entry: str, prefix: str = "") -> str:
    """A condition: the ``ach_entry`` of this alias came back, or, with the prefix ``reverses_``, the one that it takes back."""
    return f"""EXISTS (SELECT 1 FROM ach_answer ra WHERE ra.outbound_id = {entry}.{prefix}outbound_id
        AND ra.seq = {entry}.{prefix}seq AND {is_return_sql("ra")})"""


def taken_back_sql(entry: str) -> str:
    """A condition: a check of the ``ach_entry`` of this alias is void, or a reversal of it is in a file; one that came back
    leaves its check as sent. Somebody said that it should not have been paid, so that it vouches for nothing. Voids are few,
    and found by their index; so are those of a CTX entry, which names no check."""
    return f"""(({entry}.outbound_id, {entry}.seq) IN (SELECT ts.outbound_id, ts.seq FROM bank_check tc
        JOIN outbound_source ts ON ts.source = {source_sql("tc")} AND ts.outbound_id = tc.outbound_id
        WHERE tc.type = 'NEWA' AND tc.state = 'VOID')
        OR EXISTS (SELECT 1 FROM ach_entry tv JOIN outbound_file tf ON tf.outbound_id = tv.outbound_id
        AND tf.state <> 'REJECTED' WHERE tv.reverses_outbound_id = {entry}.outbound_id AND tv.reverses_seq = {entry}.seq))"""


_MOOT: Final = text(f"""
    SELECT e.outbound_id, MIN(CASE WHEN {came_back_sql("o")} THEN o.trace_number END) AS returned,
        MIN(CASE WHEN {refused_sql("o")} THEN o.trace_number END) AS refused
    FROM ach_entry e JOIN ach_entry o ON o.outbound_id = e.reverses_outbound_id AND o.seq = e.reverses_seq
    WHERE e.outbound_id IN :files GROUP BY e.outbound_id
""").bindparams(bindparam("files", expanding=True))


def moot_reversals(connection: Connection, files: Sequence[int]) -> dict[int, str]:
    """Of outbound files with reversals whose original came back, or is in a file that the bank refused, so that they must
    not leave (the money is here): by file the trace number of the first such original, and what the bank did, in words."""
    if not files:
        return {}
    return {
        int(file): f"{returned}, which the bank returned" if returned else f"{refused}, whose file the bank refused"
        for file, returned, refused in connection.execute(_MOOT, {"files": sorted(set(files))})
        if returned or refused
    }
