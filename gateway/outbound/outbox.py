"""The outbox: what was frozen put where people and the delivery find it, taken out again, and looked over.

A kill between a commit and the move into the outbox leaves a file that ``settle`` finishes at the next start. A
file in the outbox is readable by its owner only, or by the group of a shared home.
"""

from __future__ import annotations

import errno
import hashlib
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from gateway import log
from gateway.app import App
from gateway.errors import GatewayError
from gateway.home import fsync_dir, is_being_written, is_left_behind, write_durably
from gateway.ledger import sealed_elsewhere
from gateway.outbound import kept_reports
from gateway.outbound.states import OutboundState
from gateway.outbound.store import render, staged_path
from gateway.sealed_files import SUFFIX

OTHER: Final = "other bytes"
"""What is strange about a copy that is a file."""


def publish(app: App, outbound_id: int, name: str, sha256: str) -> Path:
    """Put a committed file into the outbox; doing it again changes nothing. Never overwrites other bytes. Raises GatewayError
    with what is in the way."""
    target = app.home.outbox / name
    staged = staged_path(app, outbound_id)
    try:
        there, strange = look(target, sha256)
        if strange is not None:
            found = "found a file of other bytes there, expected none" if strange == OTHER else strange
            raise GatewayError(f"writing outbox/{name}: {found}; move it away and start again")
        if not there and not _moved(staged, target, sha256):
            write_durably(target, render(app, outbound_id), mode=app.home.private_file)
        staged.unlink(missing_ok=True)
    except OSError as error:
        raise GatewayError(
            f"writing outbox/{name}: {error.strerror or error}; see to rights and room, then the next gateway deliver or gateway "
            "run puts there what is built"
        ) from error
    return target


def _moved(staged: Path, target: Path, sha256: str) -> bool:
    """Put what lies aside into the outbox; False where nothing fit lies there, or the outbox is another file system's. Another
    process that settles the outbox may do it at the same moment: then it is there."""
    if copy_sha256(staged) != sha256:
        return target.exists()
    try:
        staged.replace(target)
    except FileNotFoundError:
        return target.exists()
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    fsync_dir(target.parent)
    return True


def withdraw(app: App, outbound_id: int, name: str) -> None:
    """Take a rejected file, or its sealed copy, out of the outbox; the database keeps what it was. What cannot be taken away
    stays for the next ``settle``: it is rejected all the same, and ``strangers`` names it."""
    try:
        _take_away(app, outbound_id, name)
    except OSError as error:
        log.get(__name__).error("outbox.not_withdrawn", name=name, error=str(error))


def _take_away(app: App, outbound_id: int, name: str) -> None:
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
            again = (
                f"gateway outbound export {row.outbound_id} PATH --reason WHY writes it again"
                if is_local
                else _PUT_BACK
            )
            there, strange = look(app.home.outbox / row.name, row.sha256)
            if strange is not None:
                found.append(f"{row.name}: {strange}; move it away, then {again}")
            elif not there and not (is_local and not staged_path(app, row.outbound_id).exists()):
                found.append(f"{row.name}: missing; {_PUT_BACK}")
    return found


def look(path: Path, sha256: str) -> tuple[bool, str | None]:
    """Whether a copy is there, and in words what is strange about it."""
    try:
        found = copy_sha256(path)
    except GatewayError as fault:
        return True, str(fault)
    except OSError as error:
        return True, f"cannot be read ({error.strerror or error})"
    return found is not None, None if found in (None, sha256) else OTHER


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
            by = "move it away" if path.is_dir() else "the next gateway deliver or gateway run takes it away"
            found.append(f"{path.name}: rejected or called back, not to be fetched; {by}")
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

    Raises GatewayError, once all that can be put back is there, with each file that cannot be put back, or away, and why.
    """
    restored: list[str] = []
    faults: list[str] = []
    stay: list[str] = []
    kept_reports.settle(app)
    for path in app.home.outbox.glob(".*.tmp"):
        if is_left_behind(path):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                stay.append(f"{path.name}: {error.strerror or error}")
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
        copies = (app.home.outbox / copy for copy in (row.name, row.name + SUFFIX))
        if any(copy.is_symlink() or copy.exists() for copy in copies):
            try:
                _take_away(app, row.outbound_id, row.name)
            except OSError as error:
                stay.append(f"{row.name} (#{row.outbound_id}): {error.strerror or error}")
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
    told: list[str] = []
    if faults:
        told.append(
            f"putting files back into the outbox: could not make {'; '.join(faults)}; the others are there: run gateway verify, "
            "and reject or call back what cannot be made"
        )
    if stay:
        told.append(
            f"taking out of the outbox what was rejected, called back, or left half written: could not remove {'; '.join(stay)}; "
            "nobody should fetch it: move it away"
        )
    if told:
        raise GatewayError("; ".join(told))
    return restored


def copy_sha256(path: Path) -> str | None:
    """None for no file: another process may have it taken away at this moment. Raises GatewayError for what is none: a folder
    would end each look, a pipe would hold it up, and behind a link account numbers would lie where nobody seals them."""
    try:
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode):
            kind = "folder" if stat.S_ISDIR(mode) else "link" if stat.S_ISLNK(mode) else "thing that is no file"
            raise GatewayError(f"found a {kind} at {path.parent.name}/{path.name}, expected a file")
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except FileNotFoundError:
        return None
