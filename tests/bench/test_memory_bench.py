"""The bench of the experience memory: exact values are exact, the placebo keeps everything but what is worth what."""

import json

import pytest

from tests.rollout.example_worlds import Corridor
from tests.rollout.example_worlds import settings as example
from twosome.bench import memory
from twosome.bench.exact_values import action_values, error, exact_memory, permuted, values_as_told, ways
from twosome.bench.instructed import of_plans
from twosome.config.compose import compose, compose_command
from twosome.errors import ConfigError

SETTINGS = compose([]).memory
QUICK = ["seeds=1", "envs=[food_preparation]", "episodes=2", "budget.food_preparation=256", "eval_every=64"]
QUICK += ["known.episodes=2", "known.targets=[cheese]", "carried.steps=64", "carried.targets=[cheese]"]
QUICK += ["carried.eval_episodes=2", 'overrides=["num_envs=4","rollout_steps=16","log.eval_episodes_final=1"]']
QUICK += [
    "instructed.worlds=[pages]",
    "instructed.sets=[0]",
    "instructed.initial=[0]",
    "instructed.steps=128",
    "instructed.instances=2",
    "instructed.episodes=1",
]
QUICK += [
    "variants.carried=[memory_ppo]",
    "variants.known=[bias,placebo_bias]",
    "known.variants.bias=[]",
    "known.variants.placebo_bias=[]",
]


def env_of(name):
    return compose([f"env={name}"]).env


@pytest.mark.parametrize("name", ["tomato_salad", "food_preparation", "entertainment"])
def test_exact_values_begin_with_the_optimum(name):
    env = env_of(name)
    _, found = ways(env)
    assert max(action_values(found)[0].values()) == pytest.approx(env.optimum, abs=1e-9)


def test_values_satisfy_the_equation_of_the_best_plan():
    _, found = ways(env_of("food_preparation"))
    values = action_values(found)
    for state, worth in zip(found, values, strict=True):
        for way in state:
            ahead = 0.0 if way.to is None else max(values[way.to].values())
            assert worth[way.action] == pytest.approx(way.reward + way.discount * ahead, abs=1e-9)


def test_where_states_look_alike_those_on_the_best_plan_are_told():
    """The first scene of food preparation hides nothing of them; played by it, an episode is optimal."""
    env = env_of("food_preparation")
    seen, found = ways(env)
    told, at, worth, discount = values_as_told(env), 0, 0.0, 1.0
    for _ in range(20):
        best = max(told[seen[at]], key=told[seen[at]].get)
        way = next(way for way in found[at] if way.action == best)
        worth, discount, at = worth + discount * way.reward, discount * way.discount, way.to
        if at is None:
            break
    assert worth == pytest.approx(env.optimum)


def test_a_world_without_snapshots_is_refused():
    with pytest.raises(ConfigError, match="no snapshots"):
        ways(example(Corridor))


def test_the_placebo_has_the_same_values_elsewhere():
    records = exact_memory(env_of("food_preparation"), SETTINGS)
    placebo = permuted(records, 0)

    def of(memory):
        return {(s, a): k.q for s in memory.told() for a, k in memory[s].actions.items()}

    assert of(placebo).keys() == of(records).keys()
    assert sorted(of(placebo).values()) == sorted(of(records).values())
    assert of(placebo) != of(records)
    assert of(permuted(records, 0)) == of(placebo) != of(permuted(records, 1))


def test_an_exact_memory_has_no_error_and_a_placebo_has_one():
    env = env_of("food_preparation")
    told, records = values_as_told(env), exact_memory(env, SETTINGS)
    assert error(records, told) == 0.0
    assert error(permuted(records, 0), told) > 0.01
    assert error(records, values_as_told(env_of("entertainment"))) is None


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("memory")
    return out, memory.bench(compose_command([*QUICK, f"out={out}"], "memory"))


@pytest.mark.slow  # half a minute of all parts
def test_every_part_is_measured_and_its_table_written(done):
    out, report = done
    assert not report["failed"]
    assert json.loads((out / "memory.json").read_text()) == json.loads(json.dumps(report))
    text = (out / "memory.md").read_text()
    for said in ("| bias | 1.000 / 1.000 (1.000) | 1.000 / 1.000 (1.000) |", "| food_preparation | tabular |"):
        assert said in text, said
    assert "| memory_ppo | " in text
    [first, *_] = (entry["found"] for entry in report["results"]["instructed"])
    assert [*first["rows"]] == ["alone", "initial", "annotated", "learnt", "placebo"]
    rows = {name: row["records"] for name, row in first["rows"].items()}
    assert rows["alone"] == 0 < rows["initial"] < rows["annotated"]
    assert rows["learnt"] == rows["placebo"] > rows["initial"]
    [tabular, bias] = (entry["found"] for entry in report["results"]["learnt"])
    assert "error" not in tabular
    assert bias["error"] > 0
    known = {entry["job"][0]: entry["found"]["cheese"] for entry in report["results"]["known"]}
    assert known["placebo_bias"]["greedy"] < 0.1 * known["bias"]["greedy"], (
        "values in the wrong places are worth nothing"
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["parts=[learned]"], "Did you mean 'learnt'"),
        (["variants.learnt=[bais]"], "Did you mean 'bias'"),
        (["known.targets=[chese]"], "cheese"),
        (["+learnt.variants.x=['memory.tau=-1']", "variants.learnt=[x]"], "memory.tau"),
        (["episodes=0"], "episodes"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(wrong, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        memory.bench(compose_command([*QUICK, f"out={tmp_path}", *wrong], "memory"))
    assert not list(tmp_path.iterdir())


def test_a_memory_of_the_best_plan_plays_it():
    from twosome.agents.remembering import Remembering
    from twosome.bench.episodes import instances, optimum_of
    from twosome.memory.similarity import exact
    from twosome.rollout.evaluate import run_episodes
    from twosome.systems.build import build_policy

    [env, *_] = instances(env_of("pages"))
    policy = build_policy(compose(["env=pages"]), adapter=False)
    policy.remind(Remembering(of_plans([env], SETTINGS), exact, SETTINGS))
    [episode] = run_episodes(policy, env, 1, greedy=True, seed=0)
    assert episode.discounted_return == pytest.approx(optimum_of(env))
