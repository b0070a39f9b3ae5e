"""Input for the benchmarks: made from a seed, so that every run measures the same lines."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

LEASE_CODES = (
    "LTCH", "COLL", "ASMF", "LEGF", "PEXT", "LEXT", "ITCF", "LSRW", "OTHF",
    *(f"RCR{n}" for n in range(1, 10)), *(f"RC{n}" for n in range(10, 16)),
)  # fmt: skip
FIRST_LEASE = 1_000_000


def reference(folder: Path, *, leases: int, escrow_cents: int = 0, batches: int = 0, invoices: int = 1) -> Path:
    """CSV files of one portfolio: ``leases`` leases with ``invoices`` invoices each, due day after day, of which the
    first ``batches`` leases have paid all by a batch each; RCR5 is the escrow charge."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "portfolios.csv", ["portfolio,name", "1,BENCH"])
    _write(
        folder / "offices.csv",
        ["portfolio,company,region,office,name", *(f"1,1,1,{o},OFFICE {o}" for o in range(1, 11))],
    )
    _write(
        folder / "charges.csv",
        [
            "portfolio,code,name,type,basis,payment_order,priority,used,level",
            "1,PYMT,RENT,I,A,0,N,Y,lease",
            *(
                f"1,{c},CHARGE {c},{'E' if c == 'RCR5' else 'I'},{'A' if c == 'RCR5' else 'C'},0,N,Y,lease"
                for c in LEASE_CODES
            ),
            "1,PTAX,PROPERTY TAX,P,A,0,N,Y,asset",
        ],
    )
    _write(
        folder / "leases.csv",
        [
            "lease,portfolio,company,region,office,lessee,lessee_name,status,accrual_method,commencement,maturity,"
            "normal_payment,next_due,escrow_balance",
            *(
                f"{FIRST_LEASE + n},1,1,1,{n % 10 + 1},L{n},LESSEE {n},ANOR,OPER,2025-01-01,2029-12-31,400.00,2026-04-01,"
                f"{escrow_cents // 100}.{escrow_cents % 100:02d}"
                for n in range(leases)
            ),
        ],
    )
    _write(
        folder / "invoices.csv",
        ["invoice,lease,due_date,charge,amount",
         *(f"{n + 1},{FIRST_LEASE + n // invoices},{_day(date(2026, 3, 15), n, invoices)},PYMT,400.00"
           for n in range(leases * invoices))],
    )  # fmt: skip
    if batches:
        _write(
            folder / "payments.csv",
            ["batch,line,check,operator,effective_date,effective_time,lease,invoice,amount",
             *(f"{batch_number(n)},1,{n + 1},JS1,{_day(date(2026, 2, 2), n, invoices)},09:00:00,{FIRST_LEASE + n // invoices},"
               f"{n + 1},400.00" for n in range(batches * invoices))],
        )  # fmt: skip
    return folder


def _day(last: date, n: int, invoices: int) -> date:
    """The n-th of all invoices: those of a lease follow day by day and end on ``last``."""
    return last - timedelta(days=invoices - 1 - n % invoices)


def batch_number(n: int) -> str:
    return f"260202900000{n + 1:08d}"


def assessments(path: Path, *, lines: int, leases: int, seed: int = 1, bad_percent: float = 0.0) -> Path:
    """``p1_btchassmt.dat``: every lease gets its lines, each with another charge code, in random order."""
    return _write(path, _assessment_lines(lines, leases, seed, bad_percent))


def _assessment_lines(lines: int, leases: int, seed: int, bad_percent: float) -> Iterator[str]:
    rnd = random.Random(seed)
    order = list(range(leases))
    made = 0
    for turn in range(-(-lines // leases)):
        rnd.shuffle(order)
        for n in order:
            if made == lines:
                return
            made += 1
            amount = 100 + (n * 7 + turn * 13) % 9_900
            if bad_percent and rnd.random() * 100 < bad_percent:
                yield f"<lease>{FIRST_LEASE + n}<assmt>{LEASE_CODES[turn % 24]}<amount>{amount}.00"
            else:
                # From the 25th line of a lease on, the same charge again: it adds to its charge line.
                yield f"<lease>{FIRST_LEASE + n}<assmt>{LEASE_CODES[turn % 24]}<amount>{amount + turn // 24}"


def payments(path: Path, *, lines: int) -> Path:
    return _write(path, (f"L{FIRST_LEASE + n},40000,C{n + 1},E260302" for n in range(lines)))


def reversals(path: Path, *, lines: int) -> Path:
    return _write(path, (f"L{FIRST_LEASE + n},40000,B{batch_number(n)},RNSFC,C{n + 1}" for n in range(lines)))


def out_of_order(path: Path, *, leases: int, invoices: int, named: tuple[int, ...]) -> Path:
    """``p1_bptmtrev.dat``: of every lease one batch after the other, ``named`` counting from its first, pass by pass."""
    wanted = ((lease, lease * invoices + place) for place in named for lease in range(leases))
    return _write(path, (f"L{FIRST_LEASE + lease},40000,B{batch_number(n)},RNSFC,C{n + 1}" for lease, n in wanted))


def escrow(path: Path, *, lines: int) -> Path:
    return _write(
        path,
        (f"{FIRST_LEASE + n}, 260310, 5000, {n + 1}, COUNTY INSURANCE, 111 ANZA, BURLINGAME, CA, 94010, , 126"
         for n in range(lines)),
    )  # fmt: skip


def _write(path: Path, lines: Iterator[str] | list[str]) -> Path:
    with path.open("w", encoding="ascii") as handle:
        for line in lines:
            handle.write(line + "\n")
    return path
