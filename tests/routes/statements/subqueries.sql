-- engine
select id from t where id = (select max(k) from u where k < 50);

-- engine
select id, (select max(v) from u) as highest from t where id < 9;

-- engine
select id, (select count(*) from u where u.k = t.id) as n from t where id < 9;

-- engine
select id, (select max(w) from u where u.g = t.g) as w from t where id < 9;

-- engine
select id from t where m > (select avg(v) from u where u.g = t.g and u.v < 100);

-- engine
select id from t where exists (select 1 from u where u.k = t.id);

-- engine
select id from t where not exists (select 1 from u where u.k = t.id and u.g = t.g) and id < 12;

-- engine
select id from t where exists (select 1 from u where u.k = t.id and u.v > 1);

-- engine
select id from t where id in (select k from u);

-- engine
select id from t where id in (1, 2, null);

-- engine
select id from t where id not in (select k from u where k is not null) and id < 12;

-- engine
select k, k in (1, 2, null) as found from u;

-- engine
select k, w from u where k not in (select id from t);

-- engine
select id from t where id in (select k from u) or id = 8;

-- engine
select id from t where exists (select 1 from u where u.k = t.id) or g = 0;

-- engine
select id from t where id > all (select k from u where k < 50);

-- engine
select id from t where id = any (select k from u);

-- engine
with small as (select * from t where id < 10), named as (select k, w from u where w is not null) select small.id, named.w from small left join named on small.id = named.k;

-- engine
with one as (select id, g from t where g = 1) select a.id, b.id as next from one a join one b on a.id + 3 = b.id where exists (select 1 from u where u.k = a.id);

-- engine
select x.g, x.n from (select g, count(*) as n from t group by g having count(*) > (select count(*) from u)) x;

-- engine
select id from t where (id, g) in ((1, 1), (2, 2), (5, 1));
