"""The command `python -m twosome.retention RUN_OR_CHECKPOINT [TEXT_FILE]`: perplexity and KL as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from twosome.cli.command import leave
from twosome.errors import ConfigError, TwosomeError


def main(argv: list[str] | None = None) -> None:
    """The command; without a file, the held-out text of this package."""
    arguments = sys.argv[1:] if argv is None else argv
    if not 1 <= len(arguments) <= 2:
        print("Usage: python -m twosome.retention RUN_OR_CHECKPOINT [TEXT_FILE]", file=sys.stderr)
        raise SystemExit(2)
    from twosome import tiny
    from twosome.lm.retention import measure
    from twosome.systems.load import load

    try:
        path = Path(arguments[1]) if len(arguments) == 2 else tiny.heldout()
        text = path.read_text(encoding="utf-8")
        policy = load(arguments[0])
        print(json.dumps(measure(policy.lm, policy.tokenizer, text), indent=1))
    except UnicodeDecodeError as error:
        leave(ConfigError(f"{path} cannot be read as UTF-8 text: {error}"), 2)
    except (TwosomeError, OSError) as error:
        leave(error, 2)


if __name__ == "__main__":
    main()
