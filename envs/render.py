"""Captions: a picture with the scene, the last action and its reward below it.

Needs Pillow, which is imported when the first picture is drawn. Knows nothing about what the picture shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import ImageFont

LINES = 7
"""Lines reserved for the scene: a video needs frames of one size, so the caption does not grow with the text."""

MARGIN, LINE, TITLE = 12, 18, 28
"""Pixels: around the caption, per line of the scene, for the line of the action."""

PAPER, INK, FAINT, GOOD, BAD = "#fffdf7", "#2b2b2b", "#8a8577", "#2e7d32", "#b23b3b"


def pillow():
    """The modules Image, ImageDraw and ImageFont of Pillow. Raises ImportError with the remedy."""
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise ImportError("Pictures need Pillow. Install it with: pip install pillow") from error
    return Image, ImageDraw, ImageFont


def wrapped(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """A text in lines no wider than `width` pixels, broken between words."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def captioned(picture: np.ndarray, scene: str, phrase: str | None, reward: float) -> np.ndarray:
    """The picture above its caption, uint8 [height, width, 3]. `phrase` is None right after a reset."""
    Image, ImageDraw, ImageFont = pillow()
    height, width, _ = picture.shape
    image = Image.new("RGB", (width, height + TITLE + LINES * LINE + 2 * MARGIN), PAPER)
    image.paste(Image.fromarray(picture))
    draw = ImageDraw.Draw(image)
    title, body = ImageFont.load_default(16), ImageFont.load_default(13)
    y = height + MARGIN
    if phrase is None:
        draw.text((MARGIN, y), "a new episode", FAINT, title)
    else:
        draw.text((MARGIN, y), f"> {phrase}", INK, title)
        colour = GOOD if reward > 0 else BAD if reward < 0 else FAINT
        draw.text((width - MARGIN, y), f"{reward:+.3f}", colour, title, anchor="ra")
    lines = wrapped(scene, body, width - 2 * MARGIN)
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], lines[LINES - 1] + " ..."]
    for i, line in enumerate(lines):
        draw.text((MARGIN, y + TITLE + i * LINE), line, INK, body)
    return np.asarray(image)
