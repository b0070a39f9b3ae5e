"""Backup and restore: the same ledger in either database, proven by verify; nothing is believed that was changed."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from gateway.app import find_home
from gateway.errors import GatewayError, LedgerError, Refused
from gateway.home import Home
from gateway.ledger import backup as backups
from gateway.ledger import dump, migrate, revision, triggers, units
from gateway.ledger.backup import LEDGER, MANIFEST, check_backup
from gateway.ledger.database import Database
from gateway.ledger.load import load
from gateway.ledger.vendor_changes import Maker
from gateway.ledger.verify import verify
from gateway.parts import doubts
from gateway.settings_reading import load_settings
from gateway.vault import VARIABLE
from tests.conftest import _execute, database_at
from tests.ledger.reference import AT, PAYMENTS, VAULT, loaded, run, write

VENDORS = "vendor,name,routing_number,account_number,account_type,sec\nV1,ACME,091000019,123456789,checking,CCD\n"
backup = partial(backups.backup, at="2026-03-02T22:00:00.000000Z")
restore = partial(backups.restore, at=AT, user="anna", doubt=doubts)
_databases = (f"restored{n}" for n in itertools.count(1))


@pytest.fixture
def full(home: Home, db: Database, tmp_path: Path) -> Home:
    """A home with a ledger, an original in the archive, a claimed file, settings and a key."""
    loaded(db, tmp_path / "in", payments=PAYMENTS, vendors=VENDORS)
    home.settings_file.write_text("# defaults\n", encoding="utf-8")
    home.field_key.write_text("secret\n", encoding="utf-8")
    (home.archive / "ab").mkdir()
    (home.archive / "ab" / "abc").write_bytes(b"original")
    (home.claimed / "17").write_bytes(b"claimed")
    (home.claimed / ".part.tmp").write_bytes(b"half")
    return home


def everything(db: Database) -> dict[str, list[Any]]:
    """All rows, but the event that says that they were restored."""
    with db.read() as connection:
        return {
            table.name: [
                tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)
                for row in connection.execute(table.select().order_by(*table.primary_key.columns))
                if "the restored ledger" not in row
            ]
            for table in dump.tables()
        }


@pytest.fixture(params=["to sqlite", "to postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind, whatever the backup was made from."""
    if request.param == "to sqlite":
        return ""
    admin = request.getfixturevalue("postgres_url")
    name = next(_databases)
    _execute(admin, f"CREATE DATABASE {name}")
    request.addfinalizer(lambda: _execute(admin, f"DROP DATABASE {name} WITH (FORCE)"))
    return database_at(admin, name)


def address(db: Database) -> str:
    """As settings name it."""
    return db.url.set(drivername=db.url.get_backend_name()).render_as_string(hide_password=False)


def test_a_backup_restores_into_either_database(full: Home, db: Database, tmp_path: Path, empty_url: str) -> None:
    made = backup(full, db, tmp_path / "backup")
    assert made.files == 5 and made.rows > 300
    place = Home(tmp_path / "new")
    result = restore(tmp_path / "backup", place, database_url=empty_url)
    assert (result.files, result.rows) == (made.files, made.rows) and result.checks > 10
    assert load_settings(place).gateway.database.url == empty_url
    other = Database(empty_url) if empty_url else Database.at_path(place.ledger)
    try:
        assert everything(other) == everything(db)
        assert all(check.ok for check in verify(other, archive=place.archive))
        with pytest.raises(Exception, match="append-only"), other.write() as connection:
            connection.execute(text("DELETE FROM journal_line"))
        changed = tmp_path / "more"
        invoices = "invoice,lease,due_date,charge,amount\n9,1001,2026-05-01,PYMT,1.00\n"
        assert run(other, write(changed, invoices=invoices)).units == (2,)
    finally:
        other.close()
    assert (place.archive / "ab" / "abc").read_bytes() == b"original"
    assert (place.claimed / "17").read_bytes() == b"claimed"
    assert place.field_key.stat().st_mode & 0o777 == 0o600


def test_a_key_rotated_meanwhile_ends_a_backup(
    full: Home, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger was copied with the former key's values, and the settings would be with the new key alone."""
    whole = dump.write

    def rotated_after(*args: Any) -> Any:
        written = whole(*args)
        full.field_key.write_text("another\n", encoding="utf-8")
        return written

    monkeypatch.setattr(dump, "write", rotated_after)
    with pytest.raises(Refused, match="found the field key rotated meanwhile, expected the one that sealed"):
        backup(full, db, tmp_path / "backup")
    assert not (tmp_path / "backup" / MANIFEST).exists()


@pytest.mark.parametrize("existed", [False, True])
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_backup_that_stops_on_its_way_can_be_made_again(
    full: Home, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existed: bool, fault: BaseException
) -> None:
    """Half of it lay there: the same command was refused for the rest of the day, and asked for another name."""
    target = tmp_path / "backup"
    if existed:
        target.mkdir()

    def stopped(*_args: Any) -> Any:
        raise fault

    with monkeypatch.context() as patch:
        patch.setattr("gateway.ledger.backup._copy", stopped)
        with pytest.raises(type(fault)):
            backup(full, db, target)
    assert target.exists() is existed and not (existed and list(target.iterdir()))
    assert backup(full, db, target).files and check_backup(target)


def _mark(db: Database, connection: Connection, portfolio: str) -> None:
    """A posting unit without entries."""
    unit = units.open_unit(
        db, connection, portfolio=portfolio, kind="OPERATOR", update_name="U0418", operator="ANN", posted_at=AT
    )
    units.close_unit(unit)


def test_a_unit_that_commits_meanwhile_spoils_no_backup(
    full: Home, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL it has its number already: it was among the first ones of the view that came after the copy."""
    more = write(tmp_path / "more", portfolios="portfolio,name\n2,SECOND\n")
    (more / "offices.csv").write_text("portfolio,company,region,office,name\n2,1,1,1,MAIN\n", encoding="utf-8")
    run(db, more)
    whole = dump.write
    meanwhile = ExitStack()
    if not db.is_sqlite:
        _mark(db, meanwhile.enter_context(db.write()), "2")
    with db.write() as connection:
        _mark(db, connection, "1")

    def committed_after(*args: Any) -> Any:
        written = whole(*args)
        if db.is_sqlite:
            _mark(db, meanwhile.enter_context(db.write()), "2")
        meanwhile.close()
        return written

    monkeypatch.setattr(dump, "write", committed_after)
    backup(full, db, tmp_path / "backup")
    place = Home(tmp_path / "new")
    restore(tmp_path / "backup", place, database_url="")
    other = Database.at_path(place.ledger)
    with other.read() as connection:
        assert connection.execute(text("SELECT COUNT(*) FROM posting_unit WHERE portfolio = '2'")).scalar_one() == 0
    other.close()


def test_backups_are_for_their_owner_only(full: Home, db: Database, tmp_path: Path) -> None:
    backup(full, db, tmp_path / "backup")
    for path in (tmp_path / "backup").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    assert not list((tmp_path / "backup").rglob(".part*"))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("postgresql", "opening the ledger: found .*not_there.* does not exist; expected a PostgreSQL server that lets .* into "
         "database not_there: start it, or mend the address"),
        ("sqlite", "found nothing there that can be opened .*: make the folder, or mend the address"),
    ],
)  # fmt: skip
def test_a_database_that_is_not_there_is_told_and_nothing_is_left(
    full: Home, db: Database, tmp_path: Path, request: pytest.FixtureRequest, place: str, words: str
) -> None:
    backup(full, db, tmp_path / "backup")
    url = f"sqlite:///{tmp_path}/none/ledger.db"
    if place == "postgresql":
        url = database_at(request.getfixturevalue("postgres_url"), "not_there")
    with pytest.raises(LedgerError, match=words):
        restore(tmp_path / "backup", Home(tmp_path / "new"), database_url=url)
    assert not (tmp_path / "new").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from gateway.home import Home
from gateway.ledger.backup import restore
restore(Path(sys.argv[1]), Home(Path(sys.argv[2])), at="2026-03-02T14:00:00Z", user="anna", database_url="",
        doubt=lambda *_: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_home_whose_restore_was_killed_is_not_opened(full: Home, db: Database, tmp_path: Path) -> None:
    """Its ledger may be whole already, and nothing of it doubted yet: what left since the backup would leave again."""
    backup(full, db, tmp_path / "backup")
    place = tmp_path / "new"
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "backup", place], check=False)
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(Refused, match=r"found \.restoring, a restore that runs or was cut off, expected a whole home"):
        find_home(place)
    shutil.rmtree(place)
    restore(tmp_path / "backup", Home(place), database_url="")
    assert find_home(place).root == place


@pytest.mark.parametrize("is_first", [False, True], ids=["this schema", "the first schema"])
def test_nobody_sees_a_restored_row_that_is_not_doubted(
    full: Home, db: Database, tmp_path: Path, empty_url: str, is_first: bool
) -> None:
    """Homes that share the ledger may be at work, and a restore that is killed leaves it to them."""
    backup(full, db, tmp_path / "backup")
    if is_first:
        _as_of_the_first_schema(tmp_path / "backup")
    place = Home(tmp_path / "new")
    seen: list[int] = []

    def doubt(connection: Connection, at: str) -> list[str]:
        other = Database(empty_url) if empty_url else Database.at_path(place.ledger)
        with other.read() as beside:
            seen.append(beside.execute(text("SELECT COUNT(*) FROM posting_unit")).scalar_one())
        other.close()
        assert connection.execute(text("SELECT COUNT(*) FROM posting_unit")).scalar_one() > 0
        return []

    backups.restore(tmp_path / "backup", place, at=AT, user="anna", doubt=doubt, database_url=empty_url)
    assert seen == [0]


@pytest.mark.parametrize("stopped", [LedgerError("found a difference"), KeyboardInterrupt()], ids=["fails", "stopped"])
def test_what_another_home_did_meanwhile_is_not_removed(
    full: Home, db: Database, tmp_path: Path, empty_url: str, monkeypatch: pytest.MonkeyPatch, stopped: BaseException
) -> None:
    """Its service waits for its database and goes on with the tables: what it posted was gone, and its file with it."""
    backup(full, db, tmp_path / "backup")
    url = empty_url or f"sqlite:///{tmp_path / 'shared.db'}"
    other = Database(url)

    def worked(*_: Any, **__: Any) -> None:
        with other.write() as connection:
            _mark(other, connection, "1")
        raise stopped

    monkeypatch.setattr(backups, "verify", worked)
    with pytest.raises(LedgerError, match=r"found work of another home in the same database since, .* it stays there"):
        restore(tmp_path / "backup", Home(tmp_path / "new"), database_url=url)
    assert not (tmp_path / "new").exists()
    with db.read() as ours, other.read() as theirs:
        units = [c.execute(text("SELECT COUNT(*) FROM posting_unit")).scalar_one() for c in (ours, theirs)]
    assert units[1] == units[0] + 1
    other.close()


def test_of_two_restores_into_one_database_the_second_is_refused(
    full: Home, db: Database, tmp_path: Path, empty_url: str
) -> None:
    """It would fail, and remove what the first brought."""
    backup(full, db, tmp_path / "backup")
    url = empty_url or f"sqlite:///{tmp_path / 'shared.db'}"

    def doubt(connection: Connection, at: str) -> list[str]:
        with pytest.raises(Refused, match="found another restore into the same database at work"):
            restore(tmp_path / "backup", Home(tmp_path / "second"), database_url=url)
        return []

    backups.restore(tmp_path / "backup", Home(tmp_path / "new"), at=AT, user="anna", doubt=doubt, database_url=url)
    assert not (tmp_path / "second").exists()
    done = Database(url)
    assert everything(done) == everything(db)
    done.close()


def test_nothing_is_overwritten(full: Home, db: Database, tmp_path: Path) -> None:
    backup(full, db, tmp_path / "backup")
    with pytest.raises(Refused, match="expected a new or empty folder"):
        backup(full, db, tmp_path / "backup")
    with pytest.raises(Refused, match="expected no home yet"):
        restore(tmp_path / "backup", full)
    with pytest.raises(Refused, match="expected an empty database"):
        restore(tmp_path / "backup", Home(tmp_path / "new"), database_url=address(db))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("within", ["var/archive/b", "config/keys/b", "inbox/.claimed/b", "linked/b"])
def test_a_backup_is_not_copied_into_itself(full: Home, db: Database, tmp_path: Path, within: str) -> None:
    """It filled the disk, folder in folder, until no name was short enough."""
    (tmp_path / "elsewhere").mkdir()
    (full.root / "config" / "link").symlink_to(tmp_path / "elsewhere")
    target = tmp_path / "elsewhere" / "b" if within == "linked/b" else full.root / within
    with pytest.raises(Refused, match="found that folder inside what is copied, expected another one"):
        backup(full, db, target)
    assert not target.exists()


def moved_away(path: Path, to: Path) -> None:
    """A link in its place, as with keys on a disk of their own or an archive on a mount."""
    to.parent.mkdir(parents=True, exist_ok=True)
    path.rename(to)
    path.symlink_to(to)


@pytest.mark.parametrize("linked", ["config/keys/field.key", "config/keys", "config", "var/archive", "var/archive/ab"])
def test_what_links_point_at_is_in_a_backup(full: Home, db: Database, tmp_path: Path, linked: str) -> None:
    moved_away(full.root / linked, tmp_path / "elsewhere" / "it")
    made = backup(full, db, tmp_path / "backup")
    assert (made.files, made.has_key) == (5, True)
    place = Home(tmp_path / "new")
    restore(tmp_path / "backup", place, database_url="")
    assert place.field_key.read_text() == "secret\n" and not place.field_key.is_symlink()
    assert (place.archive / "ab" / "abc").read_bytes() == b"original"


@pytest.mark.parametrize("linked", ["config/keys/field.key", "config/keys", "var/archive", "var/archive/ab/abc"])
def test_a_link_to_nothing_ends_a_backup(full: Home, db: Database, tmp_path: Path, linked: str) -> None:
    moved_away(full.root / linked, tmp_path / "elsewhere")
    (tmp_path / "elsewhere").rename(tmp_path / "unmounted")
    with pytest.raises(
        Refused, match=rf"found .*{linked} a link to .*/elsewhere, where nothing is, expected what the home needs"
    ):
        backup(full, db, tmp_path / "backup")
    assert not (tmp_path / "backup" / MANIFEST).exists()


def test_links_in_a_circle_end_a_backup(full: Home, db: Database, tmp_path: Path) -> None:
    (full.config / "all").symlink_to(full.config)
    with pytest.raises(Refused, match="config/all to be a folder that was copied already"):
        backup(full, db, tmp_path / "backup")


def test_what_a_sender_links_to_is_in_no_backup(full: Home, db: Database, tmp_path: Path) -> None:
    (tmp_path / "private").write_text("of somebody else")
    (full.claimed / "18").symlink_to(tmp_path / "private")
    assert backup(full, db, tmp_path / "backup").files == 5


def test_what_no_key_opens_is_told(full: Home, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops no restore, for the key may come later: the one in this home is not the one that sealed."""
    full.field_key.unlink()
    assert not backup(full, db, tmp_path / "backup").has_key
    locked = restore(tmp_path / "backup", Home(tmp_path / "new"), database_url="").locked
    assert locked == f"2 values of key {VAULT.ids[0].hex()}"
    monkeypatch.setenv(VARIABLE, base64.urlsafe_b64encode(b"k" * 32).decode())
    assert restore(tmp_path / "backup", Home(tmp_path / "with the key"), database_url="").locked is None


def _lose_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def _change_original(folder: Path) -> None:
    (folder / "var/archive/ab/abc").write_bytes(b"0riginal")


def _lose_ledger(folder: Path) -> None:
    (folder / LEDGER).unlink()


def _point_outside(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["../evil"] = {"sha256": "0", "bytes": 0}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def _other_chain(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["chain"] = {"1": "0"}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_a_folder_that_cannot_be_made_is_said(full: Home, db: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        Refused, match=r"found no way to make that folder \(Not a directory\), expected one that this user"
    ):
        backup(full, db, tmp_path / "file" / "backup")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_lose_manifest, "found no readable manifest.json"),
        (_change_original, r"var/archive/ab/abc \(changed\)"),
        (_lose_ledger, r"ledger.jsonl.zst \(missing\)"),
        (_point_outside, r"\.\./evil \(outside\)"),
        (_other_chain, "rows or digests differ from the manifest"),
    ],
)
def test_a_damaged_backup_is_refused(
    full: Home, db: Database, tmp_path: Path, damage: Callable[[Path], None], message: str, empty_url: str
) -> None:
    made = backup(full, db, tmp_path / "backup")
    shutil.copytree(tmp_path / "backup", tmp_path / "sound")
    damage(tmp_path / "backup")
    with pytest.raises(GatewayError, match=message):
        restore(tmp_path / "backup", Home(tmp_path / "new"), database_url=empty_url)
    assert not (tmp_path / "new").exists()
    if empty_url:
        assert _things_in(empty_url) == []
    assert restore(tmp_path / "sound", Home(tmp_path / "new"), database_url=empty_url).rows == made.rows


def _things_in(url: str) -> list[str]:
    """Tables and functions of a PostgreSQL database."""
    other = Database(url)
    try:
        with other.read() as connection:
            statement = (
                "SELECT relname FROM pg_class WHERE relnamespace = CAST('public' AS regnamespace) UNION ALL "
                "SELECT proname FROM pg_proc WHERE pronamespace = CAST('public' AS regnamespace)"
            )
            return [str(name) for name in connection.execute(text(statement)).scalars()]
    finally:
        other.close()


def test_a_ledger_with_rows_is_refused_as_it_is(full: Home, db: Database, tmp_path: Path) -> None:
    """A restore into the wrong database may not even upgrade it: its own version may still be working on it."""
    backup(full, db, tmp_path / "backup")
    with db.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(Refused, match="expected an empty database"):
        restore(tmp_path / "backup", Home(tmp_path / "new"), database_url=address(db))
    assert revision.current(db) == "0001"


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        (['{"format": 1, "revision": "0009"}'], Refused, "schema 0009, expected 1 and one of 0001, 0002, 0003, 0004, 0005; restore with the "
            "version that made the backup, or a later one"),
        (['{"format": 2, "revision": "0005"}'], Refused, "found format 2, schema 0005"),
        (['{"format": 1, "revision": "0001"}'], Refused, "found a database of schema 0005, expected 0001, as the backup"),
        (['{"format": 1, "revision": "0005"}', '{"table": "holiday", "columns": ["calendar", "date", "name"]}'],
            LedgerError, "the backup is torn"),
    ],
)  # fmt: skip
def test_a_stream_of_another_kind_is_refused(
    db: Database, tmp_path: Path, lines: list[str], error: type[Exception], message: str
) -> None:
    with dump.zstd.open(tmp_path / "x.zst", "wt", encoding="utf-8") as out:
        out.write("\n".join(lines) + "\n")
    with pytest.raises(error, match=message):
        dump.read(db, tmp_path / "x.zst")


_LATER_TABLES = ("ach_answer", "ach_entry", "fraud_finding", "outbound_message", "suspense_move", "vendor_change")
_LATER_COLUMNS = {"bank_check": ("issue", "void_entry_id"), "outbound_file": ("machine",), "inbound_file": ("owner",)}


def _as_of_the_first_schema(folder: Path) -> None:
    """What 0001 wrote: without the tables that came later, which are empty here, and without later columns."""
    with dump.zstd.open(folder / LEDGER, "rt", encoding="utf-8") as stream:
        first, *lines = stream.read().splitlines()
    kept, table = [first.replace(revision.newest(), "0001")], ""
    later: list[int] = []  # places of later columns in the rows of this table, the last one first
    for line in lines:
        read = json.loads(line)
        if isinstance(read, dict) and "table" in read:
            table = read["table"]
            later = sorted((read["columns"].index(c) for c in _LATER_COLUMNS.get(table, ())), reverse=True)
            for at in later:
                read["columns"].pop(at)
        elif isinstance(read, list):
            for at in later:
                read.pop(at)
        if table not in _LATER_TABLES or not (isinstance(read, dict) and "table" in read):
            kept.append(json.dumps(read))
    assert len(kept) == len(lines) + 1 - len(_LATER_TABLES)
    with dump.zstd.open(folder / LEDGER, "wt", encoding="utf-8", newline="\n") as out:
        out.writelines(line + "\n" for line in kept)
    manifest = json.loads((folder / MANIFEST).read_text())
    for table in _LATER_TABLES:
        assert manifest["rows"].pop(table) == 0
    data = (folder / LEDGER).read_bytes()
    manifest["files"][LEDGER] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_a_backup_of_the_first_schema_is_upgraded(full: Home, db: Database, tmp_path: Path, empty_url: str) -> None:
    made = backup(full, db, tmp_path / "backup")
    _as_of_the_first_schema(tmp_path / "backup")
    place = Home(tmp_path / "new")
    assert restore(tmp_path / "backup", place, database_url=empty_url).rows == made.rows
    other = Database(empty_url) if empty_url else Database.at_path(place.ledger)
    try:
        assert migrate.upgrade(other) == (revision.newest(), revision.newest())
        assert everything(other) == everything(db)
        with other.read() as new, db.read() as old:
            if other.is_sqlite == db.is_sqlite:
                assert triggers.in_force(other, new) == triggers.in_force(db, old)
        changed = write(
            tmp_path / "more", invoices="invoice,lease,due_date,charge,amount\n9,1001,2026-05-01,PYMT,1.00\n"
        )
        assert run(other, changed).units == (2,)
    finally:
        other.close()


def test_loading_goes_on_after_a_restore(full: Home, db: Database, tmp_path: Path) -> None:
    """Numbers the database gives itself go on behind those that came back."""
    backup(full, db, tmp_path / "backup")
    place = Home(tmp_path / "new")
    restore(tmp_path / "backup", place, database_url="")
    other = Database.at_path(place.ledger)
    offices = "portfolio,company,region,office,name\n1,2,1,1,NEW\n"
    result = load(
        other,
        [write(tmp_path / "o", offices=offices)],
        vault=VAULT,
        maker=Maker("ABC", "abc"),
        posted_at=AT,
        business_date=None,
    )
    other.close()
    assert result.counts["offices"].new == 1
