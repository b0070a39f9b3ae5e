"""Rotating the key: everything is sealed anew, whatever happens in between, and nothing is ever sealed with a lost key."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, LargeBinary, text

from gateway.app import App, Operator
from gateway.clock import FixedClock
from gateway.errors import GatewayError, Refused, UsageError
from gateway.home import Home
from gateway.ledger import schema, sealed, vendor_changes
from gateway.ledger.database import Database
from gateway.ledger.schema import SEALED_AS
from gateway.ledger.verify import verify
from gateway.outbound import store
from gateway.parts import verify_options
from gateway.release import copies, keys, release
from gateway.release.build import build
from gateway.vault import NEXT_VARIABLE, VARIABLE, Vault, key_id, open_vault
from tests.outbound import world

FIRST = key_id(b"k" * 32)


def written(letter: bytes) -> str:
    return base64.urlsafe_b64encode(letter * 32).decode()


@pytest.fixture
def app(db: Database, home: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> App:
    """A bank file that waits, one that was taken and lies sealed in the outbox, and the vendors they pay."""
    monkeypatch.delenv(VARIABLE, raising=False)
    home.field_key.write_text(written(b"k"))
    home.field_key.chmod(0o600)
    world.company(db)
    world.vendor(db)
    world.vendor(db, "V2", account="777000777")
    made = world.app_at(home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH, "release": {"four_eyes": False}})
    made = replace(made, vault=open_vault(home))
    world.check(db, "1")
    (file, _scratch) = build(made, "VACH", "1").files
    release.approve(made, file.outbound_id, sha256=file.sha256)
    copies.taken(made, file.outbound_id, reason="brought to the bank")
    world.check(db, "2", vendor="V2")
    build(made, "VACH", "1")
    with db.write() as connection:
        vendor_changes.propose(
            db, connection, made.vault, "V2", {"account_number": "888000888"}, origin="OPERATOR", reason="new bank",
            maker=vendor_changes.Maker("ANN", "ann"), at=made.now(),
        )  # fmt: skip
    return made


def differences(app: App) -> list[str]:
    return [f"{c.name}: {c.detail}" for c in verify(app.db, **verify_options(app)) if not c.ok]


def numbers(app: App) -> list[str]:
    rows = world.all_of(app.db, "SELECT account_sealed FROM vendor ORDER BY vendor")
    return [app.vault.open(bytes(value), field="vendor.account") for (value,) in rows]


def test_every_binary_column_says_what_it_is_sealed_as() -> None:
    """A column that a rotation does not know would be lost with the former key."""
    silent = [
        f"{c.table.name}.{c.name}"
        for t in schema.metadata.sorted_tables
        for c in t.columns
        if isinstance(c.type, LargeBinary) and SEALED_AS not in c.info
    ]
    assert silent == [], "add info={SEALED_AS: the field it is sealed with} to the column"


WAITING = {
    "vendor.routing_sealed": "UPDATE vendor SET routing_sealed = :v WHERE vendor = 'V1'",
    "vendor.account_sealed": "UPDATE vendor SET account_sealed = :v WHERE vendor = 'V2'",
    "vendor_change.before_sealed": "UPDATE vendor_change SET before_sealed = :v",
    "vendor_change.after_sealed": "UPDATE vendor_change SET after_sealed = :v",
    "ach_answer.payload": "UPDATE ach_answer SET payload = :v WHERE state = 'UNMATCHED'",
    "outbound_row.payload": "UPDATE outbound_row SET payload = :v WHERE seq = 1 AND outbound_id = "
    "(SELECT MAX(outbound_id) FROM outbound_file WHERE kind = 'VACH-BANK')",
}
"""By sealed column: seal a value anew that work goes on with."""


def an_answer(app: App, state: str) -> None:
    """A word of the bank, sealed with the home's key."""
    world.insert(
        app.db, "inbound_file", file_id=1, name="r.ach", kind="bank-answers", form="dat", state="POSTED", sha256="0",
        bytes=1, claim_name="r.ach", claimed_at=app.now(), source="inbox",
    )  # fmt: skip
    world.insert(
        app.db, "ach_answer", file_id=1, number=1, line_no=1, kind="RETURN", state=state, outcome="",
        payload=app.vault.seal("{}", field="ach_answer.payload"),
    )  # fmt: skip


def lacking(app: App) -> list[str]:
    with app.db.read() as connection:
        return keys.lacking(app, connection)


def test_every_sealed_column_is_asked_for_a_key_that_is_not_here() -> None:
    assert WAITING.keys() == {f"{c.table.name}.{c.name}" for c in sealed.columns()}


@pytest.mark.parametrize("column", WAITING)
def test_a_key_that_work_needs_and_the_home_has_not_is_told(app: App, column: str) -> None:
    an_answer(app, "UNMATCHED")
    assert lacking(app) == []
    strange = Vault(b"s" * 32)
    world.change(app.db, WAITING[column], v=strange.seal("1", field="x"))
    (words,) = lacking(app)
    assert words == (
        f"account numbers in the ledger are sealed with the key {strange.ids[0].hex()}, which this home does not have: where that key "
        "is found, put the key that is there now into config/keys/field.key.next, that one into config/keys/field.key, and run "
        "gateway keys rotate; gateway keys show says how many; only where nobody has it, load vendors.csv again"
    )
    assert keys.show(app).missing


def test_asking_for_it_reads_no_whole_ledger(app: App) -> None:
    """Rows of what left, and answers, are there by the million: SQLite goes to those that wait by an index."""
    if not app.db.is_sqlite:
        return
    with app.db.read() as connection:
        plan = [str(row[-1]) for row in connection.execute(text(f"EXPLAIN QUERY PLAN {sealed._NEEDED}"), {"begin": 5})]
    assert "SEARCH r USING PRIMARY KEY (outbound_id=? AND seq=?)" in plan
    assert any(step.startswith("SEARCH ach_answer USING INDEX ix_ach_answer_state") for step in plan)


def test_a_home_of_another_key_is_told_to_bring_the_ledgers_own(app: App) -> None:
    """Nothing that is needed is sealed with its own, which would be locked out in no other way."""
    other = replace(app, vault=Vault(b"o" * 32))
    (words,) = lacking(other)
    assert (
        f"the key {FIRST.hex()}, which this home does not have: bring it from the home that shares the ledger" in words
    )
    assert "into config/keys/field.key (keep the one that is there); gateway keys show" in words


def test_what_a_lost_key_sealed_and_nobody_needs_is_told_no_more(app: App) -> None:
    """Else `status` would ask for ever for what nobody can do."""
    an_answer(app, "DONE")
    lost = Vault(b"s" * 32).seal("1", field="x")
    world.change(app.db, "UPDATE vendor_change SET state = 'REFUSED', before_sealed = :v, after_sealed = :v", v=lost)
    world.change(app.db, "UPDATE ach_answer SET payload = :v", v=lost)
    world.change(app.db, "UPDATE outbound_row SET payload = :v WHERE outbound_id = 1", v=lost)
    assert world.one(app.db, "SELECT state FROM outbound_file WHERE outbound_id = 1") == "LOCAL"
    assert keys.show(app).missing and lacking(app) == []


def test_everything_is_sealed_with_the_new_key(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "_BLOCK", 1)
    before = keys.show(app)
    assert [(k.fingerprint, k.role, k.place, k.values, k.copies) for k in before.keys] == [
        (FIRST.hex(), "seals", "config/keys/field.key", 2 * 2 + 4 + 2, 1)
    ]
    assert before.rotated_at is None and not before.unfinished
    old = app.home.field_key.read_text()
    rendered = [store.render(app, n) for n in (1, 2, 3, 4)]
    done = keys.rotate(app)
    assert (done.former, done.values, done.copies, done.finished) == ((FIRST.hex(),), 10, 1, True)
    after = keys.show(app)
    assert [(k.fingerprint, k.role, k.values, k.copies) for k in after.keys] == [(done.fingerprint, "seals", 10, 1)]
    assert after.rotated_at == app.now() and not after.unfinished and not after.missing
    assert app.home.field_key.read_text() != old and not app.home.next_field_key.exists()
    assert app.home.field_key.stat().st_mode & 0o777 == 0o600
    assert [store.render(app, n) for n in (1, 2, 3, 4)] == rendered
    assert numbers(app) == ["12345678", "777000777"]
    with app.db.read() as connection:
        (waiting,) = vendor_changes.listing(connection, app.vault)
    assert waiting.after == {"account_number": "****0888"}
    assert differences(app) == []
    with pytest.raises(GatewayError, match="does not open"):
        store.render(replace(app, vault=Vault(b"k" * 32)), 1)
    assert world.all_of(app.db, "SELECT operator, action, subject, reason FROM operator_event WHERE action LIKE 'keys%'") == [
        ("ANN", "keys.rotate", "field key", f"to {done.fingerprint} from {FIRST.hex()}")
    ]  # fmt: skip


@pytest.mark.parametrize("become", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_what_is_no_file_of_a_sealed_copys_name_is_told_and_hinders_no_rotation(
    app: App, become: Callable[[Path], None]
) -> None:
    """`keys show` and `keys rotate` ended in a fault with a traceback, at a pipe they and `verify` waited for ever."""
    become(app.home.outbox / "P.DAT.sealed")
    assert [key.copies for key in keys.show(app).keys] == [1]
    done = keys.rotate(app)
    assert (done.copies, done.finished) == (1, True)
    assert copies.strange(app) == ["P.DAT.sealed: other bytes, or sealed with another key"]


def test_a_process_that_began_before_reads_and_seals_with_the_new_key(app: App) -> None:
    """The service runs on while a person rotates."""
    service = replace(app, vault=open_vault(app.home))
    keys.rotate(app)
    world.check(app.db, "3")
    build(service, "VACH", "1")
    assert numbers(service) == ["12345678", "777000777"]
    assert [k.role for k in keys.show(app).keys] == ["seals"]
    assert differences(service) == []


def test_a_rotation_waits_for_whoever_posts_builds_or_seals(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next key is made, the ledger's values and the outbox's copies are sealed anew: each with the lock on keys."""
    taken: list[object] = []
    lock, lock_portfolios = Database.lock, Database.lock_portfolios

    def named(self: Database, connection: Connection, name: str) -> None:
        taken.append(name)
        lock(self, connection, name)

    def of_portfolios(self: Database, connection: Connection, names: Iterable[str]) -> None:
        taken.append(wanted := list(names))
        lock_portfolios(self, connection, wanted)

    monkeypatch.setattr(Database, "lock", named)
    monkeypatch.setattr(Database, "lock_portfolios", of_portfolios)
    keys.rotate(app)
    assert taken == ["field-key", ["1"], "field-key", "field-key"]


def test_only_one_who_administers_rotates(app: App) -> None:
    clerk = world.as_person(app, Operator("CLK", "clerk", frozenset({"post", "load", "approve", "deliver", "resolve"})))
    for step in (keys.rotate, keys.prepare):
        with pytest.raises(Refused, match="found operator CLK without the right 'admin'"):
            step(clerk)
    assert not app.home.next_field_key.exists()


def test_a_prepared_key_is_the_one_that_is_rotated_to(app: App) -> None:
    """Machines that share a ledger get the next key first; each of them then ends its own rotation."""
    fingerprint = keys.prepare(app)
    assert keys.prepare(app) == fingerprint
    shown = keys.show(app)
    assert [(k.fingerprint, k.role, k.place) for k in shown.keys] == [
        (fingerprint, "seals", "config/keys/field.key.next"),
        (FIRST.hex(), "opens", "config/keys/field.key"),
    ]
    assert shown.unfinished and not shown.missing
    assert keys.rotate(app).fingerprint == fingerprint


def test_the_keys_of_the_environment(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.home.field_key.unlink()
    monkeypatch.setenv(VARIABLE, written(b"k"))
    with pytest.raises(UsageError, match="found it in GATEWAY_FIELD_KEY and no other one in GATEWAY_FIELD_KEY_NEXT"):
        keys.rotate(app)
    monkeypatch.setenv(NEXT_VARIABLE, written(b"n"))
    done = keys.rotate(app)
    assert (done.fingerprint, done.values, done.finished) == (key_id(b"n" * 32).hex(), 10, False)
    assert [(k.role, k.place, k.values) for k in keys.show(app).keys] == [
        ("seals", NEXT_VARIABLE, 10), ("opens", VARIABLE, 0),
    ]  # fmt: skip
    monkeypatch.setenv(VARIABLE, written(b"n"))
    monkeypatch.delenv(NEXT_VARIABLE)
    assert not keys.show(app).unfinished and differences(app) == []
    assert not list(app.home.keys.iterdir())


def test_values_of_a_key_that_is_not_here_stop_a_rotation(app: App) -> None:
    """Another home of this ledger, to which nobody brought the key: it would be the second to rotate."""
    world.change(app.db, "DELETE FROM outbound_source")  # no matter here
    strange = Vault(b"z" * 32)
    world.change(
        app.db, "UPDATE vendor SET account_sealed = :v WHERE vendor = 'V2'", v=strange.seal("1", field="vendor.account")
    )
    shown = keys.show(app)
    assert shown.missing and [(k.fingerprint, k.role, k.values) for k in shown.keys][1:] == [
        (strange.ids[0].hex(), "missing", 1)
    ]
    named = "account numbers are sealed with a key of this home"
    assert any(d.startswith(named) and strange.ids[0].hex() in d for d in differences(app))
    with pytest.raises(Refused, match=f"found 1 values of key {strange.ids[0].hex()}, which this home does not have"):
        keys.rotate(app)
    assert not app.home.next_field_key.exists()
    assert keys.rotate(app, leave_lost=True).values == 9
    assert [(k.role, k.values) for k in keys.show(app).keys] == [("seals", 9), ("missing", 1)]
    said = "put the key that is there now into config/keys/field.key.next, that one into config/keys/field.key, and run gateway keys"
    with pytest.raises(Refused, match=said):
        keys.rotate(app)
    app.home.field_key.rename(app.home.next_field_key)
    app.home.field_key.write_text(written(b"z"))
    app.home.field_key.chmod(0o600)
    assert keys.rotate(app).values == 1
    assert [(k.role, k.values) for k in keys.show(app).keys] == [("seals", 10)]


def test_values_from_before_key_ids_get_one(app: App) -> None:
    nonce = bytes(12)
    old = b"\x01" + nonce + AESGCM(b"k" * 32).encrypt(nonce, b"12345678", b"vendor.account")
    lost = b"\x01" + nonce + AESGCM(b"z" * 32).encrypt(nonce, b"777000777", b"vendor.account")
    for vendor, value in (("V1", old), ("V2", lost)):
        world.change(app.db, "UPDATE vendor SET account_sealed = :v WHERE vendor = :n", v=value, n=vendor)
    assert [(k.fingerprint, k.role, k.values) for k in keys.show(app).keys] == [
        (FIRST.hex(), "seals", 8), ("", "unnamed", 2),
    ]  # fmt: skip
    with pytest.raises(GatewayError, match=r"decrypting vendor\.account"):
        keys.rotate(app)
    assert [k.values for k in keys.show(app).keys] == [0, 8, 2], "one transaction: nothing was changed"
    assert keys.rotate(app, leave_lost=True).values == 9
    assert [(k.role, k.values) for k in keys.show(app).keys] == [("seals", 9), ("unnamed", 1)]


def test_a_value_that_was_changed_is_not_passed_over(app: App) -> None:
    (value,) = world.all_of(app.db, "SELECT account_sealed FROM vendor WHERE vendor = 'V1'")[0]
    torn = bytes(value)[:-1] + bytes([bytes(value)[-1] ^ 1])
    world.change(app.db, "UPDATE vendor SET account_sealed = :v WHERE vendor = 'V1'", v=torn)
    expected = (
        rf"vendor V1: decrypting vendor\.account: found a value of key {FIRST.hex()} that does not open .* --leave-lost"
    )
    with pytest.raises(GatewayError, match=expected):
        keys.rotate(app)
    with app.db.read() as connection:
        assert (
            connection.execute(text("SELECT COUNT(*) FROM operator_event WHERE action = 'keys.rotate'")).scalar() == 0
        )
    assert app.home.field_key.read_text() == written(b"k") and app.home.next_field_key.exists()


def damaged_copy(app: App) -> tuple[Path, bytes]:
    """The sealed copy in the outbox, a bit of it turned; with its bytes from before."""
    (path,) = app.home.outbox.glob("*.sealed")
    whole = path.read_bytes()
    path.write_bytes(whole[:60] + bytes([whole[60] ^ 1]) + whole[61:])
    return path, whole


def test_a_damaged_copy_is_named_and_the_rotation_ends_once_it_is_put_back(app: App) -> None:
    """It named no file, and told to load account data: the rotation never ended."""
    path, whole = damaged_copy(app)
    for _ in range(2):
        with pytest.raises(
            GatewayError, match=rf"found 1 sealed files .* \(outbox/{path.name}\).* put them back .* --leave-lost"
        ):
            keys.rotate(app)
        assert [(k.role, k.values, k.copies) for k in keys.show(app).keys] == [("seals", 10, 0), ("opens", 0, 1)]
    path.write_bytes(whole)
    assert keys.rotate(app).copies == 1
    assert [(k.role, k.values, k.copies) for k in keys.show(app).keys] == [("seals", 10, 1)] and differences(app) == []


def test_a_damaged_copy_may_be_left_as_it_is(app: App) -> None:
    path, _whole = damaged_copy(app)
    assert keys.rotate(app, leave_lost=True).copies == 0
    assert [(k.fingerprint, k.role) for k in keys.show(app).keys][1:] == [(FIRST.hex(), "missing")]
    assert [d for d in differences(app) if path.name in d] != []


def test_a_key_that_is_found_while_a_rotation_is_not_finished_goes_over_no_other(app: App) -> None:
    """The copy that is put back is of an older backup: by the words, the next key, which seals everything, was overwritten."""
    path, whole = damaged_copy(app)
    with pytest.raises(GatewayError, match="put them back from a backup"):
        keys.rotate(app)
    older, field = Vault(b"z" * 32), f"outbound.file {path.name.removesuffix('.sealed')}"
    path.write_bytes(older.seal_bytes(Vault(b"k" * 32).open_bytes(whole, field=field), field=field))
    with pytest.raises(
        Refused,
        match=r"is found, do not overwrite config/keys/field.key.next: end the rotation that was begun with gateway keys rotate "
        r"--leave-lost; then put the key that is there now into config/keys/field.key.next, that one into config/keys/field.key,",
    ):
        keys.rotate(app)
    assert keys.rotate(app, leave_lost=True).finished and not app.home.next_field_key.exists()
    app.home.field_key.rename(app.home.next_field_key)
    app.home.field_key.write_text(written(b"z"))
    app.home.field_key.chmod(0o600)
    assert keys.rotate(app).copies == 1
    assert [(k.role, k.values, k.copies) for k in keys.show(app).keys] == [("seals", 10, 1)] and differences(app) == []
