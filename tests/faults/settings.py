"""Malformed settings: on the command line and in saved files. Each is refused in one paragraph that names the key."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from tests.faults import Count, paragraph

WRONG_VALUES = {  # of a type, in a command line's words
    "int": ("abc", "1.5", "[1,2]", "{a:1}", "true", "1e3", "''", "null"),
    "float": ("abc", "[0.1]", "{a:1}", "''", "null"),
    "bool": ("maybe", "2.5", "[true]", "null", "''"),
    "str": ("[a]", "{a:1}"),
    "list": ("3", "abc", "{a:1}", "null"),
    "dict": ("3", "abc", "[a]"),
}
CANNOT_WORK = {
    "seed": ("-1", "99999999999"),
    "total_steps": ("0", "-5"),
    "num_envs": ("0", "-1", "1000000000"),
    "rollout_steps": ("0", "-3"),
    "env.gamma": ("1.5", "-0.1", "nan"),
    "env.optimum": ("nan", "inf"),
    "env.id": ("''", "' '"),
    "model.dtype": ("float31", "int8"),
    "model.quantization": ("nf5", "int4"),
    "model.device": ("gpu", "cuda:x", "''"),
    "model.attention": ("flash",),
    "model.name": ("''", "???"),
    "model.threads": ("0", "-2", "100000000"),
    "model.lora.rank": ("0", "-8"),
    "model.lora.alpha": ("0",),
    "model.lora.dropout": ("1.0", "2", "nan"),
    "model.lora.targets": ("3", "[]", "[1]", "true", "'(a+)+$'", "['.*']", "q_proj"),
    "model.value_head.kind": ("mpl",),
    "model.value_head.widths": ("[0]", "[]", "[-4]", "[1000000,1000000]", "[60000,60000]"),
    "policy.normalization": ("words", "tokens"),
    "policy.scorer": ("tree",),
    "policy.temperature": ("0", "-1", "nan", "inf"),
    "policy.token_budget": ("0", "10", "-1"),
    "policy.menus_per_row": ("0",),
    "policy.reuse": ("[feature]", "[3]", "[[features]]"),
    "policy.reuse_capacity": ("0", "100000000000"),
    "policy.prompt": (
        "'{x}'",
        "'no field'",
        "'{scene'",
        "'{scene} '",
        "'{scene.x}'",
        "'{scene:1000000000}'",
        "'{scene!r}'",
    ),
    "ppo.actor.learning_rate": ("0", "-1", "nan", "inf"),
    "ppo.critic.learning_rate": ("0", "inf"),
    "ppo.clip": ("0", "-0.2"),
    "ppo.value_clip": ("0", "-1", "nan"),
    "ppo.target_kl": ("0", "-1"),
    "ppo.gae_lambda": ("1.1", "-1"),
    "ppo.max_gradient_norm": ("0", "nan"),
    "ppo.max_bad_updates": ("0",),
    "ppo.truncation": ("death!", "boot"),
    "ppo.advantage_normalization": ("minibach",),
    "ppo.advantage": ("gea",),
    "ppo.decompose": ("tokens", "null"),
    "ppo.accumulation": ("0", "3", "1000"),
    "ppo.actor.minibatch": ("0", "100", "7", "1000000"),
    "ppo.critic.minibatch": ("0", "100", "300"),
    "ppo.actor.epochs": ("0",),
    "ppo.entropy": ("-1", "nan"),
    "q_head.critic.learning_rate": ("0", "nan"),
    "q_head.replay": ("0", "-1", "100000000"),
    "q_head.n": ("0", "null"),
    "q_head.double": ("maybe",),
    "q_head.target_rate": ("0", "1.1", "nan"),
    "q_head.target_interval": ("0",),
    "q_head.tau": ("0", "-1", "inf"),
    "q_head.epsilon": ("1",),
    "q_head.epsilon_end": ("-0.1", "2"),
    "q_head.credit": ("answer",),
    "q_head.count_bonus": ("-1", "inf"),
    "preference.credit": ("answer",),
    "preference.weighted": ("maybe",),
    "q_head.learning_rate_end": ("-1",),
    "expected.actor.epochs": ("0",),
    "expected.states": ("0", "100000000"),
    "expected.entropy": ("-1", "nan"),
    "log.checkpoint_interval": ("0",),
    "log.keep_checkpoints": ("0", "-1"),
    "log.eval_interval": ("-1",),
    "log.eval_episodes": ("0",),
    "log.stop_at": ("0", "1.5", "nan"),
    "log.max_failed_episodes": ("2", "-0.1"),
    "method": ("twosom", "''"),
    "run_dir": ("''", "' '"),
    "resume": ("''", "/nowhere/at/all"),
    "init": ("''", "' '"),
    "log.tracked_states": ("-1",),
    "log.tracked_interval": ("0",),
    "ppo.self_imitation.weight": ("-1", "nan"),
    "ppo.count_bonus": ("-1", "inf"),
    "baseline.widths": ("[0]", "[60000,60000]"),
    "ppo.self_imitation.rollouts": ("0", "100000000000"),
    "baseline.epsilon": ("2",),
}
PAIRS: list[tuple[list[str], str]] = [
    (["num_envs=3", "rollout_steps=7"], "minibatch"),
    (["log.stop_at=0.9", "log.eval_interval=0"], "log.stop_at"),
    (["env=babyai", "log.stop_at=0.9"], "log.stop_at"),
    (["ppo.advantage_normalization=minibatch", "ppo.actor.minibatch=1"], "ppo.actor.minibatch"),
    (["model.quantization=int8", "model.compile=true"], "model.compile"),
    (["resume=x", "run_dir=y"], "resume"),
    (["resume=x", "init=y"], "init"),
    (["model=hf"], "model.name"),
]
GRAMMAR = [
    "seed",
    "=3",
    "~seed",
    "~env",
    "seed=[",
    "seed=(",
    "'",
    "a b=1",
    "/env=3",
    "${seed}=1",
    "seed=1,2",
    "seed=choice(1,2)",
    "seed={",
    "seed='",
    "policy.reuse=[a",
    "foo/bar=1",
    "env@x=pizza",
    "seed=\x00",
    "=",
    "==",
    "seed=${nothing}",
    "seed=${oc.env:NOTHING}",
]
OPTIONS = [
    "env=tomato_sald",
    "env=null",
    "env=[pizza,cheese]",
    "env=",
    "model=gpt",
    "ppo=publishd",
    "experiment=quik",
    "policy=x",
    "log=x",
    "method=twosom",
    "env=../train",
    "env=/etc/passwd",
    "experiment=../../x",
]
FILES: list[tuple[str, str]] = [
    ("", "settings"),
    ("3", "settings"),
    ("[1, 2]", "settings"),
    ("a: [", "YAML"),
    ("\t", "YAML"),
    ("seed: !!python/object/apply:os.system ['true']", "tags"),
    ("a: &a [1]\nb: *a", "anchors"),
    ("env: {id: '${oc.env:HOME}'}", "interpolation"),
    ('env: {id: "\\x24{oc.env:HOME}"}', "interpolation"),
    ("env: {_target_: os.system}", "_target_"),
    ("seeed: 1", "seeed"),
    ("seed: abc", "seed"),
    ("seed: [1]", "seed"),
    ("env: 3", "env"),
    ("env: {kwargs: 3}", "kwargs"),
    ("{" * 5000, "YAML"),
    ("a: " + "[" * 3000 + "]" * 3000, "YAML"),
    ("seed: 1\nseed: {a: 1}", "seed"),
    ("model: null", "model"),
    ("? [a]\n: b", "YAML"),
    ("x" * (2**20 + 1), "bytes"),
    ("seed: 1", "missing"),
]


def command_lines(n: int, seed: int) -> list[tuple[list[str], str]]:
    """`n` malformed command lines, each with a word that the refusal must hold."""
    from twosome.config.known import setting_names

    rng = random.Random(seed)
    kinds = {name: _kind(name) for name in setting_names()}
    found = [([f"{key}={value}"], key.split(".")[-1]) for key, values in CANNOT_WORK.items() for value in values]
    found += [(list(overrides), word) for overrides, word in PAIRS]
    found += [([argument], "") for argument in GRAMMAR] + [([argument], argument.split("=")[0]) for argument in OPTIONS]
    for name, (kind, is_optional) in kinds.items():
        for value in WRONG_VALUES.get(kind, ()):
            if not (value == "null" and is_optional):
                found.append(([f"{name}={value}"], name.split(".")[-1]))
        last = name.split(".")[-1]
        if len(last) > 4 and not name.startswith("env.kwargs"):
            k = rng.randrange(1, len(last) - 1)
            found.append(([f"{name[: len(name) - len(last)]}{last[:k]}{last[k + 1 :]}=1"], f"Did you mean {name!r}"))
    rng.shuffle(found)
    return (found * (n // len(found) + 1))[:n]


def _kind(name: str) -> tuple[str, bool]:
    import types
    import typing

    from twosome.config.schema import TrainSettings

    kind: Any = TrainSettings
    for part in name.split("."):
        group = kind if isinstance(kind, type) else typing.get_args(kind)[0]  # a group that may be left out
        kind = typing.get_type_hints(group)[part]
    is_optional = isinstance(kind, types.UnionType)
    if is_optional:
        kind = typing.get_args(kind)[0]
    return (getattr(typing.get_origin(kind) or kind, "__name__", "")), is_optional


def run(n: int, seed: int = 0) -> Count:
    """Refused before any model is loaded: a `ConfigError` or `CheckpointError` of one paragraph."""
    from twosome.config.compose import compose
    from twosome.config.saved import saved_settings
    from twosome.errors import CheckpointError, ConfigError

    count = Count("malformed settings")
    files = FILES[: n // 5]
    for overrides, word in command_lines(n - len(files), seed):
        count.made += 1
        count.note("command lines")
        _expect(
            count,
            " ".join(overrides),
            word,
            (ConfigError, CheckpointError),
            lambda overrides=overrides: compose(overrides),
        )
    with tempfile.TemporaryDirectory() as place:
        for text, word in files:
            count.made += 1
            count.note("saved files")
            path = Path(place) / "config.yaml"
            path.write_text(text)
            _expect(count, f"file {text[:60]!r}", word, (CheckpointError,), lambda: saved_settings(path))  # noqa: B023
    return count


def _expect(count: Count, case: str, word: str, kinds: tuple, attempt: Any) -> None:
    try:
        attempt()
    except kinds as error:
        said = str(error)
        wrong = paragraph(said) or (None if word.lower() in said.lower() else f"does not name {word!r}: {said}")
    except BaseException as error:
        wrong = f"{type(error).__name__}: {error!r:.300}"
    else:
        wrong = "accepted"
    if wrong is not None:
        count.failures.append(f"{case}: {wrong}")
