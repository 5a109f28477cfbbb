"""`twosome.load`: a policy from a name or a model folder, that scores, values and trains; and what it refuses."""

import json
import subprocess
import sys

import pytest
import zoo
from zoo import worst

import twosome
from twosome.errors import CheckpointError, ConfigError, ModelError
from twosome.lm import loading
from twosome.systems.load import load_with_settings
from twosome.types import Decision

SOME = [
    Decision.plain("You see a tomato and a plate. Next action:", ("chop the tomato", "wait", "walk to the fridge")),
    Decision.plain("You see a tomato. Next action:", ("chop the tomato", "chop", "serve the dish")),
]


@pytest.fixture(scope="module", params=["llama", "qwen3"])
def folder(request, tmp_path_factory):
    return zoo.folder_of(tmp_path_factory.mktemp(request.param), request.param)


def test_importing_is_quick():
    """`import twosome` brings neither torch nor transformers."""
    code = "import sys, twosome; print([m for m in ('torch', 'transformers', 'peft') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"


def test_load_tiny():
    policy = twosome.load("tiny")
    seen = policy.inspect("You are hungry. Next action:", ["eat an apple", "sleep"])
    assert abs(sum(float(p) for p in seen.probs) - 1) < 1e-5


@pytest.mark.parametrize(
    ("name", "overrides", "said"),
    [
        ("tiny", ["model.lora.rnk=3"], "Did you mean 'model.lora.rank'"),
        ("tiny", ["policy.scorer=tri"], "trie"),
        ("tiny", ["model.device=cuda:9"], "not available here"),
    ],
)
def test_load_refuses_settings(name, overrides, said):
    with pytest.raises(ConfigError, match=said):
        twosome.load(name, overrides=overrides)


def test_a_folder_loads_scores_and_values(folder):
    policy, settings = load_with_settings(folder)
    assert [len(x) for x in policy.log_probs(SOME)] == [3, 3]
    assert policy.values([d.state for d in SOME]).tolist() == [0.0, 0.0]
    assert policy.describe_scorer()["scorer"] == "trie"
    plain, tokenizer = loading.load_lm(settings.model)
    scored = twosome.score_actions(plain, tokenizer, [d.prompt for d in SOME], [d.menu for d in SOME])
    assert worst(policy.log_probs(SOME), scored) < 1e-5, "a fresh adapter changes nothing"
    zoo.shake(policy.lm)
    peft = twosome.score_actions(policy.lm, tokenizer, [d.prompt for d in SOME], [d.menu for d in SOME])
    assert worst(policy.log_probs(SOME), peft) < 1e-5


def test_training_from_a_folder(folder, tmp_path):
    from twosome.train import main

    main(
        f"experiment=debug model=hf model.name={folder} model.threads=1 run_dir={tmp_path / 'run'} total_steps=64 "
        "log.tensorboard=false log.eval_interval=0 log.eval_episodes_final=1 ppo.actor.warmup_updates=0".split()
    )
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["scorer"]["scorer"] == "trie"
    policy = twosome.load(tmp_path / "run")
    assert any(p.any() for n, p in policy.lm.named_parameters() if "lora_B" in n), "it learnt something"


def test_a_mistyped_run_is_not_looked_for_on_the_hub(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "_hub_answers", lambda: pytest.fail("asked the hub"))
    for name in ("first", "second"):
        (tmp_path / "runs" / name / "checkpoints").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=r"There is no .*runs/secnd\. Did you mean 'second'\? Expected a run folder"):
        twosome.load("runs/secnd")
    with pytest.raises(ModelError, match=r"There is no .*nowhere\. Expected a run folder"):
        twosome.load("./nowhere")
    with pytest.raises(CheckpointError, match=r"runs is a folder of 2 runs\. Name one of them, the newest is .*second"):
        twosome.load("runs")


def test_a_hub_name_is_one_whatever_lies_beside(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "_hub_answers", lambda: False)
    (tmp_path / "Qwen" / "notes").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="nor in the hub's local cache"):
        twosome.load("Qwen/Qwen3-0.6B-Base")
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    with pytest.raises(ModelError, match="nor in the hub's local cache"):
        twosome.load("gpt2")
    assert twosome.load("tiny").settings.scorer == "auto"
