"""``gateway outbound build``: build a file in one transaction, put it into the outbox, and its reports into place.

``within`` is the same inside a caller's transaction, for End of Period; ``finish`` is what follows the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

from sqlalchemy import Connection

from gateway.app import App
from gateway.crashpoints import Step, reached
from gateway.errors import GatewayError, Refused
from gateway.ledger.accounts import business_date
from gateway.outbound import kept_reports
from gateway.outbound.built import Built
from gateway.outbound.gl import build_gl
from gateway.outbound.outbox import publish
from gateway.outbound.xsellerator import build_xsellerator
from gateway.vendor_ach.refused_changes import build_refused
from gateway.vendor_ach.u0424 import build_vendor_ach
from gateway.vendor_ach.whole import build_reversal

BUILDERS: Final[Mapping[str, Callable[..., Built]]] = {
    "DSGL": build_gl,
    "VACH": build_vendor_ach,
    "VACH-REFUSED-NOC": build_refused,
    "VACH-REVERSAL": build_reversal,
    "XSELLERATOR": build_xsellerator,
}
"""What can be built by hand; VACH makes bank and scratch files together."""


def build(app: App, kind: str, portfolio: str, **options: Any) -> Built:
    """Build a kind of file for a portfolio on its open business date. Raises Refused when a rule says no.

    Options: DSGL ``again after reason``; XSELLERATOR ``interface start end again after reason``; VACH ``same_day``;
    VACH-REVERSAL ``of reason``; VACH-REFUSED-NOC ``file_id number code reason`` (``gateway answers refuse``).
    """
    app.operator.require("post", "building an outbound file")
    with ExitStack() as held:
        with app.db.write() as connection:
            built = within(app, connection, kind, portfolio, **options)
            day, _ = business_date(connection, portfolio)
            held.enter_context(kept_reports.kept(app, built))
            reached(Step.BUILT_UNCOMMITTED)
        finish(app, built)
        kept_reports.place(app, built, day, portfolio)
    return built


def within(app: App, connection: Connection, kind: str, portfolio: str, **options: Any) -> Built:
    """Build inside the caller's transaction; ``finish`` must follow its commit."""
    builder = BUILDERS.get(kind)
    if builder is None:
        raise Refused(f"building {kind}: found no such kind, expected one of {', '.join(BUILDERS)}")
    return builder(app, connection, portfolio, **options)


def finish(app: App, built: Built) -> None:
    """After the commit: bytes into the outbox. Repeatable; a crash before it is settled by ``outbox.settle`` at
    the next start."""
    reached(Step.BUILT)
    faults: list[str] = []
    for file in built.files:
        try:
            publish(app, file.outbound_id, file.name, file.sha256)
        except GatewayError as fault:
            faults.append(f"{file.name} (#{file.outbound_id}) is built; {fault}")
    if faults:
        raise GatewayError("; ".join(faults))
    if built.files:
        reached(Step.RENDERED)
