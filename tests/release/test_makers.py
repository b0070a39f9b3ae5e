"""A maker can never be the checker: who had a part in a bank file, whatever part, does not release it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from gateway.answers.pay_again import pay_again
from gateway.app import App, Operator
from gateway.cli import outbound_page
from gateway.clock import FixedClock
from gateway.errors import Refused
from gateway.home import Home
from gateway.ledger import vendor_changes
from gateway.ledger.database import Database
from gateway.ledger.load import load
from gateway.ledger.vendor_alerts import set_alert
from gateway.ledger.vendor_changes import Maker
from gateway.outbound.store import Frozen
from gateway.release import copies, makers, release
from gateway.release.build import build
from gateway.settings import Operators
from gateway.vendor_ach import voids
from tests.ledger.reference import write
from tests.outbound import world
from tests.outbound.ach import refused, returned

PEOPLE = {code: Operator(code, code.lower(), world.ALL_RIGHTS) for code in ("ANN", "BOB", "CAT", "DAN", "EVE", "FAY")}
VENDORS = (
    "vendor,name,routing_number,account_number,account_type,sec\n"
    "V1,ACME,091000019,123456789,checking,CCD\nV2,OTHER,091000019,987654321,checking,CCD\n"
)
CHECKS = (
    "portfolio,check,type,amount,disbursement_date,vendor,lease\n1,1,NEWA,50.00,2026-03-03,V1,L1\n"
    "1,2,NEWA,60.00,2026-03-03,V1,L1\n1,3,NEWA,70.00,2026-03-03,V2,L1\n"
)


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock) -> App:
    """Ann's app. Everybody may do everything; the service runs under a name of its own."""
    world.company(db)
    world.clearing(db, 1, 2)
    if not db.is_sqlite:  # a load completes the chart, behind the accounts that have numbers already
        with db.write() as connection:
            connection.execute(text("SELECT setval(pg_get_serial_sequence('gl_account', 'account_id'), 10000)"))
    made = world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH})
    people = {code: {"users": [person.user]} for code, person in PEOPLE.items()}
    operators = Operators.model_validate(
        {"operators": people | {"SVC": {"users": ["gateway"], "rights": ["post", "deliver"]}}}
    )
    return replace(made, settings=replace(made.settings, operators=operators))


def loads(app: App, code: str, folder: Path, **files: str) -> None:
    later(app)
    load(
        app.db, [write(folder, **files)], vault=app.vault, maker=Maker(code, code.lower()), posted_at=app.now(),
        business_date=None,
    )  # fmt: skip


def later(app: App) -> None:
    """No two steps at one instant."""
    app.clock.wait(1)


def changed(app: App, vendor: str, *, maker: str, checker: str, taken: bool = True, **new: str) -> None:
    with app.db.write() as connection:
        change = vendor_changes.propose(
            app.db, connection, app.vault, vendor, new, origin="OPERATOR", reason="letter",
            maker=Maker(maker, maker.lower()), at=app.now(),
        )  # fmt: skip
        assert change is not None
        if taken:
            vendor_changes.approve(app.db, connection, app.vault, change, operator=PEOPLE[checker], at=app.now())
        else:
            vendor_changes.refuse(
                connection, app.vault, change, reason="no letter", operator=PEOPLE[checker], at=app.now()
            )


def waiting(app: App, maker: str) -> Frozen:
    later(app)
    file, _scratch = build(world.as_person(app, PEOPLE[maker]), "VACH", "1").files
    return file


def approve(app: App, file: Frozen, code: str) -> None:
    later(app)
    release.approve(world.as_person(app, PEOPLE[code]), file.outbound_id, sha256=file.sha256)
    copies.taken(app, file.outbound_id, reason="brought to the bank")


def told(app: App, file: Frozen) -> list[str]:
    with app.db.read() as connection:
        return [part.said for part in makers.parts(connection, file.outbound_id)]


def test_whoever_had_a_part_does_not_release(app: App, tmp_path: Path) -> None:
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    changed(app, "V2", maker="DAN", checker="EVE", account_number="55555555")
    changed(app, "V1", maker="FAY", checker="EVE", taken=False, account_number="66666666")  # nothing came of it
    file = waiting(app, "ANN")
    assert told(app, file) == [
        "made by ANN (ann)", "check 1 and 2 more loaded by BOB (bob)", "vendor V1 and 1 more loaded by CAT (cat)",
        "a change of vendor V2 proposed by DAN (dan)",
    ]  # fmt: skip
    for code, part in (
        ("ANN", r"made by ANN \(ann\)"),
        ("BOB", r"check 1 and 2 more loaded by BOB \(bob\)"),
        ("CAT", r"vendor V1 and 1 more loaded by CAT \(cat\)"),
        ("DAN", r"a change of vendor V2 proposed by DAN \(dan\)"),
    ):
        with pytest.raises(
            Refused,
            match=rf"found {code} \({code.lower()}\), {part}, expected a second person with another code and another user, "
            r"who had no part in it: ask EVE \(eve\) or FAY \(fay\)$",
        ):
            approve(app, file, code)
    approve(app, file, "EVE")  # who decided about a change did not make it


def test_a_part_ends_when_what_it_made_has_gone_out(app: App, tmp_path: Path) -> None:
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    changed(app, "V2", maker="DAN", checker="EVE", account_number="55555555")
    approve(app, waiting(app, "ANN"), "FAY")
    loads(
        app, "EVE", tmp_path / "c", checks=CHECKS + "1,4,NEWA,1.00,2026-03-03,V1,L1\n1,5,NEWA,1.00,2026-03-03,V2,L1\n"
    )
    file = waiting(app, "ANN")
    assert told(app, file) == ["made by ANN (ann)", "check 4 and 1 more loaded by EVE (eve)"]
    approve(app, file, "CAT")
    changed(app, "V1", maker="DAN", checker="EVE", account_number="66666666")
    for number, parts in (("6", ["a change of vendor V1 proposed by DAN (dan)"]), ("7", [])):
        loads(
            app,
            "EVE",
            tmp_path / number,
            checks=CHECKS.split("\n", 1)[0] + f"\n1,{number},NEWA,1.00,2026-03-03,V1,L1\n",
        )
        file = waiting(app, "ANN")
        assert told(app, file) == ["made by ANN (ann)", f"check {number} loaded by EVE (eve)", *parts]
        approve(app, file, "CAT")


def test_a_clock_that_went_back_since_a_payee_was_paid_ends_no_part(app: App, tmp_path: Path) -> None:
    """What was done after that release had an instant before it: who changed the payee's account released the next payment."""
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    assert isinstance(app.clock, FixedClock)
    app.clock.at += timedelta(hours=3)
    approve(app, waiting(app, "ANN"), "FAY")
    app.clock.at -= timedelta(hours=3)
    changed(app, "V1", maker="DAN", checker="EVE", account_number="66666666")
    with app.db.write() as connection:
        for on in (True, False):
            set_alert(
                connection,
                app.vault,
                "V1",
                on=on,
                override_until=None,
                reason="x",
                operator=PEOPLE["CAT"],
                at=app.now(),
            )
    header = CHECKS.split("\n", 1)[0]
    loads(
        app, "BOB", tmp_path / "d", checks=f"{header}\n1,8,NEWA,1.00,2026-03-03,V1,L1\n1,9,NEWA,1.00,2026-03-03,V2,L1\n"
    )
    file = waiting(app, "ANN")
    assert "a change of vendor V1 proposed by DAN (dan)" in told(app, file)
    with pytest.raises(Refused, match=r"found DAN \(dan\), a change of vendor V1 proposed by DAN"):
        approve(app, file, "DAN")
    assert [one["operator"] for one in release.show(app, file.outbound_id)["lifted"]] == ["CAT"]


def test_whoever_changes_a_check_has_a_part_beside_who_loaded_it(app: App, tmp_path: Path) -> None:
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    loads(app, "DAN", tmp_path / "c", checks=CHECKS.replace("V2", "V1").replace("60.00", "61.00"))
    assert told(app, waiting(app, "ANN"))[1:3] == [
        "check 1 and 2 more loaded by BOB (bob)", "check 2 and 1 more loaded by DAN (dan)",
    ]  # fmt: skip


def test_a_new_vendor_of_a_rejected_file_was_never_paid(app: App, tmp_path: Path) -> None:
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    release.reject(world.as_person(app, PEOPLE["CAT"]), waiting(app, "ANN").outbound_id, reason="again")
    with pytest.raises(Refused, match="vendor V1 and 1 more loaded by CAT"):
        approve(app, waiting(app, "ANN"), "CAT")


def who_loaded_has_a_part(app: App) -> None:
    """In what is built now: it is told, and CAT may not release it."""
    file = waiting(app, "ANN")
    assert "vendor V1 loaded by CAT (cat)" in told(app, file)
    with pytest.raises(Refused, match="vendor V1 loaded by CAT"):
        approve(app, file, "CAT")


def test_a_vendor_whose_details_were_tested_was_not_paid(app: App, tmp_path: Path) -> None:
    """What left to him until now is a prenote."""
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    first = waiting(app, "ANN")
    approve(app, first, "FAY")
    world.change(app.db, "UPDATE ach_entry SET kind = 'PRENOTE'")
    loads(app, "EVE", tmp_path / "c", checks=CHECKS + "1,4,NEWA,1.00,2026-03-03,V1,L1\n")
    who_loaded_has_a_part(app)


def test_a_vendor_whose_payments_were_taken_back_was_not_paid(app: App, tmp_path: Path) -> None:
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    approve(app, waiting(app, "ANN"), "FAY")
    later(app)
    for check in ("1", "2"):
        voids.void(world.as_person(app, PEOPLE["DAN"]), check, reason="wrong account")
    loads(app, "EVE", tmp_path / "c", checks=CHECKS + "1,4,NEWA,1.00,2026-03-03,V1,L1\n")
    who_loaded_has_a_part(app)


def test_who_voided_does_not_release_the_reversal(app: App, tmp_path: Path) -> None:
    """Nor another user of the same code: of a posting unit only the code is kept."""
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    approve(app, waiting(app, "ANN"), "FAY")
    later(app)
    voids.void(world.as_person(app, PEOPLE["BOB"]), "1", reason="ordered twice")
    voids.void(world.as_person(app, PEOPLE["DAN"]), "2", reason="ordered twice")
    voids.undo(world.as_person(app, PEOPLE["DAN"]), "2", reason="not at all")
    file = waiting(app, "ANN")
    assert told(app, file) == ["made by ANN (ann)", "check 1 voided by BOB"]
    for person in (PEOPLE["BOB"], Operator("BO2", "bob", world.ALL_RIGHTS)):
        with pytest.raises(Refused, match=r"check 1 voided by BOB, expected a second person"):
            release.approve(world.as_person(app, person), file.outbound_id, sha256=file.sha256)
    approve(app, file, "DAN")


def test_who_takes_a_whole_file_back_does_not_release_its_reversal(app: App, tmp_path: Path) -> None:
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    first = waiting(app, "ANN")
    approve(app, first, "FAY")
    voids.void(world.as_person(app, PEOPLE["EVE"]), "3", reason="ordered twice")
    reason = {"of": first.outbound_id, "reason": "wrong day"}
    file, _scratch = build(world.as_person(app, PEOPLE["DAN"]), "VACH-REVERSAL", "1", **reason).files
    assert told(app, file) == ["made by DAN (dan)", "check 1 and 1 more voided by DAN", "check 3 voided by EVE"]
    with pytest.raises(Refused, match=r"check 3 voided by EVE, .* ask ANN \(ann\) or BOB \(bob\) or CAT"):
        approve(app, file, "EVE")
    approve(app, file, "ANN")


def test_who_pays_again_does_not_release(app: App, tmp_path: Path) -> None:
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    approve(app, waiting(app, "ANN"), "FAY")
    with app.db.write() as connection:  # as a return of the bank leaves it
        connection.execute(text("UPDATE bank_check SET state = 'RETURNED' WHERE check_no = '1'"))
    later(app)
    pay_again(world.as_person(app, PEOPLE["DAN"]), "1", reason="new account")
    file = waiting(app, "ANN")
    assert told(app, file) == ["made by ANN (ann)", "check 1 loaded by BOB (bob)", "check 1 paid again by DAN (dan)"]
    for code, part in (("DAN", "check 1 paid again by DAN"), ("BOB", "check 1 loaded by BOB")):
        with pytest.raises(Refused, match=part):
            approve(app, file, code)
    approve(app, file, "CAT")


def test_a_payment_that_came_back_ends_no_part(app: App, tmp_path: Path) -> None:
    """Who loaded the payee could release what goes to it for the first time."""
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    first = waiting(app, "ANN")
    approve(app, first, "FAY")
    with app.db.write() as connection:
        connection.execute(text("UPDATE bank_check SET state = 'RETURNED' WHERE check_no = '1'"))
    for seq in (1, 2):  # both payments to V1
        returned(app.db, first.outbound_id, seq)
    later(app)
    pay_again(world.as_person(app, PEOPLE["DAN"]), "1", reason="new account")
    who_loaded_has_a_part(app)


def test_a_payment_that_the_bank_refused_ends_no_part(app: App, tmp_path: Path) -> None:
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    first = waiting(app, "ANN")
    approve(app, first, "FAY")
    refused(app.db, first.outbound_id)
    loads(app, "BOB", tmp_path / "d", checks=CHECKS.split("\n", 1)[0] + "\n1,4,NEWA,50.00,2026-03-03,V1,L1\n")
    who_loaded_has_a_part(app)


def test_where_nobody_is_left_the_refusal_says_so(app: App, tmp_path: Path) -> None:
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    people = {"ANN": {"users": ["ann"]}, "BOB": {"users": ["bob"]}, "EVE": {"users": ["eve"], "rights": ["post"]}}
    few = replace(app.settings, operators=Operators.model_validate({"operators": people}))
    with pytest.raises(Refused, match=r"ask one; config/operators.toml names nobody else with the right to approve$"):
        approve(replace(app, settings=few), waiting(app, "ANN"), "BOB")


def test_one_person_alone_where_the_portfolio_says_so(app: App, tmp_path: Path) -> None:
    alone = app.settings.portfolio("1").model_copy(
        update={"release": app.settings.portfolio("1").release.model_copy(update={"four_eyes": False})}
    )
    app = replace(app, settings=replace(app.settings, portfolios={"1": alone}))
    loads(app, "ANN", tmp_path / "v", vendors=VENDORS, checks=CHECKS)
    approve(app, waiting(app, "ANN"), "ANN")


def test_who_let_money_go_to_a_payee_on_alert_is_shown_until_it_is_paid(app: App, tmp_path: Path) -> None:
    """A check, no part: whoever did it may release, and the one who looks sees it, a line a payee."""
    loads(app, "CAT", tmp_path / "v", vendors=VENDORS)
    loads(app, "BOB", tmp_path / "c", checks=CHECKS)
    for code, vendor, on, until in (
        ("DAN", "V1", True, None),
        ("EVE", "V1", False, None),
        ("FAY", "V2", True, "2026-03-31"),
    ):
        later(app)
        with app.db.write() as connection:
            set_alert(
                connection, app.vault, vendor, on=on, override_until=until, reason=f"{code} called", operator=PEOPLE[code],
                at=app.now(),
            )  # fmt: skip
    file = waiting(app, "ANN")
    found = release.show(app, file.outbound_id)
    assert [tuple(one[key] for key in ("vendor", "operator", "user", "what", "reason")) for one in found["lifted"]] == [
        ("V1", "EVE", "eve", "alert taken away", "EVE called"),
        ("V2", "FAY", "fay", "paid despite its alert", "until 2026-03-31: FAY called"),
    ]
    shown = outbound_page.page(found, lambda at: "THEN" if at else "")
    at = next(n for n, line in enumerate(shown) if line.startswith("  alerts"))
    assert shown[at : at + 2] == [
        "  alerts     vendor V1 alert taken away by EVE (eve) at THEN: EVE called",
        "             vendor V2 paid despite its alert by FAY (fay) at THEN: until 2026-03-31: FAY called",
    ]
    approve(app, file, "EVE")
    loads(
        app,
        "BOB",
        tmp_path / "d",
        checks="portfolio,check,type,amount,disbursement_date,vendor,lease\n1,9,NEWA,50.00,2026-03-03,V1,L1\n",
    )
    assert release.show(app, waiting(app, "ANN").outbound_id)["lifted"] == [], "it has been paid since"
