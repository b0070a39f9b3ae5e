"""What must hold after whatever happened."""

from __future__ import annotations

import hashlib

from sqlalchemy import text

from gateway.app import open_app
from gateway.ledger.verify import verify
from gateway.parts import verify_options
from tests.crash import picture
from tests.crash.conftest import ENDPOINTS, World

_DELIVERED = """
    SELECT d.endpoint, o.name, o.sha256 FROM delivery d JOIN outbound_file o ON o.outbound_id = d.outbound_id
    WHERE d.state = 'DELIVERED'
"""


def assert_as_undisturbed(world: World, expected: picture.Picture) -> None:
    """Ledger, folders and far side are those of a run that nothing disturbed, and the ledger's own proof holds.

    The far side saw every file that counts as delivered once, under its name, with its bytes; and nothing else.
    """
    app = open_app(world.home.root)
    try:
        found = picture.ledger(app.db) | picture.files(world.home)
        checks = verify(app.db, **verify_options(app))
        with app.db.read() as connection:
            delivered = sorted(tuple(row) for row in connection.execute(text(_DELIVERED)))
    finally:
        app.close()
    differences = picture.differences(expected, found)
    assert not differences, "\n".join(differences[:20])
    assert found["inbox"] == []
    assert [check for check in checks if not check.ok] == []
    there = [
        (name, path.name, hashlib.sha256(path.read_bytes()).hexdigest())
        for name in ENDPOINTS
        for path in (world.far_side / name).iterdir()
    ]
    assert sorted(there) == delivered
    assert sorted(name for name, _ in world.behaviour.placed) == sorted(name for _, name, _ in delivered)
