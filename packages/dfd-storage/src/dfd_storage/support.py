"""Deprecated name of `dfd_storage.capabilities`."""

from typing import TYPE_CHECKING

from dfd_base import renamed

from dfd_storage import capabilities

if TYPE_CHECKING:
    LIBRARIES = capabilities.LIBRARIES
    SUPPORT = capabilities.CAPABILITIES
    installed = capabilities.installed_version
    require = capabilities.require
    table = capabilities.table
else:
    __getattr__ = renamed(
        __name__,
        {
            "LIBRARIES": "LIBRARIES",
            "SUPPORT": "CAPABILITIES",
            "installed": "installed_version",
            "require": "require",
            "table": "table",
        },
        capabilities.__name__,
    )
