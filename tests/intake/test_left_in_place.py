"""What lies in a folder and is never taken says so: its sender and the clerk believed that the next look would take it."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.app import App
from gateway.console.inbox import left_in_place
from gateway.console.status import status
from gateway.intake.service import Intake
from tests.intake.conftest import charge

NAME = "p1_btchassmt.dat"


def disk_full(app: App, _monkeypatch: pytest.MonkeyPatch) -> App:
    """No disk has so much free."""
    gateway = app.settings.gateway
    intake = gateway.intake.model_copy(update={"free_space_mb": 1 << 40})
    return replace(app, settings=replace(app.settings, gateway=gateway.model_copy(update={"intake": intake})))


def folder_closed(app: App, monkeypatch: pytest.MonkeyPatch) -> App:
    """As in a folder that its owner gave to be read only; the tests may run as the one user who may write everywhere."""
    access, rename, inbox = os.access, Path.rename, app.home.inbox

    def may(path: Path | str, mode: int) -> bool:
        return access(path, mode) and not (Path(path) == inbox and mode & os.W_OK)

    def refuse(self: Path, target: Path) -> Path:
        if self.parent == inbox:
            raise PermissionError(13, "Permission denied", str(self))
        return rename(self, target)

    monkeypatch.setattr(os, "access", may)
    monkeypatch.setattr(Path, "rename", refuse)
    return app


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (disk_full, "NO_SPACE", "expected 1,099,511,627,776 (intake.free_space_mb): nothing is taken before; make room"),
        (folder_closed, "FOLDER_CLOSED", "closed to the user that the gateway runs as, expected one that files may be taken"),
    ],
)  # fmt: skip
def test_what_no_next_look_takes_wants_a_person(
    app: App, monkeypatch: pytest.MonkeyPatch, spoil: Callable[..., App], code: str, said: str
) -> None:
    (app.home.inbox / NAME).write_bytes(charge(100))
    assert [(one.code, one.wants_person) for one in left_in_place(app)] == [("NOT_WHOLE", False)]
    spoiled = spoil(app, monkeypatch)
    with closing(Intake(spoiled, events=False)) as intake:
        assert intake.process_now() == []
    (left,) = left_in_place(spoiled)
    assert (left.name, left.code, left.wants_person) == (NAME, code, True) and said in left.message
    assert status(spoiled, None).wants_attention
