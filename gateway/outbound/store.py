"""Outbound files in the database: rows frozen when a file is built, bytes rendered from them whenever wanted.

A file is frozen inside the transaction that reserves what went into it. Its bytes are put aside (``var/work``)
before the commit and moved into the outbox after it (``outbox.py``). Names never recur. Rows that hold account numbers
are sealed.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.delivery import queue
from gateway.errors import LedgerError, Refused
from gateway.home import write_durably
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.outbound.rendering import render_rows
from gateway.outbound.states import SEALED_KINDS, OutboundState

FIELD: Final = "outbound.row"
"""What sealed rows are bound to, so that they open as nothing else."""
ROWS_A_BLOCK: Final = 100
"""Rows that are frozen, and sealed, as one value. A rotation of keys has 2,000 values in hand: some 40 MB."""


Source = tuple[int, str]
"""Where a row (from 1) came from; row 0: considered for the file, in none of its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to freeze: its rows are JSON values. ``claims`` are the sources that may go out once only, of what has no
    state of its own; ``released_with`` is the file whose release releases this one too."""

    name: str
    kind: str
    portfolio: str
    business_date: str
    header: Mapping[str, Any]
    rows: Sequence[Sequence[Any]]
    sources: Iterable[Source] = ()
    records: int
    total_debit_cents: int = 0
    total_credit_cents: int = 0
    endpoint: str | None = None
    hold_text: str | None = None
    claims: Sequence[str] = ()
    released_with: int | None = None
    trace_number: str | None = None  # of the one row of a file whose rows are no entries (``ach_entry``)


@dataclass(frozen=True, slots=True)
class Frozen:
    """What became of a ``NewFile``."""

    outbound_id: int
    name: str
    kind: str
    state: OutboundState
    sha256: str
    size: int
    records: int
    total_debit_cents: int
    total_credit_cents: int


_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


def encode(value: Any) -> str:
    """Canonical JSON: one text for one value, on every machine."""
    return _ENCODE(value)


def first_free_names(
    db: Database, connection: Connection, spelled: Callable[[str], Sequence[str]], further: Iterable[str]
) -> tuple[str, ...]:
    """The first spelling of one or several names of which none was ever used; ``further`` gives what is inserted."""
    db.lock(connection, "outbound-names")
    for insertion in further:
        names = tuple(spelled(insertion))
        used = False
        for name in names:
            found = connection.execute(
                text("SELECT 1 FROM outbound_file WHERE LOWER(name) = LOWER(:name)"), {"name": name}
            )
            used = used or found.first() is not None
        if not used:
            return names
    raise Refused(f"naming {spelled('')[0]}: found every further name used, expected a free one")


def numbered() -> Iterator[str]:
    """'' for the first file of a name, then ``-2``, ``-3`` …"""
    yield ""
    yield from (f"-{n}" for n in range(2, 1000))


def freeze(app: App, connection: Connection, new: NewFile) -> Frozen:
    """Write header, rows, sources and claims in the caller's transaction; render, hash and put the bytes aside."""
    header = encode(new.header)
    data = render_rows(new.kind, json.loads(header), new.rows)
    sha256 = hashlib.sha256(data).hexdigest()
    state = _state_at_build(app, new)
    released = state is not OutboundState.BUILT
    outbound_id = app.db.insert_returning_id(
        connection,
        schema.outbound_file,
        "outbound_id",
        {
            "name": new.name, "kind": new.kind, "portfolio": new.portfolio, "business_date": new.business_date,
            "state": state.value, "sha256": sha256, "bytes": len(data), "records": new.records,
            "total_debit_cents": new.total_debit_cents, "total_credit_cents": new.total_credit_cents,
            "endpoint": new.endpoint, "header": header, "hold_text": None if released else new.hold_text,
            "maker": app.operator.code, "maker_user": app.operator.user, "built_at": app.now(),
            "approved_by": app.operator.code if released else None,
            "approved_user": app.operator.user if released else None,
            "approved_at": app.now() if released else None,
            "reason": "released at build: release.kinds_without" if released else None, "machine": app.machine,
        },
    )  # fmt: skip
    _insert_rows(app, connection, outbound_id, new)
    if state is OutboundState.APPROVED and new.endpoint is not None:
        queue.enqueue(connection, outbound_id=outbound_id, endpoint=new.endpoint, remote_name=new.name, at=app.now())
    write_durably(staged_path(app, outbound_id), data, mode=app.home.private_file)
    return Frozen(
        outbound_id, new.name, new.kind, state, sha256, len(data), new.records, new.total_debit_cents,
        new.total_credit_cents,
    )  # fmt: skip


def _state_at_build(app: App, new: NewFile) -> OutboundState:
    """Kinds that need no approval are released as they are built, unless another file decides for them."""
    if new.released_with is not None or needs_approval(app, new.kind, new.portfolio):
        return OutboundState.BUILT
    return OutboundState.LOCAL if new.endpoint is None else OutboundState.APPROVED


def needs_approval(app: App, kind: str, portfolio: str) -> bool:
    return kind not in app.settings.portfolio(portfolio).release.kinds_without


def _insert_rows(app: App, connection: Connection, outbound_id: int, new: NewFile) -> None:
    seal = app.vault.seal
    sealed = new.kind in SEALED_KINDS
    if sealed:
        app.vault.hold(app.db, connection)
    blocks = [(at + 1, encode(new.rows[at : at + ROWS_A_BLOCK])) for at in range(0, len(new.rows), ROWS_A_BLOCK)]
    app.db.bulk_insert(
        connection,
        schema.outbound_row,
        ("outbound_id", "seq", "payload", "trace_number"),
        (
            (outbound_id, seq, seal(body, field=FIELD) if sealed else body.encode(), new.trace_number)
            for seq, body in blocks
        ),
    )
    paired = () if new.released_with is None else ((0, pair_source(new.released_with)),)
    app.db.bulk_insert(
        connection,
        schema.outbound_source,
        ("outbound_id", "seq", "source"),
        ((outbound_id, seq, source) for seq, source in chain(new.sources, paired)),
    )
    claims = ((claim, outbound_id) for claim in sorted(new.claims))  # in the order of its key: several times faster
    app.db.bulk_insert(connection, schema.outbound_claim, ("source", "outbound_id"), claims)


def pair_source(outbound_id: int) -> str:
    """Row 0 of a scratch file's sources names the bank file it goes with."""
    return f"outbound:{outbound_id}"


def render(app: App, outbound_id: int) -> bytes:
    """The bytes of a file, made again from its frozen rows and checked against the SHA-256 of the day it was built.

    Raises Refused for an unknown file and LedgerError when the bytes differ: then rows, writer or database changed.
    """
    with app.db.read() as connection:
        file = connection.execute(
            text("SELECT name, kind, header, sha256 FROM outbound_file WHERE outbound_id = :id"), {"id": outbound_id}
        ).one_or_none()
        if file is None:
            raise Refused(f"rendering: found no outbound file {outbound_id}; see gateway outbound list")
        rows = payloads(app, connection, outbound_id, file.kind)
    data = render_rows(file.kind, json.loads(file.header), rows)
    found = hashlib.sha256(data).hexdigest()
    if found != file.sha256:
        raise LedgerError(
            f"rendering {file.name}: found SHA-256 {found}, expected {file.sha256} as built; "
            "nothing was written: restore the ledger, or the version of the gateway that built it"
        )
    return data


def payloads(app: App, connection: Connection, outbound_id: int, kind: str) -> list[list[Any]]:
    """The frozen rows of a file in order, opened."""
    bodies = connection.execute(
        text("SELECT payload FROM outbound_row WHERE outbound_id = :id ORDER BY seq"), {"id": outbound_id}
    ).scalars()
    return [row for body in bodies for row in _opened(app, bytes(body), sealed=kind in SEALED_KINDS)]


_BLOCKS: Final = """
    SELECT seq, payload FROM outbound_row WHERE outbound_id = :id AND seq <= :last
    AND seq >= (SELECT MAX(seq) FROM outbound_row WHERE outbound_id = :id AND seq <= :first) ORDER BY seq
"""


def sealed_rows(app: App, connection: Connection, keys: Iterable[tuple[int, int]]) -> dict[tuple[int, int], list[Any]]:
    """Some rows (outbound_id, seq) of files whose rows are sealed."""
    found: dict[tuple[int, int], list[Any]] = {}
    for outbound_id, its in groupby(sorted(keys), key=itemgetter(0)):
        wanted = [seq for _, seq in its]
        blocks = connection.execute(text(_BLOCKS), {"id": outbound_id, "first": wanted[0], "last": wanted[-1]}).all()
        starts = [start for start, _ in blocks]
        for at, seqs in groupby(wanted, key=lambda seq: bisect_right(starts, seq) - 1):
            start, body = blocks[at]
            rows = _opened(app, bytes(body), sealed=True)
            found |= {(outbound_id, seq): rows[seq - start] for seq in seqs}
    return found


def _opened(app: App, body: bytes, *, sealed: bool) -> list[list[Any]]:
    """The rows of a block. What a ledger of revision 0002 froze has a row each, whose first value is no list."""
    rows: list[list[Any]] = json.loads(app.vault.open(body, field=FIELD) if sealed else body)
    return rows if isinstance(rows[0], list) else [rows]


def staged_path(app: App, outbound_id: int) -> Path:
    """Where a file's bytes lie between being frozen and being in the outbox."""
    return app.home.work / f"outbound-{outbound_id}.staged"
