"""Settings: defaults that match the commented files, every mistake at once, secrets by reference only."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from gateway.errors import SettingsError
from gateway.home import Home
from gateway.period.modules import FIRST, LAST, MODULES
from gateway.settings import GatewaySettings, secret
from gateway.settings_portfolio import PortfolioSettings, Skippable
from gateway.settings_reading import load_settings
from gateway.setup import default_config


def write(home: Home, gateway: str = "", portfolio: str | None = None, operators: str = "") -> None:
    home.settings_file.write_text(gateway, encoding="utf-8")
    home.operators_file.write_text(operators, encoding="utf-8")
    if portfolio is not None:
        (home.portfolios / "p01.toml").write_text(portfolio, encoding="utf-8")


def mistakes(home: Home) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(home)
    return list(caught.value.mistakes)


def test_a_temporary_directory_of_its_own_needs_no_suffix(home: Home) -> None:
    write(
        home,
        "[endpoints.b]\nhost = 'h'\nuser = 'u'\nkey = 'k'\ntemporary_suffix = ''\ntemporary_directory = 'upload'",
        "",
    )
    assert load_settings(home).gateway.endpoints["b"].temporary_directory == "upload"


def test_an_empty_home_has_the_defaults(home: Home) -> None:
    settings = load_settings(home)
    assert settings.gateway == GatewaySettings()
    assert settings.portfolio("7") == PortfolioSettings()


BANK = """[banks.first]
name = "B"
routing_number = "091000019"
immediate_origin = "1234567890"
origin_name = "O"
company_name = "C"
company_identification = "1"
"""


@pytest.mark.parametrize(
    ("gateway", "portfolio", "expected"),
    [
        ("[intake]\nscan_secs = 1", "", "config/gateway.toml: intake.scan_secs: found an unknown key, expected scan_seconds"),
        ("[intake]\nworkers = 'many'", "", "config/gateway.toml: intake.workers: found 'many', expected a valid integer"),
        ("[nonsense]\na = 1", "", "config/gateway.toml: nonsense: found an unknown key, expected one of database, sources, "
         "intake, endpoints, banks, alarms, retention, calendar, service"),
        ("[sources.a]\ncompletenes = 'quiet'", "", "config/gateway.toml: sources.a.completenes: found an unknown key, expected completeness"),
        ("[sources.a]\ncompleteness = 'maybe'", "", "config/gateway.toml: sources.a.completeness: found 'maybe', expected "
         "'quiet', 'marker' or 'rename'"),
        ("[sources.a]\nkinds = ['assessment']", "", "config/gateway.toml: sources.a.kinds.0: found 'assessment', expected "
         "'assessments', 'escrow', 'payments', 'reversals', 'bank-answers' or 'bank-acknowledgement'"),
        ("[sources.a]\nquiet_seconds = -1", "", "config/gateway.toml: sources.a.quiet_seconds: found -1, expected greater than 0"),
        ("[endpoints.b]\nhost = 'h'\nuser = 'u'", "", "config/gateway.toml: endpoints.b.key: found no value, expected one"),
        ("[endpoints.b]\nhost = 'h'\nuser = 'u'\nkey = 'k'\n[endpoints.b.windows]\ntimes = ['10:00']\nby_weekday = { monday = [], "
         "tuesday = [], wednesday = [], thursday = [], friday = [] }", "", "config/gateway.toml: endpoints.b.windows: found no weekday with a "
         "time, expected one at least; leave windows out where files go at any time"),
        *(("[endpoints.b]\nhost = 'h'\nuser = 'u'\nkey = 'k'\ntemporary_suffix = ''\n" + more, "", "config/gateway.toml: endpoints.b: "
           "found temporary_suffix = '' without a temporary_directory of its own, expected one of the two: a file is written under "
           "another name first; leave temporary_suffix out for '.part', or name the directory")
          for more in ("", "directory = 'in/'\ntemporary_directory = './in'", "temporary_directory = ''", "temporary_directory = '.'")),
        ("[endpoints.b]\nhost = 'h'\nuser = 'u'\nkey = 'k'\ntemporary_suffix = '/x'", "", "config/gateway.toml: endpoints.b: found a / "
         "in temporary_suffix, expected the end of a name such as '.part'; a folder is temporary_directory"),
        ("[service]\neop_at = '25:00'", "", "config/gateway.toml: service.eop_at: found '25:00', expected a time of day such as 09:00"),
        ("[service]\ntimezone = 'Mars/Base'", "", "config/gateway.toml: service.timezone: found 'Mars/Base', expected a time zone "
         "such as America/New_York"),
        ("[service]\noperator = 'NOP'", "", "config/gateway.toml: service.operator: found 'NOP', expected one of [operators.*] in "
         "operators.toml ()"),
        ("[database]\nurl = 'hunter2'", "", "config/gateway.toml: database.url: found no address of a database, expected "
         "postgresql://…, env:NAME or file:PATH"),
        ("[database]\nurl = 'postgresql://u:hunter2@h/d'", "", "config/gateway.toml: database.url: found a password in it, expected "
         "postgresql://user@host/dbname and the password in ~/.pgpass, or the whole address as env:NAME or file:PATH"),
        ("[database]\nurl = 'postgresql://h/d?user=u&password=hunter2'", "", "config/gateway.toml: database.url: found a password "
         "in it, expected postgresql://user@host/dbname and the password in ~/.pgpass, or the whole address as env:NAME or file:PATH"),
        ("[alarms]\nwebhook = 'https://hunter2'", "", "config/gateway.toml: alarms.webhook: found a plain value, expected env:NAME or file:PATH"),
        (BANK + "offset_account = '123456789'", "", "config/gateway.toml: banks.first.offset_account: found a plain value, "
         "expected env:NAME or file:PATH"),
        (BANK + "endpoint = 'nowhere'", "", "banks.first.endpoint: found 'nowhere', expected one of [endpoints.*] in gateway.toml (there is none)"),
        ("", "[gl]\nendpoint = 'x'", "config/portfolios/p01.toml: gl.endpoint: found 'x', expected one of [endpoints.*] in "
         "gateway.toml (there is none)"),
        (BANK, "[vendor_ach]\nused = true\nbank = 'second'", "config/portfolios/p01.toml: vendor_ach.bank: found 'second', expected "
         "one of [banks.*] in gateway.toml (first)"),
        ("", "[[expected]]\nkind = 'escrow'\nby = '9am'", "config/portfolios/p01.toml: expected.0.by: found '9am', expected a time "
         "of day such as 09:00"),
        ("", "[gl]\nrecrd = 3", "config/portfolios/p01.toml: gl.recrd: found an unknown key, expected record"),
        ("", "[reversals]\nnsf_fee = '2.345'", "config/portfolios/p01.toml: reversals.nsf_fee: found '2.345', expected dollars and "
         "cents such as 25.00"),
        ("", "[reversals]\nnsf_fee = '25.00'", "config/portfolios/p01.toml: reversals: found nsf_fee alone, expected nsf_fee_code "
         "and nsf_fee, or neither"),
        ("", "[reversals]\nnsf_fee_code = 'LTCH'", "config/portfolios/p01.toml: reversals: found nsf_fee_code alone, expected "
         "nsf_fee_code and nsf_fee, or neither"),
        ("", "[reversals]\nnsf_fee = '25.00'\nnsf_fee_code = 'PYMT'", "config/portfolios/p01.toml: reversals: found nsf_fee_code = "
         "'PYMT', expected the code of a fee, not of rent"),
        *(("", f"[reversals]\ndefault_reason = '{reason}'", f"config/portfolios/p01.toml: reversals.default_reason: found '{reason}', "
           "expected a code of up to 4 in capitals that begins with N, S, U, T, O, such as NSFC")
          for reason in ("", "nsfc", "XXXX", "TOOLONGREASON", "N F", "N,F", " NSF")),
        ("[service.timezone]\nurl = 'hunter2'", "", "config/gateway.toml: service.timezone: found a table, expected a valid string"),
        (f"[service]\neop_at = '{'9' * 70}'", "", "config/gateway.toml: service.eop_at: found '" + "9" * 59 + "…, expected a time of "
         "day such as 09:00"),
        ("[intake]\n[intake]", "", "config/gateway.toml: line 2: found the table [intake] again, expected it once: write the keys "
         "below the first one"),
        ("", "[fraud.velocity]\n[fraud.velocity]", "config/portfolios/p01.toml: line 2: found the table [fraud.velocity] again, "
         "expected it once: write the keys below the first one"),
        ("[banks.b]\nrouting_number = 091000019", "", "config/gateway.toml: found no TOML: Expected newline or end of document "
         "after a statement (at line 2, column 19); expected KEY = VALUE, with quotes around texts and around numbers such as "
         '"091000019"'),
        *((f"[sources.a]\npath = '{path}'", "", f"config/gateway.toml: sources.a.path: found '{path}', where the gateway keeps "
           "files of its own, expected a folder for those that are dropped")
          for path in ("outbox", "./inbox/../outbox/", "var/work", "config", ".")),
        ("[sources.a]\n[sources.b]\npath = './inbox'", "", "config/gateway.toml: sources.b.path: found './inbox', the folder of "
         "sources.a, expected one table for each folder"),
        ("", "eop_skip = ['U0424', 'U0499']", "config/portfolios/p01.toml: eop_skip.1: found 'U0499', expected 'U0415', 'U0418', "
         "'U0409', 'U0470', 'U0424', 'R0203', 'U0460', 'XSELLERATOR', 'U1003', 'U0422' or 'U0450'"),
        ("", "default_office = '1-1'", "config/portfolios/p01.toml: default_office: found '1-1', expected the form "
         "'^[^/ ]+/[^/ ]+/[^/ ]+$'"),
    ],
)  # fmt: skip
def test_each_mistake_in_words(home: Home, gateway: str, portfolio: str, expected: str) -> None:
    write(home, gateway, portfolio)
    found = mistakes(home)
    assert found == [expected]
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("name", "N" * 24, "at most 23 characters"), ("origin_name", "N" * 24, "at most 23 characters"),
        ("routing_number", "abc", "expected a routing number: a routing number has 9 digits"),
        ("routing_number", "091000018", "expected a routing number: check digit 8 should be 9"),
        ("immediate_origin", "12345678901", "at most 10 characters"),
        ("immediate_origin", "12345678", "immediate_origin: found '12345678', expected what the bank assigned: 10 digits or capitals, "
         "or 9 digits"),
        ("immediate_origin", "12345678ab", "expected what the bank assigned"), ("immediate_origin", " " * 10, "expected what the bank"), ("company_name", "C" * 17, "at most 16 characters"),
        ("company_name", "", "at least 1 character"), ("company_identification", "", "at least 1 character"),
        ("company_identification", "12345678901", "at most 10 characters"), ("odfi", "12", "expected the form"),
        ("balanced", True, "found balanced = true without offset_account, expected both"),
        ("immediate_destination", "91000019X12", "immediate_destination: found '91000019X12', expected at most 10 digits or capitals"),
        ("immediate_destination", "091-00019", "immediate_destination: found '091-00019', expected at most 10 digits or capitals"),
        ("immediate_destination", "091000018", "immediate_destination: found '091000018', expected a routing number: check digit 8"),
        ("immediate_destination", " 091000018", "expected a routing number: check digit 8 should be 9"),
        ("immediate_destination", "   ", "expected the bank's number, or '' for its routing number"),
        ("discretionary_data", "D" * 21, "banks.first.discretionary_data: found '" + "D" * 21 + "', expected at most 20 characters"),
        ("discretionary_data", "A~B", "discretionary_data: found 'A~B', expected characters of character_set 'narrow': '~' (position 2)"),
        ("reference_code", "R" * 9, "banks.first.reference_code: found 'RRRRRRRRR', expected at most 8 characters"),
        ("entry_description", "PAYROLL", "entry_description: found 'PAYROLL', expected what the vendor is paid for: PAYROLL is reserved "
         "for class PPD"),
        ("entry_description", "wages", "entry_description: found 'wages', expected what the vendor is paid for: wages are described by "
         "PAYROLL since 20 March 2026, and payments to vendors are none"),
        ("entry_description", "NO CHECK 1", "NO CHECK is reserved for class XCK"),
        ("prenote_description", "AUTOENROLL", "prenote_description: found 'AUTOENROLL', expected what the vendor is paid for"),
    ],
)  # fmt: skip
def test_a_bank_that_no_file_can_be_for_is_one_mistake(home: Home, key: str, value: str | bool, expected: str) -> None:
    shown = "true" if value is True else f"'{value}'"
    rest = "".join(line for line in BANK.splitlines(keepends=True) if not line.startswith(f"{key} ="))
    write(home, rest + f"{key} = {shown}\n", "[vendor_ach]\nused = true\nbank = 'first'")
    (found,) = mistakes(home)
    assert found.startswith("config/gateway.toml: banks.first") and expected in found


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("balanced = true\noffset_account = 'env:X'\nservice_class = 'never 200'",
         "banks.first: found balanced = true with service_class = 'never 200', expected another: a balanced batch is one of 200"),
        ("entry_descriptions = { PPD = 'SALARY 3' }", "banks.first.entry_descriptions.PPD: found 'SALARY 3', expected what the vendor is "
         "paid for: wages are described by PAYROLL since 20 March 2026, and payments to vendors are none"),
        ("entry_descriptions = { CCD = 'PAYROLL' }", "banks.first.entry_descriptions.CCD: found 'PAYROLL', expected what the vendor is "
         "paid for: PAYROLL is reserved for class PPD"),
        ("answers = ['*']", "banks.first.answers: found '*', expected letters or digits that tell the bank's files from all others, such "
         "as RTN*.ach"),
        ("answers = ['RTN*.ach', '']", "banks.first.answers: found '', expected letters or digits that tell the bank's files from all "
         "others, such as RTN*.ach"),
        ("[banks.first.acknowledgements]\nfiles = ['*{name}*']", "banks.first.acknowledgements.files: found '*{name}*', expected letters or "
         "digits that tell the bank's files from all others, such as RTN*.ach"),
    ],
)  # fmt: skip
def test_what_a_bank_has_several_of_is_checked_one_by_one(home: Home, line: str, expected: str) -> None:
    write(home, BANK + line + "\n", "")
    assert mistakes(home) == [f"config/gateway.toml: {expected}"]


def test_a_bank_may_want_payroll_for_individuals_and_wages_in_corporate_classes(home: Home) -> None:
    rest = "immediate_destination = ' 091000019'\nentry_descriptions = { PPD = 'PAYROLL', CCD = 'WAGES TAX' }\n"
    write(home, BANK + rest, "")
    bank = load_settings(home).gateway.banks["first"]
    assert (bank.immediate_destination, bank.entry_descriptions) == (
        " 091000019",
        {"PPD": "PAYROLL", "CCD": "WAGES TAX"},
    )


def test_a_settings_file_in_another_character_set_names_its_line(home: Home) -> None:
    home.settings_file.write_bytes(b"[intake]\n# caf\xe9\n")
    assert mistakes(home) == ["config/gateway.toml: line 2: found the byte 0xE9, expected UTF-8: save the file in it"]


def test_settings_that_cannot_be_read_are_told_in_words(home: Home) -> None:
    """As of a file that its owner keeps to themselves: it was an error number."""
    home.settings_file.unlink(missing_ok=True)
    home.settings_file.mkdir()
    assert mistakes(home) == [
        "config/gateway.toml: found no way to read it (Is a directory), expected a file that whoever works in this home may "
        "read: ask its owner"
    ]


def test_every_module_but_those_that_close_and_open_the_date_may_be_left_out() -> None:
    assert get_args(Skippable) == tuple(m.name for m in MODULES if m.name not in (FIRST, LAST))


def test_all_mistakes_of_all_files_at_once(home: Home) -> None:
    write(home, "x = [", "[gl]\nrecord = 1", "[operators.abcd]\nusers = []")
    (home.portfolios / "p1.toml").touch()
    (home.formats / "inbound.toml").write_bytes(b"\xff")
    (home.formats / "xsellerator.toml").write_text("nonsense = 1")
    found = "\n".join(mistakes(home))
    for part in (
        "config/gateway.toml: ", "config/portfolios/p1.toml: found name p1.toml, expected p01.toml to p99.toml",
        "config/portfolios/p01.toml: gl.record: found 1", "config/operators.toml: operators.abcd",
        "config/formats/inbound.toml: ", "config/formats/xsellerator.toml: ",
    ):  # fmt: skip
        assert part in found


@pytest.mark.parametrize(
    ("keys", "also"),
    [
        ("balanced = true\nlead_days = 99", "banks.first: found balanced = true without offset_account, expected both"),
        ("balanced = true\noffset_account = '1234'", None),  # there is one, and how it is written is told
        (
            "same_day = 'asked'\nline_limit = 1",
            "banks.first: found same_day = 'asked' without same_day_windows, expected both",
        ),
        ("same_day = 'asked'\nsame_day_windows = { noon = 'SD1300' }", None),
    ],
)
def test_a_rule_of_a_table_is_asked_beside_a_mistake_in_it_unless_it_rests_on_that(
    home: Home, keys: str, also: str | None
) -> None:
    write(home, BANK + keys, "")
    first, *rest = mistakes(home)
    assert first.startswith("config/gateway.toml: banks.first.")
    assert rest == ([] if also is None else [f"config/gateway.toml: {also}"])


def test_secrets_come_from_the_environment_or_a_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_SECRET", "s3cret")
    for name, mode, held in (("url", 0o600, b"s3cret\n"), ("open", 0o640, b"s3cret\n"), ("other", 0o600, b"\xff\xfe")):
        (home.keys / name).write_bytes(held)
        (home.keys / name).chmod(mode)
    os.mkfifo(home.keys / "pipe", 0o600)  # reading it would wait for ever
    assert secret("env:THE_SECRET", home, what="x") == "s3cret"
    assert secret("file:config/keys/url", home, what="x") == "s3cret"
    for reference, words in (
        ("env:NOT_THERE", "x: found no environment variable NOT_THERE"),
        ("file:config/keys", "x: could not read config/keys: Is a directory"),
        ("file:config/keys/none", "x: could not read config/keys/none: No such file"),
        (
            "file:config/keys/pipe",
            "x: could not read config/keys/pipe: A pipe, a socket or a device; expected the secret in it",
        ),
        (
            "file:config/keys/open",
            "x: config/keys/open: found it readable by others (mode 0640), expected 0600: run chmod 0600 on it",
        ),
        (
            "file:config/keys/other",
            "x: found bytes in config/keys/other that are no UTF-8, expected the secret as text (a key armored)",
        ),
        ("plain", "x: found a plain value, expected env:NAME or file:PATH"),
    ):
        with pytest.raises(SettingsError, match=re.escape(words)):
            secret(reference, home, what="x")


def _commented_out(path: Path) -> dict[str, Any]:
    """The file with every commented key switched on: lines that look like a key or a table, not prose."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        bare = re.sub(r"^# ", "", line)
        lines.append(bare if re.match(r"\[|[a-z_]+ = |N = ", bare) else "")
    return tomllib.loads("\n".join(lines))


def _keys(table: Any, prefix: str = "") -> set[str]:
    if not isinstance(table, dict):
        return {prefix.removesuffix(".")}
    return {k for key, value in table.items() for k in _keys(value, f"{prefix}{key}.")}


def test_every_key_is_in_the_commented_files_with_its_default() -> None:
    shown = _commented_out(default_config() / "gateway.toml")
    defaults = GatewaySettings()
    for section, model in GatewaySettings.model_fields.items():
        if section in ("endpoints", "banks", "sources"):
            continue
        names = set(type(getattr(defaults, section)).model_fields)
        assert set(shown.get(section, {})) == names, section
        made = model.annotation(**shown[section])  # type: ignore[misc]
        for name in names - {"reject_limit_percent", "eop_at"} - (names if section == "retention" else set()):
            assert getattr(made, name) == getattr(getattr(defaults, section), name), f"{section}.{name}"
    from gateway.settings import Bank, Endpoint, Source

    assert set(shown["endpoints"]["bank"]) == set(Endpoint.model_fields)
    assert set(shown["banks"]["first"]) == set(Bank.model_fields)
    assert set(shown["sources"]["inbox"]) == set(Source.model_fields)
    portfolio = _commented_out(default_config() / "portfolios" / "p01.toml")
    assert set(portfolio) == set(PortfolioSettings.model_fields)
    for section in ("assessments", "escrow", "payments", "reversals", "gl", "vendor_ach", "xsellerator", "release"):
        assert set(portfolio[section]) == set(type(getattr(PortfolioSettings(), section)).model_fields), section


def test_the_commented_files_are_sound_as_they_are_and_switched_on(home: Home) -> None:
    for name in ("gateway.toml", "portfolios/p01.toml", "operators.toml"):
        (home.config / name).write_text((default_config() / name).read_text(encoding="utf-8"), encoding="utf-8")
    assert load_settings(home).gateway == GatewaySettings()
    assert _keys(_commented_out(default_config() / "gateway.toml"))


@pytest.mark.parametrize(
    ("bank", "portfolio", "expected"),
    [
        (
            "entry_description = 'REVERSAL'",
            "",
            "entry_description: found 'REVERSAL', expected 1 to 10 characters, not REVERSAL",
        ),
        ("prenote_description = ''", "", "prenote_description: found '', expected 1 to 10 characters"),
        (
            "entry_descriptions = { PPD = 'TWELVE CHARS' }",
            "",
            "entry_descriptions.PPD: found 'TWELVE CHARS', expected 1 to",
        ),
        ("entry_descriptions = { WEB = 'SHOP' }", "", "entry_descriptions.WEB"),
        ("name_pattern = 'P{portfolio}-{date}.DAT'", "", "expected a file name with {portfolio}, {date} and {further}"),
        (
            "name_pattern = '{portfolio}/{date}{further}'",
            "",
            "name_pattern: found '{portfolio}/{date}{further}', expected a file",
        ),
        ("name_pattern = '{nonsense}{portfolio}{date}{further}'", "", "expected a file name with"),
        ("modifier_alphabet = 'ABA'", "", "modifier_alphabet: found 'ABA', expected different characters A-Z and 0-9"),
        ("modifier_alphabet = 'ab'", "", "modifier_alphabet: found 'ab', expected different characters"),
        ("same_day = 'asked'", "", "found same_day = 'asked' without same_day_windows, expected both"),
        ("same_day_windows = { '10:00' = 'NOON' }", "", "same_day_windows.10:00: found 'NOON'"),
        ("same_day_windows = { '25:00' = 'SD1300' }", "", "expected a time of day such as 09:00"),
        ("same_day_limit = 'much'", "", "same_day_limit: found 'much', expected dollars and cents such as 25.00"),
        ("x12 = { sender = '1234567890123456' }", "", "x12.sender"),
        (
            "",
            "[vendor_ach]\nprenote_wait_days = 2",
            "vendor_ach.prenote_wait_days: found 2, expected greater than or equal to 3",
        ),
    ],
)
def test_what_a_bank_cannot_wish(home: Home, bank: str, portfolio: str, expected: str) -> None:
    write(home, BANK + bank, portfolio)
    (found,) = mistakes(home)
    assert expected in found
