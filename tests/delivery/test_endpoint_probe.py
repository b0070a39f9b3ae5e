"""``gateway endpoint probe``: what it tries, and what it says of a receiver's habits."""

from __future__ import annotations

import pytest

from gateway.delivery.endpoint_probe import ProbeStep, probe_endpoint
from gateway.errors import UsageError
from tests.delivery.conftest import FarSide, Office, endpoint_of
from tests.support.faulty_sftp import DENIED, Fault, Faulty


def steps(office: Office) -> dict[str, ProbeStep]:
    return {step.name: step for step in probe_endpoint(office.app, "bank")}


def test_a_good_endpoint(sqlite_office: Office, far_side: FarSide) -> None:
    found = steps(sqlite_office.with_endpoints(bank=far_side.endpoint))
    assert list(found) == [
        "settings", "connection", "sftp", "directory", "write", "read back", "rename", "look at the target", "remove",
        "settings to use", "channels",
    ]  # fmt: skip
    assert all(step.ok for step in found.values())
    assert list(far_side.root.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "step", "ok", "says"),
    [
        (Fault("open", DENIED), "write", False, "permission denied"),
        (Fault("open to read", DENIED), "read back", False, "the size is"),
        (Fault("open to read", DENIED), "settings to use", None, 'read_back = "size"'),
        (Fault("rename", DENIED), "rename", False, "permission denied"),
        (Fault("rename", "vanish"), "look at the target", False, "absent right after the rename"),
        (Fault("rename", "vanish"), "settings to use", None, "stat_after_rename = false"),
        (Fault("remove", DENIED), "remove", None, "tell the receiver"),
        (Fault("rename", "drop before"), "connection kept", False, "closed the connection"),
        (Fault("write", "flip"), "read back", False, "other bytes than written"),
        (Fault("stat", DENIED, ending="/"), "directory", None, "permission denied"),
    ],
)
def test_a_receivers_habits(
    sqlite_office: Office, faulty: Faulty, fault: Fault, step: str, ok: bool | None, says: str
) -> None:
    faulty.behaviour.faults.append(Fault(**vars(fault)))
    found = steps(sqlite_office.with_endpoints(bank=endpoint_of(faulty)))
    assert (found[step].ok, says in found[step].detail) == (ok, True), found[step]


@pytest.mark.parametrize("key", ["directory", "temporary_directory"])
def test_a_directory_that_is_a_file(sqlite_office: Office, far_side: FarSide, key: str) -> None:
    (far_side.root / "in").write_bytes(b"x")
    root = far_side.endpoint.directory
    office = sqlite_office.with_endpoints(bank=far_side.endpoint.model_copy(update={key: f"{root}/in"}))
    every = [step for step in probe_endpoint(office.app, "bank") if step.name == "directory"]
    wrong = [step for step in every if step.ok is False]
    assert len(wrong) == 1 and wrong[0].detail.endswith(f"/in: found a file, expected a directory; correct {key}")
    assert [step.ok for step in every if step is not wrong[0]] == [True] * (key == "temporary_directory")


def test_fewer_channels(sqlite_office: Office, faulty: Faulty) -> None:
    faulty.server.most_channels = 2
    found = steps(sqlite_office.with_endpoints(bank=endpoint_of(faulty)))
    assert found["channels"] == ProbeStep("channels", None, "found 2 of 4 channels: set channels = 2")
    faulty.server.most_channels = 0
    assert "opening a channel" in steps(sqlite_office)["sftp"].detail


def test_what_stops_before_the_files(sqlite_office: Office, faulty: Faulty) -> None:
    office = sqlite_office.with_endpoints(bank=endpoint_of(faulty, host_keys=()))
    found = steps(office)
    assert found["connection"].ok is False and "add this line to config/keys/known_hosts" in found["connection"].detail
    faulty.key.chmod(0o644)
    assert list(steps(office)) == ["settings"]
    with pytest.raises(UsageError, match="found no such endpoint, expected one of bank"):
        probe_endpoint(office.app, "bnak")
