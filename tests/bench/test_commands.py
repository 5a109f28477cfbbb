"""`python -m twosome.bench`: every bench starts, and a mistake in its settings is one paragraph."""

import subprocess
import sys

import pytest

from twosome.bench import __main__ as bench

BENCHES = ("throughput", "learning", "generalization")


def left_with(argv):
    """The exit code of the command."""
    with pytest.raises(SystemExit) as leaving:
        bench.main(argv)
    return leaving.value.code


@pytest.mark.parametrize("argv", [[], ["-h"], ["--help"]])
def test_without_a_name_the_benches_are_listed(argv, capsys):
    bench.main(argv)
    said = capsys.readouterr().out
    assert all(name in said for name in BENCHES)


def test_the_package_runs_as_a_command():
    done = subprocess.run([sys.executable, "-m", "twosome.bench", "--help"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"usage: python -m twosome.bench {{{','.join(bench.BENCHES)}}}")
    assert not done.stderr


def test_the_throughput_bench_explains_itself(capsys):
    assert left_with(["throughput", "--help"]) == 0
    said = capsys.readouterr().out
    assert "--repetitions" in said
    assert "what a decision costs" in said


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        ("learning", "baseline_budget"),
        ("generalization", "targets"),
        ("search", "shares"),
        ("memory", "stop_at"),
        ("menus", "token_budget"),
        ("attribution", "definitions"),
        ("normalisation", "vocabulary"),
    ],
)
def test_the_other_benches_list_their_settings(name, setting, capsys):
    assert left_with([name, "--help"]) == 0
    assert f"{setting}:" in capsys.readouterr().out


def test_an_unknown_bench_is_refused(capsys):
    assert left_with(["throughputs"]) == 2
    said = capsys.readouterr()
    assert "Did you mean 'throughput'" in said.err
    assert not said.out


MISTAKES = [
    ("throughput --env tomato_sald", "tomato_salad"),
    ("throughput --enb tomato_salad", "--enb"),
    ("throughput --repetitions none", "repetitions"),
    ("throughput --output /", "--output"),
    ("learning seedz=3", "seeds"),
    ("learning --seeds=3", "seeds"),
    ("learning seeds=0", "seeds=0"),
    ("learning methods=[tabulr]", "tabular"),
    ("learning envs=[tomato_sald]", "tomato_salad"),
    ("learning overrides=[ppo.clipp=1]", "ppo.clip"),
    ("generalization seedz=3", "seeds"),
    ("generalization sources=[pizza]", "pizza"),
    ("generalization sources=[salads] steps.salads=many", "total_steps"),
]


@pytest.mark.parametrize(("line", "named"), MISTAKES)
def test_a_mistake_is_one_paragraph_that_names_it(line, named, capsys, tmp_path):
    name, *argv = line.split()
    out = [] if name == "throughput" else [f"out={tmp_path}"]
    assert left_with([name, *argv, *out]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("ConfigError: ")
    assert "\n" not in said.err.strip()
    assert named in said.err
    assert not said.out
    assert not list(tmp_path.iterdir())
