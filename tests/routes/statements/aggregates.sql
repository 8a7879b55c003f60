-- engine
select count(*) from t;

-- engine
select count(*), count(distinct g), min(id), max(d), sum(m), avg(m), min(s), max(s) from t;

-- engine
select count(k), count(*), min(v), max(v), sum(v), avg(k), min(at), max(at) from u;

-- engine
select g, count(*), sum(m), avg(id), min(d) from t group by g;

-- engine
select g, count(*) from t group by g having sum(m) > 100;

-- engine
select g, id % 2 as parity, sum(id) from t group by rollup (g, id % 2);

-- engine
select g, id % 2 as parity, count(*) from t group by cube (g, id % 2);

-- engine
select g, s, count(*), grouping(g), grouping(s) from t where id > 70 group by grouping sets ((g), (s), (g, s), ());

-- engine
select count(*) filter (where g = 1) as ones, sum(m) filter (where id > 50) as late from t;

-- engine
select array_agg(id order by id desc) as ids, string_agg(s, ';' order by id) as names from t where id < 12;

-- engine
select first_value(s order by id) as first, last_value(s order by id) as last, nth_value(s, 2 order by id) as second from t;

-- engine
select round(stddev(id), 6) as s, round(var_pop(id), 6) as v, round(corr(id, m), 6) as c, median(id), approx_distinct(g), bool_and(id > 0), bit_xor(id) from t;

-- engine
select approx_percentile_cont(0.5) within group (order by id) as middle, percentile_cont(0.25) within group (order by id) as low from t;

-- engine
select distinct g from t;

-- engine
select distinct on (g) g, id, s from t order by g, id desc;

-- engine
select g, count(distinct s), count(distinct d) from t group by g;

-- engine
select v, count(*) from u group by v;

-- engine
select w, count(*), sum(k) from u group by w;

-- engine
select date_trunc('month', d) as month, count(*) from t group by date_trunc('month', d) order by month;

-- engine
select count(*), sum(k), max(w) from u where k > 100000;

-- engine
select g, count(*) from t where id < 0 or g = 7 group by g;

-- engine
select product(k) as product, g from u where k < 10 group by g;

-- engine
select sum(id) over (partition by t.g) as s, product(k) as p from t join u on t.id = u.k and t.g = u.g group by id, t.g;
