"""``gateway config check``: every mistake of the settings at once, and what ledger, keys and folders say of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import typer
from sqlalchemy import Connection

from gateway.cli.common import Session, command
from gateway.clock import SystemClock
from gateway.errors import LedgerError, Refused, SettingsError, UsageError
from gateway.home import Home
from gateway.ledger.database import Database
from gateway.settings import DEFAULT_PORTFOLIO, GatewaySettings, secret
from gateway.settings_checks import portfolio_file, reason_mistake
from gateway.settings_parts import Part
from gateway.settings_reading import Reading, read_settings

if TYPE_CHECKING:
    from gateway.release.openpgp import Recipient

_KNOWN: Final = {
    ".": ("gateway.toml", "operators.toml", "portfolios/", "formats/", "keys/"),
    "portfolios": (),
    "formats": ("inbound.toml", "xsellerator.toml"),
}
"""What is read below ``config``; of portfolios their names are checked when they are read."""


_NOON: Final = "12:00"


def register(app: typer.Typer) -> None:
    config = typer.Typer(no_args_is_help=True, help="The settings below config/.")
    command(config, "check", example="gateway config check")(config_check)
    app.add_typer(config, name="config")


def config_check(session: Session) -> None:
    """Read every file below config/, and what the ledger has of it (the payment hierarchy of each portfolio, the fee for
    a bounced payment, the default office), and show every mistake at once."""
    home = Home(session.home.resolve())
    if not home.settings_file.is_file():
        raise UsageError(
            f"config check: found no {home.settings_file}, expected a home; run `gateway init` or give --home"
        )
    session.set_up_log()
    read = read_settings(home)
    mistakes = [*read.mistakes, *_endpoint_mistakes(home, read.gateway), *_secret_mistakes(home, read.gateway)]
    hierarchies, unread, lacking = dict[str, list[str]](), None, list[str]()
    try:
        hierarchies, more = _ledger(session, home, read)
        mistakes += more
        lacking = [] if read.mistakes else _lacking(session)
    except SettingsError as error:  # the address of the ledger leads nowhere
        mistakes += [m for m in error.mistakes if m not in mistakes]
    except (LedgerError, Refused) as error:  # before it is made or upgraded, or while its server is away
        unread = str(error)
    warnings = [*lacking, *_before_its_day(read.gateway), *_unread_files(home)]
    if mistakes:
        raise SettingsError([*mistakes, *(f"warning: {w}" for w in warnings)])
    gateway = read.gateway.value
    statuses = {
        name: {"accepted": list(form.accepted), "refused": list(form.refused)}
        for name, form in sorted((name, bank.acknowledgements) for name, bank in gateway.banks.items())
        if "status" in re.compile(form.text).groupindex
    }
    recipients = _recipients(home, gateway)
    session.show(
        {
            "ok": True,
            "ledger_unread": unread,
            "hierarchies": hierarchies,
            "portfolios": sorted(read.portfolios),
            "endpoints": sorted(gateway.endpoints),
            "banks": sorted(gateway.banks),
            "statuses": statuses,
            "recipients": [asdict(one) for one in recipients],
            "operators": sorted(read.operators.value.operators),
            "warnings": warnings,
        },
        [
            "The settings are sound.",
            f"  portfolios with settings of their own: {', '.join(sorted(read.portfolios)) or 'none'}",
            f"  endpoints: {', '.join(sorted(gateway.endpoints)) or 'none'}",
            f"  banks:     {', '.join(sorted(gateway.banks)) or 'none'}",
            *(f"  files for {one.bank} are encrypted to key {one.said}" for one in recipients),
            *(
                f"  {bank} takes a file with {', '.join(said['accepted']) or 'no status'}, refuses it with "
                f"{', '.join(said['refused']) or 'none'}; of any other status a person asks"
                for bank, said in statuses.items()
            ),
            f"  operators: {', '.join(sorted(read.operators.value.operators)) or 'none'}",
            *(f"  money pays in portfolio {p}: {', '.join(order)}" for p, order in hierarchies.items()),
            *([] if unread is None else [f"Charges and offices in the ledger were not looked at: {unread}"]),
            *(f"warning: {w}" for w in warnings),
        ],
    )


def _endpoint_mistakes(home: Home, gateway: Part[GatewaySettings]) -> Iterator[str]:
    """Endpoints to which nothing could be delivered: nobody's, closed to our key, or whose host key nobody pinned. Told here
    alone: such an endpoint may wait for the bank's letter, and everything else works meanwhile."""
    for name, endpoint in gateway.value.endpoints.items():
        from gateway.delivery.connect import host_id, pinned_keys, private_key

        where = f"endpoints.{name}"
        for key in ("host", "user"):
            value = getattr(endpoint, key)
            if gateway.sound(f"{where}.{key}") and (not value.strip() or value != value.strip()):
                what = "the name of the far side's machine" if key == "host" else "the user we are there"
                yield f"config/gateway.toml: {where}.{key}: found {value!r}, expected {what}; ask the receiver"
        try:
            if gateway.sound(f"{where}.key", f"{where}.key_passphrase"):
                private_key(endpoint, home)
        except SettingsError as error:
            yield from (f"config/gateway.toml: {where}: {mistake}" for mistake in error.mistakes)
        needed = (f"{where}.{key}" for key in ("host", "port", "known_hosts", "host_keys"))
        if not gateway.sound(*needed) or not endpoint.host.strip():
            continue
        try:
            if not pinned_keys(endpoint, home):
                there = "" if (home.root / endpoint.known_hosts).is_file() else ", which is not there,"
                yield (
                    f"config/gateway.toml: {where}: found no host key of {host_id(endpoint)} in {endpoint.known_hosts}{there} nor in "
                    f"host_keys, expected one: nothing is delivered without; run gateway endpoint probe {name}, compare "
                    "the fingerprint it shows with the receiver's letter, and add its line"
                )
        except SettingsError as error:
            yield from (f"config/gateway.toml: {where}: {mistake}" for mistake in error.mistakes)


def _secret_mistakes(home: Home, gateway: Part[GatewaySettings]) -> Iterator[str]:
    """Keys of banks, and files with secrets, that cannot be used."""
    banks = gateway.value.banks
    encrypting = {n: b for n, b in banks.items() if b.openpgp is not None and gateway.sound(f"banks.{n}.openpgp")}
    if encrypting:
        from gateway.release import openpgp

        yield from openpgp.problems(home, gateway.value.model_copy(update={"banks": encrypting}), SystemClock().now())
    for what, reference in (
        *((f"banks.{name}.offset_account", bank.offset_account) for name, bank in banks.items()),
        ("alarms.webhook", gateway.value.alarms.webhook),
    ):
        if gateway.sound(what) and reference.startswith(
            "file:"
        ):  # a variable of the service is not always one of this shell
            try:
                secret(reference, home, what=f"config/gateway.toml: {what}")
            except SettingsError as error:
                yield from error.mistakes


def _recipients(home: Home, gateway: GatewaySettings) -> list[Recipient]:
    """To whose key files leave. The library is brought along where a bank asks for it."""
    if all(bank.openpgp is None for bank in gateway.banks.values()):
        return []
    from gateway.release import openpgp

    return openpgp.recipients(home, gateway, SystemClock().now())


def _lacking(session: Session) -> list[str]:
    """Keys of the ledger that this home needs and has not. No mistake of the settings, and nothing works that needs them."""
    from gateway.release import keys

    with session.app.db.read() as connection:
        return keys.lacking(session.app, connection)


def _before_its_day(gateway: Part[GatewaySettings]) -> Iterator[str]:
    """The hour is that of the business date itself: one after midnight ends the date before anybody worked on it."""
    hour = gateway.value.service.eop_at
    if hour is not None and gateway.sound("service.eop_at") and hour < _NOON:
        yield (
            f"config/gateway.toml: service.eop_at: found {hour!r}, which ends a business date at that hour of the date itself, so that "
            "what comes in the day posts on the next one; expected an hour behind the day's work, before midnight, such as '22:30'"
        )


def _unread_files(home: Home) -> Iterator[str]:
    """Files that look like settings and are read by nothing: a name with a slip leaves the defaults in force."""
    for folder, known in _KNOWN.items():
        place = home.config / folder
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            name = path.name + ("/" if path.is_dir() else "")
            if name in known or name.startswith(".") or (folder == "portfolios" and path.suffix == ".toml"):
                continue
            near = get_close_matches(name, known, 1, 0.6)
            expected = near[0] if near else " or ".join(known) or "p01.toml to p99.toml"
            yield f"{path.relative_to(home.root)}: found a name that nothing reads, expected {expected}: rename it, or take it away"


def _ledger(session: Session, home: Home, read: Reading) -> tuple[dict[str, list[str]], list[str]]:
    """The charges of each loaded portfolio in the order in which money pays them, those without an order as one; and what the
    settings say that the ledger does not have. Raises SettingsError for an address that leads nowhere, LedgerError or
    Refused where the ledger cannot be opened or the caller is no operator."""
    if not read.mistakes:
        return _portfolios(session.app.db, read)
    # no home opens with a mistake; what can be said of the ledger is said all the same, to its own people
    from gateway.app import system_user
    from gateway.ledger import revision
    from gateway.ledger.opening import ledger_of

    url, people = read.gateway.value.database.url, read.operators
    if not read.gateway.sound("database.url") or not people.sound("operators"):
        raise Refused("its address, or its operators, have a mistake")
    if not any(system_user() in operator.users for operator in people.value.operators.values()):
        raise Refused(f"opening the home: found no operator for user {system_user()}")
    if not url and not home.ledger.exists():
        raise Refused("found none yet")
    with closing(ledger_of(home, url)) as db:
        revision.require_current(db)
        return _portfolios(db, read)


def _portfolios(db: Database, read: Reading) -> tuple[dict[str, list[str]], list[str]]:
    from gateway.ledger import hierarchy
    from gateway.ledger.accounts import portfolios
    from gateway.ledger.payments import load_charges

    orders: dict[str, list[str]] = {}
    mistakes: list[str] = []
    with db.read() as connection:
        for portfolio in portfolios(connection):
            charges = load_charges(connection, portfolio)
            problem = hierarchy.order_problem({code: charge.payment_order for code, charge in charges.items()})
            if problem is not None:
                mistakes.append(
                    f"charges of portfolio {portfolio}: found {problem[0]}, expected {problem[1]}; load charges.csv with "
                    "the charges numbered anew"
                )
            mistakes += _of_portfolio(connection, portfolio, read)
            numbered = [
                (hierarchy.rank(c.payment_order, c.priority, 0), code) for code, c in charges.items() if c.payment_order
            ]
            orders[portfolio] = [*(code for _, code in sorted(numbered)), "the rest in invoice order"]
    return orders, mistakes


def _of_portfolio(connection: Connection, portfolio: str, read: Reading) -> Iterator[str]:
    """What the settings of a loaded portfolio name and it has not; one without a file of its own has the defaults."""
    from gateway.ledger.accounts import offices
    from gateway.updates.reversal_fee import code_problem

    file = portfolio_file(portfolio)
    part = read.portfolios.get(portfolio)
    if part is None:
        if read.families is not None:
            yield from (
                f"{mistake}; the portfolio has no such file, so the default counts: make one"
                for mistake in reason_mistake(file, DEFAULT_PORTFOLIO, read.families)
            )
        return
    settings = part.value
    known = [f"{o.company}/{o.region}/{o.office}" for o in offices(connection, portfolio)]
    if part.sound("default_office") and settings.default_office is not None and settings.default_office not in known:
        yield (
            f"{file}: default_office: found {settings.default_office!r}, expected an "
            f"office of the portfolio ({', '.join(known)}); name one of them, or load this one with offices.csv"
        )
    fee = settings.reversals.nsf_fee_code
    why = None if fee is None or not part.sound("reversals.nsf_fee_code") else code_problem(connection, portfolio, fee)
    if why is not None:
        yield (
            f"{file}: reversals.nsf_fee_code: found {fee!r} ({why}), expected "
            "a charge that it uses on leases; name another, or load this one with charges.csv"
        )
