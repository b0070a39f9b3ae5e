"""What a look at the far side proves about an unknown delivery.

The deciding is a plain function of what was seen. The proof of *not delivered* is that we removed the temporary file
ourselves and the target is still absent afterwards: a temporary name never recurs, so no rename that is still on its
way can place the file any more. The proof of *delivered* is the target with the right size, and the right SHA-256
where the far side lets us read.
"""

from __future__ import annotations

import hashlib
import posixpath
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from gateway.delivery.sftp import SftpSession
from gateway.delivery.sftp_wire import Open, SftpRefusalError


class Sight(StrEnum):
    ABSENT = "absent"
    PRESENT = "present"
    HIDDEN = "hidden"  # the far side does not let us look


@dataclass(frozen=True, slots=True)
class Seen:
    sight: Sight
    size: int | None = None


class Verdict(StrEnum):
    DELIVERED = "delivered"
    NOT_DELIVERED = "not delivered"
    REMOVE_TEMPORARY = "remove the temporary file, then look again"
    GONE = "target and temporary file both gone"
    NO_FOLDER = "the folder itself is not there"
    DIFFERENT = "the target is another file"
    UNDECIDED = "the far side does not let us look"


def decide_probe(
    *,
    target: Seen,
    temporary: Seen,
    expected_size: int,
    expected_sha256: str,
    read_back_sha256: str | None = None,
    removed: bool = False,
) -> Verdict:
    """The verdict on what was seen. ``removed``: we removed the temporary file before we looked at the target.

    ``read_back_sha256`` is None where reading is not allowed: then the size alone decides.
    """
    if target.sight is Sight.PRESENT:
        if target.size is not None and target.size != expected_size:
            return Verdict.DIFFERENT
        if read_back_sha256 is not None and read_back_sha256 != expected_sha256:
            return Verdict.DIFFERENT
        if target.size is None and read_back_sha256 is None:
            return Verdict.UNDECIDED
        return Verdict.DELIVERED
    if target.sight is Sight.HIDDEN:
        return Verdict.UNDECIDED
    if removed:
        return Verdict.NOT_DELIVERED
    if temporary.sight is Sight.PRESENT:
        return Verdict.REMOVE_TEMPORARY
    return Verdict.GONE if temporary.sight is Sight.ABSENT else Verdict.UNDECIDED


@dataclass(frozen=True, slots=True)
class Probe:
    """A verdict with what it rests on."""

    verdict: Verdict
    target: Seen
    read_back: Literal["full", "size", "none"]
    sha256: str | None
    detail: str


def look(session: SftpSession, path: str) -> Seen:
    try:
        seen = session.attributes(session.stat(path))
    except SftpRefusalError as refusal:
        return Seen(Sight.ABSENT if refusal.absent else Sight.HIDDEN)
    return Seen(Sight.PRESENT, seen.size)


def remove(session: SftpSession, path: str) -> bool:
    """True if this call removed the file."""
    try:
        session.done(session.remove(path))
    except SftpRefusalError:
        return False
    return True


def sha256_of(session: SftpSession, path: str, size: int) -> str | None:
    """SHA-256 of a file at the far side; None where it may not be read."""
    try:
        handle = session.handle(session.open(path, Open.READ))
    except SftpRefusalError:
        return None
    digest = hashlib.sha256()
    try:
        for block in session.read_all(handle, size):
            digest.update(block)
    except SftpRefusalError:
        return None
    finally:
        session.close_handle(handle)
    return digest.hexdigest()


def probe(
    session: SftpSession,
    *,
    target: str,
    temporary: str,
    expected_size: int,
    expected_sha256: str,
    read_back: Literal["full", "size", "none"],
) -> Probe:
    """Look at the far side until the verdict stands. Removes the temporary file where that is the proof."""
    removed = False
    seen_temporary = look(session, temporary)
    while True:
        seen = look(session, target)
        sha256 = None
        if seen.sight is Sight.PRESENT and read_back == "full" and seen.size in (None, expected_size):
            sha256 = sha256_of(session, target, expected_size)
        verdict = decide_probe(
            target=seen,
            temporary=seen_temporary,
            expected_size=expected_size,
            expected_sha256=expected_sha256,
            read_back_sha256=sha256,
            removed=removed,
        )
        if verdict is not Verdict.REMOVE_TEMPORARY:
            break
        removed = remove(session, temporary)
        if not removed:
            seen_temporary = look(session, temporary)
            if seen_temporary.sight is Sight.PRESENT:  # it may not be removed, so it may still be placed
                verdict = Verdict.UNDECIDED
                break
    if verdict is Verdict.GONE and not all(_is_folder(session, path) for path in (target, temporary)):
        verdict = Verdict.NO_FOLDER  # what is in a folder that is away for now may be there when it is back
    if verdict is Verdict.DELIVERED and seen_temporary.sight is Sight.PRESENT and not removed:
        remove(session, temporary)  # the far side stopped between its two halves of a rename
    how: Literal["full", "size", "none"] = "full" if sha256 else "size" if seen.size is not None else "none"
    return Probe(verdict, seen, how, sha256, _words(verdict, seen, expected_size))


def _is_folder(session: SftpSession, path: str) -> bool:
    """False where the far side says that the folder of this file is absent, as one that is no longer mounted is."""
    return look(session, posixpath.dirname(path) or ".").sight is not Sight.ABSENT


def _words(verdict: Verdict, seen: Seen, expected_size: int) -> str:
    if verdict is Verdict.DIFFERENT:
        return (
            f"found a file of {seen.size} bytes under the name, expected ours of {expected_size}: ask the receiver, "
            "then settle with gateway deliver resolve DELIVERY --as WHAT --reason WHY"
        )
    if verdict is Verdict.GONE:
        return (
            "found neither the file nor its temporary name, expected one of them: the receiver may have collected it; "
            "ask the receiver, then settle with gateway deliver resolve DELIVERY --as WHAT --reason WHY"
        )
    if verdict is Verdict.NO_FOLDER:
        return (
            "found no folder there, expected the one of the settings: it is looked at again; ask the receiver where it is, and only if "
            "it does not come back settle with gateway deliver resolve DELIVERY --as WHAT --reason WHY"
        )
    if verdict is Verdict.UNDECIDED:
        return "the far side does not let us look, so it is not known whether the file is there: ask the receiver"
    return f"looked at the far side: {verdict.value}"
