"""A home: the folder that holds ``config/ inbox/ outbox/ var/``. Every path the gateway uses is named here.

A home is its owner's alone (``var`` and ``config/keys`` 0700, bank files and keys 0600), or a group shares it (``share``):
then folders are 2770 and files 0660, those below ``config`` 2750 and 0640, and nothing is open to others. Which of the two
it is, ``var`` itself says: it has the bit that hands its group on to what is made in it.
"""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import SettingsError

BLOCK: Final = 1 << 20
"""Bytes of a file that are read, and sealed, at a time."""


@dataclass(frozen=True, slots=True)
class Home:
    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config"

    @property
    def settings_file(self) -> Path:
        return self.config / "gateway.toml"

    @property
    def restoring(self) -> Path:
        """There while a restore fills the home, so that one that was cut off is no home."""
        return self.root / ".restoring"

    @property
    def portfolios(self) -> Path:
        return self.config / "portfolios"

    @property
    def formats(self) -> Path:
        return self.config / "formats"

    @property
    def operators_file(self) -> Path:
        return self.config / "operators.toml"

    @property
    def keys(self) -> Path:
        return self.config / "keys"

    @property
    def known_hosts(self) -> Path:
        return self.keys / "known_hosts"

    @property
    def field_key(self) -> Path:
        return self.keys / "field.key"

    @property
    def next_field_key(self) -> Path:
        """There while keys are rotated."""
        return self.keys / "field.key.next"

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def claimed(self) -> Path:
        return self.inbox / ".claimed"

    @property
    def outbox(self) -> Path:
        return self.root / "outbox"

    @property
    def var(self) -> Path:
        return self.root / "var"

    @property
    def ledger(self) -> Path:
        return self.var / "ledger.db"

    @property
    def archive(self) -> Path:
        return self.var / "archive"

    @property
    def quarantine(self) -> Path:
        return self.var / "quarantine"

    @property
    def reports(self) -> Path:
        return self.var / "reports"

    @property
    def avro(self) -> Path:
        return self.var / "avro"

    @property
    def work(self) -> Path:
        return self.var / "work"

    @property
    def log(self) -> Path:
        return self.var / "log"

    def folders(self) -> tuple[Path, ...]:
        return (
            self.config, self.portfolios, self.formats, self.keys, self.inbox, self.claimed, self.outbox,
            self.var, self.archive, self.quarantine, self.reports, self.avro, self.work, self.log,
        )  # fmt: skip

    def make(self) -> None:
        """Create what is missing. ``var`` and ``config/keys`` hold money and secrets: owner only, or the group's that
        shares the home. Raises PermissionError for a user whose home it is not, SettingsError for what is no folder."""
        self.mask()
        for folder in self.folders():
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except FileExistsError as error:
                found = "a file, expected a folder; move it away"
                if folder.is_symlink():
                    found = f"a link to {folder.readlink()}, which is no folder, expected a folder; mount what it leads to, or move it away"
                raise SettingsError([f"{folder}: found {found}"]) from error
        if not self.shared:
            for folder in (self.var, self.keys):
                if stat.S_IMODE(folder.stat().st_mode) != 0o700:
                    folder.chmod(0o700)
        for path, needed in ((self.var, os.W_OK), (self.ledger, os.R_OK | os.W_OK), (self.field_key, os.R_OK)):
            if path.exists() and not os.access(path, needed):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def mask(self) -> None:
        """What this process makes from now on is the group's too, if one shares the home, whatever mode it was asked for
        by default. Before the first file, which is the log."""
        if self.shared:
            os.umask(0o007)

    @property
    def shared(self) -> bool:
        """Whether a group shares the home."""
        try:
            mode = self.var.stat().st_mode
        except FileNotFoundError:
            return False
        return bool(mode & stat.S_ISGID) and mode & 0o070 == 0o070

    @property
    def private_file(self) -> int:
        """The mode of a file that holds account numbers or money."""
        return 0o660 if self.shared else 0o600

    @property
    def private_folder(self) -> int:
        return 0o770 if self.shared else 0o700

    @property
    def key_file(self) -> int:
        return 0o640 if self.shared else 0o600

    def require_private(self, secret: Path, what: str) -> None:
        """A key or another secret is read by its owner, and the group that shares the home, or not at all. Raises
        SettingsError naming ``what`` for one that others can read, OSError for none (``regular``)."""
        mode = stat.S_IMODE(regular(secret).st_mode)
        if mode & (0o037 if self.shared else 0o077):
            wanted = f"{self.key_file:04o}"
            raise SettingsError(
                [f"{what}: found it readable by others (mode {mode:04o}), expected {wanted}: run chmod {wanted} on it"]
            )

    def share(self, group: int) -> None:
        """Give all of the home to a group that works in it together; again mends what was made otherwise. Settings and
        keys it reads only: who may do what is the owner's to say. Raises PermissionError for files of others."""
        os.umask(0o007)
        _give(self.root, group, stat.S_IMODE(self.root.stat().st_mode) | 0o050)
        for top, folder_mode, file_mode in (
            (self.config, 0o2750, 0o640), (self.inbox, 0o2770, 0o660), (self.outbox, 0o2770, 0o660), (self.var, 0o2770, 0o660),
        ):  # fmt: skip
            for place, _folders, names in os.walk(top):
                _give(Path(place), group, folder_mode)
                for name in names:
                    path = Path(place, name)
                    if not path.is_symlink():
                        _give(path, group, file_mode)


def regular(path: Path) -> os.stat_result:
    """A file that may be read to its end. Raises OSError for none, for a folder, and for a pipe or a device, at which a command
    would wait for ever."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "A pipe, a socket or a device", str(path))
    return status


def _give(path: Path, group: int, mode: int) -> None:
    """What another of the group made is the group's already. In this order: a change of the group takes the bit that
    hands it on."""
    status = path.stat()
    theirs = os.geteuid() not in (0, status.st_uid)
    if theirs and status.st_gid == group and status.st_mode & 0o047 == 0o040:
        return
    os.chown(path, -1, group)
    path.chmod(mode)


_TEMPORARY: Final = ".tmp"


def is_being_written(path: Path) -> bool:
    """Whether a live process of this machine is writing this name by ``write_durably``."""
    pid = _writer(path)
    return pid is not None and _is_alive(pid)


def is_left_behind(path: Path) -> bool:
    """Whether a process that is gone was writing this name by ``write_durably``."""
    pid = _writer(path)
    return pid is not None and not _is_alive(pid)


def _writer(path: Path) -> int | None:
    found = re.fullmatch(r"\..+\.(\d{1,9})" + re.escape(_TEMPORARY), path.name)
    return None if found is None else int(found[1])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def fsync_dir(folder: Path) -> None:
    """Make a rename, creation or removal in ``folder`` survive a power failure."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def temporary_of(path: Path) -> Path:
    """The name under which this process writes what is then renamed to ``path``: another one may write the same at once. What
    processes that are gone left of it is removed."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{_TEMPORARY}"):
        if is_left_behind(left):
            left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")


def write_durably(path: Path, data: bytes | Iterable[bytes], *, mode: int = 0o640) -> None:
    """Write ``data`` (or its blocks) beside ``path``, flush to disk, rename over it: readers see all of it or none."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(fd, "wb") as handle:
            handle.writelines((data,) if isinstance(data, bytes) else data)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    fsync_dir(path.parent)


def read_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file in blocks; it is never held whole."""
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            yield block
