"""The runtime profile: the one place where configuration enters."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from dfd_cache import CacheConfig
from dfd_delta_policy import DeltaRetryPolicy, UpkeepThresholds
from dfd_obs import ObservabilityConfig
from dfd_storage import StorageProfile

from dfd.errors import ConfigurationError
from dfd.suggestions import did_you_mean
from dfd.table_entries import SchemaEntry, TableEntry

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def measured_settings() -> dict[str, str]:
    """DataFusion settings of a runtime, for its session and its engine, where the profile has no other.

    TPC-H at scale 1 on 2 cores took 0.85 of the time with them that it took with the library's own
    (`benchmarks/scan`): two partitions a core, batches of 16,384 rows, and joins that keep a build
    side of up to 100 MB in one piece.
    """
    return {
        "datafusion.execution.target_partitions": str(2 * (os.cpu_count() or 1)),
        "datafusion.execution.batch_size": "16384",
        "datafusion.optimizer.hash_join_single_partition_threshold": str(100 * 1024 * 1024),
        "datafusion.optimizer.hash_join_single_partition_threshold_rows": "10000000",
        "datafusion.execution.perfect_hash_join_small_build_threshold": "10000000",
    }


AGGREGATE_FILTERS = "datafusion.optimizer.enable_aggregate_dynamic_filter_pushdown"
"""The setting that is always off: `max(a)` beside `max(b + 1)` would lose rows (apache/datafusion#24816)."""


def aggregate_filters_refused(what: str) -> ConfigurationError:
    """The error of what would switch `AGGREGATE_FILTERS` on."""
    return ConfigurationError(
        f"{what} switches {AGGREGATE_FILTERS} on, with which DataFusion gives wrong values for MIN and "
        "MAX beside another aggregate (apache/datafusion#24816). It stays off: leave it out."
    )


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Memory and disk that the engine may use.

    - `memory_limit_bytes`: of all its queries together; sorts, joins and aggregates spill beyond it.
      Each partition takes a share, of 8 MiB at least: a small limit makes partitions fewer. A query
      that the limit is too small for is an error that names it and what helps. The rows on their
      way, what a window holds and the caches come on top. Default: no limit.
    - `spill_directory`: where they spill. Default: a temporary directory of the system.
    """

    memory_limit_bytes: Annotated[int, msgspec.Meta(gt=0)] | None = None
    spill_directory: str | None = None


def _whole(cache: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `[cache]`, those of its preset included."""
    fields = dict(cache)
    if "preset" not in fields:
        return fields
    preset = CacheConfig.preset(fields.pop("preset"))
    return {**msgspec.to_builtins(preset), **fields}


def _refusal(error: msgspec.ValidationError) -> str:
    """What is wrong with a profile, and which of its fields was meant where one is misspelt."""
    said = str(error)
    unknown = re.search(r"unknown field `([^`]*)`(?: - at `\$\.?([^`\[]*))?", said)
    if unknown is None:
        return f"{said}."
    name, table = unknown[1], unknown[2] or ""
    return f"{said}. {did_you_mean(name, _fields_of(table))}"


def _fields_of(table: str) -> list[str]:
    """The names of a table's fields in TOML; of the whole profile without one."""
    kinds: dict[str, type[msgspec.Struct]] = {
        "cache": CacheConfig,
        "retry": DeltaRetryPolicy,
        "observability": ObservabilityConfig,
        "engine": EngineConfig,
        "table": TableEntry,
        "schema": SchemaEntry,
        "keep": UpkeepThresholds,
    }
    kind = kinds.get(table) if table else DataFusionRuntimeProfile
    return [] if kind is None else [field.encode_name for field in msgspec.structs.fields(kind)]


class DataFusionRuntimeProfile(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True
):
    """The configuration of a runtime. Frozen; each part checks its own fields.

    - `storage`: profiles by location; the longest matching prefix wins, and local
      paths need none. Default: none.
    - `cache`: DataFusion's caches. Default: `CacheConfig()`.
    - `retry`: policy of every mutation. Default: `DeltaRetryPolicy()`.
    - `observability`: Default: `ObservabilityConfig()`.
    - `engine`: Default: `EngineConfig()`.
    - `tables`, `schemas`: names of tables, and of folders of tables. Default: none.
    - `keep`: from when on `dfd keep` finds an operation due. Default: `UpkeepThresholds()`.
    - `session`: DataFusion settings by their full name
      (`datafusion.execution.batch_size`), as text. Default: none beside `measured_settings()`;
      `settings` has all of them. `AGGREGATE_FILTERS` can't be switched on.
    """

    storage: tuple[StorageProfile, ...] = ()
    cache: CacheConfig = msgspec.field(default_factory=CacheConfig)
    retry: DeltaRetryPolicy = msgspec.field(default_factory=DeltaRetryPolicy)
    observability: ObservabilityConfig = msgspec.field(default_factory=ObservabilityConfig)
    engine: EngineConfig = msgspec.field(default_factory=EngineConfig)
    session: dict[str, str] = {}
    tables: tuple[TableEntry, ...] = msgspec.field(default=(), name="table")
    schemas: tuple[SchemaEntry, ...] = msgspec.field(default=(), name="schema")
    keep: UpkeepThresholds = msgspec.field(default_factory=UpkeepThresholds)

    def __post_init__(self) -> None:
        if self.session.get(AGGREGATE_FILTERS, "false").strip().lower() != "false":
            raise aggregate_filters_refused("`session`")

    @property
    def settings(self) -> dict[str, str]:
        """The DataFusion settings of the session and the engine, in the order in which they are set.

        The measured ones, `session` over them, and last what makes results wrong, off:
        `datafusion.optimizer.enable_dynamic_filter_pushdown` would switch it on with the others.
        """
        settings = {**measured_settings(), **self.session}
        settings.pop(AGGREGATE_FILTERS, None)
        return {**settings, AGGREGATE_FILTERS: "false"}

    @classmethod
    def from_toml(cls, source: str | Path | Mapping[str, Any]) -> DataFusionRuntimeProfile:
        """Build from a TOML file or an already parsed mapping.

        Tables: `[[storage]]` (see `StorageProfile.from_toml`), `[cache]`, `[retry]`,
        `[observability]`, `[engine]`, `[keep]`, `[session]`, `[[table]]` (`TableEntry`), `[[schema]]`
        (`SchemaEntry`). `[cache]` may name a `preset` of `CacheConfig`;
        fields beside it stand in place of the preset's own.

        Raises:
            ConfigurationError: the file can't be read, isn't TOML, or a field is
                unknown or of the wrong kind.
            dfd_storage.StorageError: a storage profile is refused.
        """
        if isinstance(source, Mapping):
            fields = dict(source)
        else:
            try:
                fields = tomllib.loads(Path(source).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise ConfigurationError(f"The profile {source} can't be read: {error}.") from error
        storage = fields.pop("storage", [])
        if not isinstance(storage, (list, tuple)):
            raise ConfigurationError("`storage` is a list of tables: write [[storage]].")
        storage_profiles = tuple(StorageProfile.from_toml(entry) for entry in storage)
        if isinstance(cache := fields.get("cache"), Mapping):
            fields["cache"] = _whole(cache)
        try:
            profile = msgspec.convert(fields, cls)
        except msgspec.ValidationError as error:
            raise ConfigurationError(f"The profile is refused: {_refusal(error)}") from error
        return msgspec.structs.replace(profile, storage=storage_profiles)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> DataFusionRuntimeProfile:
        """Read `DFD_PROFILE`, the path of a TOML profile; the default profile without it."""
        path = (os.environ if environ is None else environ).get("DFD_PROFILE")
        return cls.from_toml(path) if path else cls()
