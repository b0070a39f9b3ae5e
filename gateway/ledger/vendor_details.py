"""What of a vendor only two people change: bank details, name and class; what each may hold, and how each is shown.

Routing number, account number and account type are the bank details: money goes where they say, so that a change of
them is a new version, with a new prenote, a new first payment and its cooling days. The name is what the payee's bank
prints, the class is how the entry is read: both wait for a second person too, but the account stays the same, so the
version does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Text, bindparam, text

from gateway.errors import GatewayError, Refused, UsageError
from gateway.ledger import load_types as t
from gateway.log import last_four
from gateway.vault import Vault

ROUTING: Final = "routing_number"
ACCOUNT: Final = "account_number"
FIELDS: Final[Mapping[str, t.ColumnType]] = {
    ROUTING: t.ROUTING,
    ACCOUNT: t.BANK_ACCOUNT,
    "account_type": t.one_of("checking", "savings"),
    "name": t.words(36),
    "sec": t.one_of("CCD", "PPD", "CTX"),
}
NEW_VERSION: Final = "(fields LIKE '%routing%' OR fields LIKE '%account%')"
"""SQL: whether a row of ``vendor_change`` changes bank details, and so makes a version."""
Details = Mapping[str, str]
"""Values of ``FIELDS`` in clear, or some of them; never shown but by ``masked``."""


@cache
def _adapter(field: str) -> TypeAdapter[Any]:
    return TypeAdapter(FIELDS[field].check)


def checked(vendor: str, changes: Details) -> dict[str, str]:
    """The values as the ledger holds them. Raises UsageError naming every one that a vendor cannot have."""
    found, wrong = {}, []
    for field, value in changes.items():
        if field not in FIELDS:
            wrong.append(f"found field {field!r}, expected one of {', '.join(FIELDS)}")
            continue
        try:
            found[field] = str(_adapter(field).validate_python(value))
        except ValidationError:
            wrong.append(f"{field}: found {masked({field: value})[field]!r}, expected {FIELDS[field].expected}")
    if wrong:
        raise UsageError(f"changing vendor {vendor}: {'; '.join(wrong)}")
    return found


def masked(details: Details) -> dict[str, str]:
    """The values as they may be shown: the account number by its last four, and so a routing number that is none."""
    hidden = (ACCOUNT, ROUTING) if not _is_routing(details.get(ROUTING, "")) else (ACCOUNT,)
    return {field: last_four(value) if field in hidden else value for field, value in details.items()}


def last4(account: str) -> str:
    """What ``vendor.account_last4`` keeps in clear: nothing of an account number that is no longer than that."""
    return last_four(account).removeprefix("****")


def no_account_in(connection: Connection, vault: Vault, words: str, *, action: str, new: Details | None = None) -> None:
    """Raises Refused where free text, which is kept and shown as it was typed, holds an account number: one of a vendor, or
    the ``new`` one. Only numbers of five letters and digits or more count: a year is no account number."""
    said = account_like(words)
    if not said:
        return
    accounts = [("the change", new[ACCOUNT])] if new and ACCOUNT in new else []
    for vendor, sealed in connection.execute(_SAID, {"ends": sorted({word[-4:] for word in said})}):
        with suppress(GatewayError):  # its key is lost: nobody here can tell
            accounts.append((f"vendor {vendor}", vault.open(bytes(sealed), field="vendor.account")))
    for whose, account in accounts:
        if plain(ACCOUNT, account) in said:
            raise Refused(
                f"{action}: found the account number of {whose} ({last_four(account)}) among the words, expected words "
                "without it, because they are kept and shown as typed: leave the number out"
            )


def account_in(words: str, account: str) -> bool:
    """Whether a text names an account number, however it is grouped."""
    return plain(ACCOUNT, account) in account_like(words)


def account_like(words: str) -> set[str]:
    """What in a text may be an account number, however it is grouped, without blanks and hyphens.

    >>> sorted(account_like("pay 1234-5678 90, not AB12345 (2026)"))
    ['12345678', '1234567890', 'AB12345']
    """
    found = {plain(ACCOUNT, word) for word in (*_GROUPED.findall(words), *_WORDS.findall(words))}
    return {word for word in found if len(word) > 4 and any(map(str.isdigit, word))}


_GROUPED: Final = re.compile(r"(?<![0-9A-Za-z-])[0-9](?:[ -]?[0-9])*(?![0-9A-Za-z])")
_WORDS: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]*")
_SAID: Final = text(
    "SELECT vendor, account_sealed FROM vendor WHERE UPPER(account_last4) IN :ends OR account_last4 LIKE '%-%' "
    "OR account_last4 LIKE '% %'"
).bindparams(bindparam("ends", expanding=True))
"""Vendors whose number may end so; the four are kept as typed, with blanks and hyphens among them."""


def _is_routing(value: str) -> bool:
    """Whether it is a bank's number; what is none may be an account number typed in its place."""
    try:
        _adapter(ROUTING).validate_python(value)
    except ValidationError:
        return False
    return True


def differing(now: Details, wanted: Details) -> dict[str, str]:
    """What of ``wanted`` is another value; blanks, hyphens and case make no other account."""
    return {field: value for field, value in wanted.items() if plain(field, value) != plain(field, now[field])}


def plain(field: str, value: str) -> str:
    """The one spelling of a value: blanks, hyphens and case make no other account."""
    return value.replace(" ", "").replace("-", "").upper() if field == ACCOUNT else value


_CURRENT: Final = text(
    "SELECT vendor, routing_sealed, account_sealed, account_type, name, sec FROM vendor WHERE vendor IN :vendors"
).bindparams(bindparam("vendors", type_=Text, expanding=True))


def current(connection: Connection, vault: Vault, vendors: Iterable[str]) -> dict[str, dict[str, str]]:
    """The details of vendors as they stand, in clear."""
    rows = connection.execute(_CURRENT, {"vendors": sorted(set(vendors))})
    return {
        row.vendor: {
            ROUTING: vault.open(bytes(row.routing_sealed), field="vendor.routing"),
            ACCOUNT: vault.open(bytes(row.account_sealed), field="vendor.account"),
            "account_type": row.account_type,
            "name": row.name,
            "sec": row.sec,
        }
        for row in rows
    }


def store(connection: Connection, vault: Vault, vendor: str, changes: Details) -> None:
    """Write changed values into the vendor's row."""
    values: dict[str, Any] = {k: v for k, v in changes.items() if k not in (ROUTING, ACCOUNT)}
    if ROUTING in changes:
        values["routing_sealed"] = vault.seal(changes[ROUTING], field="vendor.routing")
    if ACCOUNT in changes:
        values["account_sealed"] = vault.seal(changes[ACCOUNT], field="vendor.account")
        values["account_last4"] = last4(changes[ACCOUNT])
    sets = ", ".join(f"{column} = :{column}" for column in values)
    connection.execute(text(f"UPDATE vendor SET {sets} WHERE vendor = :vendor"), {**values, "vendor": vendor})
