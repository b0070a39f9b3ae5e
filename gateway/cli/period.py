"""``gateway eop``: End of Period of a business date, resumable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from gateway.cli.common import DONE, WITH_REJECTS, PortfolioOption, Session, command, iso, table
from gateway.errors import UsageError
from gateway.outbound import outbox
from gateway.parts import poster
from gateway.period.eop import EopResult, run_eop
from gateway.period.modules import MODULES
from gateway.period.states import ModuleState


def register(app: typer.Typer) -> None:
    command(app, "eop", example="gateway eop --date 2026-03-02 --skip U0424")(eop)


def eop(
    session: Session,
    date: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="The open business date.")],
    portfolio: PortfolioOption = None,
    module: Annotated[list[str] | None, typer.Option("--module", metavar="U", help="Only these modules.")] = None,
    skip: Annotated[list[str] | None, typer.Option("--skip", metavar="U", help="Without these modules.")] = None,
) -> int:
    """Close the business date: post what was preloaded, build what leaves, tie out, zero the day, open the next.
    Run it again to take up what is left; each module runs once."""
    iso(date, what="--date")
    only, without = _names(module), _names(skip)
    with session.progress("End of Period") as progress:
        result = run_eop(
            session.app, date, post_file=poster(session.app), portfolios=[portfolio] if portfolio else None,
            only=only or None, skip=without,
            progress=lambda _portfolio, _module, done, total: progress(done, total),
        )  # fmt: skip
    outbox.place(session.app)  # what a run before this one built, and was killed or could not write
    unplaced = outbox.unplaced(session.app)
    session.show(
        {
            "business_date": result.business_date,
            "done": result.done,
            "outbox": unplaced,
            "portfolios": [
                {
                    "portfolio": p.portfolio, "state": p.state, "next_date": p.next_date,
                    "modules": [{"module": m.module, "title": m.title, "state": m.state, "message": m.message} for m in p.modules],
                }
                for p in result.portfolios
            ],
        },
        [*_page(result), *(f"IN outbox, {name}" for name in unplaced)],
    )  # fmt: skip
    return DONE if result.done and not unplaced else WITH_REJECTS


def _names(given: list[str] | None) -> list[str]:
    """Module names as the table has them; several may be given at once, ``--skip U0424,U1003``."""
    names = [name.strip().upper() for text in given or () for name in text.split(",")]
    known = [m.name for m in MODULES]
    strange = [name for name in names if name not in known]
    if strange:
        raise UsageError(f"End of Period: found module {', '.join(strange)}, expected some of {' '.join(known)}")
    return names


def _page(result: EopResult) -> Iterator[str]:
    for p in result.portfolios:
        yield f"Portfolio {p.portfolio}, {result.business_date}: {p.state}"
        failed = [m for m in p.modules if m.state is ModuleState.FAILED and m.message]
        rows = [(m.module, m.title, m.state, "see below" if m in failed else m.message or "") for m in p.modules]
        yield from (f"  {line}" for line in table(("module", "title", "state", "message"), rows))
        for m in failed:
            yield f"  {m.module}: {m.message}"
        if p.next_date != result.business_date:
            yield f"  The open business date is now {p.next_date}."
        else:
            yield f"  The business date stays {p.next_date}; run this again when the cause is mended."
        yield f"  Reports: var/reports/{result.business_date}/eop-p{p.portfolio}"
