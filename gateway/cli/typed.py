"""What no command takes, whatever it does: numbers that no ledger counts up to, and text that is no UTF-8.

Checked where a command line is read, so that no database and no terminal has to say it. A path may hold any byte: it
names a file as the file system has it.
"""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperCommand

DIGITS: Final = 15
"""Of a number: both databases count in 8 bytes, 18 digits and more; the rest is for what is reckoned with it."""


class TypedCommand(TyperCommand):
    """A command whose arguments and options hold only what a ledger can be asked for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest = super().parse_args(ctx, args)
        param: Any  # typer asks for a type of its own and does not give it a name to import
        for param in self.params:
            value = ctx.params.get(str(param.name))
            for one in value if isinstance(value, list | tuple) else [value]:
                if isinstance(one, int) and abs(one) >= 10**DIGITS:
                    found = f"found {one}, expected a number of at most {DIGITS} digits"
                    raise typer.BadParameter(found, ctx=ctx, param=param)
                if isinstance(one, str) and readable(one) != one:
                    raise typer.BadParameter(no_utf8(one), ctx=ctx, param=param)
        return rest


def readable(text: str) -> str:
    """The text with every byte that is no UTF-8 as ``\\xe9``: Python gives it as a surrogate, which nothing can print."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def visible(text: str) -> str:
    """One line as a terminal may have it: control characters, line ends among them, are written and not obeyed. The name of
    a file that somebody dropped could clear the screen, or forge a line of ours.

    >>> visible("p1\\n\\x1b[2JNothing is late.dat")
    'p1\\\\n\\\\x1b[2JNothing is late.dat'
    """
    text = readable(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def no_utf8(text: str) -> str:
    """What is said of a text with such a byte."""
    return f"found '{readable(text)}', expected UTF-8; set the terminal to UTF-8 and type it again"
