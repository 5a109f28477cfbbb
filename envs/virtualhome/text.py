"""The scenes in words: a published scene is a function of the observation, a full one of the state.

The published scenes convey exactly the facts of SPEC.md, VirtualHome 4.6 and 5.6. These leave out some that matter
(SPEC.md, VirtualHome Q10): whether the item is in the open appliance, what is on the table when the hands are empty,
the television when in other rooms. The full scenes leave out nothing that matters for the decision. What never changes
comes first.
"""

from __future__ import annotations

from . import appliance, entertainment
from .entertainment import Bits
from .tasks import LIVING_ROOM, ROOMS, ApplianceTask, EntertainmentTask, Thing

HOME = "The home has a kitchen, a bathroom, a bedroom and a living room."
NOTHING_HERE = "You see nothing useful here."
EMPTY_HANDS = "Your hands are empty."


def _listed(words: list[str]) -> str:
    """A list in words: `a`, `a and b`, `a, b and c`."""
    return " and ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def _held(thing: Thing) -> str:
    return f"{thing.subject_verb} in your hand."


def _near(thing: Thing, near: bool) -> str:
    return f"{thing.subject_verb} {'near' if near else 'not near'}."


def published_appliance(task: ApplianceTask, bits: tuple[bool, ...]) -> str:
    """The facts of SPEC.md, VirtualHome 4.6.

    Where item and appliance are in different rooms, each room shows its own part.
    """
    room = bits.index(True)
    sees_item, near_item, held, _, near_appliance, is_open, _ = bits[4:]
    item, appliance = task.item, task.appliance
    at_appliance = room == task.appliance_room
    at_item = sees_item and (at_appliance or room == task.item_room)
    stored = at_appliance and task.item_room == task.appliance_room and not sees_item
    sentences = [HOME, f"You are in the {ROOMS[room]}."]

    noticed = [thing.the for thing, seen in ((item, at_item), (appliance, at_appliance)) if seen]
    if stored:
        sentences.append(f"{item.subject_verb} in {appliance.the}.")
    elif noticed:
        sentences.append(f"You see {_listed(noticed)}.")
    else:
        sentences.append(NOTHING_HERE)

    if held:
        sentences.append(_held(item))
        sentences += [_near(appliance, near_appliance)] if at_appliance else []
    elif not (near_item and near_appliance):
        sentences.append(EMPTY_HANDS)
        if at_item and at_appliance:
            near = [thing for thing, is_near in ((item, near_item), (appliance, near_appliance)) if is_near]
            sentences += [_near(near[0], True)] if near else ["Neither is near."]
        elif noticed:
            sentences.append(_near(item, near_item) if at_item else _near(appliance, near_appliance))
    if at_appliance:
        sentences.append(f"{appliance.subject_verb} {'open' if is_open else 'closed' if stored else 'not open'}.")
    return " ".join(sentences)


def full_appliance(task: ApplianceTask, state: appliance.State) -> str:
    """Everything that matters about a state: one scene per state of the corrected rules."""
    item, machine = task.item, task.appliance
    place = "in your hand" if state.held else f"in {machine.the}" if state.inside else task.place
    near = [item.the] if state.near_item and not state.held else []
    near += [machine.the] if state.near_appliance else []
    return " ".join(
        (
            HOME,
            f"{machine.subject_verb} in the {ROOMS[task.appliance_room]}.",
            f"You are in the {ROOMS[state.room]}.",
            f"{item.subject_verb} {place}.",
            f"{machine.subject_verb} {'open' if state.is_open else 'closed'}.",
            f"You are near {_listed(near) if near else 'nothing useful'}.",
        )
    )


def published_entertainment(task: EntertainmentTask, bits: tuple[bool, ...]) -> str:
    """The facts of SPEC.md, VirtualHome 5.6, with its omissions."""
    o = Bits(*bits)
    sentences = [HOME, f"You are in the {ROOMS[bits.index(True)]}."]
    if o.kitchen:
        sentences += _published_kitchen(task, o)
    elif o.living_room:
        sentences.append(f"You see {_listed([task.table.the, task.tv.the, task.sofa.the])}.")
        sentences += _published_living_room(task, o)
    else:
        sentences += [NOTHING_HERE, _hands(task, o)]
    return " ".join(sentences)


def _hands(task: EntertainmentTask, o: Bits) -> str:
    if o.holds_chips and o.holds_milk:
        return f"The {task.chips} and {task.milk.the} are in your hands."
    if o.holds_chips or o.holds_milk:
        return _held(task.chips if o.holds_chips else task.milk)
    return EMPTY_HANDS


def _published_kitchen(task: EntertainmentTask, o: Bits) -> list[str]:
    items = [
        (task.chips, o.sees_chips, o.near_chips, o.holds_chips),
        (task.milk, o.sees_milk, o.near_milk, o.holds_milk),
    ]
    seen = [thing for thing, sees, _, _ in items if sees]
    free = [(thing, near) for thing, sees, near, held in items if sees and not held]
    if not seen:
        return [NOTHING_HERE]
    sentences = [f"You see {_listed([thing.the for thing in seen])}."]
    if len(free) == 2:
        near = [thing for thing, is_near in free if is_near]
        sentences += [f"{thing.subject_verb} near, not grabbed yet." for thing in near] or ["Neither is near."]
    else:
        sentences += [
            f"{thing.subject_verb} {'near, not grabbed yet' if near else 'not near'}." for thing, near in free
        ]
    if len(seen) == 2 or o.holds_chips or o.holds_milk:
        sentences.append(_hands(task, o))
    return sentences


def _published_living_room(task: EntertainmentTask, o: Bits) -> list[str]:
    is_holding = o.holds_chips or o.holds_milk
    # An item on the table is mentioned only while the other is in hand.
    placed = [task.chips] if o.holds_milk and o.chips_on_table else []
    placed += [task.milk] if o.holds_chips and o.milk_on_table else []
    contents = [f"{thing.subject_verb} on {task.table.the}." for thing in placed]
    if o.near_table:
        near = _near(task.tv, False) if placed else _near(task.table, True)
        return [near, _hands(task, o), *contents]
    if o.near_tv or o.near_sofa:
        if o.near_sofa:
            sentences = [f"You are sitting on {task.sofa.the}." if o.on_sofa else _near(task.sofa, True)]
        else:
            sentences = [_near(task.sofa, False) if o.tv_on else _near(task.tv, True)]
        if is_holding:
            sentences += [f"{task.tv.subject_verb} on."] if o.tv_on else []
            sentences += [_hands(task, o), *contents]
        return sentences
    return ["None of them is near.", _hands(task, o)]


def full_entertainment(task: EntertainmentTask, state: entertainment.State) -> str:
    """Everything that matters about a state: one scene per state of the corrected rules."""
    names = dict(zip(entertainment.THINGS, task.things, strict=True))
    furniture = f"The {_listed([str(task.table), task.tv.the, task.sofa.the])}"
    sentences = [HOME, f"{furniture} are in the {ROOMS[LIVING_ROOM]}.", f"You are in the {ROOMS[state.room]}."]
    for bit, place in ((entertainment.CHIPS, task.chips_place), (entertainment.MILK, task.milk_place)):
        if state.held & bit:
            place = "in your hand"
        elif state.on_table & bit:
            place = f"on {task.table.the}"
        sentences.append(f"{names[bit].subject_verb} {place}.")
    sentences.append(f"{task.tv.subject_verb} {'on' if state.tv_on else 'off'}.")
    near = [thing.the for bit, thing in names.items() if state.near & bit and not state.held & bit]
    if state.seated:
        sentences.append(f"You are sitting on {task.sofa.the}.")
    else:
        sentences.append(f"You are near {_listed(near) if near else 'nothing useful'}.")
    return " ".join(sentences)
