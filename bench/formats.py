"""Files for the bank: entries written, and strictly validated."""

from __future__ import annotations

import time
from typing import Any

from bench.runner import Bench, Figure

ENTRIES, RATE, TRIES = 100_000, 300_000.0, 3
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


# in the measuring process


def nacha_file(entries: int, addenda: int) -> dict[str, Any]:
    """Seconds to write and to validate, the best of some tries after a first one."""
    from parsers.nacha import Batch, Entry, FileHeader, NachaFile, validate
    from writers.nacha import render, rmr_addenda

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
    file = NachaFile(header=header, batches=(batch,))
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
