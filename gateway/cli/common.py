"""What every command shares: the options, one way to show, one way to end.

Every command takes ``--home``, ``--json``, ``--operator`` and ``--debug``; ``command`` adds them, so that a command's
own function holds only what is its own. Exit codes: 0 done, 1 done with rejects or holds, 2 wrong use or settings,
3 refused, 4 fault.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from gateway import log
from gateway.app import App, open_app
from gateway.errors import GatewayError, SettingsError
from gateway.money import from_cents, shown

DONE, WITH_REJECTS, USAGE, REFUSED, FAULT = 0, 1, 2, 3, 4

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="GATEWAY_HOME", help="The home to work in.", show_default="this folder")
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
OperatorOption = Annotated[
    str | None, typer.Option("--operator", metavar="XXX", help="Act under this code; it must be your own.")
]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of a fault and the log on stderr.")]
DateOption = Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The business date.")]
PortfolioOption = Annotated[str | None, typer.Option("--portfolio", metavar="N", help="Only this portfolio, 1 to 99.")]


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
            self._app = open_app(self.home, operator=self.operator)
            log.set_up(self._app.home.log, verbose=self.debug)
        return self._app

    def close(self) -> None:
        if self._app is not None:
            self._app.close()

    def show(self, document: Mapping[str, Any], text: str | Iterable[str] = ()) -> None:
        """The JSON document, or the lines for a person. ``document`` has money as text already."""
        if self.as_json:
            print(json.dumps(document, indent=2, ensure_ascii=False, default=str))
            return
        for line in [text] if isinstance(text, str) else text:
            print(line)

    def show_rows(
        self,
        columns: Sequence[str],
        rows: Iterable[Sequence[Any]],
        *,
        money: Iterable[str] = (),
        empty: str = "Nothing found.",
        extra: Mapping[str, Any] | None = None,
    ) -> int:
        """A list: ``{"rows": [{…}]}`` or an aligned table. ``money`` names the columns that hold cents."""
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
            for line in table(columns, found, money=money):
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
        console = Console(stderr=True)
        bar = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
            console=console, transient=True, refresh_per_second=4,
        )  # fmt: skip
        with bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, money: Iterable[str] = ()) -> Iterator[str]:
    """Aligned columns, as wide as their widest value: nothing is cut, whatever the terminal."""
    money = frozenset(money)
    cells = [
        [("" if v is None else shown(v) if c in money else str(v)) for c, v in zip(columns, row, strict=True)]
        for row in rows
    ]
    right = [c in money or all(isinstance(row[i], int) for row in rows) for i, c in enumerate(columns)]
    heads = [c.replace("_", " ").upper() for c in columns]
    widths = [max(len(h), *(len(r[i]) for r in cells)) for i, h in enumerate(heads)]
    for line in (heads, ["-" * w for w in widths], *cells):
        parts = (v.rjust(w) if r else v.ljust(w) for v, w, r in zip(line, widths, right, strict=True))
        yield "  ".join(parts).rstrip()


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
        text = inspect.cleandoc(function.__doc__ or "") + f"\n\nExample: {example}"
        group.command(name, help=text)(run)
        return function

    return register


def guarded(session: Session, action: Callable[[], int | None]) -> int:
    """Run a command; turn what goes wrong into one clear message and the exit code of its kind."""
    try:
        return action() or DONE
    except GatewayError as error:
        if session.debug:
            raise
        complain(session, error)
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except KeyboardInterrupt:
        print("gateway: interrupted; what was committed stands, the rest is taken up by the next run", file=sys.stderr)
        return 130
    except Exception as error:
        if session.debug:
            raise
        log.get("cli").exception("fault")
        print(f"gateway: fault: {type(error).__name__}: {error}", file=sys.stderr)
        print("The traceback is in var/log/gateway.log, or shown with --debug.", file=sys.stderr)
        return FAULT
    finally:
        session.close()


def complain(session: Session, error: GatewayError) -> None:
    lines = error.mistakes if isinstance(error, SettingsError) else str(error).splitlines()
    if session.as_json:
        print(json.dumps({"error": {"kind": type(error).__name__, "messages": list(lines)}}, indent=2))
    for line in lines:
        print(f"gateway: {line}", file=sys.stderr)
