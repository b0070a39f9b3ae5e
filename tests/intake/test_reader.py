"""A second process that reads gives what reading here gives."""

from __future__ import annotations

import errno
import fcntl
import pickle
import signal
import subprocess
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.intake.packing import ready
from gateway.intake.parsing import Reading, UnreadableError, parse_stream
from gateway.intake.reader import Request, _frames, read_beside, second_process
from gateway.ledger.packed import Pack, for_postgresql, for_sqlite
from parsers.profile import DEFAULT

LINES = (
    b"<lease>1001<assmt>LTCH<amount>2500\n<lease>1001<assmt>LTCH<amount>25.00\n\n"
    b"<lease>1002<assmt>PTAX<amount>100\n<lease>1003<assmt>RCR1<amount>9900<ptcode>AUTO\n"
)


def asked(path: Path, form: str = "dat", pack: Pack = for_postgresql) -> Request:
    return Request(path, "assessments", form, DEFAULT, 7, pack)


@pytest.mark.parametrize("pack", [for_sqlite, for_postgresql])
@pytest.mark.parametrize("data", [LINES * 3_500, LINES + b"<lease>1<assmt>LTCH<amount>1", b""])
def test_the_second_process_gives_the_same_chunks_size_and_hash(tmp_path: Path, data: bytes, pack: Pack) -> None:
    path = tmp_path / "p1_btchassmt.dat"
    path.write_bytes(data)
    here, there = Reading(), Reading()
    seen: list[int] = []
    expected = list(ready(parse_stream(path, "assessments", "dat", DEFAULT, reading=here), 7, pack))
    found = list(read_beside(asked(path, pack=pack), reading=there, progress=seen.append))
    assert found == expected
    assert (there.size, there.sha256) == (here.size, here.sha256)
    assert seen[-1:] == ([len(data)] if data else [])


def test_what_cannot_be_read_there_is_said_here(tmp_path: Path) -> None:
    path = tmp_path / "p1_btchassmt.avro"
    path.write_bytes(b"Obj\x01 and no container")
    with pytest.raises(UnreadableError, match="Found"):
        list(read_beside(asked(path, "avro"), reading=Reading()))


def test_a_reader_that_stops_asking_leaves_no_process(tmp_path: Path) -> None:
    path = tmp_path / "p1_btchassmt.dat"
    path.write_bytes(LINES * 5_000)
    chunks = read_beside(asked(path), reading=Reading())
    next(chunks)
    chunks.close()


def test_a_reader_whose_asker_was_killed_ends_without_a_word(tmp_path: Path) -> None:
    path = tmp_path / "p1_btchassmt.dat"
    path.write_bytes(LINES * 5_000)
    pipe = subprocess.PIPE
    with subprocess.Popen(second_process("reader"), stdin=pipe, stdout=pipe, stderr=pipe) as child:
        assert child.stdin and child.stdout and child.stderr
        child.stdin.write(pickle.dumps(tuple(asked(path))))
        child.stdin.close()
        child.stdout.read(1)
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == -signal.SIGPIPE


def test_a_user_who_may_have_no_larger_pipe_reads_by_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reported: Linux refuses it to a user with many pipes, and every large file failed."""
    asked_for: list[int] = []
    real = fcntl.fcntl

    def refused(pipe: Any, command: int, *words: Any) -> Any:
        if command == fcntl.F_SETPIPE_SZ:
            asked_for.append(command)
            raise PermissionError(errno.EPERM, "Operation not permitted")
        return real(pipe, command, *words)

    monkeypatch.setattr(fcntl, "fcntl", refused)
    path = tmp_path / "p1_btchassmt.dat"
    path.write_bytes(LINES)
    assert sum(found.records for found in read_beside(asked(path), reading=Reading())) == 2
    assert asked_for


def test_a_second_process_that_ends_within_a_frame_is_told_in_words(
    tmp_path: Path,
) -> None:
    path = tmp_path / "p1_btchassmt.dat"
    path.write_bytes(LINES * 3_500)
    whole = subprocess.run(second_process("reader"), input=pickle.dumps(tuple(asked(path))), capture_output=True).stdout
    for cut in (*range(40), *range(1_000, len(whole), len(whole) // 50), len(whole) - 1):
        with pytest.raises(GatewayError, match="the second process ended before the file did"):
            list(_frames(BytesIO(whole[:cut]), path, Reading(), None))


def test_nothing_of_the_current_folder_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reported: whoever stood in the inbox and named a large file ran a sender's ``struct.py`` as himself."""
    (tmp_path / "struct.py").write_text("open('ran', 'w').close()\n")
    path = tmp_path / "p1_btchassmt.dat"
    path.write_bytes(LINES)
    monkeypatch.chdir(tmp_path)
    assert sum(found.records for found in read_beside(asked(path), reading=Reading())) == 2
    for module in ("drafter", "archiver"):
        subprocess.run(second_process(module), capture_output=True)
    assert not (tmp_path / "ran").exists()
