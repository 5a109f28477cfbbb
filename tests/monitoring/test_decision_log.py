"""The sample of decisions: each with its own numbers, bounded, and the same when a run was interrupted."""

from twosome.files import read_lines
from twosome.monitoring.decision_log import DecisionLog


def test_spoilt_steps_are_left_out_and_values_stay_with_their_decisions(rollout_of, samples_of, uniform, tmp_path):
    rollout = rollout_of(spoilt=[(0, 0), (2, 1), (5, 2)])
    log = DecisionLog(tmp_path / "d.jsonl", per_update=100, most=1000, updates=1, seed=0)
    log.pick(rollout, uniform, 0)
    log.write(18, samples_of(rollout))
    records = list(read_lines(tmp_path / "d.jsonl"))
    assert len(records) == 15
    for x in records:
        assert x["value"] == x["reward"] == -x["advantage"]
        t, b = map(int, x["prompt"].split()[1:])
        assert x["reward"] == 3 * t + b
        assert b == x["world"]


def test_a_long_run_stays_below_its_bound(rollout_of, uniform, tmp_path):
    log = DecisionLog(tmp_path / "d.jsonl", per_update=4, most=50, updates=1000, seed=0)
    for update in range(1000):
        log.pick(rollout_of(), uniform, update)
        log.write(update + 1, None)
    records = list(read_lines(tmp_path / "d.jsonl"))
    assert 40 <= len(records) <= 50
    assert records[-1]["step"] > 900, "from the beginning of the run to its end"
    assert records[0]["value"] is None


def test_a_resumed_log_is_the_same_as_an_unbroken_one(rollout_of, uniform, tmp_path):
    def write(path, start, stop, resume_step=0):
        log = DecisionLog(path, 4, 5000, 10, seed=3, resume_step=resume_step)
        for update in range(start, stop):
            log.pick(rollout_of(), uniform, update)
            log.write(update + 1, None)

    write(tmp_path / "whole.jsonl", 0, 10)
    write(tmp_path / "broken.jsonl", 0, 7)
    write(tmp_path / "broken.jsonl", 4, 10, resume_step=4)
    assert (tmp_path / "whole.jsonl").read_text() == (tmp_path / "broken.jsonl").read_text()
