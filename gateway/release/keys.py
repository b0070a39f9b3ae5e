"""Rotating the key of a home: the next key is on disk before anything is sealed with it, the former one until nothing is.

The steps, each durable before the next: the next key is written (or named in the environment), and seals from then on;
every sealed value of the ledger is sealed with it in one transaction; the sealed copies in the outbox and the sealed
originals follow; the next key takes the former one's place. A process that is killed between two of them leaves both
keys, with which everything opens, and ``rotate`` goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from gateway import sealed_files, vault
from gateway.app import App
from gateway.crashpoints import Step, reached
from gateway.errors import GatewayError, Refused, UsageError
from gateway.home import Home
from gateway.ledger import sealed
from gateway.ledger.accounts import portfolios
from gateway.release import copies

ROTATE = "keys.rotate"
"""The action in ``operator_event``."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the home, or one that values need and the home does not have. ``fingerprint`` '' stands for values
    from before values named their key."""

    fingerprint: str
    role: str  # seals, opens, missing, unnamed
    place: str
    values: int
    copies: int


@dataclass(frozen=True, slots=True)
class Keys:
    """``unfinished``: a rotation was begun, and both keys are there."""

    keys: tuple[Key, ...]
    rotated_at: str | None
    unfinished: bool

    @property
    def missing(self) -> bool:
        return any(key.role == "missing" for key in self.keys)


@dataclass(frozen=True, slots=True)
class Rotated:
    fingerprint: str
    former: tuple[str, ...]
    values: int
    copies: int
    finished: bool
    """False where the keys come from the environment: a person changes the variables."""


def show(app: App) -> Keys:
    """Which keys there are, where they come from, and how much each of them seals."""
    app.vault.refresh()
    ids = app.vault.ids
    with app.db.read() as connection:
        values = sealed.by_key(connection)
        rotated_at = connection.execute(
            text("SELECT MAX(at) FROM operator_event WHERE action = :action"), {"action": ROTATE}
        ).scalar()
    files = copies.by_key(app) + sealed_files.by_key(app.home)
    places = vault.places()[::-1] if len(ids) > 1 else vault.places()[:1]
    keys = [
        Key(named.hex(), "opens" if at else "seals", place, values[named], files[named])
        for at, (named, place) in enumerate(zip(ids, places, strict=True))
    ]
    for named in sorted((values.keys() | files.keys()) - set(ids)):
        role = "missing" if named else "unnamed"
        keys.append(Key(named.hex(), role, "", values[named], files[named]))
    return Keys(tuple(keys), rotated_at, len(ids) > 1)


def lacking(app: App, connection: Connection) -> list[str]:
    """The keys that this home needs and has not, each with what a person does about it; of a few rows, for those who ask often
    (``show`` and ``verify`` read all)."""
    needed = sealed.needed(connection)
    lost = sorted({key for value in needed if (key := app.vault.missing(value)) is not None})
    place = vault.places()[0]
    bring = (
        f"bring it from the home that shares the ledger, or from a backup, into {place} (keep the one that is there)"
    )
    if any(value[1:] in app.vault.ids for value in needed):
        bring = f"where that key is found, {vault.found_again(app.home)}"
    return [
        f"account numbers in the ledger are sealed with the key {key}, which this home does not have: {bring}; gateway keys show "
        "says how many; only where nobody has it, load vendors.csv again"
        for key in lost
    ]


def prepare(app: App) -> str:
    """Make the next key without rotating, to be brought to the other homes of a ledger first; gives its fingerprint."""
    app.operator.require("admin", "preparing the next field key")
    with app.db.write() as connection:
        app.db.lock(connection, vault.LOCK)
        if vault.from_environment():
            _require_next_variable(app)
        else:
            vault.write_next(app.home)
        app.vault.refresh()
    reached(Step.KEY_WRITTEN)
    return app.vault.ids[0].hex()


def rotate(app: App, *, leave_lost: bool = False) -> Rotated:
    """Seal everything with a new key. Goes on where an earlier call was killed.

    Raises Refused while there are values that no key of the home opens, GatewayError where one is not as it was sealed;
    ``leave_lost`` leaves them as they are. Both keys are kept until every value and file is sealed anew or left.
    """
    app.operator.require("admin", "rotating the field key")
    if not leave_lost:
        _require_all_open(show(app), app.home)
    prepare(app)
    with app.db.write() as connection:
        app.db.lock_portfolios(connection, portfolios(connection))
        app.vault.hold(app.db, connection)
        first, *former = (named.hex() for named in app.vault.ids)
        values = sealed.reseal(connection, app.vault, leave_lost=leave_lost)
        _note(app, connection, f"to {first} from {', '.join(former)}")
    reached(Step.KEYS_CHANGED)
    with app.db.write() as connection:
        app.vault.hold(app.db, connection)
        in_outbox, originals = copies.reseal(app), sealed_files.reseal(app.home, app.vault)
    if not leave_lost:
        _require_undamaged(app, in_outbox.damaged + originals.damaged)
    reached(Step.COPIES_CHANGED)
    if not vault.from_environment():
        vault.adopt_next(app.home)
    reached(Step.KEY_ADOPTED)
    app.vault.refresh()
    return Rotated(first, tuple(former), values, in_outbox.done + originals.done, len(app.vault.ids) == 1)


def _require_next_variable(app: App) -> None:
    if len(vault.read_keys(app.home)) == 1:
        raise UsageError(
            f"rotating the field key: found it in {vault.VARIABLE} and no other one in {vault.NEXT_VARIABLE}, expected the "
            "next key there too: 32 random bytes in urlsafe base64; set it for every process of this home, the service "
            "first"
        )


def _require_all_open(keys: Keys, home: Home) -> None:
    missing = [
        f"{key.values + key.copies} values of key {key.fingerprint}" for key in keys.keys if key.role == "missing"
    ]
    if missing:
        raise Refused(
            f"rotating the field key: found {', '.join(missing)}, which this home does not have, expected none; where "
            f"that key is found, {vault.found_again(home)}; or leave what a lost key sealed as it is with --leave-lost"
        )


def _require_undamaged(app: App, damaged: Sequence[Path]) -> None:
    if damaged:
        names = ", ".join(str(path.relative_to(app.home.root)) for path in damaged[:5])
        raise GatewayError(
            f"rotating the field key: found {len(damaged)} sealed files that do not open with the key they name ({names}), expected "
            "them as they were sealed: everything else is sealed anew, and the former key is kept for them; put them back from a "
            "backup and run gateway keys rotate again, or leave them as they are with --leave-lost, after which the former key goes"
        )


def _note(app: App, connection: Connection, reason: str) -> None:
    """Once a rotation, however often it was begun."""
    connection.execute(
        text(
            "INSERT INTO operator_event (at, operator, os_user, action, subject, reason) "
            "SELECT CAST(:at AS TEXT), CAST(:code AS TEXT), CAST(:user AS TEXT), CAST(:action AS TEXT), 'field key', "
            "CAST(:reason AS TEXT) WHERE NOT EXISTS "
            "(SELECT 1 FROM operator_event WHERE action = :action AND reason = :reason)"
        ),
        {"at": app.now(), "code": app.operator.code, "user": app.operator.user, "action": ROTATE, "reason": reason},
    )
