"""What the bank's answers prove about a file of ours: that it is there, or that it was refused. In SQL, and asked of files.

A refusal is an acknowledgement of the code ``REFUSED``. It stands while it waits for a person, unless the bank took the file
later or answered an entry of it. Calling the file back clears it; cleared otherwise, the bank took the file after all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, text

REFUSED: Final = "REFUSED"
"""``ach_answer.code`` of an acknowledgement by which the bank will not pay a file."""
_SAID: Final = f"code = '{REFUSED}' AND state = 'UNMATCHED'"
_UNCLEAR: Final = (
    "{a}.kind = 'ACKNOWLEDGEMENT' AND {a}.state = 'UNMATCHED' AND COALESCE({a}.code, '') <> '" + REFUSED + "'"
)
TO_ASK: Final = (
    "ask the bank: where it pays nothing of it, gateway answers clear FILE/NUMBER --refused --reason WHY, and a second person calls the file back; "
    "where it pays a part, have it return the rest; then gateway answers clear FILE/NUMBER --reason WHY"
)
"""What is to be done about a word of the bank that neither takes a file nor refuses it whole."""


def proof_sql(answer: str) -> str:
    """A condition on ``ach_answer`` of this alias: the bank has the file that it names, and runs it. It answers an entry of
    it, whether something was done about that or a person sees to it, says that the file was taken, or refused it and took
    it after all."""
    return (
        f"({answer}.seq IS NOT NULL OR {answer}.state IN ('DONE', 'REPEATED') "
        f"OR ({answer}.code = '{REFUSED}' AND {answer}.state = 'CLEARED'))"
    )


def _stands_sql(answer: str) -> str:
    """A condition on ``ach_answer`` of this alias: a refusal that stands."""
    said = _SAID.replace(" AND ", f" AND {answer}.")
    return (
        f"({answer}.{said} AND NOT EXISTS (SELECT 1 FROM ach_answer b WHERE b.outbound_id = {answer}.outbound_id "
        f"AND {proof_sql('b')} AND (b.seq IS NOT NULL OR b.file_id > {answer}.file_id)))"
    )


def refused_sql(file: str) -> str:
    """A condition: the bank refused the outbound file of this alias, and that stands."""
    return f"EXISTS (SELECT 1 FROM ach_answer r WHERE r.outbound_id = {file}.outbound_id AND {_stands_sql('r')})"


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


class Refusal(NamedTuple):
    """The bank's word that it will not pay a file: the answer's key (``12/1``), and what is to be done in words."""

    answer: str
    outcome: str


_REFUSALS: Final = text(f"""
    SELECT r.outbound_id, CAST(r.file_id AS TEXT) || '/' || CAST(r.number AS TEXT), r.outcome FROM ach_answer r
    WHERE r.outbound_id IN :files AND {_stands_sql("r")} ORDER BY r.file_id, r.number
""").bindparams(bindparam("files", expanding=True))


def refusals(connection: Connection, files: Iterable[int]) -> dict[int, Refusal]:
    """Of outbound files among these whose refusal by the bank stands: the last one."""
    wanted = sorted(set(files))
    if not wanted:
        return {}
    return {int(file): Refusal(*rest) for file, *rest in connection.execute(_REFUSALS, {"files": wanted})}


_DOUBTS: Final = text(f"""
    SELECT CAST(a.file_id AS TEXT) || '/' || CAST(a.number AS TEXT), a.outcome FROM ach_answer a
    WHERE a.outbound_id = :id AND {_UNCLEAR.format(a="a")}
    AND NOT EXISTS (SELECT 1 FROM ach_answer r WHERE r.outbound_id = :id AND r.file_id >= a.file_id AND {_stands_sql("r")})
    ORDER BY a.file_id DESC, a.number
""")


def doubt(connection: Connection, outbound_id: int) -> Refusal | None:
    """The last word of the bank about a file that neither takes it nor refuses it whole, while it waits for a person and no
    refusal came with it or later."""
    row = connection.execute(_DOUBTS, {"id": outbound_id}).first()
    return None if row is None else Refusal(*row)


REFUSED_BY_HAND: Final = "answers.refused"
"""The action of the event by which a person says that the bank refused a file whole; its subject is ``answer:12/1``."""


def told_by(connection: Connection, answer: str) -> tuple[str, str] | None:
    """Code and user of who said that the bank's answer of this key is a refusal; None: the bank's own words are it."""
    row = connection.execute(
        text("SELECT operator, os_user FROM operator_event WHERE action = :action AND subject = :subject"),
        {"action": REFUSED_BY_HAND, "subject": f"answer:{answer}"},
    ).first()
    return None if row is None else (str(row[0]), str(row[1]))


def clear_refusals(connection: Connection, outbound_id: int, *, by: str, reason: str, at: str) -> None:
    """Its file was called back for a refusal, or before anything left: nobody waits for more words about it."""
    connection.execute(
        text(
            "UPDATE ach_answer SET state = 'CLEARED', cleared_by = :by, cleared_at = :at, clear_reason = :reason "
            "WHERE outbound_id = :id AND kind = 'ACKNOWLEDGEMENT' AND state = 'UNMATCHED'"
        ),
        {"by": by, "at": at, "reason": reason, "id": outbound_id},
    )


class Held(NamedTuple):
    """A bank file that did not leave, by our books, and about which the bank speaks all the same: the first open answer
    (``12/1``), how many more there are, and the file with its state, which of a released one is its delivery's."""

    answer: str
    more: int
    outbound_id: int
    file: str
    state: str

    @property
    def said(self) -> str:
        """What is found, and what is to be done."""
        more = f" and {self.more} more" if self.more else ""
        return (
            f"the bank's answer {self.answer}{more} about {self.file} (#{self.outbound_id}), which is {self.state} here: if it "
            "means that file, the bank has it, and may pay what is in it"
        )


_HELD: Final = text("""
    WITH spoken AS (
        SELECT a.outbound_id, a.file_id, a.number FROM ach_answer a
        WHERE a.kind = 'ACKNOWLEDGEMENT' AND a.state = 'UNMATCHED' AND a.outbound_id IS NOT NULL
        UNION
        SELECT e.outbound_id, a.file_id, a.number FROM ach_answer a JOIN ach_entry e ON e.trace_number = a.original_trace
        WHERE a.kind <> 'ACKNOWLEDGEMENT' AND a.state = 'UNMATCHED' AND a.outbound_id IS NULL),
    first AS (
        SELECT outbound_id, file_id, number, COUNT(*) OVER (PARTITION BY outbound_id) AS answers,
            ROW_NUMBER() OVER (PARTITION BY outbound_id ORDER BY file_id, number) AS place FROM spoken)
    SELECT t.outbound_id, CAST(s.file_id AS TEXT) || '/' || CAST(s.number AS TEXT), s.answers - 1, x.outbound_id, x.name,
        COALESCE(d.state, x.state)
    FROM first s JOIN outbound_file x ON x.outbound_id = s.outbound_id AND x.kind = 'VACH-BANK'
    LEFT JOIN delivery d ON d.outbound_id = x.outbound_id AND x.state = 'APPROVED'
    JOIN outbound_file t ON t.outbound_id IN :files AND (t.outbound_id = x.outbound_id OR EXISTS (
        SELECT 1 FROM outbound_source o JOIN outbound_source n ON n.source = o.source AND n.outbound_id = t.outbound_id
        WHERE o.outbound_id = x.outbound_id AND (o.source LIKE 'check:%' OR o.source LIKE 'reversal:%')))
    WHERE s.place = 1 AND (x.state IN ('BUILT', 'REJECTED') OR d.state IN ('PENDING', 'SENDING', 'NOT_DELIVERED', 'UNKNOWN'))
    ORDER BY t.outbound_id, x.outbound_id
""").bindparams(bindparam("files", expanding=True))


def held(connection: Connection, files: Iterable[int]) -> dict[int, list[Held]]:
    """What keeps bank files among these from leaving: itself or an earlier one of its checks that did not leave from here, or
    of which nobody knows, and of which the bank says something that nobody has cleared."""
    found: dict[int, list[Held]] = {}
    wanted = sorted(set(files))
    for file, *rest in connection.execute(_HELD, {"files": wanted}) if wanted else ():
        found.setdefault(int(file), []).append(Held(*rest))
    return found
