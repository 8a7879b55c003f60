"""Delta tables in Airflow: a hook that gives a dfd runtime, and an operator that runs SQL exactly once.

A task that is retried, or cleared, sends its rows again. The table knows the date of the run that they are of,
and takes them once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import dfd
from airflow.sdk import BaseHook, BaseOperator


class DfdHook(BaseHook):
    """Gives runtimes of a profile, each within the run of the task that asks.

    - `profile`: the path of a `dfd.toml`; default: `DFD_PROFILE`, or none.
    """

    def __init__(self, profile: str | None = None, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.profile = profile

    def get_conn(self) -> dfd.Runtime:
        """A runtime; used in a `with` statement, its block is one run. Made in the task's own process, after its fork."""
        return dfd.connect(self.profile)


class DfdWriteOperator(BaseOperator):
    """Writes what a query gives into a table, once for each run of the DAG.

    - `sql`: the query, a template: `{{ ds }}` is the day of the run.
    - `values`: of `$name` in it; templates as well.
    - `table`: a URI, or a name of the profile.
    - `replace`: a condition of the rows to be replaced, a template as well; default: rows are added.
    - `schemas`: folders of tables by name, beside those of the profile.

    Its result is the status and the version: `already_committed` where an earlier try had landed.
    """

    template_fields: Sequence[str] = ("sql", "table", "replace", "values")

    def __init__(
        self,
        *,
        sql: str,
        table: str,
        replace: str | None = None,
        values: Mapping[str, Any] | None = None,
        schemas: Mapping[str, str] | None = None,
        profile: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.sql = sql
        self.table = table
        self.replace = replace
        self.values = dict(values or {})
        self.schemas = dict(schemas or {})
        self.profile = profile

    def execute(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Write the rows."""
        with DfdHook(self.profile).get_conn() as runtime:
            for name, uri in self.schemas.items():
                runtime.register_schema(name, uri)
            outcome = runtime.write(
                self.table,
                runtime.sql(self.sql, self.values),
                mode="append" if self.replace is None else "overwrite",
                predicate=self.replace,
                app_id=f"{self.dag_id}/{self.task_id}/{_piece(context)}",
                app_version=1,
            )
        return {"status": str(outcome.status), "version": outcome.version}


def _piece(context: Mapping[str, Any]) -> str:
    """The piece of work that a run is: its date, and of one without a date its id. A backfill takes them in any order."""
    date = context.get("logical_date")
    return str(context["run_id"]) if date is None else date.isoformat()
