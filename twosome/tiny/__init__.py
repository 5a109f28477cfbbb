"""The embedded models: small Llama-architecture language models that need no network and no GPU.

`path(name)` is the folder with weights, tokenizer and card; `corpus` generates the text they were trained on, `train`
reproduces the weights. Importing this package loads neither torch nor transformers.
"""

from importlib.resources import files
from pathlib import Path

FOLDERS = {"tiny": "weights", "reader": "weights_reader"}


def path(name: str = "tiny") -> Path:
    """The folder of an embedded model, for `AutoModelForCausalLM.from_pretrained(path())`."""
    return Path(str(files(__name__) / FOLDERS[name]))


def heldout() -> Path:
    """General English of the same kind under another seed, never trained on: to measure retention."""
    return path() / "heldout.txt"
