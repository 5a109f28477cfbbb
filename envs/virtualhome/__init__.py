"""Household tasks in a home of four rooms: `SPECS` maps every gymnasium id to the arguments of its environment.

Nothing else is imported before an environment is made.
"""

from typing import Any

ENTRY_POINT = "twosome_envs.virtualhome.env:VirtualHomeEnv"

_CORRECTED = {"rules": "corrected", "prompt": "full"}

SPECS: dict[str, dict[str, Any]] = {
    # The two published tasks, with every quirk.
    "twosome/FoodPreparation-v0": {"task": "food_preparation"},
    "twosome/Entertainment-v0": {"task": "entertainment"},
    # The same with the published defects repaired and every fact in the scene.
    "twosome/FoodPreparation-v1": {"task": "food_preparation", **_CORRECTED},
    "twosome/Entertainment-v1": {"task": "entertainment", **_CORRECTED},
    # Unseen tasks: food preparation in other words.
    "twosome/Cheese-v0": {"task": "cheese"},
    "twosome/Hamburger-v0": {"task": "hamburger"},
    "twosome/ApplePie-v0": {"task": "apple_pie"},
    "twosome/Pizza-v0": {"task": "pizza"},
    "twosome/WashingPlate-v0": {"task": "washing_plate"},
    "twosome/Laundry-v0": {"task": "laundry"},
    # The last two, faithful to a real home.
    "twosome/WashingPlateFaithful-v0": {"task": "washing_plate_faithful"},
    "twosome/LaundryFaithful-v0": {"task": "laundry_faithful"},
}
