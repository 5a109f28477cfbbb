"""`python -m twosome.bench throughput`: what a decision costs, side by side in one run.

Our scorer, our scorer with each shortcut off, prompt-KV sharing, separate sequences and the published scheme, on the
same decisions of the same environments with the same model: tokens forwarded, FLOPs, decisions per second (acting, no
gradient), samples per second (forward and backward), peak memory, and how many times less than the published scheme
each needs.

    python -m twosome.bench throughput                                  the embedded model, four environments
    python -m twosome.bench throughput --model 25m --env tomato_salad,tomato_lettuce_salad
    python -m twosome.bench throughput --model 7b --device cuda --memory-gib 40
    python -m twosome.bench throughput --model mini --modes count --updates 20     tokens of a longer run, nothing timed
    python -m twosome.bench throughput --environments                   the worlds alone

Schemes take turns within a round, ratios are taken within a round, and processor time stands beside wall time: on a
machine that others use too, trust the ratios and the processor time. The JSON holds every single time.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from twosome.errors import ConfigError

if TYPE_CHECKING:
    from twosome.bench.measure import Row
    from twosome.config.schema import TrainSettings

ENVIRONMENTS = ("tomato_salad", "tomato_lettuce_salad", "food_preparation", "entertainment")
MODES = ("pass", "update", "count")

Result: TypeAlias = dict[str, Any]
"""What the JSON holds: `machine`, `command`, ..., `models` (each with its `rows`) and `environments`."""


class Case(NamedTuple):
    """One model in one precision, with the settings of every environment."""

    model: str
    quantization: str
    settings: list[TrainSettings]


class Parser(argparse.ArgumentParser):
    """Tells a mistake in one paragraph, as the other commands do."""

    def error(self, message: str) -> NoReturn:
        """Raises `ConfigError`."""
        raise ConfigError(f"{message[:1].upper()}{message[1:]}. `{self.prog} --help` lists the options.")


def parser() -> Parser:
    """The options of the command."""
    p = Parser(
        prog="python -m twosome.bench throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument(
        "--model",
        default="tiny",
        help="tiny; 25m, 7b or mini (random weights); a folder or a hub name; several with commas",
    )
    p.add_argument("--env", default=",".join(ENVIRONMENTS), help="names in conf/env, with commas")
    p.add_argument(
        "--modes", default="pass,update", help="pass (no reuse), update (with reuse), count (tokens of many updates)"
    )
    p.add_argument("--schemes", default=None, help="keys with commas, such as ours,published; default all")
    p.add_argument("--repetitions", type=int, default=5, help="timed rounds of a pass")
    p.add_argument("--updates", type=int, default=3, help="whole updates of 4 x 32 steps")
    p.add_argument(
        "--no-flops", action="store_true", help="do not count the FLOPs of an update, which costs one more update"
    )
    p.add_argument("--threads", type=int, default=1, help="CPU threads")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto")
    p.add_argument("--dtype", default=None, help="float32 | bfloat16 | float16; default float32, bfloat16 for 7b")
    p.add_argument("--quantization", default=None, help="none, int8, nf4, with commas; default none, all three for 7b")
    p.add_argument("--checkpointing", action="store_true", help="gradient checkpointing")
    p.add_argument(
        "--vocabulary", type=int, default=None, help="of a random-weight model; default 1280 for 25m, 32000 for 7b"
    )
    p.add_argument("--token-budget", type=int, default=None, help="of a forward pass; default that of conf/policy")
    p.add_argument("--memory-gib", type=float, default=None, help="use no more of the accelerator's memory than this")
    p.add_argument(
        "--peak-tflops", type=float, default=None, help="of the accelerator, for the utilisation; default by its name"
    )
    p.add_argument("--environments", action="store_true", help="measure the worlds alone instead")
    p.add_argument("--steps", type=int, default=20000, help="with --environments: actions of a round")
    p.add_argument(
        "--output",
        type=Path,
        default=None,
        help="of the JSON; default outputs/throughput_<model>.json",
    )
    p.add_argument("--markdown", action="store_true", help="print markdown instead of drawn tables")
    return p


def main(argv: list[str] | None = None) -> None:
    """Measure, print, write the JSON. Raises `ConfigError` for options that cannot work."""
    argv = sys.argv[1:] if argv is None else argv
    options = parser().parse_args(argv)
    _check(options)
    cases = [] if options.environments else _cases(options)
    import torch

    from twosome.bench import table
    from twosome.versions import versions

    torch.set_num_threads(options.threads)
    result: Result = {
        "bench": "throughput",
        "command": command(options, argv),
        "date": f"{datetime.now():%Y-%m-%d %H:%M}",
        "machine": versions() | _accelerator(options),
        "threads": options.threads,
        "seed": options.seed,
        "load_average": {"before": os.getloadavg()},
        "models": [],
        "environments": [],
    }
    path = options.output or _default_output(options)
    if options.output is None:
        path.parent.mkdir(exist_ok=True)

    def save() -> None:
        result["load_average"]["after"] = os.getloadavg()
        path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

    try:
        save()  # a place that cannot be written is found out before, not after
    except OSError as error:
        raise ConfigError(f"--output {path} cannot be written: {error.strerror}. Give a file that can.") from error
    if options.environments:
        _environments(options, result, save)
    else:
        _models(options, cases, result, save)
    for drawn in table.tables(result):
        print(table.markdown(drawn) + "\n") if options.markdown else table.show(drawn)
    print(f"Written to {path}")


def command(options: argparse.Namespace, argv: list[str]) -> str:
    """The command line without the place of the output, which is nobody else's."""
    place = ("--output", str(options.output), f"--output={options.output}")
    return " ".join(["python -m twosome.bench throughput", *(a for a in argv if a not in place)])


def _check(options: argparse.Namespace) -> None:
    from twosome.bench.schemes import PER_PASS, PER_UPDATE
    from twosome.config.names import near
    from twosome.config.schema import conf_dir

    known_schemes = sorted({s.key for s in (*PER_PASS, *PER_UPDATE)})
    known_envs = sorted(p.stem for p in (conf_dir() / "env").glob("*.yaml"))
    for what, text, known in (
        ("mode", options.modes, list(MODES)),
        ("scheme", options.schemes, known_schemes),
        ("env", options.env, known_envs),
    ):
        for name in text.split(",") if text else ():
            if name not in known:
                raise ConfigError(f"Unknown {what} {name!r}.{near(name, known)} Known: {', '.join(known)}.")
    for name in ("repetitions", "updates", "threads", "steps"):
        if getattr(options, name) < 1:
            raise ConfigError(f"--{name} {getattr(options, name)} cannot work: expected 1 or more.")


def settings(options: argparse.Namespace, env: str, model: str, quantization: str) -> TrainSettings:
    """The paper's settings with this environment and model; the KL guard off, so that every update is a whole one."""
    from twosome.bench import models
    from twosome.config.compose import compose

    dtype = options.dtype or ("bfloat16" if model == "7b" else "float32")
    chosen = models.overrides(
        model, dtype=dtype, quantization=quantization, device=options.device, checkpointing=options.checkpointing
    )
    budget = [f"policy.token_budget={options.token_budget}"] if options.token_budget else []
    fixed = ["ppo=published", "ppo.target_kl=null", "num_envs=4", "rollout_steps=32", f"seed={options.seed}"]
    return compose([f"env={env}", *chosen, f"model.threads={options.threads}", *fixed, *budget])


def _cases(options: argparse.Namespace) -> list[Case]:
    """Every model in every quantisation. Raises `ConfigError` for settings that cannot work."""
    cases = []
    for model in options.model.split(","):
        for quantization in (options.quantization or ("none,nf4,int8" if model == "7b" else "none")).split(","):
            chosen = [settings(options, env, model, quantization) for env in options.env.split(",")]
            cases.append(Case(model, quantization, chosen))
    return cases


def _models(options: argparse.Namespace, cases: list[Case], result: Result, save: Callable[[], None]) -> None:
    """One model in memory at a time."""
    import torch

    for case in cases:
        _model(options, case, result, save)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _model(options: argparse.Namespace, case: Case, result: Result, save: Callable[[], None]) -> None:
    """All modes of one model in all environments; what is measured is saved at once."""
    from twosome.bench import accelerator, models, scoring

    keys = options.schemes.split(",") if options.schemes else None
    first = case.settings[0]
    with accelerator.memory_limit(options.memory_gib, options.device):
        built = models.build(case.model, first.model, options.seed, options.vocabulary)
        measurements: dict[str, Callable[[TrainSettings], list[Row]]] = {
            "pass": lambda cfg: scoring.per_pass(built, cfg, keys, options.repetitions),
            "update": lambda cfg: scoring.per_update(built, cfg, keys, options.updates, not options.no_flops),
            "count": lambda cfg: scoring.count_updates(built, cfg, options.updates),
        }
        measured: Row = {
            "model": case.model,
            "quantization": case.quantization,
            "description": built.description,
            "settings": dataclasses.asdict(first),
            "held_bytes": accelerator.held(options.device),
            "memory_gib": options.memory_gib,
            "peak_tflops": options.peak_tflops or accelerator.peak_tflops(options.device),
            "plan": accelerator.plan(first, built.lm),
            "rows": [],
        }
        result["models"].append(measured)
        for cfg in case.settings:
            for mode in options.modes.split(","):
                measured["rows"] += measurements[mode](cfg)
                _complete(measured, result["models"])
                save()


def _complete(measured: Row, models: list[Row]) -> None:
    """What follows from other rows: peaks with the weights, FLOPs of a quantised model, utilisation.

    The FLOPs are those of the same model in full, if it was measured.
    """
    full = next((m for m in models if m["model"] == measured["model"] and m["quantization"] == "none"), None)
    counted = {(r["environment"], r["mode"], r["scheme"]): r["flops"] for r in full["rows"]} if full else {}
    held, peak_tflops = measured["held_bytes"], measured["peak_tflops"]
    for row in measured["rows"]:
        row["peak_total"] = held + row["peak_memory"] if held and row["peak_memory"] else None
        row["flops"] = row["flops"] or counted.get((row["environment"], row["mode"], row["scheme"]))
        if row["flops"] and row["per_second"] and peak_tflops and row["mode"] != "update":
            row["utilisation"] = row["flops"] * row["per_second"] / row["decisions"] / (peak_tflops * 1e12)


def _environments(options: argparse.Namespace, result: Result, save: Callable[[], None]) -> None:
    from twosome.bench import environments
    from twosome.config.compose import compose

    for env in options.env.split(","):
        cfg = compose([f"env={env}", f"seed={options.seed}"])
        result["environments"] += environments.measure(cfg, options.steps, options.repetitions)
        save()


def _accelerator(options: argparse.Namespace) -> dict[str, Any]:
    import torch

    if not options.device.startswith("cuda"):
        return {}
    p = torch.cuda.get_device_properties(0)
    return {"accelerator": p.name, "accelerator_gib": p.total_memory / 2**30, "cuda": torch.version.cuda}


def _default_output(options: argparse.Namespace) -> Path:
    name = "environments" if options.environments else options.model.replace("/", "_").replace(",", "_")
    return Path("outputs") / f"throughput_{name}.json"
