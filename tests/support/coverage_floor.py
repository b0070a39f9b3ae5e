"""``python -m tests.support.coverage_floor``: money, state and delivery modules keep 95 % of their branches covered.

They are those that ``pyproject.toml`` includes. Reads the data that ``pytest --cov`` left, prints the share of all of them
together and each module below it, and ends with 1 when the share is below the floor. (The processes that ``tests/crash``
kills leave no data and count for nothing.)
"""

from __future__ import annotations

import sys
from pathlib import Path

from coverage import Coverage

FLOOR = 95.0


def main() -> int:
    root = Path(__file__).resolve().parents[2]
    coverage = Coverage(config_file=str(root / "pyproject.toml"))
    coverage.combine(keep=True) if any(root.glob(".coverage.*")) else None
    coverage.load()
    below, covered, total = [], 0, 0
    for pattern in coverage.get_option("run:include") or ():
        found = sorted(root.glob(pattern))
        if not found:
            print(f"{pattern}: names no module")
            return 1
        for path in found:
            numbers = coverage._analyze(str(path)).numbers
            covered += numbers.n_executed_branches
            total += numbers.n_branches
            share = 100.0 * numbers.n_executed_branches / numbers.n_branches if numbers.n_branches else 100.0
            if share < FLOOR:
                below.append(f"{path.relative_to(root)}: {share:.1f} % of {numbers.n_branches} branches")
    share = 100.0 * covered / max(total, 1)
    print(f"branches of money, state and delivery modules: {share:.1f} % covered (floor {FLOOR} %)")
    for line in below:
        print(f"  lowest: {line}")
    return 0 if share >= FLOOR else 1


if __name__ == "__main__":
    sys.exit(main())
