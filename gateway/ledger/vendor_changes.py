"""Changes of vendors: one person (or a load, or a notification of the bank) proposes, a second one applies or refuses.

A proposed change holds what it would replace and what it would put there, both sealed. It is applied in one
transaction, and only onto what it was proposed against. While it waits, money to the vendor waits too (``pending``).
The table is the record of who changed what and when: rows never go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from sqlalchemy import Connection, text

from gateway.app import Operator
from gateway.errors import GatewayError, Refused, UsageError
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.ledger.events import require_reason
from gateway.ledger.vendor_details import (
    ACCOUNT,
    NEW_VERSION,
    Details,
    checked,
    current,
    differing,
    masked,
    no_account_in,
    plain,
    store,
)
from gateway.log import last_four
from gateway.vault import Vault

Origin = Literal["OPERATOR", "LOAD", "NOC"]
State = Literal["PROPOSED", "APPLIED", "REFUSED"]
BEFORE: Final = "vendor_change.before"
AFTER: Final = "vendor_change.after"
"""What the sealed values are bound to."""
LOADED: Final = "vendor.load"
"""The action of the event of a load that made a vendor, or changed of it what a load changes by itself."""
VERSIONS: Final = f"SELECT vendor, 1 + COUNT(*) AS version FROM vendor_change WHERE state = 'APPLIED' AND {NEW_VERSION} GROUP BY vendor"
"""SQL: the version of the bank details of each vendor that ever changed them; of all others it is 1."""


@dataclass(frozen=True, slots=True)
class Maker:
    """Who proposes: the code, and the system user behind it."""

    code: str
    user: str


@dataclass(frozen=True, slots=True)
class Change:
    """A change as it may be shown: account numbers by their last four; no values where their key is lost."""

    change_id: int
    vendor: str
    name: str
    origin: str
    state: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    reason: str
    maker: str
    maker_user: str
    proposed_at: str
    checker: str | None
    checker_user: str | None
    decided_at: str | None
    decision_reason: str | None
    remarks: tuple[str, ...] = ()
    """What the last four do not tell, and why a change that waits cannot be applied any more."""


def propose(
    db: Database,
    connection: Connection,
    vault: Vault,
    vendor: str,
    changes: Details,
    *,
    origin: Origin,
    reason: str,
    maker: Maker,
    at: str,
) -> int | None:
    """Put a change before a second person; gives its number, or None when the vendor has these values already.

    ``changes`` are values of ``vendor_details.FIELDS`` in clear. The same change proposed again while it waits is the
    one that waits. Raises UsageError for an unknown vendor or a value that a vendor cannot have.
    """
    require_reason(reason, f"changing vendor {vendor}")
    now = current(connection, vault, [vendor])
    if vendor not in now:
        raise UsageError(f"changing vendor {vendor}: found no such vendor, expected one of `gateway vendor list`")
    after = differing(now[vendor], checked(vendor, changes))
    words = f"{reason}; {after.get('name', '')}"
    no_account_in(connection, vault, words, action=f"changing vendor {vendor}", new=after)
    return propose_all(
        db, connection, vault, {vendor: (now[vendor], after)}, origin=origin, reason=reason, maker=maker, at=at
    ).get(vendor)


def propose_all(
    db: Database,
    connection: Connection,
    vault: Vault,
    wanted: Mapping[str, tuple[Details, Details]],
    *,
    origin: Origin,
    reason: str,
    maker: Maker,
    at: str,
) -> dict[str, int]:
    """As ``propose``, for many vendors at once: (details as they stand, what becomes of them) by vendor."""
    if not wanted:
        return {}
    vault.hold(db, connection)
    waiting = {(row.vendor, *sorted(row.after.items())): row.change_id for row in _rows(connection, vault, _IS_WAITING)}
    found, fresh = {}, []
    for vendor, (_, after) in wanted.items():
        known = waiting.get((vendor, *sorted(after.items())))
        if known is not None:
            found[vendor] = known
        elif after:
            fresh.append(vendor)
    ids = dict(zip(fresh, db.reserve_ids(connection, "vendor_change", "change_id", len(fresh)), strict=True))
    db.bulk_insert(
        connection,
        schema.vendor_change,
        ("change_id", "vendor", "origin", "fields", "before_sealed", "after_sealed", "reason", "state", "maker",
         "maker_user", "proposed_at"),
        (
            (
                ids[vendor], vendor, origin, ",".join(sorted(after)),
                _seal(vault, {field: now[field] for field in after}, BEFORE), _seal(vault, after, AFTER), reason,
                "PROPOSED", maker.code, maker.user, at,
            )
            for vendor, (now, after) in wanted.items() if vendor in ids
        ),
    )  # fmt: skip
    record(
        connection, maker.code, maker.user, at, "vendor.propose",
        [(vendor, f"change {change_id}: {reason}") for vendor, change_id in ids.items()],
    )  # fmt: skip
    return found | ids


def refused_before(
    connection: Connection, vault: Vault, wanted: Mapping[str, tuple[Details, Details]]
) -> dict[str, int]:
    """By vendor, the change by which a person refused to put these very values in the place of those that stand."""
    refused = _rows(connection, vault, "c.state = 'REFUSED'") if wanted else ()
    return {
        row.vendor: row.change_id
        for row in refused
        if row.vendor in wanted
        and row.after == wanted[row.vendor][1]
        and not differing(wanted[row.vendor][0], row.before)
    }


def pending(connection: Connection, vendors: Iterable[str]) -> set[str]:
    """Those of whom a change waits: no live entry goes to them until it is decided."""
    found = connection.execute(text("SELECT DISTINCT vendor FROM vendor_change WHERE state = 'PROPOSED'")).scalars()
    return set(found).intersection(vendors)


def details_versions(connection: Connection) -> dict[str, int]:
    """The version of a vendor's bank details: 1, which is left out, and one more for every change of them applied."""
    return {vendor: int(version) for vendor, version in connection.execute(text(VERSIONS))}


def approve(
    db: Database, connection: Connection, vault: Vault, change_id: int, *, operator: Operator, at: str
) -> Change:
    """Apply a change that waits. Raises Refused for its maker, or when the vendor's values are others by now."""
    operator.require("approve", f"approving change {change_id}")
    # a build holds its portfolio and reads a vendor in several statements: it sees the old details or the new ones
    db.lock_portfolios(connection, connection.execute(text("SELECT portfolio FROM portfolio")).scalars())
    row = _waiting(connection, vault, change_id, "approving")
    if operator.code == row.maker or operator.user == row.maker_user:
        raise Refused(
            f"approving change {change_id} of vendor {row.vendor}: found {operator.code} ({operator.user}), proposed by "
            f"{row.maker} ({row.maker_user}), expected a second person with another code and another user: ask one"
        )
    if not row.after:
        raise Refused(
            f"approving change {change_id} of vendor {row.vendor}: found values that no key of this home opens, expected "
            "the key they were sealed with; refuse it and propose it again"
        )
    stale = _stale(current(connection, vault, [row.vendor])[row.vendor], row)
    if stale:
        raise Refused(f"approving change {change_id} of vendor {row.vendor}: {stale}")
    vault.hold(db, connection)
    store(connection, vault, row.vendor, row.after)
    _decide(connection, row, "APPLIED", None, operator, at)
    return one(connection, vault, change_id)


def refuse(connection: Connection, vault: Vault, change_id: int, *, reason: str, operator: Operator, at: str) -> Change:
    """End a change that waits without applying it; its maker may do so too."""
    operator.require("approve", f"refusing change {change_id}")
    require_reason(reason, f"refusing change {change_id}")
    row = _waiting(connection, vault, change_id, "refusing")
    no_account_in(connection, vault, reason, action=f"refusing change {change_id}", new=row.after)
    _decide(connection, row, "REFUSED", reason, operator, at)
    return one(connection, vault, change_id)


def one(connection: Connection, vault: Vault, change_id: int) -> Change:
    """One change. Raises UsageError when there is none of that number."""
    return _shown(connection, vault, [_known(connection, vault, change_id)])[0]


def listing(
    connection: Connection, vault: Vault, *, vendor: str | None = None, state: State | None = None
) -> list[Change]:
    """Changes in the order they were proposed."""
    where = " AND ".join(
        clause for clause, given in (("c.vendor = :vendor", vendor), ("c.state = :state", state)) if given is not None
    )
    values = {key: value for key, value in (("vendor", vendor), ("state", state)) if value is not None}
    return _shown(connection, vault, list(_rows(connection, vault, where or "1 = 1", **values)))


# --- rows ---------------------------------------------------------------------------------------------------

_IS_WAITING: Final = "c.state = 'PROPOSED'"
_SELECT: Final = (
    "SELECT c.change_id, c.vendor, v.name, c.origin, c.state, c.before_sealed, c.after_sealed, c.reason, c.maker, "
    "c.maker_user, c.proposed_at, c.checker, c.checker_user, c.decided_at, c.decision_reason "
    "FROM vendor_change c JOIN vendor v ON v.vendor = c.vendor"
)


def _rows(connection: Connection, vault: Vault, where: str, **values: Any) -> Iterable[Change]:
    """Changes with their values in clear, for this module alone."""
    for row in connection.execute(text(f"{_SELECT} WHERE {where} ORDER BY c.change_id"), values).mappings():
        plain = {key: value for key, value in row.items() if not key.endswith("_sealed")}
        yield Change(
            **plain, before=_open(vault, row["before_sealed"], BEFORE), after=_open(vault, row["after_sealed"], AFTER)
        )


def _known(connection: Connection, vault: Vault, change_id: int) -> Change:
    found = next(iter(_rows(connection, vault, "c.change_id = :id", id=change_id)), None)
    if found is None:
        raise UsageError(f"change {change_id}: found none of that number, expected one of `gateway vendor changes`")
    return found


def _waiting(connection: Connection, vault: Vault, change_id: int, action: str) -> Change:
    row = _known(connection, vault, change_id)
    if row.state != "PROPOSED":
        raise Refused(
            f"{action} change {change_id} of vendor {row.vendor}: found it {row.state} by {row.checker} at "
            f"{row.decided_at}, expected PROPOSED: a decision stands; propose another change"
        )
    return row


def _shown(connection: Connection, vault: Vault, rows: Sequence[Change]) -> list[Change]:
    waits = {row.vendor for row in rows if row.state == "PROPOSED" and row.after}
    waiting: dict[str, list[Change]] = {vendor: [] for vendor in waits}
    for row in _rows(connection, vault, _IS_WAITING) if waits else ():
        if row.vendor in waits:
            waiting[row.vendor].append(row)
    now: dict[str, dict[str, str]] = {}
    with suppress(GatewayError):  # sealed with a key that is lost: it is seen and refused all the same
        now = current(connection, vault, waits)
    return [
        replace(
            row,
            before=masked(row.before),
            after=masked(row.after),
            remarks=_remarks(row, waiting.get(row.vendor, ()), now),
        )
        for row in rows
    ]


def _remarks(row: Change, waiting: Iterable[Change], now: Mapping[str, Details]) -> tuple[str, ...]:
    """``waiting``: all changes of its vendor that wait; ``now``: vendors as they stand, those that a key at hand opens."""
    if row.state != "PROPOSED" or not row.after:
        return ()
    said = [stale] if row.vendor in now and (stale := _stale(now[row.vendor], row)) else []
    if ACCOUNT in row.after:
        mine = row.after[ACCOUNT]
        others = {"the one it replaces": row.before[ACCOUNT]} | {
            f"that of change {other.change_id}": other.after[ACCOUNT]
            for other in waiting
            if other.change_id != row.change_id and ACCOUNT in other.after
        }
        said += [
            f"the account number is not {whose}, though it is shown alike"
            for whose, account in others.items()
            if last_four(account) == last_four(mine) and plain(ACCOUNT, account) != plain(ACCOUNT, mine)
        ]
    return tuple(said)


def _stale(now: Details, row: Change) -> str:
    """Why a change can be applied no more; empty while it can."""
    stale = [field.replace("_", " ") for field in sorted(differing(now, row.before))]
    if not stale:
        return ""
    return f"found {', '.join(stale)} changed since it was proposed, expected as it was then; refuse it and propose it again"


def _decide(connection: Connection, row: Change, state: State, reason: str | None, operator: Operator, at: str) -> None:
    changed = connection.execute(
        text(
            "UPDATE vendor_change SET state = :state, checker = :code, checker_user = :user, decided_at = :at, "
            "decision_reason = :reason WHERE change_id = :id AND state = 'PROPOSED'"
        ),
        {
            "state": state, "code": operator.code, "user": operator.user, "at": at, "reason": reason, "id": row.change_id,
        },
    ).rowcount  # fmt: skip
    if changed != 1:
        raise Refused(f"deciding change {row.change_id}: found that another person decided it just now; look again")
    action = "vendor.approve" if state == "APPLIED" else "vendor.refuse"
    said = f"change {row.change_id}" + (f": {reason}" if reason else "")
    record(connection, operator.code, operator.user, at, action, [(row.vendor, said)])


def record(connection: Connection, code: str, user: str, at: str, action: str, said: Sequence[tuple[str, str]]) -> None:
    """Operator events about vendors: (vendor, what was said)."""
    if said:
        connection.execute(
            text(
                "INSERT INTO operator_event (at, operator, os_user, action, subject, reason) "
                "VALUES (:at, :code, :user, :action, :subject, :reason)"
            ),
            [
                {
                    "at": at,
                    "code": code,
                    "user": user,
                    "action": action,
                    "subject": f"vendor {vendor}",
                    "reason": reason,
                }
                for vendor, reason in said
            ],
        )


def _seal(vault: Vault, details: Details, field: str) -> bytes:
    return vault.seal(json.dumps(dict(details), sort_keys=True), field=field)


def _open(vault: Vault, sealed: bytes, field: str) -> dict[str, str]:
    """The values; none where no key of the home opens them, so that the change can still be seen and refused."""
    try:
        found: dict[str, str] = json.loads(vault.open(bytes(sealed), field=field))
    except GatewayError:
        return {}
    return found
