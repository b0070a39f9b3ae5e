"""Commands about what the bank answered: list, show, refuse, clear."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer

from gateway.answers import lists
from gateway.cli.common import (
    DONE,
    WITH_REJECTS,
    Reason,
    Session,
    command,
)
from gateway.money import from_cents

AnswerKey = Annotated[str, typer.Argument(metavar="FILE/NUMBER", help="As `gateway answers list` shows it: 12/3.")]


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="What the bank answered: returns, changes, acknowledgements.")
    command(group, "list", example="gateway answers list --state UNMATCHED")(answers_list)
    command(group, "show", example="gateway answers show 12/3")(answers_show)
    command(group, "clear", example='gateway answers clear 12/3 --reason "bank says it is another company\'s"')(
        answers_clear
    )
    command(
        group, "refuse", example='gateway answers refuse 12/3 --code C65 --reason "no account number in it"'
    )(answers_refuse)  # fmt: skip
    app.add_typer(group, name="answers")


def answers_list(
    session: Session,
    state: Annotated[
        Literal["DONE", "REPEATED", "UNMATCHED", "CLEARED"] | None,
        typer.Option("--state", help="Only this state; UNMATCHED waits for a person.", case_sensitive=False),
    ] = None,
    file_id: Annotated[int | None, typer.Option("--file", help="Only of this file, by its number.")] = None,
    vendor: Annotated[str | None, typer.Option("--vendor", help="Only about this vendor.")] = None,
) -> int:
    """Every answer of the bank: what it is about and what was done. Ends with 1 while one of them waits for a person."""
    with session.app.db.read() as connection:
        rows = lists.listing(connection, state=state, file_id=file_id, vendor=vendor and vendor.upper())
    session.show_rows(
        lists.LIST_COLUMNS,
        rows,
        money=lists.MONEY_COLUMNS,
        empty="Nothing found." if state or file_id or vendor else "No answer of a bank.",
    )
    at = lists.LIST_COLUMNS.index("state")
    return WITH_REJECTS if any(row[at] == "UNMATCHED" for row in rows) else DONE


def answers_show(session: Session, answer: AnswerKey) -> None:
    """One answer with all it says; account numbers by their last four."""
    found = lists.show(session.app, lists.parse_key(answer))
    document = found | {"amount": None if found["amount"] is None else from_cents(found["amount"])}
    session.show(document, _page(document | {"cleared_at": session.when(document["cleared_at"])}))


def _page(found: dict[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in found.items():
        if isinstance(value, dict):
            yield f"{indent}{key.replace('_', ' ')}"
            yield from _page(value, indent + "  ")
        elif value not in (None, ""):
            shown = from_cents(value) if key.endswith("_cents") else value
            yield f"{indent}{key.removesuffix('_cents').replace('_', ' '):<{24 - len(indent)}}{shown}"


def answers_clear(
    session: Session,
    answer: AnswerKey,
    reason: Reason,
    taken: Annotated[
        bool, typer.Option("--taken", help="Of a refusal: the bank took the file after all.", show_default=False)
    ] = False,
    refused: Annotated[
        bool,
        typer.Option(
            "--refused",
            help="Of a word about a file that left it open: the bank pays nothing of it.",
            show_default=False,
        ),
    ] = False,
) -> None:
    """Say what was done about an answer that waited for a person: it is off the list, the reason stays. A file that the bank
    refused is called back instead."""
    key = lists.parse_key(answer)
    lists.clear(session.app, key, reason=reason, taken=taken, refused=refused)
    if refused:
        session.show(
            {"answer": answer, "state": "UNMATCHED", "code": "REFUSED"},
            f"Answer {answer} is a refusal now; a second person calls its file back: see gateway answers show {answer}",
        )
        return
    session.show({"answer": answer, "state": "CLEARED"}, f"Answer {answer} is cleared.")


def answers_refuse(
    session: Session,
    answer: AnswerKey,
    code: Annotated[
        str, typer.Option("--code", metavar="C61..C69", help="Why, as banks tell each other.", parser=str.upper)
    ],
    reason: Reason,
) -> None:
    """Send a notification of change back to its bank: the change it proposed is refused, and a file of the refusal waits
    in the outbox for release."""
    from gateway.release.build import build
    from gateway.vendor_ach.refused_changes import portfolio_of

    file_id, number = lists.parse_key(answer)
    with session.app.db.read() as connection:
        portfolio = portfolio_of(connection, file_id, number)
    (file,) = build(
        session.app, "VACH-REFUSED-NOC", portfolio, file_id=file_id, number=number, code=code, reason=reason
    ).files
    session.show(
        {"answer": answer, "code": code, "outbound": file.outbound_id, "name": file.name, "sha256": file.sha256,
         "state": str(file.state)},
        f"Answer {answer} is refused with {code}: {file.name} (#{file.outbound_id}) {file.state}; see gateway outbound show "
        f"{file.outbound_id}",
    )  # fmt: skip
