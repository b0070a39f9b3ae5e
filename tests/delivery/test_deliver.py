"""The way of a file to a receiver, against a real OpenSSH server where one is installed."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, text

from gateway.clock import instant_text
from gateway.delivery import queue, reads, tries
from gateway.delivery.states import DeliveryState
from gateway.errors import GatewayError
from gateway.service import Service
from gateway.settings import Retry
from tests.delivery.conftest import FarSide, Office, endpoint_of
from tests.support.faulty_sftp import Faulty


class _At(random.Random):
    """The same place between half and all of a wait each time."""

    def __init__(self, place: float) -> None:
        super().__init__()
        self.place = place

    def uniform(self, a: float, b: float) -> float:
        return a + (b - a) * self.place


@pytest.mark.parametrize(
    ("failed", "seconds"), [(0, 5), (1, 5), (2, 10), (3, 20), (8, 640), (9, 900), (10, 900), (10**6, 900)]
)
def test_waits_double_from_the_first_to_the_longest(failed: int, seconds: int) -> None:
    now = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
    longest, shortest = (tries.next_attempt(Retry(), failed, now=now, rng=_At(place)) for place in (1.0, 0.0))
    assert longest == instant_text(now + timedelta(seconds=seconds))
    assert shortest == instant_text(now + timedelta(seconds=seconds / 2))


def test_a_file_arrives_once_with_a_receipt(office: Office, far_side: FarSide) -> None:
    office.with_endpoints(bank=far_side.endpoint)
    content = random.Random(1).randbytes(300_000)
    office.release("P01-VACH.DAT", content)
    seen: list[tuple[str, int, int]] = []

    results = office.deliver(progress=lambda *p: seen.append(p))

    assert [(r.name, r.state, r.attempts) for r in results] == [("P01-VACH.DAT", "DELIVERED", 1)]
    assert {p.name: p.read_bytes() for p in far_side.root.iterdir()} == {"P01-VACH.DAT": content}
    receipt = json.loads(office.rows()[0].receipt or "")
    assert receipt["sha256"] == receipt["read_back_sha256"] == hashlib.sha256(content).hexdigest()
    assert receipt["bytes"] == receipt["size_after_rename"] == 300_000
    assert receipt["host_key"].startswith("ssh-ed25519 SHA256:")
    assert receipt["path"].endswith("P01-VACH.DAT") and receipt["read_back"] == "full"
    assert office.steps() == ["QUEUED", "STARTED", "PLACING", "DELIVERED"]
    assert seen[-1] == ("P01-VACH.DAT", 300_000, 300_000)
    assert office.deliver() == []


@pytest.mark.parametrize("hours", [1, 24])
def test_a_clock_that_went_back_since_the_release_keeps_nothing_here(
    office: Office, faulty: Faulty, hours: int
) -> None:
    """What was queued at an instant to come waited until then, and nobody heard of it."""
    office.with_endpoints(bank=endpoint_of(faulty, port=1))
    office.release("FIRST.DAT", b"x")
    assert [r.state for r in office.deliver()] == ["PENDING"]  # waits for its next try
    office.release("SECOND.DAT", b"y")
    office.clock.at -= timedelta(hours=hours)
    office.with_endpoints(bank=endpoint_of(faulty))

    assert [(r.name, r.state) for r in office.deliver()] == [("FIRST.DAT", "DELIVERED"), ("SECOND.DAT", "DELIVERED")]
    assert office.deliver() == []


def test_a_try_that_waits_is_not_taken_for_one_of_another_clock(office: Office, faulty: Faulty) -> None:
    office.with_endpoints(bank=endpoint_of(faulty, port=1, retry=Retry(first_seconds=900.0)))
    office.release("A.DAT", b"x")
    assert [r.attempts for r in office.deliver()] == [1]
    assert office.deliver() == []


def test_many_files_through_several_channels(office: Office, far_side: FarSide) -> None:
    office.with_endpoints(bank=far_side.endpoint)
    contents = {f"F{n:03}.DAT": random.Random(n).randbytes(n * 37) for n in range(70)}
    for name, content in contents.items():
        office.release(name, content)
    assert {r.state for r in office.deliver()} == {"DELIVERED"}
    assert {p.name: p.read_bytes() for p in far_side.root.iterdir()} == contents


def test_a_large_file_crosses_the_request_sizes(sqlite_office: Office, far_side: FarSide) -> None:
    office = sqlite_office
    office.with_endpoints(bank=far_side.endpoint)
    content = random.Random(2).randbytes(9_000_001)
    office.release("LARGE.DAT", content)
    office.release("SMALL.DAT", b"x")
    assert [r.state for r in office.deliver()] == ["DELIVERED", "DELIVERED"]
    assert (far_side.root / "LARGE.DAT").read_bytes() == content


def test_an_empty_file_is_a_file(sqlite_office: Office, far_side: FarSide) -> None:
    office = sqlite_office
    office.with_endpoints(bank=far_side.endpoint)
    office.release("EMPTY.DAT", b"")
    assert [r.state for r in office.deliver()] == ["DELIVERED"]
    assert (far_side.root / "EMPTY.DAT").read_bytes() == b""


def test_a_name_that_is_taken_is_not_overwritten(sqlite_office: Office, far_side: FarSide) -> None:
    office = sqlite_office
    office.with_endpoints(bank=far_side.endpoint)
    (far_side.root / "A.DAT").write_bytes(b"theirs")
    office.release("A.DAT", b"ours" * 10)
    (result,) = office.deliver()
    assert result.state == "NOT_DELIVERED" and result.next_attempt_at is not None
    assert "found a file of 6 bytes there, expected none; it is not overwritten: find out from the receiver" in (
        result.detail or ""
    )
    assert f"gateway deliver acknowledge {result.outbound_id} --reference WHAT" in (result.detail or "")
    assert {p.name: p.read_bytes() for p in far_side.root.iterdir()} == {"A.DAT": b"theirs"}
    (far_side.root / "A.DAT").unlink()
    office.clock.wait(1000)
    assert [r.state for r in office.deliver()] == ["DELIVERED"]


def test_two_endpoints_of_different_needs_at_once(sqlite_office: Office, far_side: FarSide) -> None:
    office = sqlite_office
    (far_side.root / "in").mkdir()
    (far_side.root / "work").mkdir()
    base = far_side.endpoint
    directory = base.directory.rstrip("/")
    office.with_endpoints(
        bank=base.model_copy(
            update={"directory": f"{directory}/in", "temporary_directory": f"{directory}/work", "read_back": "size"}
        ),
        dealer=base.model_copy(
            update={"temporary_suffix": ".filepart", "read_back": "none", "stat_after_rename": False, "channels": 1}
        ),
    )
    office.release("BANK.DAT", b"b" * 1000, "bank")
    office.release("DEALER.XML", b"d" * 2000, "dealer")
    assert [(r.endpoint, r.state) for r in office.deliver()] == [("bank", "DELIVERED"), ("dealer", "DELIVERED")]
    assert (far_side.root / "in" / "BANK.DAT").read_bytes() == b"b" * 1000
    assert (far_side.root / "DEALER.XML").read_bytes() == b"d" * 2000
    assert list((far_side.root / "work").iterdir()) == []
    receipts: list[dict[str, Any]] = [json.loads(d.receipt or "") for d in office.rows()]
    assert [r["read_back"] for r in receipts] == ["size", "none"]


def test_rendered_bytes_that_are_not_the_released_ones_never_get_a_name(
    sqlite_office: Office, far_side: FarSide
) -> None:
    office = sqlite_office
    office.with_endpoints(bank=far_side.endpoint)
    number = office.release("A.DAT", b"released")
    office.contents[number] = b"changed!"
    (result,) = office.deliver()
    assert result.state == "NOT_DELIVERED" and result.next_attempt_at is None
    assert "expected the released 8" in (result.detail or "") and list(far_side.root.iterdir()) == []


def test_a_crash_before_the_rename_is_sent_again(office: Office, far_side: FarSide) -> None:
    """SENDING: no rename was asked for; the torn temporary file goes, the file comes once."""
    office.with_endpoints(bank=far_side.endpoint)
    office.release("A.DAT", b"content")
    leave(office, "SENDING")
    (far_side.root / "A.DAT.part").write_bytes(b"con")
    assert [r.state for r in office.deliver()] == ["DELIVERED"]
    assert {p.name: p.read_bytes() for p in far_side.root.iterdir()} == {"A.DAT": b"content"}
    assert office.steps() == ["QUEUED", "STARTED", "INTERRUPTED", "STARTED", "PLACING", "DELIVERED"]


def test_a_crash_around_the_rename_is_looked_at_first(office: Office, far_side: FarSide) -> None:
    office.with_endpoints(bank=far_side.endpoint)
    for name in ("PLACED.DAT", "WAITING.DAT", "GONE.DAT"):
        office.release(name, name.encode())
    leave(office, "PLACING")
    (far_side.root / "PLACED.DAT").write_bytes(b"PLACED.DAT")
    (far_side.root / "WAITING.DAT.part").write_bytes(b"WAITING.DAT")
    results = {r.name: r for r in office.deliver()}
    assert {n: r.state for n, r in results.items()} == {
        "PLACED.DAT": "DELIVERED", "WAITING.DAT": "NOT_DELIVERED", "GONE.DAT": "UNKNOWN",
    }  # fmt: skip
    assert results["GONE.DAT"].next_attempt_at is None
    office.clock.wait(1000)
    assert {r.name: r.state for r in office.deliver()} == {"WAITING.DAT": "DELIVERED"}
    assert {p.name: p.read_bytes() for p in far_side.root.iterdir()} == {
        "PLACED.DAT": b"PLACED.DAT", "WAITING.DAT": b"WAITING.DAT",
    }  # fmt: skip


def test_a_folder_that_is_not_there_is_said(office: Office, far_side: FarSide) -> None:
    """`no such file` about a file that was to be made told nobody what to do."""
    office.with_endpoints(bank=far_side.endpoint)
    office.release("A.DAT", b"content")
    far_side.root.rmdir()
    (failed,) = office.deliver()
    assert failed.state == "NOT_DELIVERED" and failed.next_attempt_at is not None
    assert str(failed.detail).endswith("; its folder is not there: ask the receiver, or correct directory of the endpoint "
        "(gateway endpoint probe NAME)")  # fmt: skip
    far_side.root.mkdir()


@pytest.mark.parametrize("placed", [False, True])
def test_a_folder_that_is_away_proves_nothing_until_it_is_back(office: Office, far_side: FarSide, placed: bool) -> None:
    """A mount that was away was taken for a receiver who had collected the file, and nobody looked at it again."""
    office.with_endpoints(bank=far_side.endpoint)
    office.release("A.DAT", b"content")
    leave(office, "PLACING")
    (far_side.root / ("A.DAT" if placed else "A.DAT.part")).write_bytes(b"content")
    away = far_side.root.with_name(far_side.root.name + "-away")
    far_side.root.rename(away)
    (unknown,) = office.deliver()
    assert unknown.state == "UNKNOWN" and unknown.next_attempt_at is not None
    assert str(unknown.detail).startswith(
        "found no folder there, expected the one of the settings: it is looked at again"
    )
    away.rename(far_side.root)
    office.clock.wait(1000)
    assert [r.state for r in office.deliver()] == ["DELIVERED" if placed else "NOT_DELIVERED"]
    office.clock.wait(1000)
    assert [r.state for r in office.deliver()] == ([] if placed else ["DELIVERED"])
    assert {p.name: p.read_bytes() for p in far_side.root.iterdir()} == {"A.DAT": b"content"}


def test_a_file_that_must_not_leave_any_more_is_told_with_why(
    office: Office, faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run that stopped it said that nothing was due."""
    office.with_endpoints(bank=endpoint_of(faulty))
    stays, _ = office.release("REVERSAL.ACH", b"x"), office.release("CREDITS.ACH", b"y")
    monkeypatch.setattr(queue.ach_returns, "moot_reversals", lambda _c, files: {stays: "7"} if stays in files else {})
    told = {r.name: (r.state, r.detail) for r in office.deliver()}
    assert told.pop("CREDITS.ACH") == ("DELIVERED", None)
    ((name, (state, why)),) = told.items()
    assert (name, state) == ("REVERSAL.ACH", "PENDING")
    assert str(why).startswith("takes back the entry of trace number 7: call it back with gateway outbound recall")
    assert office.deliver() == []


def test_a_file_that_the_bank_speaks_of_while_it_is_sent_is_not_placed(
    office: Office, faulty: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was asked when the sending began, and not again before the rename."""
    office.with_endpoints(bank=endpoint_of(faulty))
    stays, _ = office.release("CREDITS.ACH", b"x"), office.release("OTHERS.ACH", b"y")
    asked: list[int] = []

    def speaks(_connection: Connection, files: list[int]) -> dict[int, str]:
        asked.append(len(files))
        return {stays: "7"} if len(asked) > 1 and stays in files else {}

    monkeypatch.setattr(queue.ach_returns, "moot_reversals", speaks)
    told = {r.name: (r.state, r.detail) for r in office.deliver()}
    assert told.pop("OTHERS.ACH") == ("DELIVERED", None)
    ((name, (state, why)),) = told.items()
    assert (name, state) == ("CREDITS.ACH", "NOT_DELIVERED")
    assert str(why).startswith("takes back the entry of trace number 7")
    assert [p.name for p in faulty.root.iterdir()] == ["OTHERS.ACH"], "nothing of it stays there"
    assert office.deliver() == []


def leave(office: Office, state: str) -> None:
    """What a process that ended in this state leaves in the database."""
    with office.app.db.write() as connection:
        due = reads.due(connection, endpoint="bank", now=office.app.now(), states=list(DeliveryState))
        queue.claim(connection, due, temporary_suffix=".part", at=office.app.now())
        connection.execute(text("UPDATE delivery SET state = :s"), {"s": state})


@pytest.mark.parametrize("at_once", [3, 32])
def test_more_endpoints_than_connections_in_the_pool(
    office: Office, faulty: Faulty, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Each kept one of the fifteen for its lock: none was left to work with, and after 30 s the run ended in a fault."""
    monkeypatch.setattr("gateway.delivery.deliver.ENDPOINTS_AT_ONCE", at_once)
    names = [f"e{number:02}" for number in range(17)]
    office.with_endpoints(**{name: endpoint_of(faulty, channels=1) for name in names})
    for name in names:
        office.release(f"{name}.DAT", b"x", endpoint=name)
    assert [r.state for r in office.deliver()] == ["DELIVERED"] * len(names)
    assert sorted(p.name for p in faulty.root.iterdir()) == [f"{name}.DAT" for name in names]


def test_the_service_delivers_and_puts_away_though_the_outbox_lacks_a_file(
    sqlite_office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def step(name: str, *faults: Exception) -> Callable[..., None]:
        def run(*_: object, **__: object) -> None:
            done.append(name)
            for fault in faults:
                raise fault

        return run

    monkeypatch.setattr("gateway.service.outbox.settle", step("settle", GatewayError("A.DAT cannot be made")))
    monkeypatch.setattr("gateway.service.deliver", step("deliver", OSError("no line")))
    monkeypatch.setattr("gateway.service.copies.put_away", step("put away"))
    with pytest.raises(GatewayError, match=r"A.DAT cannot be made") as caught:
        Service(sqlite_office.app)._deliver()
    assert done == ["settle", "deliver", "put away"]
    assert caught.value.__notes__ == ["and then OSError: no line"]
