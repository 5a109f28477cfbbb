"""Laws of the shop: what a purchase is worth, exact optima, nothing hidden, instructions that never meet, pictures."""

import hashlib
import re
from pathlib import Path
from statistics import mean, median

import gymnasium
import numpy as np
import pytest
import yaml
from twosome_envs.shop import rules, text
from twosome_envs.shop.catalogue import COLOURS, KINDS, MAKERS, MATERIALS, NAMES, products
from twosome_envs.shop.drawing import characters, picture
from twosome_envs.shop.env import ShopEnv
from twosome_envs.shop.instructions import ANY, DEEP_EVERY, MOST_ANSWERS, PER_PAGE, SPLITS, Query, instructions, results
from twosome_envs.shop.rules import BACK, BUY, GAMMA, MOST_DECISIONS, NEXT, Place, State

from tests.envs.exact import best_return, graph, random_return

CONF = Path(__file__).parents[2] / "conf" / "env"
SOME = (0, 4, 13, 47, 99)
"""Instructions of which all is visited."""


def begun(number):
    env = ShopEnv(instruction=number)
    env.reset()
    return env


def states_of(number):
    """Every state that can be reached, by the rules."""
    seen = {State(number): None}
    for state in (order := [State(number)]):
        for after in rules.moves(state):
            if after is not None and after not in seen:
                seen[after] = None
                order.append(after)
    return order


# What a purchase is worth -----------------------------------------------------------------------------------------


def share_by_words(goal, scene):
    """The share of the wishes, read from the sentences alone and from what the catalogue says of the material."""
    wanted, limit = re.fullmatch(r"Buy a (.+) for at most (\d+) dollars\.", goal).groups()
    name, price, chosen = re.fullmatch(r"You bought the (\w+ \w+) for (\d+) dollars\. Chosen: (.+)\.", scene).groups()
    *wishes, kind = wanted.split()
    assert name.endswith(kind)
    [product] = [product for product in products() if product.name == name]
    got = {*chosen.split(" and "), MATERIALS[product.material]}
    met = [wish in got for wish in wishes] + [int(price) <= int(limit)]
    return sum(met) / len(met)


@pytest.mark.parametrize("number", SOME)
def test_the_reward_is_the_share_of_the_wishes_that_are_met(number):
    """Every purchase that there is: all products of all searches, in all that they are sold in, chosen or not."""
    env = begun(number)
    found, ways = graph(env)
    rewards: set[float] = set()
    for state, actions in ways.items():
        for action, (after, reward, is_over) in actions.items():
            assert is_over == (action == BUY)
            if not is_over:
                assert reward == 0.0
                continue
            observation, _ = env.restore(found[after])
            assert reward == share_by_words(observation["goal"], observation["scene"])
            env.restore(found[state])
            assert env.step(action)[4]["success"] == (reward == 1.0)
            rewards.add(reward)
    wishes = 1 + sum(it != ANY for it in instructions()[number].wanted[1:])
    assert rewards <= {met / wishes for met in range(wishes + 1)}
    assert {0.0, 1.0} < rewards, "all right, all wrong, and in between"


def test_by_hand():
    state = State(18, Place.BOUGHT)
    assert text.goal(state) == "Buy a white glass table for at most 40 dollars."
    sold = {text.told(product): i for i, product in enumerate(products())}
    red, white = COLOURS.index("red"), COLOURS.index("white")
    for line, colour, share in (
        ("Jonas table for 39: glass, red or green or white, small or medium.", white, 1.0),
        ("Jonas table for 39: glass, red or green or white, small or medium.", red, 2 / 3),
        ("Jonas table for 39: glass, red or green or white, small or medium.", rules.NONE, 2 / 3),
        ("Kate table for 52: glass, red or blue or green, medium or large.", red, 1 / 3),
        ("Ben table for 37: metal, red or white, medium.", white, 2 / 3),
        ("Ella table for 49: metal, green, medium.", COLOURS.index("green"), 0.0),
    ):
        assert rules.share(state._replace(product=sold[line], colour=colour)) == pytest.approx(share)


# The optimum ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", SOME)
def test_optimum_against_dynamic_programming(number):
    env = begun(number)
    start = env.snapshot().state
    _, ways = graph(env)
    assert len(ways) == len(states_of(number))
    assert rules.best(number).value == pytest.approx(best_return(ways, start, GAMMA, MOST_DECISIONS), abs=1e-12)


def test_the_plan_earns_the_optimum():
    """It buys what meets every wish, long before the episode is cut off."""
    for number in SPLITS["all"]:
        env = ShopEnv(instruction=number)
        _, info = env.reset()
        plan = rules.best(number)
        assert info["optimum"] == plan.value
        for action in plan.actions:
            assert info["action_mask"][action]
            _, reward, terminated, _, info = env.step(action)
        assert (reward, terminated, info["success"]) == (1.0, True, True)
        assert info["episode"] == {"r": pytest.approx(plan.value), "l": len(plan.actions)}
        assert plan.value == pytest.approx(GAMMA ** (len(plan.actions) - 1))
        assert len(plan.actions) < MOST_DECISIONS


def test_no_play_earns_more():
    rng = np.random.default_rng(0)
    env = ShopEnv(split="all")
    env.reset(seed=0)
    returns = []
    for _ in range(200):
        _, info = env.reset()
        optimum = info["optimum"]
        while "episode" not in info:
            _, _, _, _, info = env.step(int(rng.choice(np.flatnonzero(info["action_mask"]))))
        assert info["episode"]["r"] <= optimum + 1e-12
        returns.append(info["episode"]["r"])
    assert 0.1 < mean(returns) < 0.4


@pytest.mark.parametrize(("split", "optimum", "random"), [("train", 0.8469, 0.2273), ("test", 0.8420, 0.2074)])
def test_figures(split, optimum, random):
    """Means over a split, exact, that `conf/env/shop*.yaml` tell."""
    assert mean(rules.best(n).value for n in SPLITS[split]) == pytest.approx(optimum, abs=5e-5)
    found = []
    for number in SPLITS[split]:
        ways = {
            state: {
                action: (after, rules.advance(state, action)[1], after.place == Place.BOUGHT)
                for action, after in enumerate(rules.moves(state))
                if after is not None
            }
            for state in states_of(number)
        }
        found.append(random_return(ways, State(number), GAMMA, MOST_DECISIONS))
    assert mean(found) == pytest.approx(random, abs=5e-5)


# Nothing is hidden ------------------------------------------------------------------------------------------------


def test_the_text_says_what_the_state_is():
    """Goal and scene tell all states of all instructions apart; no phrase of a menu comes twice."""
    seen, sizes = {}, []
    for number in SPLITS["all"]:
        states = states_of(number)
        sizes.append(len(states))
        for state in states:
            told = text.goal(state), text.scene(state)
            assert seen.setdefault(told, state) == state, told
            phrases = text.phrases(state)
            assert len(set(phrases)) == len(phrases) == rules.N_ACTIONS
    assert (min(sizes), median(sizes), max(sizes)) == (249, 455.5, 816)


@pytest.mark.parametrize("number", SOME)
def test_the_vector_says_what_the_state_is(number):
    env = begun(number)
    states = states_of(number)
    assert len({env._vector(state).tobytes() for state in states}) == len(states)
    assert all(env.observation_space["vector"].contains(env._vector(state)) for state in states)


def readers_wishes(goal, scene):
    """What somebody wants to do who knows no product, the first of these that is possible: phrases as patterns."""
    wanted, limit = re.fullmatch(r"Buy a (.+) for at most (\d+) dollars\.", goal).groups()
    *wishes, kind = wanted.split()
    if scene.startswith("You are on the search page"):
        return [f"search for {kind}s"]
    lines = re.findall(r"(\w+ \w+) for (\d+): (.+?)\.", scene)
    right = [
        name for name, price, told in lines if {*wishes} <= {*re.findall(r"\w+", told)} and int(price) <= int(limit)
    ]
    if scene.startswith("Results"):
        return [*(f"open the {name}" for name in right), "go to the next page"]
    return [*(f"choose {wish}" for wish in wishes), f"buy the {right[0]}"]


def test_what_a_purchase_needs_can_be_seen():
    """Whoever reads goal and scene alone buys what meets every wish, under every instruction."""
    shares = []
    for number in SPLITS["all"]:
        env = ShopEnv(instruction=number)
        observation, info = env.reset()
        while "episode" not in info:
            legal = [(i, phrase) for i, phrase in enumerate(info["actions"]) if info["action_mask"][i]]
            wishes = readers_wishes(observation["goal"], observation["scene"])
            action = next(i for wish in wishes for i, phrase in legal if re.fullmatch(wish, phrase))
            observation, _, _, _, info = env.step(action)
        assert info["success"]
        shares.append(info["episode"]["r"] / rules.best(number).value)
    assert mean(shares) > 0.95


# The rules --------------------------------------------------------------------------------------------------------


def test_a_way_through_the_shop():
    """Every kind of page, there and back."""
    env = begun(4)
    observation, info = env.reset()
    assert observation["scene"] == "You are on the search page of the shop."
    assert [phrase for phrase, ok in zip(info["actions"], info["action_mask"], strict=True) if ok] == [
        "search for chairs",
        "search for medium chairs",
        "search for white chairs",
    ]

    def go(phrase):
        nonlocal info
        assert info["action_mask"][info["actions"].index(phrase)]
        observation, *_, info = env.step(info["actions"].index(phrase))
        return observation["scene"]

    first = go("search for chairs")
    assert first.startswith("Results for chairs, page 1 of 2. ")
    second = go("go to the next page")
    assert second.startswith("Results for chairs, page 2 of 2. ")
    assert go("go back to the page before") == first
    assert go("go back to the search page") == observation["scene"]
    go("search for chairs")
    go("go to the next page")
    [opened, *_] = [phrase for phrase in info["actions"] if phrase.startswith("open the ")]
    name = opened.removeprefix("open the ")
    item = go(opened)
    assert item.endswith("From page 2 of chairs.")
    assert go("read the description") == (
        f"About the {name}: {KINDS['chair'][1]} Chosen: {text.chosen(env.snapshot().state)}. From page 2 of chairs."
    )
    assert go(f"go back to the {name}") == item
    assert go("go back to the results") == second


def test_what_is_chosen_can_be_changed_and_is_kept_while_one_reads():
    items = [state for state in states_of(0) if state.place == Place.ITEM]
    state = next(state for state in items if min(len(state.item.sizes), len(state.item.colours)) > 1)
    one, other = state.item.colours[:2]
    assert (state.size, state.colour) == (rules.NONE, rules.NONE)
    red = rules.advance(state, 3)[0]
    assert red.colour == one
    assert rules.moves(red)[3] is None, "it is chosen already"
    blue = rules.advance(red, 4)[0]
    assert blue == state._replace(colour=other)
    assert rules.advance(rules.advance(blue, NEXT)[0], BACK)[0] == blue
    back = rules.advance(blue, BACK)[0]
    assert rules.advance(back, rules.listed(back).index(blue.product))[0] == state, "another visit begins anew"


def test_what_is_sold_in_one_way_is_chosen_at_once():
    single = [i for i, product in enumerate(products()) if len(product.sizes) == len(product.colours) == 1]
    assert single
    seen = 0
    for number in SPLITS["test"]:
        for state in states_of(number):
            if state.place == Place.ITEM and state.product in single:
                assert (state.size,) == state.item.sizes
                assert (state.colour,) == state.item.colours
                seen += 1
    assert seen > 20


def test_an_episode_of_masked_actions_is_cut_off():
    env = begun(2)
    state = env.snapshot().state
    for _ in range(MOST_DECISIONS - 1):
        assert env.step(BUY)[1:4] == (0.0, False, False)
    assert env.step(BUY)[1:4] == (0.0, False, True)
    assert env.snapshot().state == state


# Products and instructions ----------------------------------------------------------------------------------------


def test_the_catalogue():
    assert len(products()) == 120 == len(NAMES) * len(MAKERS)
    assert len({product.name for product in products()}) == 120
    for kind, (materials, _) in enumerate(KINDS.values()):
        found = [product for product in products() if product.kind == kind]
        assert {product.material for product in found} <= {*materials}
        prices = [product.price for product in found]
        assert prices == sorted({*prices}, reverse=True)
    for product in products():
        assert 1 <= len({*product.sizes}) == len(product.sizes) <= 3
        assert 1 <= len({*product.colours}) == len(product.colours) <= 3
    assert {c for product in products() for c in product.colours} == {*range(len(COLOURS))}


def test_a_search_finds_all_there_are_and_nothing_else():
    for one in instructions():
        for query in one.queries():
            words = text.words_of(query).split()
            expected = [
                i
                for i, product in enumerate(products())
                if all(re.search(rf"\b{word}\b", text.told(product)) for word in words)
            ]
            assert list(results(query)) == expected
        assert one.queries()[0] == Query(one.wanted.kind)


def test_instructions_never_change_and_never_repeat():
    """The numbers are part of results, so their meaning is pinned; none of the test split is one of training."""
    goals = [text.goal(State(n)) for n in SPLITS["all"]]
    wanted = [one.wanted for one in instructions()]
    assert len(set(wanted)) == len(set(goals)) == 120, "not even with another limit"
    told = repr([text.told(product) for product in products()] + goals)
    assert hashlib.sha256(told.encode()).hexdigest()[:16] == "62ece509ab72eaad"
    parts = [set(SPLITS[name]) for name in ("train_0", "train_1", "test")]
    assert [len(part) for part in parts] == [10, 10, 100]
    assert set.union(*parts) == set(SPLITS["all"]) == set(range(120))
    assert set(SPLITS["train"]) == parts[0] | parts[1]


def test_every_instruction_can_be_followed_and_some_only_beyond_the_first_page():
    """An answer is what meets every wish, by brute force over the catalogue."""
    for number, one in enumerate(instructions()):
        kind, size, colour, material = one.wanted
        answers = [
            i
            for i, product in enumerate(products())
            if product.kind == kind
            and product.price <= one.limit
            and (size == ANY or size in product.sizes)
            and (colour == ANY or colour in product.colours)
            and (material == ANY or material == product.material)
        ]
        assert list(one.answers()) == answers
        assert 1 <= len(answers) <= MOST_ANSWERS
        assert 2 <= sum(it != ANY for it in one.wanted[1:]) <= 3
        firsts = {i for query in one.queries() for i in results(query)[:PER_PAGE]}
        assert (not firsts & {*answers}) == (number % DEEP_EVERY == DEEP_EVERY - 1)
        turns = [rules.moves(state)[a] for state, a in walked(number) if a == NEXT and state.place == Place.RESULTS]
        assert bool(turns) == (not firsts & {*answers}), "the best plan turns the page only where it must"


def walked(number):
    """The states of the best plan, each with what it does there."""
    state = State(number)
    for action in rules.best(number).actions:
        yield state, action
        state = rules.advance(state, action)[0]


def test_resets_draw_from_the_split():
    env = ShopEnv(split="train_1")
    env.reset(seed=0)
    drawn = set()
    for _ in range(300):
        env.reset()
        drawn.add(env.snapshot().state.number)
    assert drawn == set(SPLITS["train_1"])
    assert env.instances() == [{"instruction": number} for number in SPLITS["train_1"]]


@pytest.mark.parametrize("wrong", [-1, 120, 1.5, "3", True])
def test_a_wrong_instruction_is_named(wrong):
    with pytest.raises(ValueError, match="instruction must be a whole number from 0 to 119"):
        ShopEnv(instruction=wrong)


def test_a_wrong_split_is_named():
    with pytest.raises(ValueError, match=r"Unknown split 'train0'\. Did you mean 'train_0'"):
        ShopEnv(split="train0")


@pytest.mark.parametrize("name", ["shop", "shop_test"])
def test_conf(name):
    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    env = gymnasium.make(config["id"], **config["kwargs"]).unwrapped
    assert env.gamma == config["gamma"]
    assert env.numbers == SPLITS["train" if name == "shop" else "test"]
    assert config["optimum"] is None


# Pictures ---------------------------------------------------------------------------------------------------------


def test_states_look_different():
    """The picture shows every step of the best plan and of some detours, the characters all states."""
    for number in SOME:
        states = states_of(number)
        shown = [characters(state) for state in states]
        assert len(set(shown)) == len(states)
        assert all(len(line) == 78 for picture in shown for line in picture.splitlines())
    states = [state for state, _ in walked(0)] + states_of(0)[::25]
    frames = [picture(state) for state in dict.fromkeys(states)]
    assert {frame.shape for frame in frames} == {(330, 660, 3)}
    assert len({frame.tobytes() for frame in frames}) == len(frames)


def test_ansi():
    state = rules.advance(rules.advance(State(0), 1)[0], 2)[0]
    assert characters(rules.advance(state, 4)[0]).splitlines() == [
        "+----------------------------- Shop: Lucy bowl ------------------------------+",
        "| Buy a medium white bowl for at most 30 dollars.                            |",
        "| Lucy bowl, wooden                        small, medium, large   28 dollars |",
        "| size small medium large                                                    |",
        "| colour red [white] black                                                   |",
        "|                                                  from medium bowls, page 1 |",
        f"|{'':76}|",
        "+----------------------------------------------------------------------------+",
    ]
