"""Settings that cannot work, alone or together, refused before anything is loaded."""

from __future__ import annotations

import itertools
import re
import string

from twosome.config.agent import is_of_agent
from twosome.config.constraints import check_fields, refuse
from twosome.config.known import known_names
from twosome.config.names import ACTION_VALUES, BASELINES, flat, key_of, near, program
from twosome.config.plain import check_plain
from twosome.config.schema import (
    EnvSettings,
    EvalSettings,
    InspectSettings,
    ModelSettings,
    PlaySettings,
    PolicySettings,
    TrainSettings,
)
from twosome.errors import ConfigError, brief

MOST_SAMPLES = 2**24  # decisions of a rollout
MOST_LAYERS, MOST_WEIGHTS = 16, 2**28  # of a small network: a gigabyte in float32
NAME = re.compile(r"[A-Za-z0-9_.]{1,200}")  # of a layer
DEVICE = re.compile(r"auto|cpu|mps|xpu|cuda(:\d{1,3})?")


def check_known(data: object, config_name: str = "train") -> None:
    """Refuse names in plain settings that the schema of their command does not have. Raises `ConfigError`."""
    known = known_names(config_name)
    for key in flat(data):
        if key not in known and not key.startswith("env.kwargs."):
            raise ConfigError(
                f"Unknown setting {key!r}.{near(key, known)} `{program(config_name)} --cfg job` lists all settings."
            )


def check_train(cfg: TrainSettings) -> None:
    """Refuse settings of a training run that cannot work. Raises `ConfigError` naming the key."""
    check_fields(cfg)
    if cfg.agent is not None:
        raise ConfigError("agent belongs to a command line, which makes it part of env: in saved settings it is null.")
    _check_model(cfg.model)
    _check_policy(cfg.policy)
    _check_env(cfg.env)
    paths = (("run_dir", cfg.run_dir), ("resume", cfg.resume), ("init", cfg.init), ("memory.init", cfg.memory.init))
    for key, value in (*paths, ("name", cfg.name)):
        if value is not None and (not value.strip() or "\0" in value):
            refuse(key, value, "a name, or null")
    check_widths("baseline.widths", cfg.baseline.widths)
    if cfg.method not in ("search", "clone", "preference", *ACTION_VALUES):
        _check_batches(cfg)
    _check_search(cfg)
    if cfg.method != "twosome" and (cfg.reward.kind != "exact" or cfg.reward.cost_warmup):
        raise ConfigError(
            f"reward.kind={cfg.reward.kind} with reward.cost_warmup={cfg.reward.cost_warmup:g} is for method=twosome: "
            f"method={cfg.method} learns from the environment's own rewards. Use reward=default."
        )
    if cfg.method in BASELINES and cfg.policy.shortlist is not None:
        raise ConfigError(
            f"policy.shortlist={cfg.policy.shortlist} is chosen by a language model, and method={cfg.method} has none: "
            "it does nothing there. Leave it out."
        )
    if cfg.reward.kind == "surprise" and "{menu}" in cfg.policy.prompt:
        raise ConfigError(
            "reward.kind=surprise asks how likely the right answer is, and with {menu} in policy.prompt the prompt "
            "names it. Take {menu} out, or use reward=default."
        )


def check_inspect(cfg: InspectSettings) -> None:
    """Refuse settings of a look at one decision that cannot work. Raises `ConfigError` naming the key."""
    check_fields(cfg)
    _check_model(cfg.model)
    _check_policy(cfg.policy)
    if cfg.env is not None:
        _check_env(cfg.env)


def check_eval(cfg: EvalSettings) -> None:
    """Refuse settings of an evaluation that cannot work. Raises `ConfigError` naming the key."""
    check_fields(cfg)
    if not listed(cfg.checkpoint):
        raise ConfigError(
            "checkpoint=... is missing: a run folder, a checkpoint folder, or `tiny` for the untrained model."
        )
    worlds = listed(cfg.envs)
    if not worlds and (asked := [o for o in cfg.overrides if is_of_agent(o)]):
        raise ConfigError(f"{asked[0]} is for a world that is chosen too: add env=NAME, or leave it out.")
    if len(worlds) > 1 and (asked := [o for o in cfg.overrides if key_of(o).startswith("env.")]):
        raise ConfigError(f"{asked[0]} is for one world, and env={worlds} are several. Evaluate that one alone.")
    for key, value in (("checkpoint", cfg.checkpoint), ("env", cfg.envs)):
        if any(isinstance(name, (dict, list)) or not str(name or "").strip() for name in listed(value)):
            refuse(key, value, "a name, or a list of names such as [a,b]")


def check_play(cfg: PlaySettings) -> None:
    """Refuse settings of a game that cannot work. Raises `ConfigError` naming the key."""
    check_fields(cfg)
    _check_env(cfg.env)


def listed(value: object) -> list[object]:
    """A setting that is one thing, a list of them, or null, as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def line_ends(text: str) -> str:
    r"""A text in which `\n`, as people write it on a command line, is a line end.

    >>> line_ends(r"Goal: {goal}\nNext:")
    'Goal: {goal}\nNext:'
    """
    return text.replace("\\n", "\n")


def _check_policy(policy: PolicySettings) -> None:
    check_template(policy.prompt)
    if policy.system is not None and not policy.chat:
        refuse(
            "policy.system",
            policy.system,
            "null, or policy.chat=true beside it",
        )
    if policy.shortlist is not None:
        _check_shortlist(policy)


def _check_shortlist(policy: PolicySettings) -> None:
    """A shortlist that could not be chosen."""
    if "{menu}" in policy.prompt:
        raise ConfigError(
            f"policy.shortlist={policy.shortlist} is chosen by what the frozen model reads, and with {{menu}} in "
            "policy.prompt that would hold the whole menu. Take {menu} out, or use policy.shortlist=null."
        )
    if policy.normalization == "unconditional":
        raise ConfigError(
            f"policy.shortlist={policy.shortlist} compares beginnings of phrases, which have no score under "
            "policy.normalization=unconditional. Use policy.normalization=word, or policy.shortlist=null."
        )


def check_template(template: str) -> str:
    """A prompt template with its line ends, which `line_ends` reads.

    It may hold `{goal}`, `{scene}` and `{menu}`; nothing else may stand in the braces: `{scene:1000000000}` would take
    gigabytes. Raises `ConfigError`.
    """
    template = line_ends(template)
    try:
        for _, field, how, conversion in string.Formatter().parse(template):
            if field is not None and (field not in ("goal", "scene", "menu") or how or conversion):
                raise ValueError(f"{{{field}{'!' + conversion if conversion else ''}{':' + how if how else ''}}}")
        text = template.format(goal="<goal>", scene="<scene>", menu="<menu>")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"The prompt template {template!r} cannot be filled ({error}). It may hold {{goal}}, {{scene}} and "
            "{{menu}}; write a literal brace twice."
        ) from None
    if "<scene>" not in text:
        raise ConfigError(
            f"The prompt template {template!r} must hold {{scene}}: without it every state looks the same."
        )
    if text != text.rstrip() and not text.endswith("\n"):
        raise ConfigError(
            f"The prompt template {template!r} ends in a space or tab, which is added where needed. It may end in a "
            "line end."
        )
    return template


def _check_env(env: EnvSettings) -> None:
    if not env.id.strip():
        example = "'twosome_envs:twosome/TomatoSalad-v0'"
        raise ConfigError(f"env.id is empty: expected a gymnasium id such as {example}.")
    check_plain({"env": {"kwargs": env.kwargs}})


def _check_model(model: ModelSettings) -> None:
    if not model.name.strip():
        refuse("model.name", model.name, "`tiny`, `reader`, a folder or a hub name")
    if not DEVICE.fullmatch(model.device):
        hint = near(model.device, ["auto", "cpu", "mps", "cuda"])
        raise ConfigError(f"model.device={model.device} is unknown.{hint} Known: auto, cpu, mps, cuda, cuda:1.")
    if model.value_head.kind == "mlp" and not model.value_head.widths:
        refuse("model.value_head.widths", model.value_head.widths, "one or more positive widths")
    targets = model.lora.targets
    is_named = isinstance(targets, list) and targets and all(isinstance(t, str) and NAME.fullmatch(t) for t in targets)
    if not (targets is None or targets == "all-linear" or is_named):  # PEFT takes another text as a regular expression
        refuse("model.lora.targets", targets, "all-linear, a list of layer names such as [q_proj, v_proj], or null")
    check_widths("model.value_head.widths", model.value_head.widths)
    if model.quantization != "none" and model.compile:
        raise ConfigError("model.compile=true does not work with model.quantization; turn one of the two off.")


def check_widths(key: str, widths: list[int]) -> None:
    """Refuse layers that no machine holds. Raises `ConfigError`."""
    numbers = sum(a * b for a, b in itertools.pairwise(widths))
    if len(widths) > MOST_LAYERS or numbers > MOST_WEIGHTS:
        got = f"{len(widths)} layers with {numbers:,} weights between them"
        refuse(key, brief(widths), f"at most {MOST_LAYERS} layers and {MOST_WEIGHTS:,} weights between them, got {got}")


def _check_batches(cfg: TrainSettings) -> None:
    """Minibatches that a rollout cannot be divided into."""
    samples = cfg.num_envs * cfg.rollout_steps
    if samples > MOST_SAMPLES:
        raise ConfigError(
            f"num_envs x rollout_steps = {cfg.num_envs} x {cfg.rollout_steps} = {samples:,} decisions of a rollout are "
            f"more than {MOST_SAMPLES:,}. Lower one of them."
        )
    have = f"num_envs x rollout_steps = {cfg.num_envs} x {cfg.rollout_steps} = {samples} decisions of a rollout"
    for key, size in (
        ("ppo.actor.minibatch x ppo.accumulation", cfg.ppo.actor.minibatch * cfg.ppo.accumulation),
        ("ppo.critic.minibatch", cfg.ppo.critic.minibatch),
    ):
        if size > samples:
            raise ConfigError(f"{key} = {size} is more than the {have}. Lower it, or collect more.")
        if samples % size:
            below = max(d for d in range(1, size) if samples % d == 0)
            above = min(d for d in range(size, samples + 1) if samples % d == 0)
            raise ConfigError(
                f"{key} = {size} does not divide the {have}: a rest would make a step of its own. "
                f"Take {below} or {above}."
            )
    if cfg.ppo.advantage_normalization == "minibatch" and cfg.ppo.actor.minibatch < 2:
        raise ConfigError("ppo.advantage_normalization=minibatch needs ppo.actor.minibatch of 2 or more.")


def _check_search(cfg: TrainSettings) -> None:
    """A search that a method cannot learn from, or one that is missing."""
    if cfg.method == "search" and cfg.search.simulations == 0:
        raise ConfigError("method=search learns what a search proposes, but search.simulations=0. Give 1 or more.")
    if cfg.method != "search" and cfg.search.simulations:
        raise ConfigError(
            f"search.simulations={cfg.search.simulations} would choose actions that method={cfg.method} did not: its "
            "updates would be wrong. Use method=search (or gumbel), or search with the trained policy: twosome-eval "
            "search.simulations=..."
        )


def advice(cfg: TrainSettings) -> list[str]:
    """What can work and is probably not meant, in sentences for a warning."""
    samples, warmup = cfg.num_envs * cfg.rollout_steps, cfg.ppo.actor.warmup_updates
    if cfg.method in ("twosome", "mlp") and cfg.total_steps <= warmup * samples:
        return [
            f"This run will learn nothing: its total_steps={cfg.total_steps} end within the actor's warm-up of "
            f"ppo.actor.warmup_updates={warmup} updates (of num_envs x rollout_steps = {cfg.num_envs} x "
            f"{cfg.rollout_steps} = {samples} steps each). Give more than {warmup * samples} steps, or "
            "ppo.actor.warmup_updates=0."
        ]
    return []
