"""One process an endpoint, and what happens when that is not so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from gateway.delivery import queue, settle
from gateway.delivery.deliver import missing_endpoints
from gateway.errors import Refused, UsageError
from gateway.ledger import process_lock
from gateway.ledger.database import Database
from gateway.ledger.process_lock import StillHeld, held
from tests.delivery.conftest import Office, endpoint_of, operator
from tests.support.faulty_sftp import Fault, Faulty


def test_the_second_steps_back(office: Office, faulty: Faulty) -> None:
    office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", b"a")
    with held(office.app.db, ["delivery:bank"]) as still_held:
        still_held()
        assert office.deliver() == []
        with pytest.raises(Refused, match="found another process at it"):
            office.deliver(endpoint="bank")
        with held(office.app.db, ["delivery:dealer"]):
            """Each endpoint is one for itself."""
    assert [r.state for r in office.deliver(endpoint="bank")] == ["DELIVERED"]


def test_an_endpoint_that_is_not_configured(office: Office, faulty: Faulty) -> None:
    with pytest.raises(UsageError, match=r"found no such endpoint, expected one of \(none\)"):
        office.deliver(endpoint="bank")
    office.with_endpoints(dealer=endpoint_of(faulty))
    office.release("A.DAT", b"a")
    assert office.deliver() == [] and office.states() == ["PENDING"]


def test_an_endpoint_that_the_settings_have_no_more_is_told_once(sqlite_office: Office, faulty: Faulty) -> None:
    """The service looks every two seconds, for weeks."""
    office, missing = sqlite_office, missing_endpoints()
    office.with_endpoints(dealer=endpoint_of(faulty))

    def told(rounds: int) -> list[str]:
        with capture_logs() as logged:
            for _ in range(rounds):
                office.deliver(missing=missing)
        return [f"{e['event']} {e.get('error', '')}".strip() for e in logged]

    words = "expected [endpoints.*] of that name in config/gateway.toml"
    office.release("A.DAT", b"a")
    assert told(3) == [f"endpoint_missing found files for bank, {words}"]
    office.release("B.DAT", b"b", endpoint="books")
    assert told(3) == [f"endpoint_missing found files for bank, books, {words}"]
    office.with_endpoints(bank=endpoint_of(faulty), books=endpoint_of(faulty))
    assert "endpoint_missing_over" in told(2)
    assert office.states() == ["DELIVERED", "DELIVERED"]


def test_a_delivery_that_another_took_over_is_not_placed(office: Office, faulty: Faulty) -> None:
    """If a lock is lost all the same, the state decides: without PLACING there is no rename."""
    from sqlalchemy import text

    office.with_endpoints(bank=endpoint_of(faulty))
    number = office.release("A.DAT", b"a")
    good = office.render

    def render(outbound_id: int):  # type: ignore[no-untyped-def]
        with office.app.db.write() as connection:
            connection.execute(
                text("UPDATE delivery SET state = 'NOT_DELIVERED' WHERE outbound_id = :o"), {"o": number}
            )
        return good(outbound_id)

    office.render = render  # type: ignore[method-assign]
    with capture_logs() as logged:
        office.deliver()
    assert [e for e in logged if e["event"] == "delivery"] == [], "no state is told that was not set"
    assert list(faulty.root.iterdir()) == [] and faulty.behaviour.placed == []
    assert office.states() == ["NOT_DELIVERED"]


def test_who_lost_the_lock_places_nothing(office: Office, faulty: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PostgreSQL it goes with its session, and another process may have it by now."""

    def gone() -> None:
        raise OperationalError("SELECT 1", {}, Exception("the session is over"))

    @contextmanager
    def lost(db: Database, names: Sequence[str]) -> Iterator[StillHeld]:
        with held(db, names):
            yield gone

    office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", b"a")
    with monkeypatch.context() as patch:
        patch.setattr(process_lock, "held", lost)
        with pytest.raises(OperationalError):
            office.deliver()
    assert faulty.behaviour.placed == [] and office.states() == ["SENDING"]
    assert [r.state for r in office.deliver()] == ["DELIVERED"]


def test_a_surprise_stops_and_the_next_run_settles(office: Office, faulty: Faulty) -> None:
    office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", b"a")
    with pytest.raises(ZeroDivisionError):
        office.deliver(progress=broken)
    assert office.states() == ["SENDING"]
    assert [r.state for r in office.deliver()] == ["DELIVERED"]
    assert [p.name for p in faulty.root.iterdir()] == ["A.DAT"]


def broken(*_: object) -> None:
    raise ZeroDivisionError


def test_what_is_interrupted_again_and_again_waits_for_a_person(office: Office, faulty: Faulty) -> None:
    office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", b"a")

    def interrupted(times: int) -> None:
        for _ in range(times):
            with pytest.raises(ZeroDivisionError):
                office.deliver(progress=broken)
            assert office.states() == ["SENDING"]

    interrupted(queue.INTERRUPTIONS)
    (result,) = office.deliver()
    assert (result.state, result.next_attempt_at, result.attempts) == ("NOT_DELIVERED", None, queue.INTERRUPTIONS)
    assert "the sending process ended, 5 times in a row; " in (result.detail or "")
    assert office.deliver(hurry=True) == []
    with office.app.db.write() as connection:
        settle.requeue(connection, 1, reason="power is back", operator=operator(), at=office.app.now())
    interrupted(queue.INTERRUPTIONS - 1)
    assert [r.state for r in office.deliver()] == ["DELIVERED"], "counted anew since a person said to try again"


def test_a_line_that_breaks_for_good(office: Office, faulty: Faulty) -> None:
    office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", b"a")
    faulty.behaviour.faults += [Fault("open", "drop before", times=3)]
    for _ in range(3):
        office.deliver()
        assert office.states() == ["NOT_DELIVERED"]
        office.clock.wait(1000)
    assert [r.state for r in office.deliver()] == ["DELIVERED"]
