"""verify finds what someone changed about reversed and re-applied payments behind the gateway's back."""

from __future__ import annotations

import pytest

from gateway.ledger.database import Database
from gateway.ledger.verify import verify
from tests.ledger.test_verify import behind, failed
from tests.updates.payment_world import World

B1, B2, B3 = (f"0305080000010000000{n}" for n in (1, 2, 3))
STATES = "reversed lines were taken back"
AGAIN = "what was taken back to be re-applied was applied"


@pytest.fixture
def world(db: Database) -> World:
    """Batches 1 and 2 paid an invoice each; 1 was reversed, and 2 pays its invoice now. Batch 3 is lease 2's."""
    made = World(db)
    for lease in ("1", "2"):
        made.lease(lease)
        made.invoice(f"{lease}0", lease, "2003-03-01", ("PYMT", 200))
    made.invoice("11", "1", "2003-04-01", ("PYMT", 200))
    made.payments(f"L1,200,B{B1}", f"L1,200,B{B2}", f"L2,50,B{B3}")
    made.reversals(f"L1,200,B{B1},RNSFC")
    assert failed(verify(db)) == {}
    return made


CHANGES = [
    (f"UPDATE payment_line SET reversed_by = NULL WHERE batch = '{B1}'", {STATES}),
    (f"UPDATE payment_line SET reversed_by = 900000001 WHERE batch = '{B1}'", {STATES}),
    (f"UPDATE payment_line SET reversed_by = entry_id WHERE batch = '{B3}'", {STATES}),
    (f"UPDATE payment_batch SET state = 'REVERSED' WHERE batch = '{B3}'", {STATES}),
    ("UPDATE journal_entry SET txn = 'REVL' WHERE txn = 'REVA'", {AGAIN, "reversals are what their lines say"}),
    ("UPDATE journal_entry SET txn = 'REVA' WHERE txn = 'REVL'", {AGAIN}),
    ("UPDATE journal_entry SET source_line = 2 WHERE txn = 'REVA'", {AGAIN}),
]


@pytest.mark.parametrize(("change", "names"), CHANGES, ids=[str(n) for n in range(len(CHANGES))])
def test_every_change_behind_the_gateways_back_is_found(world: World, change: str, names: set[str]) -> None:
    behind(world.db, change)
    assert set(failed(verify(world.db))) - {"digest chain"} == names
