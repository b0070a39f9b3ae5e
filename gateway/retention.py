"""Remove what is old and only tells what ledger and archive hold: reports and Avro records, by the days the settings say.

Reports of End of Period, which tell how things stood that day, go with them; no command writes any of them again.
Both lie in folders named by business date; where books are kept for days long past, what was written lately stays.
Originals, the journal and outbound files are never removed.
"""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from gateway import log
from gateway.home import Home
from gateway.settings import Retention


def sweep(home: Home, retention: Retention, today: date) -> list[Path]:
    """Remove the folders of business dates that are over their days; gives them. Twice is once."""
    removed = []
    for folder, days in ((home.reports, retention.reports_days), (home.avro, retention.avro_days)):
        if days is not None:
            removed += [p for p in sorted(folder.iterdir()) if _is_over(p, today - timedelta(days=days))]
    for path in removed:
        shutil.rmtree(path)
        log.get(__name__).info("retention.removed", folder=str(path.relative_to(home.root)))
    return removed


def _is_over(path: Path, first_kept: date) -> bool:
    """Whether the folder is of a business date before ``first_kept`` and nothing came into it since; anything else in there
    is left alone."""
    try:
        is_past = path.is_dir() and not path.is_symlink() and date.fromisoformat(path.name) < first_kept
    except ValueError:
        return False
    return is_past and datetime.fromtimestamp(path.stat().st_mtime, UTC).date() < first_kept
