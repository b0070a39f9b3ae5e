"""``gateway payment post``: one payment by hand, in a copy of the played home, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.app import system_user
from gateway.ledger.database import Database
from tests.cli.conftest import Played

NEW = "26030400000700000001"
POST = ("payment", "post", "--reason", "paid at the desk")


@pytest.fixture
def desk(own: Played) -> Played:
    """Lease 1006 owes 117.50 on two invoices and 505.25 on its third, 1007 is repossessed, 1001 owes nothing; the
    business date is 2026-03-03."""
    rows = "invoice,lease,due_date,charge,amount\n90001,1006,2026-02-01,PYMT,50.00\n90001,1006,2026-02-01,LTCH,7.50\n"
    rows += "90002,1006,2026-03-01,PYMT,60.00\n90003,1007,2026-03-01,PYMT,60.00\n"
    (own.root / "invoices.csv").write_text(rows)
    own.ok("load", str(own.root / "invoices.csv"))
    return own


def open_of(home: Played, lease: str) -> dict[tuple[str, str], str]:
    rows = home.ok("ledger", "receivables", "--lease", lease, "--json").rows
    return {(r["invoice"], r["charge"]): r["open"] for r in rows if r["invoice"].startswith("9000")}


def test_a_payment_by_hand_pays_as_a_file_would_and_says_so(desk: Played) -> None:
    given = ("--lease", "1006", "--amount", "67.50", "--check", "c118", "--effective", "2026-02-27", "--account", "130",
             "--note", "front desk", "--origination", "desk")  # fmt: skip
    before = desk.ok("ledger", "journal", "--json").out
    dry = desk.ok(*POST, *given, "--dry-run", "--json").document
    assert desk.ok("ledger", "journal", "--json").out == before
    done = desk.ok(*POST, *given, "--json").document
    lines = [
        ("90001", "LTCH", "7.50", "0.00"),
        ("90001", "PYMT", "50.00", "0.00"),
        ("90002", "PYMT", "10.00", "50.00"),
    ]
    for document in (dry, done):
        assert [(r["invoice"], r["charge"], r["amount"], r["open"]) for r in document["rows"]] == lines
    assert (dry["dry_run"], dry["unit"], dry["batch"]) == (True, None, done["batch"])
    assert (done["check"], done["account"], done["effective_date"]) == ("C118", "130", "2026-02-27")
    assert open_of(desk, "1006") == {("90001", "LTCH"): "0.00", ("90001", "PYMT"): "0.00", ("90002", "PYMT"): "50.00"}
    applied = desk.ok("ledger", "payments", "--batch", done["batch"], "--json").rows
    assert {(r["operator"], r["check"], r["bank"], r["origination"]) for r in applied} == {
        ("ABC", "C118", "130", "DESK")
    }
    entries = desk.ok("ledger", "journal", "--unit", str(done["unit"]), "--json").rows
    assert {(e["reason"], e["operator"], e["source_file"], e["source_line"], e["effective_date"]) for e in entries} == {
        ("paid at the desk", "ABC", None, None, "2026-02-27")
    }
    assert "by ABC: paid at the desk\n" in desk.ok("trace", done["batch"]).out
    assert desk.ok("verify", "--json").document["ok"] is True


def test_what_is_left_waits_in_suspense_only_when_the_person_says_so(desk: Played) -> None:
    given = ("--invoice", "90002", "--amount", "705.25")
    refused = desk.do(*POST, *given)
    assert refused.code == 3 and refused.out == ""
    assert "found 82.50 more than all open invoices of lease 1006" in refused.err
    assert "--rest-to-suspense" in refused.err
    assert set(open_of(desk, "1006").values()) == {"7.50", "50.00", "60.00"}
    done = desk.ok(*POST, *given, "--rest-to-suspense", "--json").document
    assert (done["suspended"], [m["code"] for m in done["messages"]]) == ("82.50", ["MONEY_LEFT"])
    item = next(
        r for r in desk.ok("suspense", "list", "--lease", "1006", "--json").rows if r["item"] == done["suspense_item"]
    )
    assert (item["amount"], item["remaining"], item["reason"], item["batch"]) == (
        "82.50",
        "82.50",
        "MONEY_LEFT",
        done["batch"],
    )
    came = desk.ok("suspense", "show", str(item["item"]), "--json").document["origin"]
    assert (came["file_name"], came["line_no"], came["unit_reason"]) == (None, None, "paid at the desk")
    shown = desk.ok(*POST, "--lease", "1006", "--amount", "5000", "--rest-to-suspense", "--dry-run").out
    assert "5,000.00 would wait in suspense." in shown and "Nothing was changed." in shown
    assert desk.ok("verify", "--json").document["ok"] is True


def test_a_large_payment_posts_with_its_warning(desk: Played) -> None:
    desk.root.joinpath("invoices.csv").write_text(
        "invoice,lease,due_date,charge,amount\n90009,1006,2026-04-01,PYMT,9000.00\n"
    )
    desk.ok("load", str(desk.root / "invoices.csv"))
    shown = desk.ok(*POST, "--lease", "1006", "--amount", "2526.26").out
    assert "WARNING OVER_NORMAL: Found a payment of 2,526.26, expected at most 5 times the normal payment" in shown


HIERARCHIES = [
    (
        (("PRIN", 3, "N"), ("INTR", 2, "N"), ("LTCH", 1, "N"), ("LEGF", 0, "N"), ("OTHF", 0, "N"), ("UTAX", 4, "N")),
        ["LTCH", "INTR", "PRIN", "UTAX", "LEGF", "OTHF"],
    ),
    (
        (("RENT", 1, "N"), ("INTR", 2, "N"), ("UTAX", 3, "Y"), ("COLL", 4, "N"), ("LSRW", 5, "Y")),
        ["UTAX", "LSRW", "RENT", "INTR", "COLL"],
    ),
]
"""The vendor's two examples: charges in invoice order with payment order and priority, and the order of payment."""


def test_the_hierarchy_is_the_portfolios_own_as_charges_csv_gives_it(own: Played) -> None:
    for number, (charges, expected) in enumerate(HIERARCHIES, 2):
        folder = own.root / f"portfolio-{number}"
        folder.mkdir()
        for name, text in {
            "portfolios": f"portfolio,name\n{number},P\n",
            "offices": f"portfolio,company,region,office,name\n{number},1,1,1,O\n",
            "leases": "lease,portfolio,company,region,office,lessee,lessee_name,status,accrual_method,commencement,maturity\n"
            f"9{number},{number},1,1,1,L,L,ANOR,OPER,2024-04-01,2028-03-31\n",
            "charges": "portfolio,code,name,type,basis,payment_order,priority,used\n"
            + "".join(f"{number},{code},{code},I,A,{order},{priority},Y\n" for code, order, priority in charges),
            "invoices": "invoice,lease,due_date,charge,amount\n"
            + "".join(f"8{number},9{number},2026-03-01,{code},10.00\n" for code, _, _ in charges),
        }.items():
            (folder / f"{name}.csv").write_text(text)
        own.ok("load", str(folder), "--date", "2026-03-03")
        given = ("--lease", f"9{number}", "--amount", f"{len(charges)}0", "--dry-run", "--json")
        assert [row["charge"] for row in own.ok(*POST, *given).rows] == expected
        numbered = [code for code in expected if (code, 0, "N") not in charges]
        checked = own.ok("config", "check", "--json").document["hierarchies"]
        assert checked[str(number)] == [*numbered, "the rest in invoice order"]


def test_config_check_names_a_gap_in_the_payment_orders(own: Played) -> None:
    database = Database(own.url)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE charge SET payment_order = 3 WHERE code = 'PYMT'")
    database.close()
    done = own.do("config", "check")
    assert done.code == 2
    assert done.err.strip() == (
        "gateway: charges of portfolio 1: found payment orders LTCH 1, PYMT 3, expected 1 to 2, each once; 2 is missing; load "
        "charges.csv with the charges numbered anew"
    )


@pytest.mark.parametrize(
    ("code", "change", "why"),
    [
        ("ZZZZ", "", "the portfolio has no such charge"),
        ("LTCH", "UPDATE charge SET used = 'N' WHERE code = 'LTCH'", "the portfolio does not use the charge"),
        ("LTCH", "UPDATE charge SET level = 'asset' WHERE code = 'LTCH'", "the charge goes on assets"),
        ("LTCH", "", None),
    ],
)
def test_config_check_names_a_fee_that_no_lease_can_be_charged(
    own: Played, code: str, change: str, why: str | None
) -> None:
    settings = own.root / "config" / "portfolios" / "p01.toml"
    settings.write_text(settings.read_text() + f'[reversals]\nnsf_fee_code = "{code}"\nnsf_fee = "25.00"\n')
    if change:
        database = Database(own.url)
        with database.write() as connection:
            connection.exec_driver_sql(change)
        database.close()
    done = own.do("config", "check")
    words = (
        f"gateway: config/portfolios/p01.toml: reversals.nsf_fee_code: found {code!r} ({why}), expected a charge that it uses "
        "on leases; name another, or load this one with charges.csv\n"
    )
    assert (done.code, done.err) == ((0, "") if why is None else (2, words))


@pytest.mark.parametrize(
    ("office", "words"),
    [
        (
            "1/9/9",
            "gateway: config/portfolios/p01.toml: default_office: found '1/9/9', expected an office of the portfolio (1/1/1, "
            "1/2/7); name one of them, or load this one with offices.csv\n",
        ),
        ("1/2/7", ""),
    ],
)
def test_config_check_names_a_default_office_that_the_ledger_does_not_have(
    own: Played, office: str, words: str
) -> None:
    settings = own.root / "config" / "portfolios" / "p01.toml"
    settings.write_text(f'default_office = "{office}"\n' + settings.read_text())
    done = own.do("config", "check")
    assert (done.code, done.err) == (2 if words else 0, words)


REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    (("--lease", "01006", "--amount", "1"), 2,
     "posting 1.00 for lease 01006: found no such lease, near lease 1006 which exists, expected one that is loaded; correct it"),
    (("--invoice", "77", "--amount", "1"), 2,
     "posting 1.00 for invoice 77: found no such invoice, expected one that is loaded; correct it"),
    (("--lease", "1007", "--amount", "1", "--rest-to-suspense"), 3, "posting 1.00 for lease 1007: found lease 1007 with status "
     "HREP, expected a status that takes payments; clear the status first"),
    (("--lease", "1007", "--amount", "1"), 3,
     "posting 1.00 for lease 1007: found lease 1007 with status HREP, expected a status that takes payments; clear the status "
     "first"),
    (("--lease", "1006", "--amount", "1", "--due", "2026-02-02"), 3,
     "posting 1.00 for lease 1006: found no open invoice of lease 1006 due 2026-02-02, expected one due that day; name "
     "another --due, or leave it out to pay the oldest invoice first"),
    (("--lease", "1006", "--amount", "1", "--batch", NEW), 3,
     f"posting 1.00 for lease 1006: found batch {NEW} posted before, expected a batch number that was never used; find out "
     "whether the payment was posted before, or leave --batch out to have a number assigned"),
    (("--lease", "1008", "--amount", "1"), 3,
     "posting 1.00 for lease 1008: found no open invoice of lease 1008, expected one to pay; bill the lease first, or let the "
     "money wait in suspense with --rest-to-suspense"),
    (("--amount", "1"), 2,
     "payment post: found no --lease and no --invoice, expected one of them; name what is paid"),
    (("--lease", "1006", "--invoice", "90001", "--amount", "1"), 2,
     "payment post: found both --lease and --invoice, expected one of them; name what is paid"),
    (("--lease", "1006", "--amount", "1,000"), 2,
     "--amount: found '1,000', expected an amount above zero such as 432.98"),
    (("--lease", "1006", "--amount", "0"), 2,
     "--amount: found '0', expected an amount above zero such as 432.98"),
    (("--lease", "1006", "--amount", "-10"), 2,
     "--amount: found '-10', expected an amount above zero such as 432.98"),
    (("--lease", "1006", "--amount", "10000000000000"), 2,
     "--amount: found '10000000000000', expected at most 9,999,999,999,999.99"),
    (("--lease", "1006", "--amount", "1", "--account", "145"), 2,
     "payment post: found '145' for the account, expected a cash account from 125 to 144 or CLR; correct it"),
    (("--lease", "1006", "--amount", "1", "--batch", "1"), 2,
     "payment post: found '1' for the batch, expected 20 digits: entry date YYMMDD, 6 of the session, 8 of the "
     "sequence; correct it"),
    (("--invoice", "90001", "--amount", "1", "--due", "2026-02-01"), 2,
     "payment post: found a due date with an invoice, expected one with a lease only; correct it"),
    (("--lease", "1006", "--amount", "1", "--check", "1,A130"), 2,
     "payment post: found ',' in check no '1,A130', expected none there: it parts the items of a file's line, which keeps what is typed; "
     "leave it out"),
    (("--lease", "1006", "--amount", "1", "--effective", "1950-01-01"), 2,
     "payment post: found effective_date '1950-01-01', which would be read as '2050-01-01', expected one that a line of a "
     "file can say; correct it"),
    (("--lease", "1006", "--amount", "1", "--account", ""), 2,
     "payment post: found an empty account, expected a value; give one or leave it out"),
    (("--lease", "1006", "--amount", "1", "--effective", "20260301"), 2,
     "--effective: found '20260301', expected a date such as 2026-11-21"),
]  # fmt: skip


def test_what_is_refused_and_in_which_words(desk: Played) -> None:
    desk.ok(*POST, "--lease", "1006", "--amount", "2", "--batch", NEW)
    before = desk.ok("ledger", "journal", "--json").out
    for given, code, words in REFUSED:
        done = desk.do(*POST, *given)
        assert (done.code, done.err.strip().removeprefix("gateway: ")) == (code, words), given
    assert desk.ok("ledger", "journal", "--json").out == before


def test_rights_reason_and_a_closed_business_date(desk: Played) -> None:
    given = ("payment", "post", "--lease", "1006", "--amount", "1")
    assert (
        desk.do(*given, "--reason", " ").err
        == "gateway: payment post: found no reason, expected one; say why with --reason\n"
    )
    operators: Path = desk.root / "config" / "operators.toml"
    written = operators.read_text()
    operators.write_text('[operators.ABC]\nusers = ["' + system_user() + '"]\nrights = ["load"]\n')
    refused = desk.do(*given, "--reason", "x")
    assert refused.code == 3 and "without the right 'post'" in refused.err
    operators.write_text(written)
    desk.ok("eop", "--date", "2026-03-03", "--module", "U0410")
    closed = desk.do(*given, "--reason", "x")
    assert closed.code == 3
    assert "gateway: payment post: found business date 2026-03-03 of portfolio 1 closed by U0410" in closed.err
