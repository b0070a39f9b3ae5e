"""After a restore from a backup nothing leaves a second time: what may have left since is for people to say."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from gateway.console.status import status
from gateway.delivery import queue, settle
from gateway.delivery.states import OPEN, DeliveryState, Resolution
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.ledger import restored
from gateway.ledger.backup import backup, restore
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.parts import doubts
from tests.delivery.conftest import Office, endpoint_of, later, operator
from tests.support import faulty_sftp

ANNA, BERT = operator("AAA", "anna"), operator("BBB", "bert")
S = DeliveryState
BACKUP_AT = "2026-03-01T22:00:00.000000Z"
NAME = "P01-VACH-BANK-260303.DAT"


def restored_office(office: Office) -> list[str]:
    """The ledger as one that was just restored; gives what is in doubt."""
    with office.app.db.write() as connection:
        at = office.app.now()
        restored.mark(connection, code="AAA", user="anna", backup_at=BACKUP_AT, at=at)
        return doubts(connection, at)


def compare(office: Office, reason: str = "the bank's list", **changes: Any) -> None:
    with office.app.db.write() as connection:
        restored.compared(connection, reason=reason, operator=dataclasses.replace(ANNA, **changes), at=office.app.now())


def put(office: Office, state: str, next_attempt_at: str | None, *steps: str) -> None:
    """A delivery in this state, with the events of its way there."""
    office.release(NAME, b"money" * 20)
    with office.app.db.write() as connection:
        connection.execute(
            text("UPDATE delivery SET state = :s, next_attempt_at = :n, started_at = :at"),
            {"s": state, "n": next_attempt_at, "at": office.app.now()},
        )
        queue.add_events(connection, office.app.now(), [(1, step, None) for step in steps])


def differing(office: Office) -> list[str]:
    return [f"{c.name}: {c.detail}" for c in verify(office.app.db) if c.name.startswith("deliveries") and not c.ok]


EVENT = {"PENDING": (), "SENDING": ("STARTED",), "PLACING": ("STARTED", "PLACING")}


@pytest.mark.parametrize("due", [True, False])
@pytest.mark.parametrize("state", OPEN)
def test_what_was_not_over_asks_people_and_no_look_decides(
    office: Office, faulty: faulty_sftp.Faulty, state: S, due: bool
) -> None:
    office.with_endpoints(bank=endpoint_of(faulty))
    put(office, state, office.app.now() if due else None, *EVENT.get(state, ("STARTED", state.value)))
    assert not differing(office)
    (said,) = restored_office(office)
    assert said == (
        f"{NAME} (#1) for bank: it was {state} in the backup and may have left since: ask the receiver, then two people say "
        "gateway deliver resolve 1 --as delivered --reason WHY, or --as not-delivered, which sends it"
    )
    later(office)
    assert office.deliver() == office.deliver(hurry=True) == [] and not list(faulty.root.iterdir())
    (row,) = office.rows()
    assert (row.state, row.next_attempt_at) == (S.UNKNOWN, None)
    assert row.last_error is not None and "gateway deliver resolve 1" in row.last_error
    assert not differing(office)
    found = status(office.app, None)
    assert found.wants_attention
    assert [o["delivery"] for o in found.outbound] == ["UNKNOWN"]


@pytest.mark.parametrize("state", [S.DELIVERED, S.ACKNOWLEDGED, S.RECALLED])
def test_what_was_over_stays_so(office: Office, state: S) -> None:
    put(office, state, None, state.value)
    before = office.rows(), office.steps()
    assert restored_office(office) == []
    assert (office.rows(), office.steps()) == before


def say(office: Office, who: Any, as_: Resolution) -> bool:
    with office.app.db.write() as connection:
        return settle.resolve(connection, 1, as_=as_, reason="asked", operator=who, at=office.app.now())


def test_a_first_word_in_the_backup_does_not_count_any_more(office: Office) -> None:
    """It was said of what is over by now: the file may have been sent again since."""
    put(office, S.UNKNOWN, None, "STARTED", "UNKNOWN")
    assert say(office, ANNA, Resolution.NOT_DELIVERED) is False
    restored_office(office)
    assert say(office, BERT, Resolution.NOT_DELIVERED) is False, "the first word"
    assert say(office, ANNA, Resolution.NOT_DELIVERED) is True
    assert office.states() == ["NOT_DELIVERED"] and not differing(office)


def test_what_is_released_after_a_restore_waits_until_somebody_compared(
    office: Office, faulty: faulty_sftp.Faulty
) -> None:
    """It may hold what a file did that this ledger does not know any more."""
    office.with_endpoints(bank=endpoint_of(faulty))
    restored_office(office)
    office.release("FIRST.DAT", b"1")
    assert office.deliver(hurry=True) == []
    (row,) = office.rows()
    assert (row.state, row.next_attempt_at) == (S.PENDING, None)
    assert row.last_error == (
        f"this ledger was restored from the backup of {BACKUP_AT}, and what was sent since may hold the same: compare with the "
        "receiver; if it may leave all the same: gateway deliver again 1 --reason WHY"
    )
    found = status(office.app, None)
    assert found.restored == restored.Uncompared(office.app.now(), f"from the backup of {BACKUP_AT}")
    assert found.wants_attention and not differing(office)
    with pytest.raises(Refused, match="without the right 'resolve'"):
        compare(office, rights=frozenset({"deliver"}))
    with pytest.raises(UsageError, match="found no reason"):
        compare(office, " ")
    compare(office)
    assert status(office.app, None).restored is None
    with pytest.raises(Refused, match="found no restore that waits for it"):
        compare(office)
    office.release("SECOND.DAT", b"2")
    assert [r.name for r in office.deliver()] == ["SECOND.DAT"]
    restored_office(office)
    assert status(office.app, None).restored is not None, "another restore asks again"


def test_a_restored_backup_sends_nothing_twice(
    sqlite_office: Office, faulty: faulty_sftp.Faulty, tmp_path: Path
) -> None:
    """The backup before, the delivery after it; the bank takes its files away."""
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty))
    office.app.home.settings_file.write_text("# defaults\n")
    office.release(NAME, b"money" * 20)
    with office.app.db.write() as connection:  # what verify asks of a file
        connection.execute(text("UPDATE outbound_file SET endpoint = 'bank', records = 0"))
    backup(office.app.home, office.app.db, tmp_path / "backup", at=BACKUP_AT)
    assert [r.state for r in office.deliver()] == [S.DELIVERED]
    (faulty.root / NAME).unlink()
    new = Home(tmp_path / "new")
    bring = partial(restore, at=office.app.now(), user="anna", doubt=doubts, database_url="")
    result = bring(tmp_path / "backup", new)
    assert (result.made_at, len(result.doubts)) == (BACKUP_AT, 1)
    db = Database.at_path(new.ledger)
    again = Office(dataclasses.replace(office.app, db=db, home=new), office.clock, office.contents)
    later(again)
    assert again.deliver(hurry=True) == [] and not list(faulty.root.iterdir())
    assert say(again, ANNA, Resolution.NOT_DELIVERED) is False and say(again, BERT, Resolution.NOT_DELIVERED)
    assert [r.state for r in again.deliver()] == [S.DELIVERED], "by the word of two people"
    db.close()
