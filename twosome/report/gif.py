"""An episode as an animated picture: each state, the likeliest actions there and the one that was taken."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from twosome import files
from twosome.report.record import Recording, Step

PAPER, INK, FAINT, BAR = "#fdfcf9", "#222222", "#666666", "#3a6ea5"
MARGIN, LINE = 12, 22  # pixels
ACTIONS = 3  # of the menu, the most probable ones


def write_gif(path: Path | str, recording: Recording, *, seconds: float = 1.2, max_frames: int = 100) -> None:
    """Write the GIF; the last state stays three times as long. Longer episodes are cut after `max_frames`.

    Raises `ValueError` for an episode without pictures.
    """
    first, *others = frames(recording, max_frames)
    durations = [int(1000 * seconds)] * len(others) + [int(3000 * seconds)]
    out = io.BytesIO()
    first.save(out, "gif", save_all=True, append_images=others, duration=durations, loop=0)
    files.write_bytes(Path(path), out.getvalue())


def frames(recording: Recording, most: int) -> list[Image.Image]:
    """The states of an episode as Pillow images with a caption: the first `most`, and the last."""
    if recording.last_picture is None:
        raise ValueError("The episode has no pictures: its environment does not draw itself (render_mode rgb_array).")
    shown = [_frame(s.picture, _lines(s)) for s in recording.steps[:most] if s.picture is not None]
    outcome = "goal reached" if recording.success else "time is up" if recording.truncated else "failed"
    end: list[tuple[str, float | None]] = [(f"{outcome}, discounted return {recording.discounted_return:.3f}", None)]
    return [*shown, _frame(recording.last_picture, end)]


def _lines(step: Step) -> list[tuple[str, float | None]]:
    """The most probable actions with their probabilities, the chosen one marked and always among them."""
    order = sorted(range(len(step.menu)), key=lambda i: -step.probs[i])[:ACTIONS]
    if step.chosen not in order:
        order[-1] = step.chosen
    return [(f"{'> ' if i == step.chosen else '   '}{step.menu[i]}", step.probs[i]) for i in order]


def _frame(png: bytes, lines: list[tuple[str, float | None]]) -> Image.Image:
    """A picture above its lines, in a palette of its own; all frames of one size."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    width, height = picture.size
    image = Image.new("RGB", (width, height + ACTIONS * LINE + 2 * MARGIN), PAPER)
    image.paste(picture)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    for k, (text, share) in enumerate(lines):
        y = height + MARGIN + k * LINE
        draw.text((MARGIN, y), text, INK, font)
        if share is not None:
            left, right = int(0.62 * width), width - MARGIN - 54
            draw.rectangle((left, y + 4, left + max(1, int(share * (right - left))), y + 15), BAR)
            draw.text((width - MARGIN, y), f"{100 * share:.0f} %", FAINT, font, anchor="ra")
    return image.quantize(128, Image.Quantize.FASTOCTREE)
