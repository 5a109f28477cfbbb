"""The memory footprint: against measured peaks, monotone where it should be, and refusals that say what would fit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import zoo

from twosome import tiny
from twosome.config.compose import compose
from twosome.config.schema import conf_dir
from twosome.errors import ConfigError, ModelError
from twosome.lm.footprint import ADAPTER_BYTES, GIB, footprint, must_fit, size

LLAMA_25M = {
    "hidden_size": 384,
    "intermediate_size": 1024,
    "num_hidden_layers": 11,
    "num_attention_heads": 6,
    "num_key_value_heads": 6,
    "head_dim": 64,
    "vocab_size": 8192,
    "max_position_embeddings": 2048,
}
BETWEEN = (0.85, 1.6)  # of the measured peak: too small an estimate runs out, too large a one refuses what would work


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("llama-25m")
    lm = zoo.model("llama", **LLAMA_25M)
    assert 24e6 < sum(p.numel() for p in lm.parameters()) < 28e6
    lm.save_pretrained(path)
    zoo.word_tokenizer(8192).save_pretrained(path)
    return path


def shape_of(path, layers):
    """The shape of Llama 7B, or of its first layers: a config and an empty weights file."""
    from transformers import LlamaConfig

    LlamaConfig(
        vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=layers, num_attention_heads=32
    ).save_pretrained(path)
    (path / "model.safetensors").touch()
    return path


@pytest.fixture(scope="module")
def seven(tmp_path_factory):
    return shape_of(tmp_path_factory.mktemp("llama-7b"), 32)


@pytest.fixture(scope="module")
def layers(tmp_path_factory):
    """Two layers of it, which are planned sixteen times as fast."""
    return shape_of(tmp_path_factory.mktemp("two-layers"), 2)


def made(folder, *overrides):
    return footprint(compose(["model=hf", f"model.name={folder}", "model.device=cpu", *overrides]))


CASES = [  # each a process of its own and a model of some hundred MiB; what the plan adds up from is tested below
    pytest.param(["policy.token_budget=1024"], marks=pytest.mark.slow),
    pytest.param(["policy.token_budget=4096"], marks=pytest.mark.slow),
    pytest.param(["policy.token_budget=2048", "model.gradient_checkpointing=true"], marks=pytest.mark.slow),
    pytest.param(["policy.token_budget=2048", "model.lora.targets=all-linear"], marks=pytest.mark.slow),
    pytest.param(["policy.token_budget=1024", "model.attention=eager"], marks=pytest.mark.slow),
]


@pytest.mark.parametrize("overrides", CASES, ids=" ".join)
def test_against_the_measured_peak(folder, overrides, capsys):
    pytest.importorskip("resource", reason="peaks are measured with getrusage, which this platform lacks")
    script = Path(__file__).with_name("measure_memory.py")
    command = [sys.executable, str(script), f"model.name={folder}", *overrides]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    with capsys.disabled():
        print(
            f"\n{' '.join(overrides)}: estimated {size(found['estimated'])}, measured {size(found['peak'])} "
            f"(factor {found['estimated'] / found['peak']:.2f}; {found['fed']} tokens in the largest pass)"
        )
    assert BETWEEN[0] < found["estimated"] / found["peak"] < BETWEEN[1]


def test_parts_of_a_7b_model(seven):
    whole = made(seven, "model.dtype=bfloat16", "model.lora.targets=[q_proj,v_proj]")
    assert whole.parts["weights"] == pytest.approx(6738415616 * 2)
    assert whole.parts["adapter and optimiser"] == 32 * 2 * 2 * 8 * 4096 * ADAPTER_BYTES
    int8 = made(seven, "model.dtype=bfloat16", "model.quantization=int8").parts["weights"]
    nf4 = made(seven, "model.dtype=bfloat16", "model.quantization=nf4").parts["weights"]
    assert 6.5 * GIB < int8 < 7.0 * GIB
    assert 3.4 * GIB < nf4 < 4.1 * GIB


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("policy.token_budget=1024", "policy.token_budget=4096"),
        ("model.gradient_checkpointing=true", "model.gradient_checkpointing=false"),
        ("model.dtype=bfloat16", "model.dtype=float32"),
        ("model.attention=sdpa", "model.attention=eager"),
        ("model.lora.rank=8", "model.lora.rank=64"),
        ("model.lora.targets=[q_proj]", "model.lora.targets=all-linear"),
        ("policy.reuse=[]", "policy.reuse=[distributions,decisions,features]"),
        ("policy.reuse_capacity=100", "policy.reuse_capacity=100000"),
    ],
)
def test_what_needs_less(layers, less, more):
    assert made(layers, less).need < made(layers, more).need


def test_it_refuses_with_what_would_fit(seven, monkeypatch):
    monkeypatch.setattr("twosome.lm.footprint.free_bytes", lambda device: 40 * GIB)
    cfg = compose(["model=hf", f"model.name={seven}", "model.device=cpu"])
    with pytest.raises(ConfigError, match=r"This cannot fit\. What would fit: ") as error:
        must_fit(cfg)
    said = str(error.value)
    assert "activations of 4096 tokens" in said
    for advice in said.split("What would fit: ")[1].rstrip(".").split(" | "):
        assert must_fit(compose(["model=hf", f"model.name={seven}", "model.device=cpu", *advice.split()])).fits
    monkeypatch.setattr("twosome.lm.footprint.free_bytes", lambda device: 2**20)
    with pytest.raises(ConfigError, match="take a smaller model"):
        must_fit(compose(["model.device=cpu"]))
    monkeypatch.setattr("twosome.lm.footprint.free_bytes", lambda device: 400 * GIB)
    assert must_fit(cfg).fits


def test_small_is_a_line_and_large_a_table(seven, monkeypatch):
    monkeypatch.setattr("twosome.lm.footprint.free_bytes", lambda device: 16 * GIB)
    small = footprint(compose([]))
    assert str(small).count("\n") == 0
    assert "of 16.0 GiB free on cpu" in str(small)
    assert "\n" in str(made(seven))
    assert small.table().splitlines()[0] == "Memory plan for tiny (float32) on cpu"


def test_plan_true_prints_and_stops(tmp_path, capsys):
    from twosome.train import main

    main(["plan=true", f"run_dir={tmp_path / 'run'}"])
    said = capsys.readouterr().out
    assert "Memory plan for tiny" in said
    assert "in all, about" in said
    assert "\nThis fits: about " in said
    assert not (tmp_path / "run").exists()


def test_a_plan_that_cannot_fit_says_what_would(monkeypatch, capsys):
    from twosome.train import main

    monkeypatch.setattr("twosome.lm.footprint.free_bytes", lambda device: GIB)
    main(["method=search", "plan=true", "policy.token_budget=65536"])
    assert "This cannot fit. What would fit: policy.token_budget=" in capsys.readouterr().out


def test_a_run_that_cannot_fit_leaves_no_folder(tmp_path, monkeypatch, capsys):
    from twosome.train import main

    monkeypatch.setattr("twosome.lm.footprint.free_bytes", lambda device: 2**20)
    with pytest.raises(SystemExit) as stopped:
        main([f"run_dir={tmp_path / 'run'}"])
    assert stopped.value.code == 2
    assert "This cannot fit" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_no_model_no_plan():
    assert footprint(compose(["method=tabular"])) is None
    with pytest.raises(ModelError):
        made("/nowhere/at/all")


PUBLISHED_SIZES = {  # parameters, as the models' own pages say
    "llama_7b": 6_738_415_616,
    "llama_1b": 1_235_814_400,
    "qwen_0_6b": 596_049_920,
    "qwen_1_5b": 1_543_714_304,
}


@pytest.mark.parametrize("preset", PUBLISHED_SIZES)
def test_a_preset_is_planned_without_a_network(preset, monkeypatch):
    monkeypatch.setattr("twosome.lm.loading._hub_answers", lambda: False)
    made = footprint(compose([f"model={preset}", "model.quantization=none", "model.dtype=bfloat16"]))
    assert made.parts["weights"] == 2 * PUBLISHED_SIZES[preset]


def test_every_preset_has_its_size():
    presets = [p.stem for p in (conf_dir() / "model").glob("*.yaml") if p.stem not in ("hf", *tiny.FOLDERS)]
    assert set(presets) == PUBLISHED_SIZES.keys()


def test_an_unknown_model_has_no_plan_without_a_network(monkeypatch):
    monkeypatch.setattr("twosome.lm.loading._hub_answers", lambda: False)
    with pytest.raises(ModelError, match="hub cannot be reached"):
        footprint(compose(["model=hf", "model.name=some/unknown"]))
