"""Files posted, from claim to commit with reports and archive written: the main job."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import data, homes
from bench.homes import Place, Portfolio
from bench.runner import Bench, Figure, Measured, MeasurementError, median_seconds, peak

DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
LINES, LEASES = 1_000_000, 100_000
SECONDS = {"sqlite": 12.0, "postgresql": 16.0}
PEAK_MB = 400.0
FLAT = 1.1
"""What four times the lines may take of memory, to still be called flat."""


@dataclass(frozen=True)
class Posted:
    """Runs of the same file, and the home of the last one, left as it is."""

    runs: list[Measured]
    place: Place
    lines: int
    portfolio: Portfolio

    @property
    def seconds(self) -> float:
        return median_seconds(self.runs)


def month(bench: Bench, database: str) -> Posted:
    """A portfolio's month of assessments; measured once in a run, several parts compare with it."""
    key = ("month", database)
    if key not in bench.kept:
        lines, portfolio = bench.count(LINES), Portfolio(bench.count(LEASES))
        bench.kept[key] = repeated(bench, database, portfolio, _month_file(bench, lines, portfolio), lines, bench.runs)
    found: Posted = bench.kept[key]
    return found


def _month_file(bench: Bench, lines: int, portfolio: Portfolio) -> Path:
    path = bench.folder / f"input-{lines}" / "p1_btchassmt.dat"
    if not path.exists():
        path.parent.mkdir()
        data.assessments(path, lines=lines, leases=portfolio.leases)
    return path


def repeated(bench: Bench, database: str, portfolio: Portfolio, file: Path, lines: int, runs: int) -> Posted:
    """The same file into a fresh home each time; the last home stays."""
    done: list[Measured] = []
    place: Place | None = None
    for _ in range(runs):
        if place is not None:
            homes.drop(bench, place)
        place = homes.fresh(bench, database, portfolio, [file])
        done.append(
            bench.measure(
                "bench.posting:post", environment=place.environment, home=str(place.home), name=file.name, lines=lines
            )
        )
    assert place is not None
    return Posted(done, place, lines, portfolio)


def assessments(bench: Bench) -> None:
    """A million lines over a hundred thousand leases, on both databases."""
    for database, name in DATABASES.items():
        done = month(bench, database)
        what = f"{done.lines:,} lines, {done.portfolio.leases:,} leases, {name}"
        rate = f"{done.lines / done.seconds:,.0f} lines/s; median of {len(done.runs)}"
        bench.add(Figure("assessments", what, done.seconds, "s", SECONDS[database] * bench.scale, note=rate))
        bench.add(Figure("assessments", f"peak memory, {name}", peak(done.runs), "MB", PEAK_MB))


def memory(bench: Bench) -> None:
    """Four times the lines in the same memory."""
    small = month(bench, "sqlite")
    lines = 4 * small.lines
    large = repeated(bench, "sqlite", small.portfolio, _month_file(bench, lines, small.portfolio), lines, 1)
    homes.drop(bench, large.place)
    note = f"{large.seconds:.1f} s, {lines / large.seconds:,.0f} lines/s"
    bench.add(Figure("memory", f"peak, {lines:,} lines, SQLite", peak(large.runs), "MB", PEAK_MB, note=note))
    ratio = peak(large.runs) / peak(small.runs)
    bench.add(Figure("memory", f"peak {lines:,} / {small.lines:,} lines, SQLite", ratio, "x", FLAT))


KINDS: dict[str, tuple[str, Callable[..., Path], dict[str, int]]] = {
    "escrow": ("p1_btchescr.dat", data.escrow, {"escrow_cents": 1_000_000}),
    "payments": ("p1_btchpmt.dat", data.payments, {}),
    "reversals": ("p1_bptmtrev.dat", data.reversals, {"batches": 1}),
}
KIND_LINES, KIND_RATE = 100_000, 50_000.0


def kinds(bench: Bench) -> None:
    """The other three kinds of file, on both databases."""
    for kind in KINDS:
        for database, shown in DATABASES.items():
            done = of_kind(bench, kind, database)
            note = f"{done.seconds:.2f} s, {peak(done.runs):.0f} MB; median of {len(done.runs)}"
            rate = done.lines / done.seconds
            bench.add(Figure(kind, f"{done.lines:,} lines, {shown}", rate, "lines/s", KIND_RATE, "more", note))


def of_kind(bench: Bench, kind: str, database: str) -> Posted:
    """A file of another kind; measured once in a run, as ``month`` is."""
    key = ("kind", kind, database)
    if key not in bench.kept:
        lines = bench.count(KIND_LINES)
        name, make, more = KINDS[kind]
        file = bench.folder / f"input-{lines}-{kind}" / name
        if not file.exists():
            file.parent.mkdir()
            make(file, lines=lines)
        loads = {what: lines if what == "batches" else value for what, value in more.items()}
        bench.kept[key] = repeated(bench, database, Portfolio(lines, **loads), file, lines, bench.runs)
    found: Posted = bench.kept[key]
    return found


REAPPLY_LEASES, REAPPLY_RATE, ONE_LEASE, ONE_SECONDS = 50_000, 5_000.0, 2_000, 1.0


def reapply(bench: Bench) -> None:
    """Reversals out of order: later batches of the lease are reversed and applied again, on both databases."""
    leases, invoices = bench.count(REAPPLY_LEASES), 5
    file = _out_of_order(bench, leases, invoices, (1, 0))  # the second batch, then the first: three later ones each
    for database, shown in DATABASES.items():
        done = repeated(bench, database, Portfolio(leases, 0, leases, invoices), file, 2 * leases, bench.runs)
        homes.drop(bench, done.place)
        note = f"{done.seconds:.2f} s, {peak(done.runs):.0f} MB; median of {len(done.runs)}"
        what = f"{done.lines:,} records, three later batches each, {shown}"
        bench.add(Figure("reapply", what, done.lines / done.seconds, "records/s", REAPPLY_RATE, "more", note))
        seconds = {}
        for batches in (ONE_LEASE, 5 * ONE_LEASE):
            one = repeated(
                bench, database, Portfolio(1, 0, 1, batches), _out_of_order(bench, 1, batches, (0,)), 1, bench.runs
            )
            homes.drop(bench, one.place)
            seconds[batches] = one.seconds
        what = f"the first of {ONE_LEASE:,} batches of a lease, {shown}"
        bench.add(Figure("reapply", what, seconds[ONE_LEASE], "s", ONE_SECONDS))
        what = f"the first of {5 * ONE_LEASE:,} / {ONE_LEASE:,} batches, {shown}"
        bench.add(Figure("reapply", what, seconds[5 * ONE_LEASE] / seconds[ONE_LEASE], "x", 5 * 1.2))


def _out_of_order(bench: Bench, leases: int, invoices: int, named: tuple[int, ...]) -> Path:
    path = bench.folder / f"input-{leases}-{invoices}-reapply" / "p1_bptmtrev.dat"
    if not path.exists():
        path.parent.mkdir()
        data.out_of_order(path, leases=leases, invoices=invoices, named=named)
    return path


# in the measuring process


def post(home: str, name: str, lines: int) -> dict[str, Any]:
    """One file of the inbox, all the way; all of it must post."""
    from gateway.intake.artifacts import unreported
    from gateway.intake.service import Intake

    app = homes.open_home(Path(home))
    intake = Intake(app)
    started = time.perf_counter()
    done = intake.process_now([app.home.inbox / name])
    seconds = time.perf_counter() - started
    missing = unreported(app)
    intake.close()
    app.close()
    file = done[0].file
    if not (file.state == "POSTED" and file.lines == file.records == lines and not missing):
        raise MeasurementError(
            f"{name}: found {file.state}, {file.records} records and {file.rejects} rejects of {file.lines} lines, "
            f"{file.suspended_cents} cents suspended, {file.hold_text}; expected {lines} lines posted and reported"
        )
    if file.posted_cents != file.amount_cents:
        raise MeasurementError(f"{name}: found {file.posted_cents} of {file.amount_cents} cents posted, expected all")
    return {"seconds": seconds, "lines": lines}
