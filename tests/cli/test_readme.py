"""The README's own portfolio in ten minutes: every line of it, as written."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from gateway.cli.main import COMMANDS, run
from tests.cli.conftest import Played

README = Path(__file__).parents[2] / "README.md"
CODES = {"check": 1, "process": 1}
"""One line of the example's file names a lease that is not there, so that there is something to see."""


def blocks(first: str = "## Your own portfolio", after: str = "## Money without a place") -> list[str]:
    text = README.read_text(encoding="utf-8")
    section = text[text.index(first) : text.index(after)]
    return [
        re.sub(r"^ {3}", "", block, flags=re.MULTILINE) for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    ]


def test_every_line_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], _standing_clock: None
) -> None:
    home = tmp_path / "leasing"
    monkeypatch.chdir(tmp_path)
    typed = 0
    for block in blocks():
        for line in block.replace("\\\n", " ").replace("/srv/leasing", str(home)).splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["gateway"]:
                assert run(words[1:]) == CODES.get(words[1], 0), (line, capsys.readouterr())
                typed += 1
            elif words[:1] == ["cd"]:
                monkeypatch.chdir(words[1])
            elif words and words[0] != ".":
                subprocess.run(["bash", "-c", line], check=True)
    assert typed >= 10
    shown = capsys.readouterr().out
    assert "LEASE_UNKNOWN" in shown
    assert "DSGL_P01.DAT" in shown
    assert shown.endswith(" 0 differences.\n")
    assert (home / "var" / "reports" / "2026-03-02" / "1-p1_btchassmt.dat" / "p1_btchassmt.dat.rejects").is_file()


def test_suspense_is_worked_as_written(own: Played) -> None:
    """On what the played day left: the numbers are those of its items."""
    items = {row["reason"]: str(row["item"]) for row in own.ok("suspense", "list", "--json").rows}
    number = {"2": items["LEASE_UNKNOWN"], "3": items["LEASE_STATUS"]}
    (block,) = blocks("## Money without a place", "## Account numbers")
    typed = [shlex.split(line, comments=True)[1:] for line in block.splitlines()]
    for words in typed:
        own.ok(*words[:2], *(number[word] for word in words[2:3]), *words[3:])
    assert len(typed) == 7
    left = own.ok("suspense", "show", number["2"], "--json").document
    assert left["item"]["remaining"] == "80.00"
    assert [m["kind"] for m in left["moves"]] == ["APPLY"] * 3 + ["CLEAR"] + ["UNDO"] * 2
    assert own.ok("verify", "--json").document["ok"] is True


def test_a_backup_is_made_and_proved_as_written(own: Played, tmp_path: Path) -> None:
    """The second line into a ledger of the new home's own."""
    (block,) = blocks("## Backups", "## For good")
    first, second = (
        [
            word.replace("/backup", str(tmp_path)).replace("/srv", str(tmp_path))
            for word in shlex.split(line, comments=True)[1:]
        ]
        for line in block.splitlines()
    )
    own.ok(*first)
    proof = Played(tmp_path / "proof", f"sqlite:///{tmp_path}/proof/var/ledger.db")
    assert "Verify passed all" in proof.ok(*second).out


def test_every_command_the_readme_names_is_there() -> None:
    named = set(re.findall(r"`gateway ([a-z]+)", README.read_text(encoding="utf-8")))
    assert named <= set(COMMANDS)
    assert {"verify", "trace", "check"} & named
