"""One run's learning curve: what was sampled while it trained, greedy evaluations, the optimum."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from twosome.config.agent import world_title
from twosome.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from twosome.config.schema import EnvSettings

INK, PALE, EDGE = "#1f3f63", "#8fb0d0", "#777777"


def learning_curve(records: Sequence[dict[str, Any]], env: EnvSettings) -> Figure:
    """A figure of a run's metrics. Raises `ConfigError` where matplotlib is not installed (the extra `plot`)."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigError('A picture needs matplotlib: pip install "twosome[plot]".') from error
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    looks: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("return/mean", "training, sampled", {"color": PALE, "linewidth": 1.2}),
        ("eval/greedy_return", "evaluation, greedy", {"color": INK, "marker": "o", "markersize": 3.5}),
    )
    for key, label, look in looks:
        points = [(r["step"], r[key]) for r in records if _is_number(r.get("step")) and _is_number(r.get(key))]
        if points:
            axes.plot(*zip(*points, strict=True), label=label, **look)
    if env.optimum is not None:
        axes.axhline(env.optimum, color=EDGE, linestyle="--", linewidth=1, label="optimum")
    axes.set_xlabel("environment steps")
    axes.set_ylabel("discounted return")
    axes.set_title(world_title(env))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _is_number(value: object) -> bool:
    """Whether a value of a record can be drawn."""
    return isinstance(value, (int, float)) and abs(value) < sys.float_info.max
