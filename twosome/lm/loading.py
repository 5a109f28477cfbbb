"""A frozen causal language model and its tokenizer, from a folder or the hub, on a device, quantised or not.

Knows nothing of adapters. What cannot be had is a `ModelError` that says what to do.
"""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import nn

from twosome import tiny
from twosome.config.schema import conf_dir
from twosome.errors import INVALID_CONTENT, ConfigError, ModelError
from twosome.lm.quantization import quantization_config
from twosome.types import LanguageModel, Tokenizer

if TYPE_CHECKING:
    from twosome.config.schema import ModelSettings

LOADING_ERRORS = (OSError, ImportError, SafetensorError, *INVALID_CONTENT)
HUB_SECONDS = 5.0  # how long the hub may take to answer at all before only its local cache is asked

log = logging.getLogger(__name__)
warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm's, in a notebook without widgets


def load_lm(settings: ModelSettings) -> tuple[LanguageModel, Tokenizer]:
    """The frozen causal LM and its tokenizer, from the package (`tiny`), a folder or a hub name.

    Nothing is unpickled (safetensors only) and no code of the model's author is run unless
    `trust_remote_code`. All dropout of the base is set to 0: a policy that acts and learns must be the same
    function. Raises `ModelError` with the remedy.
    """
    from transformers import AutoTokenizer

    quiet()
    place = _place(settings.name)
    remote: dict[str, Any] = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    if not Path(place).exists():
        remote["local_files_only"] = not _hub_answers()
    quantization = quantization_config(settings)
    device = choose_device(settings.device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, **remote)
    except LOADING_ERRORS as error:
        raise ModelError(_explain(settings, place, remote, error, "tokenizer")) from error
    try:
        lm = _from_pretrained(settings, place, quantization, device, remote)
    except LOADING_ERRORS as error:
        raise ModelError(_explain(settings, place, remote, error, "model")) from error
    if lm.get_output_embeddings() is None:
        raise ModelError(f"{settings.name!r} has no LM head to score actions with; expected a causal language model.")
    lm.requires_grad_(False)
    _silence_dropout(lm)
    return lm, tokenizer


def read_config(settings: ModelSettings) -> Any:
    """The model's configuration alone, of a preset also without a network. Raises `ModelError` for no such model."""
    from transformers import AutoConfig

    quiet()
    place = _place(settings.name)
    remote: dict[str, Any] = {"revision": settings.revision, "trust_remote_code": settings.trust_remote_code}
    if not Path(place).exists():
        remote["local_files_only"] = not _hub_answers()
    try:
        return AutoConfig.from_pretrained(place, **remote)
    except LOADING_ERRORS as error:
        known = json.loads((conf_dir() / "sizes.json").read_text(encoding="utf-8")).get(settings.name)
        if known and settings.revision is None:
            log.info("The hub does not give the configuration of %s; its shipped sizes are used.", settings.name)
            return AutoConfig.for_model(**known)
        raise ModelError(_explain(settings, place, remote, error, "configuration")) from error


def _from_pretrained(
    settings: ModelSettings, place: str, quantization: Any, device: torch.device, remote: dict[str, Any]
) -> LanguageModel:
    """The weights on the device. Where the architecture has no scaled-dot-product attention, eager is taken instead."""
    from transformers import AutoModelForCausalLM

    options = {"dtype": getattr(torch, settings.dtype), "use_safetensors": True, **remote}
    if quantization:
        options["quantization_config"] = quantization
    if quantization or device.type != "cpu":
        options["device_map"] = {"": device}
    try:
        lm: Any = AutoModelForCausalLM.from_pretrained(place, attn_implementation=settings.attention, **options)
    except ValueError as error:
        if "attention implementation" not in str(error) or settings.attention == "eager":
            raise
        log.info("%s has no %s attention; eager attention is used.", settings.name, settings.attention)
        lm = AutoModelForCausalLM.from_pretrained(place, attn_implementation="eager", **options)
    return lm if "device_map" in options else lm.to(device)


def quiet() -> None:
    """Keep the libraries' own progress bars and notes, which say nothing to act on, out of the output."""
    import transformers

    transformers.logging.disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def choose_device(name: str) -> torch.device:
    """`auto` takes CUDA, then Apple's MPS, then the CPU. Raises `ConfigError` for one that is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"model.device={name} is not available here ({str(error).splitlines()[0]}). Use "
            "model.device=auto, or install the torch build for your hardware."
        ) from None
    return device


def _place(name: str) -> str:
    if name in tiny.FOLDERS:
        return str(tiny.path(name))
    path = Path(name).expanduser()
    if path.exists():
        return str(_checked_folder(path))
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name:
        raise ModelError(
            f"There is no model folder {path}. Check model.name, or give a hub name such as Qwen/Qwen3-0.6B-Base."
        )
    return name


def _checked_folder(path: Path) -> Path:
    """The folder of a model that can be loaded without unpickling. Raises `ModelError` with what it lacks."""
    expected = "expected a folder written by `save_pretrained` (config.json, model.safetensors, tokenizer files)"
    if (path / "adapter_config.json").is_file():
        raise ModelError(
            f"{path} holds an adapter, not a model. Give the model it was trained on as model.name; a whole "
            "policy is loaded from the folder of its run (twosome.load, twosome-eval) or continued with "
            "resume=PATH."
        )
    if not (path / "config.json").is_file():
        raise ModelError(f"{path} holds no config.json: {expected}.")
    if not any(path.glob("*.safetensors")):
        pickles = sorted(p.name for kind in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in path.glob(kind))
        if pickles:
            raise ModelError(
                f"{path} holds its weights only as pickle ({', '.join(pickles[:3])}), and loading a pickle "
                "can run anybody's code. Convert them where you trust them: "
                "`AutoModelForCausalLM.from_pretrained(folder).save_pretrained(new_folder)` writes "
                "safetensors."
            )
        raise ModelError(f"{path} holds no weights (*.safetensors): {expected}.")
    return path


def _hub_answers() -> bool:
    """Whether the hub can be reached now. The libraries themselves retry for a minute where there is no network."""
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_SECONDS)
    except Exception as error:  # the session's errors share no base; whatever it was, the local cache is asked next
        log.info("The hub at %s does not answer: %s", constants.ENDPOINT, error)
        return False
    return True


def _silence_dropout(lm: LanguageModel) -> None:
    for module in lm.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name in ("attention_dropout", "dropout", "activation_dropout", "hidden_dropout", "layerdrop"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)


def _explain(settings: ModelSettings, place: str, remote: dict[str, Any], error: Exception, what: str) -> str:
    """Why a model or tokenizer cannot be had, and what to do about it."""
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    name = settings.name
    download = "`hf download <name> --local-dir <folder>` where there is a network"
    local = f"give a local folder: model.name=/path/to/folder ({download})"
    if "trust_remote_code" in str(error):
        return (
            f"The {what} of {name!r} brings its own Python code, which is not run. Only for an author you "
            f"trust: model.trust_remote_code=true. ({said})"
        )
    if Path(place).exists():
        files = "tokenizer.json and tokenizer_config.json" if what == "tokenizer" else "config.json and *.safetensors"
        return (
            f"The {what} in {place} cannot be loaded: {said}. Expected the files that `save_pretrained` "
            f"writes ({files}) of a causal language model that this version of transformers knows."
        )
    if "gated" in str(error).lower() or any(f"{code} Client Error" in str(error) for code in (401, 403)):
        return (
            f"The model {name!r} is gated, private or misspelt: {said}. Accept its licence on its hub page, "
            f"then run `hf auth login`; or {local}."
        )
    if remote.get("local_files_only"):
        return (
            f"The model {name!r} is neither a folder here nor in the hub's local cache, and the hub cannot "
            f"be reached (no network, or HF_HUB_OFFLINE is set). Connect, or {local}."
        )
    return (
        f"The {what} of {name!r} is neither a folder here nor could it be fetched from the hub: {said}. "
        f"Check the spelling, or {local}."
    )
