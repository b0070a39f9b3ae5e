"""One measurement in a process of its own: ``python -m bench.child module:function JSON`` prints a line of JSON.

A process of its own so that the peak memory the kernel reports is that of the measurement and of nothing before it.
"""

from __future__ import annotations

import importlib
import json
import sys


def main() -> None:
    module, _, function = sys.argv[1].partition(":")
    result = getattr(importlib.import_module(module), function)(**json.loads(sys.argv[2]))
    sys.stdout.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
