"""Scene and goal -> prompt. The only place where text enters the policy; it knows nothing of tokens.

What is constant comes first (goal), what changes comes last (scene): states then share more of their tokens. What a later
memory recalls or an adviser says enters here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twosome.types import ConfigError

FIELDS = ("goal", "scene")


def check_template(template: str) -> str:
    """Refuse a template that does not use `{goal}` and `{scene}` alone, or that ends in white space."""
    try:
        text = template.format(goal="<goal>", scene="<scene>")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        raise ConfigError(
            f"The prompt template {template!r} cannot be filled ({error}). It may hold {{goal}} and {{scene}}; write a "
            "literal brace twice."
        ) from None
    if "<scene>" not in text:
        raise ConfigError(f"The prompt template {template!r} must hold {{scene}}: without it every state looks the same.")
    if text != text.rstrip():
        raise ConfigError(f"The prompt template {template!r} ends in white space; the joining space is added later.")
    return template


def numbers_of(observation: Mapping[str, Any]) -> str:
    """The numeric observation as text, for policies that read numbers.

    >>> numbers_of({"vector": [1.0, 0.0, 3.0]})
    '1.0 0.0 3.0'
    """
    return " ".join(str(float(x)) for x in observation["vector"])


def prompt_of(observation: Mapping[str, Any], template: str) -> str:
    """Fill the template with an observation's `scene` and `goal`.

    >>> prompt_of({"goal": "Rest.", "scene": "You stand."}, "{goal} {scene} Next:")
    'Rest. You stand. Next:'
    """
    return template.format(goal=observation["goal"], scene=observation["scene"])
