"""Backup and restore of a home: ledger, originals, claimed files, settings and keys, with a manifest of SHA-256s.

The ledger is copied first, from one consistent view; the archive only ever grows and a file is durable in it before
its row says so, hence every original the copied ledger names is there. A backup of one database restores into the
other, and one of an earlier schema is upgraded. Restoring takes an empty home and an empty database, and ``verify``
proves the result; reports and Avro files of what came in, and the outbox, are made again from it. What left, came or was
numbered after the backup is not in it: a restore doubts whatever could have left since, and leaves the word to people
(``restored``).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.app import codes_of
from gateway.errors import GatewayError, LedgerError, Refused, SettingsError
from gateway.home import Home, fsync_dir, write_durably
from gateway.ledger import dump, migrate, process_lock, restored, revision, verify_files
from gateway.ledger.database import Database
from gateway.ledger.dump import Progress
from gateway.ledger.opening import ledger_of, name_database
from gateway.ledger.verify import Render, sealed_by_known_keys, verify
from gateway.settings_reading import load_settings
from gateway.vault import Vault, open_vault

MANIFEST: Final = "manifest.json"
LEDGER: Final = "ledger.jsonl.zst"
_CLAIMED: Final = ".claimed"
_PARTS: Final = ("config", f"inbox/{_CLAIMED}", "var/archive")
"""Folders of a home that are copied, those that files leave first."""

Doubt = Callable[[Connection, str], Sequence[str]]
"""Doubts what could have left since a backup, at this instant; gives what there is of it in words, with what settles it."""

_BLOCK: Final = 1 << 20
_FILE, _FOLDER = 0o600, 0o700
NOBODY: Final = "-"
"""In the record, the code of a system user who has none."""


@dataclass(frozen=True, slots=True)
class BackupResult:
    files: int
    rows: int
    bytes: int
    has_key: bool
    """False where the field key is not a file of the home: what is sealed does not open without it."""
    lacks: tuple[str, ...] = ()
    """Originals that the ledger names and that are not in it as received, each with what is wrong. The manifest has them."""


@dataclass(frozen=True, slots=True)
class RestoreResult:
    files: int
    rows: int
    checks: int
    made_at: str | None
    """The instant of the backup; None: made by a version that did not tell."""
    doubts: tuple[str, ...]
    """What may have left since, each with the command that settles it."""
    locked: str | None
    """Sealed values that no key of the new home opens, by key; None: each has its key."""
    lacks: tuple[str, ...]
    """As the backup's."""


def backup(home: Home, db: Database, target: Path, *, at: str, progress: Progress | None = None) -> BackupResult:
    """Copy everything that cannot be made again into a new folder; ``at`` is this instant. The manifest comes last: without
    it, no backup, and one that does not come so far leaves nothing. Originals that are missing or changed are told at once,
    while an earlier backup may still have them."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Refused(f"backup to {target}: found something there, expected a new or empty folder; name another one")
    if any(target.resolve().is_relative_to((home.root / part).resolve()) for part in _PARTS):
        raise _inside(target)
    existed = target.exists()
    try:
        target.mkdir(parents=True, exist_ok=True, mode=_FOLDER)
        target.chmod(_FOLDER)
    except OSError as error:
        raise Refused(
            f"backup to {target}: found no way to make that folder ({error.strerror}), expected one that this user may make "
            "and write in; name another one"
        ) from error
    with _whole_or_nothing(target, existed=existed):
        return _copied(home, db, target, at, progress)


def _copied(home: Home, db: Database, target: Path, at: str, progress: Progress | None) -> BackupResult:
    keys = _keys(home)
    rows, chain = dump.write(db, target / LEDGER, progress)
    with db.read() as connection:  # before the archive is copied: it has what every row so far names
        originals = verify_files.archived(connection)
    files = {LEDGER: _settle(target / LEDGER)}
    for part in _PARTS:
        for source in _files_below(home.root / part, target):
            name = source.relative_to(home.root).as_posix()
            copied = _copy(source, target, name)
            if copied is not None:
                files[name] = copied
    if _keys(home) != keys:
        raise Refused(
            f"backup to {target}: found the field key rotated meanwhile, expected the one that sealed what was copied; "
            "run it again"
        )
    lacks = verify_files.strange_originals(originals, target / home.archive.relative_to(home.root), _vault(home))
    manifest = {"format": dump.FORMAT, "at": at, "rows": rows, "files": files, "chain": chain, "lacks": lacks}
    write_durably(target / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True).encode(), mode=_FILE)
    has_key = home.field_key.relative_to(home.root).as_posix() in files
    return BackupResult(len(files), sum(rows.values()), sum(f["bytes"] for f in files.values()), has_key, tuple(lacks))


@contextmanager
def _whole_or_nothing(target: Path, *, existed: bool) -> Iterator[None]:
    """A backup that fails or is stopped leaves nothing, so that the same command makes it once its cause is gone."""
    try:
        yield
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        if existed:
            target.mkdir(exist_ok=True, mode=_FOLDER)
        raise


def _keys(home: Home) -> list[bytes | None]:
    return [path.read_bytes() if path.exists() else None for path in (home.field_key, home.next_field_key)]


def _inside(target: Path) -> Refused:
    return Refused(
        f"backup to {target}: found that folder inside what is copied, expected another one: it would be copied into itself; name "
        "one outside of the home"
    )


def _files_below(folder: Path, target: Path) -> Iterator[Path]:
    """Files, and what links to files and folders point at, as if it lay there; names that are being written (leading dot)
    are left out. A link among claimed files is a sender's, and left out too. Raises Refused for one that points nowhere,
    for a folder that is reached twice, and for the ``target`` of the backup."""
    action = f"backup to {target}"
    follow = folder.name != _CLAIMED
    if folder.is_symlink() and not folder.exists():
        raise _nowhere(folder, action)
    seen: set[Path] = set()
    for place, folders, names in os.walk(folder, followlinks=follow):
        inside = Path(place)
        if inside.resolve() in seen:
            raise Refused(
                f"{action}: found {inside} to be a folder that was copied already, expected one link to it at most"
            )
        if inside.resolve() == target.resolve():
            raise _inside(target)
        seen.add(inside.resolve())
        folders.sort()
        for path in (inside / name for name in sorted(names) if not name.startswith(".")):
            if follow and path.is_symlink() and not path.exists():
                raise _nowhere(path, action)
            if path.is_file() and (follow or not path.is_symlink()):
                yield path


def _nowhere(link: Path, action: str) -> Refused:
    return Refused(
        f"{action}: found {link} a link to {link.readlink()}, where nothing is, expected what the home needs; mount or restore "
        "it, or remove the link"
    )


def _copy(source: Path, root: Path, name: str) -> dict[str, Any] | None:
    """Copy one file, owner only; None when it went away meanwhile (a claimed file that was archived)."""
    target = root / name
    for folder in reversed(target.relative_to(root).parents):
        (root / folder).mkdir(exist_ok=True, mode=_FOLDER)
    try:
        with (
            source.open("rb") as read,
            os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE), "wb") as to,
        ):
            shutil.copyfileobj(read, to, _BLOCK)
    except FileNotFoundError:
        return None
    return _settle(target)


def _settle(path: Path) -> dict[str, Any]:
    """Owner only, flushed to disk; gives size and hash as they lie there."""
    path.chmod(_FILE)
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
        os.fsync(handle.fileno())
    fsync_dir(path.parent)
    return {"sha256": digest.hexdigest(), "bytes": path.stat().st_size}


def check_backup(source: Path) -> dict[str, Any]:
    """Read the manifest and hash every file of a backup. Raises GatewayError with what is missing or changed."""
    try:
        manifest: dict[str, Any] = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError) as error:
        raise GatewayError(
            f"restoring {source}: found no readable {MANIFEST}, expected a backup's folder; name another one"
        ) from error
    bad = []
    for name, told in manifest["files"].items():
        path = source / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            bad.append(f"{name} (outside)")
        elif not path.is_file():
            bad.append(f"{name} (missing)")
        elif _hash(path) != told["sha256"]:
            bad.append(f"{name} (changed)")
    if bad:
        raise GatewayError(
            f"restoring {source}: found {len(bad)} files unlike the manifest ({', '.join(bad[:5])}), expected all as written; "
            "use another backup"
        )
    return manifest


def _hash(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def restore(
    source: Path,
    home: Home,
    *,
    at: str,
    user: str,
    doubt: Doubt,
    database_url: str | None = None,
    render: Render | None = None,
    progress: Progress | None = None,
) -> RestoreResult:
    """Bring a backup into an empty home and an empty database, prove it, and doubt what may have left since.

    ``at`` is this instant and ``user`` the system user who restores, as the record has them.
    Originals that were lost when it was made are lost, and said to be: what else it holds is needed all the more.
    The database is the one the backed-up settings name, or ``database_url``, which then stands in them. One with rows
    is refused before anything is done to it; nothing is left behind, in it or in the home, when the restore fails, unless
    another home has worked in it by then. One that is killed leaves a folder that no command opens (``Home.restoring``).
    """
    manifest = check_backup(source)
    if home.root.exists() and any(home.root.iterdir()):
        raise Refused(f"restoring into {home.root}: found something there, expected no home yet; name a new folder")
    home.root.mkdir(parents=True, exist_ok=True, mode=_FOLDER)
    try:
        write_durably(home.restoring, b"", mode=_FILE)
        for name in manifest["files"]:
            if name != LEDGER:
                _copy(source / name, home.root, name)
        home.make()
        if database_url is not None:
            name_database(home, database_url)
        settings = load_settings(home)
        db = ledger_of(home, settings.gateway.database.url)
        try:
            revision.current(db)  # what cannot be opened is told in words
            doubts: list[str] = []

            def settle(connection: Connection) -> None:
                code = next(iter(codes_of(settings, user)), NOBODY)
                restored.mark(connection, code=code, user=user, backup_at=manifest.get("at"), at=at)
                doubts.extend(doubt(connection, at))

            with _alone(db, home):
                dump.require_empty(db)
                try:
                    rows, checks, locked, lacks = _fill(db, source, manifest, home, render, progress, settle)
                except BaseException as error:
                    if not migrate.remove(db, unless=lambda connection: _others_wrote(connection, manifest["rows"])):
                        raise LedgerError(
                            f"restoring into {home.root}: {error or type(error).__name__}; found work of another home in the same "
                            "database since, expected none: it stays there, with what was restored, which is not proved: see gateway "
                            "verify at that home; to restore again, stop every home that shares it, and name an empty database"
                        ) from error
                    raise
        finally:
            db.close()
        home.restoring.unlink()
        fsync_dir(home.root)
    except BaseException:
        shutil.rmtree(home.root, ignore_errors=True)
        raise
    return RestoreResult(len(manifest["files"]), rows, checks, manifest.get("at"), tuple(doubts), locked, lacks)


@contextmanager
def _alone(db: Database, home: Home) -> Iterator[None]:
    """Of two that restore into one database, the second would remove what the first brought."""
    try:
        with process_lock.held(db, ["restore"]):
            yield
    except process_lock.Taken:
        raise Refused(
            f"restoring into {home.root}: found another restore into the same database at work, expected one at a time; look at "
            "what becomes of that one"
        ) from None


_WORK: Final = ("inbound_file", "outbound_file", "posting_unit")
"""What every home that is at work writes sooner or later."""


def _others_wrote(connection: Connection, brought: Mapping[str, int]) -> bool:
    """Whether there is more than a restore brings, or some of it though it brought nothing: homes that share the ledger are at
    work as soon as it has tables."""
    ours = tuple(brought.get(table, 0) for table in _WORK)
    found = tuple(connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one() for table in _WORK)
    return found != ours and any(found)


def _vault(home: Home) -> Vault | None:
    """The keys of a restored home; None where they are not at hand: what is sealed is as it was backed up all the same."""
    try:
        return open_vault(home)
    except SettingsError:
        return None


def _fill(
    db: Database,
    source: Path,
    manifest: dict[str, Any],
    home: Home,
    render: Render | None,
    progress: Progress | None,
    settle: dump.Then,
) -> tuple[int, int, str | None, tuple[str, ...]]:
    """Rows, checks, and two that stop no restore: what no key opens, for its key may come later, and originals that were not
    as received when it was made. The rows come into tables of the schema they were of, and are upgraded there. The chain's
    ends must be those of the day of the backup.

    Homes that share the ledger may be at work: they see no row before it is doubted (``settle``), whatever schema it was of.
    """
    schema = dump.revision_of(source / LEDGER)
    migrate.upgrade(db, schema)
    if db.is_sqlite and home.ledger.exists():
        home.ledger.chmod(_FILE)

    def then(connection: Connection) -> None:
        if not db.is_sqlite:  # a table whose rows are still to be looked at takes no change
            connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        migrate.upgrade_within(db, connection, revision.newest())
        settle(connection)

    rows = dump.read(db, source / LEDGER, progress, then=then)
    vault = _vault(home)
    checks = verify(db, archive=home.archive, vault=vault, render=render)
    differ = [check for check in checks if not check.ok]
    with db.read() as connection:
        chain = dump.chain_ends(connection, rows["posting_unit"])
        lacks = _lacked(connection, home, vault, manifest) if differ else ()
    wrong = [
        f"{check.name} {check.where}: {check.detail}"
        for check in differ
        if not (lacks and check.name == verify_files.ORIGINALS)
    ]
    if rows != manifest["rows"] or chain != manifest["chain"]:
        wrong.append("rows or digests differ from the manifest")
    if wrong:
        raise LedgerError(
            f"restoring {source}: found {'; '.join(wrong[:5])}, expected the ledger as it was backed up; use another backup"
        )
    with db.read() as connection:
        keyed = sealed_by_known_keys(connection, home.archive, () if vault is None else vault.ids)
    return sum(rows.values()), len(checks) + 1, None if keyed.ok else keyed.detail, lacks


def _lacked(connection: Connection, home: Home, vault: Vault | None, manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Originals that are not as received, where the manifest tells of all of them; none where it does not."""
    strange = verify_files.strange_originals(verify_files.archived(connection), home.archive, vault)
    return tuple(strange) if set(strange) <= set(manifest.get("lacks", ())) else ()
