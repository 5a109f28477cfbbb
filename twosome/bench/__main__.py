"""`python -m twosome.bench NAME ...`, one of `BENCHES`; each takes `--help`."""

from __future__ import annotations

import sys

from twosome.cli.command import FAILED_RUN, leave
from twosome.config.names import near
from twosome.errors import TwosomeError

BENCHES = (
    "throughput",
    "learning",
    "generalization",
    "search",
    "memory",
    "desk",
    "tools",
    "menus",
    "attribution",
    "normalisation",
)


def main(argv: list[str] | None = None) -> None:
    """Hand the rest of the command line to one bench.

    Exits with 2 for a name or setting that cannot work, with 1 where the measurement failed.
    """
    argv = sys.argv[1:] if argv is None else argv
    name = argv[0] if argv else ""
    if name in ("", "-h", "--help"):
        print(f"usage: python -m twosome.bench {{{','.join(BENCHES)}}} [options]; each takes --help")
        return
    try:
        if name == "throughput":
            from twosome.bench import throughput

            throughput.main(argv[1:])
        elif name == "learning":
            from twosome.bench import learning

            learning.main(argv[1:])
        elif name == "generalization":
            from twosome.bench import generalization

            generalization.main(argv[1:])
        elif name == "search":
            from twosome.bench import search

            search.main(argv[1:])
        elif name == "memory":
            from twosome.bench import memory

            memory.main(argv[1:])
        elif name == "desk":
            from twosome.bench import desk

            desk.main(argv[1:])
        elif name == "tools":
            from twosome.bench import tools

            tools.main(argv[1:])
        elif name == "menus":
            from twosome.bench import menus

            menus.main(argv[1:])
        elif name == "attribution":
            from twosome.bench import attribution

            attribution.main(argv[1:])
        elif name == "normalisation":
            from twosome.bench import normalisation

            normalisation.main(argv[1:])
        else:
            print(f"Unknown bench {name!r}.{near(name, list(BENCHES))} Known: {', '.join(BENCHES)}.", file=sys.stderr)
            raise SystemExit(2)
    except TwosomeError as error:
        leave(error, 1 if isinstance(error, FAILED_RUN) else 2)


if __name__ == "__main__":
    main()
