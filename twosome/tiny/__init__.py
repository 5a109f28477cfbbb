"""The embedded model: a small Llama-architecture language model that needs no network and no GPU.

`path()` is the folder with its weights, tokenizer and card; `corpus` generates the text it was trained
on, `train` reproduces the weights. Importing this package loads neither torch nor transformers.
"""

from importlib.resources import files
from pathlib import Path


def path() -> Path:
    """The folder of the embedded model, for `AutoModelForCausalLM.from_pretrained(path())`."""
    return Path(str(files(__name__) / "weights"))


def heldout() -> Path:
    """General English of the same kind under another seed, never trained on: to measure retention."""
    return path() / "heldout.txt"
