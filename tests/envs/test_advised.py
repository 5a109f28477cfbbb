"""Laws of the adviser: what he says is best, what is not asked changes nothing, and every question has its price."""

import itertools
import pickle

import gymnasium
import numpy as np
import pytest
from twosome_envs.advised.env import ADVICE, ASK, Advised
from twosome_envs.advised.planner import planner_of
from twosome_envs.agent import Agent, FunctionTool
from twosome_envs.base import Menu, MenuEnv, Outcome
from twosome_envs.wrappers.menu import MenuWrapper

WORLDS = ("TomatoSalad", "FoodPreparation", "Entertainment")
OPTIMA = {"TomatoSalad": 0.9205180925641948, "FoodPreparation": 0.7737809375, "TomatoLettuceSalad": 0.9476564569165645}


def advised(name, **kwargs):
    return Advised({"id": f"twosome/{name}-v0"}, **kwargs)


class Trail(MenuEnv[int]):
    """Cells 0 to `goal`: east, west, and from cell 1 a leap to 3 that takes nine steps. The goal is worth `prize`.

    pay: of every action. order: of the menu. fall: what it pays to go west of cell 0, which ends the episode there;
    None: one only stays. Going round in circles costs nothing here but time.
    """

    def __init__(self, gamma=0.9, order=(0, 1, 2), prize=1.0, pay=0.0, max_steps=100, goal=4, fall=None):
        self.gamma, self.order, self.prize, self.pay = gamma, order, prize, pay
        self.max_steps, self.goal, self.fall = max_steps, goal, fall
        super().__init__(3, np.array([9.0]))

    def _start(self):
        return 1

    def _transition(self, state, action):
        kind = self.order[action]
        falls = self.fall is not None and (state, kind) == (0, 1)
        after = (min(state + 1, self.goal), max(state - 1, 0), 3 if state == 1 else state)[kind]
        rewards = [self.pay] * (9 if kind == 2 else 1)
        rewards[-1] += self.prize * (after == self.goal) + (self.fall if falls else 0)
        return Outcome(after, tuple(rewards), after == self.goal, falls)

    def _scene(self, state):
        return f"You stand in cell {state}."

    def _goal(self, state):
        return "Walk to the last cell."

    def _menu(self, state):
        phrases = ("go east", "go west", "leap")
        return Menu(tuple(phrases[k] for k in self.order), tuple(k < 2 or state == 1 for k in self.order))

    def _vector(self, state):
        return np.array([state], np.float32)


def ask(env):
    return env.step(env.menu.actions.index(ASK))


def told(observation):
    """The advice in a scene; None where there is none."""
    lines = observation["scene"].split("\n")
    return lines[-1].removeprefix(ADVICE) if lines[-1].startswith(ADVICE) else None


def values_of(world, gamma):
    """Of every state that legal actions reach: a snapshot, and the worth of every legal action. The obvious way."""
    world.reset(seed=0)
    begin = world.snapshot()
    found, ways = {begin.state: begin}, {}
    for state in (order := [begin.state]):
        _, info = world.restore(found[state])
        ways[state] = {}
        for action in map(int, np.flatnonzero(info["action_mask"])):
            world.restore(found[state])
            _, reward, over, _, info = world.step(action)
            after = world.snapshot().state
            ways[state][action] = (reward, gamma ** info["duration"], None if over else after)
            if not over and after not in found:
                found[after] = begin._replace(state=after)
                order.append(after)
    values = dict.fromkeys(ways, 0.0)
    for _ in range(3000):
        worth = {s: {a: r + d * values.get(t, 0.0) for a, (r, d, t) in w.items()} for s, w in ways.items()}
        before, values = values, {s: max(w.values()) for s, w in worth.items()}
        if before == values:
            return found, worth
    raise AssertionError("the values do not stand still")


# What he says ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WORLDS)
def test_the_advice_is_best_in_every_state(name):
    """The advised action has the largest value, which is what the adviser says it is worth."""
    env = advised(name)
    world = env.inner
    found, worth = values_of(world, world.gamma)
    _, myopic = values_of(world, world.gamma**2)
    env.reset(seed=0)
    start, is_other = env.kept.start, False
    for state, snapshot in found.items():
        action, value = env._planner.best(world, snapshot, start)
        assert value == pytest.approx(max(worth[state].values()), abs=1e-9)
        assert worth[state][action] == pytest.approx(value, abs=1e-9)
        is_other |= max(myopic[state].values()) != pytest.approx(value, abs=1e-6)
    assert is_other  # with another discount they are others


@pytest.mark.parametrize("name", sorted(OPTIMA))
def test_the_ends_by_price(name):
    """Never asking reaches the known optimum; always asking pays for each question, and a step of the discount."""
    never = [end.never for end in advised(name).ends([0.0, 0.1])]
    assert never == pytest.approx([OPTIMA[name]] * 2, abs=1e-12)
    for cost in (0.0, 0.02, 0.1):
        env = advised(name, cost=cost)
        _, info = env.reset(seed=0)
        over, total, steps, asks = False, 0.0, 0, 0
        while not over:
            is_asking = env.advice is None
            action = info["actions"].index(ASK if is_asking else env.advice)
            _, reward, terminated, truncated, info = env.step(action)
            assert not is_asking or reward == -cost
            total, steps, asks = total + env.gamma**steps * reward, steps + info["duration"], asks + is_asking
            over = terminated or truncated
        assert info["success"]
        assert info["tally"] == {"asked": asks}
        assert info["episode"]["r"] == pytest.approx(total, abs=1e-12)
        assert advised(name).ends([9.0, cost])[1].always == pytest.approx(total, abs=1e-12)
        assert advised(name).ends([9.0])[0].asks == asks
        assert total < OPTIMA[name]  # at a price of 0 too, by the discount


def test_of_equal_actions_the_one_that_ends_sooner():
    """Without discount to go round in circles is worth as much as to arrive; and among ways, the short one counts."""
    for order in itertools.permutations(range(3)):
        env = Advised(Trail(1.0, order))
        assert env.ends([0.0])[0] == (0.0, 1.0, 1.0, 3)
        ask(env) if env.reset() else None
        assert env.advice == "go east"


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_order_of_the_menu_changes_nothing(order):
    one, two = Advised(Trail()), Advised(Trail(order=order))
    assert one.ends([0.1]) == two.ends([0.1])
    for cell in range(4):
        phrases = []
        for env in (one, two):
            env.reset()
            begin = env.snapshot()
            env.restore(begin._replace(inner=begin.inner._replace(state=cell)))
            phrases.append(env.phrase)
        assert phrases == ["go east"] * 2


def test_what_is_in_time_is_found():
    """The leap comes to cell 3 by fewer actions, but so late that from there the goal is out of reach."""
    env = Advised(Trail(max_steps=10, goal=6))
    assert env.ends([0.0])[0].never == pytest.approx(0.9**4)
    env.reset()
    assert env.phrase == "go east"


def test_an_end_is_an_end():
    """Where a fall ends the episode in a cell that one can also stand in, it pays once."""
    assert Advised(Trail(fall=0.5)).ends([0.0])[0].never == pytest.approx(0.9**2)
    assert Advised(Trail(fall=1.0)).ends([0.0])[0].never == pytest.approx(0.9)


@pytest.mark.parametrize("legal", [True, False])
def test_a_newcomer_is_demonstrated(legal):
    """Of what is possible only: half of the odds to ask, the rest alike; what is advised is done; none left to ask."""
    env = Advised(Trail(), max_internal=1)
    _, info = env.reset()
    odds = env.demonstrate(0)
    assert {info["actions"][k]: share for k, share in odds.items()} == {
        ASK: 0.5,
        **dict.fromkeys(("go east", "go west", "leap"), 0.5 / 3),
    }
    ask(env)
    [(follows, share)] = env.demonstrate(0).items()
    assert (info["actions"][follows], share) == (env.advice, 1.0)
    _, _, _, _, info = env.step(follows)
    odds = env.demonstrate(0)
    assert set(odds) == set(np.flatnonzero(info["action_mask"]))
    assert sum(odds.values()) == pytest.approx(1)
    assert info["actions"].index(ASK) not in odds


# What asking changes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*WORLDS, "Game24"])
@pytest.mark.parametrize("legal", [True, False])
def test_without_a_question_it_is_the_world(name, legal):
    """Texts, menu, rewards, flags and statistics, step by step; one entry of the menu more, and zeros in the vector."""
    env, world = advised(name), gymnasium.make(f"twosome/{name}-v0").unwrapped
    rng = np.random.default_rng(0)
    for seed in range(3):
        mine, other = (*env.reset(seed=seed),), (*world.reset(seed=seed),)
        over = False
        while not over:
            n = len(other[-1]["actions"])
            assert {**mine[0], "vector": None} == {**other[0], "vector": None}
            np.testing.assert_array_equal(mine[0]["vector"][: len(other[0]["vector"])], other[0]["vector"])
            assert not mine[0]["vector"][len(other[0]["vector"]) :].any()
            assert mine[1:-1] == other[1:-1]
            assert (mine[-1]["actions"][:n], mine[-1]["actions"][n:]) == (other[-1]["actions"], (ASK,))
            np.testing.assert_array_equal(mine[-1]["action_mask"][:n], other[-1]["action_mask"])
            assert (mine[-1]["duration"], mine[-1]["success"]) == (other[-1]["duration"], other[-1]["success"])
            action = int(rng.choice(np.flatnonzero(other[-1]["action_mask"]) if legal else np.arange(n)))
            mine, other = env.step(action), world.step(action)
            over = other[2] or other[3]
        assert mine[-1]["episode"] == pytest.approx(other[-1]["episode"], abs=1e-12)
        assert mine[-1]["tally"] == {"asked": 0}


def test_an_advice_is_noted_where_it_applies():
    """It goes with the state that it is about and comes back with it, until the next episode; never is it stale."""
    env = Advised(Trail())
    observation, info = env.reset()
    assert told(observation) is None
    observation, reward, *_, info = ask(env)
    assert (told(observation), reward, info["duration"]) == ("go east", -0.05, 1)
    assert not info["action_mask"][-1]
    assert observation["vector"].tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    again = ask(env)  # masked: nothing happens, nothing is charged
    assert (told(again[0]), again[1], env._now.counts) == ("go east", 0.0, (1,))
    observation, *_, info = env.step(1)
    assert (told(observation), bool(info["action_mask"][-1])) == (None, True)
    assert observation["vector"].tolist() == [0.0, 1.0, 0.0, 0.0, 0.0]
    observation, *_ = env.step(0)
    assert told(observation) == "go east"
    assert told(env.reset()[0]) is None


def test_a_snapshot_holds_what_was_advised():
    """Equal and of equal hash after a restore, in another instance and after pickling; the future is the same."""
    env, twin = advised("TomatoSalad"), advised("TomatoSalad")
    env.reset(seed=0)
    ask(env)
    env.step(0)
    observation = ask(env)[0]
    snapshot = pickle.loads(pickle.dumps(env.snapshot()))
    shown, info = twin.restore(snapshot)
    assert (twin.snapshot(), hash(twin.snapshot())) == (env.snapshot(), hash(env.snapshot()))
    np.testing.assert_equal(shown, observation)
    for action in (info["actions"].index(told(shown)), -1):
        action = action if action >= 0 else len(info["actions"]) - 1
        np.testing.assert_equal(twin.step(action), env.step(action))
    unasked = advised("TomatoSalad")
    unasked.reset(seed=0)
    unasked.step(0)
    assert unasked.snapshot().state != snapshot.state


def test_questions_come_to_an_end():
    env = Advised(Trail(), max_internal=2)
    with pytest.raises(ValueError, match="max_internal=2 questions end before the episode does"):
        env.ends([0.1])
    assert not env.menu.is_legal[-1]
    assert Advised(Trail(), max_internal=3).ends([0.1])[0].asks == 3


def test_planning_leaves_the_world_where_it_was():
    env = advised("Entertainment")
    env.reset(seed=0)
    for action in (0, 1, 2):
        env.step(action)
    before = env.snapshot()
    env.clear_cache()
    assert env.optimum <= 1
    assert env.snapshot() == before


def test_it_is_planned_once(monkeypatch):
    """Worlds of equal arguments share the plan; a later episode, a restore and a question search nothing again."""
    import twosome_envs.advised.planner as module

    searches = []
    monkeypatch.setattr(module, "explored", lambda *args, f=module.explored: (searches.append(1), f(*args))[1])
    one, two = (advised("FoodPreparation", states=1234) for _ in range(2))
    for env in (one, two, one):
        env.reset(seed=0)
        ask(env)
    assert len(searches) == 1
    one.clear_cache()
    one.phrase  # noqa: B018
    assert len(searches) == 2


# What cannot be planned -----------------------------------------------------------------------------------------------


def test_too_many_states():
    with pytest.raises(ValueError, match=r"more than 20 states.*states=\.\.\."):
        advised("TomatoSalad", states=20).reset()
    advised("TomatoSalad", states=24).reset()


def test_snapshots_without_a_state():
    lake = MenuWrapper(
        gymnasium.make("FrozenLake-v1", is_slippery=False),
        describe=lambda cell: f"Cell {cell}.",
        goal="Cross the lake.",
        phrases=("left", "down", "right", "up"),
    )
    with pytest.raises(ValueError, match=r"give its snapshots a `state`"):
        Advised(lake).reset()


def test_no_snapshots():
    class Bare(gymnasium.Env):
        def __init__(self):
            self.inside = Trail()
            self.gamma, self.action_space, self.observation_space = 0.9, Trail().action_space, Trail().observation_space

    with pytest.raises(NotImplementedError, match=r"has no snapshot\(\) and restore\(\)"):
        Advised(Bare())


def test_a_world_that_asks_outside():
    tool = FunctionTool("weather", ("look outside",), lambda phrase, state: "It rains.")
    with pytest.raises(ValueError, match="asks outside, so nobody can plan in it"):
        Advised(Agent(Trail(), (tool,), 3)).reset()
    inside = Agent(Trail(), (tool._replace(is_external=False),), 3)
    assert Advised(inside).ends([0.0])[0].never == pytest.approx(0.9**2)
    assert not inside.sealed


@pytest.mark.parametrize("pay", [0.1, -0.1])
def test_returns_without_bound(pay):
    """Circles that pay; and with a price, cells that are left only for the goal: there is a plan then."""
    if pay < 0:
        assert Advised(Trail(1.0, pay=pay)).ends([0.0])[0].never == pytest.approx(0.7)
        return
    with pytest.raises(ValueError, match=r"no best plan.*discount"):
        Advised(Trail(1.0, pay=pay)).reset()


@pytest.mark.parametrize(
    ("kwargs", "named"), [({"cost": -1}, "cost=-1"), ({"states": 0}, "states=0"), ({"max_internal": 0}, "max_internal")]
)
def test_numbers_out_of_range(kwargs, named):
    with pytest.raises(ValueError, match=named):
        Advised(Trail(), **kwargs)


def test_planners_are_kept_within_bounds():
    import twosome_envs.advised.planner as module

    made = [planner_of({"id": f"world {k}"}, 0.9, 9) for k in range(3 * module.PLANNERS)]
    assert len(module._planners) <= module.PLANNERS
    assert planner_of({"id": f"world {len(made) - 1}"}, 0.9, 9) is made[-1]
    assert planner_of({"id": f"world {len(made) - 1}"}, 0.8, 9) is not made[-1]
    assert planner_of({"id": "world", "kwargs": {"f": print}}, 0.9, 9) is not planner_of(
        {"id": "world", "kwargs": {"f": print}}, 0.9, 9
    )
