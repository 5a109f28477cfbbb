"""What happens: one primitive step (`tick`), and the macro-actions made of them (`run`).

Source: SPEC.md, Overcooked 4, 5 and 7. Quirks of the published environment that change a trajectory are kept
and named by their number there. Pure functions of a state, without words or observations.
"""

from __future__ import annotations

from .layouts import MAX_CHOPS
from .navigation import DOWN, LEFT, OFFSETS, RIGHT, STAY, UP, first_move, is_adjacent
from .state import FLOOR, HATCH, KNIFE, NONE, Action, Kitchen, State


def tick(kitchen: Kitchen, state: State, move: int) -> tuple[State, float, bool]:
    """One primitive step: the next state, its reward, and whether the right dish was delivered.

    Moving into a cell that is not floor acts on what is there (SPEC.md, Overcooked 4). Every exchange is a move of
    everything at one cell to another cell.
    """
    reward = kitchen.rewards.step
    agent, target = state.agent, state.agent + OFFSETS[move]
    if move == STAY:
        return state, reward, False
    terrain = kitchen.terrain[target]
    if terrain == FLOOR:
        return state.moved(agent, target)._replace(agent=target), reward, False
    if terrain == HATCH:
        return _deliver(kitchen, state)
    held = state.is_held()
    held_food = state.held_food()
    plate, food = state.plate_at(target), state.food_at(target)
    if plate == NONE and food == NONE:
        return (state.moved(agent, target) if held else state), reward, False
    if plate != NONE:
        if not held:
            return state.moved(target, agent), reward, False
        if held_food != NONE and state.is_chopped(held_food):
            # On a knife the filled plate comes to the hand, on a counter it stays.
            source, goal = (target, agent) if terrain == KNIFE else (agent, target)
            return state.moved(source, goal), reward, False
        return state, reward, False
    if not held and terrain == KNIFE and not state.is_chopped(food):
        return _chop(kitchen, state, food)
    if not held or (held_food == NONE and state.is_chopped(food)):
        return state.moved(target, agent), reward, False
    return state, reward, False


def _chop(kitchen: Kitchen, state: State, food: int) -> tuple[State, float, bool]:
    chops = tuple(n + (i == food) for i, n in enumerate(state.chops))
    pays = chops[food] == MAX_CHOPS and food in kitchen.wanted
    return (
        state._replace(chops=chops),
        kitchen.rewards.step + (kitchen.rewards.subtask if pays else 0.0),
        False,
    )


def _deliver(kitchen: Kitchen, state: State) -> tuple[State, float, bool]:
    """Hand over what is held. Anything but the right dish returns home, raw (SPEC.md, Overcooked 5 and Q10)."""
    if not state.is_held():
        return state, kitchen.rewards.step, False
    handed = [i for i, at in enumerate(state.foods) if at == state.agent]
    plate = state.plate_at(state.agent)
    if plate != NONE and frozenset(handed) == kitchen.wanted:
        served = state.moved(state.agent, kitchen.delivery)
        return served, kitchen.rewards.step + kitchen.rewards.correct, True
    start = kitchen.start
    foods = tuple(start.foods[i] if i in handed else at for i, at in enumerate(state.foods))
    chops = tuple(0 if i in handed else n for i, n in enumerate(state.chops))
    plates = tuple(start.plates[i] if i == plate else at for i, at in enumerate(state.plates))
    return State(state.agent, foods, chops, plates), kitchen.rewards.step + kitchen.rewards.wrong, False


def run(kitchen: Kitchen, state: State, action: Action) -> tuple[State, tuple[float, ...], bool]:
    """Run a macro-action to its end: next state, reward of every primitive step, success (SPEC.md, Overcooked 7.2)."""
    rewards: list[float] = []
    is_done = False
    while not is_done:
        move, is_done = choose(kitchen, state, action, len(rewards))
        state, reward, success = tick(kitchen, state, move)
        rewards.append(reward)
        is_done = is_done or has_arrived(kitchen, state, action)
    return state, tuple(rewards), success


def choose(kitchen: Kitchen, state: State, action: Action, ticks: int) -> tuple[int, bool]:
    """The next primitive of a macro-action that has run for `ticks` primitive steps, and whether it is the last."""
    if action.kind == "stay":
        return STAY, True
    if action.kind == "chop":
        return _choose_chop(kitchen, state, ticks)
    target = goal_cell(kitchen, state, action)
    if target is None:
        return STAY, True
    if action.kind == "get food" and target in state.plates and kitchen.sees(state, target):
        return STAY, True
    if target == state.agent:
        return STAY, True
    move = first_move(kitchen.terrain, kitchen.map, state.agent, target)
    if move is None:
        return STAY, True
    if not is_adjacent(state.agent, target):
        return move, False
    return _choose_adjacent(kitchen, state, action, target, move)


def goal_cell(kitchen: Kitchen, state: State, action: Action) -> int | None:
    """The target cell of a macro-action; None if there is no such cell."""
    if action.kind == "get food":
        return state.foods[action.target]
    if action.kind == "get plate":
        return state.plates[action.target]
    if action.kind == "go to counter":
        taken = (*state.foods, *state.plates)
        return next((at for at in kitchen.wall if at not in taken), None)
    return state.agent if action.target == NONE else action.target


def _choose_chop(kitchen: Kitchen, state: State, ticks: int) -> tuple[int, bool]:
    """Three chops at an adjacent board; with a full hand they do nothing (SPEC.md, Overcooked Q9)."""
    for move in (RIGHT, DOWN, LEFT, UP):
        at = state.agent + OFFSETS[move]
        if kitchen.terrain[at] != KNIFE or at in state.plates:
            continue
        food = state.food_at(at)
        if food != NONE and not state.is_chopped(food):
            return move, ticks + 1 == MAX_CHOPS
    return STAY, True


def _choose_adjacent(kitchen: Kitchen, state: State, action: Action, target: int, move: int) -> tuple[int, bool]:
    """The last primitive, next to the target, with its exceptions (step 4d of SPEC.md, Overcooked 7.2)."""
    held_food = state.held_food()
    if action.kind == "get plate" and held_food != NONE:
        is_chopped = state.is_chopped(held_food)
        return (move, False) if is_chopped else (STAY, True)  # SPEC.md, Overcooked Q12
    if action.kind == "go to knife" and not state.is_held():
        return STAY, True
    if action.kind == "get food" and _is_raw_on_knife(kitchen, state, action.target):
        return STAY, True  # SPEC.md, Overcooked Q14
    return move, True


def _is_raw_on_knife(kitchen: Kitchen, state: State, food: int) -> bool:
    return kitchen.terrain[state.foods[food]] == KNIFE and not state.is_chopped(food)


def has_arrived(kitchen: Kitchen, state: State, action: Action) -> bool:
    """Whether a macro-action ends after this tick, because all it could do was walk here."""
    if action.kind == "get food":
        walks = _is_raw_on_knife(kitchen, state, action.target)
    else:
        walks = action.kind in ("go to knife", "deliver") and not state.is_held()
    target = goal_cell(kitchen, state, action)
    return walks and target is not None and is_adjacent(state.agent, target)
