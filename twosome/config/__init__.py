"""Settings: shape, constraints, composing a command line, saving and reading back those of a run."""
