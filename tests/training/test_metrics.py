"""`metrics.jsonl`: every key is declared once, logged somewhere, and explained."""

from tests.training.small_run import SMALL
from twosome import files
from twosome.config.compose import compose
from twosome.training import metrics
from twosome.training.loop import train
from twosome.training.run_folder import open_run


def test_a_run_logs_every_key_of_the_table_and_no_other(tmp_path):
    """The table of keys is the only place where they are defined; a key that nothing logs would be a lie in it."""
    run = open_run(compose([*SMALL, "method=mlp_full", "ppo.actor.warmup_updates=0", f"run_dir={tmp_path / 'run'}"]))
    train(run)
    logged = {key for record in files.read_lines(tmp_path / "run/metrics.jsonl") for key in record} - {"step"}
    assert logged == metrics.KEYS.keys()
