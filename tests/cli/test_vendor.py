"""``gateway vendor …``: bank details changed by two people, in a copy of the played home, on both databases."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

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
    assert "****6789 -> ****8990" in two.ok("vendor", "changes").out
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
    assert "alert because" in two.ok("vendor", "show", "V100").out
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
