"""Assets of Dagster as Delta tables: an IO manager over a dfd runtime.

An asset's output is a table beneath `root`, under the path of the asset's key. Without partitions a
materialization replaces the table; with them it replaces the rows of its partition, whatever runs at the same
time, and however often it is run again. Inputs are queries: what an asset takes of them is what is read.
"""

from __future__ import annotations

from typing import Any

import dfd
import pyarrow as pa
from dagster import ConfigurableIOManager, InputContext, OutputContext


class DeltaIOManager(ConfigurableIOManager):
    """Keeps what assets give (anything of Arrow, frames of polars and pandas) in Delta tables.

    - `root`: a folder or a URI.
    - `partition_column`: has the partition's key in each row. It is added where the data lacks it.
    - `profile`: the path of a `dfd.toml`; default: none.
    """

    root: str
    partition_column: str = "partition"
    profile: str | None = None

    def _uri(self, context: InputContext | OutputContext) -> str:
        return "/".join([self.root.rstrip("/"), *context.asset_key.path])

    def handle_output(self, context: OutputContext, obj: Any) -> None:
        """Write what an asset gave."""
        with dfd.connect(self.profile) as runtime:
            if context.has_asset_partitions:
                outcome = self._write_partition(runtime, context, obj)
            else:
                outcome = runtime.write(
                    self._uri(context), obj, mode="overwrite", schema_mode="overwrite"
                )
        context.add_output_metadata(
            {
                "uri": self._uri(context),
                "version": outcome.version,
                "status": str(outcome.status),
                "rows": outcome.metrics.get("rows"),
            }
        )

    def _write_partition(self, runtime: dfd.Runtime, context: OutputContext, obj: Any) -> Any:
        key, column = context.asset_partition_key, self.partition_column
        rows = pa.table(obj)
        if column not in rows.column_names:
            rows = rows.append_column(column, pa.repeat(pa.scalar(key), rows.num_rows))
        value = key.replace("'", "''")
        return runtime.write(
            self._uri(context),
            rows,
            mode="overwrite",
            predicate=f"{column} = '{value}'",
            partition_by=[column],
        )

    def load_input(self, context: InputContext) -> pa.Table:
        """Read what an asset is given: of the partitions that it asks for, or all."""
        with dfd.connect(self.profile) as runtime:
            runtime.register("asset", self._uri(context))
            if not context.has_asset_partitions:
                return runtime.sql("select * from asset").to_arrow_table()
            keys = {f"k{n}": key for n, key in enumerate(context.asset_partition_keys)}
            wanted = ", ".join(f"${name}" for name in keys)
            # The name of a column is the manager's own; keys are parameters.
            text = f"select * from asset where {self.partition_column} in ({wanted})"
            return runtime.sql(text, keys).to_arrow_table()
