"""TensorBoard's pages beside the curves: tracked states in pictures and text, an episode, settings and results.

Drawn with Pillow, which every installation has.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from twosome.config.names import flat
from twosome.config.schema import TrainSettings
from twosome.monitoring.tracked_states import TrackedStates
from twosome.report.gif import frames
from twosome.report.record import Recording

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

PAPER, INK, FAINT, BAR, EMPTY = "#ffffff", "#222222", "#555555", "#3a6ea5", "#eeeeee"
WIDTH, MARGIN, GAP = 440, 12, 8  # pixels; TensorBoard shows pictures about this wide
SIZE, LEADING, TALL = 17, 21, 26  # of the letters, from line to line, of a bar at 100 %
SHEET = (4, 3)  # columns and rows of an episode's contact sheet
SHOWN = 30  # actions of a menu, the most probable ones: a picture of ten thousand takes gigabytes
LINES = 40  # of a prompt above them
TALLEST = 3  # a picture of an episode, as a multiple of its width, and the other way round; others are made to fit
SETTINGS = (  # beginnings of their names
    "env.id",
    "method",
    "model.name",
    "model.dtype",
    "model.quantization",
    "model.lora.",
    "model.value_head.",
    "num_envs",
    "policy.normalization",
    "ppo.",
    "rollout_steps",
    "seed",
    "total_steps",
)


def tracked_states(writer: SummaryWriter, tracked: TrackedStates, step: int) -> None:
    """For each tracked state its distribution over time as a picture, and its present one as text."""
    for k, decision in enumerate(tracked.decisions):
        history = np.array([entry["probs"][k] for entry in tracked.history], float)  # [records, A]; null becomes NaN
        value = np.array(tracked.history[-1]["values"][k], float)
        picture = history_picture(decision.prompt, decision.menu, history, tracked.history[-1]["step"])
        writer.add_image(f"tracked_states/{k + 1}", picture, step, dataformats="HWC")
        order = np.argsort(-history[-1], kind="stable")
        rows = "\n".join(f"| {decision.menu[i]} | {100 * history[-1][i]:.1f} % |" for i in order[:SHOWN])
        rows += f"\n| {_others(len(order))} | |" if len(order) > SHOWN else ""
        prompt = decision.prompt.replace("\n", "\n    ")
        text = f"    {prompt}\n\n| action | probability |\n|---|---:|\n{rows}\n\nvalue {value:.3f}"
        writer.add_text(f"tracked_states/{k + 1}", text, step)


def history_picture(prompt: str, menu: tuple[str, ...], history: np.ndarray, last_step: int) -> np.ndarray:
    """A row per action, the `SHOWN` most probable ones: its phrase, its probability over time in columns, and now.

    uint8 [H, W, 3].
    """
    font = ImageFont.load_default(SIZE)
    lines = [line for part in prompt.splitlines() for line in _wrapped(part, font, WIDTH - 2 * MARGIN)]
    lines = lines if len(lines) <= LINES else ["...", *lines[-LINES:]]  # what changes comes last in a prompt
    shown = sorted(np.argsort(-history[-1], kind="stable")[:SHOWN].tolist())
    top = 2 * MARGIN + LEADING * len(lines)
    rest = LEADING if len(menu) > SHOWN else 0
    image = Image.new("RGB", (WIDTH, top + (LEADING + TALL + GAP) * len(shown) + rest + LEADING + MARGIN), PAPER)
    draw = ImageDraw.Draw(image)
    for k, line in enumerate(lines):
        draw.text((MARGIN, MARGIN + k * LEADING), line, FAINT, font)
    left, right = MARGIN, WIDTH - MARGIN
    edges = np.linspace(left, right, len(history) + 1)
    for row, a in enumerate(shown):
        y = top + row * (LEADING + TALL + GAP)
        draw.text((left, y), _cut(menu[a], font, right - left - 80), INK, font)
        draw.text((right, y), f"{100 * history[-1, a]:.1f} %", INK, font, anchor="ra")
        floor = y + LEADING + TALL
        draw.rectangle((left, floor - TALL, right, floor), EMPTY)
        for t, p in enumerate(history[:, a]):
            high = TALL * float(p)
            if high >= 0.5:
                draw.rectangle((edges[t], floor - high, max(edges[t], edges[t + 1] - 1), floor), BAR)
    if rest:
        draw.text((left, top + len(shown) * (LEADING + TALL + GAP)), _others(len(menu)), FAINT, font)
    draw.text((left, image.height - MARGIN), "start", FAINT, font, anchor="ls")
    draw.text((right, image.height - MARGIN), f"step {last_step:,}", FAINT, font, anchor="rs")
    return np.asarray(image)


def episode(writer: SummaryWriter, recording: Recording, step: int) -> None:
    """The greedy episode: a contact sheet of its states where the environment draws itself, and a table."""
    sheet = contact_sheet(recording)
    if sheet is not None:
        writer.add_image("episode/greedy", sheet, step, dataformats="HWC")
    rows = [
        f"| {k + 1} | {s.menu[s.chosen]} | {s.probs[s.chosen]:.0%} | {s.reward:+.3f} | {s.value:.3f} |"
        for k, s in enumerate(recording.steps)
    ]
    head = "| | action | probability | reward | value |\n|---|---|---:|---:|---:|\n"
    end = "goal reached" if recording.success else "goal not reached"
    tail = f"\n\n{end}, discounted return {recording.discounted_return:.4f}"
    writer.add_text("episode/greedy", head + "\n".join(rows) + tail, step)


def contact_sheet(recording: Recording, width: int = 300) -> np.ndarray | None:
    """The first states of an episode side by side, each above what was done there; None without pictures."""
    if recording.last_picture is None:
        return None
    columns, rows = SHEET
    shown = [f.convert("RGB") for f in frames(recording, columns * rows - 1)]
    height = min(max(round(width * shown[0].height / shown[0].width), width // TALLEST), TALLEST * width)
    used = -(-len(shown) // columns)
    sheet = Image.new("RGB", (columns * width, used * height), PAPER)
    for k, frame in enumerate(shown):
        sheet.paste(frame.resize((width - 6, height - 6)), (k % columns * width + 3, k // columns * height + 3))
    return np.asarray(sheet)


def hyperparameters(writer: SummaryWriter, cfg: TrainSettings, summary: dict[str, Any]) -> None:
    """Settings beside the final evaluation, for TensorBoard's table of runs."""
    baselines = ("baseline.",) if cfg.method in ("mlp", "tabular") else ()
    settings = {
        key: value
        for key, value in flat(dataclasses.asdict(cfg)).items()
        if isinstance(value, (bool, int, float, str)) and key.startswith((*SETTINGS, *baselines))
    }
    final = {
        f"final/{name}_{short}": float(summary["eval_after"][name][key])
        for name in ("greedy", "sampled")
        for short, key in (("return", "return_mean"), ("success", "success_rate"))
    }
    writer.add_hparams(settings, final, run_name=".")


def _others(n: int) -> str:
    """What is said of the actions that are not shown, of `n`."""
    return f"and {n - SHOWN:,} less probable actions"


def _wrapped(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """A phrase that fits, its end replaced by dots where it does not."""
    text = text[: max(1, int(width))]  # a letter is a pixel wide at least
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
