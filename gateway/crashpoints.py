"""The durable steps of the gateway, by name, in the order in which a file meets them.

A test kills the real process (SIGKILL) at each of these and restarts it: nothing may be lost, doubled,
half-posted or sent twice. A new durable step joins by adding its name here and calling ``reached`` there;
the test reads this list, so a step cannot be forgotten by it. In production ``reached`` does nothing.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from typing import Final


class Step(StrEnum):
    CLAIM_RENAMED = "claim.renamed"
    CLAIM_ARCHIVED = "claim.archived"
    CLAIM_RECORDED = "claim.recorded"
    CLAIM_UNLINKED = "claim.unlinked"
    STAGED = "post.staged"
    POSTED_UNCOMMITTED = "post.uncommitted"
    POSTED = "post.committed"
    REPORTED = "post.reported"
    ARCHIVED_RECORDS = "post.archived"
    MODULE_STARTED = "eop.module-started"
    MODULE_DONE = "eop.module-done"
    BUILT_UNCOMMITTED = "build.uncommitted"
    BUILT = "build.committed"
    RENDERED = "build.rendered"
    APPROVED = "release.approved"
    DELIVERY_STARTED = "deliver.started"
    UPLOADED = "deliver.uploaded"
    RENAMED_AT_TARGET = "deliver.renamed"
    DELIVERED = "deliver.recorded"
    PUT_AWAY = "deliver.put-away"
    KEY_WRITTEN = "keys.next-written"
    KEYS_CHANGED = "keys.values-sealed"
    COPIES_CHANGED = "keys.copies-sealed"
    KEY_ADOPTED = "keys.adopted"


VARIABLE: Final = "GATEWAY_KILL_AT"
"""``NAME`` or ``NAME:2`` (the second time the step is reached)."""

_seen: dict[str, int] = {}


def reached(step: Step) -> None:
    """Called after the named step became durable (or is about to, where the name says so)."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    name, _, count = wanted.partition(":")
    if name != step.value:
        return
    _seen[name] = _seen.get(name, 0) + 1
    if _seen[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
