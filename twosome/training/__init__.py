"""The life of a run: its folder, checkpoints, metrics, progress, signals, the loop."""
