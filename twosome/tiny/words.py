"""The vocabulary of the generated corpus: plain lists, no behaviour.

`STAPLES` are nouns of the benchmark worlds. They appear in scenes and in single statements, never in a text that puts
actions in an order; the ordered texts of `prose` draw from the other lists only.
"""

from __future__ import annotations

FOODS = """tomato lettuce onion carrot potato cucumber pepper cabbage mushroom apple pear lemon orange banana peach
melon pumpkin radish celery leek garlic beetroot eggplant zucchini turnip spinach cauliflower broccoli avocado mango
cheese bread ham sausage egg steak salmon chicken tofu""".split()
DISHES = """pancake hamburger pizza|apple pie|cheese|sandwich|lasagna|soup|stew|omelette|muffin|burrito|pasta|noodles
curry|rice|porridge|waffle|casserole|hot dog|bagel|cream pie|fish cake|potato cake|quiche|dumplings|cheese toast
milk|chips|juice|cookies|popcorn|crackers|chocolate|lemonade|tea|coffee|peanuts|grapes|pretzels"""
DISHES = [d.strip() for line in DISHES.splitlines() for d in line.split("|")]
DISHES = ["pancake", "hamburger", "pizza", *[d for d in DISHES if "pancake" not in d]]
THINGS = """dishes|clothes|plate|cup|glass|mug|spoon|fork|shirt|towel|blanket|book|newspaper|magazine|letter|lamp
pillow|candle|vase|basket|jacket|sock|hat|shoe|toy|ball|pencil|notebook|radio|phone|clock|umbrella|sponge|soap
hammer|screwdriver|wrench|brush|bucket|broom|key|wallet|bottle|jar|tray|napkin|camera|guitar"""
THINGS = [t.strip() for line in THINGS.splitlines() for t in line.split("|")]
PLURALS = {
    "dishes", "clothes", "chips", "noodles", "cookies", "crackers", "peanuts", "grapes", "pretzels", "dumplings",
}  # fmt: skip
MASSES = {
    "milk", "cheese", "lettuce", "garlic", "celery", "spinach", "cabbage", "broccoli", "cauliflower", "bread", "ham",
    "tofu", "salmon", "chicken", "pasta", "soup", "stew", "curry", "rice", "porridge", "juice", "popcorn", "chocolate",
    "lemonade", "tea", "coffee", "cheese toast", "soap",
}  # fmt: skip

CONTAINERS = """microwave|dishwasher|washing machine|oven|fridge|freezer|cupboard|drawer|cabinet|closet|chest|box|trunk
pantry|locker|toaster oven|dryer|suitcase|bread bin|toolbox|wardrobe|safe""".replace("\n", "|").split("|")
SURFACES = """coffee table|table|counter|shelf|desk|bench|kitchen table|nightstand|stool|windowsill|sideboard
workbench|bookcase|dresser|side table|dining table|mat|rug""".replace("\n", "|").split("|")
SEATS = "sofa|chair|armchair|couch|rocking chair|bench|stool|bed|bean bag|cushion".split("|")
DEVICES = "TV|radio|lamp|fan|computer|heater|stereo|kettle|light|projector|record player|air conditioner".split("|")
BOARDS = ["cutting board", "chopping board", "board", "wooden board", "chopping block", "work board"]
VESSELS = ["bowl", "plate", "dish", "pot", "pan", "basket", "tray", "box", "salad bowl", "deep plate"]
ROOMS = """kitchen|living room|bathroom|bedroom|garage|hallway|study|dining room|cellar|attic|laundry room|balcony
guest room|workshop|nursery|library|office|garden|porch|storeroom""".replace("\n", "|").split("|")
HOME = ["kitchen", "living room", "bathroom", "bedroom"]
STAPLES = {
    "tomato", "lettuce", "onion", "pancake", "cheese", "hamburger", "apple pie", "pizza", "dishes", "clothes", "chips",
    "milk", "microwave", "dishwasher", "washing machine", "coffee table", "TV", "sofa", "cutting board", "bowl",
    "plate", "salad", "board",
}  # fmt: skip

PEOPLE = """Anna Ben Clara David Emma Felix Grace Henry Ida Jonas Kate Leo Mia Noah Olive Paul Rosa Sam Tina Victor Wendy
Max Lucy Tom Nora Oscar Ella Peter Ruth Simon""".split()
KIN = """the old man|the young woman|the teacher|the gardener|my sister|our neighbour|the child|the baker
the carpenter|her uncle|his aunt|the visitor|the doctor|the postman|the painter|the farmer""".replace("\n", "|").split("|")
ADJECTIVES = """small large old new red blue green yellow white black brown heavy light clean dirty warm cold soft hard
round flat long short wooden broken empty full quiet bright dark pretty plain useful simple strong thin thick wet dry
narrow wide tall low smooth rough sharp dull fresh""".split()
PLACES = """river|market|station|bridge|park|hill|forest|beach|village|town|school|church|shop|field|lake|road|harbour
museum|farm|street|square|yard|barn|meadow|theatre|hospital|bakery|mountain""".replace("\n", "|").split("|")
ANIMALS = "dog cat bird horse cow sheep goat duck hen mouse rabbit fox frog bee fish owl crow squirrel".split()
WEATHER = """the sun was shining|it was raining|the wind was cold|snow lay on the ground|the sky was grey
the night was clear|fog hung over the fields|it was very hot|a storm was coming|the air smelled of grass""".replace("\n", "|").split("|")
TIMES = """In the morning|At noon|In the evening|Late at night|On Monday|Last summer|One day|After a while|Before dawn
In winter|That afternoon|Every week|Yesterday|Long ago|On Sunday|At first light""".replace("\n", "|").split("|")
FEELINGS = "happy sad tired proud calm angry afraid glad curious bored hungry thirsty sleepy excited lonely".split()
COLOURS = "red blue green yellow white black brown grey orange pink purple golden".split()
NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()
MATERIALS = "wood steel glass paper cloth leather stone clay plastic wool cotton iron rubber silver straw".split()
