"""What a bank sent is kept encrypted, proved by the SHA-256 of what came, and given out to those who may see it."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import crashpoints, sealed_files
from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.console import alarms
from gateway.console.status import status
from gateway.crashpoints import Step
from gateway.errors import GatewayError, Refused, UsageError
from gateway.home import Home
from gateway.intake import actions, checking
from gateway.intake.files import InboundFile
from gateway.intake.service import Intake
from gateway.ledger import backup as backups
from gateway.ledger.database import Database
from gateway.release import keys
from gateway.vault import VARIABLE, Vault, key_id, open_vault
from tests.answers import bank
from tests.answers.world import company, differences, drop
from tests.outbound import world

ACCOUNT = "60914473320586"
RETURN = bank.return_of("091000019999999", 500)
DATA = bank.whole([RETURN[0][:12] + f"{ACCOUNT:<17}" + RETURN[0][29:], RETURN[1]])


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.delenv(VARIABLE, raising=False)
    home.field_key.write_text(base64.urlsafe_b64encode(b"k" * 32).decode())
    home.field_key.chmod(0o600)
    return replace(company(db, home, clock), vault=open_vault(home))


def in_clear(app: App) -> list[str]:
    """Files of the home that hold the account."""
    return [str(p) for p in app.home.root.rglob("*") if p.is_file() and ACCOUNT.encode() in p.read_bytes()]


def test_an_original_of_the_bank_is_sealed_and_proved(app: App) -> None:
    file = drop(app, DATA)
    assert file.state == "POSTED" and file.archive_name.endswith(f"/{file.sha256}.sealed")
    assert b"".join(sealed_files.clear_blocks(file.archived(app.home), app.vault)) == DATA
    assert file.archived(app.home).stat().st_mode & 0o777 == 0o600
    assert in_clear(app) == [] and differences(app) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1], lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:], lambda data: data[: len(data) // 2],
        lambda data: data[:10], lambda data: data[:3], lambda data: b"", lambda data: DATA,
    ],
    ids=["cut by a byte", "a bit turned", "half", "within the nonce", "within the key's id", "empty", "in clear"],
)  # fmt: skip
def test_a_damaged_original_is_named(app: App, damage: Callable[[bytes], bytes]) -> None:
    file = drop(app, DATA)
    path = file.archived(app.home)
    path.write_bytes(damage(path.read_bytes()))
    assert differences(app) == [f"originals are in the archive as received: {file.archive_name}: other bytes"]
    assert [k.role for k in keys.show(app).keys] == ["seals"], (
        "no key that is missing, nor a value from before there were ids"
    )
    with pytest.raises(GatewayError):
        actions.export(app, file.file_id, app.home.root / "out", reason="audit")
    path.unlink()
    assert differences(app) == [f"originals are in the archive as received: {file.archive_name}: missing"]
    with pytest.raises(Refused, match="found no original at var/archive"):
        actions.export(app, file.file_id, app.home.root / "out", reason="audit")
    assert not (app.home.root / "out").exists()


def test_another_files_sealed_bytes_are_not_this_ones(app: App) -> None:
    first, second = drop(app, DATA), drop(app, DATA.replace(b"000000500", b"000000600"), "more.ach")
    first.archived(app.home).write_bytes(second.archived(app.home).read_bytes())
    assert differences(app) == [f"originals are in the archive as received: {first.archive_name}: other bytes"]
    with pytest.raises(Refused, match="found its original with other bytes than were received"):
        actions.export(app, first.file_id, app.home.root / "out", reason="audit")


def test_an_original_whose_key_is_lost_is_counted_and_not_called_damaged(app: App) -> None:
    drop(app, DATA)
    app.home.field_key.write_text(base64.urlsafe_b64encode(b"z" * 32).decode())
    lost = replace(app, vault=open_vault(app.home))
    (found,) = differences(lost)
    assert found.startswith("account numbers are sealed with a key of this home: ") and key_id(b"k" * 32).hex() in found
    with pytest.raises(Refused, match="which this home does not have"):
        keys.rotate(lost)


@pytest.mark.parametrize("size", [0, 3, 200])
def test_an_original_that_was_cut_is_called_damaged_though_its_key_is_lost(app: App, size: int) -> None:
    path = drop(app, DATA).archived(app.home)
    path.write_bytes(path.read_bytes()[:size])
    app.home.field_key.write_text(base64.urlsafe_b64encode(b"z" * 32).decode())
    found = differences(replace(app, vault=open_vault(app.home)))
    assert any(f.startswith("originals are in the archive as received: ") and "other bytes" in f for f in found), found


def test_rotation_seals_originals_and_what_was_put_aside_anew(app: App) -> None:
    drop(app, DATA)
    refused = drop(app, DATA, "p1_btchassmt.dat")
    (aside,) = app.home.quarantine.iterdir()
    assert [(k.role, k.copies) for k in keys.show(app).keys] == [("seals", 2)]
    done = keys.rotate(app)
    assert done.copies == 2 and [(k.role, k.copies) for k in keys.show(app).keys] == [("seals", 2)]
    assert differences(app) == []
    assert b"".join(sealed_files.clear_blocks(aside, app.vault)) == DATA
    former = Vault(b"k" * 32)
    with pytest.raises(GatewayError, match="does not open"):
        b"".join(sealed_files.clear_blocks(refused.archived(app.home), former))


def test_a_damaged_original_keeps_the_former_key_until_it_is_put_back(app: App) -> None:
    path, other = drop(app, DATA).archived(app.home), drop(app, DATA.replace(b"000000500", b"000000600"), "more.ach")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(GatewayError, match=rf"found 1 sealed files .* \(var/archive/../{path.name}\)"):
        keys.rotate(app)
    assert [(k.role, k.copies) for k in keys.show(app).keys] == [("seals", 1), ("opens", 1)]
    assert b"".join(sealed_files.clear_blocks(other.archived(app.home), app.vault)) != DATA
    path.write_bytes(whole)
    assert keys.rotate(app).copies == 1 and differences(app) == []
    assert b"".join(sealed_files.clear_blocks(path, app.vault)) == DATA


def test_a_backup_tells_a_sealed_original_that_is_not_as_received(app: App, tmp_path: Path) -> None:
    """With the key, whatever was changed; without it, what was cut."""
    file = drop(app, DATA)
    path, lacks = file.archived(app.home), (f"{file.archive_name}: other bytes",)
    whole, key = path.read_bytes(), app.home.field_key.read_text()
    numbers = iter(range(9))

    def told() -> tuple[str, ...]:
        return backups.backup(app.home, app.db, tmp_path / f"backup{next(numbers)}", at=app.now()).lacks

    assert told() == ()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert told() == lacks
    app.home.field_key.unlink()
    assert told() == ()
    path.write_bytes(whole[:-1])
    assert told() == lacks
    app.home.field_key.write_text(key)
    app.home.field_key.chmod(0o600)
    path.write_bytes(whole)
    assert told() == ()


class Killed(BaseException):
    """Stands in for SIGKILL inside one process: nothing of ours catches it."""


@pytest.mark.parametrize("step", [Step.KEYS_CHANGED, Step.COPIES_CHANGED])
def test_a_rotation_that_was_killed_goes_on_with_originals(
    app: App, monkeypatch: pytest.MonkeyPatch, step: Step
) -> None:
    drop(app, DATA)

    def die(at: Step) -> None:
        if at is step:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(keys, "reached", die)
        with pytest.raises(Killed):
            keys.rotate(app)
    between = replace(app, vault=open_vault(app.home))
    assert differences(between) == []
    keys.rotate(between)
    assert differences(between) == [] and [k.role for k in keys.show(between).keys] == ["seals"]


def test_claimed_again_after_a_kill_the_sealed_copy_is_taken_as_it_is_or_made_anew(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(at: Step) -> None:
        if at is Step.CLAIM_ARCHIVED:
            raise Killed

    (app.home.inbox / "returns.ach").write_bytes(DATA)
    with monkeypatch.context() as patch, closing(Intake(app, events=False)) as intake:
        patch.setattr(crashpoints, "reached", die)
        with pytest.raises(Killed):
            intake.process_now([app.home.inbox / "returns.ach"])
    (copy,) = app.home.archive.glob("*/*.sealed")
    copy.write_bytes(copy.read_bytes()[:-1] + b"?")
    with closing(Intake(app, events=False)) as intake:
        intake.process_now(None)
    assert [r[0] for r in world.all_of(app.db, "SELECT state FROM inbound_file")] == ["POSTED"]
    assert differences(app) == [] and in_clear(app) == []


NAMES = ["p1_btchassmt.dat", "p1_btchpmt.dat", "p1_bptmtrev.dat", "btchescr.dat", "p1_btchpmt.avro"]


def no_answer_was_taken(app: App, file: InboundFile) -> None:
    assert (file.state, file.hold_code) == ("QUARANTINED", "BANK_FILE")
    assert world.all_of(app.db, "SELECT * FROM line_message") == []
    assert world.all_of(app.db, "SELECT * FROM ach_answer") == []
    assert in_clear(app) == []


@pytest.mark.parametrize(
    ("name", "shape"),
    [*((NAMES[0], shape) for shape in bank.SHAPES), *((name, next(iter(bank.SHAPES))) for name in NAMES[1:])],
)
def test_a_banks_file_under_another_files_name_is_refused_whole(app: App, name: str, shape: str) -> None:
    lines = DATA.decode().split("\n")[:-1]
    file = drop(app, bank.SHAPES[shape](lines).encode(), name)
    no_answer_was_taken(app, file)
    assert file.hold_text == (
        f"Found a NACHA file under the name {name}, expected lines of {file.kind}: nothing of it was taken; a bank has to send "
        f"it again under a name of its own (*.ach), or get its bytes by `gateway files export {file.file_id} TARGET --reason "
        "WHY`."
    )
    assert [p.name for p in app.home.quarantine.iterdir()] == [f"{file.file_id}-{name}.sealed"]
    assert differences(app) == []


@pytest.mark.parametrize("before", [" ", '"', "\t> "])
def test_a_banks_file_out_of_a_letter_or_a_spreadsheet_is_one_too(app: App, before: str) -> None:
    text = "".join(f"{before}{line}{before.strip()}\n" for line in DATA.decode().split("\n")[:-1])
    no_answer_was_taken(app, drop(app, text.encode(), NAMES[0]))


def test_a_refused_file_is_shown_until_someone_sees_to_it_and_alarmed(app: App) -> None:
    file = drop(app, DATA, NAMES[0])
    found = status(app, None)
    assert [(f["id"], f["state"]) for f in found.files] == [(file.file_id, "QUARANTINED")] and found.wants_attention
    assert "FILE_QUARANTINED" in [c.code for c in alarms.conditions(found)]
    world.change(app.db, "UPDATE portfolio SET business_date = '2026-03-03'")
    assert [f["state"] for f in status(app, None).files] == ["QUARANTINED"], "until someone sees to it"
    actions.discard(app, file.file_id, reason="the bank sends it again")
    assert status(app, None).files == []


@pytest.mark.parametrize("name", NAMES[:2])
def test_a_check_of_such_a_file_says_the_same_and_quotes_nothing(app: App, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(DATA)
    result = checking.check(app, path)
    ((code, words),) = result.holds
    assert code == "BANK_FILE" and result.messages == ()
    assert words.endswith("nothing of it was taken; a bank has to send it again under a name of its own (*.ach).")


def test_an_export_is_for_those_who_may_and_leaves_a_record(app: App) -> None:
    file, target = drop(app, DATA), app.home.root / "out"
    clerk = world.as_person(app, Operator("CLK", "clerk", frozenset({"post"})))
    with pytest.raises(Refused, match="without the right 'approve'"):
        actions.export(clerk, file.file_id, target, reason="audit")
    with pytest.raises(UsageError, match="found no reason"):
        actions.export(app, file.file_id, target, reason=" ")
    assert world.all_of(app.db, "SELECT * FROM operator_event WHERE action = 'files.export'") == []
    assert actions.export(app, file.file_id, target, reason="audit") == len(DATA)
    assert target.read_bytes() == DATA and target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UsageError, match="expected a new file"):
        actions.export(app, file.file_id, target, reason="audit")
    assert world.all_of(app.db, "SELECT subject, reason FROM operator_event WHERE action = 'files.export'") == [
        (f"file:{file.file_id}", "audit")
    ]
