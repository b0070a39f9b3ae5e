"""A bank file before it leaves: what is in it by class and kind, what the rules found, and who accepted that.

The approver of a file whose rules hold it accepts each of them by name, with a reason; both are kept with the finding.
Between build and approval a vendor may have changed: then the file is refused, for it pays what is no longer right.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from gateway.app import App, Operator
from gateway.cutoffs import last_chance, next_closing, shown_instant
from gateway.errors import Refused, UsageError
from gateway.ledger import ach_answers
from gateway.ledger.ach_returns import is_return_sql, waits_sql
from gateway.ledger.events import require_reason
from gateway.ledger.vendor_changes import VERSIONS
from gateway.outbound.banks import required_bank
from gateway.settings import Bank
from gateway.vendor_ach.fraud import RULES
from gateway.vendor_ach.settling import SAME_DAY

CLASS_COLUMNS: Final = ("kind", "sec", "effective_date", "entries", "vendors", "amount")
FINDING_COLUMNS: Final = (
    "rule",
    "action",
    "vendor",
    "check",
    "detail",
    "accepted_by",
    "accepted_at",
    "accepted_reason",
)


def classes(connection: Connection, outbound_id: int) -> list[dict[str, Any]]:
    """Entries of a bank file by kind (LIVE, PRENOTE, REVERSAL, OFFSET), class and date; amounts in cents."""
    rows = connection.execute(
        text(
            "SELECT kind, sec, effective_date, COUNT(*), COUNT(DISTINCT vendor), CAST(SUM(amount_cents) AS BIGINT) "
            "FROM ach_entry WHERE outbound_id = :id GROUP BY kind, sec, effective_date ORDER BY kind, sec, effective_date"
        ),
        {"id": outbound_id},
    )
    return [dict(zip(CLASS_COLUMNS, row, strict=True)) for row in rows]


def findings(connection: Connection, outbound_id: int) -> list[dict[str, Any]]:
    """What the rules found in a file, those that hold it first."""
    rows = connection.execute(
        text(
            "SELECT rule, action, vendor, check_no, detail, accepted_by, accepted_at, accepted_reason FROM fraud_finding "
            "WHERE outbound_id = :id ORDER BY action, finding_id"
        ),
        {"id": outbound_id},
    )
    return [dict(zip(FINDING_COLUMNS, row, strict=True)) for row in rows]


def accept(
    connection: Connection,
    outbound_id: int,
    name: str,
    *,
    rules: Collection[str],
    reason: str | None,
    operator: Operator,
    at: str,
) -> str:
    """Note that a person lets a file go in spite of the rules that hold it; gives that in words, '' for a free file.

    Raises Refused when a rule that holds the file is not among ``rules`` or the reason is missing, UsageError for a
    rule that does not hold it.
    """
    held: dict[str, str] = {}
    for finding in findings(connection, outbound_id):
        if finding["action"] == "HOLD":
            held.setdefault(finding["rule"], finding["detail"])
    given = {rule.replace("_", "-") for rule in rules}
    strange = sorted(given - held.keys())
    if strange:
        raise UsageError(
            f"approving {name}: found --accept {strange[0]}, expected "
            + (f"what holds the file: {', '.join(held)}" if held else "none: no rule holds the file")
            + (f" (no rule of that name; there are {', '.join(RULES)})" if strange[0] not in RULES else "")
        )
    missing = [rule for rule in held if rule not in given]
    if missing:
        why = "; ".join(f"{rule}: {held[rule]}" for rule in missing)
        options = " ".join(f"--accept {rule}" for rule in held)
        raise Refused(
            f"approving {name}: found it held by {why}; expected each rule accepted by name with a reason: look at "
            f"gateway outbound show {outbound_id}, then give {options} --reason R, or reject the file"
        )
    if not held:
        return ""
    require_reason(reason, f"approving {name}, held by {', '.join(held)}")
    connection.execute(
        text(
            "UPDATE fraud_finding SET accepted_by = :code, accepted_user = :user, accepted_at = :at, "
            "accepted_reason = :reason WHERE outbound_id = :id AND action = 'HOLD'"
        ),
        {"code": operator.code, "user": operator.user, "at": at, "reason": reason, "id": outbound_id},
    )
    return f"accepting {', '.join(held)}: {reason}"


def check_not_at_bank(connection: Connection, outbound_id: int, name: str) -> None:
    """Raises Refused while the bank speaks of this file, or of an earlier one of its checks, as of one that it has, and our
    books say that it did not leave: it would pay twice."""
    found = ach_answers.held(connection, [outbound_id]).get(outbound_id)
    if found:
        why = "; ".join(one.said for one in found)
        raise Refused(
            f"approving {name}: found {why}; expected no such answer open: ask the bank what it pays; where it pays any of the "
            f"same, reject this file and say that the other left (gateway outbound taken {found[0].outbound_id} --reason WHY); "
            "where it pays nothing, or the checks were seen to, clear the answers (gateway answers clear "
            f"{found[0].answer} --reason WHY)"
        )


_CHANGED: Final = (
    (
        "a change that waits for a second person",
        "EXISTS (SELECT 1 FROM vendor_change c WHERE c.vendor = e.vendor AND c.state = 'PROPOSED')",
    ),
    ("other bank details", "e.details_version <> COALESCE(n.version, 1)"),
    (
        "a prenote that the bank returned",
        "(e.vendor, e.details_version) IN (SELECT p.vendor, p.details_version FROM ach_answer a JOIN ach_entry p "
        "ON p.outbound_id = a.outbound_id AND p.seq = a.seq AND p.kind = 'PRENOTE' JOIN outbound_file f "
        f"ON f.outbound_id = p.outbound_id AND f.state <> 'REJECTED' WHERE {is_return_sql('a')})",
    ),
    (
        "a prenote about which an answer of the bank waits (gateway answers list; clear it when it is seen to)",
        "(e.vendor, e.details_version) IN (SELECT p.vendor, p.details_version FROM ach_answer a JOIN ach_entry p "
        "ON p.trace_number = a.original_trace AND p.kind = 'PRENOTE' JOIN outbound_file f ON f.outbound_id = p.outbound_id "
        f"AND f.state <> 'REJECTED' WHERE {waits_sql('a')})",
    ),
    (
        "the dealer alert on",
        "v.dealer_alert = 'Y' AND EXISTS (SELECT 1 FROM bank_check c WHERE c.vendor = e.vendor AND c.outbound_id = :id "
        "AND c.disbursement_date > COALESCE(v.suspense_override_on, ''))",
    ),
)
"""What may have become of a vendor since the build, and how it is seen."""


def check_vendors_unchanged(connection: Connection, outbound_id: int, name: str) -> None:
    """Raises Refused when a vendor that the file pays must not be paid so any more."""
    for found, condition in _CHANGED:
        vendor = connection.execute(
            text(
                f"SELECT e.vendor FROM ach_entry e JOIN vendor v ON v.vendor = e.vendor LEFT JOIN ({VERSIONS}) n "
                f"ON n.vendor = e.vendor WHERE e.outbound_id = :id AND e.kind = 'LIVE' AND {condition} ORDER BY e.vendor"
            ),
            {"id": outbound_id},
        ).scalar()
        if vendor is not None:
            raise Refused(
                f"approving {name}: found vendor {vendor} with {found} since the file was built, expected it as it was; "
                "reject the file and build it again"
            )


def check_in_time(app: App, connection: Connection, outbound_id: int, name: str, endpoint: str | None) -> None:
    """Raises Refused when a bank file released now cannot reach its effective date: the bank would send it back, or
    settle it the same day at a price."""
    row = connection.execute(
        text("SELECT header, portfolio FROM outbound_file WHERE outbound_id = :id AND kind = 'VACH-BANK'"),
        {"id": outbound_id},
    ).one_or_none()
    if row is None:
        return
    header = json.loads(row.header)
    batch = header["batches"][0]
    effective = date.fromisoformat(batch["effective_date"])
    settings = app.settings.gateway
    now = app.clock.now()
    todo = "reject the file and build it again" + _while_reversible(connection, outbound_id)
    zone = ZoneInfo(settings.service.timezone)
    today = now.astimezone(zone).date()
    if effective < today:
        raise Refused(f"approving {name}: found its effective date {effective} past, expected one to come; {todo}")
    place = settings.endpoints.get(endpoint or "")
    bank = required_bank(app, header, row.portfolio, f"approving {name}")
    is_same_day = batch["descriptive_date"].startswith(SAME_DAY)
    if is_same_day:
        _check_same_day(name, batch["descriptive_date"], bank, now.astimezone(zone), todo)
    lead_days = 0 if is_same_day else bank.lead_days
    calendar = app.calendar()
    if place is None or not place.windows.any:
        last_day = calendar.add_banking_days(effective, -lead_days)
        if calendar.add_banking_days(today, lead_days) > effective:  # as a run counts: on a Sunday, Monday is the next
            raise Refused(
                f"approving {name}: found {today} after {last_day}, the last day to reach its effective date {effective} "
                f"(lead_days {lead_days}), expected a release by then; {todo}"
            )
        return
    windows = place.windows
    limit = last_chance(windows, calendar, effective, lead_days)
    if now >= limit:
        closing = next_closing(windows, calendar, now)
        raise Refused(
            f"approving {name}: found the last window for its effective date {effective} closed at {shown_instant(limit)}, "
            f"expected a release before it; the next window closes at {shown_instant(closing)}: {todo}"
        )


def _while_reversible(connection: Connection, outbound_id: int) -> str:
    """What to add where the file takes something back: not every day will do."""
    statement = text("SELECT 1 FROM ach_entry WHERE outbound_id = :id AND kind = 'REVERSAL'")
    if connection.execute(statement, {"id": outbound_id}).first() is None:
        return ""
    return "; its reversals go again as long as their last day has not passed (gateway status), then ask the vendor for the money"


def _check_same_day(name: str, marker: str, bank: Bank, now: datetime, todo: str) -> None:
    """Raises Refused when the window that a same-day file was built for has closed. ``now`` is local time of the site."""
    cutoffs = [cutoff for cutoff, named in bank.same_day_windows.items() if named == marker]
    if bank.same_day != "asked" or not cutoffs:
        raise Refused(
            f"approving {name}: found it built for the same-day window {marker}, expected one of the bank's settings (same_day, "
            f"same_day_windows); {todo}"
        )
    if f"{now:%H:%M}" >= max(cutoffs):
        raise Refused(
            f"approving {name}: found its same-day window {marker} closed at {max(cutoffs)}, expected a release before it; "
            "reject the file and build it again, with --same-day while a later window is open, else without"
        )
