"""General English: statements, descriptions, little stories, dialogues and instructions on everyday subjects.

The ordered texts (stories, instructions) use none of `words.STAPLES` and no subject of the benchmark tasks:
they tell of gardens, letters, tents and wheels, never of chopping and serving food, of putting a thing into
something that is opened and shut, or of an evening in front of a screen.
"""

from __future__ import annotations

import re
from random import Random

from twosome.tiny import words as w
from twosome.tiny.situations import a, is_are, sentence

THINGS = [x for x in w.THINGS if x not in w.STAPLES | w.PLURALS]
FOODS = [x for x in w.FOODS if x not in w.STAPLES]
SURFACES = [x for x in w.SURFACES if x not in w.STAPLES]
OPPOSITES = w.split("""hot cold|big small|open shut|full empty|near far|wet dry|old new|long short
light dark|heavy light|early late|high low|clean dirty|soft hard|quick slow|strong weak|left right
up down|inside outside|raw cooked|whole chopped|on off|day night|first last|thick thin|quiet loud
rich poor|front back|above below""")
KINDS = {
    "tool": "hammer screwdriver wrench brush broom knife saw rake spade",
    "animal": " ".join(w.ANIMALS),
    "fruit": "apple pear lemon orange banana peach melon mango",
    "vegetable": "carrot potato pepper leek radish turnip",
    "room": "kitchen bedroom bathroom hallway cellar attic study",
    "colour": " ".join(w.COLOURS),
    "piece of clothing": "shirt jacket sock hat shoe coat scarf",
    "place": " ".join(w.PLACES[:12]),
}
MEANINGS = w.split("""When {food} is chopped, it is cut into small pieces.
{Food} that is raw has not been cooked.|A thing in your hand is a thing you hold.
Someone with empty hands holds nothing.|To walk to a thing is to go near it.
What is near is close to you; what is far is not.|An open {box} shows what is inside.
A shut {box} hides what is inside.|A {room} is a part of a house.
To put a thing down is to let go of it.|To grab a thing is to take it in the hand.
A lamp that is turned off gives no light.|Whoever sits on a {seat} is not standing.
To serve a meal is to bring it to someone.|A sharp knife cuts {food} with ease.
A {surface} is something to put things on.|You cannot carry much when your hands are full.
Next to means beside.|A whole {food} is not in pieces.|To fetch a thing is to go and get it.
A clean cup is not dirty.|What you stand in front of is right before you.
Something that is here is not somewhere else.""")
HOW_TO = {
    "plant a {tree} tree": w.split("""choose a sunny spot|dig a deep hole|loosen the soil
set the young tree upright|fill the hole with earth|press the ground with your foot|water it well
tie it to a {material} stake"""),
    "write a letter": w.split("""find a sheet of paper|sit in a quiet corner|write the date
greet your {friend}|tell what happened at the {place}|ask how they are|sign your name
add a {colour} stamp"""),
    "paint a wall": w.split("""cover the floor with {material}|brush off the dust
stir the {colour} paint|begin at the top|paint in long strokes|wait until it is dry
paint it a second time|clean the brush"""),
    "mend a {garment}": w.split("""look for the hole|choose a {colour} thread
pull it through the needle|tie a small knot|sew from the edge to the middle|keep the stitches short
cut the thread|press it flat"""),
    "put up a tent": w.split("""look for flat ground|clear away the stones|spread the cloth
join the poles|raise the roof|hammer the pegs into the earth|tighten the ropes
dig a ditch against the rain"""),
    "light a fire": w.split("""gather dry leaves|break some thin sticks|build a small tower
add a little {material}|strike a match|blow gently|lay on a larger log
keep a bucket of water beside you"""),
    "mend a wheel": w.split("""turn the bicycle upside down|undo the nut with a wrench
pull off the tyre|find the hole|rub it with sandpaper|glue on a patch|pump in some air
spin the wheel"""),
    "clean a window": w.split("""mix water with a drop of soap|wet the sponge
wipe from top to bottom|rinse the glass|dry it with {material}|polish the corners
look at it from the side"""),
    "feed a {animal}": w.split("""call it by its name|wait until it comes|hold out your hand
speak softly|give it a little at a time|let it drink|stroke its back|leave it in peace"""),
    "draw a {animal}": w.split("""sharpen a {colour} pencil|draw a circle for the head
add a larger one for the body|draw the legs|mark the eyes|shade one side|rub out the first lines
sign it"""),
    "find the way to the {place}": w.split("""leave by the north gate
follow the road for {number} miles|pass the old {place}|turn left at the {colour} house
cross the bridge|climb the hill|ask the {person} for help"""),
    "wrap a present": w.split("""measure the {material}|cut the paper to size
lay the {thing} in the middle|fold the sides|hold them with tape|tie a {colour} ribbon around it
write a card"""),
    "learn a song": w.split("""listen to it {number} times|read the words aloud|clap the beat
hum the tune|sing the first line|sing it with {friend}|sing it without looking"""),
    "sweep a yard": w.split("""take a stiff broom|start in the far corner|sweep with the wind
make small heaps|lift them with a shovel|carry the leaves away|rinse the stones"""),
    "make a kite": w.split("""cross two thin sticks|tie them together
stretch {material} over the frame|glue the edges|add a long tail|fasten the string
wait for a windy day|run across the {place}"""),
}
EVENTS = w.split("""walked to the {place}|met {kin}|found {thing}|heard a {animal}
looked at the {colour} sky|sat under a tree|lost {thing}|bought {thing} at the {place}
told a long story|sang a quiet song|ran back to the {place}|carried {thing} across the {place}
wrote down {number} names|counted {number} {animal}s|waited by the {place}
painted the fence {colour}|asked {kin} for help|fell asleep|laughed out loud|showed {thing} to {kin}
waved to {name}|remembered the {adjective} days|dug up {thing}
followed the {animal} into the {place}|drew a picture of the {place}|gave {thing} to {name}
played with a {animal}|read about the {place}|missed the last train|felt {feeling}""")
TALK = [
    ("Where is the {noun}?", "It is {prep} the {surface}."),
    ("Who took my {noun}?", "I think it was {name}."),
    ("How far is the {place}?", "It is {number} miles from here."),
    ("Are you {feeling}?", "No, I am {feeling}."),
    ("What colour is the {noun}?", "It is {colour}."),
    ("How many {animal}s do you see?", "I can see {number}."),
    ("When will {name} come?", "{name} will come tomorrow."),
    ("Is this {noun} made of {material}?", "No, it is made of {material}."),
    ("Why are you late?", "I had to walk from the {place}."),
    ("May I borrow your {noun}?", "Yes, but bring it back soon."),
    ("What did {kin} say?", "Nothing that I can remember."),
    ("Do you like this {adjective} {noun}?", "I like the {adjective} one more."),
]


def _slots(rng: Random) -> dict[str, str]:
    """One random filler for every slot name."""
    noun, food = rng.choice(THINGS), rng.choice(FOODS)
    return {
        "noun": noun,
        "thing": a(f"{rng.choice(w.ADJECTIVES)} {noun}"),
        "food": food,
        "Food": food.capitalize(),
        "place": rng.choice(w.PLACES),
        "animal": rng.choice(w.ANIMALS),
        "colour": rng.choice(w.COLOURS),
        "number": rng.choice(w.NUMBERS[1:]),
        "material": rng.choice(w.MATERIALS),
        "name": rng.choice(w.PEOPLE),
        "friend": rng.choice(["friend", "brother", "sister", "cousin", "grandmother"]),
        "kin": rng.choice(w.KIN),
        "feeling": rng.choice(w.FEELINGS),
        "adjective": rng.choice(w.ADJECTIVES),
        "surface": rng.choice(SURFACES),
        "prep": rng.choice(["on", "under", "beside", "behind", "near"]),
        "room": rng.choice(w.ROOMS),
        "garment": rng.choice(["shirt", "sock", "jacket", "hat", "coat"]),
        "tree": rng.choice(["apple", "pear", "oak"]),
        "person": rng.choice(["farmer", "baker", "postman", "teacher"]),
        "box": rng.choice(["box", "chest", "jar", "basket"]),
        "seat": rng.choice(["chair", "stool", "bench"]),
    }


def _fill(rng: Random, template: str) -> str:
    """The template with every slot filled, each by a new draw."""
    return re.sub(r"\{(\w+)\}", lambda slot: _slots(rng)[slot.group(1)], template)


def statements(rng: Random, n: int) -> str:
    """Single facts in no order: kinds, opposites, meanings, properties."""
    lines = []
    for _ in range(n):
        kind, members = rng.choice(list(KINDS.items()))
        member, other = rng.sample(members.split(), 2)
        noun = rng.choice(w.THINGS + w.FOODS)
        x, y = rng.choice(OPPOSITES).split()
        lines.append(
            rng.choice(
                [
                    f"{a(member)} is {a(kind)}" if kind != "colour" else f"{member} is a colour",
                    f"the {member} and the {other} are both {kind}s"
                    if kind not in ("colour", "piece of clothing")
                    else f"{other} is a word",
                    f"the opposite of {x} is {y}",
                    f"what is {y} is not {x}",
                    _fill(rng, rng.choice(MEANINGS))[:-1],
                    f"the {noun} {is_are(noun)} {rng.choice(w.ADJECTIVES)}",
                    f"{a(noun)} can be {rng.choice(w.COLOURS)}",
                    _fill(rng, "the {noun} is made of {material}"),
                    _fill(rng, "{number} and one more: count them"),
                ]
            )
        )
    return " ".join(sentence(x) for x in lines)


def description(rng: Random, n: int) -> str:
    """A still picture of a room or a place: what is where. Nothing happens."""
    lines = [
        _fill(
            rng,
            rng.choice(
                [
                    "this is the {room}",
                    "the {room} is {adjective} and {adjective}",
                    "here is a {adjective} {place}",
                ]
            ),
        )
    ]
    for _ in range(n):
        lines.append(
            _fill(
                rng,
                rng.choice(
                    [
                        "{prep} the {surface} is {thing}",
                        "there is {thing} {prep} the {surface}",
                        "the {noun} is {colour}",
                        "{kin} holds {thing}",
                        "the {noun} and the {noun} are {prep} the {surface}",
                        "{name} stands near the {surface}",
                        "the {noun} is {adjective} but the {noun} is {adjective}",
                        "a {colour} {noun} hangs on the wall",
                        "in the corner sits a {adjective} {animal}",
                        "nothing is {prep} the {surface}",
                    ]
                ),
            )
        )
    return " ".join(sentence(x) for x in lines)


def story(rng: Random, n: int) -> str:
    """A person, a time, some events of no importance, a feeling."""
    name = rng.choice(w.PEOPLE)
    text = f"{rng.choice(w.TIMES)} {name} {_fill(rng, rng.choice(EVENTS))}. {sentence(rng.choice(w.WEATHER))}"
    for _ in range(n):
        who = rng.choice(["Then", "Later", "Soon", "After that", "Once more", "At last"])
        event = _fill(rng, rng.choice(EVENTS))
        text += rng.choice(
            [
                f" {who} {name} {event}.",
                f" {name} {event} and {_fill(rng, rng.choice(EVENTS))}.",
                f" There {name} {event}.",
                f' "{_fill(rng, rng.choice(TALK)[0])}" asked {name}.',
            ]
        )
    return text + _fill(
        rng,
        rng.choice([" It was a {adjective} day.", " Everyone was {feeling}.", f" {name} was {{feeling}}."]),
    )


def dialogue(rng: Random, n: int) -> str:
    """Questions and answers."""
    one, two = rng.sample(w.PEOPLE, 2)
    lines = []
    for _ in range(n):
        ask, answer = rng.choice(TALK)
        lines += [f"{one}: {_fill(rng, ask)}", f"{two}: {_fill(rng, answer)}"]
    return "\n".join(lines)


def instructions(rng: Random) -> str:
    """How to do something that no benchmark task asks for; some steps are left out at random."""
    task, steps = rng.choice(list(HOW_TO.items()))
    kept = [s for s in steps if rng.random() < 0.85] or steps
    title = f"How to {_fill(rng, task)}"
    filled = [_fill(rng, s) for s in kept]
    style = rng.random()
    if style < 0.4:
        return title + "\n" + "\n".join(f"{i}. {sentence(s)}" for i, s in enumerate(filled, 1))
    if style < 0.7:
        return f"{title}: first {filled[0]}; " + "; ".join(f"then {s}" for s in filled[1:]) + "."
    return f"{title}. " + " ".join(sentence(s) for s in filled)


def paragraph(rng: Random) -> str:
    """One text of any kind."""
    n = rng.randint(1, 6)
    kinds = [
        lambda: statements(rng, n),
        lambda: description(rng, n),
        lambda: story(rng, n),
        lambda: dialogue(rng, (n + 1) // 2),
        lambda: instructions(rng),
    ]
    return rng.choice(kinds)()
