"""A list of the ledger as a command: every list has the same filters by the same names."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from gateway.cli.common import PortfolioOption, Session, iso
from gateway.ledger import views


def list_command(name: str, about: str, *, empty: str = "Nothing found") -> Any:
    """The function of a command that shows the list ``name`` of the ledger, with the filters that it takes. ``empty`` says
    that there is nothing in it."""

    def look(
        session: Session,
        portfolio: PortfolioOption = None,
        lease: Annotated[str | None, typer.Option("--lease", help="Only this lease.")] = None,
        invoice: Annotated[str | None, typer.Option("--invoice", help="Only this invoice.")] = None,
        batch: Annotated[str | None, typer.Option("--batch", help="Only this payment batch.")] = None,
        check: Annotated[str | None, typer.Option("--check", help="Only this check.")] = None,
        vendor: Annotated[str | None, typer.Option("--vendor", help="Only this vendor.")] = None,
        unit: Annotated[int | None, typer.Option("--unit", help="Only this posting unit.")] = None,
        file: Annotated[str | None, typer.Option("--file", help="Only this inbound file, by number or name.")] = None,
        account: Annotated[
            str | None, typer.Option("--account", help="Only this account: number, vector, purpose.")
        ] = None,
        since: Annotated[str | None, typer.Option("--from", metavar="YYYY-MM-DD", help="From this date.")] = None,
        until: Annotated[str | None, typer.Option("--to", metavar="YYYY-MM-DD", help="To this date.")] = None,
        state: Annotated[str | None, typer.Option("--state", help="Only this state.")] = None,
        kind: Annotated[
            Literal["SUSPENSE", "REVERSAL"] | None, typer.Option("--kind", help="Only this kind.", case_sensitive=False)
        ] = None,
        reason: Annotated[
            str | None, typer.Option("--reason", help="Only this reason, as LEASE_UNKNOWN or TMSA.")
        ] = None,
        all_: Annotated[
            bool, typer.Option("--all", help="Also what is reversed, closed, paid, or nothing but zero.")
        ] = False,
        limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many rows.")] = None,
    ) -> None:
        filters = views.Filters(
            portfolio=portfolio, lease=lease and lease.upper(), invoice=invoice and invoice.upper(), batch=batch, check=check,
            vendor=vendor and vendor.upper(), unit=None if unit is None else str(unit), file=file, account=account, since=iso(since, what="--from"), until=iso(until, what="--to"),
            state=state and state.upper(), kind=kind, reason=reason and reason.upper(), all=all_, limit=limit,
        )  # fmt: skip
        with session.app.db.read() as connection:
            found = views.show(connection, name, filters, vault=session.app.vault)
            if session.as_json:
                session.show_rows(
                    found.columns,
                    found.rows,
                    money=found.money,
                    extra=None if found.left_out is None else {"left_out": found.left_out},
                )
            else:
                rows = list(found.rows)
                why = [] if rows else views.unknown(connection, filters)[:1]
                columns, on_paper = _on_paper(found, rows)
                session.show_rows(columns, on_paper, money=found.money, empty=": ".join([empty, *why]) + ".")
                if found.left_out:
                    print(f"{found.left_out:,} more without movement or balance; --all shows them.")

    look.__doc__ = about
    whole = inspect.signature(look, eval_str=True)
    taken = [p for key, p in whole.parameters.items() if key == "session" or key.rstrip("_") in views.filters_of(name)]
    look.__signature__ = whole.replace(parameters=taken)  # type: ignore[attr-defined]  # offers what the list takes
    return look


def _on_paper(found: views.Listing, rows: Sequence[Sequence[Any]]) -> tuple[Sequence[str], list[list[Any]]]:
    """The columns a person is shown, in their order, without those in which no row has anything unusual."""
    at = {key: found.columns.index(key) for key in found.paper or found.columns}
    columns = [key for key in at if key not in found.usual or any(row[at[key]] != found.usual[key] for row in rows)]
    return columns, [[row[at[key]] for key in columns] for row in rows]
