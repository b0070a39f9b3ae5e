"""A new home: folders, commented settings, field key, the caller as operator, an empty ledger."""

from __future__ import annotations

import grp
import os
import re
import shutil
import tomllib
from contextlib import closing
from pathlib import Path

import gateway
from gateway import vault
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.ledger import migrate, revision
from gateway.ledger.opening import ledger_of, name_database
from gateway.settings_reading import load_settings


def default_config() -> Path:
    """The commented settings: package data in a wheel, ``config/`` of the checkout otherwise."""
    package = Path(gateway.__file__).parent
    packaged = package / "defaults" / "config"
    return packaged if packaged.is_dir() else package.parent / "config"


def make_home(
    root: Path,
    *,
    user: str,
    code: str | None = None,
    new_key: bool = False,
    group: str | None = None,
    database: str | None = None,
) -> Home:
    """Create a home at ``root``, which ``group`` shares. Refused when one is there already: nothing of it is ever
    overwritten. ``database`` is written into its settings as ``database.url``.

    ``new_key`` makes a key for a home whose own was lost; what the old one sealed must then be loaded again.
    """
    home = Home(root.resolve())
    shared_by = None if group is None else group_id(group)
    if _has_operators(home) and not (new_key and not home.field_key.exists()):
        lost = (
            ""
            if home.field_key.exists()
            else (
                " whose config/keys/field.key is missing; put the key of a backup back, or, if it is lost, run "
                "`gateway init --new-key` and load vendors.csv again"
            )
        )
        raise Refused(f"init {root}: found a home there already{lost or ', expected a new folder; name another one'}")
    if database is not None:
        with closing(ledger_of(home, database)) as db:  # what leads nowhere is told before anything is made
            revision.refuse_newer(revision.current(db))
    try:
        home.make()
    except OSError as error:
        raise UsageError(
            f"init {root}: {error.strerror} ({error.filename}); expected a folder that can be made"
        ) from error
    source = default_config()
    for path in sorted(source.rglob("*.toml")):
        target = home.config / path.relative_to(source)
        if not target.exists() and path.name != "operators.toml":
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    if database is not None:
        name_database(home, database)
    code = (code or operator_code(user)).upper()
    if not re.fullmatch(r"[A-Z0-9]{3}", code):
        raise UsageError(f"init: found operator code {code!r}, expected three letters or digits")
    if not _has_operators(home):  # a home whose key was lost keeps its people
        enter_operator(home, source, code, user)
    if not home.field_key.exists():
        fd = os.open(home.field_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as handle:
            handle.write(vault.new_key() + "\n")
    home.known_hosts.touch(mode=0o600)
    open_ledger(home)
    if shared_by is not None:
        home.share(shared_by)
    return home


def share_home(root: Path, group: str) -> Home | None:
    """Share a home that is there with a group; None when there is none. Raises UsageError for a group that is none of
    the caller's."""
    home = Home(root.resolve())
    if not _has_operators(home):
        return None
    home.share(group_id(group))
    return home


def group_id(name: str) -> int:
    """The number of a group that the caller is in."""
    try:
        found = grp.getgrnam(name).gr_gid
    except KeyError:
        raise UsageError(
            f"--group {name}: found no such group, expected one of this system; make it (groupadd)"
        ) from None
    if os.geteuid() != 0 and found not in (os.getegid(), *os.getgroups()):
        raise UsageError(
            f"--group {name}: found that you are not in it, expected a group of yours; join it and log in again"
        )
    return found


def open_ledger(home: Home) -> tuple[str | None, str]:
    """Create or upgrade the ledger the home's settings name; gives the revision before and after."""
    url = load_settings(home).gateway.database.url
    db = ledger_of(home, url)
    try:
        changed = migrate.upgrade(db)
    finally:
        db.close()
    if not url and home.ledger.stat().st_mode & 0o777 != home.private_file:
        home.ledger.chmod(home.private_file)
    return changed


def _has_operators(home: Home) -> bool:
    if not home.operators_file.exists():
        return False
    return bool(tomllib.loads(home.operators_file.read_text(encoding="utf-8")).get("operators"))


def operator_code(user: str) -> str:
    """Three characters from a user name: ``alex`` -> ``ALE``, ``bo`` -> ``BOX``."""
    letters = re.sub(r"[^A-Za-z0-9]", "", user)
    return (letters + "XXX")[:3].upper()


def enter_operator(home: Home, source: Path, code: str, user: str) -> None:
    """Write ``operators.toml`` with the caller, and the service's code under the same user."""
    text = (source / "operators.toml").read_text(encoding="utf-8")
    quoted = user.replace("\\", "\\\\").replace('"', '\\"')
    text += f'\n[operators.{code}]\nname = "{quoted}"\nusers = ["{quoted}"]\n'
    if code != "SVC":
        text += f'\n[operators.SVC]\nname = "the service (gateway run)"\nusers = ["{quoted}"]\nrights = ["post", "deliver"]\n'
    home.operators_file.write_text(text, encoding="utf-8")
