"""What a module of End of Period may use, and how it says that it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from sqlalchemy import Connection, text

from gateway.app import App
from gateway.calendar import CalendarError
from gateway.errors import Refused
from gateway.outbound.built import NamedReport
from gateway.period.states import ModuleState
from gateway.reports.render import write_report

PostFile = Callable[[int], str]
"""Post one preloaded file by its number; gives the state it is in afterwards. Handed in, for period knows no intake."""


@dataclass(slots=True)
class Context:
    """One module of one run."""

    app: App
    run_id: int
    portfolio: str
    business_date: str
    module: str
    post_file: PostFile
    message: str | None = field(default=None)

    @property
    def folder(self) -> Path:
        return self.app.home.reports / self.business_date / f"eop-p{self.portfolio}"

    def next_day(self) -> date:
        """The next business day. Raises Refused when it lies in a year nobody has checked."""
        try:
            return self.app.calendar().add_banking_days(date.fromisoformat(self.business_date), 1)
        except CalendarError as error:
            raise Refused(f"End of Period of {self.business_date}: {error}") from error

    def report(self, *reports: NamedReport) -> None:
        """Write reports. Called before the module's commit: a crash after it must not leave a module without them."""
        for named in reports:
            write_report(named.report, self.folder, named.stem)

    def finish(self, connection: Connection, message: str, unit_id: int | None = None) -> None:
        """Mark the module done in the transaction that holds its effect.

        Raises Refused, which undoes the effect, when another process took up or finished the module meanwhile.
        """
        changed = connection.execute(
            text(
                "UPDATE eop_module SET state = :done, message = :message, unit_id = :unit, ended_at = :at "
                "WHERE run_id = :run AND module = :module AND state = :running"
            ),
            {
                "done": ModuleState.DONE.value, "message": message, "unit": unit_id, "at": self.app.now(),
                "run": self.run_id, "module": self.module, "running": ModuleState.RUNNING.value,
            },
        ).rowcount  # fmt: skip
        if changed != 1:
            raise Refused(
                f"{self.module}: found it taken up or finished by another process meanwhile; what this one did is undone"
            )
        self.message = message
