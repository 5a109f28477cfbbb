"""The vocabulary of the generated corpus: plain lists, no behaviour.

`STAPLES` are nouns of the benchmark worlds. They appear in scenes and in single statements, never in a text
that puts actions in an order; the ordered texts of `prose` draw from the other lists only.
"""

from __future__ import annotations


def split(text: str) -> list[str]:
    """The entries of a list written with bars and line ends between them."""
    return [entry.strip() for entry in text.replace("\n", "|").split("|")]


def singles(text: str) -> list[str]:
    """The entries of a list of single words."""
    return text.split()


FOODS = singles("""tomato lettuce onion carrot potato cucumber pepper cabbage mushroom apple pear
lemon orange banana peach melon pumpkin radish celery leek garlic beetroot eggplant zucchini turnip
spinach cauliflower broccoli avocado mango cheese bread ham sausage egg steak salmon chicken tofu""")
DISHES = split("""pancake|hamburger|pizza|apple pie|cheese|sandwich|lasagna|soup|stew|omelette
muffin|burrito|pasta|noodles|curry|rice|porridge|waffle|casserole|hot dog|bagel|cream pie|fish cake
potato cake|quiche|dumplings|cheese toast|milk|chips|juice|cookies|popcorn|crackers|chocolate
lemonade|tea|coffee|peanuts|grapes|pretzels""")
THINGS = split("""dishes|clothes|plate|cup|glass|mug|spoon|fork|shirt|towel|blanket|book|newspaper
magazine|letter|lamp|pillow|candle|vase|basket|jacket|sock|hat|shoe|toy|ball|pencil|notebook|radio
phone|clock|umbrella|sponge|soap|hammer|screwdriver|wrench|brush|bucket|broom|key|wallet|bottle|jar
tray|napkin|camera|guitar""")
PLURALS = {
    "dishes",
    "clothes",
    "chips",
    "noodles",
    "cookies",
    "crackers",
    "peanuts",
    "grapes",
    "pretzels",
    "dumplings",
}
MASSES = {
    "milk",
    "cheese",
    "lettuce",
    "garlic",
    "celery",
    "spinach",
    "cabbage",
    "broccoli",
    "cauliflower",
    "bread",
    "ham",
    "tofu",
    "salmon",
    "chicken",
    "pasta",
    "soup",
    "stew",
    "curry",
    "rice",
    "porridge",
    "juice",
    "popcorn",
    "chocolate",
    "lemonade",
    "tea",
    "coffee",
    "cheese toast",
    "soap",
}

CONTAINERS = split("""microwave|dishwasher|washing machine|oven|fridge|freezer|cupboard|drawer
cabinet|closet|chest|box|trunk|pantry|locker|toaster oven|dryer|suitcase|bread bin|toolbox|wardrobe
safe""")
SURFACES = split("""coffee table|table|counter|shelf|desk|bench|kitchen table|nightstand|stool
windowsill|sideboard|workbench|bookcase|dresser|side table|dining table|mat|rug""")
SEATS = split("""sofa|chair|armchair|couch|rocking chair|bench|stool|bed|bean bag|cushion""")
DEVICES = split("TV|radio|lamp|fan|computer|heater|stereo|kettle|light|projector|record player|air conditioner")
BOARDS = ["cutting board", "chopping board", "board", "wooden board", "chopping block", "work board"]
VESSELS = ["bowl", "plate", "dish", "pot", "pan", "basket", "tray", "box", "salad bowl", "deep plate"]
ROOMS = split("""kitchen|living room|bathroom|bedroom|garage|hallway|study|dining room|cellar
attic|laundry room|balcony|guest room|workshop|nursery|library|office|garden|porch|storeroom""")
HOME = ["kitchen", "living room", "bathroom", "bedroom"]
STAPLES = {
    "tomato",
    "lettuce",
    "onion",
    "pancake",
    "cheese",
    "hamburger",
    "apple pie",
    "pizza",
    "dishes",
    "clothes",
    "chips",
    "milk",
    "microwave",
    "dishwasher",
    "washing machine",
    "coffee table",
    "TV",
    "sofa",
    "cutting board",
    "bowl",
    "plate",
    "salad",
    "board",
}

PEOPLE = singles("""Anna Ben Clara David Emma Felix Grace Henry Ida Jonas Kate Leo Mia Noah Olive
Paul Rosa Sam Tina Victor Wendy Max Lucy Tom Nora Oscar Ella Peter Ruth Simon""")
KIN = split("""the old man|the young woman|the teacher|the gardener|my sister|our neighbour
the child|the baker|the carpenter|her uncle|his aunt|the visitor|the doctor|the postman|the painter
the farmer""")
ADJECTIVES = singles("""small large old new red blue green yellow white black brown heavy light
clean dirty warm cold soft hard round flat long short wooden broken empty full quiet bright dark
pretty plain useful simple strong thin thick wet dry narrow wide tall low smooth rough sharp dull
fresh""")
PLACES = split("""river|market|station|bridge|park|hill|forest|beach|village|town|school|church
shop|field|lake|road|harbour|museum|farm|street|square|yard|barn|meadow|theatre|hospital|bakery
mountain""")
ANIMALS = singles("""dog cat bird horse cow sheep goat duck hen mouse rabbit fox frog bee fish owl
crow squirrel""")
WEATHER = split("""the sun was shining|it was raining|the wind was cold|snow lay on the ground
the sky was grey|the night was clear|fog hung over the fields|it was very hot|a storm was coming
the air smelled of grass""")
TIMES = split("""In the morning|At noon|In the evening|Late at night|On Monday|Last summer|One day
After a while|Before dawn|In winter|That afternoon|Every week|Yesterday|Long ago|On Sunday
At first light""")
FEELINGS = singles("""happy sad tired proud calm angry afraid glad curious bored hungry thirsty
sleepy excited lonely""")
COLOURS = singles("""red blue green yellow white black brown grey orange pink purple golden""")
NUMBERS = singles("""one two three four five six seven eight nine ten eleven twelve""")
MATERIALS = singles("""wood steel glass paper cloth leather stone clay plastic wool cotton iron
rubber silver straw""")
