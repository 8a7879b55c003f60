"""Cache settings put where caches are, and read back from there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from dfd_cache.config import KIB, CacheConfig
from dfd_cache.errors import CacheNotApplied, UnsupportedCacheSetting

if TYPE_CHECKING:
    from datafusion import SessionContext

_LIMITS = {
    "listings_bytes": "datafusion.runtime.list_files_cache_limit",
    "parquet_meta_limit_bytes": "datafusion.runtime.metadata_cache_limit",
    "file_statistics_limit_bytes": "datafusion.runtime.file_statistics_cache_limit",
}
_LISTING_TTL = "datafusion.runtime.list_files_cache_ttl"
# RESET leaves a time to live as it is (DataFusion 55.0.0): the longest one stands for none.
_FOR_EVER_S = 1 << 31


Limit = tuple[int, "float | None"]


class EngineCaches(Protocol):
    """The caches of an engine, as `dfd_native.Engine` has them: bytes and seconds by name."""

    @property
    def cache_limits(self) -> Mapping[str, Limit]: ...
    def set_cache_limits(self, limits: Mapping[str, Any]) -> None: ...


class AppliedCache(msgspec.Struct, frozen=True):
    """The outcome of `apply`, as the places say it where caches are.

    - `settings`: of the session, DataFusion's by name, as it shows them; `read_back` is False where
      the session has no `information_schema` to ask.
    - `places`: what each place says of its caches, by name: `session` as `settings` has it; with an
      engine `engine`, `foreign_session` (Delta tables in plain sessions, and changes of rows) and
      `snapshots`, each cache with its bytes and its seconds (None: for ever).
    """

    config: CacheConfig
    settings: dict[str, str | None]
    read_back: bool
    places: dict[str, dict[str, Any]] = {}


def apply(
    session_context: SessionContext, config: CacheConfig, engine: EngineCaches | None = None
) -> AppliedCache:
    """Set the caches of a session, and with it those of an engine and of the process, and read back what took effect.

    `engine` is a `dfd_native.Engine`. What belongs to the process is of the last that was applied.

    Raises:
        UnsupportedCacheSetting: what a field asks for needs an engine, or a runtime; nothing was set.
        CacheNotApplied: a place says another value afterwards.
    """
    if engine is None:
        _refuse_what_needs_more(config)
    elif config.parquet_meta_ttl_s is not None:
        # The session's footers have no time to live.
        in_session = msgspec.structs.replace(
            config, parquet_meta_ttl_s=None, parquet_meta_limit_bytes=0
        )
        applied = _apply_to_session(session_context, in_session)
        return _with_places(applied, config, engine)
    applied = _apply_to_session(session_context, config)
    return applied if engine is None else _with_places(applied, config, engine)


def _refuse_what_needs_more(config: CacheConfig) -> None:
    if config.parquet_meta_ttl_s is not None:
        raise UnsupportedCacheSetting(
            "A session's cache of Parquet footers has no time to live. dfd-native's engine has one: give "
            "`engine=`, leave `parquet_meta_ttl_s` out, or set `parquet_meta_limit_bytes` to 0."
        )
    if config.freshness_s:
        raise UnsupportedCacheSetting(
            "`freshness_s` is of tables that a runtime registers, and a session has no such: use dfd.connect()."
        )


def _with_places(applied: AppliedCache, config: CacheConfig, engine: EngineCaches) -> AppliedCache:
    import dfd_native

    files: dict[str, Limit] = {
        "parquet_meta": (config.parquet_meta_limit_bytes, config.parquet_meta_ttl_s),
        "list_files": (config.listings_bytes, config.list_files_ttl_s),
        "file_statistics": (config.file_statistics_limit_bytes, None),
    }
    snapshots: dict[str, Limit] = {"snapshot": (config.snapshot_limit_bytes, config.snapshot_ttl_s)}
    engine.set_cache_limits(files)
    dfd_native.set_process_cache_limits(
        {name: dfd_native.CacheLimit(*limit) for name, limit in {**files, **snapshots}.items()}
    )
    of_process = dfd_native.process_cache_limits()
    found: dict[str, dict[str, Limit]] = {
        "engine": dict(engine.cache_limits),
        "foreign_session": {name: of_process[name] for name in files},
        "snapshots": {name: of_process[name] for name in snapshots},
    }
    for place, caches in found.items():
        wanted = snapshots if place == "snapshots" else files
        for name, limit in wanted.items():
            if tuple(caches[name]) != limit:
                raise CacheNotApplied(f"{place}: {name} was set to {limit} and is {caches[name]}.")
    shown = {
        place: {name: {"bytes": limit[0], "ttl_s": limit[1]} for name, limit in caches.items()}
        for place, caches in found.items()
    }
    return AppliedCache(
        config, applied.settings, applied.read_back, {"session": dict(applied.settings), **shown}
    )


def _apply_to_session(session_context: SessionContext, config: CacheConfig) -> AppliedCache:
    wanted = {name: _render(getattr(config, field)) for field, name in _LIMITS.items()}
    if config.listings_bytes:
        ttl_s = config.list_files_ttl_s
        if ttl_s is None and (_read(session_context) or {}).get(_LISTING_TTL):
            ttl_s = _FOR_EVER_S
        if ttl_s is not None:
            wanted[_LISTING_TTL] = f"{ttl_s}s"
    for name, value in wanted.items():
        session_context.sql(f"SET {name} = '{value}'").collect()
    found = _read(session_context)
    if found is None:
        return _of_session(config, dict(wanted), read_back=False)
    for name, value in wanted.items():
        if not _agree(value, found.get(name)):
            raise CacheNotApplied(f"{name} was set to {value} and is {found.get(name)}.")
    return _of_session(config, found, read_back=True)


def _of_session(
    config: CacheConfig, settings: dict[str, str | None], read_back: bool
) -> AppliedCache:
    return AppliedCache(config, settings, read_back, {"session": dict(settings)})


def _render(limit_bytes: int) -> str:
    return f"{limit_bytes // KIB}K"


_SHOWN = re.compile(r"(\d+)([KMG]?)|(\d+)m(\d+)s")
_UNITS = {"": 1, "K": KIB, "M": KIB**2, "G": KIB**3}


def _agree(asked: str, shown: str | None) -> bool:
    """Whether DataFusion shows what was asked: limits cut down to a whole unit, times as `1m30s`."""
    found = _SHOWN.fullmatch(shown or "")
    if found is None:
        return False
    if found[3] is not None:
        return asked == f"{int(found[3]) * 60 + int(found[4])}s"
    unit = _UNITS[found[2]]
    return 0 <= _bytes(asked) - int(found[1]) * unit < unit


def _bytes(text: str) -> int:
    return int(text.rstrip("KMG")) * _UNITS[text[-1:] if text[-1:] in "KMG" else ""]


def _read(session_context: SessionContext) -> dict[str, str | None] | None:
    names = ", ".join(f"'{name}'" for name in (*_LIMITS.values(), _LISTING_TTL))
    try:
        batches = session_context.sql(
            f"select name, value from information_schema.df_settings where name in ({names})"  # noqa: S608
        ).collect()
    except Exception as error:
        if "information_schema" in str(error):
            return None
        raise
    return {row["name"]: row["value"] for batch in batches for row in batch.to_pylist()}
