"""Measurements: `python -m twosome.bench throughput|learning|generalization`."""
