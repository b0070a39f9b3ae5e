"""Commands about the key that account numbers are encrypted with: show, prepare, rotate."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.common import DONE, WITH_REJECTS, Session, command
from gateway.release import keys
from gateway.vault import NEXT_VARIABLE, VARIABLE

_ROLES = {
    "seals": "seals and opens", "opens": "opens; the next rotation drops it",
    "missing": "NOT HERE: what it sealed cannot be read", "unnamed": "sealed before values named their key",
}  # fmt: skip


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="The key that account numbers are encrypted with.")
    command(group, "show", example="gateway keys show")(keys_show)
    command(group, "prepare", example="gateway keys prepare")(keys_prepare)
    command(group, "rotate", example="gateway keys rotate")(keys_rotate)
    app.add_typer(group, name="keys")


def keys_show(session: Session) -> int:
    """Which keys this home has, by fingerprint, where each comes from, and how much it seals. Never shows a key."""
    found = keys.show(session.app)
    rows = [
        (key.fingerprint, key.role if session.as_json else _ROLES[key.role], key.place, key.values, key.copies)
        for key in found.keys
    ]
    session.show_rows(
        ("key", "role", "place", "values", "copies"), rows,
        extra={"rotated_at": found.rotated_at, "unfinished": found.unfinished},
    )  # fmt: skip
    if not session.as_json:
        session.show(
            {}, [f"Last rotated at {session.when(found.rotated_at)}."] if found.rotated_at else ["Never rotated."]
        )
        if found.unfinished:
            session.show({}, "A rotation is not finished: run gateway keys rotate.")
    return WITH_REJECTS if found.missing or found.unfinished else DONE


def keys_prepare(session: Session) -> None:
    """Make the next key without rotating yet: where homes share a ledger, bring it to each of them first."""
    fingerprint = keys.prepare(session.app)
    session.show(
        {"key": fingerprint},
        [
            f"The next key {fingerprint} is there, and seals from now on; the former one still opens.",
            "Homes that share this ledger need config/keys/field.key.next too, before one of them rotates.",
        ],
    )


def keys_rotate(
    session: Session,
    leave_lost: Annotated[
        bool,
        typer.Option("--leave-lost", help="Leave what a lost key sealed, or is damaged, as it is; refused otherwise."),
    ] = False,
) -> int:
    """Encrypt every account number with a new key. Safe to run again: it goes on where it was interrupted."""
    with session.progress("rotating"):
        done = keys.rotate(session.app, leave_lost=leave_lost)
    lines = [f"Sealed {done.values:,} values and {done.copies:,} copies with key {done.fingerprint}."]
    if done.finished:
        lines.append("The former key is gone from this home. A backup made before holds it, and needs it.")
    else:
        lines.append(f"Now put the key of {NEXT_VARIABLE} into {VARIABLE} everywhere, then take {NEXT_VARIABLE} away.")
        lines.append("A backup made before needs the former key: keep it with that backup.")
    session.show(
        {"key": done.fingerprint, "former": list(done.former), "values": done.values, "copies": done.copies,
         "finished": done.finished},
        lines,
    )  # fmt: skip
    return DONE if done.finished else WITH_REJECTS
