"""Which update posts which kind of file."""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from gateway.updates.base import Update

MODULES: Final[dict[str, str]] = {
    "assessments": "gateway.updates.u0418",
    "escrow": "gateway.updates.u0409",
    "payments": "gateway.updates.u0415",
    "reversals": "gateway.updates.u0470",
}


def update_for(kind: str) -> Update:
    """The update of a kind of file."""
    return cast(Update, import_module(MODULES[kind]).UPDATE)
