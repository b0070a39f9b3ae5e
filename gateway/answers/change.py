"""A notification of change as proposed values of the vendor: never applied here, a second person decides."""

from __future__ import annotations

from gateway.answers.match import Facts, key
from gateway.answers.values import Answer, AnswerState, Decision, waits
from gateway.errors import UsageError
from gateway.ledger.vendor_details import ACCOUNT, ROUTING, checked, differing
from gateway.vendor_ach.entries import SentEntry
from parsers.nacha_answers import Change
from parsers.nacha_reasons import reason

_TYPES = {"2": "checking", "3": "savings"}
"""Account type by the first digit of a transaction code."""
_CORRECTING = frozenset({"C01", "C02", "C03", "C04", "C05", "C06", "C07"})
"""Codes that correct what we keep of a vendor. The others (identification, addenda, our own name) are for a person."""


def decided(answer: Answer, sent: SentEntry, facts: Facts) -> Decision:
    """Propose what the bank says, if it can be used and still means the details that the entry went out with."""
    said = f"{answer.code} {reason(answer.code) or 'a code that is not known here'}"
    entry, told = sent.entry, answer.entry.answer
    vendor = entry.vendor
    if not isinstance(told, Change) or vendor is None or vendor not in facts.details:
        return waits(f"{said}: found no vendor of entry {entry.trace_number}, expected one: ask the bank", key(sent))
    if answer.code not in _CORRECTING:
        return waits(
            f"{said}: found a correction of something that is not kept of a vendor, expected {min(_CORRECTING)} to "
            f"{max(_CORRECTING)}: see what it is about with gateway answers show FILE/NUMBER",
            key(sent),
        )
    if told.corrected.problem is not None:
        return waits(
            f"{said}: found corrected data that cannot be used, expected {told.corrected.problem}: ask the bank, or refuse "
            "the notification with gateway answers refuse FILE/NUMBER --code CODE --reason WHY",
            key(sent),
        )
    code = told.corrected.transaction_code
    if code is not None and code[:1] not in _TYPES:
        return waits(
            f"{said}: found transaction code {code}, expected one of a checking or savings account: ask the bank",
            key(sent),
        )
    corrected = {
        ROUTING: told.corrected.routing,
        ACCOUNT: told.corrected.account,
        "name": told.corrected.name,
        "account_type": None if code is None else _TYPES[code[:1]],
    }
    try:
        sound = checked(vendor, {field: value for field, value in corrected.items() if value is not None})
    except UsageError as error:
        return waits(
            f"{said}: {error}; ask the bank, or refuse the notification with gateway answers refuse FILE/NUMBER --code CODE --reason WHY",
            key(sent),
        )
    wanted = differing(facts.details[vendor], sound)
    if not wanted:
        return Decision(AnswerState.DONE, f"{said}: vendor {vendor} has it so already", key(sent))
    if facts.versions.get(vendor, 1) != entry.details_version:
        return waits(
            f"{said}: found the bank details of vendor {vendor} changed since the entry went out, expected those it went "
            "out with: compare them, and change the vendor by hand if the bank is still right",
            key(sent),
        )
    return Decision(
        AnswerState.DONE,
        f"{said}: {', '.join(field.replace('_', ' ') for field in sorted(wanted))} of vendor {vendor} proposed; nothing is "
        "paid to it until a second person decides",
        key(sent), vendor=vendor, changes=wanted,
    )  # fmt: skip
