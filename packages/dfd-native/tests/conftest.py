"""What tests of runs have in common."""

from __future__ import annotations

from collections.abc import Callable

import dfd_native
import pyarrow as pa
import pytest

MetricsOf = Callable[[dfd_native.EngineRun], dict[str, int]]


@pytest.fixture
def metrics_of() -> MetricsOf:
    """Reads a run to its end and gives its metrics, summed over the operators."""

    def metrics(run: dfd_native.EngineRun) -> dict[str, int]:
        plan, found = run.plan, dict[str, int]()
        pa.table(run)
        nodes = [plan]
        while nodes:
            node = nodes.pop()
            nodes += node.children()
            of_node = node.metrics()
            for metric in of_node.metrics() if of_node else ():
                found[metric.name] = found.get(metric.name, 0) + metric.value
        return found

    return metrics
