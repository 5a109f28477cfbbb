"""Episodes as one self-contained HTML page (`write`) and as an animated picture (`write_gif`).

The page needs no network and no other file: pictures are inside it, the script is its own, and a content
policy in its head forbids everything else. Arrow keys and clicks move through it.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from pathlib import Path
from typing import Any

from twosome import files
from twosome.config.agent import world_title
from twosome.config.schema import EnvSettings
from twosome.errors import brief
from twosome.inspection.recollection import Recollection
from twosome.inspection.recollection_views import listed
from twosome.inspection.recollection_views import title as title_of
from twosome.protocols import Policy
from twosome.report.gif import write_gif
from twosome.report.record import Recording, Step, record
from twosome.rollout.driver import Deliberation

__all__ = ["Recording", "Step", "record", "render", "write", "write_gif"]

MAX_PICTURES = 6 * 2**20  # bytes of PNG in a page; further pictures are left out, and the page says so


def write(
    path: Path | str,
    policy: Policy,
    env: EnvSettings,
    episodes: int = 5,
    *,
    seed: int = 0,
    gae_lambda: float = 0.95,
    model: str = "",
    run: str = "",
    max_pictures: int = MAX_PICTURES,
    deliberate: Deliberation | None = None,
) -> list[Recording]:
    """Record episodes (the first greedy, the others sampled) and write the page, and a GIF of one.

    `gae_lambda`: of the advantages shown; `model`, `run`: its name and whence it comes, for the title;
    `deliberate`: a search that decides. Returns the recordings.
    """
    recordings = record(policy, env, episodes, seed=seed, gae_lambda=gae_lambda, deliberate=deliberate)
    title = {"env": world_title(env), "model": model, "run": run, "gamma": env.gamma, "optimum": env.optimum}
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write_text(path, render(recordings, title, max_pictures))
    shown = next((r for r in recordings if r.success), recordings[0])
    if shown.last_picture is not None:
        write_gif(path.with_suffix(".gif"), shown)
    return recordings


def render(recordings: list[Recording], title: dict[str, Any], max_pictures: int = MAX_PICTURES) -> str:
    """The page as text. `title`: env, model, run, gamma, optimum."""
    here = Path(__file__).parent
    page, style, script = ((here / f"page.{kind}").read_text(encoding="utf-8") for kind in ("html", "css", "js"))
    data = json.dumps(_data(recordings, title, max_pictures), separators=(",", ":"), allow_nan=False)
    data = data.replace("<", "\\u003c")  # no text of a scene or a phrase can begin or end anything in the page
    return page.replace("/*STYLE*/", style).replace("/*SCRIPT*/", script).replace("/*DATA*/", data)


def _data(recordings: list[Recording], title: dict[str, Any], max_pictures: int) -> dict[str, Any]:
    """What the page's script reads. Equal pictures and memories are stored once and named by number; -1 is none."""
    numbers: dict[bytes, int] = {}
    pictures: list[str] = []
    left_out = 0

    def number(png: bytes | None) -> int:
        nonlocal left_out
        if png is None:
            return -1
        if png not in numbers:
            if sum(map(len, numbers)) + len(png) > max_pictures:
                left_out += 1
                return -1
            numbers[png] = len(pictures)
            pictures.append(b64encode(png).decode())
        return numbers[png]

    recalled: dict[str, int] = {}

    def memory(r: Recollection | None) -> int:
        return -1 if r is None else recalled.setdefault(json.dumps(_told(r)), len(recalled))

    episodes = []
    for r in recordings:
        steps = [
            {
                "scene": s.scene,
                "goal": s.goal,
                "menu": s.menu,
                "probs": [_rounded(p, 6) for p in s.probs],
                "search": None if s.search is None else [_rounded(p, 6) for p in s.search],
                "words": s.words and [[(word, _rounded(p, 3)) for word, p in words] for words in s.words],
                "chosen": s.chosen,
                "reward": _rounded(s.reward, 5),
                "duration": s.duration,
                "value": _rounded(s.value, 4),
                "advantage": _rounded(s.advantage, 4),
                "entropy": _rounded(s.entropy, 4),
                "picture": number(s.picture),
                "memory": memory(s.memory),
                "without": s.without and [_rounded(p, 6) for p in s.without],
            }
            for s in r.steps
        ]
        episodes.append(
            {
                "goal": r.goal,
                "legend": r.legend,
                "greedy": r.greedy,
                "success": r.success,
                "truncated": r.truncated,
                "return": _rounded(r.discounted_return, 5),
                "length": r.length,
                "steps": steps,
                "end": {"scene": r.last_scene, "goal": r.last_goal, "picture": number(r.last_picture)},
            }
        )
    memories = [json.loads(text) for text in recalled]
    return {**title, "episodes": episodes, "pictures": pictures, "left_out": left_out, "memories": memories}


def _told(r: Recollection) -> dict[str, Any]:
    """A recollection as the page's script reads it."""
    records = [
        {
            "similarity": _rounded(entry.similarity, 3),
            "visits": entry.visits,
            "where": f"{brief(entry.goal)} {brief(entry.scene)}",
            "known": [[mark, brief(action), _rounded(value, 3)] for mark, action, value in listed(entry)],
        }
        for entry in r.recalled
    ]
    values = {action: _rounded(value, 3) for action, value in r.values.items()}
    return {"title": title_of(r), "records": records, "advice": r.text, "values": values}


def _rounded(x: float, digits: int) -> float | None:
    """None for what is no number in JSON: a NaN or an infinity, which a diverged critic may give."""
    return round(x, digits) if math.isfinite(x) else None
