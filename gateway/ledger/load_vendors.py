"""What is particular to loading vendors: sealed numbers, changes that a second person decides, and what a load may not
loosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from gateway.errors import GatewayError
from gateway.ledger import vendor_alerts, vendor_changes
from gateway.ledger.database import Database
from gateway.ledger.load_stage import Bad, Loading, Staged, upsert
from gateway.ledger.vendor_details import ACCOUNT, ROUTING, Details, account_in, differing, last4
from gateway.vault import Vault

_ALERT_OFF = "leave the column out; a person who approves says gateway vendor alert {v} --off --reason WHY"
_OVERRIDE = (
    "leave the column out; a person who approves says gateway vendor alert {v} --override-until DATE --reason WHY"
)
_PRENOTE = "leave the column out: the gateway sends prenotes itself and knows them"
_LOOSENED: Sequence[tuple[str, str, str, str]] = (
    (
        "dealer_alert", "t.dealer_alert = 'Y' AND s.dealer_alert IS DISTINCT FROM 'Y'",
        "Y, the alert that is on", _ALERT_OFF,
    ),
    (
        "suspense_override_on", "s.suspense_override_on > COALESCE(t.suspense_override_on, '')",
        "no later date than there is", _OVERRIDE,
    ),
    (
        "prenote_sent", "s.prenote_sent = 'Y' AND t.prenote_sent IS DISTINCT FROM 'Y'",
        "what there is of a known vendor", _PRENOTE,
    ),
    (
        "prenote_sent_on", "t.prenote_sent_on IS NOT NULL AND COALESCE(s.prenote_sent_on, '') < t.prenote_sent_on",
        "no earlier date than there is", _PRENOTE,
    ),
)  # fmt: skip
"""By column of vendors.csv: when a load would let money go to a known vendor, what it may say, what to do instead."""


_DETAILS: Final = ("routing_sealed", "account_sealed", "account_last4", "account_type")
"""Bank details, which of a known vendor a load never writes, but where no key opens them."""


def _refuse_loosening(loading: Loading, staged: Staged) -> None:
    """An alert, its override and a prenote hold money back: a load may tighten them, never loosen them."""
    bad = [
        Bad(row, column, found or "no value", expected, action.format(v=vendor))
        for column, loosens, expected, action in _LOOSENED
        if staged.sheet.has(column)
        for row, vendor, found in loading.sql(
            f"SELECT s.row_no, s.vendor, s.{column} FROM {staged.table} s JOIN vendor t ON t.vendor = s.vendor WHERE {loosens}"
        )
    ]
    loading.refuse(staged, sorted(bad))


def _refuse_numbers(loading: Loading, staged: Staged) -> None:
    """A name is kept and shown as it is: not with the account number in it."""
    bad = [
        Bad(row, "name", "the vendor's own account number in it", "a name alone", "leave the number out")
        for row, vendor, name in loading.sql(f"SELECT row_no, vendor, name FROM {staged.table} ORDER BY row_no")
        if name and vendor in loading.secrets and account_in(name, loading.secrets[vendor][1])
    ]
    loading.refuse(staged, bad)


def _warn_of_holdback(loading: Loading, staged: Staged) -> None:
    """The mark is another system's. Whoever takes it for an order to withhold is told."""
    marked = loading.sql(f"SELECT COUNT(*) FROM {staged.table} WHERE holdback = 'Y'").scalar_one()
    if marked:
        loading.warnings.append(
            f"{staged.sheet.path.name}: holdback Y (rows: {marked}) is kept and shown; it withholds no payment: "
            "dealer_alert Y does"
        )


def hold(vault: Vault, db: Database, connection: Connection) -> None:
    """Before the load reads anything: no change is applied and no key rotated until it is done."""
    vault.hold(db, connection)


def load_vendors(loading: Loading, staged: Staged) -> None:
    """Numbers are sealed before they reach the database. A new vendor is inserted; other bank details of a known one
    wait for a second person and everything else of the row loads, but nothing that would let money go. The keys are held
    (``hold``): the details that are read stay what they are."""
    _refuse_loosening(loading, staged)
    _refuse_numbers(loading, staged)
    _warn_of_holdback(loading, staged)
    sealed = {
        row.vendor: row
        for row in loading.sql(
            f"SELECT v.vendor, v.routing_sealed, v.account_sealed, v.account_last4, v.account_type, "
            f"s.account_type AS wanted FROM vendor v JOIN {staged.table} s ON s.vendor = v.vendor"
        )
    }
    rows, wanted, lost = [], {}, []
    for vendor, (routing, account) in loading.secrets.items():
        known = sealed.get(vendor)
        now = None if known is None else _opened(loading, known)
        if known is None or now is None:
            lost += [] if known is None else [{"v": vendor}]
            rows.append(
                {
                    "v": vendor, "r": loading.vault.seal(routing, field="vendor.routing"),
                    "a": loading.vault.seal(account, field="vendor.account"), "last": last4(account), "type": None,
                }
            )  # fmt: skip
            continue
        rows.append(
            {
                "v": vendor, "r": known.routing_sealed, "a": known.account_sealed, "last": known.account_last4,
                "type": known.account_type,
            }
        )  # fmt: skip
        new = {ROUTING: routing, ACCOUNT: account, "account_type": known.wanted}
        wanted[vendor] = (now, differing(now, new))
    if lost:
        loading.warnings.append(
            f"{staged.sheet.path.name}: the stored numbers of {len(lost)} vendors were sealed with a key that this home does not "
            f"have, and were sealed anew with key {loading.vault.ids[0].hex()}; see gateway keys show"
        )
    loading.many(
        f"UPDATE {staged.table} SET routing_sealed = :r, account_sealed = :a, account_last4 = :last, "
        "account_type = COALESCE(:type, account_type) WHERE vendor = :v",
        rows,
    )
    _record(loading, staged)
    upsert(loading, staged, new_only=_DETAILS)
    columns = ", ".join(_DETAILS)
    loading.many(
        f"UPDATE vendor SET ({columns}) = (SELECT {columns} FROM {staged.table} s WHERE s.vendor = :v) WHERE vendor = :v",
        lost,
    )
    _propose(loading, staged, {vendor: pair for vendor, pair in wanted.items() if pair[1]})


def _record(loading: Loading, staged: Staged) -> None:
    """Before the upsert: who loads a new vendor, or changes what a load changes by itself, has a part in paying it, and
    whoever puts one on alert is asked why."""
    columns = sorted(staged.present() - {"vendor"})
    differs = " OR ".join(f"t.{c} IS DISTINCT FROM s.{c}" for c in columns)
    rows = loading.sql(
        "SELECT s.vendor, CASE WHEN s.dealer_alert = 'Y' AND t.dealer_alert IS DISTINCT FROM 'Y' THEN 1 ELSE 0 END "
        f"FROM {staged.table} s LEFT JOIN vendor t ON t.vendor = s.vendor WHERE t.vendor IS NULL OR {differs} "
        "ORDER BY s.row_no"
    ).all()
    reason = f"loaded from {staged.sheet.path.name}"
    maker, at = loading.maker, loading.posted_at
    for action, vendors in (
        (vendor_changes.LOADED, [vendor for vendor, _ in rows]),
        (vendor_alerts.ALERT_ON, [vendor for vendor, alerted in rows if alerted]),
    ):
        vendor_changes.record(
            loading.connection, maker.code, maker.user, at, action, [(vendor, reason) for vendor in vendors]
        )


def _propose(loading: Loading, staged: Staged, wanted: Mapping[str, tuple[Details, Details]]) -> None:
    """Other bank details become changes that wait; what a person refused before is told, not proposed again."""
    refused = vendor_changes.refused_before(loading.connection, loading.vault, wanted)
    name = staged.sheet.path.name
    loading.warnings += [
        f"{name}: vendor {vendor}: the bank details differ as in change {refused[vendor]}, which was refused; they were "
        "left: correct the file"
        for vendor in sorted(refused)
    ]
    loading.proposed |= vendor_changes.propose_all(
        loading.db, loading.connection, loading.vault, {v: pair for v, pair in wanted.items() if v not in refused},
        origin="LOAD", reason=f"loaded from {name}", maker=loading.maker, at=loading.posted_at,
    )  # fmt: skip


def _opened(loading: Loading, row: Any) -> dict[str, str] | None:
    """The stored bank details. What the key does not open is replaced by what is loaded: that is the recovery."""
    try:
        return {
            ROUTING: loading.vault.open(bytes(row.routing_sealed), field="vendor.routing"),
            ACCOUNT: loading.vault.open(bytes(row.account_sealed), field="vendor.account"),
            "account_type": row.account_type,
        }
    except GatewayError:
        return None
