"""`python -m twosome.evaluate`: the command `twosome-eval`.

How episodes are played is in `twosome.rollout.evaluate`.
"""

from twosome.cli.evaluate import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
