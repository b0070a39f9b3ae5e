"""What a home has come to, without what differs from run to run: instants, random tokens, and numbers that a sequence
skipped. Two homes that lived the same day give equal pictures."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, select

from gateway.home import Home
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.ledger.schema import ENTRIES_A_UNIT

_LEFT_OUT: Final[Mapping[str, frozenset[str]]] = {
    # digests hold instants; tokens are random; a bank file's header has its creation time
    "posting_unit": frozenset({"digest", "previous_digest"}),
    "inbound_file": frozenset({"claim_name", "archive_name"}),
    "outbound_file": frozenset({"header", "sha256", "machine"}),
    "outbound_row": frozenset({"payload"}),
    "vendor": frozenset({"routing_sealed", "account_sealed"}),
    "vendor_change": frozenset({"before_sealed", "after_sealed"}),
    "ach_answer": frozenset({"payload"}),
    "payment_batch": frozenset({"effective_time"}),
    "counter": frozenset({"noted_on"}),
    "delivery": frozenset({"delivery_id", "attempts", "temporary_name", "receipt", "last_error"}),
    "operator_event": frozenset({"event_id", "at", "reason"}),  # an approval's reason has the file's hash
    "fraud_finding": frozenset(
        {"finding_id", "accepted_at"}
    ),  # PostgreSQL takes a number that a kill undid never again
}
_TABLES_LEFT_OUT: Final = frozenset({"delivery_event", "alarm"})
"""How something came about; a killed run tells more of it."""
_IDS: Final = {
    "file_id": ("inbound_file", "file_id"), "unit_id": ("posting_unit", "unit_id"), "item": ("suspense_item", "item"),
    "suspense_item": ("suspense_item", "item"), "outbound_id": ("outbound_file", "outbound_id"),
    "run_id": ("eop_run", "run_id"), "change_id": ("vendor_change", "change_id"),
}  # fmt: skip
_ENTRIES: Final = frozenset({"entry_id", "corrects", "reversed_by"})
_SOURCE: Final = re.compile(r"(entry|outbound):(\d+)")

Picture = dict[str, list[str]]


@dataclass(frozen=True)
class _Ranks:
    """Numbers by their order, for a sequence may skip some."""

    by_table: Mapping[str, Mapping[int, int]]

    @classmethod
    def of(cls, connection: Connection) -> _Ranks:
        return cls(
            {
                name: {
                    number: rank
                    for rank, number in enumerate(
                        sorted(connection.execute(select(schema.metadata.tables[name].c[column])).scalars()), 1
                    )
                }
                for name, column in set(_IDS.values())
            }
        )

    def id_of(self, table: str, number: int) -> str:
        return f"#{self.by_table[table][number]}"

    def entry(self, number: int) -> str:
        unit, ordinal = divmod(number, ENTRIES_A_UNIT)
        return f"{self.id_of('posting_unit', unit)}.{ordinal}"

    def source(self, found: re.Match[str]) -> str:
        number = int(found[2])
        shown = self.entry(number) if found[1] == "entry" else self.id_of("outbound_file", number)
        return f"{found[1]}:{shown}"


def ledger(db: Database) -> Picture:
    """Every table, row by row, sorted."""
    with db.read() as connection:
        ranks = _Ranks.of(connection)
        return {
            table.name: _rows(connection, table, ranks)
            for table in schema.metadata.sorted_tables
            if table.name not in _TABLES_LEFT_OUT
        }


def _rows(connection: Connection, table: Table, ranks: _Ranks) -> list[str]:
    columns = [c for c in table.columns if c.name not in _LEFT_OUT.get(table.name, ()) and not c.name.endswith("_at")]
    shows = [_shower(table, c.name, ranks) for c in columns]
    return sorted(
        " ".join(f"{c.name}={'-' if v is None else show(v)}" for c, show, v in zip(columns, shows, row, strict=True))
        for row in connection.execute(select(*columns))
    )


def _shower(table: Table, column: str, ranks: _Ranks) -> Callable[[Any], str]:
    if column in _ENTRIES:
        return ranks.entry
    if column in _IDS:
        return lambda number: ranks.id_of(_IDS[column][0], number)
    if column == "source" and table.name.startswith("outbound_"):
        return lambda text: _SOURCE.sub(ranks.source, text)
    return str


def files(home: Home) -> Picture:
    """The names in every folder that files go to, and the content of what follows from the inbound files alone."""
    reports = [p for p in sorted(home.reports.rglob("*")) if p.is_file()]
    return {
        "inbox": _names(home.inbox),
        "outbox": _names(home.outbox),
        "quarantine": _names(home.quarantine),
        "archive": _names(home.archive),
        "originals": sorted(_sha256(p) for p in home.archive.rglob("*") if p.is_file() and not p.suffix),
        "work": [name for name in _names(home.work) if not name.endswith(".lock")],
        "avro": _names(home.avro),
        "reports": [_unnumbered(p.relative_to(home.reports)) for p in reports],
        "rows": sorted(
            f"{_unnumbered(p.relative_to(home.reports))} {row}"
            for p in reports
            if p.suffix in (".csv", ".rejects") and not p.parent.name.startswith(("eop-", "outbound-"))
            for row in _report_rows(p)
        ),
    }


def _report_rows(path: Path) -> list[str]:
    """What was reported of each line; without the numbers of suspense items, which a sequence may skip."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".rejects":
        return text.splitlines()
    return [str({k: v for k, v in row.items() if k != "suspense_item"}) for row in csv.DictReader(text.splitlines())]


def _names(folder: Path) -> list[str]:
    """Files below a folder. Claim folders and their locks stay for the next process and hold nothing."""
    found = (p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    return sorted(_unnumbered(p) for p in found if not (p.parts[0] == ".claimed" and p.suffix == ".lock"))


def _unnumbered(path: Path) -> str:
    """A file's reports and records are filed under its number."""
    return re.sub(r"(?<=/)\d+-|(?<=outbound-p1-)\d+", "", path.as_posix())


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def differences(expected: Picture, found: Picture) -> list[str]:
    """Rows that are missing and rows too many, by table, for a person to read."""
    said = []
    for name in sorted(expected.keys() | found.keys()):
        was, now = list(expected.get(name, ())), list(found.get(name, ()))
        for row in list(was):
            if row in now:
                was.remove(row)
                now.remove(row)
        said += [f"{name}: missing {row}" for row in was] + [f"{name}: too many {row}" for row in now]
    return said
