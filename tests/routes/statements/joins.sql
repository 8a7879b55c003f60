-- engine
select t.id, u.w from t join u on t.id = u.k;

-- engine
select t.id, t.s, u.v, u.w from t inner join u on t.id = u.k and t.g = u.g;

-- engine
select t.id, u.w from t left join u on t.id = u.k where t.id < 20;

-- engine
select t.id, u.w from u right join t on t.id = u.k where t.id > 70;

-- engine
select t.id, u.k, u.w from t right join u on t.id = u.k;

-- engine
select t.id, u.k, u.w from t full join u on t.id = u.k and t.id < 10;

-- engine
select t.id, u.k from t cross join u where t.id < 3;

-- engine
select a.id, b.id as other from t a, t b where a.id + 1 = b.id;

-- engine
select id, s from t left semi join u on t.id = u.k;

-- engine
select id from t left anti join u on t.id = u.k where id < 12;

-- engine
select k, w from t right semi join u on t.id = u.k;

-- engine
select k, w from t right anti join u on t.id = u.k;

-- engine
select * from t natural join u;

-- engine
select g, id, k from t join u using (g) where id > 75;

-- engine
select g, id, k from t full join u using (g) where id > 80 or id is null;

-- engine
select t.id, u.k from t join u on t.id < u.k and t.g > u.g where t.id > 75;

-- engine
select t.id, u.k from t left join u on t.id between u.k and u.k + 3 where t.id < 12;

-- engine
select t.id, u.k from t full join u on t.id * 2 < u.k and u.v > 0;

-- engine
select a.k, b.k, a.w, b.w from u a join u b on a.k is not distinct from b.k;

-- engine
select t.id, a.w, b.v from t join u a on t.id = a.k join u b on t.g = b.g and a.k = b.k;

-- engine
select t.id, x.k from t join lateral (select k from u where u.g = t.g and u.k < t.id) x on true where t.id < 9;

-- engine
select t.id, x.n from t, lateral (select count(*) as n from u where u.k = t.id) x where t.id < 9;

-- engine
select t.id, x.k from t left join lateral (select k from u where u.k = t.id) x on true where t.id < 9;

-- engine
select a.id, b.s from t a join t b on a.s = b.s and a.d = b.d and a.m = b.m;

-- engine
select count(*), count(u.k), sum(t.id) from t left join u on t.id = u.k;

-- engine
select t.id, a.g, b.g, t.g from t join u a on t.id = a.k join u b on t.id = b.k;
