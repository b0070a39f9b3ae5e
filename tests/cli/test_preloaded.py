"""Preloaded assessments: looked at, corrected and struck out before End of Period posts them."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from gateway.ledger.database import Database
from tests.cli.conftest import Played

LINES = b"<lease>1001<assmt>LTCH<amount>2611\n<lease>1001<assmt>LEGF<amount>117\n"


@pytest.fixture
def file(own: Played) -> str:
    settings = own.root / "config" / "portfolios" / "p01.toml"
    settings.write_text('[assessments]\nposting = "end-of-period"\n' + settings.read_text())
    (own.root / "inbox" / "p1_btchassmt.dat").write_bytes(LINES)
    (done,) = own.ok("process", "--json").rows
    assert done["state"] == "STAGED"
    return str(done["id"])


def test_end_of_period_posts_it_with_its_reports(own: Played, file: str) -> None:
    assert f"STAGED p1_btchassmt.dat (#{file}): posts at End of Period; its lines: gateway files staged {file}\n" in (
        own.ok("status").out
    )
    said = own.ok("files", "correct", file, "--line", "1", "--set", "invoice=99999", "--reason", "x").out
    assert said == (
        f"Line 1 of file {file} says LTCH of 26.11 on lease 1001 now; End of Period posts it, or refuses it by the rules.\n"
    )
    day = str(own.do("status", "--json").document["portfolios"][0]["business_date"])
    assert own.do("eop", "--date", day).code == 0
    folder = own.root / "var" / "reports" / day / f"{file}-p1_btchassmt.dat"
    assert "INVOICE_UNKNOWN" in (folder / "p1_lpu0418a.rpt").read_text()
    assert "1.17" in (folder / "p1_lpu0418b.rpt").read_text()
    assert (folder / "p1_btchassmt.dat.rejects").read_bytes() == LINES.splitlines(keepends=True)[0]


def test_what_was_changed_is_what_will_post(own: Played, file: str) -> None:
    own.ok("files", "correct", file, "--line", "1", "--set", "amount=12.50", "--set", "due_date=2026-04-15",
           "--reason", "agreed")  # fmt: skip
    own.ok("files", "strike", file, "--line", "2", "--reason", "billed before")
    rows = own.ok("files", "staged", file, "--json").rows
    assert [(r["line"], r["amount"], r["due_date"], r["refused"]) for r in rows] == [
        (1, "12.50", "2026-04-15", None), (2, "1.17", None, "STAGED_DELETED"),
    ]  # fmt: skip
    own.ok(
        "files",
        "correct",
        file,
        "--line",
        "1",
        "--set",
        "due_date=",
        "--set",
        "reason=CONT",
        "--reason",
        "the next invoice",
    )
    (first, _) = own.ok("files", "staged", file, "--json").rows
    assert (first["due_date"], first["reason"]) == (None, "CONT")
    database = Database(own.url)
    with database.read() as connection:
        said = connection.execute(
            text("SELECT action, subject, reason FROM operator_event WHERE subject LIKE :f ORDER BY event_id"),
            {"f": f"file:{file}:%"},
        )
        assert [tuple(row) for row in said] == [
            ("files.correct", f"file:{file}:1", "agreed"),
            ("files.strike", f"file:{file}:2", "billed before"),
            ("files.correct", f"file:{file}:1", "the next invoice"),
        ]
    database.close()
    told = own.ok("files", "show", file).out
    assert "  corrected before posting: 1 line; received is what the file says with that\n" in told
    assert own.ok("files", "show", file, "--json").document["corrected_lines"] == 1
    assert "because agreed" in told and "because billed before" in told
    checks = own.do("verify", "--json").document["checks"]
    assert [c for c in checks if c["detail"]] == []


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("correct", "{}", "--line", "1", "--set", "colour=red", "--reason", "x"), 2, "found the field colour, expected one of lease,"),
        (("correct", "{}", "--line", "1", "--set", "amount", "--reason", "x"), 2, "found --set amount, expected FIELD=VALUE in each"),
        (("correct", "{}", "--line", "1", "--set", "amount=1e3", "--reason", "x"), 2, "amount: found '1e3', expected an amount above zero"),
        (("correct", "{}", "--line", "1", "--set", "amount=-1", "--reason", "x"), 2, "amount: found '-1', expected an amount above zero"),
        (("correct", "{}", "--line", "1", "--set", "amount=", "--reason", "x"), 2, "amount: found '', expected an amount above zero"),
        (("correct", "{}", "--line", "1", "--set", "amount=1", "--reason", " "), 2, "found no reason, expected one"),
        (("correct", "{}", "--line", "9", "--set", "amount=1", "--reason", "x"), 3, "found no staged record, expected a record that stands"),
        (("strike", "{posted}", "--line", "1", "--reason", "x"), 3, "found the file POSTED, expected it STAGED"),
        (("strike", "99", "--line", "1", "--reason", "x"), 2, "striking out line 1 of file 99: found no file 99, expected one of"),
    ],
)  # fmt: skip
def test_what_cannot_be_done(own: Played, file: str, words: tuple[str, ...], code: int, message: str) -> None:
    posted = own.ok("files", "list", "--kind", "assessments", "--state", "POSTED", "--json").rows[0]["id"]
    done = own.do("files", *(word.format(file, posted=posted) for word in words))
    assert (done.code, message in done.err) == (code, True), done.err


def test_only_assessments_are_preloaded_by_line(own: Played, file: str) -> None:
    other = next(row["id"] for row in own.ok("files", "list", "--json").rows if row["kind"] == "payments")
    done = own.do("files", "staged", str(other))
    assert (done.code, done.err) == (
        3, f"gateway: looking at preloaded lines: found file {other} with payments, expected assessments\n",
    )  # fmt: skip
