"""Queries within a memory limit, by dfd's engine and by duckdb, in turn: `python -m benchmarks.memory`."""
