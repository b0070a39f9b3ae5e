"""The sealed values of the ledger: which columns hold them, how many there are by key, and sealing them with another.

The columns are those of the schema that say what they are sealed as. A value that is not sealed (a row of a file
without account numbers) begins with another byte, and is left alone. Work goes by blocks in key order: one statement
reads a block, one writes it back.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    CompoundSelect,
    Connection,
    LargeBinary,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    union_all,
    update,
)

from gateway.errors import GatewayError
from gateway.ledger import schema
from gateway.ledger.schema import SEALED_AS
from gateway.vault import BEFORE_KEY_IDS, KEY_ID, VERSION, Vault

_BLOCK: Final = 2000


def columns() -> list[Column[bytes]]:
    """Every sealed column, in the schema's order."""
    return [c for table in schema.metadata.sorted_tables for c in table.columns if c.info.get(SEALED_AS)]


def by_key(connection: Connection) -> Counter[bytes]:
    """How many values are sealed by key id. The id is empty for values from before there were ids."""
    counts: Counter[bytes] = Counter()
    for found, count in connection.execute(_counts_by_key()):
        counts[bytes(found)] += int(count)
    return counts


@cache
def _counts_by_key() -> CompoundSelect[Any]:
    """One statement for every sealed column: asked for one by one they were a fifth of a small ledger's verify."""
    queries = []
    for column in columns():
        named = case((_begins(column, 1) == VERSION, func.substr(column, 2, KEY_ID)), else_=literal(b"", LargeBinary))
        queries.append(select(named, func.count()).where(_is_sealed(column)).group_by(named))
    return union_all(*queries)


_NEEDED: Final = text("""
    SELECT * FROM (SELECT SUBSTR(routing_sealed, 1, :begin) FROM vendor ORDER BY vendor LIMIT 1) a
    UNION ALL SELECT * FROM (SELECT SUBSTR(routing_sealed, 1, :begin) FROM vendor ORDER BY vendor DESC LIMIT 1) b
    UNION ALL SELECT * FROM (SELECT SUBSTR(account_sealed, 1, :begin) FROM vendor ORDER BY vendor LIMIT 1) c
    UNION ALL SELECT * FROM (SELECT SUBSTR(account_sealed, 1, :begin) FROM vendor ORDER BY vendor DESC LIMIT 1) d
    UNION ALL SELECT * FROM (SELECT SUBSTR(before_sealed, 1, :begin) FROM vendor_change WHERE state = 'PROPOSED' LIMIT 1) e
    UNION ALL SELECT * FROM (SELECT SUBSTR(after_sealed, 1, :begin) FROM vendor_change WHERE state = 'PROPOSED' LIMIT 1) f
    UNION ALL SELECT * FROM (SELECT SUBSTR(payload, 1, :begin) FROM ach_answer WHERE state = 'UNMATCHED' LIMIT 1) g
    UNION ALL SELECT SUBSTR(r.payload, 1, :begin) FROM outbound_file f
        LEFT JOIN delivery d ON d.outbound_id = f.outbound_id CROSS JOIN outbound_row r
        WHERE r.outbound_id = f.outbound_id AND r.seq = 1
        AND (f.state = 'BUILT' OR (f.state = 'APPROVED' AND d.state NOT IN ('DELIVERED', 'ACKNOWLEDGED', 'RECALLED')))
""")
"""SQLite is bound by ``CROSS JOIN`` to begin with the files that wait: by itself it reads every row that ever left."""


def needed(connection: Connection) -> set[bytes]:
    """The beginnings, as far as the key's id, of some values that work goes on with: a row of each sealed column (the first and
    the last vendor, a change and an answer that wait) and of each file that did not leave. ``by_key`` reads all rows."""
    return {bytes(found) for found in connection.execute(_NEEDED, {"begin": 1 + KEY_ID}).scalars()}


def reseal(connection: Connection, vault: Vault, *, leave_lost: bool = False) -> int:
    """Seal every value anew that another key than the first of the vault sealed; gives how many.

    In the caller's transaction, after ``vault.hold``. Raises GatewayError for a value that does not open;
    ``leave_lost`` leaves it as it is.
    """
    return sum(_reseal_column(connection, column, vault, leave_lost) for column in columns())


def _reseal_column(connection: Connection, column: Column[bytes], vault: Vault, leave_lost: bool) -> int:
    table, field = column.table, str(column.info[SEALED_AS])
    keys = list(table.primary_key.columns)
    is_sealed_with_it = _begins(column, 1 + KEY_ID) == VERSION + vault.ids[0]
    query = select(*keys, column).where(_is_sealed(column), ~is_sealed_with_it).order_by(*keys).limit(_BLOCK)
    write = (
        update(table)
        .where(*(key == bindparam(f"key_{key.name}") for key in keys))
        .values({column.name: bindparam("value", type_=LargeBinary)})
    )
    count = 0
    after: tuple[Any, ...] = ()
    while True:
        block = connection.execute(query.where(tuple_(*keys) > tuple_(*after)) if after else query).all()
        if not block:
            return count
        changed = []
        for *place, value in block:
            try:
                clear = vault.open_bytes(bytes(value), field=field)
            except GatewayError as error:
                if leave_lost:
                    continue
                raise GatewayError(
                    f"rotating the field key: {table.name} {'/'.join(map(str, place))}: {error}; or leave it as it is with --leave-lost"
                ) from error
            named = {f"key_{key.name}": part for key, part in zip(keys, place, strict=True)}
            changed.append(named | {"value": vault.seal_bytes(clear, field=field)})
        if changed:
            connection.execute(write, changed)
        count += len(changed)
        after = tuple(block[-1][:-1])


def _begins(column: Column[bytes], length: int) -> ColumnElement[bytes]:
    """The first bytes of a value."""
    return func.substr(column, 1, length, type_=LargeBinary)


def _is_sealed(column: Column[bytes]) -> ColumnElement[bool]:
    first = _begins(column, 1)
    return or_(first == VERSION, first == BEFORE_KEY_IDS)
