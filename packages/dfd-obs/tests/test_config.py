"""Bad configuration is refused where it is built."""

from __future__ import annotations

from typing import Any

import pytest
from dfd_obs import InvalidObservabilityConfig, ObservabilityConfig


def test_defaults_keep_no_text() -> None:
    config = ObservabilityConfig()
    assert (config.record_sql, config.delta_tracing) == ("digest", False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slow_query_ms", -1),
        ("slow_query_ms", float("nan")),
        ("slow_query_ms", "100"),
        ("max_plan_bytes", 0),
        ("max_records", 1.5),
        ("max_records", True),
        ("record_sql", "all"),
        ("delta_tracing", 1),
    ],
)
def test_refuses_and_names_the_field(field: str, value: Any) -> None:
    with pytest.raises(InvalidObservabilityConfig, match=field):
        ObservabilityConfig(**{field: value})
