"""What a person types, read as the line of a file that says it: one set of rules checks both."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

from gateway.errors import UsageError
from gateway.updates.payment_rules import Record
from parsers.base import Reject, Warn
from parsers.bptmtrev import Reversal
from parsers.btchassmt import Assessment
from parsers.profile import Profile

PARTS_ITEMS: Final = {"parsers.btchpmt": ",", "parsers.bptmtrev": ",", "parsers.btchassmt": "<>"}
"""What no item of a line of these formats can hold."""
SOME_REVERSAL: Final = Reversal(1, "L", "1", 1, "26010100000100000001", None, None, None, None)
"""A line of a reversal file, for what a person types of one."""


def as_a_line(
    action: str, given: Record | Reversal | Assessment, format_: ModuleType, profile: Profile
) -> tuple[Any, ...]:
    """What was typed, read as the line of a file that says it, so that one set of rules checks both. Raises UsageError
    in the words of the reject."""
    for name, value in zip(given._fields, given, strict=True):
        parted = [character for character in PARTS_ITEMS[format_.__name__] if character in str(value or "")]
        if parted:
            raise UsageError(
                f"{action}: found {parted[0]!r} in {name.replace('_', ' ')} {value!r}, expected none there: it parts the items of "
                "a file's line, which keeps what is typed; leave it out"
            )
    line = format_.render(given, profile)
    chunks = list(format_.parse([f"{line}\n".encode()], profile=profile))
    wrong: list[Reject | Warn] = []
    for chunk in chunks:
        wrong += [*chunk.rejects, *chunk.warnings]
    if wrong:
        raise UsageError(f"{action}: found {wrong[0].found}, expected {wrong[0].expected}; correct it")
    read: tuple[Any, ...]
    (read,) = [record for chunk in chunks for record in chunk.records]
    for name, meant, heard in zip(given._fields, given, read, strict=True):
        if meant is not None and heard is None:
            raise UsageError(
                f"{action}: found an empty {name.replace('_', ' ')}, expected a value; give one or leave it out"
            )
        if str(meant or "").strip().upper() != str(heard or "").upper():
            raise UsageError(
                f"{action}: found {name} {meant!r}, which would be read as {heard!r}, expected one that a line of a file can "
                "say; correct it"
            )
    return read
