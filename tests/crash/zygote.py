"""``python -m tests.crash.zygote``: starts gateway processes quickly, by importing once and forking for each.

Every command is an operating system process of its own, with its own connections, locks and threads: it opens them
after the fork, runs the entry point of the ``gateway`` script, and ends as that does. Only the imports are shared,
what the commands take, and the morning at which their clock begins: a day that is compared with another may not run
past a midnight, nor depend on the hour at which tests run.
One JSON request a line on standard input, one JSON answer a line on standard output.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import gateway
import gateway.app
from gateway.cli.main import COMMANDS, built, main
from gateway.clock import SystemClock

LONGEST_SECONDS = 120
"""A command that hangs ends with SIGALRM, which no test expects."""

MORNING = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)


@dataclass
class DayClock(SystemClock):
    """Begins at ``MORNING`` and runs at the pace of the real one, whatever is done to that."""

    began: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        return MORNING + timedelta(seconds=time.monotonic() - self.began)


NOT_IMPORTED = ("gateway.__main__", "gateway.ledger.migrations")
"""What runs when it is imported, or is not imported but run by another."""


def serve() -> None:
    for module in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if not module.name.startswith(NOT_IMPORTED):
            importlib.import_module(module.name)
    for name in COMMANDS:
        built().get_command(None, name)
    clock = DayClock()
    gateway.app.SystemClock = lambda: clock  # type: ignore[assignment,misc]
    gc.freeze()
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            _answer(code=os.waitstatus_to_exitcode(status))
        elif (pid := os.fork()) == 0:
            _become(request)
            _end(_code_of_main())
        else:
            _answer(pid=pid)


def _answer(**fields: int) -> None:
    sys.stdout.write(json.dumps(fields) + "\n")
    sys.stdout.flush()


def _code_of_main() -> int:
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def _end(code: int) -> NoReturn:
    """As a process ends, but without taking every imported module apart first: that is most of a short command's time."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _become(request: dict[str, Any]) -> None:
    """The child: its own arguments, environment and output; nothing of the zygote's pipes."""
    signal.alarm(LONGEST_SECONDS)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - what is left of the pipe's buffer is the parent's
    for fd, name in ((1, "out"), (2, "err")):
        file = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, fd)
        os.close(file)
    os.environ.update(request["env"])
    sys.argv = ["gateway", *request["args"]]


if __name__ == "__main__":
    serve()
