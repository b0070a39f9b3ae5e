"""What a person typed before on the business date, by whatever words, is not posted once more unless it is a further one."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gateway.ledger.database import Database
from tests.cli.conftest import Played

PAY = ("payment", "post", "--lease", "1006", "--amount", "10.00", "--reason", "paid at the desk")
ASSESS = ("assess", "--lease", "1006", "--charge", "LTCH", "--amount", "25.00", "--reason", "paid late")
WAIVE = ("waive", "90001", "LTCH", "5.00", "--reason", "first time late")
ACTS = {"payment": PAY, "assess": ASSESS, "waive": WAIVE}


@pytest.fixture
def desk(own: Played) -> Played:
    """Lease 1006 owes 50.00 of rent and 30.00 of LTCH on invoice 90001."""
    rows = "invoice,lease,due_date,charge,amount\n90001,1006,2026-02-01,PYMT,50.00\n90001,1006,2026-02-01,LTCH,30.00\n"
    (own.root / "invoices.csv").write_text(rows)
    own.ok("load", str(own.root / "invoices.csv"))
    return own


def units(home: Played) -> int:
    return len({row["unit"] for row in home.ok("ledger", "journal", "--json").rows})


@pytest.mark.parametrize("act", ACTS)
def test_the_same_once_more_is_refused_and_a_further_one_is_posted(desk: Played, act: str) -> None:
    typed = ACTS[act]
    unit = desk.ok(*typed, "--json").document["unit"]
    before = units(desk)
    for more in ((), ("--dry-run",)):
        refused = desk.do(*typed, *more)
        assert (refused.code, refused.out) == (3, "")
        assert (
            f"found the same posted before on this business date, by ABC in posting unit {unit}, expected it once"
            in refused.err
        )
        assert refused.err.endswith("if this is a further one, say so with --again\n")
    assert units(desk) == before
    desk.ok(*typed, "--again")
    assert units(desk) == before + 1
    assert desk.ok("verify", "--json").document["ok"] is True


OTHERS = {
    "payment": [
        ("--amount", "11.00"), ("--check", "118"), ("--effective", "2026-03-02"),
        ("--lease", "1005", "--rest-to-suspense"),
    ],
    "assess": [("--amount", "26.00"), ("--charge", "RCR5"), ("--invoice", "90001")],
    "waive": [],
}  # fmt: skip


@pytest.mark.parametrize(("act", "other"), [(act, other) for act, others in OTHERS.items() for other in others])
def test_another_one_is_posted(desk: Played, act: str, other: tuple[str, ...]) -> None:
    desk.ok(*ACTS[act])
    desk.ok(*ACTS[act], *other)


def test_a_lease_named_by_its_invoice_is_the_same_lease(desk: Played) -> None:
    desk.ok(*PAY)
    refused = desk.do("payment", "post", "--invoice", "90001", "--amount", "10.00", "--reason", "the other clerk")
    assert refused.code == 3 and "found the same posted before" in refused.err


def test_an_invoice_that_is_named_is_the_one_a_charge_would_go_to(desk: Played) -> None:
    done = desk.ok(*ASSESS, "--json").document
    for named in (("--invoice", done["invoice"]), ("--due", done["due_date"])):
        refused = desk.do(*ASSESS, *named)
        assert refused.code == 3 and f"by ABC in posting unit {done['unit']}, expected it once" in refused.err
    desk.ok(*ASSESS, "--invoice", done["invoice"], "--again")
    assert desk.ok("verify", "--json").document["ok"] is True


def test_what_was_taken_back_is_posted_again(desk: Played) -> None:
    batch = desk.ok(*PAY, "--json").document["batch"]
    desk.ok("payment", "reverse", batch, "--reason", "UNDO")
    desk.ok(*PAY)
    unit = desk.ok(*WAIVE, "--json").document["unit"]
    desk.ok("waive", "--undo", str(unit), "--reason", "owed after all")
    desk.ok(*WAIVE)
    assert desk.ok("verify", "--json").document["ok"] is True


def test_on_the_next_business_date_it_is_another_one(desk: Played) -> None:
    pay = (*PAY, "--effective", "2026-03-02")
    for typed in (pay, ASSESS, WAIVE):
        desk.ok(*typed)
    database = Database(desk.url)
    with database.write() as connection:
        connection.execute(text("UPDATE portfolio SET business_date = '2026-03-04'"))
    database.close()
    for typed in (pay, ASSESS, WAIVE):
        desk.ok(*typed)


def test_what_a_file_brought_is_not_what_a_person_typed(desk: Played) -> None:
    (desk.root / "inbox" / "p1_btchpmt.dat").write_text("L1006,1000\n")
    (file,) = desk.ok("process", "--json").rows
    assert file["state"] == "POSTED"
    desk.ok(*PAY)
    refused = desk.do(*PAY)
    assert refused.code == 3


def test_waivers_of_other_amounts_and_charges_stand_beside_each_other(desk: Played) -> None:
    desk.ok(*WAIVE)
    desk.ok("waive", "90001", "LTCH", "6.00", "--reason", "more")
    desk.ok(*ASSESS, "--invoice", "90001", "--charge", "RCR1")
    desk.ok("waive", "90001", "RCR1", "5.00", "--reason", "another charge")
    desk.ok(*ASSESS, "--invoice", "20008")
    desk.ok("waive", "20008", "LTCH", "5.00", "--reason", "another invoice")
    refused = desk.do("waive", "--undo", "9", "--again", "--reason", "x")
    assert refused.code != 0 and "found --again beside --undo" in refused.err


def test_the_same_charge_of_another_asset_is_another_one(desk: Played) -> None:
    (desk.root / "assets.csv").write_text("asset,lease,description\n781,1001,TRAILER\n")
    desk.ok("load", str(desk.root / "assets.csv"))
    given = (
        "assess",
        "--charge",
        "PTAX",
        "--amount",
        "25.00",
        "--due",
        "2026-03-20",
        "--reason",
        "x",
        "--json",
        "--asset",
    )
    invoice, other = (desk.ok(*given, asset).document["invoice"] for asset in ("778", "781"))
    assert invoice == other
    for asset in ("778", "781"):
        desk.ok("waive", invoice, "PTAX", "5.00", "--asset", asset, "--reason", "x")
    refused = desk.do("waive", invoice, "PTAX", "5.00", "--asset", "781", "--reason", "x")
    assert refused.code == 3 and "found the same posted before" in refused.err


SUSPENSE = {
    "apply": ("apply", "2", "--to", "invoice:20004=20.00", "--reason", "theirs"),
    "clear": ("clear", "2", "--account", "601", "--amount", "1.50", "--reason", "written off"),
    "receive": ("clear", "1", "--check", "88", "--bank", "126", "--amount", "200.00", "--reason", "came back"),
    "add": ("add", "--portfolio", "1", "--lease", "1001", "--amount", "50.00", "--reason", "bank letter"),
}


@pytest.mark.parametrize("act", SUSPENSE)
def test_the_same_step_on_suspense_once_more_is_refused(desk: Played, act: str) -> None:
    """A check that came back brought its money twice."""
    typed = ("suspense", *SUSPENSE[act])
    unit = desk.ok(*typed, "--json").document["unit"]
    before = units(desk)
    for more in ((), ("--dry-run",)):
        refused = desk.do(*typed, *more)
        assert (refused.code, refused.out) == (3, "")
        assert f"by ABC in posting unit {unit}, expected it once" in refused.err
    assert units(desk) == before
    desk.ok(*typed, "--again")
    assert units(desk) == before + 1
    assert desk.ok("verify", "--json").document["ok"] is True


def test_another_step_on_suspense_is_taken(desk: Played) -> None:
    for other in (
        (), ("--amount", "201.00", "--check", "88"), ("--check", "89"), ("--check", "88", "--bank", "127"),
    ):  # fmt: skip
        desk.ok("suspense", *SUSPENSE["receive"][:2], "--check", "88", "--amount", "20.00", "--reason", "x", *other)
    for other in ((), ("--amount", "51.00"), ("--lease", "1003"), ("--check", "7"), ("--account", "126")):
        desk.ok("suspense", *SUSPENSE["add"], *other)
    for target in ("invoice:20004=20.00", "lease:1006=20.00", "account:601=20.00", "account:001=20.00"):
        desk.ok("suspense", "apply", "2", "--to", target, "--reason", "theirs")
    assert desk.do("suspense", "clear", "2", "--account", "601", "--amount", "20.00", "--reason", "x").code == 3


def check_of(number: int) -> tuple[str, str]:
    return ("--check", str(50_000 + number))


@pytest.mark.parametrize("act", ["refund", "pay"])
def test_as_much_by_another_check_to_the_same_payee_is_refused(desk: Played, act: str) -> None:
    """Two clerks with one letter each wrote a check, and the payee had the money twice."""
    lessee = "RIVERA TRUCKING"
    typed = (
        "suspense",
        act,
        "3",
        "--amount",
        "20.00",
        "--reason",
        "the letter",
        *(("--payee", lessee) if act == "pay" else ()),
    )
    unit = desk.ok(*typed, *check_of(1), "--json").document["unit"]
    for other in ("refund", "pay"):
        payee = ("--payee", lessee.lower()) if other == "pay" else ()
        refused = desk.do("suspense", other, "3", "--amount", "20.00", "--reason", "the letter", *check_of(2), *payee)
        assert refused.code == 3 and f"by ABC in posting unit {unit}, expected it once" in refused.err
    desk.ok("suspense", "pay", "3", "--amount", "20.00", "--reason", "x", "--payee", "ANOTHER", *check_of(2))
    desk.ok("suspense", "refund", "3", "--amount", "21.00", "--reason", "x", *check_of(3))
    desk.ok(*typed, *check_of(4), "--again")
    for move in (1, 4):
        desk.ok("suspense", "undo", "3", "--move", str(move), "--reason", "once is enough")
    desk.ok(*typed, *check_of(5))
    assert desk.ok("verify", "--json").document["ok"] is True


def test_a_step_on_suspense_that_was_taken_back_is_taken_again(desk: Played) -> None:
    typed = ("suspense", *SUSPENSE["apply"])
    desk.ok(*typed)
    desk.ok("suspense", "undo", "2", "--move", "1", "--reason", "not theirs")
    desk.ok(*typed)
    assert desk.do(*typed).code == 3
    desk.ok("suspense", *SUSPENSE["add"])
    database = Database(desk.url)
    with database.write() as connection:
        connection.execute(text("UPDATE portfolio SET business_date = '2026-03-04'"))
    database.close()
    for once in (typed, ("suspense", *SUSPENSE["add"])):
        desk.ok(*once)
        assert desk.do(*once).code == 3


def test_another_invoice_of_the_lease_is_the_same_lease(desk: Played) -> None:
    desk.ok("suspense", "apply", "2", "--to", "invoice:90001=10.00", "--reason", "theirs")
    refused = desk.do("suspense", "apply", "2", "--to", "lease:1006=10.00", "--reason", "theirs")
    assert refused.code == 3 and "found the same posted before" in refused.err
