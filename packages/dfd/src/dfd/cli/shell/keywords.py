"""Words of SQL that the shell completes: DataFusion's, and those of Delta Lake's statements."""

KEYWORDS = tuple(
    """
    select distinct from where group by having order limit offset union all intersect except with recursive as
    join inner left right full outer cross on using and or not in exists between like ilike is null true false
    case when then else end cast over partition rows range preceding following unbounded current row asc desc
    nulls first last values insert into overwrite update set delete merge matched source target create or replace
    table view schema if drop alter add columns column constraint check tblproperties unset using delta partitioned
    location comment truncate optimize zorder vacuum retain hours dry run full restore to version timestamp of
    describe history detail show tables functions explain analyze copy interval date filter within window qualify
    lateral unnest
    """.split()  # noqa: SIM905
)
