"""The house keeps its shape: imports run one way, pure rooms stay pure, settings show their defaults, a wheel is whole."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from gateway.crashpoints import Step
from gateway.settings import GatewaySettings, OperatorSettings
from gateway.settings_portfolio import PortfolioSettings

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(p for top in ("gateway", "parsers", "writers") for p in (ROOT / top).rglob("*.py"))
PURE = [p for p in SOURCES if p.relative_to(ROOT).parts[0] in ("parsers", "writers")]

BASE = frozenset({
    "app", "calendar", "clock", "collection", "crashpoints", "cutoffs", "errors", "home", "log", "money", "sealed_files", "settings",
    "settings_checks", "settings_parts", "settings_portfolio", "settings_reading", "settings_types", "sqlite_library", "vault",
})  # fmt: skip
MAY_USE: dict[str, frozenset[str]] = {
    "reports": frozenset(),
    "ledger": frozenset(),
    "updates": frozenset({"ledger", "reports"}),
    "intake": frozenset({"updates", "ledger", "reports", "answers"}),
    "answers": frozenset({"ledger", "reports", "outbound", "vendor_ach", "delivery"}),  # what came back meets what left
    "delivery": frozenset({"ledger"}),
    "outbound": frozenset({"ledger", "reports", "delivery"}),  # delivery: see QUEUE
    "vendor_ach": frozenset({"ledger", "reports", "outbound"}),
    "release": frozenset({"ledger", "reports", "outbound", "vendor_ach", "delivery"}),  # delivery: see QUEUE
    "period": frozenset({"ledger", "reports", "outbound", "vendor_ach", "release"}),  # End of Period builds what leaves
    "console": frozenset(
        {
            "ledger",
            "reports",
            "intake",
            "answers",
            "delivery",
            "outbound",
            "vendor_ach",
            "release",
            "period",
        }
    ),
}
"""What a room may use beside the base modules, the parsers and the writers. cli stands above all of them; what is
handed from room to room is put together in parts.py."""
QUEUE = "gateway.delivery.queue"
"""A file is queued in the transaction that releases it."""


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Every module that is named in an import, at run time or for the type checker, at the top or inside."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("room", sorted(MAY_USE))
def test_imports_run_one_way(room: str) -> None:
    allowed = MAY_USE[room] | BASE | {room}
    wrong = [
        f"{shown(path)} imports {name}"
        for path in (ROOT / "gateway" / room).rglob("*.py")
        for name in imports(path)
        if name.startswith("gateway.") and name.split(".")[1] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("room", ["outbound", "release"])
def test_what_leaves_knows_nothing_of_delivery_but_its_queue(room: str) -> None:
    names = {n for p in (ROOT / "gateway" / room).rglob("*.py") for n in imports(p) if "gateway.delivery" in n}
    assert names == {QUEUE}


def test_no_room_is_forgotten() -> None:
    rooms = {p.parent.name for p in (ROOT / "gateway").glob("*/__init__.py")}
    assert rooms == MAY_USE.keys() | {"cli"}


def test_base_modules_use_no_room_but_the_ledger() -> None:
    """``app`` opens the ledger and ``setup`` makes one; ``service`` and ``parts`` stand beside the rooms' callers."""
    above = {"app", "setup", "service", "parts", "__main__"}
    for path in (ROOT / "gateway").glob("*.py"):
        used = {n.split(".")[1] for n in imports(path) if n.startswith("gateway.")}
        if path.stem not in above:
            assert used <= BASE - {"app"}, shown(path)
        elif path.stem in ("app", "setup"):
            assert used <= BASE | {"ledger"}, shown(path)


@pytest.mark.parametrize("path", PURE, ids=shown)
def test_parsers_and_writers_touch_no_file_clock_or_database(path: Path) -> None:
    """The one thing they read is a schema that is packaged beside them."""
    forbidden = {
        "gateway",
        "os",
        "time",
        "sqlite3",
        "sqlalchemy",
        "psycopg",
        "socket",
        "subprocess",
        "shutil",
        "tempfile",
    }
    assert not {name.split(".")[0] for name in imports(path)} & forbidden
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called != "open"
            assert not re.search(r"\.(now|utcnow|today|write_text|write_bytes)$", called), called
            if re.search(r"\bPath$|read_text$|read_bytes$|\.open$", called):
                assert re.search(r"__file__|__name__|schemas|SCHEMA", ast.unparse(node)), ast.unparse(node)


def test_no_docstring_runs_on() -> None:
    """Code is wrapped by the formatter, texts are not."""
    wide = []
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
                first = node.body[0]
                lines = path.read_text(encoding="utf-8").splitlines()[first.lineno - 1 : first.end_lineno]
                wide += [f"{shown(path)}: {line}" for line in lines if len(line) > 128]
    assert wide == []


def test_every_module_says_what_it_is() -> None:
    silent = [shown(p) for p in SOURCES if p.stat().st_size and ast.get_docstring(tree(p)) is None]
    assert silent == []


def test_only_the_command_line_prints() -> None:
    loud = [
        shown(path)
        for path in SOURCES
        if path.relative_to(ROOT).parts[:2] != ("gateway", "cli")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert loud == []


def test_every_durable_step_is_reached_somewhere() -> None:
    reached = {
        ast.unparse(node.args[0])
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "reached"
    }
    assert reached == {f"Step.{step.name}" for step in Step}


def test_who_seals_waits_for_a_rotation_of_the_key() -> None:
    """Else a value might be sealed with a key that is about to go. ``vendor_details`` is called by who holds it."""
    calls: dict[str, set[str]] = {"seal": set(), "hold": set()}
    for path in SOURCES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and "vault" in ast.unparse(node.value) and node.attr in calls:
                calls[node.attr].add(shown(path))
    assert calls["seal"] - calls["hold"] == {"gateway/ledger/vendor_details.py"}


# --- settings -----------------------------------------------------------------------------------------------

_KEY = re.compile(r"# ?(\[{1,2}[a-z0-9_.]+\]{1,2}(?: *#.*)?|\w+ *=.*)$")


def uncommented(path: Path) -> dict[str, Any]:
    """The file with every commented key in force; a comment in prose has no ``=`` and no bracket."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        found = _KEY.match(line)
        lines.append(found[1] if found else line)
    return tomllib.loads("\n".join(lines))


EXAMPLES = {
    "gateway.toml": frozenset({
        "endpoints.bank.key_passphrase", "endpoints.bank.temporary_directory", "banks.first.endpoint",
        "endpoints.bank.acknowledge_within_minutes", "banks.first.offset_account", "banks.first.same_day_windows",
        "intake.reject_limit_percent", "banks.first.openpgp.fingerprint", "banks.first.openpgp.sign_with", "banks.first.openpgp.passphrase",
        "banks.first.acknowledgements.files", "banks.first.acknowledgements.text",
        "service.eop_at", *(f"retention.{k}_days" for k in ("reports", "avro")),
    }),
    "p01.toml": frozenset({
        "default_office", "reversals.bank", "reversals.nsf_fee_code", "reversals.nsf_fee", "gl.endpoint", "vendor_ach.bank", "vendor_ach.scratch_endpoint",
        "xsellerator.endpoint", "expected",
    }),
}  # fmt: skip
"""Keys whose default is nothing: the file shows an example and says so (``said_examples``)."""


def said_examples(path: Path) -> set[str]:
    """Keys that the file marks as an example, at them or in the line of prose before them; of a table the table."""
    said, at, before = set(), "", ""
    for line in path.read_text(encoding="utf-8").splitlines():
        key = _KEY.match(line)
        if shown := key[1] if key else line if line.startswith("[") else "":
            table = re.match(r"\[+([a-z0-9_.]+)\]", shown)
            at = table[1] if table else at
            where = at if table else f"{at}.{shown.split('=')[0].strip()}".removeprefix(".")
            comment = shown.partition("# ")[2] if not table or "example" in shown else ""
            if re.search(r"\bexample\b", f"{comment} {before}"):
                said.add(where)
        before = line if not shown else ""
    return said


def off_default(model: BaseModel, where: str = "") -> Iterator[str]:
    """Names of the keys that are set to something else than their default."""
    for name, info in type(model).model_fields.items():
        value, at = getattr(model, name), f"{where}{name}"
        if isinstance(value, BaseModel):
            yield from off_default(value, f"{at}.")
        elif isinstance(value, dict) and any(isinstance(v, BaseModel) for v in value.values()):
            for key, inner in value.items():
                yield from off_default(inner, f"{at}.{key}.")
        elif not info.is_required() and value != info.get_default(call_default_factory=True):
            yield at


def unmentioned(model: BaseModel, where: str = "") -> Iterator[str]:
    """Names of keys that the file does not show."""
    for name in type(model).model_fields:
        value, at = getattr(model, name), f"{where}{name}"
        if name not in model.model_fields_set:
            yield at
        elif isinstance(value, BaseModel):
            yield from unmentioned(value, f"{at}.")
        elif isinstance(value, dict):
            for key, inner in value.items():
                if isinstance(inner, BaseModel):
                    yield from unmentioned(inner, f"{at}.{key}.")


@pytest.mark.parametrize(
    ("path", "model"),
    [("config/gateway.toml", GatewaySettings), ("config/portfolios/p01.toml", PortfolioSettings)],
)
def test_the_commented_settings_are_all_of_them_with_their_defaults(path: str, model: type[BaseModel]) -> None:
    read = model.model_validate(uncommented(ROOT / path))
    assert set(off_default(read)) == EXAMPLES[Path(path).name]
    assert list(unmentioned(read)) == []
    tables = {"reversals.bank.N": "reversals.bank"}
    assert {tables.get(key, key) for key in said_examples(ROOT / path)} == EXAMPLES[Path(path).name]


def test_the_commented_operator_is_one() -> None:
    read = uncommented_operators()
    assert set(read) == set(OperatorSettings.model_fields)
    assert tuple(read["rights"]) == OperatorSettings.model_fields["rights"].default


def uncommented_operators() -> dict[str, Any]:
    text = (ROOT / "config" / "operators.toml").read_text(encoding="utf-8")
    table = text[text.index("# [operators.ABC]") :].replace("# ", "")
    found: dict[str, Any] = tomllib.loads(table)["operators"]["ABC"]
    return found


# --- the wheel ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (made,) = folder.glob("*.whl")
    return made


def pip(*args: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", *args],
        check=True, capture_output=True, env=os.environ | {"PIP_NO_INDEX": "1"},
    )  # fmt: skip


def test_a_wheel_has_all_that_the_checkout_has(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    expected = {shown(p) for p in SOURCES}
    expected |= {shown(p) for p in (ROOT / "gateway" / "sample").rglob("*") if p.is_file()}
    expected |= {shown(p) for top in ("parsers", "writers") for p in (ROOT / top / "schemas").glob("*.*")}
    expected |= {f"gateway/defaults/{shown(p)}" for p in (ROOT / "config").rglob("*.toml")}
    assert expected - inside == set()
    secrets = [n for n in inside if re.search(r"(^|/)(id_\w+|field\.key|known_hosts)$|\.db$", n)]
    assert secrets == []


def test_a_home_can_be_made_from_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    """Installed beside nothing of the checkout: its own settings, migrations and entry point."""
    installed, home = tmp_path / "installed", tmp_path / "home"
    pip("install", "--no-deps", "--target", str(installed), str(wheel))
    code = "import gateway, sys; print(gateway.__file__); from gateway.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "init", str(home)],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(installed)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[0]).is_relative_to(installed)
    for path in (ROOT / "config").rglob("*.toml"):
        assert (home / "config" / path.relative_to(ROOT / "config")).is_file()
    assert (home / "var" / "ledger.db").is_file()
