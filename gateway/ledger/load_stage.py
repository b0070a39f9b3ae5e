"""Staging of reference data: one scratch table a kind, checks set by set, upsert by key.

A row that fails a check leaves the staging table and its key is remembered as bad, so that rows which refer to it are
not reported as well. A row with a bad cell stays until its good cells are checked too; a file that cannot be read at
all is taken to hold whatever others name of it. The whole load is one transaction: with any problem it is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, MetaData, Table, text

from gateway.calendar import BankingCalendar
from gateway.ledger.database import Database
from gateway.ledger.load_kinds import OFFICE_KEY, Kind, Reference
from gateway.ledger.load_read import Batch, Problem, Sheet, read_rows
from gateway.ledger.vendor_changes import Maker
from gateway.vault import Vault

_SCRATCH = MetaData()
_BAD_KEYS = Table("load_bad", _SCRATCH, Column("name"), Column("key"))
_CODES = Table("load_codes", _SCRATCH, Column("lease"), Column("term"), Column("code"), Column("cents"))

Progress = Callable[[str, int], None]
"""Called with a kind's name and how many of its rows were read so far."""


class Bad(NamedTuple):
    """A staged row that fails a check."""

    row_no: int
    column: str | None
    found: str
    expected: str
    action: str


@dataclass(slots=True)
class Counts:
    new: int = 0
    changed: int = 0
    same: int = 0


@dataclass(slots=True)
class Staged:
    """A kind of which a file was given; its rows are in the scratch table ``table``."""

    kind: Kind
    sheet: Sheet
    partial: list[int] = field(default_factory=list)  # rows with bad cells, staged without those
    unchanged: set[int] = field(default_factory=set)  # rows equal to the target, of those that tell a figure too

    @property
    def table(self) -> str:
        return f"load_{self.kind.name}"

    def present(self) -> set[str]:
        """Columns of the target that the file sets."""
        return {f.column for f in self.sheet.fields if f.kept} | {name for name, _ in self.kind.extra}


@dataclass(slots=True)
class Loading:
    """One call of ``load``: the open transaction and everything found so far."""

    db: Database
    connection: Connection
    vault: Vault
    maker: Maker
    posted_at: str
    business_date: str | None
    calendar: BankingCalendar | None = None
    staged: dict[str, Staged] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    fresh_portfolios: set[str] = field(default_factory=set)
    unread: frozenset[str] = frozenset()
    """Tables of the kinds whose file could not be read."""
    secrets: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Routing and account number by vendor, in memory only: staging holds them sealed."""
    proposed: dict[str, int] = field(default_factory=dict)
    """By vendor, the change of bank details that waits for a second person."""

    @property
    def operator(self) -> str:
        return self.maker.code

    def sql(self, statement: str, **values: Any) -> Any:
        return self.connection.execute(text(statement), values)

    def many(self, statement: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if rows:
            self.connection.execute(text(statement), list(rows))

    def refuse(self, staged: Staged, bad: Iterable[Bad]) -> None:
        """Report rows and take them out of the load."""
        found = list(bad)
        name = staged.sheet.path.name
        self.problems += [Problem(name, *item) for item in found]
        self.take_out(staged, {item.row_no for item in found})

    def take_out(self, staged: Staged, rows: set[int]) -> None:
        table, columns = staged.kind.referred
        key = joined("s", columns)
        numbers = [{"r": row} for row in sorted(rows)]
        self.many(
            f"INSERT INTO load_bad (name, key) SELECT '{table}', {key} FROM {staged.table} s WHERE row_no = :r", numbers
        )
        self.many(f"DELETE FROM {staged.table} WHERE row_no = :r", numbers)


def joined(alias: str, columns: Sequence[str]) -> str:
    """SQL of a key as one text."""
    return " || '/' || ".join(f"COALESCE(CAST({alias}.{c} AS TEXT), '')" for c in columns)


def start(loading: Loading) -> None:
    loading.db.scratch(loading.connection, _BAD_KEYS.name, "name TEXT, key TEXT")
    loading.db.scratch(loading.connection, _CODES.name, "lease TEXT, term BIGINT, code TEXT, cents BIGINT")


def stage(loading: Loading, sheet: Sheet, progress: Progress | None) -> Staged:
    """Read a sheet into its scratch table, with its defaults filled in and repeated keys refused."""
    kind = sheet.kind
    staged = Staged(kind, sheet)
    columns = [f"{f.column} {f.type.sql}" for f in kind.fields if not f.sensitive] + [
        f"{name} {sql}" for name, sql in kind.extra
    ]
    if kind.office:
        columns.append("office_id BIGINT")
    loading.db.scratch(loading.connection, staged.table, ", ".join(["row_no INTEGER PRIMARY KEY", *columns]))
    target = Table(staged.table, MetaData(), Column("row_no"))
    shown = [n for n, f in enumerate(sheet.fields, 1) if not f.sensitive]
    names = ("row_no", *(sheet.fields[n - 1].column for n in shown))
    count = 0
    for batches in _groups(read_rows(sheet)):
        for batch in batches:
            loading.problems += batch.problems
            _remember_bad(loading, sheet, batch)
            if sheet.codes:
                _stage_codes(loading, sheet, batch)
            _keep_secrets(loading, sheet, batch)
            staged.partial += [row[0] for row in batch.partial]
            count += len(batch.rows) + len(batch.bad)
        pick = itemgetter(0, *shown)
        loading.db.bulk_insert(
            loading.connection, target, names, (pick(row) for batch in batches for row in (*batch.rows, *batch.partial))
        )
        if progress is not None:
            progress(kind.name, count)
    for f in kind.fields:
        if f.default is not None:
            loading.sql(f"UPDATE {staged.table} SET {f.column} = :d WHERE {f.column} IS NULL", d=f.default)
    loading.sql(f"CREATE INDEX IF NOT EXISTS ix_{staged.table} ON {staged.table} ({', '.join(kind.key)})")
    loading.staged[kind.name] = staged
    return staged


def _groups(batches: Iterable[Batch]) -> Iterable[list[Batch]]:
    """Small validation chunks joined into bulk inserts."""
    group: list[Batch] = []
    for batch in batches:
        group.append(batch)
        if len(group) >= 50:
            yield group
            group = []
    if group:
        yield group


def _remember_bad(loading: Loading, sheet: Sheet, batch: Batch) -> None:
    """Keys of rows that did not validate, so that what refers to them is not reported too."""
    table, columns = sheet.kind.referred
    where = {f.column: n for n, f in enumerate(sheet.fields)}
    if batch.bad and all(c in where for c in columns):
        loading.many(
            "INSERT INTO load_bad (name, key) VALUES (:n, :k)",
            [
                {"n": table, "k": "/".join((cells[where[c]] or "").strip().upper() for c in columns)}
                for _, cells in batch.bad
            ],
        )


def _keep_secrets(loading: Loading, sheet: Sheet, batch: Batch) -> None:
    names = [f.name for f in sheet.fields]
    if "routing_number" in names:
        key, *numbers = (names.index(n) + 1 for n in ("vendor", "routing_number", "account_number"))
        loading.secrets |= {row[key]: (row[numbers[0]], row[numbers[1]]) for row in batch.rows}


def _stage_codes(loading: Loading, sheet: Sheet, batch: Batch) -> None:
    names = [f.column for f in sheet.fields]
    lease, term, first = names.index("lease") + 1, names.index("term") + 1, len(names) + 1
    rows = (
        (row[lease], row[term], code.name, row[first + n])
        for row in batch.rows
        for n, code in enumerate(sheet.codes)
        if row[first + n] is not None
    )
    loading.db.bulk_insert(loading.connection, _CODES, ("lease", "term", "code", "cents"), rows)


def check_keys(loading: Loading, staged: Staged) -> None:
    """Refuse the second and further rows of one key."""
    key = staged.kind.key
    same = " AND ".join(f"s.{c} = d.{c}" for c in key)
    shown = [c for k in key for c in (OFFICE_KEY if k == "office_id" else (k,))]
    rows = loading.sql(
        f"SELECT s.row_no, d.first, {joined('s', shown)} FROM {staged.table} s JOIN (SELECT {', '.join(key)}, "
        f"MIN(row_no) AS first FROM {staged.table} GROUP BY {', '.join(key)} HAVING COUNT(*) > 1) d ON {same} "
        "WHERE s.row_no > d.first ORDER BY s.row_no"
    ).all()
    name = staged.sheet.path.name
    expected = "each key once"
    loading.problems += [
        Problem(name, row, key[-1], f"{text_} again (first in row {first})", expected, "remove one of the rows")
        for row, first, text_ in rows
    ]
    loading.many(f"DELETE FROM {staged.table} WHERE row_no = :r", [{"r": row} for row, _, _ in rows])


def drop_partial(loading: Loading, staged: Staged) -> None:
    """Rows with bad cells leave; their keys are remembered."""
    loading.many(f"DELETE FROM {staged.table} WHERE row_no = :r", [{"r": row} for row in staged.partial])


def check_references(loading: Loading, staged: Staged) -> None:
    """Refuse rows that name nothing, with all they name; rows that name a row already reported leave silently."""
    found: list[Bad] = []
    silent: set[int] = set()
    for reference in staged.kind.references:
        bad, known = _check_reference(loading, staged, reference)
        found += bad
        silent |= known
    loading.refuse(staged, found)
    loading.take_out(staged, silent)


def _check_reference(loading: Loading, staged: Staged, reference: Reference) -> tuple[list[Bad], set[int]]:
    same = " AND ".join(f"t.{b} = s.{a}" for a, b in zip(reference.columns, reference.target, strict=True))
    key = joined("s", reference.columns)
    named = " AND ".join(f"COALESCE(CAST(s.{c} AS TEXT), '') <> ''" for c in reference.columns)
    rows = loading.sql(
        f"SELECT s.row_no, {key}, CASE WHEN EXISTS (SELECT 1 FROM load_bad b WHERE b.name = :n AND b.key = {key}) "
        f"THEN 1 ELSE 0 END FROM {staged.table} s LEFT JOIN {reference.table} t ON {same} "
        f"WHERE {named} AND t.{reference.target[0]} IS NULL ORDER BY s.row_no",
        n=reference.table,
    ).all()
    what, table = "/".join(reference.columns), reference.table
    unread = table in loading.unread
    bad = [
        Bad(row, what, f"{table} {shown}", f"one that is loaded ({table})", "correct or load it")
        for row, shown, known_bad in rows
        if not known_bad and not unread
    ]
    return bad, {row for row, _, known_bad in rows if known_bad or unread}


def find_offices(loading: Loading, staged: Staged) -> None:
    if staged.kind.office:
        loading.sql(
            f"UPDATE {staged.table} SET office_id = (SELECT o.office_id FROM office o WHERE "
            f"o.portfolio = {staged.table}.portfolio AND o.company = {staged.table}.company "
            f"AND o.region = {staged.table}.region AND o.office = {staged.table}.office)"
        )


def count_changed(loading: Loading, staged: Staged, rows: Iterable[int]) -> None:
    """Rows that change a told figure, and so the ledger, though nothing else of them changed."""
    changed = len(staged.unchanged.intersection(rows))
    counts = loading.counts[staged.kind.name]
    counts.changed += changed
    counts.same -= changed


def upsert(
    loading: Loading,
    staged: Staged,
    *,
    constants: Mapping[str, str] | None = None,
    figure: str | None = None,
    new_only: Collection[str] = (),
) -> None:
    """Insert or update the kind's rows by key and count them; a row that is the same is not written. ``constants`` are
    values of new rows only, and ``new_only`` columns that a known row keeps. ``figure`` is a column that is posted later: see
    ``count_changed``."""
    kind, table = staged.kind, staged.kind.table
    columns = [f.column for f in kind.fields if f.kept] + [name for name, _ in kind.extra]
    columns += ["office_id"] if kind.office else []
    present = staged.present() | ({"office_id"} if kind.office else set())
    updated = [c for c in columns if c in present and c not in kind.key]
    differs = " OR ".join(f"t.{c} IS DISTINCT FROM s.{c}" for c in updated) or "1 = 0"
    same = " AND ".join(f"t.{c} = s.{c}" for c in kind.key)
    total, known, changed = loading.sql(
        f"SELECT COUNT(*), COUNT(t.{kind.key[0]}), COALESCE(SUM(CASE WHEN t.{kind.key[0]} IS NOT NULL AND ({differs}) "
        f"THEN 1 ELSE 0 END), 0) FROM {staged.table} s LEFT JOIN {table} t ON {same}"
    ).one()
    loading.counts[kind.name] = Counts(total - known, int(changed), known - int(changed))
    if figure is not None:
        staged.unchanged = set(
            loading.sql(
                f"SELECT s.row_no FROM {staged.table} s JOIN {table} t ON {same} "
                f"WHERE s.{figure} IS NOT NULL AND NOT ({differs})"
            ).scalars()
        )
    fixed = dict(constants or {})
    selected = ", ".join([f"s.{c}" for c in columns] + [f":{c}" for c in fixed])
    written = [c for c in updated if c not in new_only]
    sets = ", ".join(f"{c} = excluded.{c}" for c in written)
    other = " OR ".join(f"{table}.{c} IS DISTINCT FROM excluded.{c}" for c in written)
    action = f"DO UPDATE SET {sets} WHERE {other}" if sets else "DO NOTHING"
    loading.sql(
        f"INSERT INTO {table} ({', '.join([*columns, *fixed])}) SELECT {selected} FROM {staged.table} s WHERE true "
        f"ON CONFLICT ({', '.join(kind.key)}) {action}",
        **fixed,
    )
