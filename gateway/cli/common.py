"""What every command shares: the options, one way to show, one way to end.

Every command takes ``--home``, ``--json``, ``--operator`` and ``--debug``; ``command`` adds them, so that a command's
own function holds only what is its own. Exit codes: 0 done, 1 done with rejects or holds, 2 wrong use or settings,
3 refused, 4 fault.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.typed import TypedCommand, visible
from gateway.cli.written import as_json
from gateway.errors import GatewayError, Refused, SettingsError, UsageError
from gateway.money import from_cents, shown

if TYPE_CHECKING:  # opening a home brings the database along; help needs neither
    from gateway.app import App

DONE, WITH_REJECTS, USAGE, REFUSED, FAULT, INTERRUPTED = 0, 1, 2, 3, 4, 130
BAR_AFTER: Final = 1.0
"""Seconds a step may take before its progress is shown."""


def iso(text: str | None, *, what: str) -> str | None:
    """The date as it was typed. Raises UsageError when it is none."""
    if text is not None:
        try:
            # fromisoformat alone also reads 20260302, which would not compare with the dates of the ledger
            if date.fromisoformat(text).isoformat() != text:
                raise ValueError
        except ValueError:
            raise UsageError(f"{what}: found {text!r}, expected a date such as 2026-11-21") from None
    return text


def one_of(text: str | None, choices: Iterable[str], *, what: str) -> str | None:
    """The choice that was typed, in any case. Raises UsageError for another: a list of it would be empty without a reason."""
    if text is None:
        return None
    known = {str(choice).lower(): str(choice) for choice in choices}
    if text.lower() not in known:
        raise UsageError(f"{what}: found {text!r}, expected one of {', '.join(known.values())}")
    return known[text.lower()]


def portfolio_number(text: str) -> str:
    """``01`` and ``1`` are the same portfolio. A wrong number would show an empty list, so it is refused."""
    if not text.isdecimal() or not text.isascii() or not 1 <= int(text) <= 99:
        raise typer.BadParameter(f"found {text!r}, expected a portfolio from 1 to 99")
    return str(int(text))


HomeOption = Annotated[
    Path, typer.Option("--home", envvar="GATEWAY_HOME", help="The home to work in.", show_default="this folder")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
OperatorOption = Annotated[
    str | None, typer.Option("--operator", metavar="XXX", help="Act under this code; it must be your own.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of a fault and the log on stderr.")]
DateOption = Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The business date.")]
PortfolioOption = Annotated[
    str | None,
    typer.Option("--portfolio", metavar="N", help="Only this portfolio, 1 to 99.", parser=portfolio_number),
]
FileId = Annotated[int, typer.Argument(metavar="ID", help="The number `gateway files list` shows.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with your code.")]
Again = Annotated[
    bool, typer.Option("--again", help="It is a further one, though the same was posted on this business date.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; change nothing.")]


@dataclass
class Session:
    """One run of a command: where, for whom, and how to show."""

    home: Path
    as_json: bool
    operator: str | None
    debug: bool
    _app: App | None = field(default=None)

    @property
    def app(self) -> App:
        """The opened home; opening it is the first thing that can be refused."""
        if self._app is None:
            from gateway.app import open_app

            self.set_up_log()
            self._app = open_app(self.home, operator=self.operator)
        return self._app

    def set_up_log(self) -> bool:
        """Before anything can fail: an unconfigured log would print, with the values of every variable. Gives whether
        there is a file; a folder that is no home gets none."""
        from gateway import log
        from gateway.home import Home

        home = Home(self.home.resolve())
        with suppress(OSError):
            if home.settings_file.is_file():
                home.mask()
                log.set_up(home.log, verbose=self.debug)
                return True
        log.set_up(None, verbose=self.debug)
        return False

    def close(self) -> None:
        if self._app is not None:
            self._app.close()

    def when(self, instant: str | None) -> str:
        """An instant as people here read it, ``2026-03-02 09:00 EST``; JSON has it in UTC."""
        if instant is None:
            return ""
        from gateway.cutoffs import shown_text

        return shown_text(instant, self.app.settings.gateway.service.timezone)

    def show(self, document: Mapping[str, Any], text: str | Iterable[str] = ()) -> None:
        """The JSON document, or the lines for a person, each of which stays one. ``document`` has money as text already."""
        if self.as_json:
            print(as_json(document))
            return
        for line in [text] if isinstance(text, str) else text:
            print(visible(line))

    def show_rows(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        *,
        money: Iterable[str] = (),
        instants: Iterable[str] = (),
        empty: str = "Nothing found.",
        extra: Mapping[str, Any] | None = None,
    ) -> int:
        """A list: ``{"rows": [{…}]}`` or an aligned table. ``money`` names the columns that hold cents, ``instants`` those
        that people read in their own time."""
        money = frozenset(money)
        found = [tuple(row) for row in rows]
        if self.as_json:
            document = {
                "rows": [
                    {c: from_cents(v) if c in money and v is not None else v for c, v in zip(columns, row, strict=True)}
                    for row in found
                ]
            }
            self.show(document | dict(extra or {}))
        elif found:
            local = {i for i, c in enumerate(columns) if c in frozenset(instants)}
            shown_rows = [[self.when(v) if i in local else v for i, v in enumerate(row)] for row in found]
            for line in table(columns, shown_rows, money=money):
                print(line)
        else:
            print(empty)
        return len(found)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int | None], None]]:
        """A bar on stderr once it takes over a second; nothing when it is no terminal or JSON is asked for."""
        if self.as_json or not sys.stderr.isatty():
            yield lambda done, total: None
            return
        from gateway.cli.bar import Bar

        with Bar(what, after=BAR_AFTER) as bar:
            yield bar.update


def money_as_text(row: Mapping[str, Any]) -> dict[str, Any]:
    """``amount_cents: 250`` becomes ``amount: "2.50"``, the form of every JSON document."""
    return {
        key.removesuffix("_cents"): (from_cents(value) if value is not None else None)
        if key.endswith("_cents")
        else value
        for key, value in row.items()
    }


def terminal_width() -> int | None:
    """Columns of the terminal that is written to; None for a pipe or a file, which have no edge."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, money: Iterable[str] = (), width: int | None = None
) -> Iterator[str]:
    """Aligned columns, as wide as their widest value: nothing is cut. Where the terminal (or ``width``) is narrower,
    a row goes on below, indented, under headings that do the same."""
    money = frozenset(money)
    cells = [
        [
            ("" if v is None else shown(v) if c in money else _one_line(str(v)))
            for c, v in zip(columns, row, strict=True)
        ]
        for row in rows
    ]
    right = [c in money or _counts([row[i] for row in rows]) for i, c in enumerate(columns)]
    heads = [c.replace("_", " ").upper() for c in columns]
    widths = [max([len(h), *(len(r[i]) for r in cells)]) for i, h in enumerate(heads)]
    bands = _bands(widths, width or terminal_width())
    for line in (heads, ["-" * w for w in widths], *cells):
        for number, band in enumerate(bands):
            parts = [line[i].rjust(widths[i]) if right[i] else line[i].ljust(widths[i]) for i in band]
            text = "  ".join(parts).rstrip()
            if text or not number:
                yield ("    " if number else "") + text


def _counts(values: Sequence[Any]) -> bool:
    """Whether a column holds whole numbers, where it holds anything."""
    return any(v is not None for v in values) and all(v is None or isinstance(v, int) for v in values)


def _one_line(text: str) -> str:
    """What a person typed may have several lines; a cell has one. JSON has it as typed."""
    return text if text.isprintable() else visible(" ".join(text.split()))


def _bands(widths: Sequence[int], limit: int | None) -> list[list[int]]:
    """Column numbers by line: as many as fit, pages being indented by up to four themselves."""
    bands: list[list[int]] = [[]]
    used = 0
    for i, width in enumerate(widths):
        if limit is not None and bands[-1] and used + width > limit - 8:
            bands.append([])
            used = 0
        bands[-1].append(i)
        used += width + 2
    return bands


def command(group: typer.Typer, name: str, *, example: str) -> Callable[[Callable[..., int | None]], Any]:
    """Register ``function(session, …) -> exit code`` as a command; the help ends with an example to type."""

    def register(function: Callable[..., int | None]) -> Callable[..., int | None]:
        signature = inspect.signature(function, eval_str=True)
        own = list(signature.parameters.values())[1:]
        shared = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for key, default, annotation in (
                ("home", Path(), HomeOption), ("as_json", False, JsonOption),
                ("operator", None, OperatorOption), ("debug", False, DebugOption),
            )
        ]  # fmt: skip

        @functools.wraps(function)
        def run(*args: Any, home: Path, as_json: bool, operator: str | None, debug: bool, **kwargs: Any) -> None:
            session = Session(home, as_json, operator, debug)
            raise typer.Exit(guarded(session, lambda: function(session, *args, **kwargs)))

        run.__signature__ = signature.replace(parameters=[*own, *shared], return_annotation=None)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*own, *shared)}
        about = inspect.cleandoc(function.__doc__ or "")
        first = re.split(r"(?<=\.)\s", about.replace("\n", " "), maxsplit=1)[0]
        group.command(name, cls=TypedCommand, help=f"{about}\n\nExample: {example}", short_help=first)(run)
        return function

    return register


def guarded(session: Session, action: Callable[[], int | None]) -> int:
    """Run a command; turn what goes wrong into one clear message and the exit code of its kind."""
    try:
        code = action() or DONE
        sys.stdout.flush()  # here, where a reader that has gone away is no fault
        return code
    except GatewayError as error:
        complain(session, error)
        return error.exit_code
    except PermissionError as error:
        complain(session, _closed(error))
        return REFUSED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (KeyboardInterrupt, typer.Abort):
        fail(session, "Interrupted", ["interrupted; what was committed stands, the rest is taken up by the next run"])
        return INTERRUPTED
    except Exception as error:
        busy = _busy(error)
        if busy is not None:
            complain(session, busy)
            return REFUSED
        full = _full(error)
        if full is not None:
            complain(session, full)
            return FAULT
        fault(session, error)
        return FAULT
    finally:
        session.close()


def _busy(error: Exception) -> Refused | None:
    """Another process kept the ledger longer than one waits for it, or the database undid this for another's sake."""
    from gateway.ledger.faults import in_the_way

    said = in_the_way(error)
    if said is None:
        return None
    return Refused(
        f"found the work of another process in the way ({said}), expected its end by now: a large file, End of Period, or a "
        "process that was stopped (ps); what was committed before stands, and nothing else was done: try again when it has ended"
    )


def _full(error: Exception) -> GatewayError | None:
    """A disk without room, which no traceback tells more of."""
    from gateway.ledger.faults import full_disk

    said = full_disk(error)
    if said is None:
        return None
    return GatewayError(
        f"found a disk that is full ({said}), expected room for what this writes; what was committed before stands, and nothing else "
        "was done: make room (df shows where), and run it again"
    )


def _closed(error: PermissionError) -> Refused:
    """A file of the home that the caller may not use: whose it is, and what its owner does about it."""
    from gateway.app import system_user, user_name

    path = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    owner = "its owner"
    while path is not None:  # what cannot be looked at lies in a folder that can
        with suppress(OSError):
            owner = f"{user_name(path.stat().st_uid)}, whose it is,"
            break
        path = None if path == path.parent else path.parent
    return Refused(
        f"found {error.filename or 'a file'} closed to user {system_user()}, expected one that whoever works here may use: ask {owner} "
        "to do this, or to share the home with a group of yours (gateway init HOME --group GROUP)"
    )


def complain(session: Session, error: GatewayError) -> None:
    """What was found, expected and to do, on stderr; with ``--json`` also as the one document."""
    lines = error.mistakes if isinstance(error, SettingsError) else str(error).splitlines()
    fail(session, type(error).__name__, lines)


def fault(session: Session, error: Exception) -> None:
    """A surprise: one line for the caller, the traceback for the engineer."""
    from gateway import log

    filed = session.set_up_log()
    log.get(log.COMMANDS).exception("fault")
    # the driver's own words are the first line; SQLAlchemy adds the statement and a link
    words = (str(error).splitlines() or [""])[0]
    seen = (
        "above" if session.debug else "in var/log/gateway.log, or shown with --debug" if filed else "shown with --debug"
    )
    fail(session, "Fault", [f"fault: {type(error).__name__}: {words}", f"the traceback is {seen}"])


def fail(session: Session, kind: str, lines: Sequence[str]) -> None:
    if session.debug and kind != "Fault":  # a fault's is in the log, which --debug shows
        traceback.print_exc()
    if session.as_json:
        session.show({"error": {"kind": kind, "messages": list(lines)}})
    for line in lines:
        print(f"gateway: {visible(line)}", file=sys.stderr)
