"""Changes of vendors: proposed, seen, applied by a second person onto what they were proposed against, or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from gateway.app import Operator
from gateway.errors import Refused, UsageError
from gateway.ledger import vendor_alerts, vendor_changes
from gateway.ledger.database import Database
from gateway.ledger.load import LoadRejected, LoadResult
from gateway.ledger.vendor_changes import Change, Maker
from gateway.ledger.vendor_details import FIELDS, current
from gateway.vault import Vault
from tests.conftest import Content
from tests.ledger.reference import AT, VAULT, loaded, run, write

RIGHTS = frozenset({"load", "approve"})
ANN = Operator("ANN", "ann", RIGHTS)
BOB = Operator("BOB", "bob", RIGHTS)
HEAD = "vendor,name,routing_number,account_number,account_type,sec\n"
V1 = "V1,ACME,091000019,123456789,checking,CCD\n"
V2 = "V2,OTHER,121000248,555444333,savings,PPD\n"


def fill(db: Database, folder: Path) -> None:
    loaded(db, folder, vendors=HEAD + V1 + V2)


@pytest.fixture
def ledger_content(request: pytest.FixtureRequest) -> Content | None:
    return fill if "vendors" in request.fixturenames else None


@pytest.fixture
def vendors(db: Database) -> Database:
    return db


def propose(
    db: Database, vendor: str = "V1", *, origin: vendor_changes.Origin = "OPERATOR", reason: str = "letter", **new: str
) -> int | None:
    with db.write() as connection:
        return vendor_changes.propose(
            db, connection, VAULT, vendor, new, origin=origin, reason=reason, maker=Maker("ANN", "ann"), at=AT
        )


def approve(db: Database, change_id: int | None, operator: Operator = BOB) -> Change:
    assert change_id is not None
    with db.write() as connection:
        return vendor_changes.approve(db, connection, VAULT, change_id, operator=operator, at=AT)


def refuse(db: Database, change_id: int | None, reason: str = "no", operator: Operator = BOB) -> Change:
    assert change_id is not None
    with db.write() as connection:
        return vendor_changes.refuse(connection, VAULT, change_id, reason=reason, operator=operator, at=AT)


def details(db: Database, vendor: str = "V1") -> dict[str, str]:
    with db.read() as connection:
        return current(connection, VAULT, [vendor])[vendor]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_change_waits_for_a_build_that_reads_the_vendor(vendors: Database) -> None:
    """A build reads a vendor in several statements: it must not see the old account with the new version. (On SQLite
    there is one writer.)"""
    change = propose(vendors, account_number="999888777")
    assert change is not None
    with vendors.write() as build:
        vendors.lock_portfolios(build, ["1"])
        with pytest.raises(OperationalError, match="lock timeout"), vendors.write() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '20ms'"))
            vendor_changes.approve(vendors, connection, VAULT, change, operator=BOB, at=AT)
    assert approve(vendors, change).state == "APPLIED"


def query(db: Database, statement: str) -> list[tuple[Any, ...]]:
    with db.read() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def waiting(db: Database) -> set[str]:
    with db.read() as connection:
        return vendor_changes.pending(connection, ["V1", "V2", "V9"])


def version(db: Database) -> int:
    with db.read() as connection:
        return vendor_changes.details_versions(connection).get("V1", 1)


@pytest.mark.parametrize(
    ("new", "versions"),
    [
        ({"account_number": "987654321"}, 2),
        ({"routing_number": "121000248"}, 2),
        ({"account_type": "savings"}, 2),
        ({"routing_number": "121000248", "account_number": "42", "account_type": "savings", "name": "ACME INC"}, 2),
        ({"name": "ACME INC"}, 1),
        ({"sec": "CTX"}, 1),
    ],
)
def test_a_change_takes_effect_with_a_second_person(vendors: Database, new: dict[str, str], versions: int) -> None:
    before = details(vendors)
    change_id = propose(vendors, **new)
    assert details(vendors) == before and waiting(vendors) == {"V1"} and version(vendors) == 1
    done = approve(vendors, change_id)
    assert details(vendors) == before | new
    assert (done.state, done.checker, done.checker_user, set(done.after)) == ("APPLIED", "BOB", "bob", set(new))
    assert waiting(vendors) == set() and version(vendors) == versions
    last4 = "" if "42" in new.values() else details(vendors)["account_number"][-4:]  # a short number is never shown
    assert query(vendors, "SELECT account_last4 FROM vendor WHERE vendor = 'V1'") == [(last4,)]
    assert query(vendors, "SELECT operator, os_user, action, subject FROM operator_event WHERE action <> 'vendor.load' ORDER BY event_id") == [
        ("ANN", "ann", "vendor.propose", "vendor V1"), ("BOB", "bob", "vendor.approve", "vendor V1"),
    ]  # fmt: skip


@pytest.mark.parametrize("person", [ANN, replace(ANN, code="AN2"), replace(ANN, user="bob")])
def test_the_maker_never_is_the_checker(vendors: Database, person: Operator) -> None:
    change_id = propose(vendors, account_number="42")
    with pytest.raises(Refused, match=r"proposed by ANN \(ann\), expected a second person"):
        approve(vendors, change_id, person)
    assert details(vendors)["account_number"] == "123456789"
    assert refuse(vendors, change_id, operator=person).state == "REFUSED", "taking back one's own change is no danger"


def test_a_decision_stands(vendors: Database) -> None:
    change_id = propose(vendors, account_number="42")
    done = refuse(vendors, change_id, "vendor knows nothing of it")
    assert (done.state, done.decision_reason) == ("REFUSED", "vendor knows nothing of it")
    with pytest.raises(Refused, match="found it REFUSED by BOB"):
        approve(vendors, change_id)
    with pytest.raises(Refused, match="found it REFUSED by BOB"):
        refuse(vendors, change_id)
    assert details(vendors)["account_number"] == "123456789" and waiting(vendors) == set()


def test_a_change_applies_only_onto_what_it_was_proposed_against(vendors: Database) -> None:
    first = propose(vendors, account_number="42")
    second = propose(vendors, account_number="43", routing_number="121000248")
    other = propose(vendors, name="ACME INC")
    approve(vendors, first)
    with pytest.raises(Refused, match="found account number changed since it was proposed"):
        approve(vendors, second)
    approve(vendors, other)
    assert details(vendors)["account_number"] == "42" and waiting(vendors) == {"V1"}
    refuse(vendors, second)
    assert version(vendors) == 2


def remarks(db: Database, change_id: int | None) -> tuple[str, ...]:
    with db.read() as connection:
        (listed,) = [c for c in vendor_changes.listing(connection, VAULT) if c.change_id == change_id]
        assert vendor_changes.one(connection, VAULT, change_id or 0) == listed
    return listed.remarks


def test_accounts_that_are_shown_alike_are_told_apart(vendors: Database) -> None:
    first, other = propose(vendors, account_number="99886789"), propose(vendors, account_number="55446789")
    spelled = propose(vendors, account_number="9988-6789", name="ACME INC")
    propose(vendors, "V2", account_number="11116789")
    assert remarks(vendors, first) == (
        "the account number is not the one it replaces, though it is shown alike",
        f"the account number is not that of change {other}, though it is shown alike",
    )
    assert remarks(vendors, spelled)[1:] == (remarks(vendors, first)[1],), "blanks and hyphens make no other account"
    assert remarks(vendors, propose(vendors, account_number="42424242")) == ()
    assert remarks(vendors, propose(vendors, sec="PPD")) == ()


def test_a_change_that_can_be_applied_no_more_says_so(vendors: Database) -> None:
    first, later = propose(vendors, account_number="42424242"), propose(vendors, account_number="43434343")
    name = propose(vendors, name="ACME INC")
    approve(vendors, first)
    assert remarks(vendors, later) == (
        "found account number changed since it was proposed, expected as it was then; refuse it and propose it again",
    )
    assert (remarks(vendors, first), remarks(vendors, name)) == ((), ())
    refuse(vendors, later)
    assert remarks(vendors, later) == ()


def test_a_change_of_a_vendor_whose_details_no_key_opens_is_still_seen(vendors: Database) -> None:
    change_id = propose(vendors, account_number="42424242")
    with vendors.write() as connection:
        connection.execute(text("UPDATE vendor SET account_sealed = :other"), {"other": b"sealed by another key"})
    assert remarks(vendors, change_id) == ()


def test_the_same_change_waits_once_and_no_change_is_none(vendors: Database) -> None:
    change_id = propose(vendors, account_number="42", name="ACME")
    assert propose(vendors, account_number="42") == change_id, "the name is what it is"
    assert propose(vendors, account_number="42", account_type="savings") != change_id
    assert propose(vendors, account_number="123-456 789") is None, "the same account, written otherwise"
    assert propose(vendors, name="ACME", sec="CCD") is None


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ({"routing_number": "091000018"}, r"routing_number: found '\*\*\*\*0018', expected a 9-digit routing number"),
        ({"account_number": "1234567890123456789"}, r"account_number: found '\*\*\*\*6789', expected 1 to 17"),
        ({"account_type": "gold"}, "account_type: found 'gold', expected one of checking, savings"),
        ({"sec": "WEB"}, "sec: found 'WEB', expected one of CCD, PPD, CTX"),
        ({"holdback": "Y"}, "found field 'holdback', expected one of routing_number"),
    ],
)
def test_a_value_no_vendor_can_have_is_refused(vendors: Database, new: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        propose(vendors, **new)
    assert query(vendors, "SELECT COUNT(*) FROM vendor_change") == [(0,)]


def test_unknown_ones_and_missing_reasons(vendors: Database) -> None:
    with pytest.raises(UsageError, match="changing vendor V9: found no such vendor"):
        propose(vendors, "V9", name="X")
    with pytest.raises(UsageError, match="changing vendor V1: found no reason"):
        propose(vendors, reason=" ", name="X")
    with pytest.raises(UsageError, match="change 7: found none of that number"):
        approve(vendors, 7)
    change_id = propose(vendors, name="X")
    with pytest.raises(UsageError, match="found no reason"):
        refuse(vendors, change_id, " ")
    clerk = replace(BOB, rights=frozenset({"load"}))
    with pytest.raises(Refused, match="without the right 'approve'"):
        approve(vendors, change_id, clerk)


def test_account_numbers_are_sealed_at_rest_and_masked_in_lists(vendors: Database) -> None:
    propose(vendors, account_number="987654321")
    ((before, after),) = query(vendors, "SELECT before_sealed, after_sealed FROM vendor_change")
    assert b"123456789" not in bytes(before) and b"987654321" not in bytes(after)
    with vendors.read() as connection:
        (shown,) = vendor_changes.listing(connection, VAULT, vendor="V1", state="PROPOSED")
        assert vendor_changes.listing(connection, VAULT, state="APPLIED") == []
    assert (shown.before, shown.after) == ({"account_number": "****6789"}, {"account_number": "****4321"})


def test_with_a_lost_key_a_change_can_be_seen_and_refused_but_not_applied(vendors: Database) -> None:
    change_id = propose(vendors, account_number="987654321")
    other = Vault(b"o" * 32)
    with vendors.write() as connection:
        assert vendor_changes.one(connection, other, change_id or 0).after == {}
        with pytest.raises(Refused, match="found values that no key of this home opens"):
            vendor_changes.approve(vendors, connection, other, change_id or 0, operator=BOB, at=AT)
        vendor_changes.refuse(connection, other, change_id or 0, reason="key lost", operator=BOB, at=AT)


# --- by load ------------------------------------------------------------------------------------------------


def load(db: Database, tmp_path: Path, vendors: str) -> LoadResult:
    return run(db, write(tmp_path / "again", vendors=HEAD + vendors))


def test_a_load_proposes_other_bank_details_and_loads_the_rest(vendors: Database, tmp_path: Path) -> None:
    changed = "V1,ACME INC,091000019,987654321,savings,PPD\n"
    result = load(vendors, tmp_path, changed + V2 + "V3,NEW,091000019,777,checking,CCD\n")
    assert result.proposed == {"V1": 1}
    assert (result.counts["vendors"].new, result.counts["vendors"].changed, result.counts["vendors"].same) == (1, 1, 1)
    assert details(vendors) == {
        "routing_number": "091000019", "account_number": "123456789", "account_type": "checking", "name": "ACME INC",
        "sec": "PPD",
    }  # fmt: skip
    assert details(vendors, "V3")["account_number"] == "777"
    assert query(vendors, "SELECT vendor, origin, fields, maker, maker_user, state FROM vendor_change") == [
        ("V1", "LOAD", "account_number,account_type", "ABC", "abc", "PROPOSED")
    ]
    assert load(vendors, tmp_path, changed).proposed == {"V1": 1}, "the same load again proposes nothing new"
    approve(vendors, 1)
    assert details(vendors)["account_number"] == "987654321"
    again = load(vendors, tmp_path, changed)
    assert (again.proposed, again.counts["vendors"].same) == ({}, 1)


def test_what_was_refused_is_told_and_not_proposed_again(vendors: Database, tmp_path: Path) -> None:
    changed = "V1,ACME,091000019,987654321,checking,CCD\n"
    refuse(vendors, load(vendors, tmp_path, changed).proposed["V1"])
    again = load(vendors, tmp_path, changed)
    assert again.proposed == {}
    assert again.warnings == (
        "vendors.csv: vendor V1: the bank details differ as in change 1, which was refused; they were left: "
        "correct the file",
    )
    approve(vendors, propose(vendors, account_number="42"))
    assert load(vendors, tmp_path, changed).proposed == {"V1": 3}, "against other details it is another question"


def test_numbers_that_no_key_opens_are_replaced(vendors: Database, tmp_path: Path) -> None:
    write(tmp_path / "again", vendors=HEAD + "V1,ACME,091000019,42,checking,CCD\n")
    other = Vault(b"o" * 32)
    assert run(vendors, tmp_path / "again", vault=other).proposed == {}
    with vendors.read() as connection:
        assert current(connection, other, ["V1"])["V1"]["account_number"] == "42"


OFF = "leave the column out; a person who approves says gateway vendor alert V1 --off --reason WHY"
UNTIL = "leave the column out; a person who approves says gateway vendor alert V1 --override-until DATE --reason WHY"
SENDS = "leave the column out: the gateway sends prenotes itself and knows them"


@pytest.mark.parametrize(
    ("column", "there", "told", "problem"),
    [
        ("dealer_alert", "Y", "N", f"Found N, expected Y, the alert that is on: {OFF}"),
        ("dealer_alert", "Y", "", f"Found no value, expected Y, the alert that is on: {OFF}"),
        ("dealer_alert", "Y", "Y", None),
        ("dealer_alert", "", "Y", None),
        ("suspense_override_on", "", "2026-03-05", f"Found 2026-03-05, expected no later date than there is: {UNTIL}"),
        ("suspense_override_on", "2026-03-04", "2026-03-05", f"Found 2026-03-05, expected no later date than there is: {UNTIL}"),
        ("suspense_override_on", "2026-03-05", "2026-03-05", None),
        ("suspense_override_on", "2026-03-05", "", None),
        ("prenote_sent", "N", "Y", f"Found Y, expected what there is of a known vendor: {SENDS}"),
        ("prenote_sent", "", "Y", f"Found Y, expected what there is of a known vendor: {SENDS}"),
        ("prenote_sent", "Y", "N", None),
        ("prenote_sent_on", "2026-03-05", "2026-03-04", f"Found 2026-03-04, expected no earlier date than there is: {SENDS}"),
        ("prenote_sent_on", "2026-03-05", "", f"Found no value, expected no earlier date than there is: {SENDS}"),
        ("prenote_sent_on", "2026-03-05", "2026-03-06", None),
    ],
)  # fmt: skip
def test_a_load_never_lets_money_go_to_a_known_vendor(
    db: Database, tmp_path: Path, column: str, there: str, told: str, problem: str | None
) -> None:
    head = HEAD.strip() + f",{column}\n"
    loaded(db, tmp_path / "first", vendors=head + V1.strip() + f",{there}\n")
    again = write(tmp_path / "again", vendors=head + V1.strip() + f",{told}\n")
    if problem is None:
        run(db, again)
    else:
        with pytest.raises(LoadRejected) as caught:
            run(db, again)
        assert [p.message for p in caught.value.problems] == [f"vendors.csv, row 2, {column}: {problem}."]
    kept = there if problem else told
    assert query(db, f"SELECT {column} FROM vendor") == [(kept or None,)]


# --- alerts -------------------------------------------------------------------------------------------------


def alert(db: Database, operator: Operator = ANN, reason: str = "title", **options: Any) -> None:
    values = {"on": True, "override_until": None} | options
    with db.write() as connection:
        vendor_alerts.set_alert(connection, VAULT, "V1", reason=reason, operator=operator, at=AT, **values)


def standing(db: Database) -> tuple[Any, ...]:
    return query(db, "SELECT dealer_alert, suspense_override_on FROM vendor WHERE vendor = 'V1'")[0]


@pytest.mark.parametrize(
    "words",
    ["pay 123456789 now", "to 1234-5678 9", "account:123-456-789.", "was 555444333", "from 123456789 to 777000111"],
)
def test_no_account_number_is_kept_in_words(vendors: Database, words: str) -> None:
    """Of this vendor, of another one, grouped as people do, or the new one: reasons are shown as they were typed."""
    with pytest.raises(Refused, match=r"found the account number of (vendor V\d|the change) \(\*\*\*\*\d{4}\) among the words") as told:  # fmt: skip
        propose(vendors, reason=words, account_number="777000111")
    assert not any(number in str(told.value) for number in ("123456789", "555444333", "777000111"))
    with pytest.raises(Refused, match="found the account number"):
        propose(vendors, name="ACME 777-000-111", account_number="777000111")
    change = propose(vendors, account_number="777000111")
    with pytest.raises(Refused, match="refusing change 1: found the account number of the change"):
        refuse(vendors, change, reason="777000111 is not theirs")
    with pytest.raises(Refused, match="the alert of vendor V1: found the account number"):
        alert(vendors, reason=words.replace("777000111", ""))
    refuse(vendors, change, reason="letter of 2026-03-02, 1234 and 56789, order 12345678")


def test_an_alert_is_set_overridden_and_taken_away(vendors: Database) -> None:
    alert(vendors)
    assert standing(vendors) == ("Y", None)
    with vendors.read() as connection:
        assert vendor_alerts.alert_reason(connection, "V1") == ("title", "ANN", AT)
        assert vendor_alerts.alert_reason(connection, "V2") is None
    with pytest.raises(Refused, match="found it on already"):
        alert(vendors)
    alert(vendors, override_until="2026-03-05")
    assert standing(vendors) == ("Y", "2026-03-05")
    alert(vendors, on=False, reason="title came")
    assert standing(vendors) == ("N", None)
    with pytest.raises(Refused, match="found none, expected one to take away"):
        alert(vendors, on=False)
    assert query(vendors, "SELECT action, reason FROM operator_event WHERE action <> 'vendor.load' ORDER BY event_id") == [
        ("vendor.alert-on", "title"), ("vendor.override", "until 2026-03-05: title"), ("vendor.alert-off", "title came"),
    ]  # fmt: skip


@pytest.mark.parametrize("options", [{"on": False}, {"override_until": "2026-03-05"}])
def test_letting_money_go_needs_the_right_to_approve(vendors: Database, options: dict[str, Any]) -> None:
    clerk = replace(ANN, rights=frozenset({"load"}))
    alert(vendors, clerk)
    with pytest.raises(Refused, match="without the right 'approve'"):
        alert(vendors, clerk, **options)
    with pytest.raises(UsageError, match="found no reason"):
        alert(vendors, reason=" ", **options)
    assert standing(vendors) == ("Y", None)


def test_every_field_a_person_can_change_is_one_of_the_ledger(vendors: Database) -> None:
    assert details(vendors).keys() == FIELDS.keys()
