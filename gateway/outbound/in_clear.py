"""Files that were released before their bank's files were encrypted (``[banks.*.openpgp]``), and did not leave yet.

The message is made at release, so that these have none: they would leave as they are, to a bank that asked for OpenPGP
meanwhile. They stay, and people are told. A bank that still takes one in clear is the operator's to know: without the table
it leaves. Nothing of that is stored.
"""

from __future__ import annotations

import json
from typing import Final

from sqlalchemy import Connection, bindparam, text

from gateway.app import App
from gateway.outbound.banks import bank_name, bank_of
from gateway.outbound.states import ENCRYPTED_KINDS, left_sql

_WAITING: Final = text(f"""
    SELECT f.outbound_id, f.state, f.portfolio, f.header FROM outbound_file f
    LEFT JOIN delivery d ON d.outbound_id = f.outbound_id
    LEFT JOIN outbound_message m ON m.outbound_id = f.outbound_id
    WHERE f.state IN ('APPROVED', 'LOCAL') AND f.kind IN :kinds AND m.outbound_id IS NULL
    AND (d.delivery_id IS NULL OR d.state IN ('PENDING', 'NOT_DELIVERED')) AND NOT {left_sql("f")}
    ORDER BY f.outbound_id
""").bindparams(bindparam("kinds", sorted(ENCRYPTED_KINDS), expanding=True))


def waiting(app: App, connection: Connection) -> dict[int, str]:
    """Of released files that did not leave, those that would leave in clear though their bank wants messages: what a person
    does about each, in words."""
    if all(bank.openpgp is None for bank in app.settings.gateway.banks.values()):
        return {}
    found = {}
    for outbound_id, state, portfolio, header in connection.execute(_WAITING):
        frozen = json.loads(header)
        bank = bank_of(app, frozen, portfolio)
        if bank is not None and bank.openpgp is not None:
            table = f"[banks.{bank_name(app, frozen, portfolio)}.openpgp]"
            stays, gone = "it does not leave", ""
            if state == "LOCAL":
                stays = "nobody may fetch it"
                gone = f"; where it was fetched before, gateway outbound taken {outbound_id} --reason WHY"
            found[int(outbound_id)] = (
                f"it is in clear, released before {table} was set, so that {stays}: gateway outbound recall {outbound_id} --reason "
                f"WHY, then build it again and release that; or take {table} away until it is there, where the bank wants it in "
                f"clear{gone}"
            )
    return found
