"""The long form: `python -m tests.faults`, or parts of it: `python -m tests.faults kills corrupt --seed 3 --share
0.1`.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")

PARTS = {"kills": 200, "corrupt": 3000, "folders": 1000, "settings": 500, "environments": 500, "disks": 32}


def main() -> int:
    """Run the parts, print a line of counts for each, and every failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--seed", type=int, default=0, help="of the instants, bits and cases")
    parser.add_argument("--share", type=float, default=1.0, help="of the full numbers")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - PARTS.keys():
        parser.error(f"unknown part {unknown}")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # dropped episodes are what is asked for here
    failed = 0
    for part in asked.parts or PARTS:
        import importlib

        started = time.monotonic()
        count = importlib.import_module(f"tests.faults.{part}").run(
            max(1, round(asked.share * PARTS[part])), asked.seed
        )
        print(f"{count}, {time.monotonic() - started:.0f} s", flush=True)
        for failure in count.failures:
            print(f"  FAILED {failure}", flush=True)
        failed += len(count.failures)
    print("All as promised." if not failed else f"{failed} not as promised.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
