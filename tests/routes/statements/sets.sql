-- engine
select g from t union select g from u;

-- engine
select g from t where id > 75 union all select g from u;

-- engine
select id from t intersect select k from u;

-- engine
select g from t intersect all select g from u;

-- engine
select g from u except select g from t;

-- engine
select g from u except all select g from t where id = 1;

-- engine
select k from u where k is null union select id from t where id < 3;

-- engine
select id as a, s as b from t where id < 3 union all by name select 'x' as b, 1 as a;

-- engine
(select id from t order by id limit 3) union all (select id from t order by id desc limit 3);

-- engine
select id, m from t where id < 3 union all select k, k * 1.5 from u where k < 3;

-- engine
values (1, 'a'), (2, null), (null, 'c');

-- engine
select * from (values (1, 'a'), (2, 'b')) as x (n, s) join t on t.id = x.n;

-- engine
with recursive up as (select 1 as n union all select n + 1 from up where n < 10) select up.n, t.s from up left join t on t.id = up.n;

-- engine
with recursive walk as (select id, id as root from t where id < 3 union all select t.id, walk.root from walk join t on t.id = walk.id + 3 where t.id < 20) select root, count(*), max(id) from walk group by root;

-- engine
with recursive up as (select min(id) as n from t union select n + 2 from up where n < 11) select n from up;
