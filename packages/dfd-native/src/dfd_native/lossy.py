"""The old name of `dfd_native.plan_roundtrip`."""

from dfd_base import renamed

from dfd_native import plan_roundtrip

__getattr__ = renamed(__name__, {"lost": "unsupported"}, plan_roundtrip.__name__)
