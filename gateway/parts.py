"""Where sibling rooms meet: the functions one is handed so that it need not know the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gateway.app import App
from gateway.intake.artifacts import report_posted
from gateway.intake.processing import post_staged
from gateway.outbound import outbox, store
from gateway.release import copies, openpgp


def poster(app: App) -> Callable[[int], str]:
    """For End of Period: post one preloaded file with its reports, give the state it is in afterwards."""

    def post(file_id: int) -> str:
        state = str(post_staged(app, file_id).file.state)
        report_posted(app, file_id)
        return state

    return post


def renderer(app: App) -> Callable[[int], Iterable[bytes]]:
    """For delivery: the bytes that leave, from frozen rows or as the message that was kept."""

    def render(outbound_id: int) -> Iterable[bytes]:
        return (openpgp.leaving(app, outbound_id),)

    return render


def verify_options(app: App) -> dict[str, Any]:
    """For verify: what it needs beside the ledger."""
    return {
        "archive": app.home.archive,
        "vault": app.vault,
        "render": lambda outbound_id: store.render(app, outbound_id),
        "outbox": lambda: [
            *outbox.strange_copies(app),
            *outbox.strangers(app),
            *copies.strange(app),
            *openpgp.strange(app),
        ],
        "keys": lambda: app.vault.ids,
    }
