"""`metrics.jsonl`: every key is declared once, logged somewhere, and explained."""

from tests.training.small_run import SMALL
from twosome import files
from twosome.config.compose import compose
from twosome.training import metrics
from twosome.training.loop import train
from twosome.training.progress import TALLIED
from twosome.training.run_folder import open_run

SHORT = "total_steps=128"
LONGER = "total_steps=1024"  # an episode ends, and the memory knows something
ACTOR = ["expected.actor.warmup_updates=0", "expected.states=16", "expected.actor.epochs=1"]
METHODS = (
    ["method=mlp_full"],
    ["method=search", "search.simulations=2", SHORT],
    ["method=memory", LONGER],
    ["method=qhead", SHORT],
    ["method=expected", *ACTOR, SHORT],
    ["method=preference", "env=tomato_salad", "preference.share=1.0", "preference.horizon=8", SHORT],
    ["method=twosome", "env=toolbox", "reward=surprise", SHORT],
)


def test_runs_log_every_key_of_the_table_and_no_other(tmp_path):
    """The table of keys is the only place where they are defined; a key that nothing logs would be a lie in it."""
    logged = set()
    for k, method in enumerate(METHODS):
        run_dir = tmp_path / str(k)
        train(open_run(compose([*SMALL, *method, "ppo.actor.warmup_updates=0", f"run_dir={run_dir}"])))
        logged |= {key for record in files.read_lines(run_dir / "metrics.jsonl") for key in record} - {"step"}
    of_worlds = {key for key in logged if key.startswith(TALLIED)}
    assert of_worlds
    assert logged - of_worlds == metrics.KEYS.keys()
