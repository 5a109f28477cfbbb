"""A world around a world: its menu also offers internal actions, which change what the agent has noted.

The policy needs nothing new for them: they are phrases of the menu, and what they found out is text of the scene.

>>> from typing import NamedTuple
>>> import gymnasium
>>> from twosome_envs.agent import AgentState
>>> from twosome_envs.base import Menu
>>> class Recipe(NamedTuple):
...     name: str = "recipe"
...     slots: int = 1
...     cost: float = 0.05
...     is_external: bool = False
...     def menu(self, state: AgentState) -> Menu:
...         return Menu(("read the recipe",), (not state.notes,))
...     def run(self, slot: int, state: AgentState) -> str:
...         return "Chop the tomato on the cutting board."
>>> world = {"id": "twosome/TomatoSalad-v0"}
>>> env = gymnasium.make("twosome_envs:twosome/Agent-v0", world=world, actions=(Recipe(),), max_internal=3)
>>> observation, info = env.reset()
>>> info["actions"][-1]
'read the recipe'
>>> observation, reward, *_ = env.step(env.action_space.n - 1)
>>> reward, observation["scene"].splitlines()[-1]
(-0.05, 'Note: Chop the tomato on the cutting board.')
"""

from typing import Any

from .agent import Agent, SealedError
from .internal_actions import AgentState, InternalAction
from .state import AgentSnapshot
from .tools import FunctionTool

__all__ = ["Agent", "AgentSnapshot", "AgentState", "FunctionTool", "InternalAction", "SealedError"]

# gymnasium id -> (entry point, default keyword arguments)
SPECS: dict[str, tuple[str, dict[str, Any]]] = {"twosome/Agent-v0": ("twosome_envs.agent.agent:Agent", {})}
