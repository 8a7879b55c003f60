"""The old name of `dfd_native.udf_pickling`, under which the library still asks; so it doesn't warn."""

from dfd_native.udf_pickling import captured_state as captured

__all__ = ["captured"]
