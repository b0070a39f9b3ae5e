"""Format profiles: the default equals the shipped file, overrides take effect, mistakes come all at once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from parsers import bptmtrev, btchassmt, btchescr
from parsers.profile import DEFAULT, KINDS, Profile, ProfileError, profile_from_mapping

SHIPPED = Path(__file__).parents[2] / "config" / "formats" / "inbound.toml"


def test_the_shipped_file_changes_nothing() -> None:
    mapping = tomllib.loads(SHIPPED.read_text(encoding="ascii"))
    assert profile_from_mapping(DEFAULT, mapping) == DEFAULT


def test_the_shipped_file_shows_every_key_with_its_default() -> None:
    text = re.sub(r"(?m)^#(?=[a-z])", "", SHIPPED.read_text(encoding="ascii"))
    mapping = tomllib.loads(text)
    assert profile_from_mapping(Profile(), mapping) == DEFAULT
    assert mapping == _as_mapping(DEFAULT)


def _as_mapping(table: object) -> object:
    names = getattr(table, "__dataclass_fields__", None)
    if names is None:
        return list(table) if isinstance(table, tuple) else table
    return {name: _as_mapping(getattr(table, name)) for name in names}


def test_a_site_may_change_tags_order_and_letters() -> None:
    profile = profile_from_mapping(
        DEFAULT,
        {
            "date_pivot": 50,
            "assessments": {
                "order": [
                    *("amount", "code", "lease", "asset", "invoice", "due_date"),
                    *("ptcode", "fhcode", "liendate", "reason"),
                ],
                "tags": {"amount": "<AMT>"},
                "separators": [],
            },
            "reversals": {"letters": {"batch": "X"}},
            "escrow": {"order": [*DEFAULT.escrow.order[1:], "lease"]},
        },
    )
    line = b"<AMT>2500<assmt>LTCH<lease>1<duedate>600101\n"
    [chunk] = btchassmt.parse([line, b"<AMT>2500,<assmt>LTCH<lease>2\n"], profile=profile)
    assert chunk.records[0][1:7] == ("1", None, None, "1960-01-01", "LTCH", 2500)
    assert btchassmt.render(chunk.records[0], profile).encode() + b"\n" == line
    assert [reject.code for reject in chunk.rejects] == ["AMOUNT_PUNCTUATED"]
    [chunk] = bptmtrev.parse([b"L1,20000,X03030890000100000001\n"], profile=profile)
    assert chunk.records[0][4] == "03030890000100000001"
    [chunk] = btchescr.parse([b"970104,500,1,A,B,,C,NV,89501,,79,,50\n"], profile=profile)
    assert chunk.records[0][1:4] == ("50", "1997-01-04", 500)
    # 12 values whose last is still the lease
    [chunk] = btchescr.parse([b"970104,500,1,A,B,C,NV,89501,,79,,50\n"], profile=profile)
    assert chunk.records[0][1] == "50"


@pytest.mark.parametrize(
    ("separators", "line", "good"),
    [
        ([","], b"<lease>1,<assmt>LTCH,<amount>5", True),
        ([","], b"<lease>1<assmt>LTCH<amount>5", True),
        ([" "], b"<lease>1  <assmt>LTCH <amount>5", True),
        ([" "], b"<lease>1,<assmt>LTCH<amount>5", False),
        ([], b"<lease>1,<assmt>LTCH<amount>5", False),
        ([",", " "], b"<lease>1 , <assmt>LTCH<amount>5", True),
        ([",", " "], b"<lease>1,,<assmt>LTCH<amount>5", False),
    ],
)
def test_separators(separators: list[str], line: bytes, good: bool) -> None:
    profile = profile_from_mapping(DEFAULT, {"assessments": {"separators": separators}})
    [chunk] = btchassmt.parse([line + b"\n"], profile=profile)
    assert bool(chunk.records) == good


def test_all_mistakes_at_once() -> None:
    with pytest.raises(ProfileError) as caught:
        profile_from_mapping(
            DEFAULT,
            {
                "pivot": 70,
                "line_limit": "long",
                "names": [],
                "assessments": {"tags": {"lease": 5}, "lease_codes": "LTCH"},
            },
        )
    keys = "date_pivot, line_limit, names, widths, assessments, escrow, reversals, payments"
    assert caught.value.mistakes == [
        f"Found the key pivot, expected one of {keys}: remove or correct it.",
        "Found 'long' for line_limit, expected a whole number, not negative: correct it.",
        "Found [] for names, expected a table: write it as [names].",
        "Found 5 for assessments.tags.lease, expected plain text, not empty: correct it.",
        "Found 'LTCH' for assessments.lease_codes, expected a list: correct it.",
    ]


IMPOSSIBLE = [
    ({"date_pivot": 101}, "date_pivot 101"),
    ({"line_limit": 10}, "line_limit 10"),
    ({"widths": {"money": 19}}, "widths.money 19"),
    ({"names": {"escrow": []}}, "names.escrow"),
    ({"names": {"escrow": ["a/b"]}}, "names.escrow 'a/b'"),
    ({"names": {"bare": ["checks"]}}, "names.bare 'checks'"),
    *(
        ({"names": {"bare": ["escrow", kind]}}, f"names.bare '{kind}', expected escrow only")
        for kind in KINDS
        if kind != "escrow"
    ),
    ({"assessments": {"order": ["lease"]}}, "assessments.order"),
    ({"assessments": {"tags": {"lease": "lease"}}}, "assessments.tags.lease"),
    ({"assessments": {"tags": {"lease": "<asset>"}}}, "one tag twice"),
    ({"assessments": {"separators": [";"]}}, "separators ';'"),
    ({"assessments": {"asset_codes": ["PTAX", "LTCH", "FHUT"]}}, "LTCH in both code lists"),
    ({"assessments": {"lease_codes": []}}, "an empty code list"),
    ({"assessments": {"lease_codes": ["ltch"]}}, "the assessment code 'ltch'"),
    ({"assessments": {"ptcode_with": ["XXXX"]}}, "assessments.ptcode_with 'XXXX'"),
    ({"escrow": {"order": ["lease"]}}, "escrow.order"),
    ({"escrow": {"required": ["lease", "amount"]}}, "escrow.required without disbursal_date"),
    (
        {"escrow": {"required": ["lease", "amount", "disbursal_date", "reference", "x"]}},
        "escrow.required 'x'",
    ),
    ({"escrow": {"states": ["Nevada"]}}, "the state 'Nevada'"),
    ({"escrow": {"first_bank": 200}}, "escrow.first_bank"),
    ({"reversals": {"letters": {"bank": "B"}}}, "one letter twice in reversals.letters"),
    ({"reversals": {"reason_families": ["NS"]}}, "reason_families 'NS'"),
    ({"payments": {"letters": {"note": "NN"}}}, "'NN' in payments.letters"),
    ({"payments": {"clearing": "clear"}}, "payments.clearing 'clear'"),
]


@pytest.mark.parametrize(("mapping", "words"), IMPOSSIBLE)
def test_impossible_tables(mapping: dict[str, object], words: str) -> None:
    with pytest.raises(ProfileError) as caught:
        profile_from_mapping(DEFAULT, mapping)
    assert any(words in mistake for mistake in caught.value.mistakes), caught.value.mistakes
