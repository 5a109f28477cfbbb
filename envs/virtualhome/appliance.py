"""Put an item into an appliance and close it: rules, observation and menus as pure functions of a state.

Source: SPEC.md, VirtualHome 4, Q1 and Q8; `lag` is the former quirk, the latter is in the published menu.
"""

from __future__ import annotations

from typing import NamedTuple

from .tasks import KITCHEN, ROOM_ACTIONS, ApplianceTask

WALK_ITEM, WALK_APPLIANCE, GRAB, PUT_IN, OPEN, CLOSE = range(4, 10)
N_ACTIONS, N_BITS = 10, 11

SEES_ITEM, NEAR_ITEM, HOLDS_ITEM, SEES_APPLIANCE, NEAR_APPLIANCE, IS_OPEN, SEES_INSIDE = range(4, 11)
"""Indices of the observation's bits after the four rooms (SPEC.md, VirtualHome 4.2)."""


class State(NamedTuple):
    """The state of SPEC.md, VirtualHome 4.4; `recorded` is the room that is on record for the item."""

    room: int
    near_item: bool
    near_appliance: bool
    held: bool
    recorded: int
    is_open: bool
    inside: bool


def start(task: ApplianceTask) -> State:
    """The initial state: in the kitchen, hands empty, the appliance closed."""
    return State(KITCHEN, False, False, False, task.item_room, False, False)


def sees_item(state: State) -> bool:
    """Whether the item is visible: held, or in the recorded room and not behind a closed door."""
    return state.held or (state.recorded == state.room and not (state.inside and not state.is_open))


def advance(task: ApplianceTask, state: State, action: int, lag: bool) -> tuple[State, bool]:
    """The state after `action`, and whether it could be executed (SPEC.md, VirtualHome 4.4).

    A failed action changes nothing.

    lag: a carried item is recorded in the room that the agent has left, as published (SPEC.md,
    VirtualHome Q1), so that `walk to the item` leads back there. Without it the item is recorded where it is.
    """
    here = state.room
    by_appliance = here == task.appliance_room and state.near_appliance
    if action < len(ROOM_ACTIONS):
        room = ROOM_ACTIONS[action]
        moved = state._replace(room=room, near_item=state.held, near_appliance=False)
        return _carry(moved, here, lag), True
    if action == WALK_ITEM and sees_item(state):
        moved = state._replace(room=state.recorded, near_item=True, near_appliance=state.inside)
        return _carry(moved, here, lag), True
    if action == WALK_APPLIANCE and here == task.appliance_room:
        moved = state._replace(near_appliance=True, near_item=state.held or state.inside)
        return _carry(moved, here, lag), True
    if action == GRAB and sees_item(state) and not state.held and state.near_item:
        near = state.near_appliance or state.inside
        return state._replace(held=True, near_appliance=near, inside=False, recorded=here), True
    if action == PUT_IN and by_appliance and state.held and state.is_open:
        return state._replace(held=False, inside=True), True
    if action == OPEN and by_appliance and not state.is_open:
        return state._replace(is_open=True), True
    if action == CLOSE and by_appliance and state.is_open:
        return state._replace(is_open=False), True
    return state, False


def _carry(moved: State, left: int, lag: bool) -> State:
    if not moved.held:
        return moved
    return moved._replace(recorded=left if lag else moved.room)


def observe(task: ApplianceTask, state: State) -> tuple[bool, ...]:
    """The observation: the 11 bits of SPEC.md, VirtualHome 4.2."""
    item, appliance = sees_item(state), state.room == task.appliance_room
    return (
        *(state.room == room for room in range(4)),
        item,
        item and state.near_item,
        state.held,
        appliance,
        appliance and state.near_appliance,
        appliance and state.is_open,
        item and appliance and state.inside,
    )


def succeeded(task: ApplianceTask, state: State) -> bool:
    """Whether the item is inside the closed appliance, and the agent in its room.

    SPEC.md, VirtualHome 4.3 asks for `in the kitchen and not seeing the pancake`, which is the same in every reachable
    state and, unlike this test, would call the start of a task with two rooms a success.
    """
    return state.inside and not state.is_open and state.room == task.appliance_room


def published_menu(task: ApplianceTask, bits: tuple[bool, ...]) -> tuple[bool, ...]:
    """The table of SPEC.md, VirtualHome 4.5 as a mask, a function of the observation.

    A kitchen row of the table is the union of what concerns the item and what concerns the appliance; where
    the two are in different rooms, each part is offered in its own room.
    """
    legal = {action for action, room in enumerate(ROOM_ACTIONS) if not bits[room]}
    sees_item, near_item, held, _, near_appliance, is_open, _ = bits[4:]
    near_both = near_item and near_appliance and not held
    if bits[task.item_room] and sees_item and not near_both:
        legal.add(GRAB if near_item and not held else WALK_ITEM)
    one_room = task.item_room == task.appliance_room
    if bits[task.appliance_room] and (sees_item or not one_room):
        if not near_appliance:
            legal.add(WALK_APPLIANCE)
        elif near_both and not is_open:
            legal.add(CLOSE)
        else:
            legal |= {PUT_IN, OPEN, CLOSE} if held else {OPEN, CLOSE}
    return tuple(action in legal for action in range(N_ACTIONS))


def corrected_menu(task: ApplianceTask, state: State) -> tuple[bool, ...]:
    """A mask of the actions that can be executed and lead somewhere.

    A walk leads nowhere if it is to the current room, or to what is near or in hand.
    """

    def is_redundant(action: int) -> bool:
        if action < len(ROOM_ACTIONS):
            return ROOM_ACTIONS[action] == state.room
        near = {WALK_ITEM: state.near_item, WALK_APPLIANCE: state.near_appliance}
        return near.get(action, False)

    return tuple(advance(task, state, a, lag=False)[1] and not is_redundant(a) for a in range(N_ACTIONS))
