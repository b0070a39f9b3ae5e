"""The outbox: what was frozen put where people and the delivery find it, taken out again, and looked over.

A kill between a commit and the move into the outbox leaves a file that ``settle`` finishes at the next start. A
file in the outbox is readable by its owner only, or by the group of a shared home.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from gateway.app import App
from gateway.errors import GatewayError
from gateway.home import fsync_dir, is_being_written, is_left_behind, write_durably
from gateway.ledger import sealed_elsewhere
from gateway.outbound import kept_reports
from gateway.outbound.states import OutboundState
from gateway.outbound.store import render, staged_path
from gateway.sealed_files import SUFFIX


def publish(app: App, outbound_id: int, name: str, sha256: str) -> Path:
    """Put a committed file into the outbox; doing it again changes nothing. Never overwrites other bytes."""
    target = app.home.outbox / name
    staged = staged_path(app, outbound_id)
    there = _sha256_if_there(target)
    if there is not None and there != sha256:
        raise GatewayError(
            f"writing outbox/{name}: found a file of other bytes there, expected none; move it away and start again"
        )
    if there is None and not _moved(staged, target, sha256):
        write_durably(target, render(app, outbound_id), mode=app.home.private_file)
    staged.unlink(missing_ok=True)
    return target


def _moved(staged: Path, target: Path, sha256: str) -> bool:
    """Put what lies aside into the outbox; False where nothing fit lies there. Another process that settles the outbox may
    do it at the same moment: then it is there."""
    if _sha256_if_there(staged) != sha256:
        return target.exists()
    try:
        staged.replace(target)
    except FileNotFoundError:
        return target.exists()
    fsync_dir(target.parent)
    return True


def withdraw(app: App, outbound_id: int, name: str) -> None:
    """Take a rejected file, or its sealed copy, out of the outbox; the database keeps what it was."""
    for copy in (name, name + SUFFIX):
        (app.home.outbox / copy).unlink(missing_ok=True)
    staged_path(app, outbound_id).unlink(missing_ok=True)
    fsync_dir(app.home.outbox)


_UNFINISHED: Final = """
    SELECT f.outbound_id, f.name, f.sha256, f.state FROM outbound_file f
    LEFT JOIN delivery d ON d.outbound_id = f.outbound_id
    WHERE f.state = 'BUILT' OR (f.state = 'APPROVED' AND d.state NOT IN ('DELIVERED', 'ACKNOWLEDGED'))
    ORDER BY f.outbound_id
"""
_LOCAL: Final = """
    SELECT f.outbound_id, f.name, f.sha256 FROM outbound_file f LEFT JOIN delivery d ON d.outbound_id = f.outbound_id
    WHERE f.state = 'LOCAL' OR (f.state = 'APPROVED' AND d.delivery_id IS NULL) ORDER BY f.outbound_id
"""
"""What was released to stay here: whoever it is for may have taken it."""


_PUT_BACK: Final = "the next gateway deliver or gateway run puts it back"


def strange_copies(app: App) -> list[str]:
    """Files of the outbox that are not as built: other bytes, or missing while they wait for release or delivery."""
    with app.db.read() as connection:
        elsewhere = sealed_elsewhere.waiting(app, connection)
        waiting = [row for row in connection.execute(text(_UNFINISHED)) if row.outbound_id not in elsewhere]
        local = connection.execute(text(_LOCAL)).all()
    found = []
    for rows, is_local in ((waiting, False), (local, True)):
        for row in rows:
            path = app.home.outbox / row.name
            if not path.exists():
                may_be_gone = is_local and not staged_path(app, row.outbound_id).exists()
                found += [] if may_be_gone else [f"{row.name}: missing; {_PUT_BACK}"]
            elif _sha256_of(path) != row.sha256:
                found.append(f"{row.name}: other bytes")
    return found


def strangers(app: App) -> list[str]:
    """Files in the outbox that nobody should fetch: of no name of ours (what a killed process was writing, or somebody else
    put there), and copies of files that were rejected or called back, as from another machine of the ledger."""
    with app.db.read() as connection:
        states = {str(name): state for name, state in connection.execute(text("SELECT name, state FROM outbound_file"))}
    states[".gitkeep"] = ""  # a home may be a checkout
    found = []
    for path in sorted(app.home.outbox.iterdir()):
        state = states.get(path.name, states.get(path.name.removesuffix(SUFFIX)))
        if state is None and not is_being_written(path):
            found.append(f"{path.name}: no file of the gateway's; find out who put it there, and move it away")
        elif state == OutboundState.REJECTED:
            found.append(
                f"{path.name}: rejected or called back, not to be fetched; the next gateway deliver or gateway run takes it away"
            )
    return found


def unplaced(app: App) -> list[str]:
    """Files that are frozen and still lie aside, as they do where the outbox could not be written: whoever fetches from it, or
    looks at it before a release, finds none."""
    return [
        f"{row.name}: not there, it could not be written; see to rights and room, {_PUT_BACK}"
        for row in _committed(app)
    ]


def place(app: App) -> None:
    """Try again to put what lies aside into the outbox; ``unplaced`` names what still does."""
    for row in _committed(app):
        with suppress(OSError, GatewayError):
            publish(app, row.outbound_id, row.name, row.sha256)


def _committed(app: App) -> list[Any]:
    """Rows of the files that lie aside, are to be had and are not in the outbox."""
    with app.db.read() as connection:
        rows = [
            connection.execute(
                text(
                    "SELECT outbound_id, name, sha256 FROM outbound_file WHERE outbound_id = :id AND state <> 'REJECTED'"
                ),
                {"id": outbound_id},
            ).one_or_none()
            for outbound_id in _aside(app)
        ]
    return [row for row in rows if row is not None and not (app.home.outbox / row.name).exists()]


def _aside(app: App) -> dict[int, Path]:
    """What lies aside, by the number of its file; its transaction may never have committed."""
    return {int(p.stem.removeprefix("outbound-")): p for p in sorted(app.home.work.glob("outbound-*.staged"))}


def settle(app: App) -> list[str]:
    """At start: finish what a crash interrupted, and give the names of the files that had to be put back. What a killed
    process was writing is removed: it may hold account numbers.

    Files put aside are published, or removed when their transaction never committed. Files that wait for release or
    delivery are re-created when they are missing, but for those that another home alone can make. A released file that
    has no endpoint may have been fetched by whoever it is for, and is not put back; ``publish`` does it on request.

    Raises GatewayError, once all that can be put back is there, with each file that cannot and why.
    """
    restored: list[str] = []
    faults: list[str] = []
    kept_reports.settle(app)
    for path in app.home.outbox.glob(".*.tmp"):
        if is_left_behind(path):
            path.unlink(missing_ok=True)
    staged = _aside(app)
    with app.db.read() as connection:
        elsewhere = sealed_elsewhere.waiting(app, connection)
        unfinished = {row.outbound_id: row for row in connection.execute(text(_UNFINISHED))}
        unfinished = {number: row for number, row in unfinished.items() if number not in elsewhere}
        for outbound_id in sorted(staged.keys() - unfinished.keys()):
            row = connection.execute(
                text("SELECT outbound_id, name, sha256, state FROM outbound_file WHERE outbound_id = :id"),
                {"id": outbound_id},
            ).one_or_none()
            if row is None or row.state == OutboundState.REJECTED:
                staged[outbound_id].unlink(missing_ok=True)
            else:
                unfinished[outbound_id] = row
        rejected = list(
            connection.execute(text("SELECT outbound_id, name FROM outbound_file WHERE state = 'REJECTED'"))
        )
    for row in rejected:  # killed between the commit and this
        if any((app.home.outbox / copy).exists() for copy in (row.name, row.name + SUFFIX)):
            withdraw(app, row.outbound_id, row.name)
    for outbound_id, row in sorted(unfinished.items()):
        if not (app.home.outbox / row.name).exists():
            try:
                publish(app, outbound_id, row.name, row.sha256)
            except Exception as fault:
                # Not its words, unless they are ours: writers quote what does not fit, which may be an account number.
                said = str(fault) if isinstance(fault, GatewayError | OSError) else f"found {type(fault).__name__}"
                faults.append(f"{row.name} (#{outbound_id}): {said}")
                continue
            restored.append(row.name)
        staged_path(app, outbound_id).unlink(missing_ok=True)
    if faults:
        raise GatewayError(
            f"putting files back into the outbox: could not make {'; '.join(faults)}; the others are there: run gateway verify, "
            "and reject or call back what cannot be made"
        )
    return restored


def _sha256_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _sha256_if_there(path: Path) -> str | None:
    """None for no file: another process may have it taken away at this moment."""
    try:
        return _sha256_of(path)
    except FileNotFoundError:
        return None
