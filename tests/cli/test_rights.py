"""Every command of the tree either only looks, or asks the operator for one right, whatever other rights there are."""

from __future__ import annotations

import json

import pytest

from gateway.app import system_user
from tests.cli.conftest import Played
from tests.cli.test_main import every_command

RIGHTS = ("post", "load", "approve", "deliver", "resolve", "admin")
ASKS: tuple[tuple[str, str], ...] = (
    ("load .", "load"),
    ("run", "post"),
    ("process", "post"),
    ("eop --date 2026-03-03", "post"),
    ("outbound approve 1 --sha256 x", "approve"),
    ("outbound reject 1 --reason x", "approve"),
    ("outbound recall 1 --reason x", "approve"),
    ("outbound build vach --portfolio 1", "post"),
    ("outbound build vach-reversal --of 1 --reason x", "post"),
    ("outbound export 1 x.dat --reason x", "approve"),
    ("outbound taken 1 --reason x", "deliver"),
    ("vendor change V1 --name X --reason x", "load"),
    ("vendor approve 1", "approve"),
    ("vendor refuse 1 --reason x", "approve"),
    ("vendor alert V1 --on --reason x", "load"),
    ("vendor alert V1 --off --reason x", "approve"),
    ("vendor alert V1 --override-until 2026-03-09 --reason x", "approve"),
    ("vendor pay-again 1 --reason x", "post"),
    ("vendor void 30001 --reason x", "post"),
    ("vendor void 30001 --undo --reason x", "post"),
    ("deliver", "deliver"),
    ("deliver resolve 1 --as delivered --reason x", "resolve"),
    ("deliver withdraw 1 --reason x", "resolve"),
    ("deliver again 1 --reason x", "deliver"),
    ("deliver acknowledge 1 --reference x", "deliver"),
    ("files release 1 --reason x", "post"),
    ("files discard 1 --reason x", "post"),
    ("files repair 1 --line 1 --text x --reason x", "post"),
    ("files reverse 1 --reason x", "post"),
    ("files export 1 x.dat --reason x", "approve"),
    ("files correct 1 --line 1 --set amount=1.00 --reason x", "post"),
    ("files strike 1 --line 1 --reason x", "post"),
    ("answers clear 1/1 --reason x", "post"),
    ("assess --lease 1006 --charge LTCH --amount 1 --reason x", "post"),
    ("waive 20008 PYMT 1 --reason x", "post"),
    ("payment post --lease 1006 --amount 1 --reason x", "post"),
    ("payment reverse 26020290000000000001 --reason NSFC", "post"),
    ("suspense note 1 --text x", "post"),
    ("suspense apply 1 --lease 1006 --reason x", "post"),
    ("suspense pay 1 --check 9 --payee X --reason x", "post"),
    ("suspense refund 1 --check 9 --reason x", "post"),
    ("suspense clear 1 --account CLEARING --reason x", "post"),
    ("suspense undo 1 --move 1 --reason x", "post"),
    ("suspense add --portfolio 1 --amount 1 --reason x", "post"),
    ("suspense change 1 --amount 1 --reason x", "post"),
    ("keys prepare", "admin"),
    ("keys rotate", "admin"),
    ("backup b", "admin"),
    ("deliver compared --reason x", "resolve"),
)
"""A command line, and the right without which it does nothing."""
LOOKS = {
    "check", "status", "trace", "explain", "report", "verify", "outbound list", "outbound show", "vendor list", "vendor show",
    "vendor changes", "vendor clearing", "deliver list", "files list", "files show", "files staged", "answers list",
    "answers show", "suspense list", "suspense show", "ledger balance", "ledger journal", "ledger lease",
    "ledger receivables", "ledger payments", "ledger checks", "ledger vendors", "ledger accounts", "ledger charges", "ledger holidays", "keys show",
    "config check",
}  # fmt: skip
HOMES = {"init", "demo", "restore", "db upgrade", "endpoint probe"}
"""These make a home, or are of the one who installs it: no operator is asked."""
ANSWERED = {"vendor clear", "answers refuse"}
"""These look first at what the bank said, and ask then: ``tests/answers``."""


def test_every_command_is_in_one_of_the_tables() -> None:
    tree = {" ".join(words) for words in every_command()}
    groups = {name.split()[0] for name in tree if " " in name} - {"deliver"}
    asks = {name for name in tree - groups if any(line == name or line.startswith(f"{name} ") for line, _ in ASKS)}
    assert not asks & (LOOKS | HOMES | ANSWERED)
    assert asks | LOOKS | HOMES | ANSWERED == tree - groups


@pytest.mark.parametrize(("line", "right"), ASKS, ids=[line for line, _ in ASKS])
def test_without_the_right_nothing_is_done(own: Played, line: str, right: str) -> None:
    others = [other for other in RIGHTS if other != right]
    (own.root / "config" / "operators.toml").write_text(
        f'[operators.ABC]\nusers = ["{system_user()}"]\nrights = {json.dumps(others)}\n'
    )
    before = own.ok("ledger", "journal", "--json").out
    refused = own.do(*line.split())
    assert refused.code == 3, refused
    assert f"found operator ABC without the right '{right}'" in refused.err
    assert own.ok("ledger", "journal", "--json").out == before
