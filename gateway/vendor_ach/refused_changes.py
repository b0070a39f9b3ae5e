"""A notification of change that is not accepted goes back to the bank that sent it, with a code C61 to C69.

The refusal names what the notification said and the trace it came by, under a trace number of ours; one file a refusal,
released like a bank file. The change that the notification proposed is refused with it, and one that waited for a person
is cleared: one transaction.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.errors import Refused, UsageError
from gateway.ledger import vendor_changes
from gateway.ledger.events import require_reason
from gateway.ledger.vendor_details import no_account_in
from gateway.outbound.banks import bank_name, required_bank
from gateway.outbound.built import Built, place
from gateway.outbound.rendering import frozen_options
from gateway.outbound.store import NewFile, first_free_names, freeze, numbered
from gateway.vendor_ach import gather
from gateway.vendor_ach.gather import Context, fitting
from gateway.vendor_ach.numbers import take_modifiers, take_traces, trace_number
from parsers.nacha_answers import AnswerEntry, Change, CorrectedData
from parsers.nacha_reasons import REFUSED_REASONS
from writers.nacha_refused import refusal
from writers.text import WriterError

KIND: Final = "VACH-REFUSED-NOC"
_PAYLOAD: Final = "ach_answer.payload"


def build_refused(
    app: App, connection: Connection, portfolio: str, *, file_id: int, number: int, code: str, reason: str
) -> Built:
    """Refuse entry ``number`` of file ``file_id``. Raises Refused when it is no notification, or its change is applied."""
    action = f"refusing answer {file_id}/{number}"
    require_reason(reason, action)
    no_account_in(connection, app.vault, reason, action=action)
    if code not in REFUSED_REASONS:
        known = ", ".join(f"{known} {words}" for known, words in REFUSED_REASONS.items())
        raise UsageError(f"{action}: found the code {code}, expected one of {known}")
    at = place(app, connection, portfolio)
    notice = _notice(app, connection, file_id, number, portfolio, action)
    source = f"answer:{file_id}/{number}"
    before = connection.execute(
        text(
            "SELECT f.name FROM outbound_claim c JOIN outbound_file f ON f.outbound_id = c.outbound_id WHERE c.source = :s"
        ),
        {"s": source},
    ).scalar()
    if before is not None:
        raise Refused(f"{action}: found it refused by {before}, expected it in no file; reject that file if it waits")
    run = gather.context(app, connection, at, bank_name=_its_bank(app, connection, file_id, number, portfolio, action))
    _end(app, connection, file_id, number, code, reason)
    try:
        file = freeze(app, connection, _file(run, notice, code, reason, source))
    except WriterError as error:
        raise Refused(f"{action}: {error}; nothing was written") from error
    return Built((file,))


def portfolio_of(connection: Connection, file_id: int, number: int) -> str:
    """Of the entry that an answer is about. Raises UsageError when it is about none."""
    found = connection.execute(
        text(
            "SELECT e.portfolio FROM ach_answer a JOIN ach_entry e ON e.outbound_id = a.outbound_id AND e.seq = a.seq "
            "WHERE a.file_id = :file AND a.number = :number"
        ),
        {"file": file_id, "number": number},
    ).scalar()
    if found is None:
        raise UsageError(
            f"answer {file_id}/{number}: found no answer of that number about an entry of ours; see gateway answers list"
        )
    return str(found)


def _its_bank(app: App, connection: Connection, file_id: int, number: int, portfolio: str, action: str) -> str:
    """The bank that the answered file was built for, which sent the notification, whatever the portfolio names by now."""
    header: dict[str, Any] = json.loads(
        connection.execute(
            text(
                "SELECT f.header FROM ach_answer a JOIN outbound_file f ON f.outbound_id = a.outbound_id "
                "WHERE a.file_id = :file AND a.number = :number"
            ),
            {"file": file_id, "number": number},
        ).scalar_one()
    )
    required_bank(app, header, portfolio, action)
    return bank_name(app, header, portfolio)


def _notice(app: App, connection: Connection, file_id: int, number: int, portfolio: str, action: str) -> AnswerEntry:
    row = connection.execute(
        text("SELECT kind, payload FROM ach_answer WHERE file_id = :file AND number = :number"),
        {"file": file_id, "number": number},
    ).one_or_none()
    if row is None or portfolio_of(connection, file_id, number) != portfolio:
        raise UsageError(f"{action}: found no answer of that number of portfolio {portfolio}; see gateway answers list")
    if row.kind != "CHANGE":
        raise Refused(f"{action}: found a {row.kind.lower()}, expected a notification of change: only that is refused")
    said: dict[str, Any] = json.loads(app.vault.open(bytes(row.payload), field=_PAYLOAD))
    said.pop("company_id", None)  # of the batch
    change: dict[str, Any] = said.pop("answer")
    corrected = CorrectedData(**change.pop("corrected"))
    return AnswerEntry(**said, answer=Change(**change, corrected=corrected))


def _end(app: App, connection: Connection, file_id: int, number: int, code: str, reason: str) -> None:
    """The proposed change is refused; the answer no longer waits for anybody."""
    key = {"file": file_id, "number": number}
    change = connection.execute(
        text(
            "SELECT c.change_id, c.state FROM ach_answer a JOIN vendor_change c ON c.change_id = a.change_id "
            "WHERE a.file_id = :file AND a.number = :number"
        ),
        key,
    ).one_or_none()
    if change is not None and change.state == "APPLIED":
        raise Refused(
            f"refusing answer {file_id}/{number}: found its change {change.change_id} applied, expected it undecided or "
            "refused: what was taken over is not sent back"
        )
    if change is not None and change.state == "PROPOSED":
        vendor_changes.refuse(
            connection, app.vault, change.change_id, reason=f"{code}: {reason}", operator=app.operator, at=app.now()
        )
    connection.execute(
        text(
            "UPDATE ach_answer SET state = 'CLEARED', cleared_by = :by, cleared_at = :at, clear_reason = :reason "
            "WHERE file_id = :file AND number = :number AND state = 'UNMATCHED'"
        ),
        key | {"by": app.operator.code, "at": app.now(), "reason": f"refused with {code}: {reason}"},
    )


def _file(run: Context, notice: AnswerEntry, code: str, reason: str, source: str) -> NewFile:
    bank, charset, on = run.bank, run.charset, run.created.date()
    sequence = take_traces(run.app.db, run.connection, odfi=run.odfi, count=1, on=on)
    (modifier,) = take_modifiers(
        run.app.db, run.connection, origin=run.header.immediate_origin, destination=run.header.immediate_destination,
        on=on, alphabet=bank.modifier_alphabet, count=1,
    )  # fmt: skip
    entry = refusal(notice, code, trace_number(run.odfi, sequence))
    (name,) = first_free_names(
        run.app.db,
        run.connection,
        lambda further: (
            bank.refused_name_pattern.format(portfolio=run.at.portfolio, date=f"{on:%y%m%d}", further=further),
        ),
        numbered(),
    )
    header = {
        "bank": run.settings.bank,
        "file": asdict(run.header) | {"file_id_modifier": modifier},
        "options": frozen_options(run.options),
        "refuses": {"answer": source.removeprefix("answer:"), "code": code, "reason": reason},  # for whoever releases it
        "batch": {
            "sec_code": "COR", "company_id": bank.company_identification,
            "company_name": fitting(bank.company_name, 16, "company_name", charset),
            "description": fitting(bank.entry_description, 10, "entry_description", charset),
            "effective_date": run.calendar.add_banking_days(on, bank.lead_days).isoformat(), "settlement_day": "",
            "odfi": run.odfi, "batch_number": 1,
        },
    }  # fmt: skip
    return NewFile(
        name=name,
        kind=KIND,
        portfolio=run.at.portfolio,
        business_date=run.at.business_date,
        header=header,
        rows=[entry],
        sources=[(1, source)],
        trace_number=entry.trace_number,
        records=1,
        endpoint=bank.endpoint,
        hold_text="waits for release",
        claims=[source],
    )
