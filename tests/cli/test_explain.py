"""``gateway explain``: in a home its format profiles count, anywhere else the built-in tables; Avro files as text ones."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.ledger.database import Database
from parsers.xsellerator_profile import profile_from_mapping as xsel_profile
from tests.cli.conftest import Played
from tests.formats.test_explain import container
from tests.formats.test_xsellerator import ROWS
from writers import xsellerator

INBOUND = """
[names]
payments = ["zahlung"]
[assessments]
order = ["lease", "asset", "invoice", "due_date", "code", "ptcode", "fhcode", "liendate", "reason", "amount"]
[assessments.tags]
lease = "<vertrag>"
"""
XSELLERATOR = '[envelope]\npacket = "PAKET"\nrow = "LINE"\n'


@pytest.fixture
def home(tmp_path: Path) -> Played:
    """Settings alone: a file is explained without a ledger."""
    root = tmp_path / "home"
    (root / "config" / "formats").mkdir(parents=True)
    (root / "config" / "gateway.toml").touch()
    (root / "config" / "formats" / "inbound.toml").write_text(INBOUND)
    (root / "config" / "formats" / "xsellerator.toml").write_text(XSELLERATOR)
    return Played(root, "")


FILES = {
    "p1_zahlung.dat": b"L1001,12500\n",
    "p1_btchassmt.dat": b"<vertrag>1001<assmt>LTCH<reason>NONE<amount>2500\n",
    "rows.bin": xsellerator.render(
        ROWS, start=date(2026, 7, 1), end=date(2026, 7, 31),
        profile=xsel_profile({"envelope": {"packet": "PAKET", "row": "LINE"}}),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind", "shown", "outside"),
    [
        ("p1_zahlung.dat", "payments", "12500", "unknown"),
        ("p1_btchassmt.dat", "assessments", "45-48  amount  2500", "assessments"),
        ("rows.bin", "xsellerator", "432.98", "xsellerator"),
    ],
)
def test_the_profiles_of_a_home_count_in_it_and_nowhere_else(
    home: Played, tmp_path: Path, name: str, kind: str, shown: str, outside: str
) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    inside = home.ok("explain", str(path))
    assert f"{name}: {kind}" in inside.out and shown in inside.out and "finds nothing wrong" in inside.out
    without = Played(tmp_path, "").do("explain", str(path), "--json")
    assert (without.code, without.document["kind"]) == (1, outside)
    assert without.document["problems"]


def test_settings_that_do_not_validate_are_told_and_nothing_is_explained(home: Played, tmp_path: Path) -> None:
    path = tmp_path / "p1_zahlung.dat"
    path.write_bytes(FILES["p1_zahlung.dat"])
    (home.root / "config" / "formats" / "inbound.toml").write_text("[names]\npayments = []\n")
    done = home.do("explain", str(path))
    assert (done.code, done.out) == (2, "")
    assert "config/formats/inbound.toml: Found no root name in names.payments" in done.err


def test_an_xsellerator_file_is_checked_by_the_table_of_the_home(own: Played, tmp_path: Path) -> None:
    path = tmp_path / "rows.xml"
    path.write_bytes(FILES["rows.bin"])
    before = own.do("check", str(path))
    assert before.code == 1
    assert (
        "ENVELOPE: Found element PAKET, expected element DATAPACKET: ask for the file again, or correct [envelope] of"
        in before.out
    )
    (own.root / "config" / "formats" / "xsellerator.toml").write_text(XSELLERATOR)
    assert "finds nothing wrong" in own.ok("check", str(path)).out


def test_an_avro_file_is_shown_as_a_text_one_is(home: Played, tmp_path: Path) -> None:
    path = tmp_path / "p1_zahlung.avro"
    path.write_bytes(container())
    seen = home.do("explain", str(path), "--records", "1")
    assert seen.code == 1
    for words in ("p1_zahlung.avro: payments, Avro of schema lease_gateway.inbound.Payment", "record 1: payments",
                  "amount       10000       100.00", "due_date     12143       2003-04-01", "The first record is shown", "1 problem:",
                  "line 2 target_kind AVRO_TEXT"):  # fmt: skip
        assert words in seen.out, seen.out
    document = home.do("explain", str(path), "--json").document
    assert (document["schema"], len(document["records"])) == ("lease_gateway.inbound.Payment", 2)
    path.write_bytes(container()[:-3])
    damaged = home.do("explain", str(path))
    assert (damaged.code, "UNREADABLE: Found the end of the file inside block 1" in damaged.out) == (1, True)


def test_an_empty_avro_file_is_empty_to_explain_check_and_process(own: Played, tmp_path: Path) -> None:
    """A later file of a kind that posted before is compared with that one; nothing is read of no bytes."""
    path = tmp_path / "p1_btchpmt.avro"
    path.touch()
    assert "finds nothing wrong" in own.ok("explain", str(path)).out
    assert "p1_btchpmt.dat of 2026-03-02" in own.ok("check", str(path)).out
    (checked,) = own.ok("check", str(path), "--json").rows
    (processed,) = own.ok("process", str(path), "--json").rows
    assert (checked["state"], processed["state"]) == ("EMPTY", "EMPTY")


def test_a_damaged_avro_file_is_checked_while_its_date_is_closed(own: Played, tmp_path: Path) -> None:
    path = tmp_path / "p1_btchpmt.avro"
    path.write_bytes(container()[:-3])
    close = text("UPDATE portfolio SET period_state = 'CLOSED'")
    with closing(Database(own.url)) as db, db.write() as connection:
        connection.execute(close)
    (row,) = own.do("check", str(path), "--json").rows
    assert [hold["code"] for hold in row["would_hold"]] == ["PERIOD_CLOSED", "UNREADABLE"]
