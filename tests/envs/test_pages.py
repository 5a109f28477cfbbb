"""Laws of the pages: what an instruction asks for, exact optima, nothing hidden, tasks that never meet, pictures."""

import hashlib
import re
from collections import Counter
from pathlib import Path
from statistics import mean, median

import gymnasium
import numpy as np
import pytest
import yaml
from twosome_envs.pages import rules, text
from twosome_envs.pages.articles import AUTHORS, CATEGORIES, THINGS, TOPICS, VERBS, about, articles, by, within
from twosome_envs.pages.drawing import characters, picture
from twosome_envs.pages.env import PagesEnv
from twosome_envs.pages.rules import BACK, GAMMA, MOST_DECISIONS, NEXT, START, Page, Place, State
from twosome_envs.pages.tasks import SPLITS, Pattern, tasks

from tests.envs.exact import best_return, graph, random_return

CONF = Path(__file__).parents[2] / "conf" / "env"
SOME = (2, 3, 4, 9, 25)
"""Tasks of which all is visited; among them they hold all six patterns."""


def begun(number):
    env = PagesEnv(task=number)
    env.reset()
    return env


def states_of(number):
    """Every state that can be reached, by the rules."""
    seen = {State(number): None}
    for state in (order := [State(number)]):
        for action, page in enumerate(rules.links(state)):
            after = rules.advance(state, action)[0]
            if page is not None and after not in seen:
                seen[after] = None
                order.append(after)
    return order


# What an instruction asks for -------------------------------------------------------------------------------------

ARTICLE = (
    r"By (?P<author>\w+), in (?P<category>\w+): (?P<title>how to \w+ a \w+)\. .+ See (?P<one>.+) and (?P<two>.+)\."
)


def is_done(instruction, before, after):
    """Whether a step does what an instruction says, read from the sentences alone, those of the pages."""
    if instruction == "see the about page":
        return after.startswith("About: ")
    if searched := re.fullmatch(r"search for (\w+)", instruction):
        return after.startswith(f"Results for {searched[1]}, page 1 ")
    if read := re.fullmatch(r"read (how to \w+ a \w+)", instruction):
        opened = re.fullmatch(ARTICLE, after)
        return bool(opened) and opened["title"] == read[1]
    title, wanted = re.fullmatch(r"from (how to \w+ a \w+) (.+)", instruction).groups()
    here = re.fullmatch(ARTICLE, before)
    if not here or here["title"] != title:
        return False
    if wanted == "see the author":
        return after.startswith(f"Author {here['author']}, page 1 ")
    if wanted == "see the category":
        return after.startswith(f"Category {here['category']}, page 1 ")
    assert wanted == "read a reference"
    opened = re.fullmatch(ARTICLE, after)
    return bool(opened) and opened["title"] in (here["one"], here["two"])


@pytest.mark.parametrize("number", SOME)
def test_the_reward_is_one_for_every_instruction_in_turn(number):
    """Every step that there is, judged by its sentences; the present instruction is the next of the goal."""
    env = begun(number)
    found, ways = graph(env)
    instructions = env.restore(found[State(number)])[0]["goal"].removesuffix(".").split(", then ")
    instructions[0] = instructions[0][0].lower() + instructions[0][1:]
    met = Counter()
    for state, actions in ways.items():
        scene = env.restore(found[state])[0]["scene"]
        if not actions:
            assert scene.startswith("All is done. ")
            continue
        present, before = re.fullmatch(r"Now: (.+?)\. (.+)", scene).groups()
        for after, reward, is_over in actions.values():
            told = env.restore(found[after])[0]["scene"]
            now, page = re.fullmatch(r"(All is done|Now: .+?)\. (.+)", told).groups()
            assert reward == is_done(present, before, page)
            met[present] += int(reward)
            place = instructions.index(present) + int(reward)
            assert now == ("All is done" if is_over else f"Now: {instructions[place]}")
            assert is_over == (place == len(instructions))
    assert set(met) == set(instructions)
    assert min(met.values()) > 0


def test_all_patterns_are_tried_here():
    assert {pattern for number in SOME for pattern in tasks()[number].patterns} == {*Pattern}


# The optimum ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", SOME)
def test_optimum_against_dynamic_programming(number):
    env = begun(number)
    start = env.snapshot().state
    _, ways = graph(env)
    assert len(ways) == len(states_of(number))
    assert rules.best(number).value == pytest.approx(best_return(ways, start, GAMMA, MOST_DECISIONS), abs=1e-12)


def test_the_plan_earns_the_optimum():
    """It follows every instruction, long before the episode is cut off."""
    for number in SPLITS["all"]:
        env = PagesEnv(task=number)
        _, info = env.reset()
        plan = rules.best(number)
        assert info["optimum"] == plan.value
        rewards = []
        for action in plan.actions:
            assert info["action_mask"][action]
            _, reward, terminated, _, info = env.step(action)
            rewards.append(reward)
        assert (terminated, info["success"]) == (True, True)
        assert sum(rewards) == len(tasks()[number].patterns)
        assert info["episode"] == {"r": pytest.approx(plan.value), "l": len(plan.actions)}
        assert len(plan.actions) <= MOST_DECISIONS / 2


def test_no_play_earns_more():
    rng = np.random.default_rng(0)
    env = PagesEnv(split="all")
    env.reset(seed=0)
    returns = []
    for _ in range(200):
        _, info = env.reset()
        optimum = info["optimum"]
        while "episode" not in info:
            _, _, _, _, info = env.step(int(rng.choice(np.flatnonzero(info["action_mask"]))))
        assert info["episode"]["r"] <= optimum + 1e-12
        returns.append(info["episode"]["r"])
    assert 0 < mean(returns) < 1


@pytest.mark.parametrize(("split", "optimum", "random"), [("train", 1.7532, 0.2478), ("test", 1.7900, 0.2190)])
def test_figures(split, optimum, random):
    """Means over a split, exact, that `conf/env/pages*.yaml` tell."""
    assert mean(rules.best(n).value for n in SPLITS[split]) == pytest.approx(optimum, abs=5e-5)
    found = []
    for number in SPLITS[split]:
        ways = {}
        for state in states_of(number):
            results = [(a, *rules.advance(state, a)) for a, page in enumerate(rules.links(state)) if page is not None]
            ways[state] = {action: (after, reward, after.is_over) for action, after, reward in results}
        found.append(random_return(ways, State(number), GAMMA, MOST_DECISIONS))
    assert mean(found) == pytest.approx(random, abs=5e-5)


# Nothing is hidden ------------------------------------------------------------------------------------------------


def test_the_text_says_what_the_state_is():
    """Goal and scene tell all states of all tasks apart; no phrase of a menu comes twice."""
    seen, sizes = {}, []
    for number in SPLITS["all"]:
        states = states_of(number)
        sizes.append(len(states))
        for state in states:
            told = text.goal(state), text.scene(state)
            assert seen.setdefault(told, state) == state, told
            phrases = text.phrases(state)
            assert len(set(phrases)) == len(phrases) == rules.N_ACTIONS
    assert (min(sizes), median(sizes), max(sizes)) == (293, 586, 880)


@pytest.mark.parametrize("number", SOME)
def test_the_vector_says_what_the_state_is(number):
    env = begun(number)
    states = states_of(number)
    assert len({env._vector(state).tobytes() for state in states}) == len(states)
    assert all(env.observation_space["vector"].contains(env._vector(state)) for state in states)


LINKS = {
    "read a reference": "read .+",
    "see the author": "see the author .+",
    "see the category": "see the category .+",
}


def readers_wishes(scene):
    """What somebody wants to do who knows no page, the first of these that is possible: phrases as patterns."""
    present, page = re.fullmatch(r"Now: (.+?)\. (.+)", scene).groups()
    if not (named := re.search(r"how to \w+ a (\w+)", present)):
        return [present, "go to the start page"]
    if present.startswith("from ") and f": {named[0]}. " in page:
        return [LINKS[present.removeprefix(f"from {named[0]} ")]]
    return [f"read {named[0]}", f"search for {named[1]}s", "go to the start page"]


def test_what_an_instruction_needs_can_be_seen():
    """Whoever reads the scene alone follows every instruction of every task, and loses little by knowing no page."""
    shares = []
    for number in SPLITS["all"]:
        env = PagesEnv(task=number)
        observation, info = env.reset()
        while "episode" not in info:
            legal = [(i, phrase) for i, phrase in enumerate(info["actions"]) if info["action_mask"][i]]
            wishes = readers_wishes(observation["scene"])
            action = next(i for wish in wishes for i, phrase in legal if re.fullmatch(wish, phrase))
            observation, _, _, _, info = env.step(action)
        assert info["success"]
        shares.append(info["episode"]["r"] / rules.best(number).value)
    assert mean(shares) > 0.98


# The rules --------------------------------------------------------------------------------------------------------


def test_a_way_through_the_pages():
    """Every kind of page, by its links."""
    state = State(2)
    start = text.told(state.page)
    assert start == "You are on the start page."

    def go(phrase):
        nonlocal state
        action = text.phrases(state).index(phrase)
        assert rules.links(state)[action] is not None
        state, _ = rules.advance(state, action)
        return text.told(state.page)

    assert go("see the about page") == "About: these pages say how things are done."
    assert go("go to the start page") == start
    first = go("search for making")
    assert first.startswith("Results for making, page 1 of 8: how to make a pot, how to make a pan,")
    assert go("go to the next page").startswith("Results for making, page 2 of 8: how to make a chair,")
    assert go("go back to the page before") == first
    article = go("read how to make a pan")
    assert article.startswith("By ")
    assert go("see the category kitchen").startswith("Category kitchen, page 1 of 5: how to clean a pot,")
    assert go("read how to make a pot").startswith("By ")
    author = AUTHORS[articles()[state.page.which].author]
    assert go(f"see the author {author}").startswith(f"Author {author}, page 1 of 2: ")
    assert go("go to the start page") == start


def test_an_instruction_out_of_turn_counts_for_nothing():
    """Neither the second one before the first, nor a link of the article from a page other than that."""

    def opened(state, page):
        return rules.advance(state, rules.links(state).index(page))

    number = next(n for n in SPLITS["all"] if tasks()[n].patterns == (Pattern.SEARCH, Pattern.READ))
    article = tasks()[number].article
    topic = len(THINGS) + articles()[article].verb
    part = about(topic).index(article) // rules.PER_PAGE
    state, reward = opened(State(number, 0, Page(Place.RESULTS, topic, part)), Page(Place.ARTICLE, article))
    assert (state.done, reward) == (0, 0.0)
    state, reward = opened(opened(state, Page())[0], Page(Place.RESULTS, articles()[article].thing))
    assert (state.done, reward) == (1, 1.0)
    assert opened(state, Page(Place.ARTICLE, article)) == (State(number, 2, Page(Place.ARTICLE, article)), 1.0)

    number = next(n for n in SPLITS["all"] if tasks()[n].patterns == (Pattern.CATEGORY,))
    article, category = tasks()[number].article, articles()[tasks()[number].article].category
    twin = next(i for i in within(category) if i != article)
    assert opened(State(number, 0, Page(Place.ARTICLE, twin)), Page(Place.CATEGORY, category))[1] == 0.0
    assert opened(State(number, 0, Page(Place.ARTICLE, article)), Page(Place.CATEGORY, category))[1] == 1.0


def test_an_episode_of_masked_actions_is_cut_off():
    env = begun(2)
    state = env.snapshot().state
    for _ in range(MOST_DECISIONS - 1):
        assert env.step(NEXT)[1:4] == (0.0, False, False)
    assert env.step(BACK)[1:4] == (0.0, False, True)
    assert env.snapshot().state == state


def test_lists_hold_everything_once():
    """Every list page by page: as many articles as it has, five at most, the way back the way forth."""
    lists = [Page(Place.RESULTS, topic) for topic in range(TOPICS)]
    lists += [Page(Place.AUTHOR, author) for author in range(len(AUTHORS))]
    lists += [Page(Place.CATEGORY, category) for category in range(len(CATEGORIES))]
    for page in lists:
        found, before = [], None
        while page is not None:
            links = rules.links(State(0, 0, page))
            assert links[BACK] == before
            assert links[START] == Page()
            found += [link.which for link in links[:NEXT] if link is not None]
            before, page = page, links[NEXT]
        assert tuple(found) == rules.listed(before)
        assert len(set(found)) == len(found) > 0


# Articles and tasks -----------------------------------------------------------------------------------------------


def test_the_articles():
    assert len(articles()) == 200 == len({article.title for article in articles()})
    for i, article in enumerate(articles()):
        assert THINGS[article.thing] in list(CATEGORIES.values())[article.category]
        assert len({*article.references, i}) == 3
        assert i in by(article.author)
        assert i in within(article.category)
        assert i in about(article.thing)
        assert i in about(len(THINGS) + article.verb)
    assert {len(by(author)) for author in range(len(AUTHORS))} == {10}
    assert {len(within(category)) for category in range(len(CATEGORIES))} == {25}
    assert [len(about(topic)) for topic in range(TOPICS)] == [5] * len(THINGS) + [40] * len(VERBS)


def test_tasks_never_change_and_never_repeat():
    """The numbers are part of results, so their meaning is pinned; none of the test split is one of training."""
    goals = [text.goal(State(n)) for n in SPLITS["all"]]
    assert len({task.article for task in tasks()}) == len(set(goals)) == 120, "not even about the same article"
    told = repr([text.told(Page(Place.ARTICLE, i)) for i in range(200)] + goals)
    assert hashlib.sha256(told.encode()).hexdigest()[:16] == "659da9213a0bc00e"
    parts = [set(SPLITS[name]) for name in ("train_0", "train_1", "test")]
    assert [len(part) for part in parts] == [10, 10, 100]
    assert set.union(*parts) == set(SPLITS["all"]) == set(range(120))
    assert set(SPLITS["train"]) == parts[0] | parts[1]


def test_tasks_have_one_to_three_instructions_of_six_kinds():
    lengths = Counter(len(task.patterns) for task in tasks())
    assert lengths == {1: 40, 2: 40, 3: 40}
    for task in tasks():
        assert list(task.patterns) == sorted({*task.patterns})
        assert task.patterns != (Pattern.ABOUT,)
        assert articles()[task.article].thing in task.topics()
        assert len({*task.topics()}) == 4
    assert min(Counter(pattern for task in tasks() for pattern in task.patterns).values()) > 20


def test_resets_draw_from_the_split():
    env = PagesEnv(split="train_1")
    env.reset(seed=0)
    drawn = set()
    for _ in range(300):
        env.reset()
        drawn.add(env.snapshot().state.number)
    assert drawn == set(SPLITS["train_1"])
    assert env.instances() == [{"task": number} for number in SPLITS["train_1"]]


@pytest.mark.parametrize("wrong", [-1, 120, 1.5, "3", True])
def test_a_wrong_task_is_named(wrong):
    with pytest.raises(ValueError, match="task must be a whole number from 0 to 119"):
        PagesEnv(task=wrong)


def test_a_wrong_split_is_named():
    with pytest.raises(ValueError, match=r"Unknown split 'train0'\. Did you mean 'train_0'"):
        PagesEnv(split="train0")


@pytest.mark.parametrize("name", ["pages", "pages_test"])
def test_conf(name):
    config = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    env = gymnasium.make(config["id"], **config["kwargs"]).unwrapped
    assert env.gamma == config["gamma"]
    assert env.numbers == SPLITS["train" if name == "pages" else "test"]
    assert config["optimum"] is None


# Pictures ---------------------------------------------------------------------------------------------------------


def test_states_look_different():
    """The characters show every state, the picture a part of them."""
    for number in SOME:
        states = states_of(number)
        shown = [characters(state) for state in states]
        assert len(set(shown)) == len(states)
        assert all(len(line) == 78 for picture in shown for line in picture.splitlines())
    states = states_of(2)[::80]
    frames = [picture(state) for state in states]
    assert {frame.shape for frame in frames} == {(330, 660, 3)}
    assert len({frame.tobytes() for frame in frames}) == len(frames)
