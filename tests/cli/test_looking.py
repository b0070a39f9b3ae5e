"""Every command that looks: its exit code, its words for a person, its keys for a script, on both databases."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Played
from tests.formats.nacha_class_samples import SAMPLES

LISTS = {
    ("ledger", "receivables"): "invoice lease due_date charge asset billed paid open",
    ("ledger", "journal"): "entry line portfolio company region office account name debit credit effective_date "
    "business_date source_file source_line unit reason operator unit_reason",
    ("ledger", "balance"): "portfolio company region office vector name side debit credit mtd_debit mtd_credit balance",
    ("suspense", "list"): "item kind portfolio lease invoice amount remaining reason batch check opened_on closed_on",
    ("ledger", "payments"): "batch line check operator effective_date effective_time lease invoice amount charge bank "
    "origination due_date state type suspense_item",
    ("ledger", "checks"): "portfolio check type amount disbursement_date vendor lease asset reference bank payee flag "
    "voided_on printed_on state issue",
    ("ledger", "vendors"): "vendor name routing_number account_number account_type sec prenote_sent prenote_sent_on "
    "dealer_alert suspense_override_on holdback",
    ("ledger", "accounts"): "portfolio company region office vector number name side purpose opening_balance",
    ("ledger", "charges"): "portfolio code name type basis payment_order priority used level taxable receivable_purpose "
    "income_purpose",
    ("ledger", "lease"): "lease portfolio company region office lessee lessee_name status accrual_method commencement "
    "maturity kind control_number account_number deal_number location normal_payment next_due prepaid nsf_count escrow_balance",
    ("files", "list"): "id name kind portfolio sha256 state lines records rejects blank amount posted_amount "
    "rejected_amount suspended_amount held_amount",
    ("outbound", "list"): "id name kind portfolio sha256 bytes state endpoint total_debit total_credit records window",
}  # fmt: skip
PAPER = {
    # no check was paid again, none is void
    ("ledger", "checks"): "portfolio bank check state type amount disbursement_date vendor lease payee reference",
    ("ledger", "payments"): "batch check operator effective_date lease invoice due_date type amount",
    ("ledger", "journal"): "entry line portfolio company region office account name debit credit effective_date "
    "business_date source_file source_line unit reason",
    # nothing closed is listed
    ("suspense", "list"): "item kind portfolio lease invoice amount remaining reason batch check opened_on",
    # no endpoint of this home has windows
    ("outbound", "list"): "id name kind portfolio sha256 bytes state endpoint total_debit total_credit records",
}
"""What a person is shown of a list that has more."""
MONEY = frozenset(
    [
        "billed",
        "paid",
        "open",
        "debit",
        "credit",
        "mtd_debit",
        "mtd_credit",
        "balance",
        "amount",
        "remaining",
        "opening_balance",
        "normal_payment",
        "escrow_balance",
        "posted_amount",
        "rejected_amount",
        "suspended_amount",
        "held_amount",
        "total_debit",
        "total_credit",
    ]
)


@pytest.mark.parametrize(("command", "keys"), LISTS.items(), ids=" ".join)
def test_the_keys_of_every_list_are_those_scripts_know(played: Played, command: tuple[str, str], keys: str) -> None:
    rows = played.ok(*command, "--json").rows
    assert rows
    for row in rows:
        assert list(row) == keys.split()
        for key, value in row.items():
            if key in MONEY and value is not None:
                assert re.fullmatch(r"-?\d+\.\d\d", value), (key, value)
            if (key.endswith("_date") or key == "next_due") and value is not None:
                assert re.fullmatch(r"\d{4}-\d\d-\d\d", value), (key, value)
    text = played.ok(*command).out
    shown = PAPER.get(command, keys).split()
    assert text.splitlines()[0].split() == " ".join(k.replace("_", " ").upper() for k in shown).split()
    notes = command == ("ledger", "balance")  # says what it leaves out
    assert len(text.splitlines()) == len(rows) + 2 + notes


LOOKS = [
    ("status", 0, ["Portfolio 1 MAIN STREET LEASING: business date 2026-03-03 open", "balanced",
                   "Came: nothing on the open business date. Files last came on 2026-03-02", "waits for approval",
                   "done U0410 U0415 U0418", "Suspense of portfolio 1: 3 items wait for a person, 1,260.00"],
     "attention date portfolios files late inbox outbound end_of_period suspense alarms"),
    ("status --date 2026-03-02", 0, ["p1_btchassmt.dat  POSTED     10        6        3"], "attention files"),
    ("files show 3", 0, ["10 = 6 records + 3 rejects + 1 blank", "line 8: REJECTED AMOUNT_PUNCTUATED: Found '25.00'",
                         "write 2500", "p1_lpu0418a.rpt"], "id messages units reports amount posted_amount sha256"),
    ("files show 3 --limit 1", 0, ["there are more; --limit N shows them"], "more_messages"),
    ("files list --state held", 0, ["Nothing found."], "rows"),
    ("outbound list --portfolio 7", 0, ["Nothing found."], "rows"),
    ("vendor changes --vendor V9", 0, ["Nothing found."], "rows"),
    ("answers list --file 99", 0, ["Nothing found."], "rows"),
    ("files list --kind payments --portfolio 01", 0, ["p1_btchpmt.dat"], "rows"),
    ("suspense list --lease 4711", 0, ["LEASE_UNKNOWN"], "rows"),
    ("ledger payments --lease 1003 --all", 0, ["500.00"], "rows"),
    ("ledger journal --lease 1003 --from 2026-03-01 --to 2026-03-31 --limit 3", 0, ["LEASE PAYMENTS RECEIVABLE"], "rows"),
    ("ledger balance", 0, ["CASH 125", "more without movement or balance; --all shows them."], "rows left_out"),
    ("ledger balance --account 128", 0, ["CASH 128"], "rows"),
    ("load --columns Payments.csv", 0, ["payments.csv", "else 125  125 to 144 or CLR"], "rows"),
    ("load --columns", 0, ["portfolios.csv", "(code)     no      an amount such as 1234.56  any tax", "investors.csv"], "rows"),
    ("ledger holidays", 0, ["2025-01-01  Wednesday  New Year's Day", "Federal Reserve"], "rows covered"),
    ("ledger holidays --year 2031", 0, ["2031-07-04  Friday     Independence Day", "2031 is not in calendar.covered"], "rows covered"),
    ("suspense list --file p1_btchpmt.dat --kind suspense", 0, ["LEASE_UNKNOWN"], "rows"),
    ("ledger journal --lease 1", 0, ["Nothing found: no lease 1 is in this ledger; see gateway ledger lease."], "rows"),
    ("ledger journal --lease 1003 --from 2026-04-01", 0, ["Nothing found."], "rows"),
    ("ledger checks --vendor NOBODY", 0, ["Nothing found: no vendor NOBODY is in this ledger; see gateway ledger vendors."],
     "rows"),
    ("ledger checks --state reserved --vendor V100", 0, ["30001", "RESERVED"], "rows"),
    ("ledger receivables --invoice 20001 --state open", 0, ["432.98"], "rows"),
    ("ledger vendors", 0, ["****6789"], "rows"),
    ("outbound show 1", 0, ["gateway outbound approve 1 --sha256", "goes to    bank", "waits for release"],
     "id name sha256 state total_debit total_credit delivery"),
    ("deliver list", 0, ["No delivery yet."], "rows"),
    ("trace 1003", 0, ["lease 1003: lessee L101", "from p1_btchassmt.dat line 3", "check 30002 NEWA: 412.35"], "stories"),
    ("trace p1_btchassmt.dat:3", 0, ["RCR1"], "stories"),
    ("trace nothing-of-that-name", 1, ["Found nothing that nothing-of-that-name names"], "stories"),
    ("verify", 0, ["digest chain", "0 differences."], "ok checks"),
    ("report suspense --portfolio 1", 0, ["OPEN SUSPENSE", "4711", "TOTALS"], "rows files"),
    ("report balance --portfolio 1", 0, ["ACCOUNT FIGURES", "CASH 126", "OFFICE 1/1/1/1  ITEMS", "PORTFOLIO 1     ITEMS"], "rows files"),
    ("config check", 0,
     ["The settings are sound.", "endpoints: bank", "money pays in portfolio 1: LTCH, the rest in invoice order"],
     "ok ledger_unread hierarchies portfolios endpoints banks operators"),
    ("db upgrade", 0, ["already"], "before after"),
    ("explain {home}/outbox/P01-VACH-BANK-260303.DAT", 0, ["file_header", "18,250.00", "finds nothing wrong"], "kind records problems"),
    ("explain {home}/outbox/DSGL_P01.DAT --records 2", 0, ["The first 2 records are shown"], "kind records problems"),
    ("check {home}/outbox/P01-VACH-BANK-260303.DAT", 0, ["nacha; read and validated as a file for a bank", "its header goes from", "finds nothing wrong"],
     "rows"),
    ("check {home}/outbox/DSPP-P01-VACH-260303.DAT", 0, ["vach scratch; read", "finds nothing wrong"], "rows"),
    ("check {sample}/btchescr.dat", 1, ["tried without effect", "WOULD BE HELD, DUPLICATE"], "rows"),
]  # fmt: skip


def words(played: Played, command: str) -> list[str]:
    from tests.cli.conftest import SAMPLE

    return command.format(home=played.root, sample=SAMPLE / "inbox").split(" ")


@pytest.mark.parametrize(("command", "code", "seen", "keys"), LOOKS, ids=[look[0] for look in LOOKS])
def test_looking(played: Played, command: str, code: int, seen: list[str], keys: str) -> None:
    plain = played.do(*words(played, command))
    assert (plain.code, plain.err) == (code, ""), plain
    for part in seen:
        assert part.lower() in plain.out.lower(), plain.out
    as_json = played.do(*words(played, command), "--json")
    assert (as_json.code, as_json.err) == (code, "")
    assert set(keys.split()) <= set(as_json.document)


WRONG = [
    ("files show 99", 2, "file 99: found none of that number"),
    ("files list --state foo", 2, "files list --state: found 'foo', expected one of CLAIMED, WAITING, HELD"),
    ("files list --kind foo", 2, "files list --kind: found 'foo', expected one of assessments, escrow"),
    ("outbound list --state foo", 2, "outbound list --state: found 'foo', expected one of BUILT, APPROVED"),
    ("outbound list --kind foo", 2, "outbound list --kind: found 'foo', expected one of VACH-BANK"),
    (
        "outbound build vach-refused-noc --portfolio 1",
        2,
        "found no such kind, expected one of vach, vach-reversal, dsgl",
    ),
    ("outbound show 99", 2, "outbound file 99: found none of that number, expected one of `gateway outbound list`"),
    ("check /etc/hostname", 2, "check /etc/hostname: found a name of another form"),
    ("explain /nowhere/file", 2, "found no such file, expected a file to read; name the file"),
    (
        "files show x",
        2,
        "files show: ID: found 'x', expected a whole number; `gateway files show --help` has an example",
    ),
    ("files release 99 --reason x", 2, "file 99: found none"),
    ("files release 1 --reason x", 3, "found it POSTED, expected HELD or FAILED"),
    (
        "files release 1",
        2,
        "files release: found no --reason, expected one: why; it is kept with your code; `gateway files release --help`",
    ),
    ("files discard 1 --reason x", 3, "found it POSTED"),
    ("files reverse 99 --reason x", 2, "file 99: found none"),
    ("files repair 1 --line 1 --text x --reason y", 2, "found a line that was not rejected"),
    ("ledger journal --from yesterday", 2, "--from: found 'yesterday', expected a date such as"),
    ("ledger journal --to 20260302", 2, "--to: found '20260302'"),
    ("ledger journal --unit x", 2, "ledger journal: --unit: found 'x', expected a whole number"),
    ("ledger journal --vendor V100", 2, "ledger journal: found --vendor, expected "),
    (
        "ledger journal --limit 0",
        2,
        "ledger journal: --limit: found '0', expected 1 or more; `gateway ledger journal --help`",
    ),
    ("--home /tmp status", 2, "found --home before the command, expected it after: gateway status --home …"),
    ("status --dat 2026-03-02", 2, "status: found --dat, expected an option such as --date"),
    ("deliver resolve 1 --as foo --reason x", 2, "--as: found 'foo', expected one of 'delivered', 'not-delivered'"),
    ("check /tmp", 2, "found a folder, expected a file to read"),
    (
        "outbound build vach --portfolio 1 --of 3",
        2,
        "building vach: found --of, expected only --same-day with it; leave it out",
    ),
    ("outbound build vach --portfolio 1 --again", 2, "building vach: found --again, expected only --same-day with it"),
    (
        "outbound build vach-reversal --portfolio 1 --of 3 --again --reason x",
        2,
        "found --again, expected only --of --reason with it",
    ),
    ("outbound build vach-reversal --portfolio 1 --of 3", 2, "found no --reason, expected one; say why"),
    (
        "outbound build dsgl --portfolio 1 --interface BILLING --from 2026-03-01",
        2,
        "found --interface --from, expected only --again",
    ),
    (
        "outbound build dsgl --portfolio 1 --reason x",
        2,
        "found --reason without --again, --after or --of, expected one of them with it",
    ),
    (
        "outbound build dsgl --portfolio 1 --again --after 1 --reason x",
        2,
        "found --again and --after, expected one of them",
    ),
    (
        "outbound build xsellerator --portfolio 1 --interface billing --reason x",
        2,
        "found --reason without --again or --after, expected one of them with it",
    ),
    (
        "outbound build xsellerator --portfolio 1 --interface billing --again --after 1 --reason x",
        2,
        "found --again and --after, expected one of them; --again sends all of it once more",
    ),
    ("ledger payments --portfolio 100", 2, "found '100', expected a portfolio from 1 to 99"),
    ("ledger nonsense", 2, "ledger: found no command nonsense, expected one that there is; `gateway ledger --help`"),
    ("ledger suspense", 2, "found no command suspense, expected one that there is, or gateway suspense"),
    (
        "ledger payments --state suspense",
        2,
        "ledger payments: found --state SUSPENSE, expected one of APPLIED, REVERSED, FROM SUSPENSE",
    ),
    ("suspense list --state new", 2, "suspense list: found --state NEW, expected one of OPEN, CLOSED"),
    ("stauts", 2, "found no command stauts, expected 'status'"),
    ("outbound show 77", 2, "outbound file 77: found none"),
    ("outbound approve 1", 2, "found no --sha256, expected the hash that was looked at"),
    ("outbound approve 1 --sha256 00000000", 3, "P01-VACH-BANK-260303.DAT"),
    ("outbound build nonsense --portfolio 1", 2, "found no such kind, expected one of vach, vach-reversal,"),
    ("outbound build vach --portfolio 9", 2, "portfolio 9"),
    ("outbound build vach", 2, "building vach: found no --portfolio, expected the portfolio whose files are built"),
    ("outbound build nonsense", 2, "found no such kind, expected one of vach, vach-reversal,"),
    ("outbound build xsellerator --portfolio 1", 2, "found no --interface"),
    ("outbound build xsellerator --portfolio 1 --interface BILLING --from x", 2, "--from: found 'x'"),
    ("deliver --endpoint nowhere", 2, "found no such endpoint, expected one of bank"),
    ("deliver --endpoint bank list", 2, "found options before list"),
    ("deliver acknowledge 99 --reference A", 2, "outbound file 99"),
    ("endpoint probe nowhere", 2, "found no such endpoint"),
    ("eop --date 2026-03-09", 3, "found the open business date 2026-03-03"),
    ("eop --date tomorrow", 2, "--date: found 'tomorrow'"),
    ("eop --date 2026-03-03 --skip U9999", 2, "found module U9999, expected some of U0410"),
    ("eop", 2, "eop: found no --date, expected one: the open business date"),
    ("status --date 2026-02-30", 2, "--date: found '2026-02-30'"),
    ("status --operator ZZZ", 3, "expected the caller's own code"),
    ("status --home /nowhere/at/all", 2, "expected a home; run `gateway init"),
    ("db upgrade --home /nowhere/at/all", 2, "found no config/gateway.toml there, expected a home; run `gateway init"),
    ("config check --home /nowhere/at/all", 2, "expected a home"),
    ("process /nowhere/file", 2, "found no such file"),
    ("check /nowhere/file", 2, "found no such file"),
    ("load /nowhere", 2, "Found no file"),
    ("load {sample} --date 2026-13-01", 2, "--date: found '2026-13-01'"),
    ("load --columns leaves", 2, "PATH of --columns: found 'leaves', expected one of portfolios, offices"),
    ("load", 2, "load: found no PATH..., expected one: CSV files, or folders of them"),
    (
        "payment post --lease 1001 --amount 1.00",
        2,
        "payment post: found no --reason, expected one: why; it is kept with your code",
    ),
    ("report nonsense --portfolio 1", 2, "found no such report, expected one of balance"),
    (
        "report balance --portfolio 1 --out {home}/config/gateway.toml",
        2,
        "cannot be written (File exists), expected a folder",
    ),
    (
        "report balance --portfolio 1 --out {home}/config/gateway.toml/x",
        2,
        "cannot be written (Not a directory), expected a folder",
    ),
    (
        "report balance --portfolio 1 --out /proc/x",
        2,
        "cannot be written (No such file or directory), expected a folder",
    ),
    ("report suspense --portfolio 9", 2, "found no portfolio 9, expected one of 1"),
    ("init {home}", 3, "found a home there already"),
    ("backup {home}", 3, "expected a new or empty folder"),
    ("restore {sample} --home {home}", 2, "found no manifest.json there"),
]


@pytest.mark.parametrize(("command", "code", "message"), WRONG, ids=[wrong[0] for wrong in WRONG])
def test_wrong_use_and_refusals(played: Played, command: str, code: int, message: str) -> None:
    plain = played.do(*words(played, command))
    assert (plain.code, plain.out) == (code, ""), plain
    assert message in plain.err
    assert "Traceback" not in plain.err
    first, *rest = words(played, command)
    as_json = played.do(first, *rest, "--json") if rest[-1:] != ["list"] else played.do(first, "--json", *rest)
    assert as_json.code == code
    assert message in " ".join(as_json.document["error"]["messages"])


@pytest.mark.parametrize("content", ["", "\n  \n"], ids=["no byte", "blank lines"])
def test_check_says_that_a_file_is_empty(played: Played, tmp_path: Path, content: str) -> None:
    empty = tmp_path / "p1_btchassmt.dat"
    empty.write_text(content)
    assert "  EMPTY: it has no line to post, and is taken as such\n" in played.do("check", str(empty)).out


def test_a_file_of_the_bank_is_explained_and_checked_as_it_comes(played: Played, tmp_path: Path) -> None:
    """Without header and filler, blanks stripped: its fields are shown, its reasons have words, all that is odd is told."""
    path = tmp_path / "from-the-bank.txt"
    path.write_text("\n".join(line.rstrip() for line in SAMPLES["return"][1:8]) + "\n")
    seen = played.do("explain", str(path))
    assert seen.code == 1
    for words in ("line 3: addenda_99", "no account, or unable to locate it", "checking, credit, return or change",
                  "432.98", "3 problems:", "FILE_HEADER_MISSING", "FILLER_COUNT", "LINE_LENGTH"):  # fmt: skip
        assert words in seen.out, words
    assert "0123456789" not in seen.out + played.do("explain", str(path), "--json").out
    checked = played.do("check", str(path), "--json")
    (row,) = checked.rows
    assert (checked.code, row["kind"], row["problem_count"]) == (1, "nacha", 3)
    assert {p["code"] for p in row["problems"]} == {"FILE_HEADER_MISSING", "LINE_LENGTH", "FILLER_COUNT"}


def test_warnings_of_a_bank_file_are_told_apart_and_are_no_rejects(played: Played, tmp_path: Path) -> None:
    path = tmp_path / "ours.DAT"  # not *.ach, which the home takes for what its bank answers
    path.write_text("".join(f"{line}\n" for line in SAMPLES["ccd"]).replace("VENDOR PAY", "PAYROLL   ", 1))
    seen = played.do("check", str(path))
    assert (seen.code, "WARNING RESERVED_DESCRIPTION" in seen.out) == (0, True)
    assert "1 warning:" in played.ok("explain", str(path)).out
    path.write_text("".join(f"{line}\n" for line in SAMPLES["ppd"]).replace("260803", "260801"))
    assert played.do("check", str(path), "--json").rows[0]["problems"][0]["code"] == "BANKING_DAY"


def test_a_bank_file_is_told_from_answers_by_what_is_in_it(played: Played, tmp_path: Path) -> None:
    """A file for the bank under the name of answers is checked as what it is; answers under another name too."""
    ours, theirs = tmp_path / "out.ach", tmp_path / "returned.txt"
    ours.write_text("".join(f"{line}\n" for line in SAMPLES["ccd"]))
    theirs.write_text("".join(f"{line}\n" for line in SAMPLES["return"]))
    seen = played.do("check", str(ours))
    assert "out.ach: nacha; read and validated as a file for a bank" in seen.out
    assert "no entry is a return or a notification of change" in seen.out and "in inbox/ it would be taken" in seen.out
    (row,) = played.do("check", str(ours), "--json").rows
    assert (row["kind"], row["to_bank"]) == ("nacha", True)
    seen = played.do("check", str(theirs))
    assert "read and validated as a bank's answers" in seen.out and "line 4 is a return (addenda 99)" in seen.out
    answers = tmp_path / "returned.ach"
    theirs.rename(answers)
    assert "returned.ach: bank-answers; tried without effect" in played.do("check", str(answers)).out


def test_a_line_no_field_of_which_can_be_read_is_explained_as_that(played: Played, tmp_path: Path) -> None:
    path = tmp_path / "p1_bptmtrev.dat"
    path.write_bytes(b"\x00\x00\n\n")
    assert "line 1: reversals, no field of it can be read" in played.do("explain", str(path)).out


@pytest.mark.parametrize(
    ("name", "offered", "absent"),
    [
        ("payments", ("--batch", "--all", "--from", "--limit"), ("--vendor", "--account")),
        ("checks", ("--vendor", "--account", "--state"), ("--all", "--invoice")),
        ("balance", ("--portfolio", "--account", "--all", "--limit"), ("--lease", "--from")),
    ],
)
def test_a_list_offers_the_filters_it_takes(
    played: Played, name: str, offered: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    words = played.ok("ledger", name, "--help").out.split()
    assert set(offered) <= set(words) and not set(absent) & set(words)


@pytest.mark.parametrize("command", ["explain", "check"])
def test_an_encrypted_file_is_said_to_be_one(played: Played, tmp_path: Path, command: str) -> None:
    """Its bytes are no records, whatever its name begins with."""
    path = tmp_path / "P01-VACH-BANK-260303.DAT.sealed"
    path.write_bytes(b"\x02" + bytes(range(200)))
    done = played.do(command, str(path))
    assert (done.code, done.out) == (3, "")
    assert "found it encrypted with the key of its home, expected a file in clear" in done.err
    assert "gateway outbound export ID TARGET" in done.err and "gateway files export ID TARGET" in done.err


def test_a_name_cannot_clear_the_screen_or_forge_a_line(own: Played) -> None:
    forged = "p1_x\n\x1b[2JNothing is late, held or in doubt.dat"
    (own.root / "inbox" / forged).write_text("garbage\n")
    for command in (("process",), ("status",)):
        done = own.do(*command)
        shown = done.out + done.err
        assert "p1_x\\n\\x1b[2JNothing is late" in shown, command
        assert "\x1b" not in shown and "\nNothing is late, held or in doubt.dat" not in shown


def test_a_repaired_line_and_what_came_of_it_name_each_other(own: Played) -> None:
    listed = own.ok("files", "list", "--kind", "assessments", "--json").document["rows"]
    (first,) = [row["id"] for row in listed]
    text = "<lease>1003<assmt>LTCH<amount>2500"
    made = own.do(
        "files", "repair", str(first), "--line", "8", "--text", text, "--reason", "decimal point", "--json"
    ).document
    new, name = made["id"], made["name"]
    one = {"file_id": first, "line_no": 8, "made": new, "by": "ABC", "reason": "decimal point"}
    for number, other, came in ((first, name, False), (new, "p1_btchassmt.dat", True)):
        (shown,) = own.ok("files", "show", str(number), "--json").document["repairs"]
        (story,) = own.ok("trace", f"#{number}", "--json").document["stories"]
        assert story["repairs"] == [shown]
        assert {**one, "came": came, "name": other} == {k: v for k, v in shown.items() if k != "at"}
    said = f"  corrects line 8 of p1_btchassmt.dat (#{first}), by ABC: decimal point\n"
    assert said in own.ok("files", "show", str(new)).out and said in own.ok("trace", f"#{new}:1").out
    said = f"  line 8 was corrected in {name} (#{new}), by ABC: decimal point\n"
    assert said in own.ok("files", "show", str(first)).out and said in own.ok("trace", f"#{first}:8").out
    assert said not in own.ok("trace", f"#{first}:9").out
