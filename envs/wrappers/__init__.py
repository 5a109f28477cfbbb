"""Third-party environments with texts and a menu of phrases, and wrappers that make more of them.

This package imports nothing heavy: `minigrid`, `textworld` and `scienceworld` are loaded when an environment of theirs
is made.
"""

from typing import Any

SPECS: dict[str, tuple[str, dict[str, Any]]] = {
    "twosome/Mixture-v0": ("twosome_envs.wrappers.mixture:Mixture", {}),
    "twosome/BabyAI-v0": ("twosome_envs.wrappers.babyai:BabyAI", {}),
    "twosome/TextWorld-v0": ("twosome_envs.wrappers.textworld:TextWorld", {}),
    "twosome/ScienceWorld-v0": ("twosome_envs.wrappers.scienceworld:ScienceWorld", {}),
}
"""gymnasium id -> (entry point, default keyword arguments)."""
