"""Chips, milk and television: rules, observation and menus as pure functions of a state.

Source: SPEC.md, VirtualHome 5. The published rules and menu reproduce SPEC.md, VirtualHome Q1 to Q7 and Q16.
"""

from __future__ import annotations

from typing import NamedTuple

from .tasks import KITCHEN, LIVING_ROOM, ROOM_ACTIONS

GRAB, PUT, TURN_ON, TURN_OFF, SIT, STAND = (9, 10), (11, 12), 13, 14, 15, 16
N_ACTIONS, N_BITS = 17, 21

CHIPS, MILK, TABLE, TV, SOFA = THINGS = (1, 2, 4, 8, 16)
"""One bit per thing, so that a set of things is an integer; actions 4 to 8 walk to them in this order."""

NO_THINGS, BOTH_ITEMS = 0, CHIPS | MILK


class State(NamedTuple):
    """The state of SPEC.md, VirtualHome 5.4; `near`, `held` and `on_table` are sets of things.

    `recorded` are the rooms on record for chips and milk; `on_sofa` and `facing` survive standing up
    in the published rules (SPEC.md, VirtualHome Q16), `seated` does not.
    """

    room: int
    near: int
    held: int
    recorded: tuple[int, int]
    on_table: int
    tv_on: bool
    seated: bool
    on_sofa: bool
    facing: bool


START = State(KITCHEN, NO_THINGS, NO_THINGS, (KITCHEN, KITCHEN), NO_THINGS, False, False, False, False)


def sees(state: State, thing: int) -> bool:
    """Whether a thing is visible: held, chips and milk in the recorded room, the rest in the living room."""
    if thing & BOTH_ITEMS:
        return bool(state.held & thing) or state.recorded[thing >> 1] == state.room
    return state.room == LIVING_ROOM


def _in_reach(state: State, thing: int) -> bool:
    """Whether a thing is near enough to act on (SPEC.md, VirtualHome 3).

    It is near, or on a near table; the table also if something on it is near.
    """
    if state.near & thing:
        return True
    if thing == TABLE:
        return bool(state.near & state.on_table)
    return bool(state.on_table & thing and state.near & TABLE)


def advance(state: State, action: int, corrected: bool) -> tuple[State, bool]:
    """The state after `action`, and whether it could be executed (SPEC.md, VirtualHome 5.4).

    A failed action changes nothing.

    corrected: what is carried is recorded where it is, and standing up really ends sitting (SPEC.md, VirtualHome
    Q1 and Q16).
    """
    if action < 9:
        return _walk(state, action, corrected)
    if action in GRAB:
        item = THINGS[GRAB.index(action)]
        if not sees(state, item) or state.held & item or not _in_reach(state, item):
            return state, False
        near = state.near | item | (TABLE if state.on_table & item else NO_THINGS)
        rooms = _record(state.recorded, item, state.room)
        return state._replace(held=state.held | item, near=near, on_table=state.on_table & ~item, recorded=rooms), True
    if action in PUT:
        item = THINGS[PUT.index(action)]
        if not state.held & item or state.room != LIVING_ROOM or not _in_reach(state, TABLE):
            return state, False
        return state._replace(held=state.held & ~item, on_table=state.on_table | item, near=state.near | TABLE), True
    if action in (TURN_ON, TURN_OFF):
        turn_on = action == TURN_ON
        if not state.near & TV or state.held == BOTH_ITEMS or state.tv_on == turn_on:
            return state, False
        return state._replace(tv_on=turn_on), True
    if action == SIT:
        if not state.near & SOFA or state.seated:
            return state, False
        return state._replace(seated=True, on_sofa=True, facing=True), True
    if not state.seated:
        return state, False
    if corrected:
        return state._replace(seated=False, on_sofa=False, facing=False), True
    return state._replace(seated=False), True


def _walk(state: State, action: int, corrected: bool) -> tuple[State, bool]:
    if state.seated:
        return state, False
    if action < len(ROOM_ACTIONS):
        room, near = ROOM_ACTIONS[action], NO_THINGS
    else:
        thing = THINGS[action - len(ROOM_ACTIONS)]
        if not sees(state, thing):
            return state, False
        room = state.recorded[thing >> 1] if thing & BOTH_ITEMS else LIVING_ROOM
        near = thing | (TABLE if state.on_table & thing else NO_THINGS)
    rooms = _record(state.recorded, state.held, room if corrected else state.room)
    return state._replace(room=room, near=near | state.held, recorded=rooms, facing=False), True


def _record(rooms: tuple[int, int], items: int, room: int) -> tuple[int, int]:
    chips, milk = rooms
    return (room if items & CHIPS else chips, room if items & MILK else milk)


def observe(state: State) -> tuple[bool, ...]:
    """The observation: the 21 bits of SPEC.md, VirtualHome 5.2."""
    here = state.room == LIVING_ROOM
    bits = [state.room == room for room in range(4)]
    for item in (CHIPS, MILK):
        seen = sees(state, item)
        bits += [seen, seen and bool(state.near & item), bool(state.held & item)]
        bits += [seen and here and bool(state.on_table & item)]
    bits += [here, here and bool(state.near & TV), here and state.facing, here and state.tv_on]
    bits += [here, here and bool(state.near & SOFA), here and state.on_sofa]
    bits += [here, here and bool(state.near & TABLE)]
    return tuple(bits)


class Bits(NamedTuple):
    """The observation by name: what the published menu and the published prompt are functions of."""

    kitchen: bool
    bathroom: bool
    bedroom: bool
    living_room: bool
    sees_chips: bool
    near_chips: bool
    holds_chips: bool
    chips_on_table: bool
    sees_milk: bool
    near_milk: bool
    holds_milk: bool
    milk_on_table: bool
    sees_tv: bool
    near_tv: bool
    faces_tv: bool
    tv_on: bool
    sees_sofa: bool
    near_sofa: bool
    on_sofa: bool
    sees_table: bool
    near_table: bool


def succeeded(bits: tuple[bool, ...]) -> bool:
    """Whether the agent watches TV on the sofa, chips and milk near or on the table (SPEC.md, VirtualHome 5.3)."""
    o = Bits(*bits)
    settled = o.living_room and o.faces_tv and o.tv_on and o.on_sofa
    return settled and (o.near_milk or o.milk_on_table) and (o.near_chips or o.chips_on_table)


def published_menu(bits: tuple[bool, ...]) -> tuple[bool, ...]:
    """The table of SPEC.md, VirtualHome 5.5 as a mask, a function of the observation."""
    o = Bits(*bits)
    legal = {action for action, room in enumerate(ROOM_ACTIONS) if not bits[room]}
    if o.kitchen:
        legal |= _published_kitchen(o)
    elif o.living_room:
        legal |= _published_living_room(o)
    return tuple(action in legal for action in range(N_ACTIONS))


def _published_kitchen(o: Bits) -> set[int]:
    """The kitchen rows: with one item visible, the walk offered is the one to the other (SPEC.md, VirtualHome Q2)."""
    chips = {GRAB[0]} if o.near_chips else {4 if o.sees_milk else 5}
    milk = {GRAB[1]} if o.near_milk else {5 if o.sees_chips else 4}
    return (chips if o.sees_chips and not o.holds_chips else set()) | (
        milk if o.sees_milk and not o.holds_milk else set()
    )


def _published_living_room(o: Bits) -> set[int]:
    """The living room rows, with their quirks (SPEC.md, VirtualHome Q3 to Q7)."""
    if o.near_table:
        if not (o.holds_chips or o.holds_milk):
            return set()
        put = {PUT[0]} if o.holds_chips and not o.milk_on_table else set()
        put |= {PUT[1]} if o.holds_milk and not o.chips_on_table else set()
        return {7, 8} | put
    if o.near_tv:
        return {6, 8} if o.tv_on else {6, 8, TURN_ON, TURN_OFF}
    if o.near_sofa:
        if o.on_sofa:
            return set()
        return {6, 7, SIT, STAND} if o.tv_on else {6, 7}
    return {6, 7, 8}


def corrected_menu(state: State) -> tuple[bool, ...]:
    """A mask of the actions that can be executed and lead somewhere.

    A walk leads nowhere if it is to the current room, or to what is near or in hand.
    """

    def is_redundant(action: int) -> bool:
        if action < len(ROOM_ACTIONS):
            return ROOM_ACTIONS[action] == state.room
        return action < 9 and bool(state.near & THINGS[action - len(ROOM_ACTIONS)])

    return tuple(advance(state, a, corrected=True)[1] and not is_redundant(a) for a in range(N_ACTIONS))
