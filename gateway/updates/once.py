"""What a person typed may have been typed before, by another one or in another window: the same act once more on one
business date is refused, unless the person says that it is a further one."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from gateway.errors import Refused
from gateway.updates.posting import Posting


def refuse_the_same(posting: Posting, same: str, what: str, **values: Any) -> None:
    """Raises Refused where ``same`` finds a unit: SQL that gives (unit_id, operator) of the same act, from ``:portfolio`` and
    ``:day``, the posting's own, and ``values``."""
    values |= {"portfolio": posting.unit.portfolio, "day": posting.unit.business_date}
    before = posting.connection.execute(text(same), values).first()
    if before is not None:
        raise Refused(
            f"{what}: found the same posted before on this business date, by {before.operator} in posting unit {before.unit_id}, "
            "expected it once; if this is a further one, say so with --again"
        )
