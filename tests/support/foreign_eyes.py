"""Every bank file that a test makes the gateway build is read by a validator that shares no code with it, and by ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from achlens.core import validate as achlens_validate

from parsers.nacha import NachaFile, validate
from writers.nacha import BankOptions

Render = Callable[[NachaFile, BankOptions | None], Iterator[bytes]]


class ForeignEyes:
    """``watch`` wraps the writer; ``objections`` is what was found wrong with the files it wrote."""

    def __init__(self) -> None:
        self.files = 0
        self.objections: list[str] = []
        self._seen: set[bytes] = set()

    def watch(self, render: Render) -> Render:
        def watched(file: NachaFile, options: BankOptions | None = None) -> Iterator[bytes]:
            pieces = []
            for piece in render(file, options):
                pieces.append(piece)
                yield piece
            self.look(b"".join(pieces))

        return watched

    def look(self, data: bytes) -> None:
        if data in self._seen:
            return
        self._seen.add(data)
        self.files += 1
        text = data.decode()
        if "\n" not in text:  # a bank that wants the records unbroken; foreign eyes know lines alone
            text = "".join(text[at : at + 94] + "\n" for at in range(0, len(text), 94))
        report = achlens_validate(text)
        self.objections += [f"{f.rule_id}: {f.message}" for f in report.findings if f.severity == "error"]
        self.objections += [f"{e.code}: {e.message}" for e in validate([data]) if not e.is_warning]
