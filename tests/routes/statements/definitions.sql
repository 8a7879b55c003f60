-- session: a statement
create view ones as select id, s from t where g = 1;

-- engine
create view ones as select id, s from t where g = 1;
select * from ones where id < 10;

-- engine
create view ones as select id, s from t where g = 1;
create view few as select upper(s) as s from ones where id < (select max(k) from u where k < 50);
select count(*) as n, min(s) as s from few;

-- session: a statement
create table copied as select id, g from t where id < 10;

-- engine
create table copied as select id, g, s from t where id < 10;
select copied.id, t.m from copied join t using (id);

-- session: a statement
create table made (a int, b text default 'x');

-- engine
create table made (a int not null, b text);
insert into made values (1, 'x'), (2, null);
select * from made;

-- session: DML
create table made (a int, b text);
insert into made select k, w from u;

-- engine
create table made as values (1, 'a');
drop table made;
create table made as values (2, 'b'), (3, 'c');
select * from made;

-- engine
create or replace table made as select 1 as a;
create or replace table made as select 2 as b;
select * from made;

-- session: a statement
create table if not exists t (a int);

-- session: a statement
drop table if exists nowhere;

-- session: a statement
create schema other;

-- engine
create schema other;
create table other.made as select id from t where id < 5;
select made.id from other.made join t on t.id = made.id;

-- session: a statement
prepare one (bigint) as select id, s from t where id = $1;

-- engine
prepare one (bigint) as select id, s from t where id = $1;
execute one(5);

-- session: a statement
prepare one (bigint) as select id, s from t where id = $1;
deallocate one;

-- session
describe t;

-- session
describe select id, s from t;

-- session: information_schema
show tables;

-- session: information_schema
show columns from t;

-- session: information_schema
show all;

-- session: information_schema
show datafusion.execution.batch_size;

-- session: information_schema
show functions like 'upper';

-- session: information_schema
show create table t;

-- session: information_schema
select table_name, table_type from information_schema.tables where table_schema = 'public';

-- session: information_schema
select c.column_name, c.data_type, t.id from information_schema.columns c join t on c.ordinal_position = t.id where c.table_name = 't';

-- session: information_schema
select name, value from information_schema.df_settings where name like 'datafusion.execution.parquet%';

-- session: information_schema
select count(*) > 100 as many from information_schema.routines;

-- session: information_schema
select id from t where exists (select 1 from information_schema.tables where table_name = 'u');

-- session: a statement
set datafusion.execution.batch_size = 100;

