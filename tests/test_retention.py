"""What retention removes, and what it never touches."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

from gateway.home import Home
from gateway.retention import sweep
from gateway.settings import Retention

TODAY = date(2026, 3, 31)


def written(folder: Path, day: str) -> None:
    at = datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()
    os.utime(folder, (at, at), follow_symlinks=False)


def test_folders_of_dates_that_are_over_go_and_nothing_else(home: Home) -> None:
    for name in ("2026-03-01", "2026-03-20", "2026-03-21", "notes"):
        (home.reports / name / "1-file").mkdir(parents=True)
        (home.avro / name).mkdir()
    (home.archive / "2026-03-01").mkdir()
    (home.reports / "2026-01-01").symlink_to(home.archive)
    (home.reports / "2026-03-02").mkdir()  # of books that are kept behind: written today
    for folder in (*home.reports.iterdir(), *home.avro.iterdir()):
        written(folder, "2026-03-31" if folder.name == "2026-03-02" else "2026-03-01")
    removed = sweep(home, Retention(reports_days=10), TODAY)
    assert [p.name for p in removed] == ["2026-03-01", "2026-03-20"]
    assert sorted(p.name for p in home.reports.iterdir()) == ["2026-01-01", "2026-03-02", "2026-03-21", "notes"]
    assert len(list(home.avro.iterdir())) == 4
    assert (home.archive / "2026-03-01").is_dir()
    assert sweep(home, Retention(reports_days=10), TODAY) == []


def test_without_days_everything_stays(home: Home) -> None:
    (home.reports / "1999-01-01").mkdir()
    written(home.reports / "1999-01-01", "1999-01-02")
    assert sweep(home, Retention(), TODAY) == []
    assert [p.name for p in sweep(home, Retention(reports_days=1, avro_days=1), TODAY)] == ["1999-01-01"]
