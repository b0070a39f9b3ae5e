"""Drafts of what a large file leaves (report B, Avro archive), made by a second process while the first one posts it.

What each block of lines became goes into a file of frames, in a folder ``<stem>.draft`` among the home's work in progress;
the second process (``drafter.py``) is told how much of it is there, so that neither waits for the other and memory is
flat. Nothing of it counts before the commit: ``artifacts.py`` then gives the drafts their heads, names and places.
Without a draft, or after any trouble with one, everything is written from the ledger as for small files; the bytes are
the same.
"""

from __future__ import annotations

import json
import marshal
import os
import shutil
import struct
import subprocess
import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from gateway import log
from gateway.app import App
from gateway.errors import GatewayError
from gateway.intake.files import InboundFile
from gateway.intake.hashes import share
from gateway.intake.states import FileState

FOLLOWED: Final = frozenset({"assessments"})
"""Kinds whose update tells a follower what became of its lines; of the others the archive is made ready for."""

FRAMES: Final = "frames"
RECORDS: Final = "records.avro"
LENGTH: Final = struct.Struct("<Q")
"""Before each frame, and told to the second process: how many bytes of frames are whole."""
ALL: Final = (1 << 64) - 1
"""Told last: no further frame comes."""

Frame = tuple[int, int, dict[str, str], tuple[Sequence[Any], ...]]
"""As ``updates.base.Follower.block`` has them: first_id, last line, made, columns."""


class Drafts:
    """The drafts of one file at a time; a context that leaves neither process nor folder behind."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._folder: Path | None = None
        self._lock = -1
        self._frames: IO[bytes] | None = None
        self._drafter: subprocess.Popen[bytes] | None = None
        self._archiver: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Drafts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _t: TracebackType | None) -> None:
        self.drop()

    def begin(self, file: InboundFile, *, business_date: str, posted_at: str) -> None:
        """Start drafting for a file that is about to be posted. What was begun before is dropped."""
        self.drop()
        self._lock = share(self._app.home.work)
        self._folder = self._app.home.work / f"{file.file_id}-{uuid.uuid4().hex}.draft"
        self._folder.mkdir(mode=self._app.home.private_folder)
        self._frames = (self._folder / FRAMES).open("wb")
        request = {"file_id": file.file_id, "business_date": business_date, "posted_at": posted_at}
        command = [sys.executable, "-m", "gateway.intake.drafter", str(self._app.home.root), str(self._folder)]
        self._drafter = subprocess.Popen(
            [*command, json.dumps(request)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def make_ready(self, file: InboundFile) -> None:
        """Start what archives the records of a large file once it has posted, where its kind is not drafted: it makes ready
        in the meantime. What was begun before is dropped."""
        self.drop()
        self._archiver = start_archiver(self._app, file.file_id)

    def taken_archiver(self) -> subprocess.Popen[bytes] | None:
        """The process that was made ready, now the caller's."""
        taken, self._archiver = self._archiver, None
        return taken

    def block(
        self, first_id: int, last: int, made: Mapping[str, str], posted: Iterable[Sequence[tuple[Any, ...]]]
    ) -> None:
        for rows in posted:
            columns = tuple(zip(*rows, strict=True))
            self._frame((first_id, columns[0][-1], dict(made), columns))
            made = {}
        self._frame((first_id, last, dict(made), ((), (), (), ())))
        if self._frames is not None:
            self._frames.flush()
            self._tell(self._frames.tell())

    def end(self) -> None:
        """All blocks are known; the second process finishes while this one commits."""
        self._tell(ALL)

    def finished(self, file: InboundFile) -> Path | None:
        """The folder of whole drafts of a file that posted; None when there are none."""
        if self._drafter is None or self._folder is None or file.state is not FileState.POSTED:
            return None
        said, complaint = self._drafter.communicate()
        expected = str(file.records)
        if self._drafter.returncode == 0 and said.decode() == expected:
            return self._folder
        log.get(__name__).warning(
            "drafts.unusable", file_id=file.file_id, returncode=self._drafter.returncode, records=said.decode(),
            expected=expected, error=complaint.decode(errors="replace").strip(),
        )  # fmt: skip
        return None

    def drop(self) -> None:
        """End the second process and remove what it wrote."""
        for process in (self._drafter, self._archiver):
            if process is not None:
                _end(process)
        self._drafter = self._archiver = None
        if self._frames is not None:
            self._frames.close()
            self._frames = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
            os.close(self._lock)

    def _frame(self, frame: Frame) -> None:
        if self._frames is None:
            raise GatewayError("drafting: found a block of lines before the begin, expected it after")
        data = marshal.dumps(frame)  # type: ignore[arg-type]  # plain tuples, as marshal takes them
        self._frames.write(LENGTH.pack(len(data)))
        self._frames.write(data)

    def _tell(self, size: int) -> None:
        """A second process that ended is noticed when its drafts are asked for: the posting goes on."""
        if self._drafter is None or self._drafter.stdin is None:
            return
        try:
            self._drafter.stdin.write(LENGTH.pack(size))
            self._drafter.stdin.flush()
        except BrokenPipeError:
            pass


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    for pipe in (process.stdin, process.stdout, process.stderr):
        with suppress(BrokenPipeError):
            if pipe is not None:
                pipe.close()
    process.wait()


def start_archiver(app: App, file_id: int) -> subprocess.Popen[bytes]:
    """``archiver.py``, which makes ready and waits for ``go``."""
    command = [sys.executable, "-m", "gateway.intake.archiver", str(app.home.root), str(file_id)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def go(archiver: subprocess.Popen[bytes]) -> None:
    """The file is committed. An archiver that has ended is noticed when its archive is asked for."""
    if archiver.stdin is not None:
        with suppress(BrokenPipeError):
            archiver.stdin.write(b"\n")
            archiver.stdin.flush()
