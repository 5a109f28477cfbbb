"""The bench of thinking ahead: what it runs, that it continues where it was, and what its tables say."""

import json

import pytest

from twosome.bench import iteration, savings, search, simulations
from twosome.bench.episodes import instances, optimum_of, play
from twosome.config.compose import compose, compose_command
from twosome.errors import ConfigError
from twosome.systems.build import build_policy

QUICK = ["seeds=1", "envs=[food_preparation]", "methods=[twosome,gumbel]", "budget.food_preparation=64"]
QUICK += [
    "eval_every=64",
    "simulations=[0,2]",
    "shares=[0.0,1.0]",
    "with_playouts=[2]",
    "savings.tasks=2",
    "savings.generated=2",
    "batch=2",
]
QUICK += ["orders.steps=64", "orders.simulations=[1]", "orders.episodes=1"]
QUICK += [
    "worlds=[cheese]",
    "+generated.cheese={test: pizza, instances: null, method: gumbel, steps: 64, simulations: 2}",
]
QUICK += ['overrides=["num_envs=4","rollout_steps=16","log.eval_episodes_final=1"]']


def run(out, *overrides):
    return search.bench(compose_command([*QUICK, f"out={out}", *overrides], "search"))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    out = tmp_path_factory.mktemp("search")
    return out, run(out)


@pytest.mark.slow  # half a minute of all parts
def test_every_part_is_measured_and_its_table_written(done):
    out, report = done
    assert not report["failed"]
    assert json.loads((out / "search.json").read_text()) == json.loads(json.dumps(report))
    text = (out / "search.md").read_text()
    assert "| food_preparation | gumbel |" in text
    assert "| 100%, puct |" in text
    assert "| cheese, 1 | 1 | after, 2 simulations |" in text
    assert "| seed 0 | orders_3 | split | 1 |" in text
    [ppo, gumbel] = (entry["found"] for entry in report["results"]["iteration"])
    assert ppo["decisions"] == gumbel["decisions"] == 64
    rows = report["results"]["simulations"][0]["found"]
    hows = ((0, 0, "puct"), (0, 2, "puct"), (0, 2, "gumbel"), (1, 2, "puct"), (1, 2, "gumbel"))
    assert [(r["share"], r["playouts"], r["simulations"], r["algorithm"]) for r in rows] == [
        (share, *how) for share in (0.0, 1.0) for how in hows
    ]
    assert all((r["passes"] > 0) == (r["simulations"] > 0) for r in rows)
    assert [entry["job"] for entry in report["results"]["savings"]] == [["food_preparation", 0], ["cheese", 0]]


@pytest.mark.slow  # after the one above; parts in general: tests/bench/test_parts.py
def test_what_is_done_is_kept_and_other_settings_are_refused(done, capsys):
    out, _ = done
    kept = (out / "simulations/food_preparation/seed0/result.json").stat().st_mtime_ns
    run(out)
    assert "simulations: 1 jobs, 0 of them to do" in capsys.readouterr().out
    assert (out / "simulations/food_preparation/seed0/result.json").stat().st_mtime_ns == kept
    with pytest.raises(ConfigError, match=r"other settings \(simulations\)"):
        run(out, "simulations=[0,4]")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["parts=[iterations]"], "Did you mean 'iteration'"),
        (["methods=[gumbl]"], "gumbel"),
        (["envs=[]"], "one or more"),
        (["seeds=0"], "seeds=0"),
        (["simulations=[-1]"], "simulations"),
        (["worlds=[pizza]"], r"\+generated\.pizza"),
        (["generated.cheese.test=pizzza"], "pizza"),
        (['overrides=["expert_iteration.sample=1"]'], r"expert_iteration\.samples"),
    ],
)
def test_a_mistake_is_found_before_anything_is_trained(tmp_path, wrong, said):
    with pytest.raises(ConfigError, match=said):
        run(tmp_path, *wrong)
    assert not list(tmp_path.iterdir())


def test_a_part_that_reads_another_says_which(tmp_path):
    cfg = compose_command([*QUICK, f"out={tmp_path}"], "search")
    with pytest.raises(ConfigError, match="part `iteration`"):
        simulations.trained(cfg, "food_preparation", 0)
    with pytest.raises(ConfigError, match="part `generated`"):
        savings.measure(cfg, tmp_path, "cheese", 0)


def test_seconds_are_those_of_acting_and_learning_and_the_first_evaluation_that_is_good_enough_counts():
    records = [
        {"step": 100, "speed/processor_seconds": 10.0, "search/simulated_steps": 7.0},
        {"step": 200, "speed/processor_seconds": 2.0, "search/simulated_steps": 9.0, "eval/greedy_return": 0.5},
        {"step": 300, "speed/processor_seconds": 2.0, "search/simulated_steps": 11.0, "eval/greedy_return": 1.0},
    ]
    assert iteration.reached(records, 0.5) == {"decisions": 200, "seconds": 12.0, "simulated": 9.0}
    assert iteration.reached(records, 0.9) == {"decisions": 300, "seconds": 14.0, "simulated": 11.0}
    assert iteration.reached(records, 1.1) is None


def test_a_seed_that_never_came_there_counts_as_never():
    assert iteration.median([3.0, None, 1.0], 9.0) == "3"
    assert iteration.median([3.0, None, None], 9.0) == "> 9"
    assert iteration.median([4.0, 2.0]) == "2"  # of two the better: it came there


def test_every_instance_of_a_generated_world_is_a_world_of_its_own():
    hands = instances(compose(["env=game24_test"]).env)
    assert len(hands) == len({str(h.kwargs["hand"]) for h in hands}) == 80
    workshop = instances(compose(["env=workshop_test"]).env)
    assert len(workshop) == 200
    assert optimum_of(workshop[0]) != optimum_of(workshop[1])
    assert optimum_of(hands[0]) == 1.0
    [only] = instances(compose(["env=tomato_salad"]).env)
    assert only == compose(["env=tomato_salad"]).env


def test_costs_of_episodes_add_up():
    policy = build_policy(compose([]), adapter=False)
    hands = instances(compose(["env=game24_test"]).env)[:2]
    both = play(policy, hands, 0, simulations=2)
    one, other = (play(policy, [hand], 0, simulations=2) for hand in hands)
    for key in ("decisions", "passes", "leaves", "simulated", "struck"):
        assert both[key] == one[key] + other[key]
    assert both["returned"] == (one["returned"] + other["returned"]) / 2
