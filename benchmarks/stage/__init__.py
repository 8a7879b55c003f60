"""Writes of Delta tables by dfd and by its peers, in turn, in one go: `python -m benchmarks.stage`."""
