"""Vendors' bank details: they open, end as is shown, and are those that the last payment of the same version went to.

Opening is work a vendor, done block by block. What is wrong is named by the vendor alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection

from gateway.errors import GatewayError
from gateway.ledger.database import stream_rows
from gateway.ledger.vendor_changes import VERSIONS
from gateway.ledger.vendor_details import ACCOUNT, last4, plain
from gateway.ledger.verify_base import Check, none_of
from gateway.vault import KEY_ID, VERSION, Vault
from parsers.nacha_records import ENTRY, WIDTH

_NAMES: Final = "vendors' bank details open, and end as is shown"
_PAID: Final = "vendors' bank details are those that their last payment went to"
_VENDORS: Final = "SELECT vendor, routing_sealed, account_sealed, account_last4 FROM vendor ORDER BY vendor"


def checks(connection: Connection, vault: Vault) -> Iterator[Check]:
    wrong, total = [], 0
    for vendor, routing, account, shown in stream_rows(connection, _VENDORS):
        total += 1
        try:
            ends = last4(vault.open(bytes(account), field="vendor.account"))
            bank = vault.open(bytes(routing), field="vendor.routing")
            if ends != shown or not (len(bank) == 9 and bank.isdigit()):
                wrong.append(vendor)
        except (GatewayError, UnicodeDecodeError, TypeError):
            if not (_lost(routing, vault) or _lost(account, vault)):
                wrong.append(vendor)
    yield none_of(_NAMES, wrong, "no value of other bytes", total=total)


def _lost(value: Any, vault: Vault) -> bool:
    """Sealed with a key that is not here: the check of keys counts it."""
    data = bytes(value) if not isinstance(value, str) else b""
    return data[:1] == VERSION and len(data) > 1 + KEY_ID and data[1 : 1 + KEY_ID] not in vault.ids


# The last file that left with an entry of the vendor; in it all entries of a vendor have the same details.
_LAST: Final = f"""
SELECT l.outbound_id, l.seq, v.vendor, v.routing_sealed, v.account_sealed, v.account_type
FROM (SELECT e.vendor, e.outbound_id, MIN(e.seq) AS seq, MIN(e.details_version) AS version FROM ach_entry e
    JOIN (SELECT x.vendor, MAX(x.outbound_id) AS outbound_id FROM ach_entry x
        JOIN outbound_file f ON f.outbound_id = x.outbound_id AND f.state IN ('APPROVED', 'LOCAL')
        WHERE x.kind IN ('LIVE', 'PRENOTE') AND x.vendor IS NOT NULL GROUP BY x.vendor) t
        ON t.vendor = e.vendor AND t.outbound_id = e.outbound_id
    WHERE e.kind IN ('LIVE', 'PRENOTE') GROUP BY e.vendor, e.outbound_id) l
JOIN vendor v ON v.vendor = l.vendor
LEFT JOIN ({VERSIONS}) n ON n.vendor = v.vendor
WHERE l.version = COALESCE(n.version, 1) ORDER BY l.outbound_id, l.seq
"""
_CODE, _RDFI, _DIGIT, _ACCOUNT = (
    slice(field.first - 1, field.last)
    for field in map(ENTRY.field, ("transaction_code", "receiving_dfi", "check_digit", "account"))
)


class LastPaid:
    """Compares, file by file in the order of their numbers, what its records say with what the vendor's row says now.

    Details that were exchanged or written over without a change that two people made have the version they had.
    """

    def __init__(self, connection: Connection, vault: Vault) -> None:
        self._vault = vault
        self._files = groupby(stream_rows(connection, _LAST), key=itemgetter(0))
        self._file = next(self._files, None)
        self._wrong: list[str] = []
        self._total = 0

    def look(self, outbound_id: int, data: bytes) -> None:
        """``data``: the bytes of a bank file; numbers only rise."""
        while self._file is not None and self._file[0] < outbound_id:
            self._file = next(self._files, None)
        if self._file is None or self._file[0] != outbound_id:
            return
        text = data.decode("ascii").replace("\r", "").replace("\n", "")
        records = [text[at : at + WIDTH] for at in range(0, len(text), WIDTH) if text[at] == "6"]
        for _, seq, vendor, routing, account, kind in self._file[1]:
            self._total += 1
            now = self._now(routing, account, kind)
            if now is not None and (seq > len(records) or now != _sent(records[seq - 1])):
                self._wrong.append(vendor)

    def check(self) -> Check:
        return none_of(_PAID, sorted(self._wrong), "no other details of the same version", total=self._total)

    def _now(self, routing: Any, account: Any, kind: str) -> tuple[str, str, str] | None:
        """None: it does not open, which is another check's."""
        try:
            number = self._vault.open(bytes(account), field="vendor.account")
            return self._vault.open(bytes(routing), field="vendor.routing"), plain(ACCOUNT, number), kind
        except (GatewayError, UnicodeDecodeError, TypeError):
            return None


def _sent(record: str) -> tuple[str, str, str]:
    kind = "checking" if record[_CODE][0] == "2" else "savings"
    return record[_RDFI] + record[_DIGIT], plain(ACCOUNT, record[_ACCOUNT]), kind
