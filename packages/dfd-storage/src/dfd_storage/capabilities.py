"""Capabilities of the libraries: which settings of which kind each can express, in one table.

`require` is called by every rendering, so that a setting is rendered or refused and never dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from dfd_storage.errors import MissingDependency, UnsupportedSetting

LIBRARIES = ("deltalake", "dfd-native", "datafusion", "obstore", "pyarrow", "polars", "duckdb")

_ALL = frozenset(LIBRARIES)
_OBJECT_STORE = frozenset({"deltalake", "dfd-native", "obstore"})
_WEB = frozenset({"dfd-native", "obstore"})
_NONE: frozenset[str] = frozenset()
_BUT_DATAFUSION = _ALL - {"datafusion"}

_CLIENT = {
    "timeout_s": _OBJECT_STORE | {"polars"},
    "connect_timeout_s": _OBJECT_STORE | {"polars"},
    "max_retries": _OBJECT_STORE | {"polars"},
    "retry_timeout_s": _OBJECT_STORE,
    "proxy_url": _OBJECT_STORE | {"polars"},
    "proxy_auth": _OBJECT_STORE | {"polars"},
    "ca_file": _OBJECT_STORE,
    "max_concurrency": frozenset({"dfd-native"}),
    "extra": _OBJECT_STORE | {"polars"},
}

CAPABILITIES: dict[str, dict[str, frozenset[str]]] = {
    "s3": {
        "uri": _ALL,
        "region": _ALL,
        "endpoint": _ALL,
        "allow_http": _ALL,
        "virtual_hosted": _BUT_DATAFUSION,
        **_CLIENT,
        "timeout_s": _OBJECT_STORE | {"pyarrow", "polars"},
        "connect_timeout_s": _OBJECT_STORE | {"pyarrow", "polars"},
        "max_retries": _OBJECT_STORE | {"pyarrow", "polars"},
        "proxy_url": _OBJECT_STORE | {"pyarrow", "polars"},
        "proxy_auth": _OBJECT_STORE | {"pyarrow", "polars"},
        "ca_file": _OBJECT_STORE | {"pyarrow"},
        "encryption": _OBJECT_STORE | {"polars"},
        "credentials: static": _ALL,
        "credentials: profile": _ALL,
        "credentials: assume_role": _ALL,
        "credentials: web_identity": _ALL,
        "credentials: provider": _ALL,
        "credentials: ambient": _ALL - {"duckdb"},
        "credentials: anonymous": _OBJECT_STORE | {"pyarrow", "polars", "duckdb"},
        # The lock coordinates writers; who only reads needs nothing of it.
        "commits: dynamodb": _ALL,
        "commits: unsafe": _ALL,
    },
    "gcs": {
        "uri": _ALL - {"duckdb"},
        "endpoint": _OBJECT_STORE | {"pyarrow", "polars"},
        "allow_http": _OBJECT_STORE | {"pyarrow", "polars"},
        **_CLIENT,
        "credentials: service_account": _OBJECT_STORE | {"datafusion", "polars"},
        "credentials: anonymous": _OBJECT_STORE | {"pyarrow", "polars"},
        "credentials: ambient": _OBJECT_STORE | {"datafusion", "pyarrow", "polars"},
        "credentials: provider": _OBJECT_STORE | {"datafusion", "polars"},
    },
    "azure": {
        "uri": _ALL,
        "account": _ALL,
        "endpoint": _OBJECT_STORE | {"pyarrow", "polars"},
        "emulator": _OBJECT_STORE | {"datafusion", "pyarrow", "polars"},
        "allow_http": _OBJECT_STORE | {"datafusion", "pyarrow", "polars"},
        **_CLIENT,
        "credentials: account_key": _ALL,
        "credentials: sas": _OBJECT_STORE | {"datafusion", "pyarrow", "polars"},
        "credentials: bearer_token": _OBJECT_STORE | {"datafusion", "polars"},
        "credentials: client_secret": _ALL,
        "credentials: web_identity": _OBJECT_STORE | {"polars"},
        "credentials: managed_identity": _OBJECT_STORE | {"polars"},
        "credentials: azure_cli": _OBJECT_STORE | {"polars"},
        "credentials: anonymous": _OBJECT_STORE | {"polars"},
        "credentials: ambient": _OBJECT_STORE | {"datafusion", "polars"},
        "credentials: provider": _OBJECT_STORE | {"datafusion", "polars"},
    },
    # deltalake opens no http location: the key of a log store can't be a URL of that scheme.
    "http": {
        "uri": _WEB | {"datafusion"},
        "allow_http": _WEB,
        **{setting: libraries & _WEB for setting, libraries in _CLIENT.items()},
    },
    "local": {"uri": _ALL - {"duckdb"}},
    # Each library has a memory of its own: what one wrote, no other finds.
    "memory": {"uri": frozenset({"obstore"})},
}


@cache
def installed_version(library: str) -> str:
    """The installed version of a library, read once per process.

    Raises:
        MissingDependency: it isn't installed; the message has the command that installs it.
    """
    try:
        return version(library)
    except PackageNotFoundError:
        raise MissingDependency(library) from None


def require(kind: str, settings: Iterable[str], library: str) -> None:
    """Refuse the first of the settings that a library can't express.

    Raises:
        UnsupportedSetting: there is one.
    """
    for setting in settings:
        if library not in CAPABILITIES[kind].get(setting, _NONE):
            field = "kind" if setting == "uri" else setting.partition(":")[0]
            raise UnsupportedSetting(field, library, installed_version(library))


def table() -> str:
    """The table of capabilities in Markdown, as the documents show it."""
    lines = []
    for kind, settings in CAPABILITIES.items():
        lines += [
            f"### {kind}",
            "",
            "| setting | " + " | ".join(LIBRARIES) + " |",
            "|---|" + "---|" * len(LIBRARIES),
        ]
        lines += [
            f"| `{setting}` | "
            + " | ".join("yes" if library in libraries else "-" for library in LIBRARIES)
            + " |"
            for setting, libraries in settings.items()
        ]
        lines.append("")
    return "\n".join(lines)
