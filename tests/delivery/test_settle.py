"""What people and receivers say: acknowledgements, two people on an unknown, another try."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Connection, text

from gateway.app import Operator
from gateway.delivery import queue, reads, settle, tries
from gateway.delivery.queue import Change
from gateway.delivery.states import TRANSITIONS, DeliveryState, Resolution, require_transition
from gateway.errors import DeliveryError, Refused, UsageError
from gateway.settings import Endpoint
from tests.delivery.conftest import Office, operator, release
from tests.support.at_once import until_it_waits

ANNA, BERT = operator("AAA", "anna"), operator("BBB", "bert")
S = DeliveryState


def in_state(office: Office, state: str, next_attempt_at: str | None = None) -> int:
    office.release("A.DAT", b"a")
    with office.app.db.write() as connection:
        connection.execute(
            text("UPDATE delivery SET state = :s, next_attempt_at = :n, started_at = :at"),
            {"s": state, "n": next_attempt_at, "at": office.app.now()},
        )
    return 1


def resolve(office: Office, who: Operator, as_: str = "delivered", reason: str = "bank said so") -> bool:
    with office.app.db.write() as connection:
        return settle.resolve(connection, 1, as_=Resolution(as_), reason=reason, operator=who, at=office.app.now())


def test_two_people_settle_an_unknown(office: Office) -> None:
    in_state(office, "UNKNOWN")
    assert resolve(office, ANNA) is False
    assert office.states() == ["UNKNOWN"]
    assert resolve(office, BERT, reason="seen in the portal") is True
    assert office.states() == ["DELIVERED"]
    with office.app.db.read() as connection:
        row = connection.execute(text("SELECT resolved_by, resolved_second, resolved_reason FROM delivery")).one()
        acts = connection.execute(text("SELECT operator, os_user, action FROM operator_event ORDER BY event_id"))
        assert tuple(row) == ("AAA", "BBB", "bank said so; seen in the portal")
        assert [tuple(a) for a in acts] == [("AAA", "anna", "resolve-proposed"), ("BBB", "bert", "resolve")]
    assert office.steps() == ["QUEUED", "RESOLVE_PROPOSED", "RESOLVED"]


def test_settled_as_not_delivered_is_due_again(office: Office) -> None:
    in_state(office, "UNKNOWN")
    resolve(office, ANNA, "not-delivered")
    resolve(office, BERT, "not-delivered")
    (row,) = office.rows()
    assert (row.state, row.next_attempt_at) == ("NOT_DELIVERED", office.app.now())
    with office.app.db.write() as connection, pytest.raises(Refused, match="found none, expected one that waits"):
        settle.withdraw(connection, 1, reason="too late", operator=ANNA, at=office.app.now())


def test_a_word_on_an_earlier_try_does_not_count_for_the_next(office: Office) -> None:
    """What was proved meanwhile, sent again and is unknown again is for two people anew."""
    in_state(office, "UNKNOWN")
    resolve(office, ANNA, "not-delivered")
    at = office.app.now()
    with office.app.db.write() as connection:
        queue.record(connection, [Change(1, S.UNKNOWN, S.NOT_DELIVERED, next_attempt_at=at)], at=at)
        queue.claim(connection, reads.by_ids(connection, [1]), temporary_suffix=".part", at=at)
        for before, after in ((S.SENDING, S.PLACING), (S.PLACING, S.UNKNOWN)):
            queue.record(connection, [Change(1, before, after)], at=at)
    assert resolve(office, BERT, "not-delivered") is False
    assert office.states() == ["UNKNOWN"]


def test_tries_before_two_people_settled_it_count_no_more(office: Office) -> None:
    """Else a file that had failed often would not be tried again by itself after their word."""
    in_state(office, "SENDING")
    with office.app.db.write() as connection:
        queue.record(connection, [Change(1, S.SENDING, S.NOT_DELIVERED)], at=office.app.now())
        assert tries.failures(connection, 1) == 1
        connection.execute(text("UPDATE delivery SET state = 'UNKNOWN'"))
    for who in (ANNA, BERT):
        resolve(office, who, "not-delivered")
    with office.app.db.read() as connection:
        assert tries.failures(connection, 1) == 0


@pytest.mark.parametrize(
    ("who", "as_", "reason", "message"),
    [
        (ANNA, "delivered", "x", "found AAA twice, expected a second person"),
        (
            operator("CCC", "anna"),
            "delivered",
            "x",
            "expected a second person with another code and another system user",
        ),
        (operator("AAA", "carl"), "delivered", "x", "expected a second person"),
        (BERT, "not-delivered", "x", "found 'not-delivered', expected 'delivered' as AAA said"),
        (operator("BBB", "bert", "deliver"), "delivered", "x", "without the right 'resolve'"),
    ],
)
def test_what_the_second_may_not(sqlite_office: Office, who: Operator, as_: str, reason: str, message: str) -> None:
    in_state(sqlite_office, "UNKNOWN")
    resolve(sqlite_office, ANNA)
    with pytest.raises(Refused, match=message):
        resolve(sqlite_office, who, as_, reason)
    assert sqlite_office.states() == ["UNKNOWN"]


def test_settling_needs_a_reason(sqlite_office: Office) -> None:
    in_state(sqlite_office, "UNKNOWN")
    with pytest.raises(UsageError, match="settling delivery 1: found no reason, expected one"):
        resolve(sqlite_office, ANNA, reason=" ")


def test_a_word_can_be_withdrawn(sqlite_office: Office) -> None:
    office = sqlite_office
    in_state(office, "UNKNOWN")
    resolve(office, ANNA, "delivered")
    with office.app.db.write() as connection:
        with pytest.raises(UsageError, match="withdrawing the word on delivery 1: found no reason, expected one"):
            settle.withdraw(connection, 1, reason=" ", operator=ANNA, at=office.app.now())
        other = replace(ANNA, rights=ANNA.rights - {"resolve"})
        with pytest.raises(Refused, match="withdrawing the word on delivery 1"):
            settle.withdraw(connection, 1, reason="x", operator=other, at=office.app.now())
        settle.withdraw(connection, 1, reason="it was the other file", operator=ANNA, at=office.app.now())
        with pytest.raises(Refused, match="found none, expected one that waits"):
            settle.withdraw(connection, 1, reason="x", operator=ANNA, at=office.app.now())
    assert resolve(office, BERT, "not-delivered") is False
    assert resolve(office, ANNA, "not-delivered") is True


def withdrawn(connection: Connection, at: str) -> None:
    settle.withdraw(connection, 1, reason="it was the other file", operator=ANNA, at=at)


def acknowledged(connection: Connection, at: str) -> None:
    settle.acknowledge(connection, 1, reference="a.ack", operator=ANNA, at=at)


@pytest.mark.parametrize(
    ("first", "comes_of_it", "state"),
    [(withdrawn, False, "UNKNOWN"), (acknowledged, "found it ACKNOWLEDGED, expected UNKNOWN", "ACKNOWLEDGED")],
)
def test_who_confirms_a_word_at_the_same_moment_knows_what_became_of_it(
    office: Office, first: Callable[[Connection, str], None], comes_of_it: bool | str, state: str
) -> None:
    """Else a file that is there would be sent again, by a word that was taken back."""
    in_state(office, "UNKNOWN")
    resolve(office, ANNA, "not-delivered")
    with ThreadPoolExecutor(1) as people:
        with office.app.db.write() as connection:
            first(connection, office.app.now())
            second = people.submit(resolve, office, BERT, "not-delivered")
            until_it_waits(office.app.db, second)
        if isinstance(comes_of_it, str):
            with pytest.raises(Refused, match=comes_of_it):
                second.result()
        else:
            assert second.result() is comes_of_it
    assert office.states() == [state]


@pytest.mark.parametrize("state", [s for s in S if s is not S.UNKNOWN])
def test_only_an_unknown_is_settled(sqlite_office: Office, state: str) -> None:
    in_state(sqlite_office, state)
    with pytest.raises(Refused, match=f"found it {state}, expected UNKNOWN"):
        resolve(sqlite_office, ANNA)


@pytest.mark.parametrize("state", [S.DELIVERED, S.UNKNOWN, S.NOT_DELIVERED])
def test_an_acknowledgement_ends_every_doubt(office: Office, state: str) -> None:
    in_state(office, state, "2026-03-02T14:00:00.000000Z")
    with office.app.db.write() as connection:
        for _ in range(2):
            done = settle.acknowledge(connection, 1, reference="ACK 7", operator=ANNA, at=office.app.now())
            assert done.state is S.ACKNOWLEDGED
    assert office.steps() == ["QUEUED", "ACKNOWLEDGED"]
    assert acts(office) == [("AAA", "anna", "acknowledge", "delivery:1", "ACK 7")], "who said so is kept, once"
    (row,) = office.rows()
    assert row.next_attempt_at is None


@pytest.mark.parametrize("state", [S.PENDING, S.SENDING, S.PLACING])
def test_an_acknowledgement_of_what_is_not_out(sqlite_office: Office, state: str) -> None:
    in_state(sqlite_office, state)
    with sqlite_office.app.db.write() as connection, pytest.raises(Refused, match=f"found its delivery {state}"):
        settle.acknowledge(connection, 1, reference="ACK", operator=ANNA, at=sqlite_office.app.now())


def acts(office: Office) -> list[tuple[str, ...]]:
    statement = "SELECT operator, os_user, action, subject, reason FROM operator_event ORDER BY event_id"
    with office.app.db.read() as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def of_a_bank(office: Office, state: str, next_attempt_at: str | None = None) -> None:
    in_state(office, state, next_attempt_at)
    with office.app.db.write() as connection:
        connection.execute(text("UPDATE outbound_file SET kind = 'VACH-BANK'"))


def acknowledge(office: Office, who: Operator, reference: str = "by phone") -> str:
    with office.app.db.write() as connection:
        at = office.app.now()
        return settle.acknowledge(connection, 1, reference=reference, operator=who, at=at).state.value


@pytest.mark.parametrize("state", [S.UNKNOWN, S.NOT_DELIVERED])
def test_two_people_say_that_a_bank_has_a_file_that_is_in_doubt(office: Office, state: str) -> None:
    """One person once ended it by a telephone call of which nobody else knew."""
    of_a_bank(office, state, office.app.now())
    assert acknowledge(office, ANNA) == state
    (row,) = office.rows()
    if state is S.NOT_DELIVERED:
        assert row.next_attempt_at is None, "not sent while the second word is waited for"
    for who, message in (
        (ANNA, "found AAA twice, expected a second person"),
        (operator("BBB", "bert", "deliver"), "without the right 'resolve'"),
    ):
        with pytest.raises(Refused, match=message):
            acknowledge(office, who)
    assert office.states() == [state]
    assert acknowledge(office, BERT, "ACK 7") == "ACKNOWLEDGED"
    assert acts(office) == [
        ("AAA", "anna", "resolve-proposed", "delivery:1", "delivered: by phone"),
        ("BBB", "bert", "acknowledge", "delivery:1", "ACK 7"),
    ]
    with office.app.db.read() as connection:
        row_ = connection.execute(text("SELECT resolved_by, resolved_second, resolved_reason FROM delivery")).one()
    assert tuple(row_) == ("AAA", "BBB", "by phone; ACK 7")


def test_either_command_is_a_word_of_two_people(sqlite_office: Office) -> None:
    of_a_bank(sqlite_office, "UNKNOWN")
    resolve(sqlite_office, ANNA, "not-delivered")
    with pytest.raises(Refused, match="found 'delivered', expected 'not-delivered' as AAA said"):
        acknowledge(sqlite_office, BERT)
    with sqlite_office.app.db.write() as connection:
        withdrawn(connection, sqlite_office.app.now())
    assert acknowledge(sqlite_office, ANNA) == "UNKNOWN"
    assert resolve(sqlite_office, BERT) is True
    assert sqlite_office.states() == ["DELIVERED"]


def test_what_a_withdrawn_word_stopped_does_not_tell_it_any_more(office: Office) -> None:
    of_a_bank(office, S.NOT_DELIVERED, office.app.now())
    acknowledge(office, ANNA)
    with office.app.db.write() as connection:
        at = office.app.now()
        done = settle.withdraw(connection, 1, reason="another file", operator=BERT, at=at)
    assert (done.state, done.next_attempt_at) == (S.NOT_DELIVERED, None)
    assert done.last_error == (
        "BBB took back the word that the bank has it; if it may leave all the same: gateway deliver again 1 --reason WHY"
    )


def test_one_person_acknowledges_what_a_bank_was_proved_to_have(sqlite_office: Office) -> None:
    of_a_bank(sqlite_office, "DELIVERED")
    assert acknowledge(sqlite_office, operator("SVC", "svc", "deliver")) == "ACKNOWLEDGED"
    assert acts(sqlite_office) == [("SVC", "svc", "acknowledge", "delivery:1", "by phone")]


def test_an_acknowledgement_needs_a_reference_and_the_right(sqlite_office: Office) -> None:
    in_state(sqlite_office, "DELIVERED")
    with pytest.raises(UsageError, match="acknowledging outbound file 1: found no reference"):
        acknowledge(sqlite_office, ANNA, " ")
    with pytest.raises(Refused, match="without the right 'deliver'"):
        acknowledge(sqlite_office, operator("CCC", "carl", "resolve"))
    assert sqlite_office.states() == ["DELIVERED"] and acts(sqlite_office) == []


def test_an_acknowledgement_of_nothing(sqlite_office: Office) -> None:
    with sqlite_office.app.db.write() as connection, pytest.raises(UsageError, match="found no delivery of it"):
        settle.acknowledge(connection, 9, reference="ACK", operator=ANNA, at=sqlite_office.app.now())


def test_overdue_acknowledgements(sqlite_office: Office) -> None:
    office = sqlite_office
    in_state(office, "DELIVERED")
    quick = Endpoint(host="h", user="u", key="k", acknowledge_within_minutes=30)

    def overdue(**endpoints: Endpoint) -> list[str]:
        with office.app.db.read() as connection:
            found = settle.overdue_acknowledgements(connection, endpoints, now=office.clock.now())
            return [f"{o.delivery.remote_name} {o.deadline}" for o in found]

    assert overdue(bank=quick) == []
    office.clock.wait(30 * 60)
    assert overdue(bank=quick) == [], "it has the whole of its last moment"
    office.clock.wait(1)
    assert overdue(bank=quick) == ["A.DAT 2026-03-02T14:30:00.000000Z"]
    with office.app.db.write() as connection:
        connection.execute(text("UPDATE delivery SET ended_at = '2026-03-02T14:00:30.000000Z'"))
    assert overdue(bank=quick) == [], "from its end, where it has one"
    office.clock.wait(30)
    assert overdue(bank=quick) == ["A.DAT 2026-03-02T14:30:30.000000Z"]
    assert overdue(bank=quick.model_copy(update={"acknowledge_within_minutes": None})) == []
    assert overdue() == []


@pytest.mark.parametrize("state", [S.UNKNOWN, S.DELIVERED, S.SENDING])
def test_only_what_is_proved_not_delivered_is_tried_again(sqlite_office: Office, state: str) -> None:
    in_state(sqlite_office, state)
    with sqlite_office.app.db.write() as connection, pytest.raises(Refused, match="expected NOT_DELIVERED or PENDING"):
        settle.requeue(connection, 1, reason="x", operator=ANNA, at=sqlite_office.app.now())


def test_another_try_needs_a_reason(sqlite_office: Office) -> None:
    in_state(sqlite_office, "NOT_DELIVERED")
    with sqlite_office.app.db.write() as connection, pytest.raises(UsageError, match="found no reason, expected one"):
        settle.requeue(connection, 1, reason=" ", operator=ANNA, at=sqlite_office.app.now())


def test_every_state_is_in_the_table_and_nothing_leaves_unknown_by_sending() -> None:
    assert set(TRANSITIONS) == set(S)
    assert S.SENDING not in TRANSITIONS[S.UNKNOWN] and S.PENDING not in TRANSITIONS[S.UNKNOWN]
    assert TRANSITIONS[S.ACKNOWLEDGED] == {S.RECALLED}, "of a file that the bank refused"
    assert TRANSITIONS[S.RECALLED] == {S.DELIVERED}, "of a file that left all the same, by two people"
    assert [s for s in S if s in TRANSITIONS[s]] == [S.UNKNOWN], (
        "looked at again; a try that waits is no change of state"
    )
    with pytest.raises(DeliveryError, match="found state DELIVERED, expected one that SENDING may follow"):
        require_transition(S.DELIVERED, S.SENDING, delivery_id=1)


# the queue


def test_the_same_file_is_queued_once(office: Office) -> None:
    number = office.release("A.DAT", b"a")
    with office.app.db.write() as connection:
        again = queue.enqueue(connection, outbound_id=number, endpoint="bank", remote_name="A.DAT", at=office.app.now())
        with pytest.raises(
            Refused, match=r"found delivery 1 .* for bank, expected a name and a file never queued before"
        ):
            queue.enqueue(connection, outbound_id=number, endpoint="other", remote_name="A.DAT", at=office.app.now())
    assert again == 1 and len(office.rows()) == 1


@pytest.mark.parametrize("name", ["", ".A", "../A", "a/b", "a b", "-rf", "a\nb", "ä", "x" * 201])
def test_a_name_is_plain(sqlite_office: Office, name: str) -> None:
    with sqlite_office.app.db.write() as connection, pytest.raises(Refused, match="change the name pattern"):
        queue.enqueue(connection, outbound_id=1, endpoint="bank", remote_name=name, at=sqlite_office.app.now())


@pytest.mark.parametrize("state", [S.PENDING, S.DELIVERED, S.RECALLED])
def test_names_never_recur(sqlite_office: Office, state: DeliveryState) -> None:
    office = sqlite_office
    office.release("A.DAT", b"a")
    with office.app.db.write() as connection:
        connection.execute(text("UPDATE delivery SET state = :s"), {"s": state.value})
        other = release(connection, "B.DAT", b"b")
        with pytest.raises(Refused, match="expected a name and a file never queued before"):
            queue.enqueue(connection, outbound_id=other, endpoint="bank", remote_name="A.DAT", at=office.app.now())


def test_only_a_released_file_is_queued(sqlite_office: Office) -> None:
    with sqlite_office.app.db.write() as connection:
        number = release(connection, "A.DAT", b"a", state="BUILT")
        for outbound_id, found in ((number, "BUILT"), (99, "missing")):
            with pytest.raises(Refused, match=f"found it {found}, expected APPROVED"):
                queue.enqueue(
                    connection,
                    outbound_id=outbound_id,
                    endpoint="bank",
                    remote_name="A.DAT",
                    at=sqlite_office.app.now(),
                )


def test_a_delivery_taken_by_another_is_not_claimed_or_changed(office: Office) -> None:
    office.release("A.DAT", b"a")
    (seen,) = office.rows()
    at = office.app.now()
    with office.app.db.write() as connection:
        assert len(queue.claim(connection, [seen], temporary_suffix=".part", at=at)) == 1
        assert queue.claim(connection, [seen], temporary_suffix=".part", at=at) == []
        late = queue.Change(1, S.PLACING, S.DELIVERED)
        assert queue.record(connection, [late], at=at) == []
        queue.postpone(connection, [seen], error="no route", until={1: "2026-03-09"}, at=at)
    (row,) = office.rows()
    assert (row.state, row.attempts, row.next_attempt_at, row.last_error) == (S.SENDING, 1, None, None)


LATER, EARLIER = "2026-03-02T18:00:00.000000Z", "2026-03-02T09:00:00.000000Z"


@pytest.mark.parametrize("endpoint", ["bank", None])
def test_what_waits_for_a_later_try_is_due_now_and_what_waits_for_people_still_does(
    office: Office, endpoint: str | None
) -> None:
    queued = (
        ("bank", "PENDING", LATER), ("bank", "NOT_DELIVERED", LATER), ("bank", "UNKNOWN", LATER), ("bank", "NOT_DELIVERED", None),
        ("bank", "UNKNOWN", None), ("bank", "PENDING", EARLIER), ("ledger", "PENDING", LATER),
    )  # fmt: skip
    for n, (where, _, _) in enumerate(queued):
        office.release(f"{n}.DAT", b"a", where)
    now = office.app.now()
    with office.app.db.write() as connection:
        for n, (_, state, due) in enumerate(queued, 1):
            connection.execute(
                text("UPDATE delivery SET state = :s, next_attempt_at = :n WHERE delivery_id = :d"),
                {"s": state, "n": due, "d": n},
            )
        queue.hurry(connection, endpoint=endpoint, at=now)
    other = LATER if endpoint else now
    assert [row.next_attempt_at for row in office.rows()] == [now, now, now, None, None, EARLIER, other]


def test_no_such_delivery(sqlite_office: Office) -> None:
    with sqlite_office.app.db.read() as connection, pytest.raises(UsageError, match="found none of that number"):
        reads.one(connection, 7)
