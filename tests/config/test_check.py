"""Every number of the settings is bounded; a refusal names the key, what was expected and what was got."""

import copy
import dataclasses
import math
import re
import typing

import pytest

from twosome.config.check import advice, check_eval, check_inspect, check_play, check_template, check_train
from twosome.config.compose import compose, compose_command
from twosome.config.constraints import Constraint, check_fields
from twosome.config.known import nested_schema
from twosome.config.schema import SCHEMAS, AgentSettings
from twosome.errors import ConfigError

WITHOUT_BOUNDS: dict[str, str] = {}  # a number that may be anything -> why
SETTINGS = {
    "train": lambda: compose([]),
    "eval": lambda: compose_command(["checkpoint=tiny"], "eval"),
    "inspect": lambda: compose_command(["env=tomato_salad"], "inspect"),
    "play": lambda: compose_command([], "play"),
}
CHECKS = {"train": check_train, "eval": check_eval, "inspect": check_inspect, "play": check_play}
# Values beyond every kind of bound; each constraint must refuse one of them at least.
CANDIDATES = (-1, 0, 1, 1.5, 63, 2**33, 1e9, math.nan, math.inf, -math.inf)


def fields(schema: type, prefix: str = ""):
    """(dotted name, type, constraints) of every field that is no group."""
    hints = typing.get_type_hints(schema)
    for field in dataclasses.fields(schema):
        nested = nested_schema(hints[field.name])
        if nested:
            yield from fields(nested, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", hints[field.name], field.metadata.get("constraints", ())


def is_number(kind: object) -> bool:
    return kind in (int, float) or any(is_number(k) for k in typing.get_args(kind) if k is not bool)


def is_list(kind: object) -> bool:
    return typing.get_origin(kind) is list


def put(settings: object, key: str, value: object) -> object:
    """A copy of the settings with one value replaced."""
    settings = copy.deepcopy(settings)
    *groups, name = key.split(".")
    if groups == ["agent"]:  # null once it is part of the world: its numbers are looked at before
        settings.agent = AgentSettings(id="a:B-v0", cost=0.1, max_internal=9, states=9)
    node = settings
    for group in groups:
        node = getattr(node, group)
    setattr(node, name, value)
    return settings


NUMBERS = [
    (name, key, kind, constraints)
    for name, schema in SCHEMAS.items()
    for key, kind, constraints in fields(schema)
    if is_number(kind) and not key.startswith("env.kwargs")
]
CHOICES = [
    (name, key, kind, c.choices)
    for name, schema in SCHEMAS.items()
    for key, kind, constraints in fields(schema)
    for c in constraints
    if c.choices
]


@pytest.fixture(scope="module")
def settings():
    return {name: make() for name, make in SETTINGS.items()}


def test_the_walk_finds_the_numbers():
    assert len(NUMBERS) > 70
    assert {"seed", "ppo.clip", "model.lora.rank", "model.value_head.widths", "env.optimum", "log.stop_at"} <= {
        key for name, key, *_ in NUMBERS if name == "train"
    }


@pytest.mark.parametrize(("name", "key", "kind", "constraints"), NUMBERS, ids=lambda x: x if isinstance(x, str) else "")
def test_every_number_is_bounded_and_says_how(settings, name: str, key: str, kind: object, constraints: tuple):
    assert constraints or WITHOUT_BOUNDS.get(key), f"{key} takes any number: give it a constraint, or a reason here"
    for constraint in constraints:
        wrong = next(x for x in CANDIDATES if not constraint.holds(x))
        others = [c for c in constraints if c is not constraint]
        alone = [x for x in CANDIDATES if not constraint.holds(x) and all(c.holds(x) for c in others)]
        wrong, is_first = (alone[0], True) if alone else (wrong, constraint is constraints[0])
        value = [wrong] if is_list(kind) else wrong
        with pytest.raises(ConfigError) as caught:
            check_fields(put(settings[name], key, value))
        said = str(caught.value)
        assert said.startswith(f"{key}={value} cannot work: expected ")
        if is_first:
            assert said == f"{key}={value} cannot work: expected {constraint.expected}."


@pytest.mark.parametrize(("name", "key", "kind", "constraints"), NUMBERS, ids=lambda x: x if isinstance(x, str) else "")
def test_no_number_may_be_a_nan_or_an_infinity(settings, name: str, key: str, kind: object, constraints: tuple):
    for wrong in (math.nan, math.inf, -math.inf):
        with pytest.raises(ConfigError, match=re.escape(key)):
            check_fields(put(settings[name], key, [wrong] if is_list(kind) else wrong))


@pytest.mark.parametrize(("name", "key", "kind", "choices"), CHOICES, ids=lambda x: x if isinstance(x, str) else "")
def test_an_unknown_name_lists_the_known_ones_and_the_nearest(settings, name: str, key: str, kind: object, choices):
    nearest = max(choices, key=len)
    wrong = f"{nearest}x"
    with pytest.raises(ConfigError) as caught:
        check_fields(put(settings[name], key, [wrong] if is_list(kind) else wrong))
    said = str(caught.value)
    assert said.startswith(f"{key} holds {wrong!r}." if is_list(kind) else f"{key}={wrong!r} is unknown.")
    assert f"Did you mean {nearest!r}?" in said
    assert f"Known: {', '.join(choices)}." in said
    for choice in choices:
        check_fields(put(settings[name], key, [choice] if is_list(kind) else choice))


# Where the bounds lie -------------------------------------------------------------------------------------------------

EDGES = {  # setting of a training run -> (allowed at the edge, refused beyond it)
    "seed": ((0, 2**32 - 1), (-1, 2**32)),
    "total_steps": ((1,), (0,)),
    "num_envs": ((1, 2**14), (0, 2**14 + 1)),
    "num_workers": ((0, 2**10), (-1, 2**10 + 1)),
    "rank_timeout": ((0.001, 1e7), (0.0, 1e7 + 1)),
    "rollout_steps": ((1, 2**20), (0, 2**20 + 1)),
    "env.gamma": ((0.0, 1.0), (-0.001, 1.001)),
    "env.optimum": ((None, -5.0, 0.0, 100.0), ()),
    "model.threads": ((None, 1, 2**10), (0, 2**10 + 1)),
    "model.lora.rank": ((1, 2**14), (0, 2**14 + 1)),
    "model.lora.alpha": ((1,), (0,)),
    "model.lora.dropout": ((0.0, 0.999), (-0.001, 1.0)),
    "model.value_head.widths": (([1], [2**16, 1]), ([0], [8, -1], [2**16 + 1])),
    "policy.token_budget": ((64, 2**24), (63, 2**24 + 1)),
    "policy.menus_per_row": ((1, 2**20), (0, 2**20 + 1)),
    "policy.reuse_capacity": ((1, 2**26), (0, 2**26 + 1)),
    "policy.temperature": ((1e-3, 10.0), (0.0, -1.0)),
    "ppo.actor.learning_rate": ((1e-12,), (0.0,)),
    "ppo.actor.weight_decay": ((0.0,), (-0.01,)),
    "ppo.actor.epochs": ((1,), (0,)),
    "ppo.actor.minibatch": ((1,), (0,)),
    "ppo.critic.warmup_updates": ((0,), (-1,)),
    "ppo.self_imitation.weight": ((0.0, 1e6), (-1.0, 1e7)),
    "ppo.self_imitation.rollouts": ((1, 2**20), (0, 2**20 + 1)),
    "ppo.self_imitation.samples": ((1, 2**20), (0, -1, 2**20 + 1)),
    "ppo.count_bonus": ((0.0, 1e6), (-1.0, 1e7)),
    "ppo.accumulation": ((1,), (0,)),
    "ppo.advantage_floor": ((1e-12,), (0.0,)),
    "ppo.gae_lambda": ((0.0, 1.0), (-0.001, 1.001)),
    "ppo.clip": ((0.01,), (0.0, -1.0)),
    "ppo.value_clip": ((None, 0.01), (0.0,)),
    "ppo.entropy": ((0.0,), (-0.01,)),
    "ppo.entropy_end": ((0.0,), (-0.01,)),
    "ppo.value_coefficient": ((0.0,), (-0.1,)),
    "ppo.max_gradient_norm": ((0.01,), (0.0,)),
    "ppo.target_kl": ((None, 0.01), (0.0,)),
    "ppo.learning_rate_end": ((0.0,), (-0.1,)),
    "ppo.adam_eps": ((1e-12,), (0.0,)),
    "ppo.max_bad_updates": ((1,), (0,)),
    "baseline.widths": (([1], [2**16]), ([0], [2**16 + 1])),
    "baseline.step_size": ((0.001, 1.0), (0.0, 1.001)),
    "baseline.epsilon": ((0.0, 1.0), (-0.001, 1.001)),
    "baseline.epsilon_end": ((0.0, 1.0), (-0.001, 1.001)),
    "log.checkpoint_interval": ((1,), (0,)),
    "log.keep_checkpoints": ((1,), (0,)),
    "log.eval_interval": ((0,), (-1,)),
    "log.eval_episodes": ((1,), (0,)),
    "log.eval_episodes_final": ((1,), (0,)),
    "log.stop_at": ((None, 0.01, 1.0), (0.0, 1.01)),
    "log.decisions_per_update": ((0,), (-1,)),
    "log.decisions_max": ((0,), (-1,)),
    "log.tracked_states": ((0,), (-1,)),
    "log.tracked_interval": ((1,), (0,)),
    "log.max_failed_episodes": ((0.0, 1.0), (-0.001, 1.001)),
}


@pytest.mark.parametrize("key", EDGES)
def test_where_the_bounds_lie(settings, key: str):
    allowed, refused = EDGES[key]
    for value in allowed:
        check_fields(put(settings["train"], key, value))
    for value in refused:
        with pytest.raises(ConfigError, match=re.escape(f"{key}={value} cannot work")):
            check_fields(put(settings["train"], key, value))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("policy.token_budget=10", "expected 64 or more: a prompt with its menu does not fit into fewer tokens"),
        ("model.lora.dropout=1", "model.lora.dropout=1.0 cannot work: expected less than 1"),
        ("ppo.count_bonus=-1", "ppo.count_bonus=-1.0 cannot work: expected a finite number, 0 or more"),
        ("ppo.count_bonus=nan", "ppo.count_bonus=nan cannot work: expected a finite number, 0 or more"),
        (
            "ppo.self_imitation.rollouts=0",
            "ppo.self_imitation.rollouts=0 cannot work: expected a finite number above 0",
        ),
        ("env.optimum=inf", "env.optimum=inf cannot work: expected a finite number"),
        ("num_envs=20000", "num_envs=20000 cannot work: expected at most 16384"),
        (
            "model.value_head.widths=[8,0]",
            "widths=[8, 0] cannot work: expected a finite number above 0",
        ),
        ("policy.reuse=[feature]", "policy.reuse holds 'feature'. Did you mean 'features'? Known: distributions,"),
        ("policy.scorer=tri", "policy.scorer='tri' is unknown. Did you mean 'trie'? Known: auto, trie,"),
    ],
)
def test_a_command_line_is_told_the_same(override: str, said: str):
    with pytest.raises(ConfigError) as caught:
        compose([override])
    assert said in str(caught.value)


# Settings that do not go together -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"env.id": " "}, "env.id is empty"),
        ({"model.name": ""}, "model.name= cannot work"),
        ({"model.device": "cdua"}, "Did you mean 'cuda'"),
        ({"model.device": "cuda:1234"}, "model.device=cuda:1234 is unknown"),
        ({"model.value_head.kind": "mlp", "model.value_head.widths": []}, "one or more positive widths"),
        ({"model.lora.targets": []}, "expected all-linear, a list of layer names"),
        ({"model.lora.targets": ["q_proj", 3]}, "expected all-linear, a list of layer names"),
        ({"model.quantization": "nf4", "model.compile": True}, "does not work with model.quantization"),
        ({"run_dir": ""}, "run_dir= cannot work: expected a name, or null"),
        ({"init": "a\0b"}, "expected a name, or null"),
        ({"ppo.actor.minibatch": 512}, "is more than the num_envs x rollout_steps = 8 x 32 = 256"),
        ({"ppo.critic.minibatch": 96}, "Take 64 or 128"),
        ({"ppo.advantage_normalization": "minibatch", "ppo.actor.minibatch": 1}, "2 or more"),
    ],
)
def test_settings_that_cannot_work_together(settings, changes: dict[str, object], said: str):
    cfg = settings["train"]
    check_train(cfg)
    for key, value in changes.items():
        cfg = put(cfg, key, value)
    with pytest.raises(ConfigError) as caught:
        check_train(cfg)
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["inspect", "play"])
def test_other_commands_check_their_environment_too(settings, name: str):
    with pytest.raises(ConfigError, match=r"env\.id is empty"):
        CHECKS[name](put(settings[name], "env.id", ""))


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{goal}", "must hold {scene}"),
        ("{goal} {scene} ", "ends in a space or tab"),
        ("{goal} {scene} {menus}", "cannot be filled"),
        ("{goal} {scene.x}", "cannot be filled"),
        ("{scene} {", "cannot be filled"),
    ],
)
def test_a_template_that_cannot_be_filled(template: str, said: str):
    with pytest.raises(ConfigError, match=re.escape(said)):
        check_template(template)
    assert check_template("{{goal}} {scene}") == "{{goal}} {scene}"
    assert check_template(r"{scene}\n{menu}\n") == "{scene}\n{menu}\n", "as people write it on a command line"


def test_null_passes_where_it_may_be():
    @dataclasses.dataclass
    class Settings:
        x: int | None = dataclasses.field(
            default=None, metadata={"constraints": (Constraint("never", lambda _: False),)}
        )

    check_fields(Settings())
    with pytest.raises(ConfigError, match="x=3 cannot work: expected never"):
        check_fields(Settings(3))


@pytest.mark.parametrize(
    ("overrides", "learns"),
    [
        (["total_steps=1024"], False),
        (["total_steps=1025"], True),
        (["total_steps=1024", "ppo.actor.warmup_updates=3"], True),
        (["total_steps=1024", "method=search"], True),  # has no such warm-up
        (["total_steps=1024", "method=tabular"], True),
        (["total_steps=1024", "method=mlp_full"], False),
    ],
)
def test_a_run_that_ends_within_the_warm_up_is_warned_of(overrides: list[str], learns: bool):
    said = advice(compose(overrides))
    assert [("learn nothing" in s and "warmup_updates=0" in s and "Give more than 1024" in s) for s in said] == (
        [] if learns else [True]
    )


def test_a_shipped_goal_is_silent_where_the_optimum_is_unknown():
    assert compose(["env=babyai"]).log.stop_at == compose([]).log.stop_at == 0.99
    assert compose(["log.eval_interval=0"]).log.stop_at == 0.99


@pytest.mark.parametrize(
    "template", ["{scene:1000000000}", "{scene!r}", "{scene!a:>9}", "{scene.x}", "{scene[0]}", "{}"]
)
def test_nothing_but_the_names_may_stand_in_the_braces_of_a_template(template: str):
    """A width makes a text of gigabytes of every scene."""
    with pytest.raises(ConfigError, match="cannot be filled"):
        check_template(f"{template} {{scene}}")


@pytest.mark.parametrize("targets", ["(a+)+$", ".*", "q_proj", ["(a|a)*b"], ["q proj"], ["x" * 201], [""]])
def test_a_regular_expression_is_no_layer(settings, targets: object):
    """PEFT matches a text as a regular expression, and one of a few letters can take for ever."""
    with pytest.raises(ConfigError, match=r"model\.lora\.targets"):
        check_train(put(settings["train"], "model.lora.targets", targets))
    check_train(put(settings["train"], "model.lora.targets", ["model.layers.0.q_proj", "lm_head"]))


@pytest.mark.parametrize("key", ["model.value_head.widths", "baseline.widths"])
@pytest.mark.parametrize("widths", [[2**16, 2**16], [1] * 17, [2**15] * 3])
def test_layers_are_bounded_together(settings, key: str, widths: list[int]):
    with pytest.raises(ConfigError, match="weights between them, got"):
        check_train(put(settings["train"], key, widths))


def test_a_rollout_is_bounded_as_a_whole(settings):
    """Its numbers alone would take gigabytes, and looking for a divisor minutes."""
    cfg = put(put(settings["train"], "num_envs", 2**14), "rollout_steps", 2**20)
    with pytest.raises(ConfigError, match=r"num_envs x rollout_steps = 16384 x 1048576 = 17,179,869,184"):
        check_train(cfg)
