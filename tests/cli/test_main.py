"""Help, wide tables, pipes, faults: what holds for every command."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from gateway.cli import common
from gateway.cli.bar import Bar
from gateway.cli.common import Session, guarded, portfolio_number, table
from gateway.cli.main import COMMANDS, Commands, app, run
from gateway.cli.written import counted
from gateway.errors import GatewayError, Refused, SettingsError
from tests.cli.conftest import Played


def every_command() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    group: Any = typer.main.get_command(app)
    for name in COMMANDS:
        command = group.get_command(None, name)
        found.append((name,))
        found += [(name, sub) for sub in getattr(command, "commands", {})]
    return found


def test_the_table_of_commands_is_what_the_modules_register() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, Commands)
    for name in COMMANDS:
        assert group.get_command(None, name) is not None
    assert set(group.commands) == set(COMMANDS)


@pytest.mark.parametrize("command", every_command(), ids=" ".join)
def test_every_command_has_help_with_an_example_that_is_its_own(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--help"]) == 0
    shown = capsys.readouterr().out
    if "COMMAND [ARGS]" in shown and command != ("deliver",):
        return
    example = re.search(r"Example: (.*?)\n\n", shown, re.DOTALL)
    assert example, shown
    typed = shlex.split(" ".join(example[1].split()))
    assert typed[: len(command) + 1] == ["gateway", *command]
    for option in (word for word in typed if word.startswith("--")):
        assert option in shown
    if command != ("run",):
        assert "--json" in shown


def test_help_opens_no_room() -> None:
    code = (
        "import sys; from gateway.cli.main import run; run(['--help']); "
        "print([m for m in ('sqlalchemy', 'paramiko', 'lxml', 'numpy', 'alembic', 'rich') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("arguments", [["files", "list"], ["status"], ["suspense", "list"], ["ledger", "balance"]])
def test_looking_brings_nothing_along_that_only_posting_needs(played: Played, arguments: list[str]) -> None:
    code = (
        f"import sys; from gateway.cli.main import run; run({arguments!r}); "
        "print([m for m in ('numpy', 'alembic', 'paramiko', 'lxml') if m in sys.modules], file=sys.stderr)"
    )
    environment = os.environ | {"GATEWAY_TEST_DATABASE": played.url, "GATEWAY_HOME": str(played.root)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout
    assert done.stderr.strip() == "[]"


def test_a_reader_that_goes_away_is_no_fault(played: Played) -> None:
    environment = os.environ | {"GATEWAY_TEST_DATABASE": played.url, "GATEWAY_HOME": str(played.root)}
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m gateway ledger journal --json | head -1; echo "${{PIPESTATUS[0]}}"'],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert done.stdout == "{\n0\n"
    assert done.stderr == ""


def test_the_version() -> None:
    done = subprocess.run([sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"gateway \d+\.\d+\.\d+\n", done.stdout)


def test_a_wide_table_goes_on_below_and_loses_nothing() -> None:
    rows = [("1001", "BAKER & SONS, INC", 123456, "x" * 50), ("1002", None, -5, "y")]
    columns = ("lease", "lessee_name", "open", "message")
    wide = list(table(columns, rows, money=["open"], width=500))
    assert wide[0].split("  ")[0] == "LEASE"
    assert len(wide) == 4
    narrow = list(table(columns, rows, money=["open"], width=40))
    assert len(narrow) == 12
    assert [line.split()[0] for line in narrow[:3]] == ["LEASE", "OPEN", "MESSAGE"]
    for value in ("1001", "BAKER & SONS, INC", "1,234.56", "x" * 50, "-0.05"):
        assert any(value in line for line in narrow)
    assert list(table(("a",), [("z" * 90,)], width=40))[2] == "z" * 90


def test_a_cell_is_one_line_whatever_was_typed() -> None:
    assert list(table(("a", "b"), [("x\ny\tz", 1)]))[2] == "x y z  1"


def test_a_terminal_has_a_width_and_a_pipe_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert common.terminal_width() is None
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "77")
    assert common.terminal_width() == 77


@pytest.mark.parametrize("text", ["0", "100", "-1", "x", "", "٣", "1.0"])
def test_portfolios_are_1_to_99(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected a portfolio from 1 to 99"):
        portfolio_number(text)
    assert portfolio_number("07") == "7"


@pytest.mark.parametrize(
    ("error", "code", "kind", "messages"),
    [
        (Refused("no\nand why"), 3, "Refused", ["no", "and why"]),
        (SettingsError(["a", "b"]), 2, "SettingsError", ["a", "b"]),
        (GatewayError("x"), 4, "GatewayError", ["x"]),
        (KeyboardInterrupt(), 130, "Interrupted", ["interrupted; what was committed stands, the rest is taken up by the next run"]),
        (ZeroDivisionError("by\nzero"), 4, "Fault", ["fault: ZeroDivisionError: by", "the traceback is shown with --debug"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("debug", [False, True])
def test_every_error_is_one_document_and_a_traceback_only_with_debug(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    kind: str,
    messages: list[str],
    debug: bool,
) -> None:
    import json

    def action() -> int:
        raise error

    assert guarded(Session(tmp_path, True, None, debug), action) == code
    shown = capsys.readouterr()
    found = json.loads(shown.out)["error"]
    assert found["kind"] == kind
    assert found["messages"][: len(messages) - 1] == messages[:-1]
    assert debug or found["messages"] == messages
    assert f"gateway: {messages[0]}" in shown.err
    assert ("Traceback" in shown.err) == debug


def test_a_server_that_does_not_answer_is_told_without_its_password(own: Played) -> None:
    lost = Played(own.root, "postgresql://u:geheim@127.0.0.1:1/x")
    done = lost.do("status", "--json")
    assert done.code == 4
    (message,) = done.document["error"]["messages"]
    assert re.fullmatch(
        r'opening the ledger: found connection failed: .*"127.0.0.1", port 1 failed: Connection refused.*; expected a '
        r"PostgreSQL server that lets u into database x: start it, or mend the address \(--database, or database.url in .*",
        message,
    )
    log = own.root / "var" / "log" / "gateway.log"
    assert "geheim" not in (log.read_text() if log.exists() else "") + done.out + done.err


def test_a_fault_in_a_home_leaves_its_traceback_in_the_log(own: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.status.gather", None)
    done = own.do("status", "--json")
    assert done.code == 4
    assert done.document["error"]["messages"][0].startswith("fault: TypeError")
    assert '"event": "fault"' in (own.root / "var" / "log" / "gateway.log").read_text()


def test_a_bar_shows_only_what_takes_its_time() -> None:
    for after, seen in ((60.0, False), (0.0, True)):
        shown = io.StringIO()
        with Bar("posting", after=after, console=Console(file=shown, force_terminal=True, width=80)) as bar:
            if seen:
                bar._timer.join()
            bar.update(3, 10)
        assert ("posting" in shown.getvalue()) == seen


LONG = "26030290000100000001"
"""A payment batch's number, typed where another one is asked for: no database counts so far."""


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (f"suspense show {LONG}", f"suspense show: ITEM: found {LONG}"),
        (f"suspense refund {LONG} --check 1 --reason x", f"suspense refund: ITEM: found {LONG}"),
        (f"suspense undo 1 --move {LONG} --reason x", f"suspense undo: --move: found {LONG}"),
        (f"files show {LONG}", f"files show: ID: found {LONG}"),
        (f"files show -- -{LONG}", f"files show: ID: found -{LONG}"),
        (f"outbound show {LONG}", f"outbound show: ID: found {LONG}"),
        (f"vendor approve {LONG}", f"vendor approve: CHANGE: found {LONG}"),
        (f"answers list --file {LONG}", f"answers list: --file: found {LONG}"),
        (f"ledger journal --unit {LONG}", f"ledger journal: --unit: found {LONG}"),
        (f"suspense list --limit {LONG}", f"suspense list: --limit: found {LONG}"),
        ("suspense list --limit 1000000000000000", "suspense list: --limit: found 1000000000000000"),
    ],
)
def test_a_number_that_nothing_counts_up_to_is_wrong_use(played: Played, typed: str, said: str) -> None:
    done = played.do(*typed.split(), "--json") if "--" not in typed.split() else played.do(*typed.split())
    assert (done.code, done.err.split(", expected ")[0]) == (2, f"gateway: {said}"), done
    assert "expected a number of at most 15 digits; `gateway " in done.err


def test_an_option_without_its_value_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever it stands, it is no option before the command."""
    for command, more in (("status", []), ("ledger", ["lease", "1001"])):
        assert run([command, *more, "--home"]) == 2
        assert capsys.readouterr().err == (
            f"gateway: {command}: found nothing behind --home, expected its value; `gateway {command} --help` has an example\n"
        )


def test_a_word_too_many_is_named_as_every_other_mistake(played: Played) -> None:
    done = played.do("ledger", "lease", "1001", "1002")
    assert (done.code, done.err) == (
        2,
        "gateway: ledger lease: found 1001 1002 behind what it takes, expected nothing more, or an option before each; "
        "`gateway ledger lease --help` has an example\n",
    )


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("suspense show 999999999999999", 2),
        ("files show 999999999999999 --limit 999999999999999", 2),
        ("suspense list --limit 999999999999999", 0),
        ("ledger journal --unit 999999999999999", 0),
        ("answers list --file 999999999999999", 0),
        ("trace 18250.00 --limit 999999999999999", 0),
        (f"trace #{LONG}", 1),
        (f"trace #1:{LONG}", 1),
        (f"trace p1_btchpmt.dat:{LONG}", 1),
        (f"ledger journal --file {LONG}", 0),
    ],
)
def test_the_greatest_numbers_are_looked_for(played: Played, typed: str, code: int) -> None:
    done = played.do(*typed.split())
    assert (done.code, "fault" in done.err) == (code, False), done


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("suspense note 1 --text X", "suspense note: --text: found 'Jos\\xe9'"),
        ("payment post --lease 1001 --amount 1.00 --reason X", "payment post: --reason: found 'Jos\\xe9'"),
        ("suspense apply 1 --to invoice:1 --to X --reason x", "suspense apply: --to: found 'Jos\\xe9'"),
        ("trace X", "trace: REF: found 'Jos\\xe9'"),
        ("files show X", "files show: ID: found 'Jos\\xe9'"),
    ],
)
def test_a_byte_that_is_no_utf_8_is_wrong_use(played: Played, typed: str, said: str) -> None:
    """As an old terminal sends it, and as Python then holds it."""
    done = played.do(*["Jos\udce9" if word == "X" else word for word in typed.split()], "--json")
    assert (done.code, done.err) == (2, done.err.encode().decode()), done
    assert done.err.startswith(
        f"gateway: {said}, expected UTF-8; set the terminal to UTF-8 and type it again; `gateway "
    )
    assert done.document["error"]["messages"] == [done.err.removeprefix("gateway: ").rstrip("\n")]


def test_what_is_said_of_strange_words_can_be_printed(played: Played) -> None:
    for typed in ["Jos\udce9"], ["suspense", "list", "--Jos\udce9"], ["suspense", "list", "--portfolio", "Jos\udce9"]:
        done = played.do(*typed, "--json")
        assert done.code == 2
        assert "Jos" in done.out.encode().decode()


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 entries"), (1, "1 entry"), (2, "2 entries"), (1000, "1,000 entries")]
)
def test_one_of_a_thing_is_written_so(number: int, said: str) -> None:
    assert counted(number, "entry", "entries") == said
    assert counted(number, "unit") == said.replace("entries", "units").replace("entry", "unit")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_without_a_letter_gets_the_answer_all_the_same(encoding: str, tmp_path: Path) -> None:
    """What had posted ended as a fault, with a traceback, over the name of a lessee or our own dots."""
    folder = tmp_path / "Łódź"
    environment = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "1"}

    def said(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "gateway", *arguments]
        done = subprocess.run(command, capture_output=True, check=False, env=environment)
        assert b"Traceback" not in done.stderr and b"fault" not in done.stderr, done.stderr
        return done.returncode, done.stdout.decode(encoding)

    code, text = said("init", str(folder))
    assert code == 0 and ("Łódź" if encoding == "utf-8" else r"\u0141") in text
    code, text = said("status", "--json", "--home", str(folder / "none"))
    assert code == 2 and "Łódź" in json.loads(text)["error"]["messages"][0]
    code, text = said("--json", "status")
    assert code == 2 and "…" in json.loads(text)["error"]["messages"][0]
