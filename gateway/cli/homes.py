"""Commands about a home: init, demo, db upgrade, backup, restore."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gateway import setup, vault
from gateway.app import find_home, system_user
from gateway.cli.common import DONE, FAULT, Session, command
from gateway.clock import SystemClock, instant_text
from gateway.errors import UsageError
from gateway.home import Home
from gateway.settings_reading import load_settings
from gateway.settings_types import database_address


def register(app: typer.Typer) -> None:
    command(app, "init", example="gateway init /srv/lease-gateway")(init)
    command(app, "demo", example="gateway demo /tmp/lease-demo")(demo)
    command(app, "backup", example="gateway backup /backups/2026-11-21")(backup)
    command(app, "restore", example="gateway restore /backups/2026-11-21 --home /srv/new-home")(restore)
    database = typer.Typer(no_args_is_help=True, help="The ledger's schema.")
    command(database, "upgrade", example="gateway db upgrade")(db_upgrade)
    app.add_typer(database, name="db")


DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        help="The ledger's PostgreSQL database: postgresql://user@host/name, env:NAME or file:PATH.",
    ),
]


def _check_address(database: str | None) -> None:
    """Raises UsageError for what no settings file may hold."""
    try:
        database_address(database or "")
    except ValueError as error:
        raise UsageError(f"--database: {error}") from error


def init(
    session: Session,
    folder: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Where; --home or this folder otherwise.")
    ] = None,
    code: Annotated[str | None, typer.Option("--code", metavar="XXX", help="Your 3-letter operator code.")] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="For a home whose field key is lost: load vendors.csv again afterwards.")
    ] = False,
    group: Annotated[
        str | None, typer.Option("--group", help="A group that works in the home; shares a home that is there, too.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Make a new home: folders, commented settings, a field key, you as its first operator, an empty ledger."""
    target = folder or session.home
    shared = None if group is None or new_key else setup.share_home(target, group)
    if shared is not None:
        session.show(
            {"home": str(shared.root), "group": group},
            f"Group {group} shares {shared.root} now; name its people in config/operators.toml.",
        )
        return
    _check_address(database)
    home = setup.make_home(target, user=system_user(), code=code, new_key=new_key, group=group, database=database)
    operators = load_settings(home).operators.operators
    own = next(c for c in operators if c != "SVC" or len(operators) == 1)
    missing = [] if database is None else _missing_keys(home)
    session.show(
        {"home": str(home.root), "operator": own, "ledger": database or str(home.ledger), "missing_keys": missing},
        [
            f"Made a home in {home.root}; you are operator {own}.",
            "",
            "Next:",
            f"  edit {home.settings_file.relative_to(home.root)} and config/portfolios/p01.toml (every key is explained there)",
            f"  gateway config check --home {target}",
            f"  gateway load FOLDER --date YYYY-MM-DD --home {target}   # your CSV files; the date is the open business date",
            f"  gateway status --home {target}",
            f"  gateway run --home {target}   # watch inbox/, post, close the day, deliver",
            "",
            "Keep config/keys/field.key safe: account numbers are encrypted with it.",
            *(
                f"The ledger is in use, and what key {key} seals in it cannot be read here: put config/keys/field.key of the "
                "home that has it in the place of this one, before anything is loaded."
                for key in missing
            ),
        ],
    )


def _missing_keys(home: Home) -> list[str]:
    """Fingerprints of keys that seal account numbers in the ledger and that this home has not."""
    from gateway.app import open_app
    from gateway.release import keys

    app = open_app(home.root)
    try:
        return [key.fingerprint for key in keys.show(app).keys if key.role == "missing"]
    finally:
        app.close()


def demo(
    session: Session,
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="A new folder for the demo's home.")] = None,
) -> int:
    """Run the whole job on sample data in a fresh home, with a local SFTP server, and show what happened."""
    from gateway.cli.demo import run_demo

    return run_demo(session, folder or Path("var/demo"))


def db_upgrade(session: Session) -> None:
    """Bring the ledger to the schema this version needs. Safe to run again."""
    before, after = setup.open_ledger(find_home(session.home))
    text = (
        f"The ledger is at revision {after} already."
        if before == after
        else f"Upgraded from {before or 'nothing'} to {after}."
    )
    session.show({"before": before, "after": after}, text)


def backup(session: Session, target: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")]) -> int:
    """Copy ledger, archive and settings (with keys) consistently into a new folder."""
    from gateway.ledger import backup as backups

    session.app.operator.require("admin", "backup")
    with session.progress("backing up") as progress:
        result = backups.backup(session.app.home, session.app.db, target, at=session.app.now(), progress=progress)
    session.show(
        {
            "folder": str(target),
            "files": result.files,
            "rows": result.rows,
            "bytes": result.bytes,
            "has_key": result.has_key,
            "lacks": list(result.lacks),
        },
        [
            f"Wrote {result.files} files and {result.rows:,} ledger rows to {target} ({result.bytes:,} bytes).",
            "It holds keys and account data: keep it as safe as the home."
            if result.has_key
            else "The field key is not in it, because it is no file of the home: keep it too, for nothing sealed opens without it.",
            *_lacking(result.lacks, "in it"),
            *(["Keep the backups from before: they may have them."] if result.lacks else []),
            f"Prove it with: gateway restore {target} --home NEW_HOME",
        ],
    )
    return FAULT if result.lacks else DONE


def restore(
    session: Session,
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A backup's folder.")],
    database: DatabaseOption = None,
) -> int:
    """Restore a backup into a new home and an empty ledger, then prove it with verify. What may have left since the backup
    is in doubt until people settle it, so that nothing is sent twice. With --database '' the ledger is
    SQLite in the new home; without, it is where the settings of the backup say."""
    _check_address(database)
    home = Home(session.home.resolve())
    from gateway.ledger import backup as backups
    from gateway.ledger.restored import COMMAND
    from gateway.parts import doubts

    if not (source / "manifest.json").is_file():
        raise UsageError(f"restoring {source}: found no manifest.json there, expected a folder that backup made")
    with session.progress("restoring") as progress:
        result = backups.restore(
            source, home, at=instant_text(SystemClock().now()), user=system_user(), doubt=doubts,
            database_url=database, progress=progress,
        )  # fmt: skip
    session.show(
        {
            "home": str(home.root), "files": result.files, "rows": result.rows, "checks": result.checks,
            "ok": result.locked is None and not result.lacks, "locked": result.locked, "lacks": list(result.lacks),
            "backup_at": result.made_at, "in_doubt": list(result.doubts),
        },
        [
            f"Restored {result.files} files and {result.rows:,} ledger rows into {home.root}.",
            f"Verify passed all {result.checks} checks of the ledger as it was backed up."
            if result.locked is None and not result.lacks
            else f"Verify ran {result.checks} checks of the ledger as it was backed up. It is sound but for what differs:",
            *_lacking(result.lacks, "in the archive"),
            *(
                [
                    f"DIFFERS account numbers are sealed with a key of this home: found {result.locked}, which is not in the "
                    f"backup and not in the environment: {_locked(home)}, then run gateway verify."
                ]
                if result.locked is not None
                else []
            ),
            *(f"IN DOUBT {said}" for said in result.doubts),
            "What left or came after the backup is not known here: nothing leaves by itself until it was compared with what "
            f"receivers and senders have, and somebody says so: {COMMAND}",
        ],
    )  # fmt: skip
    return DONE if result.locked is None and not result.lacks else FAULT


def _lacking(originals: Sequence[str], where: str) -> list[str]:
    """What a backup was made without, in words."""
    if not originals:
        return []
    return [
        f"DIFFERS originals are {where} as received: found {len(originals)} missing or changed ({', '.join(originals[:5])}). Put "
        "them back into var/archive from an earlier backup, or from the home that took the files in; gateway verify names them "
        "until then."
    ]


def _locked(home: Home) -> str:
    """What comes of a missing key, and what to do where it is found: one that is there must not be overwritten with it."""
    if home.field_key.exists() or vault.from_environment():
        return f"what it sealed cannot be read or paid. Where it is found, {vault.found_again(home)}"
    return "nobody can be paid. Put it into config/keys/field.key"
