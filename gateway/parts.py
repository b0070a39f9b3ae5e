"""Where sibling rooms meet: the functions one is handed so that it need not know the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection

from gateway.app import App
from gateway.delivery import restored as deliveries
from gateway.intake.artifacts import report_posted
from gateway.intake.processing import post_staged
from gateway.outbound import in_clear, outbox, store
from gateway.release import copies, openpgp
from gateway.release import restored as files


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


def stays(app: App) -> Callable[[Connection], Mapping[int, str]]:
    """For delivery: released files that may not leave as they are."""
    return partial(in_clear.waiting, app)


def doubts(connection: Connection, at: str) -> list[str]:
    """For a restore: doubt what may have left since the backup, so that it does not leave twice; gives it in words."""
    return [*deliveries.doubt(connection, at), *files.doubt(connection)]


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
