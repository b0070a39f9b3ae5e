"""``python -m bench``: every measurement in one table, with the machine it was made on.

``python -m bench assessments plain --scale 0.1`` runs some parts, smaller; targets are for scale 1 on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import formats, machine, plain, posting, sftp, vendor, watching
from bench.runner import Bench, Figure, MeasurementError, shown

PARTS: dict[str, Callable[[Bench], None]] = {
    "assessments": posting.assessments,
    "memory": posting.memory,
    "plain": plain.plain,
    "plain-kinds": plain.kinds,
    "script": plain.script,
    "kinds": posting.kinds,
    "reapply": posting.reapply,
    "nacha": formats.nacha,
    "vendor-ach": vendor.vendor_ach,
    "sftp": sftp.large,
    "files": sftp.many,
    "burst": watching.burst,
    "arrival": watching.arrival,
}


def main() -> int:
    options = _options()
    about = machine.describe()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-") as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise SystemExit(f"--keep {folder}: found files there, expected a new or empty folder")
        about["folder"] = machine.filesystem(folder)
        bench = Bench(folder, options.scale, options.runs)
        faults = 0
        with bench.stack:
            for name in options.parts or PARTS:
                bench.say(f"{name}: {(PARTS[name].__doc__ or '').strip()}")
                try:
                    PARTS[name](bench)
                except MeasurementError as error:
                    faults += 1
                    bench.say(f"  no figure: {error}")
    about["load after"] = machine.load()
    _show(about, bench)
    if options.json:
        options.json.write_text(
            json.dumps(
                {
                    "machine": about, "scale": bench.scale, "figures": [f.as_json() for f in bench.figures],
                    "measurements": bench.measurements,
                },
                indent=1,
            ) + "\n",
            encoding="utf-8",
        )  # fmt: skip
    return 1 if faults else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of: {', '.join(PARTS)}; all by default")
    parser.add_argument("--scale", type=float, default=1.0, help="sizes relative to the full bench (default 1)")
    parser.add_argument("--runs", type=int, default=3, help="measurements a figure, of which the median (default 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and raw measurements there too")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new folder and leave it behind")
    options = parser.parse_args()
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"found part {', '.join(sorted(unknown))}, expected some of {', '.join(PARTS)}")
    if options.scale <= 0 or options.runs < 1:
        parser.error(
            "found a scale or a number of runs below what can be measured, expected more than 0 and at least 1"
        )
    return options


def _show(about: dict[str, str], bench: Bench) -> None:
    console = Console(width=max(150, Console().width), highlight=False)
    for key, value in about.items():
        console.print(f"{key}: {value}", markup=False)
    if bench.scale != 1:
        console.print(f"scale {bench.scale:g}: the targets are meant for scale 1")
    table = Table(title="lease-gateway bench", title_justify="left")
    for name, right in (("part", 0), ("what", 0), ("measured", 1), ("", 0), ("target", 1), ("", 0), ("note", 0)):
        table.add_column(name, justify="right" if right else "left", no_wrap=name != "note")
    for figure in bench.figures:
        sign = "<=" if figure.better == "less" else ">="
        target = "" if figure.target is None else f"{sign} {shown(figure.target)}"
        table.add_row(
            figure.part,
            figure.what,
            shown(figure.value),
            figure.unit,
            target,
            _verdict(figure, bench.scale),
            figure.note,
        )
    console.print(table)
    promised = [f for f in bench.figures if f.met is not None]
    console.print(f"{sum(bool(f.met) for f in promised)} of {len(promised)} targets met")


def _verdict(figure: Figure, scale: float) -> str:
    """In brackets where the sizes are not those the target was set for."""
    if figure.met is None:
        return ""
    if scale != 1:
        return "(met)" if figure.met else "(missed)"
    return "[green]met[/]" if figure.met else "[red]MISSED[/]"


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parent.parent)
    sys.exit(main())
