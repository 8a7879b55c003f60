"""Hypothesis without a clock: how long an example takes is no matter of these tests."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("dfd", deadline=None)
settings.load_profile("dfd")
