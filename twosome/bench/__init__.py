"""Measurements: `python -m twosome.bench throughput`, `python -m twosome.bench learning`."""
