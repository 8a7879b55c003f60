"""Counters of caches as metrics of OpenTelemetry."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from dfd_obs import semconv

ReadCaches = Callable[[], Mapping[str, Mapping[str, int]]]

_EVENTS = {
    "hits": ("{hit}", "Look-ups that found what they were for"),
    "misses": ("{miss}", "Look-ups that found nothing"),
    "evictions": ("{entry}", "Entries that made room for others"),
}
_CONTENTS = {
    "entries": ("{entry}", "Entries that are kept"),
    "bytes": ("By", "Bytes of what is kept"),
}


@functools.cache
def export_cache_metrics(read: ReadCaches) -> None:
    """Let the metric readers of this process read caches, by name their hits, misses, evictions, entries and bytes.

    However often it is called with one function, it is read once. Without an SDK nothing is read.
    """
    meter = metrics.get_meter("dfd_obs", version("dfd-obs"), schema_url=semconv.SCHEMA_URL)
    for create, told in (
        (meter.create_observable_counter, _EVENTS),
        (meter.create_observable_up_down_counter, _CONTENTS),
    ):
        for count, (unit, description) in told.items():
            callback = functools.partial(_observed, read, count)
            create(f"dfd.cache.{count}", [callback], unit, description)


def _observed(read: ReadCaches, count: str, options: CallbackOptions) -> Iterator[Observation]:
    for cache, counts in read().items():
        yield Observation(counts[count], {"dfd.cache": cache})
