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
        (
            "30001",
            "check",
            "payment of 18,250.00 for 2026-03-03 in P01-VACH-BANK-260303.DAT (#1) row 1, trace number 091000010000001",
        ),
        ("091000010000001", "trace number", "18,250.00"),
        ("p1_btchpmt.dat", "file", "file p1_btchpmt.dat: file_id 4, kind payments"),
        ("p1_btchassmt.dat:8", "file", "AMOUNT_PUNCTUATED"),
        ("P01-VACH-BANK-260303.DAT", "outbound file", "30001"),
        ("18250.00", "amount", "18,250.00"),
        ("item:2", "suspense item", "suspense item item:2: item 2, kind SUSPENSE, lease 4711"),
        ("ITEM:1", "suspense item", "REVERSAL SUSPENSE"),
        ("4711", "lease", "suspense item 2 (SUSPENSE): 120.00, open 120.00, LEASE_UNKNOWN"),
    ],
)
def test_a_reference(played: Played, reference: str, kind: str, seen: str) -> None:
    done = played.do("trace", reference, "--json")
    assert (kind, seen, done.code, [s["kind"] for s in done.document["stories"]]) == (kind, seen, 0, [kind])
    assert seen in played.ok("trace", reference).out


def test_a_batch_of_a_file_taken_back_answers_to_the_number_its_report_shows(own: Played) -> None:
    number = "26030490000100000001"
    name = "p1_btchpmt.dat"
    dropped = own.root / "inbox" / name

    def post() -> str:
        dropped.write_text(f"L1003,1234,C7,B{number}\n")
        return str(own.ok("process", "--json").rows[0]["id"])

    first = post()
    own.ok("files", "reverse", first, "--reason", "wrong lessee")
    (story,) = own.ok("trace", number, "--json").document["stories"]
    assert (story["facts"]["batch"], story["facts"]["taken_back_with_file"]) == (f"{number}~{first}", int(first))
    shown = own.ok("trace", number).out
    assert (
        f"  taken back with file {first}\n" in shown
        and f"by ABC: file {first}: wrong lessee\n" in shown
        and name in shown
    )
    post()
    stories = own.ok("trace", number, "--json").document["stories"]
    assert [s["facts"]["taken_back_with_file"] for s in stories] == [None, int(first)]


def test_an_empty_reference_is_none(played: Played) -> None:
    done = played.do("trace", " ")
    assert (done.code, done.err.startswith("gateway: trace: found an empty reference, expected")) == (2, True), done


@pytest.mark.parametrize("reference", ["4712", "item:99", "item:", "item:x"])
def test_what_names_nothing(played: Played, reference: str) -> None:
    done = played.do("trace", reference)
    assert done.code == 1 and f"Found nothing that {reference} names" in done.out
