"""The key on the command line: shown by fingerprint, rotated, and never seen."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from gateway.cli.main import run
from gateway.vault import NEXT_VARIABLE, VARIABLE
from tests.cli.conftest import Played

BANK_FILE, SCRATCH = "P01-VACH-BANK-260303.DAT", "DSPP-P01-VACH-260303.DAT"


def test_show_rotate_show(own: Played) -> None:
    key = (own.root / "config" / "keys" / "field.key").read_text().strip()
    before = own.ok("keys", "show", "--json")
    (row,) = before.rows
    assert (row["role"], row["place"], row["copies"]) == ("seals", "config/keys/field.key", 0)
    assert (before.document["rotated_at"], before.document["unfinished"]) == (None, False)
    assert "Never rotated." in own.ok("keys", "show").out
    done = own.ok("keys", "rotate", "--json").document
    assert (done["former"], done["values"], done["finished"]) == ([row["key"]], row["values"], True)
    after = own.ok("keys", "show", "--json")
    assert [(r["key"], r["role"], r["values"]) for r in after.rows] == [(done["key"], "seals", row["values"])]
    assert after.document["rotated_at"] == "2026-03-02T14:00:00.000000Z"
    assert "Last rotated at 2026-03-02 09:00 EST." in own.ok("keys", "show").out
    assert own.ok("verify", "--json").document["ok"] is True
    new = (own.root / "config" / "keys" / "field.key").read_text().strip()
    seen = before.out + after.out + own.ok("keys", "show").out + own.ok("keys", "rotate").out
    seen += (own.root / "var" / "log" / "gateway.log").read_text()
    assert new != key and key not in seen and new not in seen


def test_a_prepared_key_is_an_unfinished_rotation(own: Played) -> None:
    prepared = own.ok("keys", "prepare", "--json").document["key"]
    shown = own.do("keys", "show")
    assert shown.code == 1 and "A rotation is not finished: run gateway keys rotate." in shown.out
    done = own.ok("keys", "rotate")
    assert f"with key {prepared}" in done.out and "A backup made before holds it, and needs it." in done.out


def test_a_key_of_the_environment(own: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    file = own.root / "config" / "keys" / "field.key"
    monkeypatch.setenv(VARIABLE, file.read_text().strip())
    file.unlink()
    refused = own.do("keys", "rotate")
    assert refused.code == 2 and "no other one in GATEWAY_FIELD_KEY_NEXT" in refused.err
    monkeypatch.setenv(NEXT_VARIABLE, base64.urlsafe_b64encode(b"n" * 32).decode())
    done = own.do("keys", "rotate")
    assert done.code == 1 and "Now put the key of GATEWAY_FIELD_KEY_NEXT into GATEWAY_FIELD_KEY everywhere" in done.out
    monkeypatch.setenv(VARIABLE, base64.urlsafe_b64encode(b"n" * 32).decode())
    monkeypatch.delenv(NEXT_VARIABLE)
    assert own.ok("keys", "show", "--json").rows[0]["role"] == "seals"
    assert own.ok("verify", "--json").document["ok"] is True


def test_a_backup_made_before_opens_with_the_key_in_it(own: Played, tmp_path: Path) -> None:
    """Restored, it is the home of the day, with the key of the day."""
    if not own.url.startswith("sqlite"):
        return  # restoring into PostgreSQL needs an empty database: tests/ledger/test_backup.py
    (own.root / "config" / "gateway.toml").write_text(
        (own.root / "config" / "gateway.toml").read_text().replace('url = "env:GATEWAY_TEST_DATABASE"', 'url = ""')
    )
    own.ok("backup", str(tmp_path / "backup"))
    before = own.ok("keys", "show", "--json").rows
    own.ok("keys", "rotate")
    assert run(["restore", str(tmp_path / "backup"), "--home", str(tmp_path / "restored")]) == 0
    there = Played(tmp_path / "restored", "")
    assert [(r["key"], r["values"]) for r in there.ok("keys", "show", "--json").rows] == [
        (r["key"], r["values"]) for r in before
    ]
    there.ok("deliver")  # puts the files back that wait, from their rows
    assert there.ok("verify", "--json").document["ok"] is True


def test_a_backup_without_its_key_is_told_at_once(
    own: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key of the environment is in no backup; where it is not at hand, the restore says so and ends as a fault."""
    if not own.url.startswith("sqlite"):
        return  # restoring into PostgreSQL needs an empty database: tests/ledger/test_backup.py
    settings = own.root / "config" / "gateway.toml"
    settings.write_text(settings.read_text().replace('url = "env:GATEWAY_TEST_DATABASE"', 'url = ""'))
    file = own.root / "config" / "keys" / "field.key"
    monkeypatch.setenv(VARIABLE, file.read_text().strip())
    file.unlink()
    key = own.ok("keys", "show", "--json").rows[0]["key"]
    assert "The field key is not in it" in own.ok("backup", str(tmp_path / "backup")).out
    monkeypatch.delenv(VARIABLE)
    capsys.readouterr()
    assert run(["restore", str(tmp_path / "backup"), "--home", str(tmp_path / "restored")]) == 4
    said = capsys.readouterr().out
    assert "DIFFERS account numbers are sealed with a key of this home" in said and f"values of key {key}" in said
    assert "Put it into config/keys/field.key" in said and "Verify passed" not in said
    monkeypatch.setenv(VARIABLE, base64.urlsafe_b64encode(b"z" * 32).decode())
    assert run(["restore", str(tmp_path / "backup"), "--home", str(tmp_path / "another")]) == 4
    said = capsys.readouterr().out
    assert (
        f"put the key that is there now into {NEXT_VARIABLE}, that one into {VARIABLE}, and run gateway keys rotate"
        in said
    )
    assert "nobody can be paid" not in said


@pytest.mark.parametrize("what", ["missing", "other bytes"])
def test_a_backup_without_an_original_says_so_at_once_and_so_does_its_restore(
    own: Played, tmp_path: Path, what: str
) -> None:
    """The damage was told on the day the backup was needed, by a restore that refused all of it."""
    original = max(p for p in (own.root / "var" / "archive").glob("*/*") if not p.suffix)
    name, whole = str(original.relative_to(own.root / "var" / "archive")), original.read_bytes()
    if what == "missing":
        original.unlink()
    else:
        original.write_bytes(whole[: len(whole) // 2])
    done = own.do("backup", str(tmp_path / "damaged"))
    assert done.code == 4 and "Keep the backups from before" in done.out
    assert f"DIFFERS originals are in it as received: found 1 missing or changed ({name}: {what})" in done.out
    original.write_bytes(whole)
    assert own.ok("backup", str(tmp_path / "whole"), "--json").document["lacks"] == []
    home = Played(tmp_path / "again", f"sqlite:///{tmp_path}/again/var/ledger.db")
    again = home.do("restore", str(tmp_path / "damaged"), "--home", str(home.root))
    assert again.code == 4 and f"found 1 missing or changed ({name}: {what}). Put them back" in again.out
    assert "It is sound but for what differs" in again.out
    assert home.do("deliver").code in (0, 1)
    verified = home.do("verify")
    assert verified.code == 4 and "DIFFERS originals are in the archive as received: found 1 of" in verified.out
    assert f"{name}: {what}" in verified.out and verified.out.endswith("checks, 1 difference.\n")
    (home.root / "var" / "archive" / name).write_bytes(whole)
    assert name not in home.do("verify").out


def test_an_original_that_no_manifest_calls_lost_refuses_the_restore(own: Played, tmp_path: Path) -> None:
    """As of a backup of a version that did not tell, or one whose manifest was changed."""
    next(p for p in (own.root / "var" / "archive").glob("*/*") if not p.suffix).unlink()
    assert own.do("backup", str(tmp_path / "backup")).code == 4
    manifest = tmp_path / "backup" / "manifest.json"
    told = json.loads(manifest.read_text())
    assert len(told.pop("lacks")) == 1
    manifest.write_text(json.dumps(told))
    home = Played(tmp_path / "again", f"sqlite:///{tmp_path}/again/var/ledger.db")
    refused = home.do("restore", str(tmp_path / "backup"), "--home", str(home.root))
    assert refused.code == 4 and "originals are in the archive as received" in refused.err
    assert "use another backup" in refused.err and not home.root.exists()


def test_taken_and_exported(own: Played, tmp_path: Path) -> None:
    files = {row["name"]: row for row in own.ok("outbound", "list", "--json").rows}
    bank, scratch = files[BANK_FILE], files[SCRATCH]
    accepted = ("--accept", "first-payment", "--reason", "called them")
    approved = own.ok("outbound", "approve", str(bank["id"]), "--sha256", bank["sha256"], *accepted)
    say_so = f"gateway outbound taken {scratch['id']} --reason …"
    assert f"fetch it from outbox/{SCRATCH}. Then say so, and its copy is put away: {say_so}" in approved.out
    assert f"fetched    nobody said so yet; when it is: {say_so}" in own.ok("outbound", "show", str(scratch["id"])).out
    assert own.do("outbound", "taken", str(bank["id"]), "--reason", "x").code == 3
    taken = own.ok("outbound", "taken", str(scratch["id"]), "--reason", "loaded", "--json").document
    assert taken == {
        "id": scratch["id"],
        "put_away": [SCRATCH],
        "waiting": [],
        "machine": None,
        "had_left": False,
        "answers": [],
    }
    shown = own.ok("outbound", "show", str(scratch["id"]))
    assert "  fetched    by ABC (" in shown.out and ": loaded\n" in shown.out
    outbox = own.root / "outbox"
    assert not (outbox / SCRATCH).exists() and (outbox / (SCRATCH + ".sealed")).exists()
    target = tmp_path / "copy.dat"
    done = own.ok("outbound", "export", str(scratch["id"]), str(target), "--reason", "asked", "--json").document
    assert done == {"id": scratch["id"], "file": str(target), "bytes": scratch["bytes"]}
    assert len(target.read_bytes()) == scratch["bytes"]
    assert own.do("outbound", "export", str(scratch["id"]), str(target), "--reason", "asked").code == 2
    assert own.do("outbound", "export", "999", str(tmp_path / "b"), "--reason", "asked").code == 2
    assert own.ok("verify", "--json").document["ok"] is True
