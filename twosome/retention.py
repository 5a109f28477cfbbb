"""`python -m twosome.retention RUN`: how far training moved the language model.

What is measured is in `twosome.lm.retention`.
"""

from twosome.cli.retention import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
