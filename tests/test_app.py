"""Opening a home: what is refused, and who may act."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from gateway import setup
from gateway.app import acting_operator, open_app, system_user
from gateway.errors import Refused, SettingsError, UsageError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.settings_reading import load_settings


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return setup.make_home(tmp_path_factory.mktemp("home") / "h", user="alex")


def test_a_new_home_opens_and_is_private(made: Home) -> None:
    app = open_app(made.root, user="alex")
    try:
        assert (app.operator.code, app.operator.user) == ("ALE", "alex")
        assert app.calendar().covered_years
        assert app.now().endswith("Z")
    finally:
        app.close()
    assert made.field_key.stat().st_mode & 0o777 == 0o600
    assert made.ledger.stat().st_mode & 0o777 == 0o600
    assert load_settings(made).operators.operators["SVC"].rights == ("post", "deliver")


def test_nothing_of_a_home_is_overwritten(made: Home) -> None:
    with pytest.raises(Refused, match="found a home there already"):
        setup.make_home(made.root, user="alex")
    key, people = made.field_key.read_bytes(), made.operators_file.read_bytes()
    made.field_key.unlink()
    try:
        with pytest.raises(Refused, match="put the key of a backup back, or, if it is lost"):
            setup.make_home(made.root, user="mallory")
        assert not made.field_key.exists()
        setup.make_home(made.root, user="mallory", new_key=True)
        assert made.field_key.read_bytes() != key
        assert made.operators_file.read_bytes() == people
    finally:
        made.field_key.write_bytes(key)


@pytest.mark.parametrize(
    ("user", "code"), [("alex", "ALE"), ("bo", "BOX"), ("j.smith", "JSM"), ("", "XXX"), ("99", "99X")]
)
def test_a_code_from_a_user_name(user: str, code: str) -> None:
    assert setup.operator_code(user) == code


def test_a_home_that_cannot_be_made_and_a_code_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="expected a folder that can be made"):
        setup.make_home(tmp_path / "file", user="alex")
    with pytest.raises(UsageError, match="found operator code 'TOOLONG', expected three"):
        setup.make_home(tmp_path / "h", user="alex", code="toolong")


def test_a_user_name_with_quotes_is_entered_as_it_is(tmp_path: Path) -> None:
    home = setup.make_home(tmp_path / "h", user='a"b\\c')
    assert load_settings(home).operators.operators["ABC"].users == ('a"b\\c',)


@pytest.mark.parametrize(
    ("code", "user", "words"),
    [
        (None, "bob", "found no operator for user bob"),
        ("ALE", "bob", "found user bob with no code"),
        ("ZZZ", "alex", "found user alex with ALE, SVC, expected the caller's own code"),
    ],
)
def test_only_the_callers_own_code_works(made: Home, code: str | None, user: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        acting_operator(load_settings(made), code, user)


def test_rights_are_held(made: Home) -> None:
    service = acting_operator(load_settings(made), "SVC", "alex")
    service.require("post", "posting")
    with pytest.raises(Refused, match="approving: found operator SVC without the right 'approve'"):
        service.require("approve", "approving")


def test_what_is_no_home_or_no_ledger_is_refused(tmp_path: Path, home: Home) -> None:
    with pytest.raises(UsageError, match=r"found no config/gateway.toml there, expected a home"):
        open_app(tmp_path / "nowhere")
    home.settings_file.touch()
    home.operators_file.write_text('[operators.ABC]\nusers = ["alex"]\n')
    with pytest.raises(SettingsError, match=r"config/keys/field\.key"):
        open_app(home.root, user="alex")
    setup_key(home)
    with pytest.raises(Refused, match=r"found schema revision none, expected .*; run `gateway db upgrade`"):
        open_app(home.root, user="alex")


def test_the_ledger_by_reference(database_url: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.settings_file.write_text('[database]\nurl = "env:LEDGER_URL"\n')
    home.operators_file.write_text('[operators.ABC]\nusers = ["alex"]\n')
    setup_key(home)
    with pytest.raises(SettingsError, match=r"database.url: found no environment variable LEDGER_URL"):
        open_app(home.root, user="alex")
    monkeypatch.setenv("LEDGER_URL", database_url)
    app = open_app(home.root, user="alex")
    assert isinstance(app.db, Database)
    assert app.db.is_sqlite == database_url.startswith("sqlite")
    app.close()
    before, after = setup.open_ledger(home)
    assert before == after


def setup_key(home: Home) -> None:
    from gateway.vault import new_key

    home.field_key.write_text(new_key())
    home.field_key.chmod(0o600)


def test_the_user_is_the_systems_word_and_not_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"):
        monkeypatch.setenv(name, "checker")
    assert system_user() == pwd.getpwuid(os.getuid()).pw_name != "checker"


def test_a_user_without_a_name_is_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_001)
    assert system_user() == "uid-4000000001"
