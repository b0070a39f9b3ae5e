"""A whole day, its looks and its accidents; then everything it left is searched for account numbers, in every form that
a program is likely to write one in. Nothing is excepted but the bank's own side."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import fastavro
import pytest
from backports import zstd
from sqlalchemy import select, text

from gateway import log
from gateway.delivery.keys import make_key
from gateway.delivery.local_server import USER, LocalServer
from gateway.ledger import schema
from gateway.ledger.database import Database
from gateway.outbound import store
from tests.answers import bank
from tests.cli.conftest import CONFIG, PORTFOLIO, SAMPLE, Played, create

ROUTING = {"V100": "091000019", "V101": "121000248", "V102": "021000021"}
ACCOUNTS = {"V100": "8306174925561", "V101": "70418829365514207", "V102": "592217304866"}
"""Nobody's numbers, and nothing else's by chance."""
CHANGED = "4417700932158"
"""What a change that waits for a second person would make of one of them."""
REFUSED = "31415926535897932384"
"""What a file that was refused gave: too long for an account number."""
CORRECTED, MISNAMED, DAMAGED = "60914473320586", "7719350482263", "95270361184420773"
"""What a bank said that an account is now; what lay in a bank's file under another file's name; in a torn record."""
SECRETS = (*ACCOUNTS.values(), CHANGED, REFUSED, CORRECTED, MISNAMED, DAMAGED)


def forms(number: str) -> dict[str, bytes]:
    """A number in clear and in the encodings that programs write without meaning to hide anything."""
    plain = number.encode()
    whole = int(number)
    zigzag, varint = whole << 1, bytearray()
    while zigzag > 0x7F:
        varint.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    varint.append(zigzag)
    size = (whole.bit_length() + 7) // 8
    found = {
        "text": plain,
        "backwards": plain[::-1],
        "UTF-16": number.encode("utf-16-le")[:-1],
        "hexadecimal": plain.hex().encode(),
        "HEXADECIMAL": plain.hex().upper().encode(),
        "a number": whole.to_bytes(size, "big"),
        "a number, low end first": whole.to_bytes(size, "little"),
        "an Avro long": bytes(varint),
        "digits packed": bytes.fromhex(number[: len(number) // 2 * 2]),
        "digits packed, shifted": bytes.fromhex(number[1 : 1 + (len(number) - 1) // 2 * 2]),
        "grouped by blanks": b" ".join(plain[i : i + 4] for i in range(0, len(plain), 4)),
        "grouped by dashes": b"-".join(plain[i : i + 4] for i in range(0, len(plain), 4)),
    }
    for start in range(3):  # base64 looks different by where in a group of three bytes the number begins
        coded = base64.b64encode(b"\0" * start + plain)
        found[f"base64 at {start}"] = coded[-(-start * 4 // 3) : (start + len(plain)) // 3 * 4]
    return found


NEEDLES = [(number, name, form) for number in SECRETS for name, form in forms(number).items()]


def views(path: Path) -> Iterator[tuple[str, bytes]]:
    """A file's bytes, and what is in it where it is compressed."""
    data = path.read_bytes()
    yield str(path), data
    if path.suffix == ".avro":
        with path.open("rb") as handle:
            yield f"{path}, its records", repr(list(fastavro.reader(handle))).encode()
    if data[:4] == b"\x28\xb5\x2f\xfd":
        yield f"{path}, decompressed", zstd.decompress(data)


def below(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield from views(path)


def rows(url: str) -> Iterator[tuple[str, bytes]]:
    """Every value of every table: what lies in a database whose files are not ours to read."""
    db = Database(url)
    try:
        with db.read() as connection:
            for table in schema.metadata.sorted_tables:
                found = [
                    [bytes(v) if isinstance(v, memoryview) else v for v in r] for r in connection.execute(select(table))
                ]
                yield (
                    f"table {table.name}",
                    repr(found).encode() + b"".join(v for r in found for v in r if isinstance(v, bytes)),
                )
    finally:
        db.close()


def leaks(seen: Iterator[tuple[str, bytes]] | Sequence[tuple[str, bytes]]) -> list[str]:
    return [f"{where}: {number} as {name}" for where, data in seen for number, name, form in NEEDLES if form in data]


@dataclass
class Day:
    """A home, and everything that its commands said."""

    home: Played
    said: list[tuple[str, bytes]] = field(default_factory=list)

    def do(self, *arguments: str, code: int | None = 0) -> None:
        done = self.home.do(*arguments)
        assert code is None or done.code == code, (arguments, done)
        self.said.append((f"gateway {' '.join(arguments)}", (done.out + done.err).encode()))

    def both(self, *arguments: str, code: int | None = 0) -> None:
        self.do(*arguments, code=code)
        self.do(*arguments, "--json", code=code)


@contextmanager
def far_side(root: Path, home: Path) -> Iterator[str]:
    """A receiver; gives the settings of a home that delivers to it."""
    (root / "bank").mkdir(parents=True)
    make_key(root / "host")
    public = make_key(home / "config" / "keys" / "id")
    with LocalServer(root / "bank", host_key=root / "host", authorized=[public]) as server:
        (home / "config" / "keys" / "known_hosts").write_text(server.known_hosts_line + "\n", encoding="ascii")
        yield CONFIG.replace('port = 1\nuser = "u"\nkey = "config/keys/none"', (
            f'port = {server.port}\nuser = "{USER}"\nkey = "config/keys/id"'
        ))  # fmt: skip


def reference(folder: Path) -> Path:
    """The sample's data, with account numbers that are found again."""
    shutil.copytree(SAMPLE / "reference", folder)
    header, *vendors = (folder / "vendors.csv").read_text().splitlines()
    changed = []
    for line in vendors:
        vendor, name, routing, _account, *rest = line.split(",")
        assert routing == ROUTING[vendor]
        changed.append(",".join([vendor, name, routing, ACCOUNTS[vendor], *rest]))
    (folder / "vendors.csv").write_text("\n".join([header, *changed]) + "\n")
    return folder


def play(day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Load, post, close, look, release, deliver, work by hand, and everything that can go wrong with a number in hand."""
    root = day.home.root
    for name in sorted(p.name for p in (SAMPLE / "inbox").iterdir()):
        day.both("check", str(SAMPLE / "inbox" / name), code=None)
        shutil.copy(SAMPLE / "inbox" / name, root / "inbox" / name)
    day.do("process", code=1)
    day.do("eop", "--date", "2026-03-02")
    for number in (1, 2, 3, 4):
        day.both("outbound", "show", str(number))
    for path in sorted((root / "outbox").iterdir()):
        day.both("explain", str(path), code=None)
    accidents(day, tmp_path, monkeypatch)
    for row in day.home.ok("outbound", "list", "--json").rows:
        if row["kind"] == "VACH-BANK":
            approval = ("outbound", "approve", str(row["id"]), "--sha256", row["sha256"])
            day.do(*approval, code=3)  # held: the first payment to these vendors
            day.do(*approval, "--accept", "first-payment", "--reason", "called them")
    day.do("deliver", "--json")
    change(day, tmp_path)
    the_bank_answers(day, tmp_path)
    for row in day.home.ok("outbound", "list", "--kind", "VACH-SCRATCH", "--json").rows:
        day.do("outbound", "taken", str(row["id"]), "--reason", "loaded")
    for command in (
        ("ledger", "vendors"), ("ledger", "checks"), ("ledger", "journal"), ("trace", "091000010000001"), ("trace", "V100"),
        ("vendor", "list"), ("vendor", "show", "V100"), ("vendor", "changes"), ("status",), ("outbound", "list"),
        ("deliver", "list"), ("files", "list"), ("files", "show", "1"), ("config", "check"),
    ):  # fmt: skip
        day.both(*command, code=None)
    for name in ("journal", "checks"):
        day.do("report", name, "--portfolio", "1", "--out", str(root / "var" / "reports" / "asked"))
    day.do("keys", "rotate", "--debug")
    day.both("keys", "show")
    day.do("backup", str(root / "var" / "backup"))
    again = root / "var" / "restored"
    restored = Day(Played(again, f"sqlite:///{again}/var/ledger.db"), day.said)
    restored.do("restore", str(root / "var" / "backup"), "--home", str(again))
    day.both("verify")


def the_bank_answers(day: Day, tmp_path: Path) -> None:
    """A return, a correction, records that are damaged each in its way; the same under names of files of lines; looked at
    in every way, and exported."""
    db = Database(day.home.url)
    with db.read() as connection:
        statement = "SELECT trace_number, amount_cents FROM ach_entry WHERE kind = 'LIVE' ORDER BY trace_number"
        (first, cents), (second, _) = connection.execute(text(statement)).all()[:2]
    db.close()

    def about(account: str, records: list[str]) -> list[str]:
        return [r[:12] + f"{account:<17}" + r[29:] if r[0] == "6" else r for r in records]

    returned = about(ACCOUNTS["V100"], bank.return_of(first, cents, trace="091000010000701"))
    corrected = about(ACCOUNTS["V101"], bank.change_of(second, CORRECTED, trace="091000010000702"))
    strange = about(MISNAMED, bank.return_of("091000019999999", 5, trace="091000010000703"))
    torn = about(DAMAGED, bank.return_of(first, 7, trace="091000010000704"))
    lines = bank.records(returned, corrected, strange)
    damaged = [
        *lines[:2], torn[0][1:], torn[0][3:], "  " + torn[0], torn[0][:40], torn[0].replace("6", "5", 1),
        "799" + DAMAGED, "798C01" + DAMAGED, torn[0][:12] + torn[0][20:], *torn, "x" + torn[0],
    ]  # fmt: skip
    misnamed = "\n".join(bank.records(about(MISNAMED, torn))) + "\n"
    root = day.home.root
    for name, content in {
        "returns.ach": "\n".join(lines) + "\n", "damaged.ach": "\n".join(damaged) + "\n", "p1_btchassmt.dat": misnamed,
        "p1_btchpmt.dat": misnamed.replace("\n", ""), "p1_bptmtrev.avro": misnamed.replace("\n", "\r\n"),
        "p1_btchescr.dat": "\n".join(lines[2:4]),
    }.items():  # fmt: skip
        (root / "inbox" / name).write_text(content)
        day.both("check", str(root / "inbox" / name), code=None)
        day.both("explain", str(root / "inbox" / name), code=None)
    day.do("process", code=1)
    for row in day.home.ok("files", "list", "--json").rows[-6:]:
        day.both("files", "show", str(row["id"]))
    day.both("answers", "list", code=1)
    for row in day.home.do("answers", "list", "--json").rows:
        day.both("answers", "show", row["answer"])
    day.both("vendor", "changes")
    day.both("trace", first)
    held = [r for r in day.home.ok("files", "list", "--json").rows if r["kind"] == "bank-answers"]
    for row in held:
        day.do("files", "export", str(row["id"]), str(tmp_path / row["name"]), "--reason", "the bank asks for it")
    assert (tmp_path / "returns.ach").read_text() == "\n".join(lines) + "\n"
    assert (tmp_path / "returns.ach").stat().st_mode & 0o777 == 0o600


def change(day: Day, tmp_path: Path) -> None:
    (tmp_path / "new").write_text(CHANGED + "\n")
    (tmp_path / "new").chmod(0o600)
    day.do("vendor", "change", "V102", "--account-from", f"file:{tmp_path / 'new'}", "--reason", "letter", code=1)
    day.do("vendor", "change", "V102", "--account-from", CHANGED, "--reason", "letter", code=2)
    day.said.pop()  # what was typed is in what we noted as the command; what was said of it is not to repeat it
    assert not leaks([("the answer", day.home.do("vendor", "change", "V102", "--account-from", CHANGED, "--reason", "x").err.encode())])  # fmt: skip


def accidents(day: Day, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = tmp_path / "bad" / "vendors.csv"
    bad.parent.mkdir()
    bad.write_text(
        "vendor,name,routing_number,account_number,account_type,sec\n"
        f"V200,NOBODY,091000018,{ACCOUNTS['V100']},checking,CCD\n"
        f"V201,NOBODY,091000019,{REFUSED},checking,CCD\nV202,NOBODY,{ACCOUNTS['V101']},091000019,vault,CCD\n"
    )
    day.both("load", str(bad), code=2)
    day.do("outbound", "approve", "1", "--sha256", "0" * 64, code=3)

    def bad_disk(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:  # a fault with the rows of a file in the frames above it
        patch.setattr(store, "render_rows", bad_disk)
        day.do("verify", "--debug", code=4)
        day.do("outbound", "export", "1", str(tmp_path / "copy"), "--reason", "x", "--debug", code=4)


@pytest.fixture(params=["sqlite", "postgresql"])
def day(
    request: pytest.FixtureRequest, tmp_path: Path, _standing_clock: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Day]:
    root = tmp_path / "home"
    url = f"sqlite:///{root}/var/ledger.db"
    if request.param == "postgresql":
        url = create(request.getfixturevalue("postgres_url"), "numbers_at_rest", "gateway_template")
    home = Played(root, url)
    home.ok("init", str(root), "--code", "ABC")
    with far_side(tmp_path / "far", root) as config:
        (root / "config" / "gateway.toml").write_text(config)
        (root / "config" / "portfolios" / "p01.toml").write_text(PORTFOLIO)
        home.ok("db", "upgrade")
        watching = Database(url)  # so that SQLite leaves its write-ahead log where it is
        try:
            with watching.read() as connection:
                connection.execute(text("SELECT 1"))
            played = Day(home)
            played.do("load", str(reference(tmp_path / "reference")), "--date", "2026-03-02")
            play(played, tmp_path, monkeypatch)
            yield played
        finally:
            watching.close()
    if request.param == "postgresql":
        drop = Database(request.getfixturevalue("postgres_url"))
        with drop.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("DROP DATABASE numbers_at_rest WITH (FORCE)"))
        drop.close()


def test_nothing_that_a_day_leaves_holds_an_account_number(day: Day, tmp_path: Path) -> None:
    root = day.home.root
    paths = {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}
    bank_files = sorted(p for p in paths if p.startswith("outbox/") and "VACH" in p)
    assert len(bank_files) == 4 and all(p.endswith(".sealed") for p in bank_files), bank_files
    assert {"var/log/gateway.log", "var/backup/ledger.jsonl.zst"} <= paths
    sealed = [p for p in paths if p.startswith(("var/archive", "var/backup/var/archive")) and p.endswith(".sealed")]
    assert len(sealed) == 12 and len([p for p in paths if p.startswith("var/quarantine/")]) == 4, sealed
    assert any(p.endswith(".avro") for p in paths) and any(p.endswith(".rpt") for p in paths)
    if day.home.url.startswith("sqlite"):
        assert {"var/ledger.db", "var/ledger.db-wal"} <= paths
    assert leaks(below(root)) == []
    assert leaks(rows(day.home.url)) == []
    assert leaks(day.said) == []
    # the same search finds the numbers where they belong: at the bank, with their routing numbers before them
    sent = b"".join(data for _, data in below(tmp_path / "far" / "bank"))
    assert [v for v in ACCOUNTS if (ROUTING[v] + ACCOUNTS[v]).encode() in sent] == ["V100", "V101", "V102"]
    assert len(leaks([("bank", sent)])) >= len(ACCOUNTS)


@pytest.mark.parametrize("form", forms("1"))
def test_the_search_finds_a_leak_in_every_form(tmp_path: Path, form: str) -> None:
    number = ACCOUNTS["V101"]
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "note").write_bytes(b"before " + forms(number)[form] + b" after")
    assert f"{tmp_path}/var/note: {number} as {form}" in leaks(below(tmp_path))


def test_the_search_finds_a_leak_in_a_log_an_archive_and_a_backup(tmp_path: Path) -> None:
    number = ACCOUNTS["V102"]
    log.set_up(tmp_path)
    log.get("gateway.somewhere").info("vendor.looked_at", account=number, note=f"paid to {number}")
    log.set_up(None)
    (tmp_path / "ledger.jsonl.zst").write_bytes(zstd.compress(b'["V102", "' + number.encode() + b'"]'))
    with (tmp_path / "records.avro").open("wb") as handle:
        fields = [{"name": "raw", "type": "string"}]
        fastavro.writer(
            handle, {"type": "record", "name": "r", "fields": fields}, [{"raw": number}] * 50, codec="deflate"
        )
    assert set(leaks(below(tmp_path))) >= {
        f"{tmp_path}/gateway.log: {number} as text",
        f"{tmp_path}/ledger.jsonl.zst, decompressed: {number} as text",
        f"{tmp_path}/records.avro, its records: {number} as text",
    }
