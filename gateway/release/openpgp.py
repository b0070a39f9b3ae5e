"""The OpenPGP message in which a bank wants its file: encrypted to the bank's key, signed with ours where asked for.

Encryption is random, so the message is made once, in the transaction that releases the file, and kept: every attempt
to deliver it sends the same bytes. The promise of equal bytes from equal rows holds for the clear file; both hashes are
kept. Keys are read when a file is released: a key that is missing, revoked, expired or not for this use refuses the
release, and ``gateway config check`` tells the same before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.clock import instant_text
from gateway.errors import SettingsError, UsageError
from gateway.home import Home, regular
from gateway.outbound import store
from gateway.outbound.banks import bank_name, bank_of, required_bank
from gateway.outbound.states import ENCRYPTED_KINDS
from gateway.settings import GatewaySettings, OpenPgp, secret

if TYPE_CHECKING:  # the library is brought along only where a bank asks for it
    from pysequoia import Cert, PySigner
    from pysequoia.packet import Packet


@dataclass(frozen=True, slots=True)
class _Keys:
    recipient: Cert
    signer: PySigner | None
    signer_fingerprint: str | None


@dataclass(frozen=True, slots=True)
class Recipient:
    """To whose key a bank's files are encrypted; or why that key is refused, in the words of the release. ``until``: the
    instant at which it expires, None: never. Whoever made the key wrote its user IDs: the fingerprint alone proves it."""

    bank: str
    pinned: bool
    fingerprint: str | None = None
    user_ids: tuple[str, ...] = ()
    until: str | None = None
    refused: str | None = None

    @property
    def said(self) -> str:
        lasts = "without end" if self.until is None else f"until {self.until[:10]}"
        pin = f"set banks.{self.bank}.openpgp.fingerprint to what the bank says by telephone"
        return f"{self.fingerprint}, {', '.join(self.user_ids) or 'no user ID'}, valid {lasts}" + (
            "" if self.pinned else f"; any other key would be taken too: {pin}"
        )


def freeze(app: App, connection: Connection, outbound_id: int, *, name: str, kind: str, portfolio: str) -> str:
    """Make and keep the message of a file that is being released, where its bank wants one; gives the name under which
    the file leaves. Raises SettingsError for keys that cannot be used, Refused where the settings do not know the bank."""
    if kind not in ENCRYPTED_KINDS:
        return name
    header = json.loads(
        connection.execute(
            text("SELECT header FROM outbound_file WHERE outbound_id = :id"), {"id": outbound_id}
        ).scalar_one()
    )
    found = required_bank(app, header, portfolio, f"releasing {name}")
    if found.openpgp is None:
        return name
    wanted, where = found.openpgp, f"banks.{bank_name(app, header, portfolio)}.openpgp"
    keys = _keys(app.home, wanted, where, app.clock.now())
    body = _encrypted(store.render(app, outbound_id), keys, wanted, where)
    connection.execute(
        text(
            "INSERT INTO outbound_message (outbound_id, name, sha256, bytes, body, recipient, signer, made_at) "
            "VALUES (:id, :name, :sha256, :bytes, :body, :recipient, :signer, :at)"
        ),
        {
            "id": outbound_id, "name": name + wanted.suffix, "sha256": hashlib.sha256(body).hexdigest(),
            "bytes": len(body), "body": body, "recipient": keys.recipient.fingerprint,
            "signer": keys.signer_fingerprint, "at": app.now(),
        },
    )  # fmt: skip
    return name + wanted.suffix


def leaving(app: App, outbound_id: int) -> bytes:
    """The bytes that are delivered: the message that was kept, or the file as it was built."""
    body = _body(app, outbound_id)
    return store.render(app, outbound_id) if body is None else body


def message(app: App, outbound_id: int) -> bytes:
    """The message of a file. Raises UsageError where there is none."""
    body = _body(app, outbound_id)
    if body is None:
        raise UsageError(
            f"outbound file {outbound_id}: found no OpenPGP message of it, expected one: it is made at release for a bank "
            "with a table openpgp in config/gateway.toml"
        )
    return body


def shown(connection: Connection, outbound_id: int) -> dict[str, Any] | None:
    """Everything about a file's message but its bytes."""
    row = connection.execute(
        text("SELECT name, sha256, bytes, recipient, signer, made_at FROM outbound_message WHERE outbound_id = :id"),
        {"id": outbound_id},
    ).mappings()
    return next((dict(found) for found in row), None)


def strange(app: App) -> list[str]:
    """Messages that are not as they were made."""
    with app.db.read() as connection:
        rows = connection.execute(text("SELECT name, sha256, body FROM outbound_message ORDER BY outbound_id"))
        return [f"{r.name}: other bytes" for r in rows if hashlib.sha256(bytes(r.body)).hexdigest() != r.sha256]


def problems(home: Home, settings: GatewaySettings, now: datetime) -> list[str]:
    """What is wrong with the keys that the settings name."""
    found: list[str] = []
    for name, bank in settings.banks.items():
        if bank.openpgp is not None:
            try:
                keys = _keys(home, bank.openpgp, f"banks.{name}.openpgp", now)
                _encrypted(b"a try", keys, bank.openpgp, f"banks.{name}.openpgp")
            except SettingsError as error:
                found += error.mistakes
    return found


def recipients(home: Home, settings: GatewaySettings, now: datetime) -> list[Recipient]:
    """To whose key the files of each bank that wants messages are encrypted."""
    return [
        recipient(home, name, bank.openpgp, now) for name, bank in settings.banks.items() if bank.openpgp is not None
    ]


def foreseen(app: App, header: Mapping[str, Any], *, kind: str, portfolio: str) -> Recipient | None:
    """To whose key a file would be encrypted, were it released now; None: it would leave as it is, or not at all."""
    bank = bank_of(app, header, portfolio) if kind in ENCRYPTED_KINDS else None
    if bank is None or bank.openpgp is None:
        return None
    return recipient(app.home, bank_name(app, header, portfolio), bank.openpgp, app.clock.now())


def recipient(home: Home, bank: str, wanted: OpenPgp, now: datetime) -> Recipient:
    """The key that the settings name, as far as it can be used; our own is not asked for."""
    where, pinned = f"banks.{bank}.openpgp", bool(wanted.fingerprint)
    try:
        cert = _recipient(home, wanted, where, now)
        _encrypted(b"a try", _Keys(cert, None, None), wanted, where)
    except SettingsError as error:
        return Recipient(bank, pinned, refused="; ".join(error.mistakes))
    end = _end(cert, now)
    return Recipient(
        bank, pinned, cert.fingerprint, tuple(map(str, cert.user_ids)), None if end is None else instant_text(end)
    )


def _body(app: App, outbound_id: int) -> bytes | None:
    with app.db.read() as connection:
        body = connection.execute(
            text("SELECT body FROM outbound_message WHERE outbound_id = :id"), {"id": outbound_id}
        ).scalar()
    return None if body is None else bytes(body)


def _encrypted(data: bytes, keys: _Keys, wanted: OpenPgp, where: str) -> bytes:
    from pysequoia import encrypt

    try:
        return encrypt(data, recipients=[keys.recipient], signer=keys.signer, armor=wanted.armor)
    except RuntimeError as error:
        raise SettingsError(
            [f"{where}.recipient: {_words(error)}; expected the bank's key for encryption: ask the bank for it"]
        ) from error


def _keys(home: Home, wanted: OpenPgp, where: str, now: datetime) -> _Keys:
    from pysequoia import Tsk

    cert = _recipient(home, wanted, where, now)
    if not wanted.sign_with:
        return _Keys(cert, None, None)
    passphrase = secret(wanted.passphrase, home, what=f"{where}.passphrase") if wanted.passphrase else None
    try:
        key = Tsk.from_bytes(secret(wanted.sign_with, home, what=f"{where}.sign_with").encode())
        own = key.extract_certificate()
        _require_valid(own, f"{where}.sign_with", now)
    except RuntimeError as error:
        raise SettingsError([f"{where}.sign_with: {_words(error)}; expected our secret key, armored"]) from error
    try:
        return _Keys(cert, key.signer(passphrase), own.fingerprint)
    except RuntimeError as error:
        raise SettingsError([f"{where}.sign_with: {_unopened(own, wanted, where, _words(error))}"]) from error


def _unopened(own: Cert, wanted: OpenPgp, where: str, words: str) -> str:
    """Why our key does not sign. Of a wrong passphrase the library says what it stumbled over in the garbage."""
    if words.startswith("No suitable"):  # a key for others to read, or not for signing
        return f"{words}; expected our secret key, armored, and one for signing"
    if not wanted.passphrase:
        return (
            f"found that our key {own.fingerprint} does not open without a passphrase ({words}), expected it to: name the passphrase "
            f"in {where}.passphrase"
        )
    return (
        f"found that our key {own.fingerprint} does not open with the passphrase in {wanted.passphrase} ({words}), expected the "
        f"key's own: put it there, or take {where}.passphrase away where the key has none"
    )


def _recipient(home: Home, wanted: OpenPgp, table: str, now: datetime) -> Cert:
    """The bank's key. Raises SettingsError for another one than is pinned, and for one that cannot be used."""
    from pysequoia import Cert

    where = f"{table}.recipient"
    try:
        regular(path := home.root / wanted.recipient)
        cert = Cert.from_bytes(path.read_bytes())
    except OSError as error:
        raise SettingsError(
            [
                f"{where}: could not read {wanted.recipient}: {error.strerror}; expected the bank's public key there, readable for whoever "
                "releases its files: put the key there that the bank gave you, or name the file that has it"
            ]
        ) from error
    except RuntimeError as error:
        raise SettingsError(
            [f"{where}: {_words(error)} in {wanted.recipient}, expected the bank's public key, armored or binary"]
        ) from error
    if wanted.fingerprint and cert.fingerprint.lower() != wanted.fingerprint:
        raise SettingsError(
            [
                f"{where}: found key {cert.fingerprint} in {wanted.recipient}, expected {wanted.fingerprint}, which {table}.fingerprint "
                "names: ask the bank by telephone, not by the mail that brought this key, which of them is its own"
            ]
        )
    try:
        _require_valid(cert, where, now)
        expired = _last_expired(cert, now)
    except RuntimeError as error:
        raise SettingsError(
            [
                f"{where}: {_words(error)} in key {cert.fingerprint}, expected one whose own signatures count today, which those by SHA-1 "
                "do not; ask the bank for a newer key"
            ]
        ) from error
    if expired is not None:
        raise SettingsError(
            [
                f"{where}: found the key for encryption of {cert.fingerprint} expired at {expired:%Y-%m-%d}, expected a valid one; ask "
                "the bank for its renewed key"
            ]
        )
    return cert


def _last_expired(cert: Cert, now: datetime) -> datetime | None:
    """When the last of its subkeys for encryption expired, where all did and the key itself is for signing only: the library
    falls back on one of those. Revoked ones it leaves alone, and a key without any it refuses."""
    last = _ends(cert)
    over = [end for end in last if end is not None and end <= now]
    return max(over) if over and len(over) == len(last) else None


def _end(cert: Cert, now: datetime) -> datetime | None:
    """When a key that can be used now cannot be any more; None: never."""
    last = [end for end in _ends(cert) if end is None or end > now]
    known = [end for end in last if end is not None]
    ends = [cert.expiration, max(known) if known and len(known) == len(last) else None]
    return min((end for end in ends if end is not None), default=None)


def _ends(cert: Cert) -> list[datetime | None]:
    """When each of its subkeys for encryption expires, None: never, but for those that are revoked; none where the key itself
    is for encryption."""
    from pysequoia.packet import PacketPile, SignatureType, Tag

    ends: dict[str, tuple[datetime, datetime | None]] = {}
    """By subkey, of its newest binding: when that was made, when the subkey expires."""
    revoked: set[str] = set()
    subkey = None
    for packet in PacketPile.from_bytes(bytes(cert)):
        with suppress(RuntimeError):  # a packet of a kind that the library does not know says nothing here
            if packet.tag == Tag.PublicSubkey:
                subkey = packet
            if packet.tag != Tag.Signature:
                continue
            if subkey is None:
                if _encrypts(packet):
                    return []
                continue
            name, made = str(subkey.fingerprint), packet.signature_created
            if packet.signature_type == SignatureType.SubkeyRevocation:
                revoked.add(name)
            if packet.signature_type != SignatureType.SubkeyBinding or made is None or not _encrypts(packet):
                continue
            lasts, since = packet.key_validity_period, subkey.key_created
            end = None if lasts is None or since is None else since + lasts
            if name not in ends or ends[name][0] < made:
                ends[name] = made, end
    return [end for name, (_, end) in ends.items() if name not in revoked]


def _encrypts(signature: Packet) -> bool:
    """Whether a key's own signature says that it is for encryption."""
    flags = signature.key_flags
    return flags is not None and (flags.transport_encryption or flags.storage_encryption)


def _require_valid(cert: Cert, where: str, now: datetime) -> None:
    """The library encrypts to an expired or revoked key without a word."""
    if cert.is_revoked:
        raise SettingsError([f"{where}: found key {cert.fingerprint} revoked, expected a valid one; ask for another"])
    if cert.expiration is not None and cert.expiration <= now:
        raise SettingsError(
            [
                f"{where}: found key {cert.fingerprint} expired at {cert.expiration:%Y-%m-%d}, expected a valid one; renew it"
            ]
        )


def _words(error: Exception) -> str:
    """The library's own words are the first line; its stack follows."""
    return (str(error).splitlines() or [type(error).__name__])[0]
