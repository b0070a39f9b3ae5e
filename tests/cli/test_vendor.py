"""``gateway vendor …``: bank details changed by two people, in a copy of the played home, on both databases."""

from __future__ import annotations

import io
import re
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.ledger.database import Database
from tests.cli.conftest import Played

WHY = ("--reason", "letter of 3 March, called back")
NEW = "4455667788990"


@pytest.fixture
def two(own: Played, monkeypatch: pytest.MonkeyPatch) -> Played:
    """The home with a second person in it; the first acts."""
    operators = own.root / "config" / "operators.toml"
    operators.write_text('[operators.ABC]\nusers = ["ann"]\n[operators.BOB]\nusers = ["bob"]\n')
    monkeypatch.setattr("gateway.app.system_user", lambda: "ann")
    return own


def second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.app.system_user", lambda: "bob")


def details(home: Played, vendor: str = "V100") -> tuple[str, str, int]:
    found = home.ok("vendor", "show", vendor, "--json").document
    return found["routing_number"], found["account_number"], found["details_version"]


def test_a_change_from_proposal_to_approval(two: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    (two.root / "new.txt").write_text(NEW + "\n")
    (two.root / "new.txt").chmod(0o600)
    proposed = two.do("vendor", "change", "v100", "--account-from", "file:new.txt", *WHY)
    assert (proposed.code, proposed.err) == (1, "")
    assert "account number  ****6789 -> ****8990" in proposed.out and NEW not in proposed.out
    assert "gateway vendor approve 1" in proposed.out
    assert details(two) == ("091000019", "****6789", 1)
    (waiting,) = (r for r in two.ok("vendor", "list", "--json").rows if r["change"])
    assert (waiting["vendor"], waiting["change"]) == ("V100", 1)
    alone = two.do("vendor", "approve", "1")
    assert alone.code == 3 and "expected a second person" in alone.err
    second(monkeypatch)
    assert "Applied." in two.ok("vendor", "approve", "1").out
    assert details(two) == ("091000019", "****8990", 2)
    (row,) = two.ok("vendor", "changes", "--state", "applied", "--vendor", "v100", "--json").rows
    assert (row["maker"], row["checker"], row["after"]) == ("ABC", "BOB", {"account_number": "****8990"})
    listed, shown = two.ok("vendor", "changes").out, two.ok("vendor", "show", "V100").out
    assert "****6789 -> ****8990" in listed and "2026-03-02 09:00 EST" in listed
    assert shown.count("at 2026-03-02 09:00 EST") == 2, "proposed and decided, as people there read it"
    assert row["proposed_at"].endswith("Z")
    assert two.ok("verify", "--json").document["ok"] is True


def test_where_the_account_number_comes_from(two: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(NEW + "\n"))
    assert two.do("vendor", "change", "V100", "--account-from", "stdin", *WHY).code == 1
    typed = two.do("vendor", "change", "V100", "--account-from", "987654321", *WHY)
    assert typed.code == 2 and "stays in the shell's history" in typed.err and "987654321" not in typed.err
    asked = two.do("vendor", "change", "V100", "--account-from", "prompt", *WHY)
    assert asked.code == 2 and "found no terminal" in asked.err
    nothing = two.do("vendor", "change", "V100", *WHY)
    assert nothing.code == 2 and "found nothing to change" in nothing.err
    same = two.ok("vendor", "change", "V100", "--routing", "091000019", *WHY)
    assert "has these values already" in same.out


def test_refused_and_unknown(two: Played) -> None:
    assert two.do("vendor", "change", "V101", "--name", "CITY PARTS", "--sec", "ppd", *WHY).code == 1
    refused = two.ok("vendor", "refuse", "1", "--reason", "they know nothing of it")
    assert "Refused; the vendor stays as it was." in refused.out
    assert "they know nothing of it" in two.ok("vendor", "show", "V101").out
    for command in (("show", "V9"), ("approve", "9"), ("alert", "V9", *WHY)):
        assert two.do("vendor", *command).code == 2


def test_an_alert(two: Played) -> None:
    two.ok("vendor", "alert", "V100", "--on", *WHY)
    two.ok("vendor", "alert", "V100", "--override-until", "2026-03-09", *WHY)
    shown = two.ok("vendor", "show", "V100", "--json").document
    assert (shown["dealer_alert"], shown["suspense_override_on"]) == ("Y", "2026-03-09")
    assert shown["alert_reason"].startswith("letter of 3 March, called back (ABC, ")
    assert re.search(
        r"alert because +letter of 3 March, called back \(ABC, 2026-03-0\d \d\d:\d\d EST\)\n",
        two.ok("vendor", "show", "V100").out,
    )
    both = two.do("vendor", "alert", "V100", "--off", "--override-until", "2026-03-09", *WHY)
    assert both.code == 2 and "expected one of them" in both.err
    assert "no more" in two.ok("vendor", "alert", "V100", "--off", *WHY).out


def test_a_load_with_other_bank_details_ends_as_one_with_holds(two: Played, tmp_path: Path) -> None:
    file = tmp_path / "vendors.csv"
    head = "vendor,name,routing_number,account_number,account_type,sec\n"
    file.write_text(f"{head}V100,HARBOR MOTORS,091000019,{NEW},checking,CCD\n")
    loaded = two.do("load", str(file))
    assert loaded.code == 1 and NEW not in loaded.out
    assert "Change 1 of vendor V100's bank details waits for a second person: gateway vendor approve 1" in loaded.out
    assert two.do("load", str(file), "--json").document["changes"] == {"V100": 1}
    assert details(two)[1] == "****6789"


# --- voids --------------------------------------------------------------------------------------------------


def delivered(home: Played) -> None:
    """Whatever was let go is at the bank beyond doubt."""
    with closing(Database(home.url)) as db, db.write() as connection:
        connection.execute(text("UPDATE delivery SET state = 'DELIVERED'"))
        connection.execute(
            text(
                "INSERT INTO delivery_event (delivery_id, at, step) "
                "SELECT delivery_id, '2026-03-02T14:00:00.000000Z', 'DELIVERED' FROM delivery"
            )
        )


def released(home: Played, at: int) -> dict[str, str]:
    """One of the waiting bank files, let go and at the bank beyond doubt: only what is there is taken back."""
    row = [row for row in home.ok("outbound", "list", "--json").rows if row["kind"] == "VACH-BANK"][at]
    accepted = ("--accept", "first-payment,", "--reason", "called back")
    home.ok("outbound", "approve", str(row["id"]), "--sha256", row["sha256"], *accepted)
    delivered(home)
    found: dict[str, str] = row
    return found


def test_a_sent_check_is_voided_taken_back_and_its_money_comes_in(own: Played) -> None:
    released(own, 0)
    tried = own.ok("vendor", "void", "30001", "--reason", "goods sent back", "--dry-run")
    assert tried.out.startswith("Would void check 30001 of bank 126 over 18,250.00: CLEARING debited, ACCOUNTS PAYABLE")
    done = own.ok("vendor", "void", "30001", "--reason", "goods sent back", "--json")
    assert done.document == {
        "checks": [{"portfolio": "1", "bank": "126", "check": "30001", "amount": "18250.00", "account": "CLEARING"}],
        "undone": False, "dry_run": False, "reversal_by": "2026-03-10",
    }  # fmt: skip
    again = own.do("vendor", "void", "30001", "--reason", "x")
    assert again.code == 3 and "found it VOID" in again.err
    assert own.ok("verify", "--json").document["ok"] is True
    built = own.do("outbound", "build", "vach", "--portfolio", "1", "--json").document["files"]
    assert [(f["name"], f["total_debit"]) for f in built] == [
        ("P01-VACH-BANK-260303-2.DAT", "18250.00"), ("DSPP-P01-VACH-260303-2.DAT", "18250.00"),
    ]  # fmt: skip
    own.ok("outbound", "approve", str(built[0]["id"]), "--sha256", built[0]["sha256"])
    delivered(own)
    modules = own.ok("eop", "--date", "2026-03-03", "--json").document["portfolios"][0]["modules"]
    said = next(m["message"] for m in modules if m["module"] == "U0424")
    assert said.startswith("reversals of 18,250.00 settled; ")
    assert own.ok("verify", "--json").document["ok"] is True
    late = own.do("vendor", "void", "30001", "--undo", "--reason", "x")
    assert late.code == 3 and "found its reversal in P01-VACH-BANK-260303-2.DAT" in late.err


def test_a_whole_file_is_taken_back(own: Played) -> None:
    row = released(own, 1)
    built = own.ok(
        "outbound", "build", "vach-reversal", "--portfolio", "1", "--of", row["id"], "--reason", "wrong month", "--json"
    )
    assert built.document["files"][0]["total_debit"] == row["total_credit"]
    assert own.ok("verify", "--json").document["ok"] is True


def test_a_build_names_what_it_withholds(own: Played) -> None:
    """Which check, how much, why, and where the report is: enough to act without opening it."""
    for row in own.ok("outbound", "list", "--json").rows:
        if row["kind"] == "VACH-BANK":
            own.ok("outbound", "reject", str(row["id"]), "--reason", "vendor asked us to wait")
    vendor = next(c["vendor"] for c in own.ok("ledger", "checks", "--json").rows if c["check"] == "30001")
    own.ok("vendor", "alert", vendor, "--on", *WHY)
    built = own.do("outbound", "build", "vach", "--portfolio", "1")
    assert built.code == 1
    assert f"Withheld: check 30001 of {vendor}, 18,250.00: " in built.out, built.out
    report = Path(re.search(r" withheld; all of them in (\S+)", built.out)[1])  # type: ignore[index]
    assert "30001" in report.read_text()
    again = own.do("outbound", "build", "vach", "--portfolio", "1", "--json").document
    assert [w["amount"] for w in again["exceptions"] if w["check"] == "30001"] == ["18250.00"]
    assert again["withheld"] == len(again["exceptions"]) and Path(again["exception_report"]).is_file()


@pytest.mark.parametrize(
    ("typed", "code", "message"),
    [
        ("vendor void 1 --reason x", 2, "found none of that number"),
        ("vendor void 30001 --reason x", 3, "which waits for release"),
        ("vendor void 30001 --undo --whole-entry --reason x", 2, "expected --undo alone"),
        (
            "outbound build vach-reversal --portfolio 1",
            2,
            "found no --of, expected the number of the bank file to take back",
        ),
        ("outbound build vach --portfolio 1 --of 1", 2, "found --of, expected only --same-day"),
        ("outbound build vach-reversal --portfolio 1 --of 1 --reason x", 3, "BUILT, expected one that left"),
        ("outbound build vach-reversal --of 1 --reason x", 3, "BUILT, expected one that left"),
        ("outbound build vach-reversal --of 99 --reason x", 2, "outbound file 99: found none of that number"),
        (
            "outbound build dsgl --portfolio 1 --same-day",
            2,
            "found --same-day, expected only --again --after --of --reason",
        ),
        ("outbound build vach --portfolio 1 --same-day", 3, "same_day = 'never', expected 'asked'"),
    ],
)
def test_what_cannot_be_taken_back(played: Played, typed: str, code: int, message: str) -> None:
    done = played.do(*typed.split())
    assert (done.code, message in done.err) == (code, True), done
