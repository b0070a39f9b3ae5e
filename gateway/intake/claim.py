"""From a complete file in a source folder to durable bytes in the archive with a row that owns them.

In this order, for a group of files at once: rename into our claim folder (of two gateways one succeeds), copy into
the archive hashing what is copied, insert the rows in one transaction, unlink. A kill after any step leaves one
owner: before the rename the source folder, then the claim folder until the row is committed, then the row. What the
next start finds in a claim folder it completes: with a row it only unlinks, without one it archives and inserts.

A marker is renamed before its file: left behind alone it would declare the sender's next file whole.
"""

from __future__ import annotations

import itertools
import os
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import text

from gateway import crashpoints, log
from gateway.app import App, user_name
from gateway.crashpoints import Step
from gateway.errors import Refused, UsageError
from gateway.home import BLOCK, fsync_dir, read_blocks, write_durably
from gateway.intake import archive, slots
from gateway.intake.arrival import Complete, Identity, printable
from gateway.intake.files import move, state_list
from gateway.intake.identify import identified, identified_file
from gateway.intake.registry import is_bank_kind
from gateway.intake.states import FileState, HoldCode
from gateway.intake.turns import Turns
from gateway.intake.watching import Folder
from gateway.ledger import schema
from gateway.sealed_files import SUFFIX, sealed_blocks
from gateway.vault import Vault
from parsers.nacha_lines import HEAD, is_nacha
from parsers.names import Identified

ARGUMENT: Final = "argument"
"""The source of a file that was named on the command line."""

_TOKEN: Final = 24
_count = itertools.count()
MB: Final = 1024 * 1024
_FROM_SOURCE, _FROM_ARGUMENT, _MARKER = "-", "+", "~"


@dataclass(frozen=True, slots=True)
class _Claim:
    """A file in our claim folder."""

    path: Path
    name: str
    source: str
    what: Identified

    @property
    def token(self) -> str:
        return self.path.name[:_TOKEN]


@dataclass(slots=True)
class Claimer:
    """Claims for this process. ``close`` gives the claim folders up."""

    app: App
    turns: Turns
    _slots: dict[Path, slots.Slot] = field(default_factory=dict)
    _short_of_space: bool = False
    _said: set[tuple[str, str, int | None]] = field(default_factory=set)

    def close(self) -> None:
        for slot in self._slots.values():
            slot.release()
        self._slots = {}

    def claim(self, folder: Folder, complete: Sequence[Complete]) -> list[int]:
        """Claim these files; gives the numbers of those that are ours now, in order."""
        if not complete or not self._has_space():
            return []
        slot = self._slot(folder)
        group = [claim for c in complete if (claim := self._rename(folder, slot, c)) is not None]
        fsync_dir(slot.folder)
        fsync_dir(folder.path)
        crashpoints.reached(Step.CLAIM_RENAMED)
        return self._own(folder, slot, group)

    def take(self, folder: Folder, paths: Iterable[Path]) -> list[int]:
        """Claim files named by a person: from a source folder by rename, from elsewhere a copy."""
        slot = self._slot(folder)
        group = []
        for path in paths:
            what = identified_file(self.app.settings, path)
            target = slot.folder / f"{self._token()}{_FROM_ARGUMENT}{path.name}"
            if path.resolve().parent == folder.path.resolve():
                path.rename(target)
            else:
                _copy(path, target)
            group.append(_Claim(target, path.name, ARGUMENT, what))
        fsync_dir(slot.folder)
        fsync_dir(folder.path)
        crashpoints.reached(Step.CLAIM_RENAMED)
        return self._own(folder, slot, group)

    def recover(self, folder: Folder) -> list[int]:
        """Complete what a killed process left in any claim folder of this source that has no owner now."""
        own = self._slot(folder)
        done = self._recover_slot(folder, own)
        for slot in slots.abandoned(_claimed(folder), self.app.home.private_folder):
            try:
                done += self._recover_slot(folder, slot)
            finally:
                slot.release()
        return done

    # the steps

    def _token(self) -> str:
        """Unlike any other on any machine, and rising, so that what a kill interrupted is completed in its order."""
        micros = int(self.app.clock.now().timestamp() * 1_000_000)
        return f"{micros:014x}{next(_count) % 65536:04x}{uuid.uuid4().hex}"[:_TOKEN]

    def _slot(self, folder: Folder) -> slots.Slot:
        if folder.path not in self._slots:
            self._slots[folder.path] = slots.acquire(_claimed(folder), self.app.home.private_folder)
        return self._slots[folder.path]

    def _has_space(self) -> bool:
        """Claiming stops before posting does, so that what is claimed can still be posted."""
        free, floor = room(self.app)
        short = free < floor
        if short != self._short_of_space:
            self._short_of_space = short
            event = "alarm.disk_full" if short else "alarm.disk_full_over"
            log.get(__name__).error(event, free_bytes=free, expected_bytes=floor, claiming=not short)
        return not short

    def _rename(self, folder: Folder, slot: slots.Slot, c: Complete) -> _Claim | None:
        """The file into our claim folder; None when it went away or is not the one that was looked at."""
        token = self._token()
        target = slot.folder / f"{token}{_FROM_SOURCE}{c.name}"
        marker = slot.folder / f"{token}{_MARKER}{c.marker}"
        try:
            if c.marker is not None:
                (folder.path / c.marker).rename(marker)
            (folder.path / c.name).rename(target)
        except OSError as error:
            if c.marker is not None and marker.exists():
                _put_back(marker, folder.path / c.marker)
            if not isinstance(error, FileNotFoundError):  # then another gateway was first, or the sender took it back
                self._refused(folder, c.name, error)
            return None
        if _identity(target.lstat()) != c.identity:
            self._not_yet(folder, target, c.name)
            return None
        return _Claim(target, c.name, folder.name, identified(self.app.settings, c.name))

    def _refused(self, folder: Folder, name: str, error: OSError) -> None:
        """The system lets nobody take this one; the others are taken. Said once for a reason."""
        if (folder.name, name, error.errno) not in self._said:
            self._said.add((folder.name, name, error.errno))
            log.get(__name__).error(
                "alarm.not_claimed", source=folder.name, name=printable(name), error=os.strerror(error.errno or 0),
                action="look at the rights of the folder and of the file",
            )  # fmt: skip

    def _own(self, folder: Folder, slot: slots.Slot, group: Sequence[_Claim]) -> list[int]:
        """Archive, record, unlink."""
        stored: list[tuple[_Claim, archive.Stored, str, Identity]] = []
        for claim in group:
            copied = self._archive(folder, claim)
            if copied is not None:
                stored.append((claim, *copied))
        if not stored:
            return []
        archive.flush(self.app.home, [s.name for _, s, _, _ in stored])
        crashpoints.reached(Step.CLAIM_ARCHIVED)
        ids = self._record([(claim, s, owner) for claim, s, owner, _ in stored])
        crashpoints.reached(Step.CLAIM_RECORDED)
        for (claim, _, _, identity), file_id in zip(stored, ids, strict=True):
            self._unlink(claim, identity, file_id)
        for marker in slot.folder.glob(f"*{_MARKER}*"):
            if any(marker.name.startswith(claim.token + _MARKER) for claim in group):
                marker.unlink()
        fsync_dir(slot.folder)
        crashpoints.reached(Step.CLAIM_UNLINKED)
        return ids

    def _archive(self, folder: Folder, claim: _Claim) -> tuple[archive.Stored, str, Identity] | None:
        """Copy the claimed bytes and say whose file it is; None when they changed meanwhile, then the file goes back
        to be watched."""
        try:
            fd = os.open(claim.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except PermissionError:  # its owner closed it since it was looked at
            self._not_yet(folder, claim.path, claim.name)
            return None
        with os.fdopen(fd, "rb") as handle:
            status = os.fstat(fd)
            before = _identity(status)
            if _holds_accounts(claim, handle):
                with self._sealing() as vault:
                    stored = archive.store(self.app.home, handle, claim.token, vault=vault)
            else:
                stored = archive.store(self.app.home, handle, claim.token)
            after = _identity(os.fstat(fd))
        if before != after or after[1] != stored.size:
            self._not_yet(folder, claim.path, claim.name)
            return None
        return stored, user_name(status.st_uid), after

    @contextmanager
    def _sealing(self) -> Iterator[Vault]:
        """While no rotation of keys runs."""
        with self.turns.mine(), self.app.db.write() as connection:
            self.app.vault.hold(self.app.db, connection)
            yield self.app.vault

    def _not_yet(self, folder: Folder, claimed: Path, name: str) -> None:
        log.get(__name__).warning("claim.changed", source=folder.name, name=printable(name))
        _put_back(claimed, folder.path / name)

    def _record(self, stored: Sequence[tuple[_Claim, archive.Stored, str]]) -> list[int]:
        """The rows, in one transaction; from its commit on the rows own the files."""
        now = self.app.now()
        values: list[dict[str, Any]] = [
            {
                "name": printable(claim.name), "kind": claim.what.kind, "form": claim.what.form,
                "portfolio": None if claim.what.portfolio is None else str(claim.what.portfolio),
                "source": claim.source, "sha256": s.sha256, "bytes": s.size, "state": FileState.CLAIMED.value,
                "claim_name": printable(claim.path.name), "archive_name": s.name, "claimed_at": now,
                "operator": self.app.operator.code, "owner": owner,
            }
            for claim, s, owner in stored
        ]  # fmt: skip
        table = schema.inbound_file
        with self.turns.mine(), self.app.db.write() as connection:
            rows = connection.execute(table.insert().returning(table.c.claim_name, table.c.file_id), values).all()
        by_claim: dict[str, int] = {str(row[0]): int(row[1]) for row in rows}
        logger = log.get(__name__)
        for value in values:
            logger.info(
                "file.claimed", file_id=by_claim[value["claim_name"]], name=value["name"], sha256=value["sha256"]
            )
        return [by_claim[value["claim_name"]] for value in values]

    def _unlink(self, claim: _Claim, identity: Identity, file_id: int) -> None:
        """Let the claimed copy go, unless somebody wrote into it after we had read it."""
        if _identity(claim.path.lstat()) == identity:
            claim.path.unlink()
            return
        kept = self._keep_changed(claim, file_id)
        hold = (
            f"Found {printable(claim.name)} written to after it was claimed, expected a file at rest: compare the archived "
            f"bytes with var/quarantine/{printable(kept.name)}, then release or discard the file."
        )
        log.get(__name__).error("alarm.changed_while_read", file_id=file_id, name=printable(claim.name))
        try:
            with self.turns.mine(), self.app.db.write() as connection:
                move(
                    connection, file_id, FileState.CLAIMED, FileState.HELD,
                    hold_code=HoldCode.CHANGED_WHILE_READ.value, hold_text=hold,
                )  # fmt: skip
        except Refused:
            log.get(__name__).error("alarm.changed_after_posting", file_id=file_id, name=printable(claim.name))
        claim.path.unlink()

    def _keep_changed(self, claim: _Claim, file_id: int) -> Path:
        """What somebody made of a claimed file, beside its archived bytes; sealed where they are."""
        kept = self.app.home.quarantine / f"{file_id}-{claim.name}.changed"
        with claim.path.open("rb") as handle:
            sealed = _holds_accounts(claim, handle)
        if not sealed:
            _copy(claim.path, kept)
            return kept
        kept = kept.with_name(kept.name + SUFFIX)
        with self._sealing() as vault:
            write_durably(kept, sealed_blocks(read_blocks(claim.path), vault), mode=self.app.home.private_file)
        return kept

    # what a killed process left

    def _recover_slot(self, folder: Folder, slot: slots.Slot) -> list[int]:
        names = sorted(p.name for p in slot.folder.iterdir())
        data = [n for n in names if n[_TOKEN : _TOKEN + 1] in (_FROM_SOURCE, _FROM_ARGUMENT) and n[:1] != "."]
        owned = self._owned(data)
        for name in owned:
            (slot.folder / name).unlink()
        for name in names:
            path = slot.folder / name
            if name.startswith("."):
                path.unlink()
            elif name[_TOKEN : _TOKEN + 1] == _MARKER and not any(d.startswith(name[:_TOKEN]) for d in data):
                self._recover_marker(folder, path)
        group = []
        for name in data:
            if name not in owned:
                rest = name[_TOKEN + 1 :]
                source = ARGUMENT if name[_TOKEN] == _FROM_ARGUMENT else folder.name
                try:
                    group.append(_Claim(slot.folder / name, rest, source, identified(self.app.settings, rest)))
                except UsageError:  # the names table changed since
                    _put_back(slot.folder / name, folder.path / rest)
        if names:
            log.get(__name__).info("claim.recovered", source=folder.name, unlinked=len(owned), completed=len(group))
        done = self._own(folder, slot, group)
        for marker in slot.folder.glob(f"*{_MARKER}*"):
            if any(marker.name.startswith(name[:_TOKEN]) for name in owned):
                marker.unlink()
        return done

    def _owned(self, names: Sequence[str]) -> set[str]:
        """Those of these claim names that have a row, and archived bytes with it."""
        statement = text("SELECT claim_name, archive_name FROM inbound_file WHERE claim_name IN :names").bindparams(
            state_list("names")
        )
        by_shown = {printable(name): name for name in names}
        owned = set()
        with self.app.db.read() as connection:
            shown = list(by_shown)
            for start in range(0, len(shown), 500):
                for claim_name, archived in connection.execute(statement, {"names": shown[start : start + 500]}):
                    if archived and (self.app.home.archive / archived).is_file():
                        owned.add(by_shown[claim_name])
        return owned

    def _recover_marker(self, folder: Folder, path: Path) -> None:
        """A marker alone: its file was never claimed, so it goes back; or is long done, so it goes."""
        with self.app.db.read() as connection:
            done = connection.execute(
                text("SELECT 1 FROM inbound_file WHERE claim_name LIKE :token"), {"token": path.name[:_TOKEN] + "%"}
            ).first()
        if done:
            path.unlink()
        else:
            _put_back(path, folder.path / path.name[_TOKEN + 1 :])


def _holds_accounts(claim: _Claim, handle: IO[bytes]) -> bool:
    """Whether its bytes are a bank's, by its name or by what it begins with. Leaves the handle at its beginning."""
    head = handle.read(HEAD)
    handle.seek(0)
    return is_bank_kind(claim.what.kind) or is_nacha(head)


def room(app: App) -> tuple[int, int]:
    """Bytes free where the home keeps what it takes, and how many there must be for anything to be taken."""
    return shutil.disk_usage(app.home.var).free, app.settings.gateway.intake.free_space_mb * MB


def _claimed(folder: Folder) -> Path:
    """Beside the source, so that a claim is a rename within one filesystem."""
    return folder.path / ".claimed"


def _identity(status: os.stat_result) -> Identity:
    sort = "file" if stat.S_ISREG(status.st_mode) else "other"
    return (sort, status.st_size, status.st_mtime_ns, status.st_ino)


def _put_back(claimed: Path, original: Path) -> None:
    """Return a name without overwriting: if something new has taken it, ours stays and the next start claims it."""
    try:
        os.link(claimed, original, follow_symlinks=False)
    except FileExistsError:
        return
    except PermissionError:  # a link to what one cannot read is forbidden on many systems
        if not original.exists():
            claimed.rename(original)
        return
    claimed.unlink()


def _copy(source: Path, target: Path) -> None:
    """A durable copy that has its name only when it is whole."""
    temporary = target.with_name(f".{target.name}.tmp")
    with source.open("rb") as read, temporary.open("wb") as written:
        shutil.copyfileobj(read, written, BLOCK)
        written.flush()
        os.fsync(written.fileno())
    temporary.replace(target)
    fsync_dir(target.parent)
