"""A year of banking days: two portfolios, two banks, one of which answers late; each day's money ties.

The banks here read the files that left by their positions and nothing else, pay, send back, and notify; they know
neither the ledger nor our reader. What they paid is held against what the ledger says every day:

    paid by the banks = sent - returned - reversed        (added up here, from the bytes of files)
    CASH went out     = paid + what waits to be sent      (the ledger)
    CLEARING          = voided after it was sent, until its reversal settles
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from gateway.answers import pay_again
from gateway.app import App
from gateway.clock import FixedClock, instant_text
from gateway.home import Home
from gateway.intake.service import Intake
from gateway.ledger import vendor_alerts, vendor_changes
from gateway.ledger.database import Database
from gateway.ledger.load import load
from gateway.ledger.vendor_changes import Maker
from gateway.outbound.built import place
from gateway.release import release
from gateway.release.build import build
from gateway.settings import GatewaySettings, Operators, Settings
from gateway.settings_portfolio import PortfolioSettings
from gateway.vendor_ach import settlement, voids
from parsers.profile import DEFAULT as INBOUND
from parsers.xsellerator import DEFAULT as XSELLERATOR
from tests.answers import bank as letters
from tests.answers.world import differences
from tests.outbound import world

CLOSED = {
    date(2026, 1, 1), date(2026, 1, 19), date(2026, 2, 16), date(2026, 5, 25), date(2026, 6, 19), date(2026, 9, 7),
    date(2026, 10, 12), date(2026, 11, 11), date(2026, 11, 26), date(2026, 12, 25),
}  # fmt: skip
"""The Federal Reserve's holidays of 2026 on weekdays: 4 July is a Saturday and is not moved."""
DAYS = [
    day
    for day in (date(2026, 1, 2) + timedelta(days=n) for n in range(364))
    if day.year == 2026 and day.weekday() < 5 and day not in CLOSED
]
RUNS = {"1": {1, 3}, "2": {2}}
"""Weekdays on which a portfolio runs Vendor ACH."""
VENDORS = 12
CREDIT, DEBIT, PRENOTE = {"22", "32"}, {"27", "37"}, {"23", "33"}


@dataclass
class Sent:
    """An entry as the bank read it."""

    trace: str
    code: str
    cents: int
    reference: str
    sec: str
    settles: date


@dataclass
class Bank:
    """Pays what it reads, and answers ``late`` banking days after settlement."""

    late: int
    chance: random.Random
    credits: list[Sent] = field(default_factory=list)
    debits: list[Sent] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    returned: dict[str, Sent] = field(default_factory=dict)
    answers: dict[date, list[tuple[list[str], str, Sent | None]]] = field(default_factory=lambda: defaultdict(list))
    number: int = 0

    def take(self, data: bytes, today: date) -> None:
        sec, settles = "", today
        for line in data.decode("ascii").splitlines():
            if line[0] == "5":
                sec, settles = line[50:53], date.fromisoformat(f"20{line[69:71]}-{line[71:73]}-{line[73:75]}")
                assert settles in DAYS and settles > today, f"{settles} is no day on which a file of {today} can settle"
            elif line[0] == "6":
                entry = Sent(line[79:94], line[1:3], int(line[29:39]), line[39:54].strip(), sec, settles)
                assert entry.trace not in self.seen, f"trace {entry.trace} twice"
                self.seen.add(entry.trace)
                self._pay(entry)

    def _pay(self, entry: Sent) -> None:
        if entry.code in PRENOTE:
            if self.chance.random() < 0.1:
                self._answer(entry, "R03", None)
            return
        if entry.code in DEBIT:
            self.debits.append(entry)
            if self.chance.random() < 0.1:
                self._answer(entry, "R01", entry)
            return
        assert entry.code in CREDIT
        self.credits.append(entry)
        luck = self.chance.random()
        if luck < 0.06:
            self._answer(entry, self.chance.choice(["R02", "R03", "R23", "R24"]), entry)
        elif luck < 0.09:
            self.number += 1
            account = f"{self.chance.randrange(10**8, 10**9)}"
            said = letters.change_of(
                entry.trace, account, code=letters.RETURN_CODE[entry.code], trace=self._trace(), account=""
            )
            self.answers[self._day(entry)].append((said, entry.sec, None))

    def _answer(self, entry: Sent, reason: str, money: Sent | None) -> None:
        self.returned[entry.trace] = entry
        said = letters.return_of(
            entry.trace,
            entry.cents,
            reason=reason,
            code=letters.RETURN_CODE[entry.code],
            trace=self._trace(),
            account="",
        )
        self.answers[self._day(entry)].append((said, entry.sec, money))

    def _trace(self) -> str:
        self.number += 1
        return f"09100001{self.number:07d}"

    def _day(self, entry: Sent) -> date:
        return following(entry.settles, self.late)


def following(day: date, count: int) -> date:
    at = DAYS.index(day) + count
    return DAYS[at] if at < len(DAYS) else date(2027, 1, 4) + timedelta(days=at)


@dataclass
class Company:
    """The gateway's side: what people do every day, and what was added up from the files."""

    app: App
    clock: FixedClock
    chance: random.Random
    banks: dict[str, Bank]
    sent: Counter[str] = field(default_factory=Counter)
    returned: Counter[str] = field(default_factory=Counter)
    reversed: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)

    def begin(self, day: date) -> None:
        self.clock.at = datetime(day.year, day.month, day.day, 14, tzinfo=UTC)
        with self.app.db.write() as connection:
            connection.execute(text("UPDATE portfolio SET business_date = :d"), {"d": day.isoformat()})

    def answers_come(self, day: date) -> None:
        for portfolio, bank in self.banks.items():
            for n, (said, sec, money) in enumerate(bank.answers.pop(day, [])):
                path: Path = self.app.home.inbox / f"{portfolio}-{day:%y%m%d}-{n}.ach"
                shape = self.chance.choice(list(letters.SHAPES.values()))
                path.write_bytes(shape(letters.records(said, sec=sec)).encode("ascii"))
                with closing(Intake(self.app, events=False)) as intake:
                    (taken,) = intake.process_now([path])
                assert taken.file.state == "POSTED", (path.name, taken.file)
                if money is not None and money.code in CREDIT:
                    self.returned[portfolio] += money.cents
                elif money is not None:
                    self.reversed[portfolio] -= money.cents
                self.done["answers"] += 1

    def people_work(self, day: date) -> None:
        """What yesterday left: changes decided, alerts cleared, returned checks paid again, checks voided."""
        app, bob = self.app, world.as_person(self.app, world.BOB)
        with app.db.read() as connection:
            waiting = vendor_changes.listing(connection, app.vault, state="PROPOSED")
        applied: set[str] = set()
        for change in waiting:
            with app.db.write() as connection:
                if change.vendor in applied:  # a second notification: proposed against what is no longer there
                    vendor_changes.refuse(
                        connection, app.vault, change.change_id, reason="answered by the first", operator=bob.operator,
                        at=bob.now(),
                    )  # fmt: skip
                    continue
                vendor_changes.approve(
                    app.db, connection, app.vault, change.change_id, operator=bob.operator, at=bob.now()
                )
            applied.add(change.vendor)
            self.done["changes"] += 1
        for (vendor,) in world.all_of(app.db, "SELECT vendor FROM vendor WHERE dealer_alert = 'Y' ORDER BY vendor"):
            with app.db.write() as connection:
                vendor_alerts.set_alert(
                    connection,
                    app.vault,
                    vendor,
                    on=False,
                    reason="called back",
                    override_until=None,
                    operator=app.operator,
                    at=app.now(),
                )
        rows = world.all_of(
            app.db, "SELECT portfolio, check_no FROM bank_check WHERE state = 'RETURNED' ORDER BY portfolio, check_no"
        )
        for portfolio, check_no in rows:
            pay_again.pay_again(app, check_no, portfolio=portfolio, reason="new account")
            self.done["paid again"] += 1
        self._void(day)

    def _void(self, day: date) -> None:
        """Now and then a check that was not sent, and one that was: only such as the bank keeps, or both would undo it."""
        for portfolio, bank in self.banks.items():
            if self.chance.random() < 0.1:
                self._void_one(portfolio, "state = 'NEW' AND issue = 1", set())
            if self.chance.random() < 0.1:
                kept = {
                    e.reference.partition("-")[2]
                    for e in bank.credits[-40:]
                    if e.trace not in bank.returned and following(e.settles, 3) > day
                }
                self._void_one(portfolio, "state = 'SENT'", kept)

    def _void_one(self, portfolio: str, where: str, among: set[str]) -> None:
        rows = world.all_of(
            self.app.db,
            f"SELECT check_no FROM bank_check WHERE portfolio = :p AND {where} ORDER BY check_no",
            p=portfolio,
        )
        numbers = [check_no for (check_no,) in rows if not among or check_no in among]
        if numbers and (among or where.startswith("state = 'NEW'")):
            voids.void(self.app, self.chance.choice(numbers), portfolio=portfolio, reason="cancelled")
            self.done["voids"] += 1

    def send(self, day: date) -> None:
        for portfolio, bank in self.banks.items():
            if day.weekday() not in RUNS[portfolio]:
                continue
            built = build(self.app, "VACH", portfolio)
            for file in built.files:
                if file.kind != "VACH-BANK":
                    continue
                holding = {
                    rule
                    for (rule,) in world.all_of(
                        self.app.db, "SELECT DISTINCT rule FROM fraud_finding WHERE outbound_id = :id AND action = 'HOLD'",
                        id=file.outbound_id,
                    )
                }  # fmt: skip
                data = (self.app.home.outbox / file.name).read_bytes()
                release.approve(
                    world.as_person(self.app, world.BOB), file.outbound_id, sha256=file.sha256, accept=holding,
                    reason="looked at",
                )  # fmt: skip
                world.at_bank(self.app)
                before = len(bank.credits)
                bank.take(data, day)
                self.sent[portfolio] += sum(entry.cents for entry in bank.credits[before:])
                self.done["files"] += 1

    def settle(self, day: date) -> None:
        """What End of Period does first: reversals that settled bring their money back."""
        for portfolio, bank in self.banks.items():
            with self.app.db.write() as connection:
                settlement.settle(self.app, connection, place(self.app, connection, portfolio))
            self.reversed[portfolio] += sum(entry.cents for entry in bank.debits if entry.settles == day)

    def ties(self, day: date) -> None:
        for portfolio in self.banks:
            paid = self.sent[portfolio] - self.returned[portfolio] - self.reversed[portfolio]
            cash, clearing, waiting, voided = (self._cents(statement, portfolio) for statement in _FIGURES)
            assert cash == paid + waiting, f"{day}, portfolio {portfolio}: CASH {cash}, paid {paid}, waiting {waiting}"
            assert clearing == voided, f"{day}, portfolio {portfolio}: CLEARING {clearing}, voided {voided}"

    def _cents(self, statement: str, portfolio: str) -> int:
        return int(world.one(self.app.db, statement, p=portfolio) or 0)


_BALANCE = """
    SELECT CAST(SUM(t.credit_cents - t.debit_cents) AS BIGINT) FROM unit_total t
    JOIN gl_account a ON a.account_id = t.account_id JOIN office o ON o.office_id = a.office_id
    WHERE o.portfolio = :p AND a.purpose LIKE '{}'
"""
_FIGURES = (
    _BALANCE.format("CASH%"),
    _BALANCE.format("CLEARING").replace("t.credit_cents - t.debit_cents", "t.debit_cents - t.credit_cents"),
    "SELECT CAST(SUM(amount_cents) AS BIGINT) FROM bank_check WHERE portfolio = :p AND state IN ('NEW', 'RESERVED')",
    # voided after they were sent, and the reversal has not settled
    "SELECT CAST(SUM(c.amount_cents) AS BIGINT) FROM bank_check c WHERE c.portfolio = :p AND c.state = 'VOID' "
    "AND EXISTS (SELECT 1 FROM ach_entry l WHERE l.kind = 'LIVE' AND l.portfolio = c.portfolio AND l.check_no = c.check_no "
    "AND l.issue = c.issue) AND NOT EXISTS (SELECT 1 FROM ach_entry r WHERE r.kind = 'REVERSAL' "
    "AND r.portfolio = c.portfolio AND r.check_no = c.check_no AND r.settled_unit_id IS NOT NULL)",
)


def company(db: Database, home: Home, clock: FixedClock, folder: Path, chance: random.Random) -> App:
    """Two portfolios, twelve vendors, and the checks of a year."""
    folder.mkdir()
    checks = ["portfolio,check,type,amount,disbursement_date,vendor,lease,reference,bank"]
    for n in range(900):
        day = date(2026, 1, 2) + timedelta(days=chance.randrange(355))
        portfolio = 1 + n % 2
        vendor = chance.randrange(VENDORS // 2) * 2 + portfolio
        checks.append(
            f"{portfolio},{n + 1000},NEWA,{chance.randrange(1, 500_000) / 100:.2f},{day},V{vendor},{portfolio}001,INV{n},126"
        )
    vendors = ["vendor,name,routing_number,account_number,account_type,sec"]
    for n in range(1, VENDORS + 1):
        kind, sec = chance.choice(["checking", "savings"]), ("CCD" if n % 3 else "PPD")
        vendors.append(f"V{n},Vendor {chr(64 + n)},091000019,{10**8 + n},{kind},{sec}")
    for name, rows in {
        "portfolios": ["portfolio,name", "1,ONE", "2,TWO"],
        "offices": ["portfolio,company,region,office,name", "1,1,1,1,MAIN", "2,1,1,1,OTHER"],
        "leases": [
            "lease,portfolio,company,region,office,lessee,lessee_name,status,accrual_method,commencement,maturity",
            "1001,1,1,1,1,A,A,AACQ,OPR,2024-01-01,2028-12-31", "2001,2,1,1,1,B,B,AACQ,OPR,2024-01-01,2028-12-31",
        ],
        "vendors": vendors,
        "checks": checks,
    }.items():  # fmt: skip
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    load(db, [folder], vault=world.VAULT, maker=Maker("ANN", "ann"), posted_at=instant_text(clock.now()),
         business_date="2026-01-02")  # fmt: skip
    gateway = GatewaySettings.model_validate({"calendar": {"covered": (2025, 2026, 2027)}}).model_copy(
        update={"banks": {
            "first": world.bank(),
            "late": world.bank(name="Late Bank", routing_number="011000015", immediate_origin="9876543210"),
        }}
    )  # fmt: skip
    portfolios = {
        "1": PortfolioSettings.model_validate({"vendor_ach": {"used": True, "bank": "first"}}),
        "2": PortfolioSettings.model_validate({"vendor_ach": {"used": True, "bank": "late", "prenotes": True}}),
    }
    settings = Settings(gateway, portfolios, Operators(), INBOUND, XSELLERATOR)
    return replace(world.app_at(home, db, clock), settings=settings, operator=world.ANN)


def test_a_year_of_banking_days(db: Database, home: Home, clock: FixedClock, tmp_path: Path) -> None:
    chance = random.Random(2026)
    clock.at = datetime(2026, 1, 2, 14, tzinfo=UTC)
    app = company(db, home, clock, tmp_path / "in", chance)
    banks = {"1": Bank(2, random.Random(1)), "2": Bank(9, random.Random(2))}
    it = Company(app, clock, chance, banks)
    days = DAYS if db.is_sqlite else DAYS[: len(DAYS) // 4]  # a round trip a statement makes the whole year a minute
    for day in days:
        it.begin(day)
        it.answers_come(day)
        it.people_work(day)
        it.send(day)
        it.settle(day)
        it.ties(day)
    moved_by_hand = "business dates follow End of Period"  # here no End of Period moves them
    assert [found for found in differences(app) if not found.startswith(moved_by_hand)] == []
    assert all(it.done[what] > len(days) // 40 for what in ("files", "answers", "paid again", "changes", "voids")), (
        it.done
    )
    times: Counter[tuple[str, str]] = Counter()
    for portfolio, bank in banks.items():
        for entry in bank.credits:
            times[portfolio, entry.reference] += 1
        backs = Counter((portfolio, entry.reference) for entry in bank.returned.values() if entry.code in CREDIT)
        assert all(times[key] <= 1 + backs[key] for key in times if key[0] == portfolio), "a check was paid twice"
