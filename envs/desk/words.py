"""The words of the desk: products, materials, what a table says of them, care; those to test on are never trained on.

Words are chosen that are short in the tokens of small models, so that scenes stay short.
"""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """Lists that a session draws from: products, materials, the entries of every attribute, verbs and means of care."""

    products: tuple[str, ...]
    materials: tuple[str, ...]
    values: dict[str, tuple[str, ...]]
    topics: tuple[str, ...]
    means: tuple[str, ...]


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


def _counted(numbers: range, unit: str) -> tuple[str, ...]:
    return tuple(f"{number} {unit}" for number in numbers)


WORDS: dict[str, Words] = {
    "train": Words(
        products=_listed(
            "lamp bowl box tray clock jar chair cup bench shelf mug bucket pencil candle pillow mirror ladder "
            "drum helmet wallet lantern saddle barrel hammer shovel kite sofa stove trunk pot pan rug cart crate "
            "flask desk sink tub oven fridge phone radio piano guitar violin camera watch ring necklace coat "
            "jacket hat glove boot sock scarf belt tent hook fence gate door window curtain carpet blanket sheet "
            "towel comb razor needle fork knife jug teapot tank pipe pump engine wheel wagon sled boat anchor "
            "sail flag bell whistle flute harp"
        ),
        materials=_listed(
            "steel oak stone glass tin brass leather silk wood plastic ivory slate cork zinc granite chrome "
            "nickel cedar birch maple pewter velvet linen wicker plaster concrete rubber ceramic porcelain "
            "titanium lead ebony jade teak"
        ),
        values={
            "colour": _listed(
                "red blue green white black yellow brown grey beige navy amber teal crimson turquoise lilac scarlet "
                "ruby coral indigo khaki maroon mauve ochre peach rust sepia bronze emerald"
            ),
            "maker": _listed(
                "Anna Ben David Ella Grace Henry Jonas Kate Clara Emma Felix Ida Leo Mia Noah Rosa Simon Wendy Victor "
                "Nora Hugo Emil Otto Vera Iris Dora Adam Alice Bruno Carl Diana Edgar Fiona George Helen Julia Karl "
                "Laura Martin Nina Olga Philip Ralph Stella Thomas Walter Zoe Albert Bella"
            ),
            "room": _listed(
                "kitchen bedroom bathroom garden hall cellar attic garage barn library nursery terrace tower corridor "
                "workshop pantry closet stable chapel lobby vault gym bakery forge dairy mill gallery den parlour "
                "courtyard dungeon lodge cabin"
            ),
            "price": _counted(range(12, 96, 4), "dollars"),
            "age": _counted(range(2, 42, 2), "years"),
        },
        topics=_listed(
            "clean polish dry wipe scrub rinse treat shine soak cover fill cool heat press paint seal mend sweep "
            "soften protect store feed scour"
        ),
        means=_listed(
            "vinegar soap water salt oil milk sand soda tea wax sugar steam foam bran starch ink resin lotion "
            "syrup brine juice wine bread cheese jam mustard pepper garlic mint ginger sage basil coffee cocoa "
            "yeast glue gravel mud moss hay straw grass bark sap tar coal soot snow ice wool felt cloth sponge "
            "string thread ribbon feather fur sawdust talc lye bleach alcohol cider rum broth soup gravy lard "
            "yogurt egg onion carrot potato cabbage apple lime pear plum grape melon banana cherry walnut almond "
            "corn oat barley rye wheat sauce nut pie"
        ),
    ),
    "test": Words(
        products=_listed("vase table stool spoon bottle basket kettle plate bed fan"),
        materials=_listed("iron pine clay copper bamboo marble"),
        values={
            "colour": _listed("orange pink gold purple silver violet cream olive"),
            "maker": _listed("Lucy Max Tom Sam Mary Peter Paul Oscar"),
            "room": _listed("office porch balcony study loft shed yard lounge"),
            "price": _counted(range(13, 45, 4), "dollars"),
            "age": _counted(range(3, 19, 2), "years"),
        },
        topics=_listed("brush dust wash rub"),
        means=_listed("lemon butter ash chalk rice flour beer honey paper cotton"),
    ),
}
"""The lists of every split; no word stands in both but the names of the attributes and the units."""
