"""What the scenes say and leave out (SPEC.md, VirtualHome 4.1, 4.6, 5.1 and 5.6)."""

import itertools

import pytest
from twosome_envs.virtualhome import SPECS, text
from twosome_envs.virtualhome.entertainment import Bits
from twosome_envs.virtualhome.env import VirtualHomeEnv
from twosome_envs.virtualhome.tasks import TASKS

HOME = "The home has a kitchen, a bathroom, a bedroom and a living room. "
HEAT, EVENING = TASKS["food_preparation"], TASKS["entertainment"]


def heat(room=0, **bits):
    names = ("sees", "near", "holds", "sees_microwave", "near_microwave", "open", "inside")
    at_home = {"sees": room == 0, "sees_microwave": room == 0}
    vector = [room == i for i in range(4)] + [bool({**at_home, **bits}.get(name)) for name in names]
    return text.published_appliance(HEAT, tuple(vector)).removeprefix(HOME)


def evening(room, **bits):
    rooms = {name: name == room for name in Bits._fields[:4]}
    vector = Bits(**{**dict.fromkeys(Bits._fields, False), **rooms, **dict.fromkeys(bits, True)})
    return text.published_entertainment(EVENING, tuple(vector)).removeprefix(HOME)


def test_phrases():
    assert VirtualHomeEnv("food_preparation").reset()[1]["actions"] == (
        "walk to the living room",
        "walk to the kitchen",
        "walk to the bathroom",
        "walk to the bedroom",
        "walk to the pancake",
        "walk to the microwave",
        "grab the pancake",
        "put the pancake in the microwave",
        "open the microwave",
        "close the microwave",
    )
    assert VirtualHomeEnv("entertainment").reset()[1]["actions"][4:] == (
        "walk to the chips",
        "walk to the milk",
        "walk to the coffee table",
        "walk to the TV",
        "walk to the sofa",
        "grab the chips",
        "grab the milk",
        "put the chips on the coffee table",
        "put the milk on the coffee table",
        "turn on the TV",
        "turn off the TV",
        "sit on the sofa",
        "stand up from the sofa",
    )
    assert VirtualHomeEnv("washing_plate").reset()[1]["actions"][7] == "put the dishes in the dishwasher"


@pytest.mark.parametrize(
    ("env_id", "goal"),
    [
        ("twosome/FoodPreparation-v0", "Heat up the pancake in the microwave."),
        ("twosome/ApplePie-v0", "Heat up the apple pie in the microwave."),
        ("twosome/Laundry-v0", "Heat up the clothes in the washing machine."),
        ("twosome/LaundryFaithful-v0", "Wash the clothes in the washing machine."),
        ("twosome/Entertainment-v0", "Enjoy the chips and the milk while watching TV."),
    ],
)
def test_goals(env_id, goal):
    assert VirtualHomeEnv(**SPECS[env_id]).reset()[0]["goal"] == goal


KITCHEN = "You are in the kitchen. You see the pancake and the microwave. "


@pytest.mark.parametrize(
    ("bits", "scene"),
    [
        ({}, KITCHEN + "Your hands are empty. Neither is near. The microwave is not open."),
        ({"near": 1}, KITCHEN + "Your hands are empty. The pancake is near. The microwave is not open."),
        (
            {"near_microwave": 1, "open": 1},
            KITCHEN + "Your hands are empty. The microwave is near. The microwave is open.",
        ),
        (
            {"near": 1, "holds": 1, "open": 1},
            KITCHEN + "The pancake is in your hand. The microwave is not near. The microwave is open.",
        ),
        (
            {"near": 1, "holds": 1, "near_microwave": 1},
            KITCHEN + "The pancake is in your hand. The microwave is near. The microwave is not open.",
        ),
        ({"near": 1, "near_microwave": 1, "open": 1, "inside": 1}, KITCHEN + "The microwave is open."),
        (
            {"sees": 0, "near_microwave": 1},
            "You are in the kitchen. The pancake is in the microwave. Your hands are empty. "
            "The microwave is near. The microwave is closed.",
        ),
        (
            {"room": 3},
            "You are in the living room. You see nothing useful here. Your hands are empty.",
        ),
        (
            {"room": 1, "sees": 1, "near": 1, "holds": 1},
            "You are in the bathroom. You see nothing useful here. The pancake is in your hand.",
        ),
    ],
)
def test_food_preparation_scenes(bits, scene):
    assert heat(**bits) == scene


def test_food_preparation_never_tells_what_is_in_the_open_microwave():
    for near, near_microwave in itertools.product((0, 1), repeat=2):
        bits = {"near": near, "near_microwave": near_microwave, "open": 1}
        assert heat(**bits, inside=1) == heat(**bits, inside=0)


BOTH = {"sees_chips": 1, "sees_milk": 1}
LIVING = {"sees_tv": 1, "sees_sofa": 1, "sees_table": 1}
FETCH = "You are in the kitchen. You see the chips and the milk. "
RELAX = "You are in the living room. You see the coffee table, the TV and the sofa. "
CHIPS_HELD = {"sees_chips": 1, "near_chips": 1, "holds_chips": 1}
MILK_HELD = {"sees_milk": 1, "near_milk": 1, "holds_milk": 1}


@pytest.mark.parametrize(
    ("room", "bits", "scene"),
    [
        ("kitchen", BOTH, FETCH + "Neither is near. Your hands are empty."),
        (
            "kitchen",
            {**BOTH, "near_chips": 1},
            FETCH + "The chips are near, not grabbed yet. Your hands are empty.",
        ),
        (
            "kitchen",
            {**BOTH, **CHIPS_HELD},
            FETCH + "The milk is not near. The chips are in your hand.",
        ),
        (
            "kitchen",
            {**BOTH, **MILK_HELD, "near_chips": 1},
            FETCH + "The chips are near, not grabbed yet. The milk is in your hand.",
        ),
        ("kitchen", {**CHIPS_HELD, **MILK_HELD}, FETCH + "The chips and the milk are in your hands."),
        (
            "kitchen",
            {"sees_milk": 1},
            "You are in the kitchen. You see the milk. The milk is not near.",
        ),
        (
            "kitchen",
            CHIPS_HELD,
            "You are in the kitchen. You see the chips. The chips are in your hand.",
        ),
        ("kitchen", {}, "You are in the kitchen. You see nothing useful here."),
        ("bedroom", {}, "You are in the bedroom. You see nothing useful here. Your hands are empty."),
        ("living_room", LIVING, RELAX + "None of them is near. Your hands are empty."),
        (
            "living_room",
            {**LIVING, **MILK_HELD, "near_table": 1},
            RELAX + "The coffee table is near. The milk is in your hand.",
        ),
        (
            "living_room",
            {**LIVING, **MILK_HELD, "near_table": 1, "sees_chips": 1, "chips_on_table": 1},
            RELAX + "The TV is not near. The milk is in your hand. The chips are on the coffee table.",
        ),
        ("living_room", {**LIVING, "near_tv": 1}, RELAX + "The TV is near."),
        ("living_room", {**LIVING, "near_tv": 1, "tv_on": 1}, RELAX + "The sofa is not near."),
        (
            "living_room",
            {**LIVING, **CHIPS_HELD, "near_tv": 1, "tv_on": 1},
            RELAX + "The sofa is not near. The TV is on. The chips are in your hand.",
        ),
        ("living_room", {**LIVING, "near_sofa": 1, "tv_on": 1}, RELAX + "The sofa is near."),
        (
            "living_room",
            {**LIVING, **MILK_HELD, "near_sofa": 1, "on_sofa": 1},
            RELAX + "You are sitting on the sofa. The milk is in your hand.",
        ),
    ],
)
def test_entertainment_scenes(room, bits, scene):
    assert evening(room, **bits) == scene


@pytest.mark.parametrize(
    ("bits", "hidden"),
    [
        ({}, "tv_on"),
        (MILK_HELD, "tv_on"),
        ({"near_table": 1}, "tv_on"),
        ({"near_table": 1, "sees_milk": 1}, "milk_on_table"),
        ({"near_sofa": 1}, "tv_on"),
        ({"near_tv": 1, "sees_chips": 1}, "chips_on_table"),
    ],
)
def test_entertainment_leaves_out_what_the_published_prompt_does(bits, hidden):
    known = {**LIVING, **bits}
    assert evening("living_room", **known, **{hidden: 1}) == evening("living_room", **known)


def test_full_scenes_tell_it_from_everywhere():
    env = VirtualHomeEnv("entertainment", rules="corrected", prompt="full")
    env.reset()
    for action in (0, 7, 13, 2):
        observation, *_ = env.step(action)
    assert observation["scene"] == (
        HOME + "The coffee table, the TV and the sofa are in the living room. "
        "You are in the bathroom. The chips are on the kitchen counter. "
        "The milk is on the kitchen table. The TV is on. You are near nothing useful."
    )


def test_two_rooms_tell_their_own_parts():
    env = VirtualHomeEnv("laundry_faithful")
    env.reset()
    here, _, _, _, _ = env.step(0)
    assert here["scene"].endswith("You see the clothes. Your hands are empty. The clothes are not near.")
    for action in (4, 6, 2):
        here, *_ = env.step(action)
    assert here["scene"].endswith(
        "You see the clothes and the washing machine. The clothes are in your hand. "
        "The washing machine is not near. The washing machine is not open."
    )
