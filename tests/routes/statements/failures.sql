-- engine, error: Divide by zero
select 1 / (id - 2) as x from t;

-- engine, error: Cannot cast string 'row
select cast(s as bigint) as n from t;

-- engine, error: more than one row
select id from t where id = (select k from u);

-- plan, error: nowhere
select * from nowhere;

-- plan, error: No field named nope
select nope from t;

-- plan, error: no_such_function
select no_such_function(id) from t;

-- session, error: Physical plan does not support
select k, k not in (select id from t) as missing from u;

-- session, error: Physical plan does not support
select k, k in (select k from u where k > 2) as found from u;

-- session, error: outer_ref
select id, id in (select k from u) as found, exists (select 1 from u where u.k = t.id and u.w <> 'a') as other from t where id < 9;

-- session, error: outer_ref
select g, (select id from t where t.g = u.g order by id limit 1) as first from u where k = 7;

-- engine, error: Overflowing on
select id from t where exists (select 1 from u where u.k = t.id and u.v > t.m);

-- engine, error: sliding accumulator
select id, product(k) over (order by id rows between 1 preceding and current row) as p from t join u on id = k;

-- session, error: TransactionStart
start transaction;

-- plan, error: Collate
select w from u order by w collate "C";

-- plan, error: unique expression names
select t.id, t.id from t;

-- plan, error: already exists
create table t (a int);

-- plan, error: found: selec
selec id from t;
