"""A run of seconds without a language model, as a command line."""

SMALL = [
    *("method=mlp", "env=food_preparation", "experiment=debug", "log.eval_episodes=1", "log.eval_episodes_final=1"),
    *("log.checkpoint_interval=2", "log.keep_checkpoints=9", "log.tensorboard=false", "ppo.actor.warmup_updates=0"),
]
