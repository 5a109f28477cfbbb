"""Same seed, same machine: the same bits on a CPU, twice, from two processes; and another seed gives others."""

import pytest

from tests.faults import kills

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_the_same_seed_gives_the_same_bits(tmp_path):
    kills.warm_up()
    outcomes = []
    for name, extra in (("a", []), ("b", ["deterministic=true"]), ("c", ["seed=1"])):
        run_dir = tmp_path / name
        overrides = [*kills.BASE, *kills.VARIANTS["dropout"], "total_steps=256", *extra, f"run_dir={run_dir}"]
        assert kills.finish(kills.start(overrides, tmp_path / "log")) == 0, (tmp_path / "log").read_text()
        outcomes.append(kills.outcome(run_dir))
    first, again, other = outcomes
    assert not kills.differences(first, again)
    assert "adapter/adapter_model.safetensors" in kills.differences(first, other)
