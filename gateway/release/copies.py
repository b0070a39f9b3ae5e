"""Copies of outbound files that hold account numbers, once nobody waits for them any more.

A bank file is stored data for as long as it lies on a disk. When its delivery is proved, or a person has said that a
file without an endpoint was taken, the copy in the outbox is sealed with the home's key (``NAME.sealed``), removed, or
kept, as the bank's ``after_delivery`` says; so is the scratch file that goes with it. The frozen rows in the ledger
stay, sealed: ``export`` writes the bytes again for someone with the right, and says so in the record. A sealed copy
has the bytes as they left, whatever becomes of rows and writers.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import text

from gateway import log
from gateway.app import App
from gateway.crashpoints import Step, reached
from gateway.errors import GatewayError, LedgerError, Refused, UsageError
from gateway.home import fsync_dir, write_durably
from gateway.ledger.events import note, require_reason
from gateway.ledger.vendor_details import no_account_in
from gateway.outbound import outbox, store
from gateway.outbound.banks import bank_of
from gateway.outbound.states import SEALED_KINDS, TAKEN, OutboundState, left_sql
from gateway.release import left, openpgp, release
from gateway.release.release import File
from gateway.sealed_files import SUFFIX, Resealed, count_by_key, key_of
from gateway.settings import Bank

EXPORT: Final = "outbound.export"
"""Action of a person, as ``operator_event`` has it."""

_BY_DEFAULT: Final = str(Bank.model_fields["after_delivery"].default)
_log = log.get(__name__)
_NO_LONGER_WAITED_FOR: Final = f"""
    SELECT f.outbound_id, f.name, f.portfolio, f.sha256, f.header FROM outbound_file f
    WHERE f.kind IN ({", ".join(f"'{kind}'" for kind in sorted(SEALED_KINDS))}) AND f.state IN ('APPROVED', 'LOCAL')
        AND {left_sql("f")}
    ORDER BY f.outbound_id
"""


def put_away(app: App) -> list[str]:
    """Seal or remove what lies in the outbox and is no longer waited for; gives the names. Twice is once.

    A copy of other bytes than were built is not ours: it stays, and ``verify`` names it.
    """
    if not any(path.suffix != SUFFIX for path in app.home.outbox.glob("[!.]*")):
        return []
    done = []
    with app.db.write() as connection:
        app.vault.hold(app.db, connection)
        for row in connection.execute(text(_NO_LONGER_WAITED_FOR)):
            path = app.home.outbox / row.name
            if outbox.look(path, row.sha256) != (True, None):
                continue
            bank = bank_of(app, json.loads(row.header), row.portfolio)
            action = _BY_DEFAULT if bank is None else bank.after_delivery
            if action == "keep":
                continue
            if action == "encrypt":
                _write_sealed(app, row.name, path.read_bytes())
                reached(Step.PUT_AWAY)
            path.unlink()
            fsync_dir(app.home.outbox)
            _log.info("outbox.put_away", name=row.name, action=action)
            done.append(str(row.name))
    return done


class Taken(NamedTuple):
    """Names of the copies that were put away, and scratch files that go with the file and were not fetched yet.
    ``machine``: another one, whose outbox has the copy until its service puts it away. ``had_left``: it was
    not to leave, and counts as sent; ``answers``: files of the bank about it, to be taken in once more."""

    put_away: Sequence[str]
    waiting: Sequence[File]
    machine: str | None = None
    had_left: bool = False
    answers: Sequence[left.Waiting] = ()


def taken(app: App, outbound_id: int, *, reason: str) -> Taken:
    """Note that a file without an endpoint was fetched, and put its copy away. The scratch file that goes with it is
    somebody else's to fetch, and stays. Of a bank file that was rejected or called back: that the bank has it (``left``)."""
    app.operator.require("deliver", "noting that a file was taken")
    require_reason(reason, f"noting that outbound file {outbound_id} was taken")
    with app.db.write() as connection:  # one of two that mean it at once, this and a recall, sees that it came too late
        file = release.locked(app, connection, outbound_id)
        if file.state == OutboundState.REJECTED and file.kind == "VACH-BANK":
            no_account_in(connection, app.vault, reason, action=f"taking {file.name}")
            return Taken((), (), had_left=True, answers=left.say_it_left(app, connection, file, reason))
        if file.state != OutboundState.LOCAL:
            raise Refused(
                f"taking {file.name}: found it {file.state}, expected LOCAL: only a file without an endpoint is fetched by hand"
            )
        if file.kind not in SEALED_KINDS:
            raise Refused(
                f"taking {file.name}: found no account numbers in a {file.kind} file: move it away as you like"
            )
        no_account_in(connection, app.vault, reason, action=f"taking {file.name}")
        note(connection, app.operator, TAKEN, file.name, reason, at=app.now())
        beside = release.pairs(connection, file, OutboundState.BUILT, OutboundState.LOCAL)
        fetched = text("SELECT 1 FROM operator_event WHERE action = :taken AND subject = :name")
        waiting = [
            one for one in beside if connection.execute(fetched, {"taken": TAKEN, "name": one.name}).first() is None
        ]
    return Taken(put_away(app), waiting, release.elsewhere(app, file.machine))


def export(app: App, outbound_id: int, target: Path, *, reason: str, message: bool = False) -> int:
    """Write a file's bytes as built, or the OpenPGP message in which it leaves, for someone who may see them; gives how
    many. The record says who and why."""
    app.operator.require("approve", "exporting an outbound file")
    require_reason(reason, f"exporting outbound file {outbound_id}")
    name, _kind, _state = _file(app, outbound_id)
    if target.exists() or not target.parent.is_dir():
        raise UsageError(f"exporting to {target}: expected a new file in a folder that is there; name another one")
    data = openpgp.message(app, outbound_id) if message else content(app, outbound_id)
    with app.db.write() as connection:
        no_account_in(connection, app.vault, reason, action=f"exporting {name}")
        note(connection, app.operator, EXPORT, name, reason, at=app.now())
    write_durably(target, data, mode=0o600)
    return len(data)


def content(app: App, outbound_id: int) -> bytes:
    """The bytes as built: from the frozen rows, or from the sealed copy where the rows give others."""
    try:
        return store.render(app, outbound_id)
    except LedgerError:
        name, _kind, _state = _file(app, outbound_id)
        if not (app.home.outbox / (name + SUFFIX)).is_file() or _sealed_sha256(app, name) != _built_sha256(app, name):
            raise
        return _open(app, name)


def reseal(app: App) -> Resealed:
    """Seal with the home's first key what its other ones sealed. Call with the lock on keys held. What names a key that the
    home does not have stays as it is."""
    count, damaged = 0, []
    for path in _sealed(app):
        if key_of(path) in app.vault.ids[1:]:
            name = path.name.removesuffix(SUFFIX)
            try:
                _write_sealed(app, name, _open(app, name))
                count += 1
            except GatewayError:
                damaged.append(path)
    return Resealed(count, damaged)


def by_key(app: App) -> Counter[bytes]:
    """How many sealed copies there are by key id."""
    return count_by_key(_sealed(app))


def strange(app: App) -> list[str]:
    """Copies that hold something else than was built: sealed ones, and clear ones that should have been put away."""
    found = []
    for path in _sealed(app):
        name = path.name.removesuffix(SUFFIX)
        try:
            same = path.is_file() and _sealed_sha256(app, name) == _built_sha256(app, name)
        except (GatewayError, OSError):
            same = False
        found += [] if same else [f"{path.name}: other bytes, or sealed with another key"]
    with app.db.read() as connection:
        delivered = connection.execute(text(_NO_LONGER_WAITED_FOR)).all()
    for row in delivered:
        _, strange = outbox.look(app.home.outbox / row.name, row.sha256)
        if strange is not None:
            found.append(f"{row.name}: {strange}; move it away")
    return found


def _sealed(app: App) -> Iterator[Path]:
    yield from sorted(app.home.outbox.glob(f"[!.]*{SUFFIX}"))


def _field(name: str) -> str:
    """What a sealed copy is bound to: it opens under its own name only."""
    return f"outbound.file {name}"


def _write_sealed(app: App, name: str, data: bytes) -> None:
    write_durably(
        app.home.outbox / (name + SUFFIX), app.vault.seal_bytes(data, field=_field(name)), mode=app.home.private_file
    )


def _open(app: App, name: str) -> bytes:
    return app.vault.open_bytes((app.home.outbox / (name + SUFFIX)).read_bytes(), field=_field(name))


def _sealed_sha256(app: App, name: str) -> str:
    return hashlib.sha256(_open(app, name)).hexdigest()


def _built_sha256(app: App, name: str) -> str | None:
    with app.db.read() as connection:
        found = connection.execute(text("SELECT sha256 FROM outbound_file WHERE name = :name"), {"name": name})
        return found.scalar()


def _file(app: App, outbound_id: int) -> tuple[str, str, str]:
    """Name, kind and state. Raises UsageError for a number that no file has."""
    with app.db.read() as connection:
        found = connection.execute(
            text("SELECT name, kind, state FROM outbound_file WHERE outbound_id = :id"), {"id": outbound_id}
        ).one_or_none()
    if found is None:
        raise UsageError(
            f"outbound file {outbound_id}: found none of that number, expected one of `gateway outbound list`"
        )
    return str(found.name), str(found.kind), str(found.state)
