-- The database behind the archives in this folder: loaded into PostgreSQL N, then
-- pg_dump --format=custom --compress=0 tiny | cat > pgN.dump
create schema "we ird";
create table "we ird"."Na""me.x" ("a b" text primary key, v int); insert into "we ird"."Na""me.x" values (E'line\nbreak\ttab\\back\r', 1), (E'\\.', 2), ('ü',null), ('',4);
comment on table "we ird"."Na""me.x" is 'odd';
create table nocols (); insert into nocols default values; insert into nocols default values; insert into nocols default values;
create table empty (a int);
create table blank (t text); insert into blank values (''),(E'\\.'),(''),('');
create table orders (id serial, note text); insert into orders (note) select 'n' || i from generate_series(1,50) i;
create table parted (k int) partition by list (k); create table parted_1 partition of parted for values in (1); create table parted_2 partition of parted for values in (2);
insert into parted values (1),(1),(2);
create materialized view mv as select count(*) from orders;
select lo_from_bytea(20001, 'first'), lo_from_bytea(3000000001, ''), lo_from_bytea(20002, convert_to(repeat('x', 999),'UTF8'));
