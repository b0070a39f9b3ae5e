"""From a name to the one parser that claims it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from gateway.answers.names import kinds_of
from gateway.errors import UsageError
from gateway.intake.arrival import printable
from gateway.settings import Settings, Source
from parsers.base import render_message
from parsers.names import Identified, identify


def identified(settings: Settings, name: str) -> Identified:
    """The one parser that claims ``name``. Raises UsageError when none or several do."""
    found = _claims(settings, name)
    if isinstance(found, str):
        raise UsageError(found)
    return found


def identified_file(settings: Settings, path: Path) -> Identified:
    """The same of a file that a person names. Raises UsageError for one that cannot be taken, too."""
    if not path.is_file() or path.is_symlink():
        found = (
            "a link"
            if path.is_symlink()
            else "a folder"
            if path.is_dir()
            else "no ordinary file"
            if path.exists()
            else "no such file"
        )
        raise UsageError(f"processing {path}: found {found}, expected a file to take; look at the name")
    if (why := unknown_name(settings, path.name)) is not None:
        raise UsageError(f"processing {path}: {why[:1].lower()}{why[1:]}")
    return identified(settings, path.name)


def unknown_name(settings: Settings, name: str) -> str | None:
    """Why no parser claims ``name``; None when exactly one does."""
    found = _claims(settings, name)
    return found if isinstance(found, str) else None


def other_kind(settings: Settings, source: Source, name: str) -> str | None:
    """Why a source folder does not take ``name``, which one parser claims: it is of a kind that is not among its ``kinds``."""
    if not source.kinds or identified(settings, name).kind in source.kinds:
        return None
    return render_message(
        f"{printable(name)}, a file of {identified(settings, name).kind}",
        f"only {', '.join(source.kinds)} in {source.path}",
        "ask who put it there, and have it sent to its own folder, or add its kind to the source's kinds in gateway.toml",
    )


LONGEST_NAME: Final = 200
"""Bytes; a system takes 255, and a claim, a report and a kept copy each put something before or behind it."""


def _claims(settings: Settings, name: str) -> Identified | str:
    """The one kind of a name, by the format profile or by the patterns of a bank."""
    if (length := len(os.fsencode(name))) > LONGEST_NAME:
        return render_message(
            f"a name of {length} bytes ({printable(name)[:40]}…)",
            f"at most {LONGEST_NAME}",
            "have it sent under a shorter name",
        )
    found = identify(name, [settings.inbound])
    kinds = kinds_of(settings.gateway, name)
    if not kinds:
        return found if isinstance(found, Identified) else found.message
    if isinstance(found, Identified):
        kinds = (found.kind, *kinds)
    if len(kinds) > 1:
        return render_message(
            f"the name {name}, claimed by {' and '.join(kinds)}",
            "one kind for each name",
            "correct the patterns in [banks.*] or the names table of the format profile",
        )
    return Identified(kinds[0], None, "dat")
