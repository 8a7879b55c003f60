-- engine
select * from t;

-- engine
select * from u;

-- engine
select * exclude (d) from t where id < 5;

-- engine
select * replace (id + 1 as id) from t where id < 5;

-- engine
select id, s from t order by id limit 5;

-- engine
select id, s from t order by g desc, m nulls first, id limit 7 offset 3;

-- engine
select k, v from u order by v desc nulls last, k;

-- engine
select id from t where g = 0;

-- engine
select g from t where g > 1 and id between 10 and 30;

-- engine
select id from t where s like 'row 1%' and s not like '%7' or s ilike 'ROW 8_';

-- engine
select id from t where s ~ '^row [12]$' or s similar to 'row 5%';

-- engine
select id from t where d between date '2020-02-01' and date '2020-02-10';

-- engine
select id from t where m = 2.5 or m > 21;

-- engine
select k from u where v > 1;

-- engine
select k, v is distinct from 0.0 as d, v = 0.0 as e, isnan(v) as n from u;

-- engine
select k from u where w is null or w = '';

-- engine
select k from u where coalesce(w, 'none') = 'none' and not (k > 100);

-- engine
select at from u where at >= timestamp '2020-01-01 00:00:00' and at < timestamp '2020-03-01 00:00:00';

-- engine
select case when id < 3 then s when g = 2 then null else 'other' end as c from t where id < 9;

-- engine
select twice(id) as t2, id from t where twice(id) < 10;

-- engine
select k, twice(k) as t2 from u;

-- engine
select upper(s) as loud, lower(s) as quiet from t where id < 4;

-- engine
select id from t where upper(s) = 'SHADOWED row 2';

-- engine
select t.id, x.value from t cross join generate_series(1, 3) as x (value) where t.id < 3;

-- engine
select unnest(make_array(id, g, null)) as x, id from t where id < 3;

-- engine
select id, x from t cross join unnest(make_array(1, 2)) as u (x) where id < 3;

-- session: another schema
select id, s from t where false;

-- session: another schema
select id from t limit 0;

-- engine
select count(*) from t where random() < 2;

-- engine
select count(*) as n from (select id from t limit 5);

-- engine
select 9223372036854775807 + id as x from t;
