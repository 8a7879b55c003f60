-- engine
set time zone = 'Asia/Tokyo';
select arrow_typeof(cast(timestamp '2024-01-01 00:00:00' as timestamp with time zone)) as t, id from t;

-- engine
set time zone = '+02:00';
select timestamptz '2020-01-01 12:00:00' as z, to_timestamp('2020-01-01T12:00:00') as n, id from t;

-- engine
set time zone = 'America/New_York';
select berlin, date_part('hour', berlin) as h, cast(seconds as timestamptz) as z from wide;

-- engine
set datafusion.sql_parser.dialect = 'postgres';
select id::bigint as id, s from t where s ~* 'ROW 1.*';

-- engine
set datafusion.sql_parser.dialect = 'mysql';
select `id`, `s` from t where `id` < 3;

-- engine
set datafusion.sql_parser.parse_float_as_decimal = true;
select 0.1 + 0.2 as x, id from t;

-- engine
set datafusion.sql_parser.enable_ident_normalization = false;
select id as Id, S from (select id, s as S from t);

-- engine
set datafusion.sql_parser.map_string_types_to_utf8view = false;
select cast('a' as text) as x, id from t;

-- engine
set datafusion.execution.batch_size = 7;
select id, s from t;

-- engine
set datafusion.execution.target_partitions = 1;
select g, count(*) from t group by g;

-- engine
set datafusion.sql_parser.default_null_ordering = 'nulls_min';
select k from u order by k limit 3;

-- engine
set datafusion.optimizer.prefer_hash_join = false;
select t.id, u.w from t join u on t.id = u.k;

-- engine
set datafusion.execution.parquet.pushdown_filters = true;
select id, s from t where id > 70 and g = 1;

-- engine
set datafusion.optimizer.expand_views_at_output = true;
select id, s, text_view, concat(s, text_view) as both from t join wide using (id);

-- engine
set datafusion.execution.enable_recursive_ctes = true;
reset datafusion.execution.batch_size;
select count(*) from t;
