"""The message in which a bank wants its file: read back with its key by the library and by GnuPG, made once, kept."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pysequoia import Cert, Tsk, decrypt
from pysequoia.packet import PacketPile, Tag
from sqlalchemy import text

from gateway.app import App
from gateway.clock import FixedClock
from gateway.delivery import queue
from gateway.errors import Refused, SettingsError, UsageError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.outbound import store
from gateway.outbound.store import Frozen
from gateway.parts import renderer, verify_options
from gateway.release import copies, openpgp, release
from gateway.release.build import build
from gateway.settings import Bank
from tests.outbound import world

OURS = Path(__file__).parents[1] / "support" / "openpgp" / "ours.asc"
"""A secret key made for these tests, with a passphrase."""
BANKS = OURS.parent
"""There too, made by GnuPG in 2020: ``expired.asc``, a bank's key whose one key for encryption was for a year; ``renewed.asc``,
the same with a second one that does not expire."""
PASSPHRASE = "a test"
ENDPOINT = {"host": "h", "user": "u", "key": "k"}
SIGNED = {"sign_with": "file:config/keys/ours.asc", "passphrase": "env:OPENPGP_PASSPHRASE"}
NAME = "P01-VACH-BANK-260303.DAT"


@pytest.fixture(scope="module")
def bank_key() -> Tsk:
    return Tsk.generate("First National Bank <ach@bank.invalid>")


@pytest.fixture
def keys(home: Home, bank_key: Tsk, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The bank's public key and our own lie in the home."""
    (home.keys / "bank.asc").write_text(str(bank_key.extract_certificate()))
    shutil.copy(OURS, home.keys / "ours.asc")
    (home.keys / "ours.asc").chmod(0o600)
    monkeypatch.setenv("OPENPGP_PASSPHRASE", PASSPHRASE)
    return home


def built(db: Database, home: Home, clock: FixedClock, *, endpoint: str | None = "bank", **settings: Any) -> App:
    world.company(db)
    world.vendor(db)
    world.check(db, "1")
    bank = world.FIRST_BANK.model_dump() | {
        "endpoint": endpoint,
        "openpgp": {"recipient": "config/keys/bank.asc"} | settings,
    }
    app = world.app_at(
        home, db, clock, portfolio={"vendor_ach": world.VENDOR_ACH, "release": {"four_eyes": False}},
        bank=type(world.FIRST_BANK).model_validate(bank), endpoints={"bank": ENDPOINT},
    )  # fmt: skip
    build(app, "VACH", "1")
    return app


def released(app: App) -> Frozen:
    (sha256,) = world.all_of(app.db, "SELECT sha256 FROM outbound_file WHERE outbound_id = 1")[0]
    return release.approve(app, 1, sha256=sha256)  # type: ignore[return-value]


def ours() -> Cert:
    return Tsk.from_file(str(OURS)).extract_certificate()


def test_what_leaves_is_the_message_and_stays_the_same(
    db: Database, keys: Home, clock: FixedClock, bank_key: Tsk
) -> None:
    app = built(db, keys, clock, **SIGNED)
    clear = (keys.outbox / NAME).read_bytes()
    released(app)
    (data,) = renderer(app)(1)
    assert renderer(app)(1) == (data,), "made once: a retry sends the same bytes"
    assert data != clear and clear[:40] not in data
    opened = decrypt(data, decryptor=bank_key.decryptor(), store=lambda _: [ours()])
    assert opened.bytes == clear
    assert [signature.certificate for signature in opened.valid_sigs] == [ours().fingerprint]
    with db.read() as connection:
        (job,) = queue.listing(connection)
    assert (job.remote_name, job.bytes, job.sha256) == (NAME + ".pgp", len(data), hashlib.sha256(data).hexdigest())
    shown = release.show(app, 1)
    assert shown["sha256"] == hashlib.sha256(clear).hexdigest() == hashlib.sha256(store.render(app, 1)).hexdigest()
    assert shown["message"] == {
        "name": NAME + ".pgp", "sha256": job.sha256, "bytes": job.bytes, "made_at": app.now(),
        "recipient": bank_key.extract_certificate().fingerprint, "signer": ours().fingerprint,
    }  # fmt: skip
    assert [c.name for c in verify(db, **verify_options(app)) if not c.ok] == []


def with_banks(app: App, used: str, **banks: Bank) -> App:
    """The same home, whose settings were changed since: these banks, and the portfolio uses that one."""
    gateway = app.settings.gateway.model_copy(update={"banks": banks})
    own = app.settings.portfolio("1")
    portfolio = own.model_copy(update={"vendor_ach": own.vendor_ach.model_copy(update={"bank": used})})
    return replace(app, settings=replace(app.settings, gateway=gateway, portfolios={"1": portfolio}))


def test_a_file_goes_by_the_bank_it_was_built_for(db: Database, keys: Home, clock: FixedClock, bank_key: Tsk) -> None:
    """The portfolio went over to another bank, which takes files in clear, while this one waited."""
    app = built(db, keys, clock)
    clear = (keys.outbox / NAME).read_bytes()
    other = world.FIRST_BANK.model_copy(update={"after_delivery": "keep"})
    moved = with_banks(app, "second", first=app.settings.gateway.banks["first"], second=other)
    released(moved)
    (data,) = renderer(moved)(1)
    assert decrypt(data, decryptor=bank_key.decryptor()).bytes == clear
    with db.write() as connection:
        connection.execute(text("UPDATE delivery SET state = 'DELIVERED'"))
    assert copies.put_away(moved) == [NAME]


def test_a_file_of_a_bank_that_the_settings_forgot_does_not_leave(db: Database, keys: Home, clock: FixedClock) -> None:
    app = with_banks(built(db, keys, clock), "second", second=world.FIRST_BANK)
    with pytest.raises(
        Refused, match=r"found it built for bank first, which .* not name any more, expected .*banks.first"
    ):
        released(app)
    assert world.one(db, "SELECT state FROM outbound_file WHERE outbound_id = 1") == "BUILT"


def test_a_bank_with_gnupg_reads_it(
    db: Database, keys: Home, clock: FixedClock, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The bank makes its key and reads the message with GnuPG, which knows less than the library: a message is made in
    the forms that the recipient's key says it knows."""
    folder = tmp_path_factory.mktemp("g")
    folder.chmod(0o700)

    def gpg(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        given = [
            "gpg",
            "--batch",
            "--quiet",
            "--homedir",
            str(folder),
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]
        return subprocess.run([*given, *arguments], capture_output=True, check=True)

    try:
        gpg("--quick-gen-key", "First National Bank <ach@bank.invalid>", "default", "default", "never")
        (keys.keys / "bank.asc").write_bytes(gpg("--armor", "--export", "ach@bank.invalid").stdout)
        app = built(db, keys, clock, armor=True, suffix=".asc", **SIGNED)
        clear = (keys.outbox / NAME).read_bytes()
        released(app)
        (folder / "ours").write_text(str(ours()))
        (folder / "message").write_bytes(openpgp.message(app, 1))
        gpg("--import", str(folder / "ours"))
        done = gpg("--status-fd", "2", "--decrypt", str(folder / "message"))
    finally:
        subprocess.run(["gpgconf", "--homedir", str(folder), "--kill", "all"], capture_output=True, check=False)
    assert done.stdout == clear, done.stderr
    assert b"GOODSIG" in done.stderr and ours().fingerprint.upper().encode() in done.stderr
    assert (folder / "message").read_bytes().startswith(b"-----BEGIN PGP MESSAGE-----")


def test_unsigned_and_by_hand(db: Database, keys: Home, clock: FixedClock, bank_key: Tsk, tmp_path: Path) -> None:
    app = built(db, keys, clock, endpoint=None)
    clear = (keys.outbox / NAME).read_bytes()
    released(app)
    copies.export(app, 1, tmp_path / "m", reason="to upload", message=True)
    opened = decrypt((tmp_path / "m").read_bytes(), decryptor=bank_key.decryptor())
    assert opened.bytes == clear and not opened.valid_sigs
    with pytest.raises(UsageError, match="outbound file 2: found no OpenPGP message of it"):
        copies.export(app, 2, tmp_path / "n", reason="to upload", message=True)
    world.change(db, "UPDATE outbound_message SET body = :b", b=b"other")
    assert openpgp.strange(app) == [NAME + ".pgp: other bytes"]
    assert [c.name for c in verify(db, **verify_options(app)) if not c.ok] == ["files in the outbox are as built"]


def unsigned(key: Tsk) -> bytes:
    """Its packets but for its own signatures, as a key has none that counts whose signatures are all by SHA-1."""
    packets = PacketPile.from_bytes(bytes(key.extract_certificate()))
    return b"".join(bytes(packet) for packet in packets if packet.tag != Tag.Signature)


def revoked(key: Tsk) -> bytes:
    cert = key.extract_certificate()
    return bytes(cert) + bytes(cert.revoke(key.certifier()))


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("bank.asc", lambda key: None, r"openpgp\.recipient: could not read config/keys/bank\.asc: No such file"),
        ("bank.asc", lambda key: b"no key", r"openpgp\.recipient: .* expected the bank's public key"),
        (
            "bank.asc",
            unsigned,
            r"openpgp\.recipient: No binding signature .* in key \w+, expected .*ask the bank for a newer key",
        ),
        ("bank.asc", revoked, r"openpgp\.recipient: found key \w+ revoked"),
        ("bank.asc", lambda key: bytes(ours()), r"openpgp\.recipient: .* expected the bank's key for encryption"),
        (
            "bank.asc",
            lambda key: (BANKS / "expired.asc").read_bytes(),
            r"openpgp\.recipient: found the key for encryption of \w+ expired at 2020-12-31, expected a valid one; ask the bank",
        ),
        ("ours.asc", lambda key: None, r"openpgp\.sign_with: could not read config/keys/ours\.asc"),
        ("ours.asc", lambda key: b"no key", r"openpgp\.sign_with: .* expected our secret key, armored"),
        ("ours.asc", lambda key: str(ours()).encode(), r"openpgp\.sign_with: .* expected our secret key, armored"),
        ("ours.asc", lambda key: b"\xff\xfe", r"openpgp\.sign_with: .* expected the secret as text \(a key armored\)"),
    ],
)
def test_a_key_that_cannot_be_used_stops_the_release(
    db: Database, keys: Home, clock: FixedClock, bank_key: Tsk, file: str, content: Any, words: str
) -> None:
    """Nothing leaves in clear because of it, and the check of the settings says the same."""
    app = built(db, keys, clock, **SIGNED)
    data = content(bank_key)
    if data is None:
        (keys.keys / file).unlink()
    else:
        (keys.keys / file).write_bytes(data)
    with pytest.raises(SettingsError, match=words) as caught:
        released(app)
    assert "backtrace" not in str(caught.value)
    assert world.one(db, "SELECT state FROM outbound_file WHERE outbound_id = 1") == "BUILT"
    assert world.all_of(db, "SELECT * FROM delivery") == []
    assert openpgp.problems(keys, app.settings.gateway, clock.now()) == list(caught.value.mistakes)


def test_a_renewed_key_for_encryption_is_taken(db: Database, keys: Home, clock: FixedClock) -> None:
    shutil.copy(BANKS / "renewed.asc", keys.keys / "bank.asc")
    released(built(db, keys, clock))
    assert (
        world.one(db, "SELECT recipient FROM outbound_message")
        == Cert.from_file(str(BANKS / "renewed.asc")).fingerprint
    )


def test_an_expired_key_a_wrong_passphrase_and_a_key_for_all_to_read(
    db: Database, keys: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = built(db, keys, clock, **SIGNED)
    assert openpgp.problems(keys, app.settings.gateway, clock.now()) == []
    monkeypatch.setenv("OPENPGP_PASSPHRASE", "wrong")
    with pytest.raises(
        SettingsError, match=r"sign_with: .* expected our secret key, armored, and its passphrase"
    ) as said:
        released(app)
    assert "wrong" not in str(said.value)
    (keys.keys / "ours.asc").chmod(0o644)
    with pytest.raises(SettingsError, match=r"sign_with: config/keys/ours\.asc: found it readable by others"):
        released(app)
    key = Tsk.generate("Old Bank", validity_seconds=86_400)
    (keys.keys / "bank.asc").write_text(str(key.extract_certificate()))
    expires = key.extract_certificate().expiration
    assert expires is not None
    (found,) = openpgp.problems(keys, app.settings.gateway, expires)
    assert f"recipient: found key {key.extract_certificate().fingerprint} expired at" in found
