"""Every kind of reference leads to the money behind it, on both databases."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Played


@pytest.mark.parametrize(
    ("reference", "kind", "seen"),
    [
        ("1003", "lease", "p1_btchassmt.dat line 3"),
        ("20004", "invoice", "billed 1309.00, paid 500.00"),
        ("26020290000000000001", "batch", "payment 26020290000000000001"),
        ("30001", "check", "went out in P01-VACH-BANK-260303.DAT"),
        ("091000010000001", "trace number", "18,250.00"),
        ("p1_btchpmt.dat", "file", "file p1_btchpmt.dat: file_id 4, kind payments"),
        ("p1_btchassmt.dat:8", "file", "AMOUNT_PUNCTUATED"),
        ("P01-VACH-BANK-260303.DAT", "outbound file", "30001"),
        ("18250.00", "amount", "18,250.00"),
    ],
)
def test_a_reference(played: Played, reference: str, kind: str, seen: str) -> None:
    done = played.do("trace", reference, "--json")
    assert (kind, seen, done.code, [s["kind"] for s in done.document["stories"]]) == (kind, seen, 0, [kind])
    assert seen in played.ok("trace", reference).out
