"""``gateway``: the command line. Commands ask and show; every rule lives in the rooms below.

A command's module is imported when the command is called: help and wrong use answer at once, and looking at the
ledger does not wait for what delivery needs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module, metadata
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from gateway.cli.typed import no_utf8, readable
from gateway.cli.written import any_letters, as_json

COMMANDS: Final = {
    "init": ("homes", "Make a new home: folders, settings, a field key, an empty ledger."),
    "demo": ("homes", "Play the whole job on sample data, with a local SFTP server."),
    "load": ("ledger", "Load reference data from CSV files."),
    "run": ("service", "The service: watch, post, close the day, deliver."),
    "process": ("intake", "Post what is in the inbox (or these files) now."),
    "check": ("intake", "Try files without effect."),
    "eop": ("period", "End of Period of a business date; resumable."),
    "outbound": ("outbound", "Files that leave: look, build, release, call back, put away."),
    "vendor": ("vendor", "Vendors: bank details changed with a second person, alerts, voids."),
    "deliver": ("deliver", "Deliver what is released; settle what is in doubt."),
    "endpoint": ("deliver", "Try a place that files are delivered to."),
    "status": ("status", "What came, balanced, left, is late or held."),
    "files": ("files", "Files that came: list, show, release, repair, undo."),
    "answers": ("answers", "What the bank answered: returns, changes, acknowledgements."),
    "assess": ("assess", "Assess a charge by hand, by the rules of the files."),
    "waive": ("assess", "Waive what is open of a charge, or take that back."),
    "payment": ("payment", "Payments by hand, by the rules of the files."),
    "suspense": ("suspense", "Work money without a place: list, note, apply, pay out, clear."),
    "ledger": ("ledger", "Look at the ledger: lists with filters."),
    "trace": ("trace", "Follow money both ways, from any reference."),
    "explain": ("intake", "Show a file field by field."),
    "report": ("ledger", "A list as a report: text, CSV, JSON."),
    "verify": ("ledger", "Recompute every invariant."),
    "backup": ("homes", "Copy ledger, archive and settings consistently."),
    "restore": ("homes", "Restore a backup into a new home and prove it."),
    "keys": ("keys", "The key that account numbers are encrypted with: show, rotate."),
    "config": ("config", "Check the settings."),
    "db": ("homes", "Bring the ledger's schema up to date."),
}


class Commands(TyperGroup):
    """The commands of the table, each built when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in COMMANDS and cmd_name not in self.commands:
            holder = typer.Typer(rich_markup_mode=None)
            import_module(f"gateway.cli.{COMMANDS[cmd_name][0]}").register(holder)
            built: Any = typer.main.get_group(holder)
            self.commands |= built.commands
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] not in COMMANDS:
            for name in COMMANDS:  # so that the nearest name can be suggested
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


app = typer.Typer(
    name="gateway",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"gateway {metadata.version('lease-gateway')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which it is.")
    ] = False,
) -> None:
    """Batch files in, a balanced ledger, bank, GL and dealer files out, delivered.

    Every command has an example: gateway COMMAND --help. Exit codes: 0 done, 1 done with rejects or holds,
    2 wrong use or settings, 3 refused, 4 fault.
    """


@cache
def built() -> Any:
    """The commands as they are called. A process that runs several command lines builds each command once."""
    return typer.main.get_command(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; gives its exit code. Wrong use is told like every other error."""
    try:
        return built()(list(arguments), prog_name="gateway", standalone_mode=False) or 0
    except TyperException as error:
        told: Any = error
        words = readable(_words(told, arguments))
        print(f"gateway: {words}", file=sys.stderr)
        if "--json" in arguments:
            print(as_json({"error": {"kind": "UsageError", "messages": [words]}}))
        return 2


def _words(error: Any, arguments: Sequence[str]) -> str:
    """What was found and expected, and where an example is. The parser's own words name no value that was typed."""
    context = getattr(error, "ctx", None)
    typed = " ".join(word for word in arguments if word in COMMANDS)
    has_no_value = "requires an argument" in str(error.message)
    command = context.command_path if context is not None else f"gateway {typed if has_no_value else ''}".strip()
    about = command.removeprefix("gateway").strip()
    help_ = f"`{command} --help` has an example" if about else "`gateway --help` lists the commands"
    param, option = getattr(error, "param", None), getattr(error, "option_name", None)
    if param is not None:
        name = max(param.opts, key=len) if param.param_type_name == "option" else param.metavar or param.name
        if not error.message:
            said = f"found no {name}, expected one: {_inside((param.help or '').rstrip('.'))}"
        else:
            said = f"{name}: {_of_value(error)}"
    elif option is not None and has_no_value:
        said = f"found nothing behind {option}, expected its value"
    elif option is not None and not about:
        said = f"found {option} before the command, expected it after: gateway {typed or 'COMMAND'} {option} …"
    elif option is not None:
        near = getattr(error, "possibilities", None)
        said = f"found {option}, expected " + (
            f"an option such as {' or '.join(near)}" if near else "one of its options"
        )
    elif strange := re.fullmatch(r"No such command '(.+?)'\.(?: Did you mean (.+)\?)?", str(error.message)):
        also = f", or gateway {strange[1]}" if about and strange[1] in COMMANDS else ""
        said = f"found no command {strange[1]}, expected {strange[2] or 'one that there is'}{also}"
    elif strange := re.fullmatch(r"Got unexpected extra argument\(?s?\)? \((.+)\)", str(error.message)):
        said = f"found {strange[1]} behind what it takes, expected nothing more, or an option before each"
    else:
        said = str(error.format_message()).rstrip(".")
    return f"{about}: {said}; {help_}" if about else f"{said}; {help_}"


def _inside(sentence: str) -> str:
    """A sentence as it stands within another one: its first letter is small, unless it begins an abbreviation."""
    return sentence if sentence[1:2].isupper() else sentence[:1].lower() + sentence[1:]


def _of_value(error: Any) -> str:
    """A value that an option or argument does not take. Our own converters say it themselves."""
    cause = error.__cause__
    if not hasattr(cause, "errors"):
        return str(error.message)
    (first, *_) = cause.errors()
    limits = first.get("ctx") or {}
    if first["type"] == "string_unicode":
        return no_utf8(str(first["input"]))
    if first["type"].startswith("int_"):
        expected = "a whole number"
    elif "ge" in limits:
        expected = f"{limits['ge']} or more"
    elif choice := re.fullmatch(r"Value error, (.+) is not one of (.+)\.", str(error.message)):
        return f"found {choice[1]}, expected one of {choice[2]}"
    else:
        return str(error.message)
    return f"found {first['input']!r}, expected {expected}"


def main() -> None:
    any_letters()
    sys.exit(run(sys.argv[1:]))
