"""Plain reversals, all decided at once, come to the same as when they are decided one after the other."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any

import pytest
from sqlalchemy import text

from gateway.ledger import schema, triggers
from gateway.ledger.database import Database
from gateway.settings_portfolio import PortfolioSettings
from gateway.updates import reversal_plain, u0470
from gateway.updates.base import Outcome, PostingContext
from gateway.updates.reversal_plain import Plain
from gateway.updates.u0470 import UPDATE
from parsers import bptmtrev
from tests.updates.payment_world import INBOUND, POSTED_AT, World, _facts

ROUNDS, LEASES, LINES = 6, 12, 40
TABLES = ("posting_unit", "journal_entry", "journal_line", "unit_total", "payment_batch", "payment_line", "receivable",
          "lease", "suspense_item", "escrow_balance", "line_message")  # fmt: skip
CHARGES = ("PYMT", "LTCH", "RCR1", "RCR2", "PTAX")


class _BackError(Exception):
    """Rolls a transaction back."""


def billed(world: World, rnd: Random, turn: int) -> list[str]:
    leases = [str(1000 * turn + n) for n in range(1, LEASES + 1)]
    for n, lease in enumerate(leases):
        world.lease(lease, office=rnd.choice((1, 1, 1, 2)), accrual_method=rnd.choice((None, "OPER", "IBL")))
        for k in range(rnd.choice((1, 1, 1, 2))):
            codes = rnd.sample(CHARGES, rnd.choice((1, 1, 2)))
            world.invoice(f"{turn * 100 + n * 3 + k}", lease, f"2003-03-{k + 10}", *((c, 300) for c in codes))
    world.lease(str(1000 * turn), office=3)
    return [*leases, str(1000 * turn)]


def number(turn: int, n: int) -> str:
    return f"030508900{turn:03d}{n:08d}"


def paid(world: World, rnd: Random, turn: int, leases: list[str]) -> list[tuple[str, str, int, int]]:
    """(batch, lease, cents, check) of payments, most of them the only one of their lease."""
    found = []
    for n in range(LINES):
        lease = leases[n] if n < len(leases) else rnd.choice([*leases, "77"])
        if n >= len(leases) and rnd.random() < 0.7:
            continue
        batch = n if rnd.random() < 0.9 else max(0, n - 1)
        found.append((number(turn, batch), lease, rnd.choice((100, 100, 300, 900)), batch))
    days = {batch: rnd.randrange(1, 9) for batch, *_ in found}
    world.payments(*(f"L{lease},{cents},C{check},B{batch},E03030{days[batch]}" for batch, lease, cents, check in found))
    return found


def reversals(rnd: Random, found: list[tuple[str, str, int, int]]) -> list[str]:
    lines = []
    for batch, lease, cents, check in rnd.choices(found, k=len(found)) if rnd.random() < 0.5 else found:
        reason = rnd.choice(("", ",RNSFC", ",RNSFC", ",RSTOP", ",RTMSA", ",RTRAN", ",RUNKN", ",ROTHR"))
        named = lease if rnd.random() < 0.95 else "78"
        asked = cents if rnd.random() < 0.95 else cents + 1
        also = rnd.choice(("", "", f",C{check}", f",C{check}", ",C9999", ",E030501", ",G126"))
        lines.append(f"L{named},{asked},B{batch}{reason}{also}")
    rnd.shuffle(lines)
    return lines


def staged(world: World, lines: list[str], turn: int) -> int:
    with world.db.write() as c:
        file_id = world.db.insert_returning_id(
            c, schema.inbound_file, "file_id",
            {
                "name": "p1_reversals.dat", "kind": "reversals", "form": "dat", "portfolio": "1", "source": "inbox",
                "sha256": f"r{turn}", "bytes": 1, "state": "STAGED", "claim_name": f"r{turn}", "claimed_at": POSTED_AT,
            },
        )  # fmt: skip
        columns = [column.name for column in UPDATE.staging.columns]
        for chunk in bptmtrev.parse(["\n".join(lines).encode()], profile=INBOUND):
            assert not chunk.rejects
            world.db.bulk_insert(c, UPDATE.staging, columns, [(file_id, *r) for r in chunk.records])
        refused = [
            {
                "file_id": file_id, "line_no": line_no, "seq": 0, "severity": "R", "code": "LINE_REPEATED", "found": "x",
                "expected": "x", "action": "x", "amount_cents": 1,
            }
            for line_no in range(3, len(lines) + 1, 7)
        ]  # fmt: skip
        c.execute(schema.line_message.insert(), refused)
    return file_id


def picture(world: World, file_id: int, *, keep: bool) -> tuple[Outcome, dict[str, list[Any]], list[Any]]:
    """What posting a staged file comes to: its outcome, the ledger, and report B."""
    with suppress(_BackError), world.db.write() as c:
        for table, key in (("posting_unit", "unit_id"), ("suspense_item", "item")):
            triggers.follow_numbers(world.db, c, table, key)
        context = PostingContext(world.db, c, world.settings, _facts(file_id, "reversals", "1"), "JS2", POSTED_AT)
        outcome = UPDATE.post(context)
        context.close_units()
        rows = {
            name: sorted((tuple(row) for row in c.execute(text(f"SELECT * FROM {name}"))), key=repr) for name in TABLES
        }
        report = [tuple(row) for row in UPDATE.audit_rows(c, file_id)]
        if not keep:
            raise _BackError
    return outcome, rows, report


@pytest.mark.parametrize("settings", [{}, {"nsf_fee_code": "LTCH", "nsf_fee": "25.00"}, {"bank": {"N": "127"}}])
def test_both_ways_come_to_the_same(db: Database, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(u0470, "CHUNK_LINES", 9)
    world = World(db, portfolios={"1": PortfolioSettings.model_validate({"reversals": settings})})
    world.lease("9", office=1)
    world.payments("L9,100,C1")  # an item, so that items are numbered on from it
    find, seen = reversal_plain.find, Counter[str]()

    def none(posting: Any, chunk: Any) -> Plain:
        find(posting, chunk)
        posting.connection.execute(text("DELETE FROM reversal_plain"))
        return Plain()

    def counted(posting: Any, chunk: Any) -> Plain:
        plain = find(posting, chunk)
        seen["plain"] += len(plain.records)
        return plain

    for turn in range(1, ROUNDS + 1):
        rnd = Random(turn)
        found = paid(world, rnd, turn, billed(world, rnd, turn))
        lines = reversals(rnd, found)
        file_id = staged(world, lines, turn)
        seen["all"] += len(lines)
        monkeypatch.setattr(reversal_plain, "find", none)
        one_by_one = picture(world, file_id, keep=False)
        monkeypatch.setattr(reversal_plain, "find", counted)
        assert picture(world, file_id, keep=True) == one_by_one
        world.check_subledgers()
    assert seen["all"] / 10 < seen["plain"] < seen["all"] / 2 if "bank" not in settings else seen["plain"]


def test_a_plain_record_is_one_entry_between_those_of_others(db: Database) -> None:
    """Entries rise with the records, whichever way these were decided."""
    world = World(db)
    for n in (1, 2, 3):
        world.lease(str(n))
        world.invoice(str(n), str(n), "2003-03-10", ("PYMT", 300))
    world.payments(*(f"L{n},300,C{n},B{number(1, n)}" for n in (1, 2, 3)))
    file_id, outcome = world.reversals(
        f"L1,300,B{number(1, 1)},RNSFC", f"L2,100,B{number(1, 2)},RNSFC", f"L3,300,B{number(1, 3)},RNSFC"
    )
    assert (outcome.posted, outcome.suspended) == (2, 1)
    txns = [(line, txn, side) for line, txn, _, _, side, *_ in world.legs(file_id)]
    assert txns == [
        (1, "REVL", "C"),
        (1, "REVL", "D"),
        (2, "RSUS", "D"),
        (2, "RSUS", "C"),
        (3, "REVL", "C"),
        (3, "REVL", "D"),
    ]
    world.check_subledgers()


def test_of_one_charge_on_two_assets_the_one_that_was_paid_is_owed_again(db: Database) -> None:
    world = World(db)
    world.lease("1")
    world.invoice("1", "1", "2003-03-10", ("PYMT", 300))
    with db.write() as connection:
        other = {"invoice": "1", "charge": "PYMT", "asset": "A2", "position": 2, "billed_cents": 300, "paid_cents": 0}
        connection.execute(schema.receivable.insert().values(other))
    paid = "SELECT asset, paid_cents FROM receivable ORDER BY asset"
    world.payments(f"L1,300,C1,B{number(1, 1)},E030501", f"L1,50,C2,B{number(1, 2)},E030502")
    assert world.rows(paid) == [("", 300), ("A2", 50)]
    file_id, _ = world.reversals(f"L1,50,B{number(1, 2)},RNSFC")
    assert world.rows(paid) == [("", 300), ("A2", 0)]
    assert [(side, cents) for _, _, _, _, side, *_, cents in world.legs(file_id)] == [("C", 50), ("D", 50)]
