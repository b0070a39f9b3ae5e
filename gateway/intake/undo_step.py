"""One unit of a file that is being taken back, and how its undoing is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

from sqlalchemy import Connection, text

from gateway.errors import Refused
from gateway.intake.files import InboundFile
from gateway.ledger.database import Database


@dataclass(frozen=True, slots=True)
class Undo:
    """One unit of the file being taken back. ``move`` added to one of its entry ids gives the mirror's."""

    db: Database
    connection: Connection
    file: InboundFile
    portfolio: str
    low: int
    high: int
    move: int
    business_date: str
    operator: str

    @property
    def mark(self) -> str:
        """What is put behind a number that the file used, so that the corrected file may use it."""
        return f"~{self.file.file_id}"

    @property
    def range(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high}

    def rows(self, statement: str, **values: Any) -> list[Any]:
        return list(self.connection.execute(text(statement), {**self.range, **values}).all())

    def run(self, statement: str, **values: Any) -> int:
        return int(self.connection.execute(text(statement), {**self.range, **values}).rowcount)

    def stop(self, what: str, found: str, todo: str) -> NoReturn:
        """``todo`` is what frees it."""
        raise Refused(
            f"reversing file {self.file.file_id} ({self.file.name}): found {what} {found}, expected its money where the "
            f"file put it: {todo}"
        )
