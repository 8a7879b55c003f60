-- engine
select id, row_number() over (partition by g order by id) as n from t;

-- engine
select id, rank() over (order by g) as r, dense_rank() over (order by g) as dr, percent_rank() over (order by g) as pr, cume_dist() over (order by g) as cd, ntile(4) over (order by id) as q from t;

-- engine
select id, lag(id) over w as before, lead(s, 2, 'none') over w as after, first_value(m) over w as first, nth_value(m, 2) over w as second from t window w as (partition by g order by id);

-- engine
select id, sum(m) over (partition by g order by id rows between 2 preceding and 1 following) as s from t;

-- engine
select id, avg(m) over (order by d range between interval '3 days' preceding and interval '3 days' following) as a from t;

-- engine
select id, count(*) over (order by g groups between 1 preceding and current row) as n from t;

-- engine
select k, v, sum(v) over (partition by g order by k nulls first, v rows unbounded preceding) as s from u where v < 100;

-- engine
select id, count(*) filter (where id % 2 = 0) over (partition by g) as even from t;

-- engine
select g, sum(sum(m)) over (order by g) as running from t group by g;

-- engine
select id, n from (select id, row_number() over (partition by g order by id desc) as n from t) where n <= 2;

-- engine
select id, row_number() over (partition by g order by id) as n from t qualify n = 1;

-- engine
select id, lag(s) ignore nulls over (order by id) as before from t;

-- engine
select id, numbered(id) over (partition by g order by id) as n from t;

-- engine
select id, product(k) over (order by id, v) as p from t join u on id = k and id < 6;
