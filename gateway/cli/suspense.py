"""Commands that work suspense: what came in or went out without a place, until a person gives it one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from gateway.cli.as_a_line import SOME_REVERSAL, as_a_line
from gateway.cli.common import (
    Again,
    DryRun,
    Reason,
    Session,
    command,
    iso,
    money_as_text,
    portfolio_number,
)
from gateway.cli.lists import list_command
from gateway.cli.suspense_page import headline, item_document, move_document, moves_table, page
from gateway.errors import UsageError
from gateway.ledger import suspense_history
from gateway.updates import suspense_reversal, suspense_rules, suspense_undo, suspense_work
from gateway.updates.suspense_rules import Target, parse_amount
from gateway.updates.suspense_step import Done, known
from gateway.updates.suspense_work import Check
from parsers import bptmtrev
from parsers.bptmtrev import Reversal

ItemNumber = Annotated[int, typer.Argument(metavar="ITEM", help="The number `gateway suspense list` shows.")]
Amount = Annotated[str | None, typer.Option("--amount", metavar="1234.56", help="Less than all that remains.")]
CheckNumber = Annotated[str, typer.Option("--check", help="The number of the check to write.")]
PayingBank = Annotated[str | None, typer.Option("--bank", metavar="125-144", help="The bank that pays; else 126.")]
Due = Annotated[
    str | None, typer.Option("--due", metavar="YYYY-MM-DD", help="When the check is due; else the business date.")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help="Money without a place: list, note, apply, pay out, refund, clear, take back."
    )
    command(group, "list", example="gateway suspense list --portfolio 1 --reason LEASE_UNKNOWN")(
        list_command("suspense", "The open items in order, oldest first.", empty="Nothing waits in suspense")
    )
    command(group, "show", example="gateway suspense show 7")(suspense_show)
    command(group, "note", example='gateway suspense note 7 --text "asked the lessee, answers on Monday"')(
        suspense_note
    )
    command(group, "apply", example='gateway suspense apply 7 --invoice 20001 --reason "check names it"')(
        suspense_apply
    )
    command(group, "pay", example='gateway suspense pay 7 --check 50001 --payee "HARBOR MOTORS" --reason "theirs"')(
        suspense_pay
    )
    command(group, "refund", example='gateway suspense refund 7 --check 50002 --reason "paid twice"')(suspense_refund)
    command(group, "clear", example='gateway suspense clear 7 --account 601 --reason "written off"')(suspense_clear)
    command(group, "undo", example='gateway suspense undo 7 --move 2 --reason "wrong invoice"')(suspense_undone)
    command(
        group, "add", example='gateway suspense add --portfolio 1 --lease 1001 --amount 50.00 --reason "bank letter"'
    )(suspense_add)
    command(group, "change", example='gateway suspense change 7 --amount 52.00 --reason "bank letter"')(suspense_change)
    app.add_typer(group, name="suspense")


def suspense_show(session: Session, item: ItemNumber) -> None:
    """One item: where it came from, what was done with it, and the entries behind it."""
    with session.app.db.read() as connection:
        found = known(connection, item)
        origin = suspense_history.origin(connection, item)
        moves = suspense_history.moves(connection, item)
        taken = suspense_history.taken(connection, item)
        accounts = suspense_history.account_names(connection, moves)
        legs = suspense_history.legs(connection, item)
    session.show(
        {
            "item": item_document(found),
            "origin": asdict(origin),
            "moves": [move_document(move) for move in moves],
            "taken": [money_as_text(asdict(one)) for one in taken],
            "legs": [money_as_text(asdict(leg)) for leg in legs],
        },
        page(found, origin, list(moves_table(moves, accounts, session.when, taken)) if moves or taken else [], legs),
    )


def _show(session: Session, done: Done, dry_run: bool) -> None:
    """What a step did."""
    with session.app.db.read() as connection:
        accounts = suspense_history.account_names(connection, done.moves)
    posted = "Nothing is posted: --dry-run." if dry_run else f"Posted as unit {done.unit_id}."
    session.show(
        {
            "item": item_document(done.item),
            "dry_run": dry_run,
            "moves": [move_document(move) for move in done.moves],
            "unit": None if dry_run else done.unit_id,
        },
        [headline(done.item), *(f"  {line}" for line in moves_table(done.moves, accounts, session.when)), posted],
    )


def suspense_note(
    session: Session,
    item: ItemNumber,
    words: Annotated[str, typer.Option("--text", help="What to keep with the item.")],
) -> None:
    """Keep a note with an item; it posts nothing."""
    made = suspense_work.note(session.app, item, words)
    session.show({"item": item, "number": made.number}, f"Note {made.number} of item {item} is kept.")


def suspense_apply(
    session: Session,
    item: ItemNumber,
    reason: Reason,
    invoice: Annotated[str | None, typer.Option("--invoice", help="Pay this invoice.")] = None,
    lease: Annotated[str | None, typer.Option("--lease", help="Pay this lease: its oldest due invoice first.")] = None,
    amount: Amount = None,
    to: Annotated[
        list[str] | None,
        typer.Option(
            "--to", metavar="TARGET[=AMOUNT]", help="invoice:N, lease:N or account:N; several are one step, in order."
        ),
    ] = None,
    despite_status: Annotated[
        bool, typer.Option("--despite-status", help="Also on a lease whose status takes no payments.")
    ] = False,
    refund_check: Annotated[
        str | None, typer.Option("--refund-check", help="Pay what the targets leave back to the lessee by this check.")
    ] = None,
    bank: PayingBank = None,
    due: Due = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Apply an item to an invoice, a lease or several targets, by the payment hierarchy. Without an amount a target gets
    what is open on it. Money that a transfer (reasons T) left must be placed whole, in one call."""
    if refund_check is None and (bank is not None or due is not None):
        raise UsageError(
            f"suspense apply: found {'--bank' if bank is not None else '--due'} without --refund-check, expected it to say how the "
            "rest is paid back; leave it out, or give --refund-check"
        )
    named = [(kind, name) for kind, name in (("invoice", invoice), ("lease", lease)) if name is not None]
    if to and amount is not None:
        raise UsageError(
            f"suspense apply: found --amount {amount} beside --to, expected each amount in its --to; with --to give the amount "
            f"as {to[0].partition('=')[0]}={amount}"
        )
    if len(named) != (0 if to else 1):
        raise UsageError(
            f"suspense apply: found {len(named)} of --invoice and --lease{' beside --to' if to else ''}, expected one of them, "
            "with or without --amount, or only --to, each with its own =AMOUNT or without"
        )
    targets = [suspense_rules.parse_target(text) for text in to or ()]
    targets += [Target(kind, name.strip().upper(), _cents(amount)) for kind, name in named]  # type: ignore[arg-type]
    rest = None if refund_check is None else Check(refund_check, bank, iso(due, what="--due"))
    done = suspense_work.apply(
        session.app,
        item,
        targets,
        reason=reason,
        despite_status=despite_status,
        rest=rest,
        again=again,
        dry_run=dry_run,
    )
    _show(session, done, dry_run)


def suspense_pay(
    session: Session,
    item: ItemNumber,
    check: CheckNumber,
    payee: Annotated[str, typer.Option("--payee", help="Who gets it.")],
    reason: Reason,
    address: Annotated[
        str | None, typer.Option("--address", help="The payee's address, parts between slashes.")
    ] = None,
    bank: PayingBank = None,
    amount: Amount = None,
    due: Due = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Pay an item, or part of it, out by check."""
    written = Check(check, bank, iso(due, what="--due"), address and "\n".join(p.strip() for p in address.split("/")))
    _show(
        session,
        suspense_work.pay(
            session.app, item, written, payee, cents=_cents(amount), reason=reason, again=again, dry_run=dry_run
        ),
        dry_run,
    )


def suspense_refund(
    session: Session,
    item: ItemNumber,
    check: CheckNumber,
    reason: Reason,
    bank: PayingBank = None,
    amount: Amount = None,
    due: Due = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Pay an item, or part of it, back by check to the lessee of its lease."""
    written = Check(check, bank, iso(due, what="--due"))
    _show(
        session,
        suspense_work.refund(
            session.app, item, written, cents=_cents(amount), reason=reason, again=again, dry_run=dry_run
        ),
        dry_run,
    )


def suspense_clear(
    session: Session,
    item: ItemNumber,
    reason: Reason,
    account: Annotated[
        str | None, typer.Option("--account", help="Vector, number or purpose of an account of the item's office.")
    ] = None,
    check: Annotated[
        str | None, typer.Option("--check", help="Reversal Suspense: the check that came back for it.")
    ] = None,
    bank: Annotated[
        str | None, typer.Option("--bank", metavar="125-144", help="The bank that check went into.")
    ] = None,
    amount: Amount = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Clear an item, or part of it, against a GL account; Reversal Suspense also by a cashier's check that came back.
    Accounts that are the sum of rows (receivables, escrow, suspense) are refused."""
    if (account is None) == (check is None) or (bank is not None and check is None):
        raise UsageError(
            "suspense clear: found not one way to clear, expected --account, or --check with or without --bank"
        )
    if check is not None:
        done = suspense_work.receive(
            session.app, item, check, bank=bank, cents=_cents(amount), reason=reason, again=again, dry_run=dry_run
        )
    else:
        done = suspense_work.clear(
            session.app, item, str(account), cents=_cents(amount), reason=reason, again=again, dry_run=dry_run
        )
    _show(session, done, dry_run)


def suspense_undone(
    session: Session,
    item: ItemNumber,
    move: Annotated[int, typer.Option("--move", min=1, help="The move, as `gateway suspense show ITEM` numbers it.")],
    reason: Reason,
    dry_run: DryRun = False,
) -> None:
    """Take back the step that a move belongs to, whole: what was paid is open again, a check that has not left is void,
    the item has its money."""
    _show(session, suspense_undo.undo(session.app, item, move, reason=reason, dry_run=dry_run), dry_run)


def suspense_add(
    session: Session,
    portfolio: Annotated[
        str, typer.Option("--portfolio", metavar="N", help="The portfolio, 1 to 99.", parser=portfolio_number)
    ],
    amount: Annotated[str, typer.Option("--amount", metavar="1234.56", help="What went out.")],
    reason: Reason,
    lease: Annotated[str | None, typer.Option("--lease", help="The lease it is for.")] = None,
    account: Annotated[
        str | None, typer.Option("--account", help="The account it went out of: vector, number or purpose; else 125.")
    ] = None,
    check: Annotated[str | None, typer.Option("--check", help="The check that came back.")] = None,
    batch: Annotated[str | None, typer.Option("--batch", help="The payment batch it is about.")] = None,
    again: Again = False,
    dry_run: DryRun = False,
) -> None:
    """Add a Reversal Suspense item by hand: money that went out without a record of it."""
    given = SOME_REVERSAL if batch is None else SOME_REVERSAL._replace(batch=batch.strip())
    read = Reversal(*as_a_line("suspense add", given, bptmtrev, session.app.settings.inbound))
    new = suspense_reversal.Added(
        portfolio, lease and lease.strip().upper(), parse_amount(amount, what="--amount"), account, check,
        None if batch is None else read.batch,
    )  # fmt: skip
    _show(session, suspense_reversal.add(session.app, new, reason=reason, again=again, dry_run=dry_run), dry_run)


def suspense_change(
    session: Session,
    item: ItemNumber,
    reason: Reason,
    amount: Annotated[str | None, typer.Option("--amount", metavar="1234.56", help="The right amount.")] = None,
    lease: Annotated[str | None, typer.Option("--lease", help="The right lease; its office gets the item.")] = None,
    check: Annotated[str | None, typer.Option("--check", help="The right check number.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Correct amount, lease or check of a Reversal Suspense item: its entry is taken back and posted anew."""
    wanted = suspense_reversal.Change(_cents(amount), lease and lease.strip().upper(), check)
    _show(session, suspense_reversal.change(session.app, item, wanted, reason=reason, dry_run=dry_run), dry_run)


def _cents(amount: str | None) -> int | None:
    return None if amount is None else parse_amount(amount, what="--amount")
