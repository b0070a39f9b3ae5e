"""Assessments that came in no file: the fee for a bounced payment, a charge that a person types.

They are staged in a scratch table that goes with the transaction, and put onto invoices by the steps of U0418.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Column, MetaData, Table

from gateway.updates import assess_invoices, assess_post, assess_resolve
from gateway.updates.assess_invoices import Made
from gateway.updates.posting import Posting


class Charge(NamedTuple):
    """What is to be charged; ``lease`` or ``asset`` is None, never both."""

    lease: str | None
    asset: str | None
    invoice: str | None
    due_date: str | None
    code: str
    amount_cents: int
    reason: str | None


_COLUMNS: Final = ("file_id", "line_no", *Charge._fields)
_STAGED: Final = Table("assess_unfiled", MetaData(), *map(Column, _COLUMNS))


def put(posting: Posting, charges: Sequence[Charge], *, source: str) -> tuple[assess_resolve.Scope, list[Made]]:
    """Raise receivables and escrow balances. ``assess_line`` then has each charge under its number, from 1, with its
    invoice, or with what is wrong; entries are the caller's to make. Gives the scope, and the invoices that were
    made, whose source is ``source``."""
    connection, unit = posting.connection, posting.unit
    posting.db.scratch(
        connection,
        _STAGED.name,
        "file_id BIGINT, line_no BIGINT, lease TEXT, asset TEXT, invoice TEXT, due_date TEXT, code TEXT NOT NULL, "
        "amount_cents BIGINT NOT NULL, reason TEXT",
    )
    rows = ((0, number, *charge) for number, charge in enumerate(charges, 1))
    posting.db.bulk_insert(connection, _STAGED, _COLUMNS, rows)
    scope = assess_resolve.Scope(
        posting.db, connection, 0, unit.portfolio, unit.business_date,
        posting.settings.assessments.charge_lines_an_invoice, staged=_STAGED.name, source=source,
    )  # fmt: skip
    assess_resolve.prepare(scope)
    assess_resolve.resolve(scope, 1, len(charges), rejects=False)
    made = assess_invoices.make_missing(scope)
    assess_post.gather_charges(scope)
    assess_post.enforce_limit(scope)
    assess_post.add_receivables(scope, 1)
    assess_post.raise_escrow(scope)
    return scope, made
