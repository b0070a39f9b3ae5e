"""Every command that a message names can be typed as it stands there, once a word is put for WHY, WHO or N."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli.main import app

ROOT = Path(__file__).parents[2]
MODULES = [p for p in sorted((ROOT / "gateway").rglob("*.py")) if not {"migrations", "__main__.py"} & set(p.parts)]
FILLED = "{}"
"""What stands for a value in a message."""
NAMED = re.compile(r"\bgateway ([a-z][^`\n;,:()]*)")
A_VALUE = re.compile(r"[A-Z0-9…/<\"'{]|\w+/|(vach|dsgl|xsel)")


@cache
def command_of(words: tuple[str, ...]) -> tuple[Any, int]:
    """The command that these words begin with, and how many of them name it."""
    found: Any = typer.main.get_command(app)
    for number, word in enumerate(words):
        name = word.rstrip(".'\"")
        if not hasattr(found, "list_commands") or name not in found.list_commands(None):
            return found, number
        found = found.get_command(None, name)
    return found, len(words)


def lacking(words: tuple[str, ...]) -> list[str]:
    """What a command lacks to be typed; nothing for words that name none."""
    command, used = command_of(words)
    if not used:
        return []
    if hasattr(command, "list_commands"):
        rest = words[used : used + 1]
        return [] if command.invoke_without_command or rest in (("--help",), (FILLED,)) else ["a command of the group"]
    options = {
        flag: p for p in command.params if p.param_type_name == "option" for flag in (*p.opts, *p.secondary_opts)
    }
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    given, values, rest = set(), 0, list(words[used:])
    while rest:
        word = rest.pop(0).rstrip(".")
        if word == "--help":
            return []
        if word in options:
            given.add(options[word].name)
            if not options[word].is_flag and rest:
                rest.pop(0)
        elif A_VALUE.match(word) or word == "-":
            values += 1
        elif word.startswith("--"):
            return [f"no option {word}"]
        else:
            break
    if values > len(arguments):  # a part of it that is put together elsewhere
        return []
    needed = [p.name for p in arguments if p.required][values:]
    return needed + [p.opts[0] for p in options.values() if p.required and p.name not in given and p.opts]


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a module but for its docstrings, with what is known of their parts."""
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {id(inner) for node in ast.walk(tree) for inner in _aside(node)} | {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values
    }
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_part(part, module) for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, re.sub(r"\{\w*\}", FILLED, node.value)


def _aside(node: ast.AST) -> Iterable[ast.AST]:
    """What is no message: docstrings, examples of help texts, and what a text is searched for."""
    if isinstance(node, ast.keyword) and node.arg == "example":
        return ast.walk(node)
    if isinstance(node, ast.Expr):
        return [node.value]
    return [node.left] if isinstance(node, ast.Compare) else []


def _part(part: ast.expr, module: Any) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    known = getattr(module, part.value.id, None) if isinstance(part.value, ast.Name) else None
    return known if isinstance(known, str) else FILLED


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_command_in_a_message_lacks_nothing(path: Path) -> None:
    found = [
        f"line {line}: gateway {written.strip()}: lacks {', '.join(dict.fromkeys(lacks))}"
        for line, message in messages(path)
        for written in NAMED.findall(message)
        if (lacks := lacking(tuple(written.split())))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("written", "lacks"),
    [
        ("eop --portfolio 1 --date 2026-03-03", []),
        ("deliver again", ["delivery_id", "--reason"]),
        ("deliver again {} --reason WHY", []),
        ("outbound recall {} and build it again", ["--reason"]),
        ("outbound recall {} --why WHY", ["no option --why"]),
        ("suspense", ["a command of the group"]),
        ("suspense --help", []),
        ("is a program", []),
    ],
)
def test_what_is_asked(written: str, lacks: list[str]) -> None:
    assert lacking(tuple(written.split())) == lacks
