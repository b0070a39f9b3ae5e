"""Where everything is put together, once: home, settings, clock, ledger, vault and the acting operator.

Rooms below take an ``App`` (or parts of it) and never look for these things themselves.
"""

from __future__ import annotations

import os
import platform
import pwd
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway import vault
from gateway.calendar import BankingCalendar
from gateway.clock import Clock, SystemClock, instant_text
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.ledger import revision
from gateway.ledger.database import Database
from gateway.ledger.opening import ledger_of
from gateway.settings import Right, Settings
from gateway.settings_reading import load_settings


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts: a 3-letter code, the operating system user behind it, and what the code may do."""

    code: str
    user: str
    rights: frozenset[str]

    def require(self, right: Right, action: str) -> None:
        if right not in self.rights:
            raise Refused(
                f"{action}: found operator {self.code} without the right {right!r}, expected it in "
                "config/operators.toml; ask an operator who has it"
            )


@dataclass(frozen=True, slots=True)
class App:
    home: Home
    settings: Settings
    clock: Clock
    db: Database
    vault: vault.Vault
    operator: Operator

    def now(self) -> str:
        """The instant as the database writes it."""
        return instant_text(self.clock.now())

    def here(self) -> datetime:
        """This moment by the clocks of the site (``service.timezone``): its date is what people call today."""
        return self.clock.now().astimezone(ZoneInfo(self.settings.gateway.service.timezone))

    @property
    def machine(self) -> str | None:
        """This machine and home, where a ledger may be shared by several; a SQLite ledger lies in its one home."""
        if self.db.is_sqlite:
            return None
        return self.settings.gateway.database.home or f"{platform.node()}:{self.home.root}"

    def calendar(self, *, also: Iterable[int] = ()) -> BankingCalendar:
        """Banking days with the site's own holidays; read from the ledger when asked. ``also``: years of what is past,
        beside those of the settings."""
        from sqlalchemy import text

        with self.db.read() as connection:
            rows = connection.execute(text("SELECT date, name FROM holiday")).all()
        return BankingCalendar(
            covered_years={*self.settings.gateway.calendar.covered, *also}, extra={row.date: row.name for row in rows}
        )

    def close(self) -> None:
        self.db.close()


def open_app(
    home: Path,
    *,
    operator: str | None = None,
    clock: Clock | None = None,
    user: str | None = None,
    check_schema: bool = True,
) -> App:
    """Open a home. Raises UsageError when it is none, SettingsError with every mistake, Refused on schema or operator."""
    place = find_home(home)
    place.make()
    settings = load_settings(place)
    acting = acting_operator(settings, operator, user or system_user())
    opened = vault.open_vault(place)
    db = ledger_of(place, settings.gateway.database.url)
    if check_schema:
        try:
            revision.require_current(db)
        except BaseException:
            db.close()
            raise
    return App(place, settings, clock or SystemClock(), db, opened, acting)


def find_home(folder: Path) -> Home:
    """The home in a folder. Raises UsageError when there is none."""
    home = Home(folder.resolve())
    if not home.settings_file.is_file():
        raise UsageError(
            f"opening {folder}: found no config/gateway.toml there, expected a home; run `gateway init {folder}` or "
            "name one with --home or GATEWAY_HOME"
        )
    if home.restoring.exists():
        raise Refused(
            f"opening {folder}: found {home.restoring.name}, a restore that runs or was cut off, expected a whole home: what left "
            "since the backup could leave again; where none runs, remove the folder and the tables of its database, and restore "
            "again"
        )
    return home


def system_user() -> str:
    """The user the system runs this process as. LOGNAME, USER and the like are the caller's own word, and four eyes
    rest on this name."""
    return user_name(os.getuid())


def user_name(uid: int) -> str:
    """What the system calls a user of that number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container may run as a number that has no name
        return f"uid-{uid}"


def acting_operator(settings: Settings, code: str | None, user: str) -> Operator:
    """The operator the caller may act as: only the caller's own code works."""
    own = codes_of(settings, user)
    if code is None:
        if not own:
            raise Refused(f"opening the home: found no operator for user {user}, expected one in config/operators.toml")
        code = own[0]
    elif code not in own:
        raise Refused(
            f"--operator {code}: found user {user} with {', '.join(own) or 'no code'}, "
            "expected the caller's own code; see config/operators.toml"
        )
    return Operator(code, user, frozenset(settings.operators.operators[code].rights))


def codes_of(settings: Settings, user: str) -> list[str]:
    """The codes that a system user may act under, in order."""
    return sorted(code for code, operator in settings.operators.operators.items() if user in operator.users)
