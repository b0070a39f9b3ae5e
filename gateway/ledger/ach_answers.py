"""What the bank's answers prove about a file of ours: that it is there. In SQL, and asked of single files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, bindparam, text


def proof_sql(answer: str) -> str:
    """A condition on ``ach_answer`` of this alias: the bank has the file that it names. It answers an entry of it, whether
    something was done about that or a person sees to it, or says that the file was taken."""
    return f"({answer}.seq IS NOT NULL OR {answer}.state IN ('DONE', 'REPEATED'))"


def answered_sql(file: str) -> str:
    """A condition: the bank answered the outbound file of this alias as one that it has."""
    return f"EXISTS (SELECT 1 FROM ach_answer b WHERE b.outbound_id = {file}.outbound_id AND {proof_sql('b')})"


def named(kind: str, code: str | None, trace: str | None, file: str, file_id: int, number: int) -> str:
    """An answer as messages name it.

    >>> named("RETURN", "R03", "091000010000002", "r1.ach", 12, 3)
    'R03 of trace number 091000010000002 in r1.ach (answer 12/3)'
    """
    what = f"{code or kind.lower()} of trace number {trace}" if trace else kind.lower()
    return f"{what} in {file} (answer {file_id}/{number})"


_FIRST: Final = text(f"""
    SELECT outbound_id, kind, code, original_trace, name, file_id, number FROM (
        SELECT a.outbound_id, a.kind, a.code, a.original_trace, i.name, a.file_id, a.number,
            ROW_NUMBER() OVER (PARTITION BY a.outbound_id ORDER BY a.file_id, a.number) AS place
        FROM ach_answer a JOIN inbound_file i ON i.file_id = a.file_id
        WHERE a.outbound_id IN :files AND {proof_sql("a")}) x
    WHERE place = 1
""").bindparams(bindparam("files", expanding=True))


def proofs(connection: Connection, files: Iterable[int]) -> dict[int, str]:
    """Of outbound files among these that the bank answered as ones that it has: the first such answer, named."""
    wanted = sorted(set(files))
    if not wanted:
        return {}
    return {int(file): named(*rest) for file, *rest in connection.execute(_FIRST, {"files": wanted})}
