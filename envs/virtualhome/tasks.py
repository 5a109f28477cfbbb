"""The tasks as data: what is to be moved where, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass

ROOMS = ("kitchen", "bathroom", "bedroom", "living room")
"""The rooms in the order of the first four bits of every observation."""

KITCHEN, BATHROOM, BEDROOM, LIVING_ROOM = range(4)

ROOM_ACTIONS = (LIVING_ROOM, KITCHEN, BATHROOM, BEDROOM)
"""The rooms that actions 0 to 3 of every task lead to."""


@dataclass(frozen=True)
class Thing:
    """The words for an object, so that no other module deals with grammar."""

    noun: str
    plural: bool = False

    def __str__(self) -> str:
        return self.noun

    @property
    def the(self) -> str:
        """With the article: `the chips`."""
        return f"the {self.noun}"

    @property
    def subject_verb(self) -> str:
        """The beginning of a sentence: `The chips are`."""
        return f"The {self.noun} {'are' if self.plural else 'is'}"


@dataclass(frozen=True)
class ApplianceTask:
    """Put `item` into `appliance` and close the door (SPEC.md, VirtualHome 4 and 9).

    place: where the item is at the start, such as `on the kitchen table`.
    """

    item: Thing
    appliance: Thing
    goal: str
    item_room: int = KITCHEN
    appliance_room: int = KITCHEN
    place: str = "on the kitchen table"

    @property
    def actions(self) -> tuple[str, ...]:
        """The phrase of every action (SPEC.md, VirtualHome 4.1)."""
        item, appliance = self.item.the, self.appliance.the
        return (
            *(f"walk to the {ROOMS[room]}" for room in ROOM_ACTIONS),
            f"walk to {item}",
            f"walk to {appliance}",
            f"grab {item}",
            f"put {item} in {appliance}",
            f"open {appliance}",
            f"close {appliance}",
        )


@dataclass(frozen=True)
class EntertainmentTask:
    """Watch television on the sofa with chips and milk within reach (SPEC.md, VirtualHome 5)."""

    chips: Thing
    milk: Thing
    table: Thing
    tv: Thing
    sofa: Thing
    goal: str
    chips_place: str = "on the kitchen counter"
    milk_place: str = "on the kitchen table"

    @property
    def things(self) -> tuple[Thing, ...]:
        """The things in the order of the actions that walk to them."""
        return self.chips, self.milk, self.table, self.tv, self.sofa

    @property
    def actions(self) -> tuple[str, ...]:
        """The phrase of every action (SPEC.md, VirtualHome 5.1)."""
        chips, milk, table, tv, sofa = (thing.the for thing in self.things)
        return (
            *(f"walk to the {ROOMS[room]}" for room in ROOM_ACTIONS),
            *(f"walk to {thing}" for thing in (chips, milk, table, tv, sofa)),
            f"grab {chips}",
            f"grab {milk}",
            f"put {chips} on {table}",
            f"put {milk} on {table}",
            f"turn on {tv}",
            f"turn off {tv}",
            f"sit on {sofa}",
            f"stand up from {sofa}",
        )


def _heat(item: str, plural: bool = False, appliance: str = "microwave") -> ApplianceTask:
    """Food preparation in other words; the verb is always `heat up` (SPEC.md, VirtualHome 9)."""
    goal = f"Heat up the {item} in the {appliance}."
    return ApplianceTask(Thing(item, plural), Thing(appliance), goal)


TASKS: dict[str, ApplianceTask | EntertainmentTask] = {
    "food_preparation": _heat("pancake"),
    "cheese": _heat("cheese"),
    "hamburger": _heat("hamburger"),
    "apple_pie": _heat("apple pie"),
    "pizza": _heat("pizza"),
    "washing_plate": _heat("dishes", plural=True, appliance="dishwasher"),
    "laundry": _heat("clothes", plural=True, appliance="washing machine"),
    "washing_plate_faithful": ApplianceTask(
        Thing("plates", plural=True), Thing("dishwasher"), "Wash the plates in the dishwasher."
    ),
    "laundry_faithful": ApplianceTask(
        Thing("clothes", plural=True),
        Thing("washing machine"),
        "Wash the clothes in the washing machine.",
        item_room=LIVING_ROOM,
        appliance_room=BATHROOM,
        place="in the living room bookshelf",
    ),
    "entertainment": EntertainmentTask(
        Thing("chips", plural=True),
        Thing("milk"),
        Thing("coffee table"),
        Thing("TV"),
        Thing("sofa"),
        "Enjoy the chips and the milk while watching TV.",
    ),
}
