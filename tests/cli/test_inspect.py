"""`twosome-inspect`: the table of a state, and one paragraph for every mistake."""

import json

import pytest

from twosome.cli.inspect import main, parse_state
from twosome.errors import ConfigError


def test_the_start_state_of_an_environment(capsys):
    main(["env=food_preparation"])
    out = capsys.readouterr().out
    for expected in ("Goal:", "Scene:", "entropy", "word*", "uncond.", "not possible here"):
        assert expected in out


def test_actions_lead_to_a_state(capsys):
    main(["env=tomato_salad", "state=0,2", "json=true"])
    there = json.loads(capsys.readouterr().out)
    main(["env=tomato_salad", "json=true"])
    start = json.loads(capsys.readouterr().out)
    assert there["scene"] != start["scene"]
    assert there["goal"] == start["goal"]
    assert sum(there["probs"]) == pytest.approx(1)


def test_a_checkpoint_brings_its_environment_and_shows_what_the_adapter_changed(run_dir, capsys):
    main([f"checkpoint={run_dir}"])
    out = capsys.readouterr().out
    assert "chopped tomato" in out
    assert "adapter off" in out
    main([f"checkpoint={run_dir}", "compare=false", "normalization=token"])
    out = capsys.readouterr().out
    assert "adapter off" not in out
    assert "token*" in out


def test_the_best_checkpoint_is_shown_and_a_worse_newest_is_said(tmp_path, run_arguments, capsys):
    """By the same choice as `twosome-eval`; JSON stays JSON."""
    from twosome.cli.train import main as train

    run = tmp_path / "run"
    words = ["log.eval_interval=1", "log.checkpoint_interval=1", "log.keep_checkpoints=9"]
    train([*run_arguments, *words, f"run_dir={run}"])
    first, *_, last = sorted(p.name for p in (run / "checkpoints").iterdir())
    steps = [int(name.removeprefix("step-")) for name in (first, last)]
    (run / "best.json").write_text(json.dumps({"checkpoint": first, "step": steps[0], "greedy": 0.99}))
    capsys.readouterr()
    shown = {}
    for which in ([], ["which=best"], ["which=newest"], ["which=best", "json=true"]):
        main([f"checkpoint={run}", "compare=false", *which])
        shown[" ".join(which)] = capsys.readouterr().out
    assert f"Checkpoint: {first} (best)" in shown[""]
    assert f"has become worse after its best checkpoint (step {steps[0]}, 0.9900)" in shown[""].replace("\n", " ")
    assert shown[""] == shown["which=best"]
    assert f"Checkpoint: {last} (newest)" in shown["which=newest"]
    assert json.loads(shown["which=best json=true"])["probs"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["env=tomato_sald"], "Did you mean 'tomato_salad'"),
        (["env=tomato_salad", "stat=start"], "Did you mean 'state'"),
        (["env=tomato_salad", "state=begin"], "expected `start`"),
        (["env=tomato_salad", "state=77"], "action 77 (the 1. one) is not allowed there"),
        (["env=tomato_salad", "normalization=wrd"], "Did you mean 'word'"),
        (["env=tomato_salad", "policy.scorer=tree"], "policy.scorer='tree' is unknown"),
        (["env=tomato_salad", "checkpoint=/there/is/none"], "/there/is/none"),
        ([], "env=... is missing"),
    ],
)
def test_a_mistake_is_one_paragraph(arguments, said, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_without_a_checkpoint_the_numbers_are_those_of_the_untrained_policy(untrained, capsys):
    main(["env=tomato_salad", "json=true"])
    shown = json.loads(capsys.readouterr().out)
    d = untrained.inspect(shown["prompt"], shown["actions"])
    assert shown["probs"] == pytest.approx(list(d.probs), abs=1e-5)
    assert shown["value"] == pytest.approx(d.value, abs=1e-6)


def test_states_are_read():
    assert parse_state("start") == []
    assert parse_state(" 4, 0,12 ") == [4, 0, 12]
    for wrong in ("", "1,", "a,b", "-1"):
        with pytest.raises(ConfigError):
            parse_state(wrong)
