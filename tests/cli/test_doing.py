"""Commands that change something, each in a copy of the played home, on both databases."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from pysequoia import Tsk
from sqlalchemy import text

from gateway.cli.main import run
from gateway.ledger.database import Database
from tests.cli.conftest import CONFIG, SAMPLE, Played

ACCOUNTS = ("123456789", "99887766", "5550001234")


def drop(home: Played, name: str, content: str | bytes) -> None:
    data = content.encode() if isinstance(content, str) else content
    (home.root / "inbox" / name).write_bytes(data)


def test_odd_things_in_the_inbox_are_told_and_left(own: Played) -> None:
    inbox = own.root / "inbox"
    drop(own, "p1_btchassmt.dat", "")
    drop(own, "P1_BTCHPMT.DAT", "L1003,100\nL1003,1")
    drop(own, "notes.txt", "hello")
    (inbox / "btchescr.dat").mkdir()
    (inbox / "p2_btchpmt.dat").symlink_to("/etc/hostname")
    done = own.do("process", "--json")
    assert done.code == 1
    assert {row["name"]: (row["state"], row["hold_code"]) for row in done.rows} == {
        "p1_btchassmt.dat": ("EMPTY", None),
        "P1_BTCHPMT.DAT": ("HELD", "TORN_TAIL"),
    }
    assert {x["name"]: x["code"] for x in done.document["left"]} == {
        "notes.txt": "UNKNOWN_NAME",
        "btchescr.dat": "DIRECTORY",
        "p2_btchpmt.dat": "SYMLINK",
    }
    status = own.do("status")
    assert status.code == 1
    assert "LEFT IN inbox, notes.txt: Found the root name notes" in status.out
    assert "HELD P1_BTCHPMT.DAT" in status.out
    assert sorted(p.name for p in inbox.iterdir() if p.name != ".claimed") == [
        "btchescr.dat",
        "notes.txt",
        "p2_btchpmt.dat",
    ]


def test_reports_that_cannot_be_written_are_told_and_written_by_the_next_process(own: Played) -> None:
    """What was refused stood in them alone, and the command ended as if all were well."""
    in_the_way = own.root / "var" / "reports" / "2026-03-03"
    in_the_way.touch()
    drop(own, "p1_btchassmt.dat", "<lease>1003<assmt>LTCH<amount>1234\n<lease>1003<assmt>LTCH<amount>1.2\n")
    done = own.do("process", "--json")
    (row,) = done.rows
    assert (done.code, row["state"]) == (1, "POSTED")
    ((number, why),) = ((x["id"], x["why"]) for x in done.document["not_reported"])
    assert number == row["id"] and "Error: " in why
    again = own.do("process")
    assert again.code == 1 and f"NOT REPORTED #{number}: {why}: " in again.out
    line = ("--line", "2", "--text", "<lease>1003<assmt>LTCH<amount>120", "--reason", "decimal point")
    repaired = own.do("files", "repair", str(number), *line, "--json").document
    assert [x["id"] for x in repaired["not_reported"]] == [number, repaired["id"]]
    in_the_way.unlink()
    assert own.ok("process").out == "Nothing to process.\n"
    assert len(list(in_the_way.glob("*-p1_btchassmt*/*.rpt"))) == 4


def test_a_file_that_cannot_be_taken_is_told_before_anything_is_touched(own: Played, tmp_path: Path) -> None:
    """A file that waits stays one that waits; of several files none is taken."""
    drop(own, "p2_btchassmt.dat", "<lease>1<assmt>LTCH<amount>1\n")
    assert own.do("process", "--json").rows[0]["state"] == "WAITING"
    good, bad = tmp_path / "p1_btchassmt.dat", tmp_path / "notes.txt"
    good.write_text("<lease>1001<assmt>LTCH<amount>1\n")
    bad.write_text("hello")
    refused = own.do("process", str(good), str(bad))
    assert refused.code == 2
    assert refused.err.startswith(
        f"gateway: processing {bad}: found the root name notes in 'notes.txt', expected p<n>_"
    )
    assert own.do("process", str(tmp_path)).err.startswith(
        f"gateway: processing {tmp_path}: found a folder, expected a file"
    )
    states = [row["state"] for row in own.ok("files", "list", "--json").rows]
    assert states[4:] == ["WAITING"]


def test_the_same_file_twice_is_held_until_a_person_says_so(own: Played) -> None:
    shutil.copy(SAMPLE / "inbox" / "p1_btchpmt.dat", own.root / "inbox")
    done = own.do("process", "--json")
    assert (done.code, done.rows[0]["state"], done.rows[0]["hold_code"]) == (1, "HELD", "DUPLICATE")
    number = str(done.rows[0]["id"])
    assert own.do("status").code == 1
    discarded = own.ok("files", "discard", number, "--reason", "sent twice", "--json")
    assert discarded.document["state"] == "DISCARDED"
    assert own.do("files", "release", number, "--reason", "x").code == 3


def test_money_in_suspense_is_posted_and_told(own: Played) -> None:
    """It is not the sender's to mend, so the file ends as done; a person is told where it waits."""
    (own.root / "inbox" / "p1_btchpmt.dat").write_text("L4711,1234,C1\nL4711,1,C2\nL1003,100,C3\n")
    done = own.do("process")
    assert done.code == 0
    assert done.out.endswith("\n12.35 waits in suspense for a person: gateway suspense list\n")
    (own.root / "inbox" / "p1_btchpmt.dat").write_text("L1003,101,C4\n")
    assert "suspense" not in own.ok("process").out.lower().partition("\n")[2]


def test_money_that_a_reversal_leaves_in_suspense_is_told(own: Played) -> None:
    """A transfer counts as posted, and its money waits for a place all the same."""
    batch = "26030290000100000099"
    (own.root / "inbox" / "p1_btchpmt.dat").write_text(f"L1003,1234,C1,B{batch}\nL1003,99,C2,B26030290000100000098\n")
    own.ok("process")
    dropped = own.root / "inbox" / "p1_bptmtrev.dat"
    dropped.write_text(f"L1003,1234,B{batch},RTMSA\n")
    done = own.ok("process").out.splitlines()
    (number,) = (str(row["id"]) for row in own.ok("files", "list", "--json").rows[-1:])
    assert done[-2:] == [
        f"p1_bptmtrev.dat: see what it left in suspense (U0470A): gateway files show {number}",
        "12.34 waits in suspense for a person: gateway suspense list",
    ]
    (left,) = (r for r in own.ok("suspense", "list", "--json").rows if r["reason"] == "TMSA")
    assert (left["batch"], left["remaining"]) == (batch, "12.34")
    dropped.write_text("L1003,99,B26030290000100000098,RNSFC\nL1003,99,B26030290000100000097,RNSFC\n")
    (row,) = own.ok("process", "--json").rows
    assert (row["left_in_suspense"], row["suspended_amount"]) == ("0.00", "0.99")


def test_several_files_are_tried_alone_and_it_is_said(played: Played) -> None:
    two = [str(SAMPLE / "inbox" / name) for name in ("p1_btchpmt.dat", "btchescr.dat")]
    alone = "\n\nEach file was tried alone against today's ledger: what one of them would post, the next one does not see.\n"
    assert played.do("check", *two).out.endswith(alone)
    assert "tried alone" not in played.do("check", two[0]).out
    assert len(played.do("check", *two, "--json").rows) == 2


def test_repair_release_and_reverse(own: Played) -> None:
    line = "<lease>1006<assmt>LTCH<amount>2500"
    repaired = own.ok("files", "repair", "3", "--line", "8", "--text", line, "--reason", "decimal point", "--json")
    assert (repaired.document["state"], repaired.document["posted_amount"]) == ("POSTED", "25.00")
    undone = own.ok("files", "reverse", str(repaired.document["id"]), "--reason", "wrong lease", "--json")
    assert undone.document["name"] == "p1_btchassmt.dat.repair-1"
    assert own.ok("verify", "--json").document["ok"] is True


def test_release_approval_and_what_delivery_says_of_a_place_that_is_not_there(own: Played) -> None:
    first, _, second = own.ok("outbound", "list", "--json").rows[:3]
    assert (first["state"], second["state"]) == ("BUILT", "BUILT")
    short = own.do("outbound", "approve", str(first["id"]), "--sha256", first["sha256"][:7])
    assert short.code == 2 and "expected at least the first 8 characters of the one that was looked at" in short.err
    approval = ("outbound", "approve", str(first["id"]), "--sha256", first["sha256"][:8], "--json")
    held = own.do(*approval)
    assert held.code == 3 and "held by first-payment: first payment to vendor V1" in held.err
    released = own.ok(*approval, "--accept", "first-payment", "--reason", "called them")
    assert {r["name"] for r in released.document["released"]} >= {"P01-VACH-BANK-260303.DAT"}
    taken = own.ok("outbound", "reject", str(second["id"]), "--reason", "wrong date", "--json")
    assert {r["name"] for r in taken.document["rejected"]} >= {"P01-VACH-BANK-260304.DAT"}
    again = own.do("outbound", "build", "vach", "--portfolio", "1", "--json")
    assert again.code in (0, 1)
    sent = own.do("deliver", "--json")
    assert sent.code == 1
    assert sent.rows[0]["state"] == "PENDING"
    assert sent.rows[0]["detail"]
    listed = own.ok("deliver", "list", "--json").rows[0]
    assert (listed["name"], listed["attempts"]) == ("P01-VACH-BANK-260303.DAT", 1)
    nine_o_clock = own.do("status").out
    assert f"PENDING P01-VACH-BANK-260303.DAT (#{first['id']}): {listed['last_error']}" in nine_o_clock
    assert "Nothing is late, held or in doubt." not in nine_o_clock
    waits = own.ok("deliver").out
    assert waits == "Nothing is due for delivery; 1 not yet there: gateway deliver list.\n"
    settings = own.root / "config" / "gateway.toml"
    as_it_was = settings.read_text()
    settings.write_text(as_it_was.replace("[endpoints.bank]", "[endpoints.other]").replace('= "bank"', '= "other"'))
    stays = "endpoint bank is not in the settings: give it back its table [endpoints.bank] in config/gateway.toml, or call the file "
    stays += f"back (gateway outbound recall {first['id']} --reason WHY) and build it again"
    said = own.do("deliver", "--json")
    assert (said.code, said.rows[0]["state"], said.rows[0]["detail"]) == (1, "PENDING", stays)
    assert own.ok("deliver", "list", "--json").rows[0]["last_error"].startswith(f"{stays}; ")
    assert f"  PENDING P01-VACH-BANK-260303.DAT (#{first['id']}): {stays}\n" in own.do("status").out
    key = Tsk.generate("First National Bank <ach@bank.invalid>")
    (own.root / "config" / "keys" / "bank.asc").write_text(str(key.extract_certificate()))
    settings.write_text(as_it_was + '\n[banks.first.openpgp]\nrecipient = "config/keys/bank.asc"\n')
    clear = "it is in clear, released before [banks.first.openpgp] was set, so that it does not leave: "
    assert own.ok("deliver", "list", "--json").rows[0]["last_error"].startswith(clear), (
        "it looked as one about to leave"
    )
    settings.write_text(as_it_was)
    assert own.do("deliver", "resolve", str(listed["id"]), "--as", "delivered", "--reason", "x").code == 3
    assert (
        "is due again: gateway deliver" in own.ok("deliver", "again", str(listed["id"]), "--reason", "key is there").out
    )
    acknowledged = own.do("deliver", "acknowledge", str(first["id"]), "--reference", "ACK-1", "--json")
    assert acknowledged.code in (0, 3)


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_file_that_cannot_be_put_back_keeps_no_other_from_leaving(own: Played, form: tuple[str, ...]) -> None:
    first, _, second = own.ok("outbound", "list", "--json").rows[:3]
    accept = ("--accept", "first-payment", "--reason", "called them")
    own.ok("outbound", "approve", str(first["id"]), "--sha256", first["sha256"], *accept)
    (own.root / "outbox" / second["name"]).unlink()
    db = Database(own.url)
    with db.write() as connection:
        connection.execute(
            text("UPDATE outbound_row SET payload = :p WHERE outbound_id = :id"), {"p": b"[]", "id": second["id"]}
        )
    db.close()
    done = own.do("deliver", *form)
    assert done.code == 4
    assert f"could not make {second['name']} (#{second['id']}): " in done.err
    assert first["name"] in done.out or form
    listed = own.ok("deliver", "list", "--json").rows[0]
    assert (listed["name"], listed["attempts"]) == (first["name"], 1), "its turn came all the same"


def test_the_next_day_closes_and_closing_again_changes_nothing(own: Played) -> None:
    first = own.do("eop", "--date", "2026-03-03", "--skip", "U0424,XSELLERATOR", "--json")
    assert first.code == 0, first
    portfolio = first.document["portfolios"][0]
    assert (portfolio["state"], portfolio["next_date"]) == ("DONE", "2026-03-04")
    assert {m["module"]: m["state"] for m in portfolio["modules"]}["U0424"] == "SKIPPED BY OPERATOR"
    balance = own.ok("ledger", "balance", "--json").out
    assert own.ok("eop", "--date", "2026-03-03", "--json").document["portfolios"][0]["next_date"] == "2026-03-04"
    assert own.ok("ledger", "balance", "--json").out == balance
    assert "Reports: var/reports/2026-03-03/eop-p1" in own.ok("eop", "--date", "2026-03-03").out


def test_a_file_that_did_not_get_into_the_outbox_is_told_where_all_is_done(
    own: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    eop = ("eop", "--date", "2026-03-03", "--skip", "U0424,XSELLERATOR")
    with monkeypatch.context() as patch:
        for room in ("release.build", "outbound.outbox"):
            patch.setattr(f"gateway.{room}.publish", lambda *_: (_ for _ in ()).throw(OSError("disk")))
        done, again = own.do(*eop), own.do(*eop, "--json")
    assert done.code == 1 and "2026-03-03: DONE" in done.out, done
    (told,) = [line for line in done.out.splitlines() if line.startswith("IN outbox, ")]
    assert "DSGL_P01-260303.DAT: not there, it could not be written" in told
    assert (again.code, again.document["outbox"]) == (1, [told.removeprefix("IN outbox, ")])
    assert own.ok(*eop, "--json").document["outbox"] == [], "the next run of it puts it there"
    assert (own.root / "outbox" / "DSGL_P01-260303.DAT").exists()


def test_reference_data_again_changes_nothing_and_bad_rows_are_told_together(own: Played, tmp_path: Path) -> None:
    again = own.ok("load", str(SAMPLE / "reference"), "--json").document
    assert all(c["new"] == c["changed"] == 0 for c in again["counts"].values())
    bad = tmp_path / "leases.csv"
    bad.write_text((SAMPLE / "reference" / "leases.csv").read_text().replace("2024-04-01", "x").replace("432.98", "y"))
    done = own.do("load", str(bad), "--json")
    assert done.code == 2
    assert len(done.document["error"]["messages"]) == 2
    assert "2 problems; nothing was loaded" in done.err


def test_a_backup_restores_into_another_home(own: Played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = own.ok("backup", str(tmp_path / "copy"), "--json").document
    assert made["rows"] > 100
    home = Played(tmp_path / "restored", f"sqlite:///{tmp_path}/restored/var/ledger.db")
    proved = home.ok("restore", str(tmp_path / "copy"), "--home", str(home.root), "--json").document
    assert (proved["ok"], proved["rows"]) == (True, made["rows"])
    for look in (("ledger", "journal"), ("ledger", "receivables"), ("files", "list"), ("outbound", "list")):
        assert home.ok(*look, "--json").rows == own.ok(*look, "--json").rows
    said = home.do("status")
    assert said.code == 1
    assert "RESTORED on " in said.out and "then gateway deliver compared --reason WHY" in said.out
    assert home.do("status", "--json").document["restored"]["reason"] == f"from the backup of {proved['backup_at']}"
    assert [line.split()[0] for line in proved["in_doubt"]] == [
        *(r["name"] for r in own.ok("outbound", "list", "--state", "BUILT", "--json").rows if r["kind"] != "VACH-SCRATCH"),
        *(r["name"] for r in own.ok("outbound", "list", "--state", "LOCAL", "--json").rows),
    ]  # fmt: skip
    (waiting,) = [
        r for r in home.ok("outbound", "list", "--state", "BUILT", "--json").rows if r["kind"] == "VACH-BANK"
    ][:1]
    released = home.do(
        "outbound", "approve", str(waiting["id"]), "--sha256", waiting["sha256"], "--accept", "restored,first-payment",
        "--reason", "asked",
    )  # fmt: skip
    assert (
        "It does not leave by itself: it was built before the backup and may have left since: ask the" in released.out
    )
    home.ok("deliver", "compared", "--reason", "the bank's list")
    assert "RESTORED" not in home.do("status").out


def test_reports_into_a_folder_say_the_same_as_the_list(own: Played, tmp_path: Path) -> None:
    done = own.ok("report", "receivables", "--portfolio", "1", "--out", str(tmp_path / "out"), "--json").document
    assert [Path(p).name for p in done["files"]] == [f"p1_receivables.{x}" for x in ("rpt", "csv", "json")]
    assert json.loads(Path(done["files"][2]).read_text())["rows"] == done["rows"] == own.ok(
        "ledger", "receivables", "--portfolio", "1", "--json"
    ).rows  # fmt: skip


def test_a_report_into_a_folder_is_shown_too(own: Played, tmp_path: Path) -> None:
    told = own.ok("report", "suspense", "--portfolio", "1", "--out", str(tmp_path / "out")).out
    shown = own.ok("report", "suspense", "--portfolio", "1").out
    names = [tmp_path / "out" / f"p1_suspense.{x}" for x in ("rpt", "csv", "json")]
    assert told == shown + "".join(f"Wrote {name}\n" for name in names)
    assert names[0].read_text().rstrip("\n") == shown.rstrip("\n")


def test_account_numbers_appear_in_bank_files_only(played: Played) -> None:
    allowed = {"outbox/P01-VACH-BANK-260303.DAT", "outbox/P01-VACH-BANK-260304.DAT",
               "outbox/DSPP-P01-VACH-260303.DAT", "outbox/DSPP-P01-VACH-260304.DAT"}  # fmt: skip
    holding = {
        str(path.relative_to(played.root))
        for path in played.root.rglob("*")
        if path.is_file() and any(a.encode() in path.read_bytes() for a in ACCOUNTS)
    }
    assert holding == allowed
    assert (played.root / "var" / "log" / "gateway.log").stat().st_size > 0
    shown = [
        played.do(*command).out
        for command in (
            ("ledger", "vendors"), ("ledger", "vendors", "--json"), ("ledger", "checks"), ("trace", "091000010000001"),
            ("explain", str(played.root / "outbox" / "P01-VACH-BANK-260303.DAT")),
            ("explain", str(played.root / "outbox" / "DSPP-P01-VACH-260303.DAT"), "--json"),
            ("outbound", "show", "1", "--json"), ("status", "--json"), ("trace", "V100"),
        )
    ]  # fmt: skip
    assert not [text for text in shown for a in ACCOUNTS if a in text]


def test_what_init_prints_can_be_typed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init", "h"]) == 0
    shown = capsys.readouterr().out
    typed = [line.split("#")[0].split() for line in shown.splitlines() if line.startswith("  gateway")]
    assert [words[1] for words in typed] == ["config", "load", "status", "run"]
    for words in typed[:3]:
        words = [{"FOLDER": str(SAMPLE / "reference"), "YYYY-MM-DD": "2026-03-02"}.get(w, w) for w in words]
        assert run(words[1:]) == 0, words
    assert "business date 2026-03-02 open" in capsys.readouterr().out


def test_init_names_the_database_that_it_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address is behind a reference; one with a password, or none at all, is refused before anything is made."""
    home = tmp_path / "h"
    for wrong, found in (("postgresql://u:geheim@h/d", "a password in it"), ("oracle", "no address of a database")):
        assert run(["init", str(home), "--database", wrong]) == 2
        shown = capsys.readouterr().err
        assert f"--database: found {found}, expected " in shown and "geheim" not in shown
        assert not home.exists()
    assert run(["init", str(home), "--database", "postgresql://u@127.0.0.1:1/x"]) == 4
    assert "expected a PostgreSQL server that lets u into database x: start it" in capsys.readouterr().err
    assert not home.exists()
    assert run(["init", str(home), "--database", f"sqlite:///{tmp_path}/none/l.db"]) == 4
    assert "expected a file in a folder that is there and is ours to write: make the folder" in capsys.readouterr().err
    assert not home.exists()
    monkeypatch.delenv("LEDGER_URL", raising=False)
    for reference, found in (
        ("env:LEDGER_URL", "no environment variable LEDGER_URL"),
        ("file:/no/such", "read /no/such"),
    ):
        assert run(["init", str(home), "--database", reference]) == 2
        assert found in capsys.readouterr().err and not home.exists()
    monkeypatch.setenv("LEDGER_URL", f"sqlite:///{tmp_path / 'elsewhere.db'}")
    assert run(["init", str(home), "--database", "env:LEDGER_URL"]) == 0
    assert (tmp_path / "elsewhere.db").exists() and not (home / "var" / "ledger.db").exists()
    assert (home / "config" / "gateway.toml").read_text().count('\nurl = "env:LEDGER_URL"\n') == 1
    assert run(["status", "--home", str(home)]) == 0


def test_a_second_home_of_a_ledger_is_told_whose_key_it_needs(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_URL", database_url)
    first, second = tmp_path / "first", tmp_path / "second"
    for home in (first, second):
        assert run(["init", str(home), "--database", "env:LEDGER_URL"]) == 0
        assert "is in use" not in capsys.readouterr().out
    assert run(["load", str(SAMPLE / "reference"), "--date", "2026-03-02", "--home", str(first)]) == 0
    assert run(["keys", "show", "--home", str(first), "--json"]) == 0
    shutil.rmtree(second)
    key = re.search(r'"key": "([0-9a-f]{8})"', capsys.readouterr().out)
    assert key is not None
    assert run(["init", str(second), "--database", "env:LEDGER_URL"]) == 0
    assert f"what key {key[1]} seals in it cannot be read here: put config/keys/field.key of" in capsys.readouterr().out
    words = f"account numbers in the ledger are sealed with the key {key[1]}, which this home does not have: bring it from the home "
    assert run(["config", "check", "--home", str(second)]) == 0
    assert f"\nwarning: {words}" in capsys.readouterr().out
    assert run(["config", "check", "--home", str(second), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["warnings"][0].startswith(words)
    assert run(["status", "--home", str(second)]) == 1
    assert f"\nNO KEY: {words}" in capsys.readouterr().out
    shutil.copy(first / "config" / "keys" / "field.key", second / "config" / "keys" / "field.key")
    assert run(["status", "--home", str(second)]) == run(["status", "--home", str(first)]) == 0
    assert "NO KEY" not in capsys.readouterr().out


def test_the_demo_plays_twice_and_every_command_it_names_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["demo"]) == 0
    shown = capsys.readouterr().out
    assert (tmp_path / "var" / "demo" / ".demo").is_file()
    named = re.findall(r"^gateway (.+?) +# ", shown, re.MULTILINE)
    assert len(named) == 8
    monkeypatch.setenv("GATEWAY_HOME", "var/demo")
    for command in named:
        assert run(command.split()) == 0, command
    log = (tmp_path / "var" / "demo" / "var" / "log" / "gateway.log").read_text()
    assert not [a for a in ACCOUNTS if a in log + capsys.readouterr().out]
    monkeypatch.delenv("GATEWAY_HOME")
    assert run(["demo", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert {d["state"] for d in document["delivered"]} == {"DELIVERED"}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    assert run(["demo", "other"]) == 3


def test_config_check_reads_secrets_that_lie_in_files(own: Played) -> None:
    settings, url = own.root / "config" / "gateway.toml", own.root / "webhook"
    settings.write_text(settings.read_text() + '\n[alarms]\nwebhook = "file:webhook"\n')
    url.write_text("https://alarms.example/drop")
    url.chmod(0o644)
    done = own.do("config", "check")
    assert (done.code, done.err) == (
        2, "gateway: config/gateway.toml: alarms.webhook: webhook: found it readable by others (mode 0644), expected 0600: run chmod 0600 "
        "on it\n",
    )  # fmt: skip
    url.chmod(0o600)
    assert own.do("config", "check").code == 0


def test_config_check_tries_the_keys_of_endpoints(own: Played) -> None:
    key = own.root / "config" / "keys" / "none"
    key.chmod(0o644)
    done = own.do("config", "check")
    assert (done.code, done.err) == (
        2, "gateway: config/gateway.toml: endpoints.bank: config/keys/none: found it readable by others (mode 0644), expected 0600: run "
        "chmod 0600 on it\n",
    )  # fmt: skip
    key.chmod(0o600)
    assert own.do("config", "check").code == 0
    key.unlink()
    done = own.do("config", "check")
    assert (done.code, done.err) == (
        2, "gateway: config/gateway.toml: endpoints.bank: config/keys/none: found no file to read (No such file or directory), expected the "
        "private key of the endpoint: put it there, mode 0600, or name another one in key\n",
    )  # fmt: skip


def test_a_day_in_a_year_that_nobody_checked_is_refused_and_no_fault(own: Played) -> None:
    settings = own.root / "config" / "gateway.toml"
    windows = CONFIG.replace("[banks.first]", '[endpoints.bank.windows]\ntimes = ["14:15"]\n[banks.first]')
    settings.write_text(f"{windows}[calendar]\ncovered = [2025]\n")
    file = own.ok("outbound", "list", "--json").rows[0]
    refused = own.do("outbound", "approve", str(file["id"]), "--sha256", file["sha256"])
    assert refused.code == 3 and "expected one in the covered years (2025)" in refused.err
