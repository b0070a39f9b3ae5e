"""A vendor's dealer alert: while it is on, no live entry goes out but for disbursement dates up to an override date.

Who sets or clears it, and why, is an operator event; the reason shown is that of the last one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from sqlalchemy import Connection, text

from gateway.app import Operator
from gateway.errors import Refused, UsageError
from gateway.ledger.events import require_reason
from gateway.ledger.vendor_changes import Maker, record
from gateway.ledger.vendor_details import no_account_in
from gateway.vault import Vault

ALERT_ON: Final = "vendor.alert-on"
ALERT_OFF: Final = "vendor.alert-off"
OVERRIDE: Final = "vendor.override"


def put_on_alert(connection: Connection, reasons: Mapping[str, str], *, maker: Maker, at: str) -> None:
    """Put vendors on alert, each for its reason; an override of an earlier alert goes."""
    rows = [{"vendor": vendor} for vendor in reasons]
    if rows:
        connection.execute(
            text("UPDATE vendor SET dealer_alert = 'Y', suspense_override_on = NULL WHERE vendor = :vendor"), rows
        )
        record(connection, maker.code, maker.user, at, ALERT_ON, list(reasons.items()))


def set_alert(
    connection: Connection,
    vault: Vault,
    vendor: str,
    *,
    on: bool,
    override_until: str | None,
    reason: str,
    operator: Operator,
    at: str,
) -> None:
    """Put a vendor on alert or take the alert away; on alert, pay what is due up to a date all the same.

    Taking it away and overriding let money go, so they need the right to approve.
    """
    action = f"the alert of vendor {vendor}"
    operator.require("load" if on and override_until is None else "approve", action)
    require_reason(reason, action)
    no_account_in(connection, vault, reason, action=action)
    found = connection.execute(text("SELECT dealer_alert FROM vendor WHERE vendor = :v"), {"v": vendor}).one_or_none()
    if found is None:
        raise UsageError(f"{action}: found no such vendor, expected one of `gateway vendor list`")
    if not on and found.dealer_alert != "Y":
        raise Refused(f"{action}: found none, expected one to take away")
    maker = Maker(operator.code, operator.user)
    if not on:
        connection.execute(
            text("UPDATE vendor SET dealer_alert = 'N', suspense_override_on = NULL WHERE vendor = :v"), {"v": vendor}
        )
        record(connection, maker.code, maker.user, at, ALERT_OFF, [(vendor, reason)])
        return
    if found.dealer_alert != "Y":
        put_on_alert(connection, {vendor: reason}, maker=maker, at=at)
    if override_until is not None:
        connection.execute(
            text("UPDATE vendor SET suspense_override_on = :until WHERE vendor = :v"),
            {"v": vendor, "until": override_until},
        )
        record(connection, maker.code, maker.user, at, OVERRIDE, [(vendor, f"until {override_until}: {reason}")])
    elif found.dealer_alert == "Y":
        raise Refused(f"{action}: found it on already; give --override-until for a date, or --off")


class AlertReason(NamedTuple):
    reason: str
    operator: str
    at: str


def alert_reason(connection: Connection, vendor: str) -> AlertReason | None:
    """Why the vendor is on alert: who set it, when and for what; None when its record is not in this ledger."""
    row = connection.execute(
        text(
            "SELECT at, operator, reason FROM operator_event WHERE action = :action AND subject = :subject "
            "ORDER BY event_id DESC LIMIT 1"
        ),
        {"action": ALERT_ON, "subject": f"vendor {vendor}"},
    ).one_or_none()
    return None if row is None else AlertReason(row.reason, row.operator, row.at)
