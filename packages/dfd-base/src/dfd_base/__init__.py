"""The root of the errors of dfd, and the names that have changed."""

from importlib.metadata import version as _version

from dfd_base.deprecation import renamed, renamed_keywords, warn_renamed
from dfd_base.errors import DfdError

__all__ = ["DfdError", "renamed", "renamed_keywords", "warn_renamed"]
__version__ = _version("dfd-base")
