"""Commands that take a file in hand: process, check, explain."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gateway.answers.names import ANSWERS
from gateway.answers.names import KINDS as BANK_KINDS
from gateway.cli.common import DONE, WITH_REJECTS, Session, command, table
from gateway.cli.files import (
    SEVERITY,
    file_document,
    left_by,
    line_counts,
    not_reported_document,
    not_reported_page,
    processed,
    processed_document,
)
from gateway.cli.moves import moves_document, moves_page, open_document
from gateway.cli.written import counted
from gateway.console.inbox import Left, left_in_place
from gateway.errors import Refused, UsageError
from gateway.home import Home
from gateway.intake import checking
from gateway.intake.identify import identified, unknown_name
from gateway.intake.service import Intake
from gateway.intake.states import FileState
from gateway.money import from_cents, shown
from gateway.sealed_files import is_sealed
from gateway.settings import Settings
from gateway.settings_reading import load_settings
from parsers.avro_container import MAGIC
from parsers.explain import OUTSIDE
from parsers.explain import explain as explain_file
from parsers.explain_avro import explain_avro
from parsers.explain_views import Explanation
from parsers.nacha_classes import transaction_words
from parsers.nacha_direction import Direction, direction
from parsers.nacha_lines import HEAD, PIECE, is_nacha
from parsers.nacha_lines import records as records_of
from parsers.nacha_reasons import reason
from parsers.profile import DEFAULT
from parsers.xsellerator_profile import DEFAULT as XSELLERATOR

_REASONS: Final = {
    "return_code": "", "change_code": "", "refused_change_code": "", "return_reason": "R", "dishonored_reason": "R",
}  # fmt: skip
"""Fields that hold the code of a return or change, and what is left out of it there."""


def register(app: typer.Typer) -> None:
    command(app, "process", example="gateway process")(process)
    command(app, "check", example="gateway check p1_btchassmt.dat")(check)
    command(app, "explain", example="gateway explain outbox/P01-VACH-BANK-260303.DAT")(explain)


def process(
    session: Session,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="These files; the inbox otherwise.")
    ] = None,
) -> int:
    """Take what is in the inbox (or these files) now, post it, report it, and end."""
    session.app.operator.require("post", "processing files")
    with session.progress("processing") as progress, closing(Intake(session.app)) as intake:
        done = intake.process_now(paths or None, progress=lambda _name, read, size: progress(read, size))
        not_reported = dict(sorted(intake.not_reported.items()))
    rows = [p.file for p in done]
    left, suspended = [] if paths else left_in_place(session.app), left_by(session, rows)
    document = {"rows": [processed_document(f, suspended) for f in rows], "left": [asdict(x) for x in left]}
    document |= not_reported_document(not_reported)
    session.show(document, [*processed(rows, suspended), *_left(left), *not_reported_page(not_reported)])
    clean = all(p.clean for p in done) and not any(x.wants_person for x in left) and not not_reported
    return DONE if clean else WITH_REJECTS


def _left(left: list[Left]) -> Iterator[str]:
    for x in left:
        yield f"LEFT IN {x.source}, {x.name}: {x.message}"


_ALONE: Final = (
    "Each file was tried alone against today's ledger: what one of them would post, the next one does not see."
)


def check(
    session: Session,
    paths: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files to try, wherever they lie.")],
) -> int:
    """Try files without effect, each alone: rejects, what would post, and the difference to the last file of the kind; of
    reversals every batch that would be reversed and re-applied, and what would be left open. A bank or scratch file is read
    and validated. Whether a NACHA file is for a bank or a bank's answers is told by its content; which, is said."""
    documents: list[dict[str, Any]] = []
    lines: list[str] = []
    clean = True
    for path in paths:
        if not path.is_file():
            found = "a folder" if path.is_dir() else "no such file"
            raise UsageError(f"check {path}: found {found}, expected a file to read; name the file")
        outside = _outside(path, session.app.settings)
        if outside is not None:
            clean = clean and not _is_wrong(outside[0])
            documents.append(_outside_document(path, *outside))
            lines += [
                *_outside_page(path, *outside, in_inbox=unknown_name(session.app.settings, path.name) is None),
                "",
            ]
            continue
        if why := unknown_name(session.app.settings, path.name):
            raise UsageError(f"check {path}: {why[:1].lower()}{why[1:]}")
        with session.progress(f"checking {path.name}"):
            result = checking.check(session.app, path)
        clean = clean and not result.holds and not result.file.rejects
        documents.append(_check_document(result))
        lines += [*_check_page(path, result), ""]
    alone = [*lines[-1:], _ALONE] if len(paths) > 1 else []
    session.show({"rows": documents}, [*lines[:-1], *alone])
    return DONE if clean else WITH_REJECTS


def _outside(path: Path, settings: Settings) -> tuple[Explanation, Direction | None] | None:
    """What is found in a file that is exchanged with others, and which way a NACHA file goes; None for one that the intake
    takes, which tries it, and for one that nobody knows. A bank file of ours may have the name of a bank's answers."""
    told = _direction(path, settings)
    named = None if unknown_name(settings, path.name) is not None else identified(settings, path.name).kind
    if named is not None and not (named == ANSWERS and told is not None and told.to_bank):
        return None
    found = _explanation(path, 0, settings)
    return (found, told) if found.kind in OUTSIDE else None


def _direction(path: Path, settings: Settings) -> Direction | None:
    """Which way a file goes; None of one that is not NACHA's, or encrypted."""
    with path.open("rb") as file:
        if is_sealed(path) or not is_nacha(file.read(HEAD)):
            return None
        file.seek(0)
        banks = settings.gateway.banks.values()
        return direction(
            records_of(iter(lambda: file.read(PIECE), b"")),
            ours={bank.immediate_origin.strip() for bank in banks},
            banks={(bank.immediate_destination or bank.routing_number).strip() for bank in banks},
        )


def _explanation(path: Path, records: int, settings: Settings | None) -> Explanation:
    """The file by the tables of the home, whose files it may be; by the built-in ones outside of any."""
    from gateway.calendar import operator_settles

    if is_sealed(path):
        raise Refused(
            f"reading {path}: found it encrypted with the key of its home, expected a file in clear: write one from outbox/ with "
            "gateway outbound export ID TARGET --reason WHY, one that was received with gateway files export ID TARGET "
            "--reason WHY, and look at that"
        )
    profile = DEFAULT if settings is None else settings.inbound
    with path.open("rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            file.seek(0)
            return explain_avro(file, path.name, profile=profile, limit=records)
    return explain_file(
        path.read_bytes(),
        path.name,
        profile=profile,
        xsel_profile=XSELLERATOR if settings is None else settings.xsellerator,
        limit=records,
        banking_day=operator_settles,
    )


def _is_wrong(found: Explanation) -> bool:
    return any(not problem.is_warning for problem in found.problems)


def _problems(found: Explanation) -> list[dict[str, Any]]:
    return [
        {"line": p.line_no, "field": p.field, "code": p.code, "message": p.message, "warning": p.is_warning}
        for p in found.problems
    ]


def _outside_document(path: Path, found: Explanation, told: Direction | None) -> dict[str, Any]:
    shown_of = _problems(found)[: checking.MESSAGES]
    return {
        "name": path.name, "kind": found.kind, "problems": shown_of, "problem_count": len(found.problems),
        "to_bank": told and told.to_bank, "told_by": told and told.why,
    }  # fmt: skip


def _outside_page(path: Path, found: Explanation, told: Direction | None, *, in_inbox: bool) -> Iterator[str]:
    way = "" if told is None else " as a file for a bank" if told.to_bank else " as a bank's answers"
    yield f"{path.name}: {found.kind.replace('_', ' ')}; read and validated{way}"
    if told is not None:
        yield f"  Taken for that because {told.why}."
        if in_inbox:
            yield "  Its name is one of a bank's answers: in inbox/ it would be taken for those. Name it otherwise."
        elif not told.to_bank:
            yield "  To try what it would do, give it a name of a bank's answers, as [banks.*] of gateway.toml has them."
    yield from _problem_lines(found, checking.MESSAGES)


def _problem_lines(found: Explanation, most: int | None = None) -> Iterator[str]:
    """What is wrong, warnings told apart, and how many there are."""
    for p in found.problems[:most]:
        yield f"  line {p.line_no} {p.field} {'WARNING ' if p.is_warning else ''}{p.code}: {p.message}"
    if most is not None and len(found.problems) > most:
        yield f"  … and {len(found.problems) - most:,} more"
    if not found.problems:
        yield "The reader finds nothing wrong with it."


def _check_document(result: checking.CheckResult) -> dict[str, Any]:
    last = result.last
    return file_document(result.file) | {
        "id": None,
        "would_hold": [{"code": code, "text": why} for code, why in result.holds],
        "messages": [
            {"line": m.line_no, "severity": m.severity, "code": m.code, "message": m.text,
             "amount": None if m.amount_cents is None else from_cents(m.amount_cents)}
            for m in result.messages
        ],
        "message_count": result.message_count,
        "would_move": moves_document(result.moves),
        "would_move_count": result.move_count,
        "would_leave_open": open_document(result.left_open),
        "last_of_kind": last and {
            "id": last.file_id, "name": last.name, "business_date": last.business_date, "lines": last.lines,
            "amount": from_cents(last.amount_cents), "shared_lines": last.shared_lines,
        },
    }  # fmt: skip


def _check_page(path: Path, result: checking.CheckResult) -> Iterator[str]:
    file = result.file
    yield f"{path.name}: {file.kind}; tried without effect"
    if file.lines is not None:
        yield f"  lines     {line_counts(file)}"
    money = (("received", file.amount_cents), ("would post", file.posted_cents), ("suspend", file.suspended_cents),
             ("reject", file.rejected_cents))  # fmt: skip
    yield from (f"  {name:<10} {shown(cents)}" for name, cents in money if cents is not None)
    yield from (f"  WOULD BE HELD, {code}: {why}" for code, why in result.holds)
    if file.state is FileState.EMPTY:
        yield f"  {file.state}: it has no line to post, and is taken as such"
    if not result.holds and file.hold_text:
        yield f"  {file.state}: {file.hold_text}"
    yield from (f"  line {m.line_no}: {SEVERITY[m.severity]} {m.code}: {m.text}" for m in result.messages)
    if result.message_count > len(result.messages):
        yield f"  … and {result.message_count - len(result.messages):,} messages more"
    yield from moves_page(result.moves, result.left_open, would=True)
    if result.move_count > len(result.moves):
        yield f"  … and {result.move_count - len(result.moves):,} batches more"
    if file.kind in BANK_KINDS:  # its entries are compared with all that came before, not with one file
        return
    if result.last is None:
        yield "  It is the first file of its kind."
    else:
        last = result.last
        yield (
            f"  The last of its kind, {last.name} of {last.business_date}, had {last.lines:,} lines and "
            f"{shown(last.amount_cents)}; {last.shared_lines:,} lines are the same."
        )


def explain(
    session: Session,
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="A NACHA, DSGL, DSPP, Xsellerator or inbound file, text or Avro.")
    ],
    records: Annotated[int, typer.Option("--records", min=1, help="Show at most so many records.")] = 50,
) -> int:
    """Show a file field by field, with everything its reader finds wrong. Account numbers by their last four. In a home its
    format profiles count; elsewhere the built-in tables."""
    home = Home(session.home.resolve())
    settings = load_settings(home) if home.settings_file.is_file() else None
    try:
        found = _explanation(path, records, settings)
    except OSError as error:
        there = "a folder" if path.is_dir() else "no such file" if not path.exists() else error.strerror
        raise UsageError(f"explain {path}: found {there}, expected a file to read; name the file") from error
    session.show(
        {
            "kind": found.kind,
            "schema": found.schema,
            "records": [
                {"line": r.line_no, "record": r.name,
                 "fields": [{"first": f.first, "last": f.last, "name": f.name, "raw": f.raw, "value": f.value,
                             "error": f.error} for f in r.fields]}
                for r in found.records
            ],
            "problems": _problems(found),
        },
        _explained(path, found, records),
    )  # fmt: skip
    return WITH_REJECTS if _is_wrong(found) else DONE


def _explained(path: Path, found: Explanation, limit: int) -> Iterator[str]:
    yield f"{path.name}: {found.kind.replace('_', ' ')}" + (f", Avro of schema {found.schema}" if found.schema else "")
    for record in found.records:
        yield ""
        yield f"{'record' if found.schema else 'line'} {record.line_no}: {record.name}" + (
            "" if record.fields else ", no field of it can be read"
        )
        rows = [
            (
                f"{f.first}-{f.last}" if f.first else "",
                f.name.removesuffix("_cents"),
                f.raw,
                _meaning(f.name, f.raw, f.value),
            )
            for f in record.fields
        ]
        yield from (f"  {line}" for line in list(table(("at", "field", "as written", "means"), rows))[2:])
        yield from (f"  WRONG {f.name}: {f.error}" for f in record.fields if f.error)
    if len(found.records) == limit:
        yield ""
        yield f"The first {'record is' if limit == 1 else f'{limit} records are'} shown; --records N shows more."
    yield ""
    wrong = sum(not problem.is_warning for problem in found.problems)
    warnings = len(found.problems) - wrong
    counts = [counted(n, word) for n, word in ((wrong, "problem"), (warnings, "warning")) if n]
    if counts:
        yield " and ".join(counts) + ":"
    yield from _problem_lines(found)


def _meaning(name: str, raw: str, value: Any) -> str:
    """What the reader makes of a field, where that is not plain to see."""
    if name.endswith("_cents") and isinstance(value, int):
        return shown(value)
    if name == "transaction_code" and isinstance(value, str):
        return transaction_words(value) or ""
    if name in _REASONS and isinstance(value, str) and (words := reason(_REASONS[name] + value)):
        return words
    return "" if value is None or str(value) == raw.strip() else str(value)
