"""`python -m twosome.train`: the command `twosome-train`. The algorithm is in `twosome.training.loop`."""

from twosome.cli.train import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
