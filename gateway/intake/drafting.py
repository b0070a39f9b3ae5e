"""Drafts of what a large file leaves (report B, Avro archive), made by a second process while the first one posts it.

What lines became goes into a file of frames, in a folder ``<stem>.draft`` among the home's work in progress;
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
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from gateway import log
from gateway.app import App
from gateway.errors import GatewayError
from gateway.intake.files import InboundFile
from gateway.intake.hashes import share
from gateway.intake.reader import PLAIN, second_process
from gateway.intake.states import FileState
from gateway.reports.table import Columns

FRAMES: Final = "frames"
RECORDS: Final = "records.avro"
LENGTH: Final = struct.Struct("<Q")
"""Before each frame, and told to the second process: how many bytes of frames are whole."""
ALL: Final = (1 << 64) - 1
"""Told last: no further frame comes."""

Frame = tuple[int, tuple[Sequence[Any], ...], Any]
"""As ``updates.base.Follower.tell`` has them: last line, columns, what more there was."""


class Drafts:
    """The drafts of one file at a time; a context that leaves neither process nor folder behind."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._folder: Path | None = None
        self._lock = -1
        self._frames: IO[bytes] | None = None
        self._drafter: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Drafts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _t: TracebackType | None) -> None:
        self.drop()

    def prepare(self, file: InboundFile) -> Path:
        """Start the second process for a file that may post: it loads its program meanwhile. What was before is dropped.
        Gives the folder of its drafts."""
        self.drop()
        self._lock = share(self._app.home.work)
        self._folder = self._app.home.work / f"{file.file_id}-{uuid.uuid4().hex}.draft"
        self._folder.mkdir(mode=self._app.home.private_folder)
        self._drafter = subprocess.Popen(
            second_process("drafter", str(self._app.home.root), str(self._folder)),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        return self._folder

    def begin(self, file: InboundFile, *, business_date: str, posted_at: str) -> None:
        """Start drafting for a file that is about to be posted, by the process that was prepared for it or another one."""
        ready = self._folder if self._frames is None else None
        self._frames = ((ready or self.prepare(file)) / FRAMES).open("wb")
        request = {"file_id": file.file_id, "business_date": business_date, "posted_at": posted_at}
        self._say(json.dumps(request).encode() + b"\n")

    def tell(self, last: int, told: Columns, more: Any = None) -> None:
        if self._frames is None:
            raise GatewayError("drafting: found lines told before the begin, expected them after")
        frame: Frame = (last, tuple(told), more)
        data = marshal.dumps(frame, PLAIN)  # type: ignore[arg-type]  # plain values, as marshal takes them
        self._frames.write(LENGTH.pack(len(data)))
        self._frames.write(data)
        self._frames.flush()
        self._say(LENGTH.pack(self._frames.tell()))

    def end(self) -> None:
        """All lines are told; the second process finishes while this one commits."""
        self._say(LENGTH.pack(ALL))

    def finished(self, file: InboundFile) -> Path | None:
        """The folder of whole drafts of a file that posted; None when there are none."""
        if self._drafter is None or self._frames is None or file.state is not FileState.POSTED:
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
        if self._drafter is not None:
            _end(self._drafter)
            self._drafter = None
        if self._frames is not None:
            self._frames.close()
            self._frames = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
            os.close(self._lock)

    def _say(self, words: bytes) -> None:
        """A second process that ended is noticed when its drafts are asked for: the posting goes on."""
        if self._drafter is None or self._drafter.stdin is None:
            return
        try:
            self._drafter.stdin.write(words)
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
