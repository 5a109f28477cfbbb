"""Who steps the worlds: checked environments, the one loop, rollouts, evaluation, a person's session."""
