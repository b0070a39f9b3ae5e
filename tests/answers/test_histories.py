"""Random orders of what people, the queue and the bank can do with vendors' checks, against a model of a few sums.

The bank here reads the files that leave by their positions, pays, and sends back; the model knows of the ledger the states of
checks alone. After every step, whatever was refused:

    CASH that went out   = checks that wait + credits that were released - credits that came back
                           - reversals that settled + reversals that came back + what a person gave back
    ACCOUNTS PAYABLE     = checks that are void or came back
    no vendor has a check's money twice, and what the bank has twice is on the list of ``gateway vendor clearing``

CLEARING follows from the two, for every entry balances. No step ends in a fault, no End of Period stops, ``verify`` is clean.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

import pytest

from gateway.answers import lists, pay_again
from gateway.app import App
from gateway.calendar import BankingCalendar
from gateway.clock import FixedClock
from gateway.delivery import queue, reads
from gateway.delivery.queue import Change
from gateway.delivery.reads import Delivery
from gateway.delivery.states import DeliveryState
from gateway.errors import Refused
from gateway.home import Home
from gateway.ledger import verify_clearing
from gateway.ledger.database import Database
from gateway.outbound.built import place
from gateway.release import recall, release
from gateway.release.build import build
from gateway.vendor_ach import clearing, settlement, voids
from tests.answers import bank as letters
from tests.answers.world import check, company, differences, drop
from tests.outbound import world

S = DeliveryState
CREDIT, DEBIT = {"22", "32"}, {"27", "37"}


@dataclass(frozen=True)
class Money:
    """An entry of a file, as the bank reads it."""

    file: int
    trace: str
    code: str
    cents: int
    sec: str

    @property
    def is_credit(self) -> bool:
        return self.code in CREDIT


@dataclass
class History:
    """One company, its bank, and what was done so far."""

    app: App
    clock: FixedClock
    chance: random.Random
    checks: dict[str, int] = field(default_factory=dict)  # cents by number
    files: dict[int, list[Money]] = field(default_factory=dict)  # entries of every bank file that was built
    returned: set[str] = field(default_factory=set)  # traces
    given: Counter[str] = field(default_factory=Counter)  # what a person gave back, by check
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    letter: int = 0

    @property
    def db(self) -> Database:
        return self.app.db

    # --- looking --------------------------------------------------------------------------------------------

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        return world.all_of(self.db, statement)

    def states(self) -> dict[str, str]:
        return {str(number): str(state) for number, state in self.rows("SELECT check_no, state FROM bank_check")}

    def number_in(self, *states: str) -> str | None:
        found = [number for number, state in sorted(self.states().items()) if state in states]
        return self.chance.choice(found) if found else None

    def file_in(self, *states: str) -> int | None:
        wanted = ", ".join(f"'{state}'" for state in states)
        found = self.rows(
            f"SELECT outbound_id FROM outbound_file WHERE kind = 'VACH-BANK' AND state IN ({wanted}) ORDER BY 1"
        )
        return int(str(self.chance.choice(found)[0])) if found else None

    def delivery_in(self, *states: DeliveryState) -> Delivery | None:
        with self.db.read() as connection:
            found = reads.listing(connection, states=states)
        return self.chance.choice(found) if found else None

    def at_bank(self) -> list[Money]:
        """What the bank really has."""
        there = {int(str(n)) for (n,) in self.rows("SELECT outbound_id FROM delivery WHERE state = 'DELIVERED'")}
        return [money for file in sorted(there) for money in self.files[file]]

    # --- what can happen ------------------------------------------------------------------------------------

    def new_check(self) -> None:
        number, cents = str(4000 + len(self.checks)), self.chance.randrange(1, 90_000)
        vendor = self.chance.choice(["V1", "V2", "V3"])
        check(self.db, number, cents, vendor=vendor, disbursement_date=self.clock.at.date().isoformat())
        self.checks[number] = cents

    def read(self) -> None:
        """What was built since, by its bytes."""
        for outbound_id, name in self.rows("SELECT outbound_id, name FROM outbound_file WHERE kind = 'VACH-BANK'"):
            file = int(str(outbound_id))
            if file in self.files:
                continue
            sec, found = "", []
            for line in (self.app.home.outbox / str(name)).read_text("ascii").splitlines():
                if line[0] == "5":
                    sec = line[50:53]
                elif line[0] == "6":
                    found.append(Money(file, line[79:94], line[1:3], int(line[29:39]), sec))
            self.files[file] = found

    def run_vendor_ach(self) -> None:
        build(self.app, "VACH", "1")

    def whole_file(self) -> None:
        file = self.file_in("APPROVED")
        if file is not None:
            build(self.app, "VACH-REVERSAL", "1", of=file, reason="wrong month")

    def approve(self) -> None:
        file = self.file_in("BUILT")
        if file is not None:
            sha256 = world.one(self.db, "SELECT sha256 FROM outbound_file WHERE outbound_id = :id", id=file)
            release.approve(world.as_person(self.app, world.BOB), file, sha256=sha256)

    def reject(self) -> None:
        file = self.file_in("BUILT")
        if file is not None:
            release.reject(self.app, file, reason="not today")

    def call_back(self) -> None:
        file = self.file_in("APPROVED")
        if file is not None:
            recall.recall(self.app, file, reason="not today")

    def deliver(self, *, ends: DeliveryState) -> None:
        """As the queue does it; what must not leave is stopped at the claim."""
        with self.db.write() as connection:
            due = reads.due(connection, endpoint="bank", now=self.app.now(), states=(S.PENDING, S.NOT_DELIVERED))
            for job in queue.claim(connection, due[:1], temporary_suffix=".part", at=self.app.now()):
                self._record(connection, job, *([S.NOT_DELIVERED] if ends is S.NOT_DELIVERED else [S.PLACING, ends]))

    def resolve(self) -> None:
        job = self.delivery_in(S.UNKNOWN)
        if job is not None:
            with self.db.write() as connection:
                self._record(connection, job, self.chance.choice([S.DELIVERED, S.NOT_DELIVERED]))

    def _record(self, connection: object, job: Delivery, *states: DeliveryState) -> None:
        before = job.state
        for after in states:
            again = self.app.now() if after is S.NOT_DELIVERED else None
            change = Change(job.delivery_id, before, after, next_attempt_at=again)
            assert queue.record(connection, [change], at=self.app.now())  # type: ignore[arg-type]
            before = after

    def send_back(self, *, credits: bool) -> None:
        """One entry the bank has, by a file of its own; now and then with an amount that is not right."""
        found = [m for m in self.at_bank() if m.is_credit == credits and m.trace not in self.returned]
        if not found:
            return
        money, self.letter = self.chance.choice(found), self.letter + 1
        wrong = self.chance.random() < 0.1
        reason = self.chance.choice(["R01", "R09", "R17"] if not credits else ["R23", "R24", "R29"])
        said = letters.return_of(
            money.trace, money.cents + wrong, reason=reason, code=letters.RETURN_CODE[money.code],
            trace=f"09100001{self.letter:07d}", account="",
        )  # fmt: skip
        drop(self.app, letters.whole(said, sec=money.sec), name=f"back{self.letter}.ach")
        if wrong:
            assert self.rows("SELECT 1 FROM ach_answer WHERE state = 'UNMATCHED'")
        else:
            state = self.rows("SELECT state FROM ach_answer ORDER BY file_id DESC, number DESC LIMIT 1")
            assert state == [("DONE",)], self.rows("SELECT outcome FROM ach_answer ORDER BY file_id DESC LIMIT 1")
            self.returned.add(money.trace)

    def see_to_answers(self) -> None:
        with self.db.read() as connection:
            found = lists.listing(connection, state="UNMATCHED")
        if found:
            lists.clear(self.app, lists.parse_key(found[0][0]), reason="the bank meant another one")

    def void(self) -> None:
        number = self.number_in("NEW", "SENT")
        if number is not None:
            voids.void(self.app, number, reason="not owed", whole_entry=True)

    def undo(self) -> None:
        number = self.number_in("VOID")
        if number is not None:
            voids.undo(self.app, number, reason="owed after all")

    def pay_again(self) -> None:
        number = self.number_in("RETURNED")
        if number is not None:
            pay_again.pay_again(self.app, number, reason="new account")

    def clear(self) -> None:
        with self.db.read() as connection:
            found = clearing.held(connection)
        if found:
            one = self.chance.choice(found)
            for person in (self.app, world.as_person(self.app, world.BOB)):
                clearing.clear(person, one.check_no, reason="settled with the bank")
            self.given[one.check_no] -= one.cents

    def end_of_day(self) -> None:
        """What End of Period posts of reversals, then the next banking day."""
        with self.db.write() as connection:
            settlement.settle(self.app, connection, place(self.app, connection, "1"))
        following = BankingCalendar((2026,)).add_banking_days(self.clock.at.date(), 1)
        self.clock.at = datetime(following.year, following.month, following.day, 15, tzinfo=UTC)
        world.change(self.db, "UPDATE portfolio SET business_date = :d", d=following.isoformat())

    # --- the model ------------------------------------------------------------------------------------------

    def ties(self) -> None:
        files = {
            int(str(n)): str(state)
            for n, state in self.rows("SELECT outbound_id, state FROM outbound_file WHERE kind = 'VACH-BANK'")
        }
        released = [m for file, state in files.items() if state == "APPROVED" for m in self.files[file]]
        settled = {str(t) for (t,) in self.rows("SELECT trace_number FROM ach_entry WHERE settled_unit_id IS NOT NULL")}
        states = self.states()
        waits = sum(self.checks[n] for n, state in states.items() if state in ("NEW", "RESERVED"))
        out = waits + self.given.total()
        for money in released:
            came_back = money.trace in self.returned
            if money.is_credit:
                out += 0 if came_back else money.cents
            else:
                out += (money.cents if came_back else 0) - (money.cents if money.trace in settled else 0)
        assert self.balance("CASH%") == out
        payable = sum(self.checks[n] for n, state in states.items() if state in ("VOID", "RETURNED"))
        assert self.balance("ACCOUNTS PAYABLE") == payable
        with self.db.read() as connection:
            assert [one for one in verify_clearing.checks(connection) if not one.ok] == []
        self._no_money_twice(files, states)

    def _no_money_twice(self, files: dict[int, str], states: dict[str, str]) -> None:
        """What each vendor has of each check, in times its amount: by what the bank did."""
        there = {m.trace for m in self.at_bank()}
        has: Counter[str] = Counter()
        for number, trace, kind in self.rows(_ENTRIES):
            if trace in there and trace not in self.returned:
                has[str(number)] += 1 if kind == "LIVE" else -1
        for number in self.checks:
            assert has[number] <= 1, f"check {number} was paid twice"
            assert has[number] >= -1, f"check {number} was taken back twice"
        with self.db.read() as connection:
            held = {one.check_no: one.cents for one in clearing.held(connection)}
        missing = {
            n for n in self.checks
            if has[n] * self.checks[n] + self.given[n] < 0
        }  # fmt: skip
        assert missing <= held.keys(), f"{missing - held.keys()}: the bank has it twice and nobody is told"
        for number in self.checks.keys() - held.keys():
            if states[number] == "RETURNED":
                assert has[number] * self.checks[number] + self.given[number] in (0, self.checks[number])

    def balance(self, purpose: str) -> int:
        """Credits less debits."""
        return int(world.one(self.db, _BALANCE, p=purpose) or 0)


_BALANCE = """
    SELECT CAST(SUM(t.credit_cents - t.debit_cents) AS BIGINT) FROM unit_total t
    JOIN gl_account a ON a.account_id = t.account_id WHERE a.purpose LIKE :p
"""
_ENTRIES = """
    SELECT k.check_no, e.trace_number, e.kind FROM ach_entry e
    JOIN outbound_source s ON s.outbound_id = e.outbound_id AND s.seq = e.seq
    JOIN bank_check k ON s.source LIKE '%:1:126:' || k.check_no OR s.source LIKE '%:1:126:' || k.check_no || '#%'
"""
_WEIGHTS: dict[str, int] = {
    "new_check": 5, "run_vendor_ach": 8, "whole_file": 1, "approve": 9, "reject": 1, "call_back": 1, "delivered": 9,
    "not_delivered": 1, "unknown": 1, "resolve": 2, "credit_back": 3, "reversal_back": 4, "see_to_answers": 1, "void": 5,
    "undo": 2, "pay_again": 3, "clear": 1, "end_of_day": 3,
}  # fmt: skip


def play(it: History, steps: int) -> None:
    can: dict[str, Callable[[], None]] = {
        "delivered": partial(it.deliver, ends=S.DELIVERED), "not_delivered": partial(it.deliver, ends=S.NOT_DELIVERED),
        "unknown": partial(it.deliver, ends=S.UNKNOWN), "credit_back": partial(it.send_back, credits=True),
        "reversal_back": partial(it.send_back, credits=False),
    }  # fmt: skip
    for step in range(steps):
        it.clock.wait(1.0)
        (what,) = it.chance.choices(list(_WEIGHTS), weights=list(_WEIGHTS.values()))
        try:
            can.get(what, getattr(it, what, None))()  # type: ignore[misc]
            it.done[what] += 1
        except Refused:
            it.refused[what] += 1
        it.read()
        it.ties()
        if step % 20 == 19:
            sound(it)
    sound(it)


def sound(it: History) -> None:
    moved_by_hand = "business dates follow End of Period"  # here no End of Period moves them
    assert [found for found in differences(it.app) if not found.startswith(moved_by_hand)] == []


@pytest.mark.parametrize("seed", range(6))
def test_a_random_history_ties(db: Database, home: Home, clock: FixedClock, seed: int) -> None:
    clock.at = datetime(2026, 3, 2, 15, tzinfo=UTC)
    app = company(db, home, clock, bank={"endpoint": "bank"}, release={"four_eyes": False})
    world.vendor(db, "V3", sec="CTX", account="5550001")
    it = History(app, clock, random.Random(seed))
    play(it, 80)
    assert it.done["approve"] and it.done["delivered"], it.done
