"""Which module posts which kind of file: an update for files of lines, the bank's answers for the others."""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from gateway.answers.names import KINDS as BANK_KINDS
from gateway.updates.base import Update

MODULES: Final[dict[str, str]] = {
    "assessments": "gateway.updates.u0418",
    "escrow": "gateway.updates.u0409",
    "payments": "gateway.updates.u0415",
    "reversals": "gateway.updates.u0470",
}


def update_for(kind: str) -> Update:
    """The update of a kind of file of lines."""
    return cast(Update, import_module(MODULES[kind]).UPDATE)


def is_bank_kind(kind: str) -> bool:
    """Whether a bank sends it: entries and not lines, matched to what went out."""
    return kind in BANK_KINDS
