"""Each bad day of a receiver or its line: the state it leads to, and what has arrived once it is over.

Whatever the fault: never two, never a part under a final name, never over somebody else's file, never by the rename
that overwrites.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.console import alarms
from gateway.console.status import status
from gateway.delivery import settle
from gateway.delivery.keys import make_key
from gateway.delivery.states import DeliveryState
from gateway.delivery.upload import EARLY_LOOK_BYTES
from gateway.errors import LedgerError
from gateway.settings import Retry
from tests.delivery.conftest import Office, endpoint_of, operator
from tests.support.faulty_sftp import DENIED, FAILURE, UNSUPPORTED, Fault, Faulty
from writers.text import WriterError

CONTENT = random.Random(3).randbytes(80_000)
S = DeliveryState


@dataclass(frozen=True)
class Day:
    name: str
    faults: tuple[Fault, ...]
    steps: tuple[str, ...]
    """States the delivery went through in the first run."""
    finally_: DeliveryState = S.DELIVERED
    """The state once the fault is over and its wait has passed."""
    arrived: int = 1
    says: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


FAILED = ("SENDING", "NOT_DELIVERED")
DAYS = [
    Day("the line breaks at open", (Fault("open", "drop before"),), FAILED, says="before the rename was asked for"),
    Day("the line breaks after open", (Fault("open", "drop after"),), FAILED),
    Day("the line breaks in the bytes", (Fault("write", "drop before", skip=1),), FAILED),
    Day("the line breaks while reading back", (Fault("read", "drop before"),), FAILED),
    Day("the line breaks before the rename", (Fault("rename", "drop before"),), ("PLACING", "UNKNOWN", "NOT_DELIVERED")),
    Day("the line breaks after the rename", (Fault("rename", "drop after"),), ("PLACING", "UNKNOWN", "DELIVERED")),
    Day("the line breaks at the last look", (Fault("stat", "drop before", skip=2),), ("PLACING", "UNKNOWN", "DELIVERED")),
    Day("the server stops inside the rename", (Fault("rename", "half"),), ("PLACING", "UNKNOWN", "DELIVERED")),
    Day(
        "the line breaks after the rename and a consumer takes the file", (Fault("rename", "vanish and drop"),),
        ("PLACING", "UNKNOWN", "UNKNOWN"), S.UNKNOWN, 0, "neither the file nor its temporary name",
    ),
    Day(
        "a consumer takes the file at once", (Fault("rename", "vanish"),), ("PLACING", "UNKNOWN", "UNKNOWN"),
        S.UNKNOWN, 0, "the receiver may have collected it",
    ),
    Day(
        "a consumer takes the file at once, as the settings say", (Fault("rename", "vanish"),),
        ("PLACING", "DELIVERED"), arrived=0, settings={"stat_after_rename": False},
    ),
    Day("a rename that fails", (Fault("rename", FAILURE),), ("PLACING", "NOT_DELIVERED"), says="failure"),
    Day(
        "a temporary file that disappears", (Fault("rename", "lose"),), ("PLACING", "UNKNOWN", "UNKNOWN"),
        S.UNKNOWN, 0, "neither the file nor its temporary name",
    ),
    Day("a byte is changed on the way", (Fault("write", "flip"),), FAILED, says="reading back /A.DAT.part: found SHA"),
    Day("the answer to a read is short", (Fault("read", "short"),), ("PLACING", "DELIVERED")),
    Day("half of the bytes are lost", (Fault("write", "lose bytes", skip=2),), FAILED, says="found 72768 bytes"),
    Day("bytes are lost and only the size is asked", (Fault("write", "lose bytes", skip=2),), FAILED,
        says="expected 80000", settings={"read_back": "size"}),
    *[
        Day(f"a byte too many, read_back {how}", (Fault("write", "add", skip=2),), FAILED,
            says="checking /A.DAT.part: found 80001 bytes, expected 80000", settings={"read_back": how})
        for how in ("full", "size")
    ],
    Day("no permission to create", (Fault("open", DENIED),), FAILED, says="permission denied"),
    Day("no space", (Fault("write", FAILURE, skip=1),), FAILED, says="a disk or quota that is full there is answered so"),
    Day("no space on the last write", (Fault("write", FAILURE, skip=2),), FAILED, says="answered failure"),
    Day("looking is refused once", (Fault("stat", DENIED),), FAILED, says="set read_back to 'size' or 'none'"),
    Day("reading is refused once", (Fault("read", DENIED),), FAILED, says="set read_back to 'size' or 'none'"),
    Day("the rename is refused", (Fault("rename", DENIED),), ("PLACING", "NOT_DELIVERED"), says="permission denied"),
    Day(
        "the rename is refused and the temporary file may not be removed",
        (Fault("rename", DENIED), Fault("remove", DENIED, times=2)), ("PLACING", "UNKNOWN", "UNKNOWN"),
        S.NOT_DELIVERED, 0, "does not let us look",
    ),
    Day(
        "the last look is refused", (Fault("stat", DENIED, skip=2),), ("PLACING", "UNKNOWN", "DELIVERED"),
    ),
    Day(
        "the far side lets nobody look, as the settings say",
        (Fault("stat", DENIED, times=9), Fault("read", DENIED, times=9)), ("PLACING", "DELIVERED"),
        settings={"read_back": "none"},
    ),
    Day("the server overwrites on rename", (Fault("rename", "overwrite"),), ("PLACING", "DELIVERED")),
    Day("the line breaks and the next one too", (Fault("rename", "drop before"), Fault("stat", "drop before", skip=2)),
        ("PLACING", "UNKNOWN"), S.NOT_DELIVERED, 0, "closed the connection"),
]  # fmt: skip


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_a_bad_day(day: Day, sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty, **day.settings))
    office.release("A.DAT", CONTENT)
    faulty.behaviour.faults += [Fault(**vars(f)) for f in day.faults]

    office.deliver()

    steps = [s.replace("STARTED", "SENDING") for s in office.steps()]
    assert tuple(s for s in steps if s in S.__members__)[-len(day.steps) :] == day.steps
    said = " ".join(detail or "" for detail in details(office))
    assert day.says in said
    visible = {p.name: p.read_bytes() for p in faulty.root.iterdir() if not p.name.endswith(".part")}
    assert visible in ({}, {"A.DAT": CONTENT})

    office.clock.wait(1000)
    office.deliver()

    assert office.states() == [day.finally_]
    once(faulty, day.arrived)
    if day.finally_ is S.NOT_DELIVERED:
        office.clock.wait(1000)
        office.deliver()
        assert office.states() == [S.DELIVERED]
        once(faulty, 1)
    if day.finally_ is S.UNKNOWN:
        office.clock.wait(100_000)
        assert office.deliver() == []  # never blindly again


def details(office: Office) -> list[str | None]:
    from gateway.delivery import tries

    with office.app.db.read() as connection:
        return [detail for _, _, detail in tries.events(connection, 1)]


def once(faulty: Faulty, arrived: int) -> None:
    """One complete file at the most ever had a final name, nothing else lies about, nothing was overwritten."""
    assert {p.name: p.read_bytes() for p in faulty.root.iterdir() if arrived or not p.name.endswith(".part")} == (
        {"A.DAT": CONTENT} if arrived else {}
    )
    assert len(faulty.behaviour.placed) <= 1
    assert all(placed == ("A.DAT", CONTENT) for placed in faulty.behaviour.placed)
    assert "posix_rename" not in {op for op, _ in faulty.behaviour.operations}


def test_a_target_of_another_size_after_the_rename_is_for_people(sqlite_office: Office, faulty: Faulty) -> None:
    """Nothing visible is ever removed or replaced: the receiver may be at it. It is looked at again and again."""
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", CONTENT)
    faulty.behaviour.faults += [Fault("rename", "cut")]
    for _ in range(3):
        (result,) = office.deliver()
        assert result.state == "UNKNOWN" and result.next_attempt_at is not None
        office.clock.wait(1000)
    assert "found a file of 79999 bytes under the name, expected ours of 80000" in (result.detail or "")
    assert "found 79999 bytes after the rename, expected 80000" in " ".join(d or "" for d in details(office))
    assert [op for op, _ in faulty.behaviour.operations].count("open") == 1


def test_a_temporary_name_is_never_used_twice(sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", CONTENT)
    faulty.behaviour.faults += [Fault("rename", DENIED, times=3)]
    for _ in range(4):
        office.deliver()
        office.clock.wait(1000)
    opened = [path for op, path in faulty.behaviour.operations if op == "open"]
    assert opened == ["/A.DAT.part", "/A.DAT.2.part", "/A.DAT.3.part", "/A.DAT.4.part"]
    assert office.states() == ["DELIVERED"]


def test_it_gives_up_after_the_attempts_and_a_person_may_start_again(sqlite_office: Office, faulty: Faulty) -> None:
    from gateway.delivery.settle import requeue

    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty, retry=Retry(attempts=3)))
    office.release("A.DAT", CONTENT)
    faulty.behaviour.faults += [Fault("open", DENIED, times=4)]
    for _ in range(5):
        office.deliver()
        office.clock.wait(1000)
    (row,) = office.rows()
    assert (row.state, row.attempts, row.next_attempt_at) == ("NOT_DELIVERED", 3, None)
    assert str(row.last_error).endswith("; given up; when the cause is gone: gateway deliver again 1 --reason WHY")
    with office.app.db.write() as connection:
        requeue(connection, 1, reason="disk enlarged", operator=office.app.operator, at=office.app.now())
    office.deliver()
    assert office.states() == ["NOT_DELIVERED"]
    office.clock.wait(1000)
    office.deliver()
    assert office.states() == ["DELIVERED"]
    once(faulty, 1)


def test_one_refused_file_does_not_hold_up_the_others(sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty, channels=1))
    for name in ("A.DAT", "B.DAT", "C.DAT"):
        office.release(name, name.encode())
    faulty.behaviour.faults += [Fault("rename", DENIED, ending="B.DAT")]
    assert {r.name: r.state for r in office.deliver()} == {
        "A.DAT": "DELIVERED", "B.DAT": "NOT_DELIVERED", "C.DAT": "DELIVERED",
    }  # fmt: skip


def test_a_changed_host_key_sends_nothing(sqlite_office: Office, faulty: Faulty, tmp_path: Path) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", CONTENT)
    make_key(tmp_path / "other")
    faulty.server.use_host_key(tmp_path / "other")
    (result,) = office.deliver()
    assert result.state == "PENDING" and result.next_attempt_at is not None
    assert (result.detail or "").count("SHA256:") == 2 and "nothing was sent" in (result.detail or "")
    assert faulty.behaviour.operations == []
    faulty.server.use_host_key(faulty.folder / "host_key")
    office.clock.wait(1000)
    assert [r.state for r in office.deliver()] == ["DELIVERED"]


def test_an_endpoint_that_is_down_is_tried_for_ever(sqlite_office: Office, faulty: Faulty) -> None:
    up = endpoint_of(faulty, retry=Retry(attempts=2))
    office = sqlite_office.with_endpoints(bank=up.model_copy(update={"port": 1}))
    office.release("A.DAT", CONTENT)
    for _ in range(5):
        (result,) = office.deliver()
        assert result.state == "PENDING" and "connecting to [127.0.0.1]:1" in (result.detail or "")
        office.clock.wait(1000)
    assert office.steps() == ["QUEUED", "NOT_REACHED"]  # told once, not every time
    office.with_endpoints(bank=up)
    assert [r.state for r in office.deliver()] == ["DELIVERED"]
    once(faulty, 1)


def test_an_endpoint_that_is_down_holds_up_no_other(sqlite_office: Office, faulty: Faulty) -> None:
    up = endpoint_of(faulty)
    office = sqlite_office.with_endpoints(bank=up.model_copy(update={"port": 1}), dealer=up)
    office.release("A.DAT", CONTENT)
    office.release("B.DAT", CONTENT, "dealer")
    assert [(r.endpoint, r.state) for r in office.deliver()] == [("bank", "PENDING"), ("dealer", "DELIVERED")]


def test_fewer_channels_than_wished_do_the_work(sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty, channels=3))
    faulty.server.most_channels = 1
    for number in range(5):
        office.release(f"F{number}.DAT", b"x")
    assert {r.state for r in office.deliver()} == {"DELIVERED"}


def test_a_server_that_answers_no_sftp_is_not_reached(sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty))
    faulty.server.most_channels = 0
    office.release("A.DAT", CONTENT)
    (result,) = office.deliver()
    assert result.state == "PENDING" and "opening a channel" in (result.detail or "")


def test_unsupported_is_said_as_such(sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty))
    faulty.behaviour.faults += [Fault("rename", UNSUPPORTED)]
    office.release("A.DAT", CONTENT)
    (result,) = office.deliver()
    assert result.state == "NOT_DELIVERED" and "op unsupported" in (result.detail or "")


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (LedgerError("the field key is missing"), "the field key is missing"),
        (WriterError("account 12345678 does not fit"), "found WriterError; run gateway verify"),
        (KeyError("width"), "found KeyError; run gateway verify"),
    ],
)
def test_rendering_that_fails_is_that_file_alone(
    sqlite_office: Office, faulty: Faulty, error: Exception, said: str, channels: int
) -> None:
    """A released file that cannot be made once kept its endpoint from all others, without an alarm."""
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty, channels=channels))
    bad = office.release("A.DAT", CONTENT)
    office.release("B.DAT", CONTENT)
    good = office.render

    def render(outbound_id: int) -> Any:
        if outbound_id == bad:
            raise error
        return good(outbound_id)

    office.render = render  # type: ignore[method-assign]
    results = office.deliver()
    assert [r.state for r in results] == ["NOT_DELIVERED", "DELIVERED"]
    again = "when the cause is gone: gateway deliver again 1 --reason WHY"
    assert (results[0].detail, results[0].next_attempt_at) == (f"rendering A.DAT: {said}; {again}", None)
    assert [p.name for p in faulty.root.iterdir()] == ["B.DAT"]
    found = [(c.code, c.text) for c in alarms.conditions(status(office.app, None))]
    assert ("DELIVERY_NOT_DELIVERED", f"A.DAT (#1) is not delivered: {results[0].detail}") in found
    office.clock.wait(100_000)
    assert office.deliver(hurry=True) == [], "not tried again by itself"
    office.render = good  # type: ignore[method-assign]
    with office.app.db.write() as connection:
        settle.requeue(connection, 1, reason="mended", operator=operator(), at=office.app.now())
    assert [r.state for r in office.deliver()] == ["DELIVERED"]


def test_an_operator_in_a_hurry_waits_for_no_backoff(sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", CONTENT)
    faulty.behaviour.faults += [Fault("open", DENIED, times=2)]
    assert [r.state for r in office.deliver()] == ["NOT_DELIVERED"]
    assert office.deliver() == []
    assert [r.state for r in office.deliver(hurry=True)] == ["NOT_DELIVERED"]
    assert [r.state for r in office.deliver(endpoint="bank", hurry=True)] == ["DELIVERED"]


def test_it_stops_between_groups(sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty, channels=1))
    for number in range(40):
        office.release(f"F{number:02}.DAT", b"x")
    stop = threading.Event()
    first = office.deliver(stop=stop, progress=lambda *_: stop.set())
    assert [r.state for r in first] == ["DELIVERED"] * 32
    assert office.deliver(stop=stop) == []
    assert len(office.deliver()) == 8


def test_a_small_file_is_read_again_where_the_answer_was_short(sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", b"a" * 1_000)
    faulty.behaviour.faults += [Fault("read", "short")]
    assert [(r.state, r.attempts) for r in office.deliver()] == [("DELIVERED", 1)]


def test_of_a_large_file_whose_name_is_taken_nothing_is_sent(sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", bytes(EARLY_LOOK_BYTES))
    (faulty.root / "A.DAT").write_bytes(b"theirs")
    (result,) = office.deliver()
    assert result.state == "NOT_DELIVERED" and "found a file of 6 bytes there" in (result.detail or "")
    assert "write" not in {op for op, _ in faulty.behaviour.operations}


def test_a_name_taken_at_the_last_moment_is_unknown_while_ours_may_not_be_removed(
    sqlite_office: Office, faulty: Faulty
) -> None:
    """What lies under our temporary name could still take the place of theirs."""
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", CONTENT)
    faulty.behaviour.faults += [Fault("rename", "occupied"), Fault("remove", DENIED, times=9)]
    (result,) = office.deliver()
    assert result.state == "UNKNOWN" and "found a file of 6 bytes under the name" in (result.detail or "")
    assert {p.name: p.read_bytes() for p in faulty.root.iterdir()} == {"A.DAT": b"theirs", "A.DAT.part": CONTENT}


def test_a_name_taken_at_the_last_moment_stays_theirs(sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty))
    office.release("A.DAT", CONTENT)
    faulty.behaviour.faults += [Fault("rename", "occupied")]
    assert [r.state for r in office.deliver()] == ["NOT_DELIVERED"]
    assert {p.name: p.read_bytes() for p in faulty.root.iterdir()} == {"A.DAT": b"theirs"}
    (faulty.root / "A.DAT").unlink()
    assert [r.state for r in office.deliver(hurry=True)] == ["DELIVERED"]
    once(faulty, 1)
