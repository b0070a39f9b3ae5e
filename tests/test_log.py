"""Logs: JSON to a file, words to a terminal, and never a secret."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import log


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> Iterator[None]:
    yield
    for handler in list(logging.getLogger().handlers):
        if (
            isinstance(handler, logging.NullHandler | logging.StreamHandler)
            and "pytest" not in type(handler).__module__
        ):
            logging.getLogger().removeHandler(handler)
            handler.close()


@pytest.mark.parametrize(
    ("text", "shown"),
    [("12-34", "****"), ("123456789", "****6789"), ("12345", "****2345"), ("1234", "****"), ("", "****")],
)
def test_at_most_the_last_four(text: str, shown: str) -> None:
    assert log.last_four(text) == shown


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "gateway.log").read_text().splitlines()]


def test_events_are_json_with_keys_and_accounts_are_masked(tmp_path: Path) -> None:
    log.set_up(tmp_path, terminal=False)
    log.get("t").info("vendor.loaded", vendor="V100", account_number="123456789", account=99887766)
    logging.getLogger("elsewhere").warning("plain %s", "words")
    first, second = lines(tmp_path)
    assert (first["event"], first["vendor"], first["level"]) == ("vendor.loaded", "V100", "info")
    assert (first["account_number"], first["account"]) == ("****6789", "****7766")
    assert str(first["timestamp"]).endswith("Z")
    assert second["event"] == "plain words"


def test_a_log_that_cannot_be_written_is_told_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gateway.log").symlink_to("/dev/full")
    log.set_up(tmp_path, terminal=False)
    log.get("t").error("alarm.file_failed", file_id=1)
    assert capsys.readouterr().err == (
        f"gateway: {tmp_path / 'gateway.log'}: [Errno 28] No space left on device; an event is not in the log\n"
    )
    (handler,) = (h for h in logging.getLogger().handlers if isinstance(h, logging.FileHandler))
    logging.getLogger().removeHandler(handler)
    with pytest.raises(OSError, match="No space left"):
        handler.close()


def test_a_log_whose_folder_is_gone_is_told_in_a_line_and_goes_on_when_it_is_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "log"
    log.set_up(folder, terminal=False)
    shutil.rmtree(folder)
    log.get("t").info("lost")
    found = f"[Errno 2] No such file or directory: '{folder / 'gateway.log'}'"
    assert capsys.readouterr().err == f"gateway: {folder / 'gateway.log'}: {found}; an event is not in the log\n"
    folder.mkdir()
    log.get("t").info("kept")
    assert [line["event"] for line in lines(folder)] == ["kept"]


def test_a_traceback_shows_no_values_of_variables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(tmp_path, verbose=True)
    account = "5550001234"
    try:
        int(account + "x"[: len(account) - 9] * 0 + "") // (len(account) - 10)
    except ZeroDivisionError:
        log.get("t").exception("fault")
    shown = capsys.readouterr().err
    assert "ZeroDivisionError" in shown
    assert account not in shown
    assert account not in (tmp_path / "gateway.log").read_text()


@pytest.mark.parametrize(
    ("verbose", "terminal", "seen"),
    [(False, False, []), (False, True, ["bad"]), (True, False, ["good", "bad"]), (True, True, ["good", "bad"])],
)
def test_a_terminal_hears_of_trouble_and_of_all_with_debug(
    capsys: pytest.CaptureFixture[str], verbose: bool, terminal: bool, seen: list[str]
) -> None:
    log.set_up(None, verbose=verbose, terminal=terminal)
    log.get("t").info("good")
    log.get("t").error("bad")
    shown = capsys.readouterr()
    assert [word for word in ("good", "bad") if word in shown.err] == seen
    assert shown.out == ""


def test_setting_up_again_does_not_double_lines(tmp_path: Path) -> None:
    log.set_up(tmp_path, terminal=False)
    log.set_up(tmp_path, terminal=False)
    log.get("t").info("once")
    assert len(lines(tmp_path)) == 1


def test_libraries_speak_only_when_something_is_wrong(tmp_path: Path) -> None:
    log.set_up(tmp_path, terminal=False)
    logging.getLogger("alembic.runtime.migration").info("Context impl SQLiteImpl.")
    logging.getLogger("alembic.runtime.migration").warning("odd")
    assert [line["event"] for line in lines(tmp_path)] == ["odd"]


@pytest.mark.parametrize("verbose", [False, True])
def test_a_traceback_is_for_the_file_and_debug(
    tmp_path: Path, verbose: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    log.set_up(tmp_path, verbose=verbose, terminal=True)
    for name in ("gateway.service", log.COMMANDS):
        try:
            raise ValueError("no room")
        except ValueError:
            log.get(name).exception(f"fault of {name}")
    shown = capsys.readouterr().err
    assert ("Traceback" in shown) is verbose
    assert "fault of gateway.service" in shown
    assert (f"fault of {log.COMMANDS}" in shown) is verbose
    assert (tmp_path / "gateway.log").read_text().count("Traceback") == 2


def test_a_trouble_that_lasts_is_told_once_in_ten_minutes_and_at_its_end(tmp_path: Path) -> None:
    log.set_up(tmp_path, terminal=False)
    trouble = log.Trouble("t", "step_failed", {"step": "look"})
    for at, words in [(0.0, "away")] * 3 + [
        (1.0, "starting"),
        (2.0, "starting"),
        (601.0, "starting"),
        (602.0, "starting"),
    ]:
        trouble.met(OSError(words), at)
    assert trouble.lasting == "OSError: starting"
    trouble.over()
    trouble.over()
    assert trouble.lasting is None
    trouble.met(OSError("away"), 700.0)
    told = [(line["event"], line.get("error"), line.get("times"), "exception" in line) for line in lines(tmp_path)]
    assert told == [
        ("step_failed", "away", None, True),
        ("step_failed", "starting", None, True),
        ("step_failed", "starting", 6, False),
        ("step_failed_over", None, 7, False),
        ("step_failed", "away", None, True),
    ]
    assert {line["step"] for line in lines(tmp_path)} == {"look"}
