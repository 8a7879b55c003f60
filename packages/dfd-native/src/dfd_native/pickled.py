"""The old name of `dfd_native.udf_pickling`."""

from dfd_base import renamed

from dfd_native import udf_pickling

__getattr__ = renamed(__name__, {"captured": "captured_state"}, udf_pickling.__name__)
