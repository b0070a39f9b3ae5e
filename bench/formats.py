"""Files for the bank: entries written, and strictly validated."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.runner import Bench, Figure

if TYPE_CHECKING:
    from parsers.nacha import NachaFile

ENTRIES, LARGE, RATE, TRIES, FLAT = 100_000, 500_000, 300_000.0, 3, 1.1
ODFI = "09100001"


def nacha(bench: Bench) -> None:
    """A NACHA file of a hundred thousand entries, without and with an addenda each."""
    entries = bench.count(ENTRIES)
    for addenda in (0, 1):
        done = bench.measure("bench.formats:nacha_file", entries=entries, addenda=addenda)
        more = ", one addenda each" if addenda else ""
        note = f"{done.values['records']:,} records, {done.values['bytes'] / 1e6:.1f} MB; warm, best of {TRIES}"
        for doing in ("written", "validated"):
            rate = entries / done.values[doing]
            bench.add(Figure("nacha", f"{entries:,} entries{more}, {doing}", rate, "entries/s", RATE, "more", note))
    _streamed(bench)


def _streamed(bench: Bench) -> None:
    """A large file validated from disk, beside a quarter of it: as fast, in the memory of the small one."""
    peaks = []
    entries = bench.count(LARGE)
    for size in (entries // 4, entries):
        path = str(bench.folder / f"nacha-{size}.ach")
        bench.measure("bench.formats:nacha_written", entries=size, path=path)
        done = bench.measure("bench.formats:nacha_validated", path=path)
        peaks.append(done.values["own_peak_mb"])
    rate, note = entries / done.seconds, f"{done.seconds:.2f} s, {peaks[1]:.0f} MB; from disk, best of {TRIES}"
    bench.add(Figure("nacha", f"{entries:,} entries, validated as a stream", rate, "entries/s", RATE, "more", note))
    bench.add(Figure("nacha", f"peak memory, {entries:,} / {entries // 4:,} entries", peaks[1] / peaks[0], "x", FLAT))


# in the measuring process


def nacha_written(entries: int, path: str) -> dict[str, Any]:
    """A file of so many entries."""
    from writers.nacha import render

    Path(path).write_bytes(render(_file(entries, 0)))
    return {"seconds": 0.0}


def nacha_validated(path: str) -> dict[str, Any]:
    """Seconds to validate it in pieces, the best of some tries, and the most memory this process held: what the kernel
    reports to the parent counts the parent's own pages from before the program was started."""
    from parsers.nacha import validate

    tries = []
    for _ in range(TRIES):
        started = time.perf_counter()
        with Path(path).open("rb") as file:
            findings = list(validate(iter(lambda: file.read(65536), b"")))
        tries.append(time.perf_counter() - started)
        assert not findings, "the file that is measured must be sound"
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {"seconds": min(tries), "own_peak_mb": int(status["VmHWM"].split()[0]) / 1024}


def nacha_file(entries: int, addenda: int) -> dict[str, Any]:
    """Seconds to write and to validate, the best of some tries after a first one."""
    from parsers.nacha import validate
    from writers.nacha import render

    file = _file(entries, addenda)
    content = render(file)
    assert not list(validate([content])), "the file that is measured must be sound"
    written, validated = [], []
    for _ in range(TRIES):
        started = time.perf_counter()
        render(file)
        written.append(time.perf_counter() - started)
        started = time.perf_counter()
        findings = list(validate([content]))
        validated.append(time.perf_counter() - started)
        assert not findings
    return {
        "written": min(written), "validated": min(validated), "records": content.count(b"\n"), "bytes": len(content),
    }  # fmt: skip


def _file(entries: int, addenda: int) -> NachaFile:
    from parsers.nacha import Batch, Entry, FileHeader, NachaFile
    from writers.nacha import rmr_addenda

    def entry(n: int) -> Entry:
        cents = 1_000 + n * 37 % 900_000
        return Entry(
            "22" if n % 3 else "32", "09100001", "9", f"{1_000_000_000 + n}", cents, f"ABCD-{n:010d}",
            f"VENDOR NUMBER {n % 5_000}", "", (rmr_addenda(f"INV-{n}", cents).text,) * addenda, f"{ODFI}{n + 1:07d}",
        )  # fmt: skip

    header = FileHeader(
        immediate_destination="091000019", immediate_origin="1234567890", creation_date="2026-03-02",
        creation_time="0930", destination_name="FIRST BANK", origin_name="EXAMPLE LEASING",
    )  # fmt: skip
    batch = Batch(
        service_class="220", company_name="EXAMPLE LEASING", company_id="1234567890", sec_code="CCD",
        description="VENDOR PAY", effective_date="2026-03-03", odfi=ODFI, batch_number=1,
        entries=tuple(entry(n) for n in range(entries)),
    )  # fmt: skip
    return NachaFile(header=header, batches=(batch,))
