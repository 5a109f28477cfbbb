"""`python -m twosome.play`: the command `twosome-play`. The game is in `twosome.cli.play`."""

from twosome.cli.play import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
