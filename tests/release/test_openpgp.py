"""The message in which a bank wants its file: read back with its key by the library and by GnuPG, made once, kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from pysequoia import Cert, Profile, Tsk, decrypt
from pysequoia.packet import PacketPile, Tag
from sqlalchemy import text

from gateway.app import App
from gateway.cli import outbound_page
from gateway.clock import FixedClock, instant_text
from gateway.delivery import reads
from gateway.errors import Refused, SettingsError, UsageError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from gateway.outbound import store
from gateway.outbound.store import Frozen
from gateway.parts import renderer, verify_options
from gateway.release import copies, openpgp, release
from gateway.release.build import build
from gateway.settings import Bank, OpenPgp
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
        (job,) = reads.listing(connection)
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
        (
            "bank.asc",
            lambda key: None,
            r"openpgp\.recipient: could not read config/keys/bank\.asc: No such file or directory; expected the bank's public key "
            r"there, readable .*: put the key there that the bank gave you, or name the file",
        ),
        (
            "bank.asc",
            lambda key: b"|",
            r"recipient: could not read config/keys/bank\.asc: A pipe, a socket or a device; expected",
        ),
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
        (
            "ours.asc",
            lambda key: None,
            r"openpgp\.sign_with: could not read config/keys/ours\.asc: No such .*; expected the secret in it",
        ),
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
    elif data == b"|":
        (keys.keys / file).unlink()
        os.mkfifo(keys.keys / file, 0o600)
    else:
        (keys.keys / file).write_bytes(data)
    with pytest.raises(SettingsError, match=words) as caught:
        released(app)
    assert "backtrace" not in str(caught.value)
    assert world.one(db, "SELECT state FROM outbound_file WHERE outbound_id = 1") == "BUILT"
    assert world.all_of(db, "SELECT * FROM delivery") == []
    assert openpgp.problems(keys, app.settings.gateway, clock.now()) == list(caught.value.mistakes)
    foreseen = release.show(app, 1)["encrypts_to"]
    if file == "bank.asc":
        assert (foreseen["refused"], foreseen["fingerprint"]) == (caught.value.mistakes[0], None)
    else:  # whoever looks need not have our secret key
        assert (foreseen["refused"], foreseen["fingerprint"]) == (None, bank_key.extract_certificate().fingerprint)


def grouped(fingerprint: str) -> str:
    """As GnuPG shows it."""
    return "  ".join(
        " ".join(half[i : i + 4] for i in range(0, 20, 4)) for half in (fingerprint[:20], fingerprint[20:])
    )


def pinned(fingerprint: str) -> OpenPgp:
    return OpenPgp(recipient="config/keys/bank.asc", fingerprint=fingerprint)


@pytest.mark.parametrize(
    "written",
    [lambda own: own, str.upper, lambda own: grouped(own.upper()), lambda own: f" {own[:7]}\t{own[7:]}\u00a0"],
)
def test_a_pinned_key_is_known_however_it_was_copied(
    db: Database, keys: Home, clock: FixedClock, bank_key: Tsk, written: Callable[[str], str]
) -> None:
    own = bank_key.extract_certificate().fingerprint
    app = built(db, keys, clock, fingerprint=written(own))
    assert release.show(app, 1)["encrypts_to"] == {
        "bank": "first", "pinned": True, "fingerprint": own, "until": None, "refused": None,
        "user_ids": ("First National Bank <ach@bank.invalid>",),
    }  # fmt: skip
    released(app)
    assert world.one(db, "SELECT recipient FROM outbound_message") == own
    assert release.show(app, 1)["encrypts_to"] is None, "the message says it from now on"


def test_another_valid_key_than_the_pinned_one_stops_the_release(
    db: Database, keys: Home, clock: FixedClock, bank_key: Tsk
) -> None:
    """It was laid over the bank's, and nobody saw to whom the file went until it was gone."""
    expected = bank_key.extract_certificate().fingerprint
    app = built(db, keys, clock, fingerprint=expected, **SIGNED)
    other = Tsk.generate("First National Bank <ach@bank.invalid>").extract_certificate()
    (keys.keys / "bank.asc").write_text(str(other))
    words = (
        f"banks.first.openpgp.recipient: found key {other.fingerprint} in config/keys/bank.asc, expected {expected}, which "
        "banks.first.openpgp.fingerprint names: ask the bank by telephone, not by the mail that brought this key, which of them is "
        "its own"
    )
    with pytest.raises(SettingsError) as caught:
        released(app)
    assert list(caught.value.mistakes) == openpgp.problems(keys, app.settings.gateway, clock.now()) == [words]
    assert world.one(db, "SELECT state FROM outbound_file WHERE outbound_id = 1") == "BUILT"
    shown = release.show(app, 1)
    assert shown["encrypts_to"]["refused"] == words
    assert f"  NO KEY     {words}" in outbound_page.page(shown, str)


@pytest.mark.parametrize("written", ["0123", "0" * 39, "0" * 63, "g" * 40, "0x" + "0" * 40, "0" * 40 + "," + "0" * 40])
def test_what_is_no_fingerprint_is_refused_by_the_settings(written: str) -> None:
    with pytest.raises(ValidationError, match=r"expected the 40 or 64 hexadecimal digits of a key's fingerprint"):
        pinned(written)


def test_a_key_of_the_newer_kind_is_pinned_by_64_digits(keys: Home, clock: FixedClock) -> None:
    key = Tsk.generate("New Bank", profile=Profile.RFC9580).extract_certificate()
    (keys.keys / "bank.asc").write_text(str(key))
    assert len(key.fingerprint) == 64
    found = openpgp.recipient(keys, "first", pinned(key.fingerprint.upper()), clock.now())
    assert (found.fingerprint, found.refused) == (key.fingerprint, None)


def test_it_is_said_until_when_a_key_is_good(keys: Home, clock: FixedClock) -> None:
    """The end of the key, or of the last subkey for encryption where that is sooner."""
    passing = Tsk.generate("Old Bank", validity_seconds=86_400).extract_certificate()
    assert passing.expiration is not None
    (keys.keys / "bank.asc").write_text(str(passing))
    found = openpgp.recipient(keys, "first", pinned(""), clock.now())
    assert found.until == instant_text(passing.expiration)
    assert found.said == (
        f"{passing.fingerprint}, Old Bank, valid until {passing.expiration:%Y-%m-%d}; any other key would be taken too: set "
        "banks.first.openpgp.fingerprint to what the bank says by telephone"
    )
    shutil.copy(BANKS / "expired.asc", keys.keys / "bank.asc")
    found = openpgp.recipient(keys, "first", pinned(""), datetime(2020, 6, 1, tzinfo=UTC))
    assert (found.refused, found.until) == (None, "2020-12-31T00:00:00.000000Z")
    shutil.copy(BANKS / "renewed.asc", keys.keys / "bank.asc")
    found = openpgp.recipient(keys, "first", pinned(found.fingerprint or ""), datetime(2020, 6, 1, tzinfo=UTC))
    assert found.until is None
    assert found.said == f"{found.fingerprint}, First National Bank <ach@bank.invalid>, valid without end"


def test_a_renewed_key_for_encryption_is_taken(db: Database, keys: Home, clock: FixedClock) -> None:
    shutil.copy(BANKS / "renewed.asc", keys.keys / "bank.asc")
    released(built(db, keys, clock))
    assert (
        world.one(db, "SELECT recipient FROM outbound_message")
        == Cert.from_file(str(BANKS / "renewed.asc")).fingerprint
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"sign_with": SIGNED["sign_with"]},
            r"found that our key \w+ does not open without a passphrase \(.*: name the passphrase",
        ),
        (
            {"sign_with": "file:config/keys/open.asc", "passphrase": SIGNED["passphrase"]},
            r"does not open with the passphrase in env:\w+ \(.*not encrypted\), expected .* or take .*\.passphrase away",
        ),
    ],
)
def test_a_passphrase_too_few_or_too_many(
    db: Database, keys: Home, clock: FixedClock, settings: dict[str, str], words: str
) -> None:
    (keys.keys / "open.asc").write_text(str(Tsk.generate("Us")))
    (keys.keys / "open.asc").chmod(0o600)
    with pytest.raises(SettingsError, match=words):
        released(built(db, keys, clock, **settings))


def test_an_expired_key_a_wrong_passphrase_and_a_key_for_all_to_read(
    db: Database, keys: Home, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = built(db, keys, clock, **SIGNED)
    assert openpgp.problems(keys, app.settings.gateway, clock.now()) == []
    monkeypatch.setenv("OPENPGP_PASSPHRASE", "wrong")
    with pytest.raises(SettingsError) as said:
        released(app)
    assert (
        str(said.value)
        .removeprefix("banks.first.openpgp.sign_with: ")
        .startswith(
            f"found that our key {ours().fingerprint} does not open with the passphrase in env:OPENPGP_PASSPHRASE ("
        )
    ), said
    assert "expected the key's own: put it there" in str(said.value) and "wrong" not in str(said.value)
    (keys.keys / "ours.asc").chmod(0o644)
    with pytest.raises(SettingsError, match=r"sign_with: config/keys/ours\.asc: found it readable by others"):
        released(app)
    key = Tsk.generate("Old Bank", validity_seconds=86_400)
    (keys.keys / "bank.asc").write_text(str(key.extract_certificate()))
    expires = key.extract_certificate().expiration
    assert expires is not None
    (found,) = openpgp.problems(keys, app.settings.gateway, expires)
    assert f"recipient: found key {key.extract_certificate().fingerprint} expired at" in found
