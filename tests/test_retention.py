"""What retention removes, and what it never touches."""

from __future__ import annotations

from datetime import date

from gateway.home import Home
from gateway.retention import sweep
from gateway.settings import Retention

TODAY = date(2026, 3, 31)


def test_folders_of_dates_that_are_over_go_and_nothing_else(home: Home) -> None:
    for name in ("2026-03-01", "2026-03-20", "2026-03-21", "notes"):
        (home.reports / name / "1-file").mkdir(parents=True)
        (home.avro / name).mkdir()
    (home.archive / "2026-03-01").mkdir()
    (home.reports / "2026-01-01").symlink_to(home.archive)
    removed = sweep(home, Retention(reports_days=10), TODAY)
    assert [p.name for p in removed] == ["2026-03-01", "2026-03-20"]
    assert sorted(p.name for p in home.reports.iterdir()) == ["2026-01-01", "2026-03-21", "notes"]
    assert len(list(home.avro.iterdir())) == 4
    assert (home.archive / "2026-03-01").is_dir()
    assert sweep(home, Retention(reports_days=10), TODAY) == []


def test_without_days_everything_stays(home: Home) -> None:
    (home.reports / "1999-01-01").mkdir()
    assert sweep(home, Retention(), TODAY) == []
    assert [p.name for p in sweep(home, Retention(reports_days=1, avro_days=1), TODAY)] == ["1999-01-01"]
