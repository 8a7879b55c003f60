"""Known defects of the libraries beneath: each measured, with where it is shown and what closes it here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple


class Defect(NamedTuple):
    """A defect of the versions from `first` to `last`, both included, and of everything below `last`.

    - `evidence`: the issue, or the test of this project that fails when the defect is gone.
    - `closed_by`: what of dfd is free of it.
    """

    library: str
    first: tuple[int, ...]
    last: tuple[int, ...]
    defect: str
    evidence: str
    closed_by: str

    def has(self, version: str) -> bool:
        """True when a version, like `1.6.6`, is within the range."""
        release = tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])
        return self.first <= release and release[: len(self.last)] <= self.last


_KNOWN = "tests/routes/test_known_defects.py"
_STILL_WRONG = f"{_KNOWN}: test_what_is_wrong"
_NOT_CLOSED = "nothing: docs/limits.md says what happens where"

DEFECTS = (
    Defect(
        "deltalake",
        (1, 6, 4),
        (1, 6, 6),
        "optimize.compact() and optimize.z_order() that race double rows or bring deleted ones back",
        "packages/dfd-delta-policy/tests/operations/test_optimize.py: test_deltalakes_own_compaction_keeps_rows",
        "GuardedTable.optimize() commits by a compare-and-swap of its own",
    ),
    Defect(
        "deltalake",
        (1, 6, 4),
        (1, 6, 6),
        "to_pyarrow_table() and to_pyarrow_dataset() give nulls for every column of a table with column "
        "mapping (1.6.3 refuses it)",
        "tests/compat/test_defects.py: test_mapped_columns_through_pyarrow",
        "delta_table() reads by the physical names",
    ),
    Defect(
        "deltalake",
        (1, 6, 4),
        (1, 6, 6),
        "a DeltaTable registered in a session of datafusion 55 scans no table with deletion vectors",
        "tests/compat/test_defects.py: test_deletion_vectors_through_deltalakes_provider",
        "delta_table() hands over one leaf, which no rule of the session rewrites",
    ),
    Defect(
        "deltalake",
        (1, 6, 2),
        (1, 6, 6),
        "a DeltaTable registered in a session scans no remote table; count(*) alone answers",
        "delta-io/delta-rs#4623, apache/datafusion#24733",
        "delta_table() has an object store of its own",
    ),
    Defect(
        "deltalake",
        (1, 6, 1),
        (1, 6, 3),
        "its own guard asks for datafusion 54 only, or its settings are unknown there: DeltaTable can't be "
        "registered, and 1.6.3, which is on DataFusion 55, ends the process next to datafusion 54.1",
        "tests/compat/test_deltalake.py: test_neighbours; delta-io/delta-rs#4702",
        "ensure_compatible() refuses a deltalake of another DataFusion; delta_table() needs none",
    ),
    Defect(
        "deltalake",
        (0, 15, 1),
        (1, 6, 6),
        "a process that used to_pyarrow_table() may abort at exit (code 134; 1 to 5 of 20 runs)",
        "delta-io/delta-rs#2184, pola-rs/polars#24169",
        "queries don't read through pyarrow datasets",
    ),
    Defect(
        "deltalake",
        (1,),
        (1, 6, 6),
        "two names of one storage option resolve by hash order, and unknown ones are ignored",
        "packages/dfd-storage/tests/test_options.py: test_two_names_of_one_setting_are_refused",
        "StorageProfile refuses both",
    ),
    Defect(
        "datafusion",
        (55,),
        (55, 0),
        "a relation without rows loses its columns in the bytes of a plan",
        "tests/compat/test_defects.py: test_a_relation_without_rows_keeps_its_columns",
        "Engine.run() compares names and types first; such a query runs in the session",
    ),
    Defect(
        "datafusion",
        (55,),
        (55, 0),
        "rows with NaN are lost to filters over Parquet files, whose bounds leave NaN out",
        "tests/compat/test_defects.py: test_nan_in_parquet",
        "the engine takes the bounds of floats away; a session's own SQL over plain Parquet tables isn't helped",
    ),
    *(
        Defect(
            "datafusion",
            (55,),
            (55, 0),
            defect,
            f"{_KNOWN}: test_what_is_right; apache/datafusion#{issue}",
            f"the engine believes no such {what}; a session's own SQL isn't helped",
        )
        for issue, what, defect in (
            (
                "24421",
                "constants",
                "CUBE, ROLLUP and GROUPING SETS over a column of one value give groups in parts",
            ),
            (
                "25232",
                "constants",
                "ORDER BY a column is left out after a condition like `n / 2 = 1` on it",
            ),
            (
                "25052",
                "orders",
                "ORDER BY columns of both sides of a join is left out where both sides are sorted",
            ),
        )
    ),
    Defect(
        "datafusion",
        (55,),
        (55, 0),
        "a plan's bytes name functions of datafusion.functions.spark like DataFusion's own",
        "tests/compat/test_defects.py: test_functions_of_spark_in_the_bytes_of_a_plan",
        "such a query runs in the session",
    ),
    Defect(
        "datafusion",
        (55,),
        (55, 0),
        "MIN or MAX beside another aggregate has a wrong value over Parquet files: the filter that it pushes "
        "into the scan drops rows that the other one needs",
        "tests/compat/test_defects.py: test_max_beside_another_max; apache/datafusion#24816",
        "runtimes and the engine have datafusion.optimizer.enable_aggregate_dynamic_filter_pushdown off, and "
        "refuse it; a plain session has to be set so",
    ),
    Defect(
        "datafusion",
        (55,),
        (55, 0),
        "the Arrow stream of a DataFrame never gives a batch where the partitions of a join wait for one another: "
        "it reads one after the other",
        "tests/compat/test_defects.py: test_the_stream_of_a_join",
        "wherever dfd takes data, a DataFrame is read by execute_stream()",
    ),
    Defect(
        "datafusion",
        (55,),
        (55, 0),
        "the Arrow stream of a DataFrame has the types of the plan before coercion: in `select 1 union all "
        "select 1.5` doubles are read as integers",
        "tests/compat/test_defects.py: test_the_types_of_a_dataframes_stream",
        "wherever dfd takes data, a DataFrame is read by execute_stream(), under the types of the rows",
    ),
    Defect(
        "datafusion",
        (55,),
        (55, 0),
        "the dynamic filter of a join or of ORDER BY with LIMIT drops rows where two columns below it have one name: "
        "it is put on the first of them",
        "packages/dfd-native/tests/test_repeated_names.py: test_no_row_is_lost; apache/datafusion#25244, #25264, #25296",
        "the engine runs such a plan without these filters; over Delta tables a session has none, over its other "
        "tables it has to be set so",
    ),
    Defect(
        "datafusion",
        (55,),
        (55, 0),
        "NaN in a Parquet file is read as the file's one other value, where it has but one",
        "tests/compat/test_defects.py: test_nan_beside_one_value_in_parquet",
        "Delta tables are read without the bounds of floats; plain Parquet tables aren't helped",
    ),
    *(
        Defect(
            "datafusion",
            (55,),
            (55, 0),
            defect,
            f"{_STILL_WRONG}; apache/datafusion#{issue}",
            _NOT_CLOSED,
        )
        for issue, defect in (
            (
                "24960",
                "EXISTS and IN of an aggregate without GROUP BY lose the row that it has of nothing",
            ),
            ("25283", "EXISTS forgets OFFSET"),
            ("25336", "NOT IN heeds nulls that the condition of a correlated subquery leaves out"),
            ("25471", "LEAD with IGNORE NULLS finds nothing behind nulls, or behind a LIMIT"),
            ("22138", "SUM and AVG over a frame stay NaN when the NaN or infinity has left it"),
            (
                "25095",
                "a timestamp without a zone beside a literal with one is off by the session's time zone",
            ),
            ("25415", "random() is drawn again for a condition on it, by GROUP BY and by BETWEEN"),
            ("16406", "SUM of decimals wraps around beyond 38 digits"),
        )
    ),
    Defect(
        "datafusion",
        (55,),
        (55, 0),
        "MIN and MAX of floating-point groups with NaN are those of the rows behind the last NaN, and of "
        "infinities the greatest finite number",
        f"{_STILL_WRONG}; apache/datafusion#24432",
        "the engine has functions of its own; a session's own SQL isn't helped",
    ),
    Defect(
        "datafusion",
        (55,),
        (55, 0),
        "under a memory limit a repartitioning with several inputs that spills may wait for ever",
        "apache/datafusion#24883",
        "the engine and stages give each one input (rules/single_writers.rs); a session's own SQL isn't helped",
    ),
    Defect(
        "datafusion",
        (55,),
        (55, 0),
        "EXCEPT ALL and INTERSECT ALL don't count how often a row is there",
        _STILL_WRONG,
        _NOT_CLOSED,
    ),
    Defect(
        "datafusion",
        (53,),
        (55, 0),
        "an object store without its secret raises PanicException, which is no Exception",
        "tests/compat/test_defects.py: test_a_store_without_its_secret",
        "StorageProfile is checked when it is built",
    ),
)


def known_defects(versions: Mapping[str, str | None]) -> list[dict[str, str]]:
    """The defects that the given versions of libraries have, as plain values."""
    return [
        {
            "library": f"{defect.library} {found}",
            "defect": defect.defect,
            "evidence": defect.evidence,
            "closed_by": defect.closed_by,
        }
        for defect in DEFECTS
        if (found := versions.get(defect.library)) is not None and defect.has(found)
    ]
