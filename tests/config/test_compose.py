"""Every file of conf/ composes to plain Python values; a mistake is one paragraph and costs no model."""

import dataclasses
import subprocess
import sys
import typing

import pytest

from tests.config.choices import composed
from tests.faults import paragraph
from twosome.config.compose import compose, compose_command
from twosome.config.names import flat
from twosome.config.schema import SCHEMAS, TrainSettings, conf_dir
from twosome.errors import ConfigError, TwosomeError

GROUPS = sorted(f"{p.parent.name}={p.stem}" for p in conf_dir().glob("*/*.yaml") if p.stem not in ("own", "hf"))
OTHERS = [
    "env=own env.id=module:Id-v0",
    "model=hf model.name=somewhere",
    "experiment=paper_food_preparation model=llama_7b",
]
NEEDS = {"eval": ["checkpoint=tiny"]}  # what a command cannot do without


def check_plain(value: object, kind: object, key: str) -> None:
    """A value of exactly the type that its field names, also in lists: no OmegaConf node, no 1 for 1.0."""
    kinds = [k for k in typing.get_args(kind) if k is not type(None)] if type(None) in typing.get_args(kind) else [kind]
    if value is None:
        assert type(None) in typing.get_args(kind) or kind is typing.Any, key
    elif dataclasses.is_dataclass(value):
        assert type(value) in kinds, key
        for name, inner in typing.get_type_hints(type(value)).items():
            check_plain(getattr(value, name), inner, f"{key}.{name}")
    elif isinstance(value, list):
        for entry in value:
            check_plain(entry, (typing.get_args(kinds[0]) or [typing.Any])[0], key)
        assert type(value) is list, key
    elif isinstance(value, dict):
        for inner in value.values():
            check_plain(inner, typing.Any, key)
        assert type(value) is dict, key
    else:
        allowed = (int, float, str, bool) if kinds == [typing.Any] else kinds
        assert type(value) in allowed, f"{key} is {value!r}, expected {kind}"


@pytest.mark.parametrize("choice", [*GROUPS, *OTHERS])
def test_every_file_composes_to_plain_values(choice: str):
    cfg = composed(choice)
    assert type(cfg) is TrainSettings
    check_plain(cfg, TrainSettings, "")


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_settings_of_every_command_are_plain(name: str):
    cfg = compose_command(NEEDS.get(name, []), name)
    assert type(cfg) is SCHEMAS[name]
    check_plain(cfg, SCHEMAS[name], "")


def test_what_is_plain_is_checked():
    """The wrong variants fail: a list of OmegaConf, an integer where a float belongs."""
    from omegaconf import OmegaConf

    for wrong in (OmegaConf.create(["q_proj"]), OmegaConf.create({"a": 1})):
        with pytest.raises(AssertionError):
            check_plain(wrong, typing.Any, "")
    with pytest.raises(AssertionError):
        check_plain(1, float, "")


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["seeed=1"], "Did you mean 'seed'"),
        (["ppo.clipp=0.1"], "Did you mean 'ppo.clip'"),
        (["model.rank=8"], "Unknown setting 'model.rank'"),
        (["+foo=1"], "Unknown setting 'foo'"),
        (["++ppo.foo=1"], "Unknown setting 'ppo.foo'"),
        (["env=tomato_sald"], "Did you mean 'tomato_salad'"),
        (["env="], "Unknown env ''"),
        (["env=null"], "Unknown env 'null'"),
        (["experiment=null"], "Unknown experiment 'null'"),
        (["env=[tomato_salad,cheese]"], "Unknown env '[tomato_salad,cheese]'"),
        (["seed=abc"], "seed=abc cannot work: expected a whole number"),
        (["seed=1.5"], "seed=1.5 cannot work: expected a whole number"),
        (["seed=true"], "seed=true cannot work: expected a whole number"),
        (["total_steps=1e5"], "total_steps=1e5 cannot work: expected a whole number in digits, 100000."),
        (["total_steps=1.5e1"], "total_steps=1.5e1 cannot work: expected a whole number in digits, 15."),
        (["ppo.clip=x1e5"], "ppo.clip=x1e5 cannot work: expected a number."),
        (["env=CartPole-v1"], "env=own env.id=CartPole-v1. An environment of numbers"),
        (["env=mine:World-v0"], "as in: env=own env.id=mine:World-v0"),
        (["env.id=mine:World-v0"], "its optimum 0.9205180925641948 too. Add env=own"),
        (
            ["search.playouts=1"],
            "search.playouts does nothing here, since search.simulations=0 is no search. Add method=",
        ),
        (["log.tensorboard=maybe"], "expected true or false"),
        (["ppo.value_clip=abc"], "expected a number, or null"),
        (["ppo.actor=null"], "learning_rate, weight_decay, epochs"),
        (["policy.reuse=3"], "expected a list"),
        (["model.lora=3"], "rank, alpha, dropout, targets"),
        (["ppo.actor.minibatch=96"], "does not divide"),
        (["log.stop_at=0.9", "log.eval_interval=0"], "log.eval_interval=0 makes none"),
        (["env=salads", "log.stop_at=0.9"], "is a share of env.optimum, which is not known"),
        (["model=hf"], "model.name is missing"),
        (["resume=somewhere", "run_dir=elsewhere"], "contradict"),
        (["resume=/nowhere"], "neither a run folder"),
        (["seed"], "expected key=value"),
        (["~seed"], "expected key=value"),
        (["~seed=1"], "would remove a setting"),
    ],
)
def test_a_mistake_is_one_paragraph_that_names_the_key(overrides: list[str], said: str):
    with pytest.raises(TwosomeError) as caught:
        compose(overrides)
    assert paragraph(str(caught.value)) is None
    assert said in str(caught.value)


def test_what_does_something_after_all_is_taken():
    assert compose(["env=own", "env.id=mine:World-v0"]).env.optimum is None
    assert compose(["method=search", "search.playouts=1"]).search.playouts == 1
    assert compose_command(["hint=search", "search.playouts=1"], "play").search.playouts == 1
    for name, remedy in (
        ("eval", "search.simulations=32"),
        ("inspect", "search.simulations=32"),
        ("play", "hint=search"),
    ):
        with pytest.raises(ConfigError, match=f"Add {remedy}, or leave it out"):
            compose_command([*NEEDS.get(name, []), "search.c=2.0"], name)
    asked = [*NEEDS.get("eval", []), "search.simulations=8", "search.c=2.0"]
    assert compose_command(asked, "eval").search.c == 2.0


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_name_that_no_command_knows_is_refused_also_when_it_is_added(name: str):
    for override in ("foo=1", "+foo=1", "++foo=1"):
        with pytest.raises(ConfigError, match=f"Unknown setting 'foo'.*twosome-{name} --cfg job"):
            compose_command([*NEEDS.get(name, []), override], name)


def test_what_does_not_divide_suggests_what_does():
    with pytest.raises(ConfigError, match="Take 64 or 128"):
        compose(["num_envs=8", "rollout_steps=32", "ppo.actor.minibatch=96", "ppo.accumulation=1"])


@pytest.mark.parametrize("override", ["env.kwargs.level=3", "env.kwargs={level: 3}", "++env.kwargs.level=3"])
def test_environment_arguments_are_open(override: str):
    assert compose(["env=own", "env.id=a:B-v0", override]).env.kwargs == {"level": 3}


def test_experiments_may_be_laid_over_each_other():
    cfg = compose(["experiment=[debug,quickstart]"])
    assert (cfg.name, cfg.num_envs, cfg.log.stop_at) == ("quickstart", 4, 0.99)


def test_environment_arguments_are_added_to_those_of_the_file():
    assert compose(["env=tomato_salad_w3", "env.kwargs={limit: 9}"]).env.kwargs == {
        **compose(["env=tomato_salad_w3"]).env.kwargs,
        "limit": 9,
    }


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
    hint = "Did you mean 'ppo.clip'? `twosome-train --cfg job` lists all settings."
    assert done.stderr == f"ConfigError: Unknown setting 'ppo.clipp'. {hint}\n"


# What the files say ---------------------------------------------------------------------------------------------------


def test_every_departure_from_the_paper_is_listed_with_its_values_and_its_reason():
    """The list at the head of conf/ppo/default.yaml holds exactly the settings that differ."""
    ours, paper = (flat(dataclasses.asdict(compose([f"ppo={name}"]).ppo)) for name in ("default", "published"))
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


OVERCOOKED = {
    "env.gamma": 0.99,
    "ppo.actor.learning_rate": 5e-7,
    "ppo.critic.learning_rate": 1e-5,
    "total_steps": 500_000,
}
VIRTUALHOME = {"env.gamma": 0.95, "ppo.actor.learning_rate": 1e-6, "ppo.critic.learning_rate": 5e-5}
PUBLISHED = {
    "paper_tomato_salad": {**OVERCOOKED, "env.id": "twosome_envs:twosome/TomatoSalad-v0"},
    "paper_tomato_lettuce_salad": {**OVERCOOKED, "env.id": "twosome_envs:twosome/TomatoLettuceSalad-v0"},
    "paper_food_preparation": {
        **VIRTUALHOME,
        "total_steps": 50_000,
        "env.id": "twosome_envs:twosome/FoodPreparation-v0",
    },
    "paper_entertainment": {**VIRTUALHOME, "total_steps": 200_000, "env.id": "twosome_envs:twosome/Entertainment-v0"},
}
EVERYWHERE = {
    "method": "twosome",
    "num_envs": 4,
    "rollout_steps": 32,
    "model.lora.rank": 8,
    "model.lora.alpha": 16,
    "model.lora.dropout": 0.0,
    "model.lora.targets": ["q_proj", "v_proj"],
    "model.value_head.kind": "mlp",
    "model.value_head.widths": [1024, 512],
    "model.value_head.layer_norm": False,
    "policy.normalization": "word",
    "policy.temperature": 1.0,
    "ppo.actor.weight_decay": 0.01,
    "ppo.actor.epochs": 1,
    "ppo.actor.minibatch": 4,
    "ppo.actor.warmup_updates": 0,
    "ppo.critic.epochs": 1,
    "ppo.critic.minibatch": 32,
    "ppo.accumulation": 8,
    "ppo.advantage": "gae",
    "ppo.decompose": "action",
    "ppo.advantage_normalization": "minibatch",
    "ppo.advantage_floor": 1e-8,
    "ppo.gae_lambda": 0.95,
    "ppo.clip": 0.2,
    "ppo.value_clip": 0.2,
    "ppo.entropy": 0.01,
    "ppo.entropy_end": 0.01,
    "ppo.value_coefficient": 0.5,
    "ppo.max_gradient_norm": 0.5,
    "ppo.target_kl": 0.02,
    "ppo.learning_rate_end": 0.0,
    "ppo.truncation": "death",
    "ppo.self_imitation.weight": 0.0,
    "ppo.count_bonus": 0.0,
    "log.stop_at": None,
}


@pytest.mark.parametrize("experiment", PUBLISHED)
def test_the_published_experiments_have_the_numbers_of_the_paper(experiment: str):
    settings = flat(dataclasses.asdict(compose([f"experiment={experiment}"])))
    expected = {**EVERYWHERE, **PUBLISHED[experiment], "name": experiment}
    assert {key: settings[key] for key in expected} == expected


def test_there_is_no_other_published_experiment():
    assert {p.stem for p in (conf_dir() / "experiment").glob("paper_*.yaml")} == PUBLISHED.keys()


def test_the_model_of_the_paper_keeps_the_settings_of_the_experiment():
    small, large = (
        flat(dataclasses.asdict(compose(["experiment=paper_tomato_salad", *more]))) for more in ([], ["model=llama_7b"])
    )
    assert {key.split(".")[0] for key in small if small[key] != large[key]} == {"model"}
    assert large["model.lora.targets"] == ["q_proj", "v_proj"]
    assert large["model.value_head.widths"] == [1024, 512]
