"""The detail of an operator without its literals: expressions as DataFusion shows them.

DataFusion writes a text in an expression without quotes (`code@1 = hush`), so that a literal can't be
told from a name by how it looks. What is shown is known instead: DataFusion's own words, and the
columns of the tables that the query reads. All other words, and all numbers, are `?`.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_WORDS = frozenset(
    """
    as AND OR NOT IS NULL IN LIKE ILIKE BETWEEN CASE WHEN THEN ELSE END CAST TRY_CAST AS SET TRUE FALSE DISTINCT
    ASC DESC NULLS FIRST LAST FILTER PARTITION BY ORDER RANGE ROWS GROUPS UNBOUNDED PRECEDING FOLLOWING CURRENT ROW
    Inner Left Right Full LeftSemi RightSemi LeftAnti RightAnti LeftMark RightMark LeftSingle Hash RoundRobinBatch
    UnknownPartitioning Partial Final FinalPartitioned Single SinglePartitioned PartialReduce CollectLeft Partitioned
    Auto Sorted Linear PartiallySorted FullyBounded
    mode gby aggr expr filter filters on join_type projection partitioning input_partitions preserve_partitioning
    preserve_order sort_exprs fetch skip file_groups file_type parquet csv json arrow predicate pruning_predicate
    required_guarantees partitions partition_sizes files of columns group groups output_ordering ordering_mode wdw
    frame Field nullable limit lim null_equality NullEqualsNull NullEqualsNothing TopK DynamicFilter true false
    row_count null_count min max count sum avg median first_value last_value row_number rank dense_rank lag lead ntile
    array_agg string_agg stddev var_pop var_samp approx_distinct approx_percentile_cont date_part date_trunc date_bin
    lower upper trim btrim ltrim rtrim substr replace concat coalesce nullif abs round floor ceil length
    starts_with ends_with regexp_like regexp_replace regexp_match to_timestamp arrow_cast get_field
    Int8 Int16 Int32 Int64 UInt8 UInt16 UInt32 UInt64 Float16 Float32 Float64 Utf8 LargeUtf8 Utf8View Binary
    LargeBinary BinaryView Boolean Date32 Date64 Timestamp Decimal128 Decimal256 Interval Duration List Struct Dictionary
    """.split()  # noqa: SIM905
)
# `id_min@3` and `id@3`: the columns of pruning have their column's name before them.
_PARTS = re.compile(r"(\w+)(?:@\d+)?")
_PRUNING = re.compile(r"(.+)_(?:min|max|null_count|row_count)")
_JOINED = re.compile(r"\?(?:[^\w(),\[\]=<>|]*\?)+")
_MOST_CHARACTERS = 2000


def without_literals(detail: str, columns: Collection[str]) -> str:
    """An operator's detail of DataFusion's words and these columns alone.

    >>> without_literals("code@1 = hush-078 AND id@0 > 4711", {"code", "id"})
    'code = ? AND id > ?'
    """

    def shown(found: re.Match[str]) -> str:
        word = found[1]
        if word in _WORDS or word in columns:
            return word
        pruned = _PRUNING.fullmatch(word)
        return word if pruned is not None and pruned[1] in columns else "?"

    # Its end is cut off before anything is replaced: half a word is no word that is known.
    return _JOINED.sub("?", _PARTS.sub(shown, detail[:_MOST_CHARACTERS]))
