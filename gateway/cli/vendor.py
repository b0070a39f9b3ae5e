"""Commands about vendors: who is paid where, and changing that with a second person."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Annotated, Any, Literal

import typer

from gateway.answers import pay_again as paying_again
from gateway.cli.common import (
    DONE,
    WITH_REJECTS,
    PortfolioOption,
    Reason,
    Session,
    command,
    iso,
)
from gateway.errors import UsageError
from gateway.ledger import vendor_alerts, vendor_changes, views
from gateway.ledger.vendor_changes import Change, Maker
from gateway.ledger.vendor_details import ACCOUNT, FIELDS, ROUTING
from gateway.money import from_cents, shown
from gateway.settings import secret

VendorKey = Annotated[str, typer.Argument(metavar="VENDOR", help="The vendor's number.", parser=str.upper)]
ChangeNumber = Annotated[int, typer.Argument(metavar="CHANGE", help="The number `gateway vendor changes` shows.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help="Vendors: list, show, change with a second person, alert; void their checks."
    )
    command(group, "list", example="gateway vendor list")(vendor_list)
    command(group, "show", example="gateway vendor show V100")(vendor_show)
    command(group, "changes", example="gateway vendor changes --state PROPOSED")(vendor_changes_list)
    command(
        group, "change",
        example='gateway vendor change V100 --account-from prompt --reason "letter of 3 March, called back"',
    )(vendor_change)  # fmt: skip
    command(group, "approve", example="gateway vendor approve 3")(vendor_approve)
    command(group, "refuse", example='gateway vendor refuse 3 --reason "vendor knows nothing of it"')(vendor_refuse)
    command(group, "alert", example='gateway vendor alert V100 --on --reason "title missing"')(vendor_alert)
    command(group, "pay-again", example='gateway vendor pay-again 4711 --reason "new account, called back"')(
        vendor_pay_again
    )
    command(group, "void", example='gateway vendor void 4711 --reason "paid twice"')(vendor_void)
    command(group, "clearing", example="gateway vendor clearing")(vendor_clearing_list)
    command(group, "clear", example='gateway vendor clear 4711 --reason "the bank debited us on 9 March"')(vendor_clear)
    app.add_typer(group, name="vendor")


def vendor_list(session: Session) -> None:
    """Every vendor, and the change that waits for a second person if there is one."""
    with session.app.db.read() as connection:
        found = views.show(connection, "vendors", views.Filters(), vault=session.app.vault)
        waiting = {
            c.vendor: c.change_id
            for c in vendor_changes.listing(connection, session.app.vault, state="PROPOSED")
        }  # fmt: skip
        rows = [(*row, waiting.get(row[0])) for row in found.rows]
    session.show_rows((*found.columns, "change"), rows, empty="No vendor yet: load vendors.csv.")


def vendor_show(session: Session, vendor: VendorKey) -> None:
    """One vendor: bank details and their version, alert with its reason, changes."""
    with session.app.db.read() as connection:
        found = views.show(connection, "vendors", views.Filters(vendor=vendor), vault=session.app.vault)
        row = next(iter(found.rows), None)
        if row is None:
            raise UsageError(f"vendor {vendor}: found no such vendor, expected one of `gateway vendor list`")
        changes = vendor_changes.listing(connection, session.app.vault, vendor=vendor)
        version = vendor_changes.details_versions(connection).get(vendor, 1)
        values = dict(zip(found.columns, row, strict=True))
        why = vendor_alerts.alert_reason(connection, vendor) if values["dealer_alert"] == "Y" else None
    document = values | {
        "details_version": version, "alert_reason": why and f"{why.reason} ({why.operator}, {why.at})", "changes": [asdict(change) for change in changes],
    }  # fmt: skip
    width = max(map(len, values)) + 2
    lines = [f"{key.replace('_', ' '):{width}}{value}" for key, value in values.items() if value is not None]
    lines.append(f"{'details version':{width}}{version}")
    if why is not None:
        lines.append(f"{'alert because':{width}}{why.reason} ({why.operator}, {session.when(why.at)})")
    session.show(document, [*lines, *(line for change in changes for line in ("", *_page(change, session.when)))])


def vendor_changes_list(
    session: Session,
    vendor: Annotated[str | None, typer.Option("--vendor", help="Only this vendor.")] = None,
    state: Annotated[
        Literal["PROPOSED", "APPLIED", "REFUSED"] | None,
        typer.Option("--state", help="Only this state.", case_sensitive=False),
    ] = None,
) -> None:
    """Changes of vendors in the order they were proposed: from what, to what, who, when and why."""
    with session.app.db.read() as connection:
        found = vendor_changes.listing(connection, session.app.vault, vendor=vendor and vendor.upper(), state=state)
    if session.as_json:
        session.show({"rows": [asdict(change) for change in found]})
        return
    rows = [
        (c.change_id, c.vendor, c.state, c.origin, "; ".join((_arrow(c), *c.remarks)), c.maker, c.proposed_at, c.checker,
         c.reason)
        for c in found
    ]  # fmt: skip
    columns = ("change", "vendor", "state", "origin", "what", "maker", "proposed_at", "checker", "reason")
    session.show_rows(
        columns,
        rows,
        instants=("proposed_at",),
        empty="Nothing found." if vendor or state else "No change of a vendor yet.",
    )


def vendor_change(
    session: Session,
    vendor: VendorKey,
    reason: Reason,
    account_from: Annotated[
        str | None,
        typer.Option(
            "--account-from",
            metavar="prompt|stdin|file:PATH|env:NAME",
            help="Where the new account number is read; it never stands on a command line.",
        ),
    ] = None,
    routing: Annotated[str | None, typer.Option("--routing", help="The new routing number.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="checking or savings.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The payee's name.")] = None,
    sec: Annotated[str | None, typer.Option("--sec", help="CCD, PPD or CTX.")] = None,
) -> int:
    """Propose a change of a vendor. A second person applies it; until then nothing is paid to the vendor."""
    app = session.app
    app.operator.require("load", f"changing vendor {vendor}")
    given = {ROUTING: routing, "account_type": type_, "name": name, "sec": sec and sec.upper()}
    changes = {key: value for key, value in given.items() if value is not None}
    if account_from is not None:
        changes[ACCOUNT] = _account(session, vendor, account_from)
    if not changes:
        raise UsageError(
            f"changing vendor {vendor}: found nothing to change, expected --account-from, --routing, --type, --name or --sec"
        )
    with app.db.write() as connection:
        change_id = vendor_changes.propose(
            app.db, connection, app.vault, vendor, changes, origin="OPERATOR", reason=reason,
            maker=Maker(app.operator.code, app.operator.user), at=app.now(),
        )  # fmt: skip
    if change_id is None:
        session.show({"change": None}, f"Vendor {vendor} has these values already; nothing was proposed.")
        return 0
    with app.db.read() as connection:
        change = vendor_changes.one(connection, app.vault, change_id)
    session.show(
        {"change": asdict(change)},
        [*_page(change, session.when), f"A second person applies it: gateway vendor approve {change_id}"],
    )
    return WITH_REJECTS


def _account(session: Session, vendor: str, reference: str) -> str:
    """The account number from where it does not stay behind in a shell's history or a list of processes."""
    if reference == "prompt":
        if not sys.stdin.isatty():
            raise UsageError(f"changing vendor {vendor}: found no terminal to ask at, expected --account-from stdin")
        return getpass.getpass(f"New account number of vendor {vendor}: ")
    if reference == "stdin":
        return sys.stdin.readline().strip()
    if not reference.startswith(("file:", "env:")):
        raise UsageError(
            f"changing vendor {vendor}: found --account-from with something else, expected prompt, stdin, file:PATH or "
            "env:NAME: an account number on a command line stays in the shell's history"
        )
    return secret(reference, session.app.home, what="--account-from")


def vendor_approve(session: Session, change: ChangeNumber) -> None:
    """Apply a change that waits. Compare it with what the vendor said when you called back; its maker cannot."""
    app = session.app
    with app.db.write() as connection:
        done = vendor_changes.approve(
            app.db, connection, app.vault, change, operator=app.operator, at=app.now()
        )  # fmt: skip
    session.show({"change": asdict(done)}, [*_page(done, session.when), "Applied."])


def vendor_refuse(session: Session, change: ChangeNumber, reason: Reason) -> None:
    """End a change that waits without applying it; the vendor keeps the values it has."""
    app = session.app
    with app.db.write() as connection:
        done = vendor_changes.refuse(
            connection, app.vault, change, reason=reason, operator=app.operator, at=app.now()
        )  # fmt: skip
    session.show({"change": asdict(done)}, [*_page(done, session.when), "Refused; the vendor stays as it was."])


def vendor_alert(
    session: Session,
    vendor: VendorKey,
    reason: Reason,
    on: Annotated[bool, typer.Option("--on/--off", help="Put on alert, or take the alert away.")] = True,
    override_until: Annotated[
        str | None,
        typer.Option("--override-until", metavar="YYYY-MM-DD", help="Pay what is due up to this date all the same."),
    ] = None,
) -> None:
    """Withhold every payment to a vendor, or let them go again; an override pays up to a date."""
    app = session.app
    until = iso(override_until, what="--override-until")
    if until is not None and not on:
        raise UsageError(f"the alert of vendor {vendor}: found --off with --override-until, expected one of them")
    with app.db.write() as connection:
        vendor_alerts.set_alert(
            connection,
            app.vault,
            vendor,
            on=on,
            override_until=until,
            reason=reason,
            operator=app.operator,
            at=app.now(),
        )
    said = f"Vendor {vendor} is on alert" if on else f"Vendor {vendor} is on alert no more"
    session.show(
        {"vendor": vendor, "alert": on, "override_until": until},
        said + (f"; what is due up to {until} is paid." if until else "."),
    )


def vendor_void(
    session: Session,
    check: Annotated[str, typer.Argument(metavar="CHECK", help="The check's number.", parser=str.upper)],
    reason: Reason,
    portfolio: PortfolioOption = None,
    bank: Annotated[str | None, typer.Option("--bank", metavar="125-144", help="The bank it is drawn on.")] = None,
    whole_entry: Annotated[
        bool, typer.Option("--whole-entry", help="With every check that the same CTX entry paid.")
    ] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take a void back, unless reversed or returned.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be voided; nothing is posted.")] = False,
) -> None:
    """Void a vendor's check. One that left by ACH is taken back by the next Vendor ACH run, within five banking days."""
    from gateway.vendor_ach import voids

    place: dict[str, Any] = {"portfolio": portfolio, "bank": bank, "reason": reason, "dry_run": dry_run}
    if undo and whole_entry:
        raise UsageError(f"taking back the void of check {check}: found --whole-entry, expected --undo alone")
    if undo:
        done = voids.undo(session.app, check, **place)
    else:
        done = voids.void(session.app, check, whole_entry=whole_entry, **place)
    verb = (
        ("Would take" if dry_run else "Took") + " back the void of" if undo else "Would void" if dry_run else "Voided"
    )
    cash, payable = ("credited", "debited") if undo else ("debited", "credited")
    session.show(
        {
            "checks": [
                {"portfolio": c.portfolio, "bank": c.bank, "check": c.check_no, "amount": from_cents(c.amount_cents),
                 "account": c.cash}
                for c in done.checks
            ],
            "undone": undo, "dry_run": dry_run, "reversal_by": done.last_day,
        },
        [
            *(f"{verb} check {c.check_no} of bank {c.bank} over {shown(c.amount_cents)}: {c.cash} {cash}, "
              f"ACCOUNTS PAYABLE {payable}." for c in done.checks),
            *([f"The next Vendor ACH run takes it back from the vendor; it must settle by {done.last_day}."]
              if done.last_day else []),
        ],
    )  # fmt: skip


def _arrow(change: Change) -> str:
    if not change.after:
        return "values sealed with a key that is lost"
    return "; ".join(
        f"{field.replace('_', ' ')} {change.before[field]} -> {change.after[field]}"
        for field in FIELDS
        if field in change.after
    )


def _page(change: Change, when: Callable[[str | None], str]) -> Iterator[str]:
    yield f"Change {change.change_id} of vendor {change.vendor} ({change.name}): {change.state}, origin {change.origin}"
    if not change.after:
        yield f"  {_arrow(change)}"
    for field in FIELDS:
        if field in change.after:
            yield f"  {field.replace('_', ' '):15} {change.before[field]} -> {change.after[field]}"
    for remark in change.remarks:
        yield f"  {remark}"
    yield f"  proposed by {change.maker} ({change.maker_user}) at {when(change.proposed_at)}: {change.reason}"
    if change.checker:
        why = f": {change.decision_reason}" if change.decision_reason else ""
        yield f"  {change.state.lower()} by {change.checker} ({change.checker_user}) at {when(change.decided_at)}{why}"


def vendor_clearing_list(session: Session, portfolio: PortfolioOption = None) -> None:
    """Money of voided checks that came twice, or left twice, and what is to be done about it. CLEARING keeps it until then."""
    from gateway.vendor_ach import clearing

    with session.app.db.read() as connection:
        found = clearing.held(connection, portfolio)
    session.show_rows(
        ("portfolio", "bank", "check", "vendor", "amount", "todo"),
        [(one.portfolio, one.bank, one.check_no, one.vendor, -one.cents, one.todo) for one in found],
        money=("amount",), empty="CLEARING holds nothing of a check that came or left twice.",
    )  # fmt: skip


def vendor_clear(
    session: Session,
    check: Annotated[str, typer.Argument(metavar="CHECK", help="The check's number.", parser=str.upper)],
    reason: Reason,
    portfolio: PortfolioOption = None,
    bank: Annotated[str | None, typer.Option("--bank", metavar="125-144", help="The bank it is drawn on.")] = None,
    withdraw: Annotated[bool, typer.Option("--withdraw", help="Take back what the first person said.")] = False,
) -> int:
    """Post that the money a check's return and its reversal both brought went where it belongs: from CLEARING out of the
    cash of its bank, or into it where it left twice. One person says so, a second one with the same command posts it.
    `gateway vendor clearing` lists what there is."""
    from gateway.vendor_ach import clearing

    if withdraw:
        one = clearing.withdraw(session.app, check, reason=reason, portfolio=portfolio, bank=bank)
        session.show(
            {"portfolio": one.portfolio, "bank": one.bank, "check": one.check_no, "withdrawn": True},
            f"Taken back. Of check {one.check_no}, {one.todo}",
        )
        return DONE
    done = clearing.clear(session.app, check, reason=reason, portfolio=portfolio, bank=bank)
    if isinstance(done, clearing.Held):
        session.show(
            {
                "portfolio": done.portfolio, "bank": done.bank, "check": done.check_no, "unit": None,
                "amount": from_cents(abs(done.cents)), "waits": True,
            },
            "Noted; nothing is posted yet. A second person (another code, another system user) posts it with the same "
            f"command: gateway vendor clear {done.check_no} --reason …",
        )  # fmt: skip
        return WITH_REJECTS
    session.show(
        {
            "portfolio": done.held.portfolio, "bank": done.held.bank, "check": done.held.check_no, "unit": done.unit_id,
            "amount": from_cents(abs(done.held.cents)), "debit": done.debit, "credit": done.credit,
        },
        f"Cleared {shown(abs(done.held.cents))} of check {done.held.check_no}: {done.debit} debited, {done.credit} credited.",
    )  # fmt: skip
    return DONE


def vendor_pay_again(
    session: Session,
    check: Annotated[
        str, typer.Argument(metavar="CHECK", help="The number of a check that came back.", parser=str.upper)
    ],
    reason: Reason,
    portfolio: PortfolioOption = None,
    bank: Annotated[
        str | None, typer.Option("--bank", metavar="125-144", help="The cash account it is paid from.")
    ] = None,
) -> None:
    """Pay a returned check again, as a further issue: the next Vendor ACH run takes it with the vendor's details of then."""
    done = paying_again.pay_again(session.app, check, reason=reason, portfolio=portfolio, bank=bank)
    session.show(
        {
            "portfolio": done.portfolio, "bank": done.bank, "check": done.check_no, "vendor": done.vendor,
            "issue": done.issue, "amount": from_cents(done.amount_cents), "unit": done.unit, "entry": done.entry,
        },
        f"Check {done.check_no} of {shown(done.amount_cents)} is NEW again as issue {done.issue}; the next run of Vendor ACH "
        f"takes it. Posted as entry {done.entry}.",
    )  # fmt: skip
