"""dfd: Delta Lake tables queried with Apache DataFusion, made dependable."""

import logging
from importlib.metadata import version as _version

from dfd.errors import ConfigurationError, DfdError, QueryError
from dfd.profile import DataFusionRuntimeProfile
from dfd.query import Query
from dfd.runtime import Runtime, connect

__all__ = [
    "ConfigurationError",
    "DataFusionRuntimeProfile",
    "DfdError",
    "Query",
    "QueryError",
    "Runtime",
    "connect",
]
__version__ = _version("dfd")

logging.getLogger(__name__).addHandler(logging.NullHandler())
