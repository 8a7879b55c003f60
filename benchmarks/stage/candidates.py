"""Who writes. Each candidate imports its libraries at once and writes when asked, in a process of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.stage import data


class Candidate(ABC):
    """Writes a case into a new table, or directory, at `target`."""

    is_delta = True

    @abstractmethod
    def stream(self, case: str, scale: float, target: Path) -> None:
        """Write the stream of a case; `partitions` by `p`."""

    @abstractmethod
    def query(self, scale: float, target: Path) -> None:
        """Write the result of `data.QUERY`."""


def _partitioning(case: str) -> list[str] | None:
    return ["p"] if case == "partitions" else None


class Dfd(Candidate):
    """`runtime.write`: staged and committed."""

    def __init__(self) -> None:
        import dfd

        self.runtime = dfd.connect()

    def stream(self, case: str, scale: float, target: Path) -> None:
        stream = data.stream(case, scale)
        self.runtime.write(target, stream, partition_by=_partitioning(case))

    def query(self, scale: float, target: Path) -> None:
        self.runtime.register("keys", data.source(scale).delta)
        query = self.runtime.sql(data.QUERY)
        if query.route != "engine":
            raise RuntimeError(f"it ran in the session: {query.route_reason}")
        self.runtime.write(target, query)


class WriteDeltalake(Candidate):
    """`write_deltalake` with files of zstd; a query comes from a DataFusion session over plain Parquet."""

    compression: str | None = "ZSTD"

    def __init__(self) -> None:
        import datafusion
        import deltalake

        self.session = datafusion.SessionContext()
        self._write = deltalake.write_deltalake
        self.options: dict[str, Any] = {}
        if self.compression:
            properties = deltalake.WriterProperties(compression=self.compression)
            self.options["writer_properties"] = properties

    def stream(self, case: str, scale: float, target: Path) -> None:
        stream = data.stream(case, scale)
        self._write(target, stream, partition_by=_partitioning(case), **self.options)

    def query(self, scale: float, target: Path) -> None:
        self.session.register_parquet("keys", data.source(scale).parquet)
        self._write(target, self.session.sql(data.QUERY), **self.options)


class WriteDeltalakeDefault(WriteDeltalake):
    """`write_deltalake` as it is: files of snappy."""

    compression = None


class DataFusionCopy(Candidate):
    """DataFusion's `COPY ... TO`, which `write_parquet` is: plain Parquet, no table and no statistics in a log."""

    is_delta = False

    def __init__(self) -> None:
        import datafusion

        self.session = datafusion.SessionContext()

    def stream(self, case: str, scale: float, target: Path) -> None:
        import pyarrow.dataset as ds

        self.session.register_dataset("given", ds.dataset(data.stream(case, scale)))
        by = " partitioned by (p)" if case == "partitions" else ""
        self._copy("select * from given", target, by)

    def query(self, scale: float, target: Path) -> None:
        self.session.register_parquet("keys", data.source(scale).parquet)
        self._copy(data.QUERY, target)

    def _copy(self, query: str, target: Path, by: str = "") -> None:
        self.session.sql(f"copy ({query}) to '{target}/' stored as parquet{by}").collect()


class PolarsSink(Candidate):
    """polars `sink_delta` of a lazy frame."""

    def __init__(self) -> None:
        import deltalake  # noqa: F401  polars imports it when it writes
        import polars as pl

        self.pl = pl

    def options(self, case: str) -> dict[str, Any]:
        by = _partitioning(case)
        return {"delta_write_options": {"partition_by": by}} if by else {}

    def lazy(self, case: str, scale: float) -> Any:
        from polars.io.plugins import register_io_source

        def frames(*_: Any) -> Iterator[Any]:
            yield from data.frames(case, scale)

        first = next(data.frames(case, 1 / data.rows(case, 1)))
        return register_io_source(frames, schema=first.schema)

    def stream(self, case: str, scale: float, target: Path) -> None:
        self.lazy(case, scale).sink_delta(str(target), **self.options(case))

    def query(self, scale: float, target: Path) -> None:
        keys = self.pl.scan_parquet(f"{data.source(scale).parquet}/*.parquet")
        self.pl.SQLContext(keys=keys).execute(data.QUERY).sink_delta(str(target))


class PolarsEager(PolarsSink):
    """polars `write_delta` of a frame that is all in memory."""

    def stream(self, case: str, scale: float, target: Path) -> None:
        frame = self.pl.concat(data.frames(case, scale))
        frame.write_delta(str(target), **self.options(case))

    def query(self, scale: float, target: Path) -> None:
        keys = self.pl.scan_parquet(f"{data.source(scale).parquet}/*.parquet")
        self.pl.SQLContext(keys=keys).execute(data.QUERY).collect().write_delta(str(target))


class SourceAlone(Candidate):
    """Nothing is written: what each of the others spends on its source."""

    def __init__(self) -> None:
        import datafusion

        self.session = datafusion.SessionContext()

    def stream(self, case: str, scale: float, target: Path) -> None:
        for _ in data.stream(case, scale):
            pass

    def query(self, scale: float, target: Path) -> None:
        self.session.register_parquet("keys", data.source(scale).parquet)
        for _ in pa.RecordBatchReader.from_stream(self.session.sql(data.QUERY)):
            pass


CANDIDATES: dict[str, type[Candidate]] = {
    "dfd": Dfd,
    "deltalake-zstd": WriteDeltalake,
    "deltalake": WriteDeltalakeDefault,
    "datafusion": DataFusionCopy,
    "polars-sink": PolarsSink,
    "polars-eager": PolarsEager,
    "source": SourceAlone,
}
