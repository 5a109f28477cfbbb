"""Settings: every file composes, a mistake is one paragraph with the nearest valid name, and costs no model."""

import subprocess
import sys

import pytest

from tests.faults import paragraph
from twosome.config.compose import compose
from twosome.config.schema import conf_dir
from twosome.errors import ConfigError, TwosomeError

GROUPS = sorted(f"{p.parent.name}={p.stem}" for p in conf_dir().glob("*/*.yaml") if p.stem not in ("own", "hf"))


@pytest.mark.parametrize("choice", [*GROUPS, "env=own env.id=module:Id-v0", "model=hf model.name=somewhere"])
def test_every_conf_file_composes(choice: str):
    cfg = compose(choice.split())
    assert cfg.total_steps > 0


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["seeed=1"], "Did you mean 'seed'"),
        (["ppo.clipp=0.1"], "Did you mean 'ppo.clip'"),
        (["model.rank=8"], "Unknown setting 'model.rank'"),
        (["+foo=1"], "Unknown setting 'foo'"),
        (["env=tomato_sald"], "Did you mean 'tomato_salad'"),
        (["seed=abc"], "seed=abc cannot work: expected a whole number"),
        (["log.tensorboard=maybe"], "expected true or false"),
        (["ppo.value_clip=abc"], "expected a number, or null"),
        (["policy.reuse=3"], "expected a list"),
        (["model.lora=3"], "rank, alpha, dropout, targets"),
        (["ppo.actor.minibatch=96"], "does not divide"),
        (["log.stop_at=0.9", "log.eval_interval=0"], "log.eval_interval=0 makes none"),
        (["model=hf"], "model.name is missing"),
        (["resume=somewhere", "run_dir=elsewhere"], "contradict"),
        (["resume=/nowhere"], "neither a run folder"),
        (["seed"], "expected key=value"),
        (["policy.token_budget=10"], "64 or more"),
        (["ppo.count_bonus=-1"], "0 or more"),
        (["ppo.count_bonus=nan"], "0 or more"),
        (["ppo.self_imitation.rollouts=0"], "above 0"),
        (["ppo.self_imitation.samples=-1"], "above 0"),
        (["ppo.self_imitation.weight=-1"], "0 or more"),
    ],
)
def test_a_mistake_is_one_paragraph_that_names_the_key(overrides: list[str], said: str):
    with pytest.raises(TwosomeError) as caught:
        compose(overrides)
    assert paragraph(str(caught.value)) is None
    assert said in str(caught.value)


def test_what_does_not_divide_suggests_what_does():
    with pytest.raises(ConfigError, match="Take 64 or 128"):
        compose(["num_envs=8", "rollout_steps=32", "ppo.actor.minibatch=96", "ppo.accumulation=1"])


def test_environment_arguments_are_open():
    assert compose(["env=own", "env.id=a:B-v0", "env.kwargs.level=3"]).env.kwargs.level == 3


def test_a_mistake_costs_no_model():
    """Neither torch nor transformers is imported when the settings are refused."""
    script = (
        "import sys\nfrom twosome.cli.command import run\n"
        "try:\n    run('train', print, ['ppo.clipp=1'])\n"
        "except SystemExit as leaving:\n    assert leaving.code == 2\n"
        "assert not {'torch', 'transformers', 'peft', 'gymnasium'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "ConfigError: Unknown setting 'ppo.clipp'. Did you mean 'ppo.clip'? `twosome-train --cfg job` lists all settings.\n"


def flat(node, prefix=""):
    pairs = {}
    for key, value in node.items():
        pairs |= flat(value, f"{prefix}{key}.") if hasattr(value, "items") else {f"{prefix}{key}": value}
    return pairs


def test_every_departure_from_the_paper_is_listed_with_its_values_and_its_reason():
    """The list at the head of conf/ppo/default.yaml holds exactly the settings that differ."""
    ours, paper = (flat(compose([f"ppo={name}"]).ppo) for name in ("default", "published"))
    listed = {}
    for line in (conf_dir() / "ppo/default.yaml").read_text(encoding="utf-8").splitlines():
        if " -> " in line:
            name, before, _, after, *reason = line.removeprefix("#").split()
            listed[name] = (before, after)
            assert len(reason) > 2
    assert listed.keys() == {name for name in ours if ours[name] != paper[name]}
    for name, (before, after) in listed.items():
        for text, value in ((before, paper[name]), (after, ours[name])):
            is_number = isinstance(value, (int, float))
            assert float(text) == value if is_number else text == str(value).replace("None", "null"), name
