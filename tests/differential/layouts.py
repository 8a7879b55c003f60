"""Layouts as a strategy, from the simplest to tables of many commits."""

from __future__ import annotations

from hypothesis import strategies as st
from layout import CHECKPOINTS, LATE, MAPPINGS, STATISTICS, STEPS, Checkpoint, Files, Layout

PARTITIONED_BY = ("n", "h", "b", "m", "g", "s", "o", "d", "z", "ts")
FILES = st.builds(
    Files,
    row_group_size=st.sampled_from([1000, 5, 1]),
    pages=st.sampled_from(["dictionary", "plain", "small", "small dictionary"]),
    spelling=st.sampled_from(["log", "log", "other case", "own"]),
    paths=st.sampled_from(["flat", "hive", "absolute"]),
    is_shuffled=st.booleans(),
    has_more=st.booleans(),
)
CHECKPOINT = st.builds(
    Checkpoint,
    version=st.integers(0, 6),
    kind=st.sampled_from(CHECKPOINTS),
    statistics=st.sampled_from(["json", "both", "struct"]),
)
LAYOUTS = st.builds(
    Layout,
    seed=st.integers(0, 2**32),
    rows=st.sampled_from([0, 1, 9, 60, 300]),
    files=st.sampled_from([1, 2, 7]),
    partition_by=st.lists(st.sampled_from(PARTITIONED_BY), max_size=2, unique=True).map(tuple),
    mapping=st.sampled_from(MAPPINGS),
    statistics=st.sampled_from(STATISTICS),
    deleted_percent=st.sampled_from([10, 50, 90]),
    variety=st.sampled_from([1, 2, 8, 30]),
    is_clustered=st.booleans(),
    steps=st.lists(st.sampled_from(STEPS), max_size=6).map(tuple),
    late=st.lists(st.sampled_from(LATE), max_size=4, unique=True).map(tuple),
    checkpoints=st.lists(CHECKPOINT, max_size=2).map(tuple),
    is_cleaned=st.booleans(),
    written=FILES,
)
