"""What a person names by hand: of which portfolio it is, before anything is locked or posted."""

from __future__ import annotations

from typing import Final, Literal

from sqlalchemy import Connection, text

from gateway.errors import Refused, UsageError

Kind = Literal["lease", "asset", "invoice"]

_OF: Final[dict[Kind, str]] = {
    "lease": "SELECT portfolio FROM lease WHERE lease = :name",
    "asset": "SELECT l.portfolio FROM asset a LEFT JOIN lease l ON l.lease = a.lease WHERE a.asset = :name",
    "invoice": "SELECT l.portfolio FROM invoice i JOIN lease l ON l.lease = i.lease WHERE i.invoice = :name",
}
_NEAR: Final = "SELECT MIN(lease) FROM lease WHERE LTRIM(lease, '0') = :bare"


def portfolio_of(connection: Connection, kind: Kind, name: str, what: str) -> str:
    """The portfolio of what is named. ``what`` is being done, as refusals say. Raises UsageError where there is none of
    that name, Refused for an asset on no lease."""
    found = connection.execute(text(_OF[kind]), {"name": name}).one_or_none()
    if found is None:
        like = connection.execute(text(_NEAR), {"bare": name.lstrip("0")}).scalar() if kind == "lease" else None
        near = "" if like is None else f", near lease {like} which exists"
        raise UsageError(f"{what}: found no such {kind}{near}, expected one that is loaded; correct it")
    if found.portfolio is None:
        raise Refused(
            f"{what}: found asset {name}, which is on no lease, expected an asset on a lease; put the asset on its lease"
        )
    return str(found.portfolio)
