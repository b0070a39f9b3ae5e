"""A home: the folder that holds ``config/ inbox/ outbox/ var/``. Every path the gateway uses is named here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final


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
        """Create what is missing. ``var`` and ``config/keys`` hold money and secrets: owner only."""
        for folder in self.folders():
            folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.var, self.keys):
            folder.chmod(0o700)


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
