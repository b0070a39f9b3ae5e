"""``gateway config check``: no mistake hides another that does not rest on it, and what nothing reads is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import CONFIG, PORTFOLIO, Played

PINNED = "config/gateway.toml: endpoints.bank: found no host key of [127.0.0.1]:1 in config/keys/known_hosts"


def told(home: Played) -> list[str]:
    done = home.do("config", "check")
    assert (done.code, done.out) == (2, ""), done
    return [line.removeprefix("gateway: ") for line in done.err.splitlines()]


def settings(home: Played, name: str) -> Path:
    return home.root / "config" / name


def test_eight_mistakes_in_one_round(own: Played) -> None:
    """Each of another stage: fields, what tables say of each other, keys, profiles, the ledger."""
    config = CONFIG.replace('endpoint = "bank"', 'endpoint = "bnak"\nlead_days = 99\ndiscretionary_data = "A~B"')
    settings(own, "gateway.toml").write_text(config + "[intake]\nworkers = 0\n")
    settings(own, "keys/none").unlink()
    settings(own, "keys/known_hosts").write_text("")
    settings(own, "portfolios/p01.toml").write_text(
        'default_office = "9/9/9"\n'
        + PORTFOLIO
        + '[gl]\nrecord = 1\nendpoint = "nowhere"\n[reversals]\ndefault_reason = "XX"\n'
    )
    settings(own, "formats/inbound.toml").write_text("date_pivot = 200\n")
    found = told(own)
    expected = [
        "config/gateway.toml: intake.workers: found 0",
        "config/gateway.toml: banks.first.lead_days: found 99",
        "config/portfolios/p01.toml: gl.record: found 1",
        "config/formats/inbound.toml: Found date_pivot 200",
        "config/portfolios/p01.toml: reversals.default_reason: found 'XX'",
        "config/gateway.toml: banks.first.discretionary_data: found 'A~B'",
        "banks.first.endpoint: found 'bnak', expected one of [endpoints.*] in gateway.toml (bank)",
        "config/portfolios/p01.toml: gl.endpoint: found 'nowhere'",
        "config/gateway.toml: endpoints.bank: config/keys/none: found no file to read",
        PINNED,
        "config/portfolios/p01.toml: default_office: found '9/9/9'",
    ]
    assert [any(line.startswith(words) for line in found) for words in expected] == [True] * len(expected), found
    assert len(found) == len(expected), found


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # a mistake that rests on what could not be read is none: it is told once the other is mended
        ("port = 1", "port = 0", ["endpoints.bank.port: found 0"]),
        ('company_name = "MAIN STREET LSG"', "company_name = 5", ["banks.first.company_name: found 5"]),
        ("[endpoints.bank]", "[endpoints.bank]\nchannels = 99", ["endpoints.bank.channels: found 99"]),
        ("[endpoints.bank]", "[endpoints.bank]\ntemporary_suffix = ''", ["endpoints.bank: found temporary_suffix = ''"]),
        ("port = 1", "port = 0\ntemporary_suffix = ''", ["endpoints.bank.port: found 0", "endpoints.bank: found temporary_suffix = ''"]),
        ("[banks.first]", "[banks.first]\ncharacter_set = 'x'\nreference_code = 'a~'", ["banks.first.character_set: found 'x'"]),
        ('url = "env:GATEWAY_TEST_DATABASE"', 'url = "env:NOT_THERE"', ["database.url: found no environment variable NOT_THERE"]),
        ('host = "127.0.0.1"', 'host = ""', ["endpoints.bank.host: found '', expected the name of the far side's machine; ask the"]),
        ('user = "u"', 'user = " "', ["endpoints.bank.user: found ' ', expected the user we are there"]),
        ('host = "127.0.0.1"', 'host = "other.example"', ["endpoints.bank: found no host key of [other.example]:1 in"]),
        ("port = 1", 'port = 1\nknown_hosts = "none"', ["endpoints.bank: found no host key of [127.0.0.1]:1 in none, which is not there,"]),
        ("port = 1", "port = 1\nhost_keys = ['ssh-ed25519 x']", ["endpoints.bank: host_keys: found 'ssh-ed25519 x', expected a public key"]),
    ],
)  # fmt: skip
def test_one_mistake_is_told_once(own: Played, old: str, new: str, expected: list[str]) -> None:
    assert old in CONFIG
    settings(own, "gateway.toml").write_text(CONFIG.replace(old, new))
    found = [line.removeprefix("config/gateway.toml: ") for line in told(own)]
    assert len(found) == len(expected) and all(map(str.startswith, found, expected)), found


@pytest.mark.parametrize("change", ['host = ""', 'host = "other.example"'])
def test_an_endpoint_that_waits_for_the_banks_letter_stops_no_other_command(own: Played, change: str) -> None:
    settings(own, "gateway.toml").write_text(CONFIG.replace('host = "127.0.0.1"', change))
    assert own.do("config", "check").code == 2
    own.ok("ledger", "balance")


def test_files_that_nothing_reads_are_named_and_harm_nothing(own: Played) -> None:
    for name in ("gatway.toml", "formats/inbuond.toml", "portfolios/p01.tmol", ".hidden"):
        settings(own, name).touch()
    settings(own, "portfolio").mkdir()
    done = own.ok("config", "check")
    warnings = [line for line in done.out.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        "warning: config/gatway.toml: found a name that nothing reads, expected gateway.toml: rename it, or take it away",
        "warning: config/portfolio: found a name that nothing reads, expected portfolios/: rename it, or take it away",
        "warning: config/portfolios/p01.tmol: found a name that nothing reads, expected p01.toml to p99.toml: rename it, or take it away",
        "warning: config/formats/inbuond.toml: found a name that nothing reads, expected inbound.toml: rename it, or take it away",
    ]
    assert own.ok("config", "check", "--json").document["warnings"] == [w.removeprefix("warning: ") for w in warnings]
    settings(own, "gateway.toml").write_text("[intake]\nworkers = 0\n")
    assert sum(line.startswith("warning: ") for line in told(own)) == 4


def test_a_portfolio_without_a_file_is_held_to_the_profile(own: Played) -> None:
    settings(own, "portfolios/p01.toml").unlink()
    settings(own, "formats/inbound.toml").write_text("[reversals]\nreason_families = ['N', 'S']\n")
    assert told(own) == [
        "config/portfolios/p01.toml: reversals.default_reason: found 'UNDO', expected a code of up to 4 in capitals that begins with N, S, "
        "such as NSFC; the portfolio has no such file, so the default counts: make one"
    ]


def test_it_shows_what_a_bank_says_of_a_file(own: Played) -> None:
    before, endpoint = CONFIG.index("[endpoints"), CONFIG.index("[banks")
    plain = (CONFIG[:before] + CONFIG[endpoint:]).replace('endpoint = "bank"', "")
    settings(own, "gateway.toml").write_text(plain)
    assert own.ok("config", "check", "--json").document["statuses"] == {}
    named = '[banks.first.acknowledgements]\nfiles = ["{name}.ack"]\ntext = "(?P<status>[A-Z]+)"\nrefused = ["RJCT"]\n'
    settings(own, "gateway.toml").write_text(plain + named)
    expected = {"first": {"accepted": ["ACCEPTED", "OK"], "refused": ["RJCT"]}}
    assert own.ok("config", "check", "--json").document["statuses"] == expected
    words = "  first takes a file with ACCEPTED, OK, refuses it with RJCT; of any other status a person asks"
    assert words in own.ok("config", "check").out.splitlines()


def test_it_shows_to_whose_key_a_banks_files_leave(own: Played) -> None:
    from pysequoia import Tsk

    key = Tsk.generate("First Bank <ach@first.invalid>", validity_seconds=86_400).extract_certificate()
    settings(own, "keys/bank.asc").write_text(str(key))
    table = '[banks.first.openpgp]\nrecipient = "config/keys/bank.asc"\n'
    assert own.ok("config", "check", "--json").document["recipients"] == []
    settings(own, "gateway.toml").write_text(CONFIG + table)
    assert key.expiration is not None
    said = (
        f"  files for first are encrypted to key {key.fingerprint}, First Bank <ach@first.invalid>, valid until "
        f"{key.expiration:%Y-%m-%d}"
    )
    open_end = (
        "; any other key would be taken too: set banks.first.openpgp.fingerprint to what the bank says by telephone"
    )
    assert said + open_end in own.ok("config", "check").out.splitlines()
    settings(own, "gateway.toml").write_text(
        f'{CONFIG}{table}fingerprint = "{key.fingerprint[:20]} {key.fingerprint[20:]}"\n'
    )
    assert said in own.ok("config", "check").out.splitlines()
    (found,) = own.ok("config", "check", "--json").document["recipients"]
    assert found == {
        "bank": "first", "pinned": True, "fingerprint": key.fingerprint, "user_ids": ["First Bank <ach@first.invalid>"],
        "until": f"{key.expiration:%Y-%m-%dT%H:%M:%S.000000Z}", "refused": None,
    }  # fmt: skip
    settings(own, "gateway.toml").write_text(f'{CONFIG}{table}fingerprint = "{"0" * 40}"\n')
    (mistake,) = told(own)
    assert f"found key {key.fingerprint} in config/keys/bank.asc, expected {'0' * 40}" in mistake
    settings(own, "gateway.toml").write_text(f'{CONFIG}{table}fingerprint = "my key"\n')
    (mistake,) = told(own)
    assert "banks.first.openpgp.fingerprint: found 'my key', expected the 40 or 64 hexadecimal digits" in mistake


@pytest.mark.parametrize(("hour", "early"), [("00:30", True), ("12:00", False), ("22:30", False)])
def test_an_end_of_period_before_its_day_is_told(own: Played, hour: str, early: bool) -> None:
    """At 00:30 the service ended each date as it began, and nothing said why all of the day posted on the next."""
    place = settings(own, "gateway.toml")
    place.write_text(place.read_text() + f'[service]\neop_at = "{hour}"\n')
    warnings = own.ok("config", "check", "--json").document["warnings"]
    found = f"config/gateway.toml: service.eop_at: found '{hour}', which ends a business date at that hour of the date itself"
    assert [w.startswith(found) for w in warnings if "eop_at" in w] == [True] * early
