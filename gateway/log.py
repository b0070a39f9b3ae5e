"""structlog set-up: JSON lines to ``var/log/gateway.log``, readable text to a terminal.

Events are names with keys (``file_id``, ``line_no``, ``reject_code``), not sentences. Nobody logs an account
number: a key that could hold one is reduced to its last four characters here, as the last line of defence.
"""

from __future__ import annotations

import logging
import logging.handlers
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from gateway.errors import GatewayError

COMMANDS: Final = "gateway.cli"
"""The logger of commands: their faults, with the traceback."""
REMIND_SECONDS: Final = 600.0
"""After which a trouble that lasts is told again."""
_MASKED_KEYS = frozenset({"account_number", "account", "dfi_account", "routing_account"})


def mask_accounts(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep the last four characters of anything that is named as an account number."""
    for key in _MASKED_KEYS & event.keys():
        event[key] = last_four(str(event[key]))
    return event


def last_four(text: str) -> str:
    """``****6789``; at most the last four characters of an account number are ever shown, and of one that has no more
    letters and digits than that, none."""
    return "****" + text[-4:] if sum(map(str.isalnum, text)) > 4 else "****"


@dataclass(slots=True)
class Trouble:
    """What goes on failing while nobody changes anything, as with a database that is away for a night: logged with its
    traceback when it begins or becomes another one, every ten minutes with how often it was met, and when it is over."""

    logger: str
    event: str
    keys: Mapping[str, Any] = field(default_factory=dict)
    _fault: str | None = None
    _times: int = 0
    _told: float = 0.0
    lasting: str | None = None
    """What is being met, in words; None when nothing is."""

    def met(self, fault: BaseException, at: float) -> None:
        """``at`` in seconds of a monotonic clock."""
        what = f"{type(fault).__name__}: {fault}"
        self._times += 1
        self.lasting = str(fault) if isinstance(fault, GatewayError) else what
        if what != self._fault:
            get(self.logger).error(self.event, error=str(fault), exc_info=fault, **self.keys)
        elif at - self._told >= REMIND_SECONDS:
            get(self.logger).error(self.event, error=str(fault), times=self._times, **self.keys)
        else:
            return
        self._fault, self._told = what, at

    def over(self) -> None:
        if self._fault is not None:
            get(self.logger).info(f"{self.event}_over", times=self._times, **self.keys)
        self._fault, self._times, self.lasting = None, 0, None


def set_up(log_dir: Path | None, *, verbose: bool = False, terminal: bool | None = None) -> None:
    """Route events: to a JSON file if ``log_dir`` is given, to stderr when it is a terminal or ``verbose``."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_accounts,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(logging.INFO)
    for library in ("paramiko", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    root.addHandler(logging.NullHandler())  # without any handler the library would print raw events to stderr
    if log_dir is not None:
        log_dir.mkdir(parents=True, exist_ok=True)
        to_file = LogFile(log_dir / "gateway.log", encoding="utf-8")
        to_file.setFormatter(_formatter(shared, structlog.processors.JSONRenderer(sort_keys=True)))
        root.addHandler(to_file)
    if verbose or (sys.stderr.isatty() if terminal is None else terminal):
        to_terminal = logging.StreamHandler(sys.stderr)
        if not verbose:  # a command tells its fault in a line of its own
            to_terminal.addFilter(lambda record: record.name != COMMANDS)
        to_terminal.setFormatter(
            # a plain traceback: the pretty one shows the values of variables, account numbers and keys among them
            _formatter(
                shared,
                structlog.dev.ConsoleRenderer(
                    colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
                ),
                *([] if verbose else [_without_traceback]),
            )
        )
        to_terminal.setLevel(logging.INFO if verbose else logging.WARNING)
        root.addHandler(to_terminal)


class LogFile(logging.handlers.WatchedFileHandler):
    """A log that cannot be written, as on a full disk or with its folder gone, is told in a line; the work goes on."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # it is opened again where it was moved away, and that the library does not guard
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        sys.stderr.write(f"gateway: {self.baseFilename}: {sys.exc_info()[1]}; an event is not in the log\n")


def _formatter(shared: list[Any], renderer: Any, *before: Any) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *before, renderer],
    )


def _without_traceback(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A traceback is for the file and ``--debug``."""
    event.pop("exception", None)
    return event


def get(name: str) -> Any:
    return structlog.get_logger(name)
