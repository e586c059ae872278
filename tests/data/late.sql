-- Tables whose values are computed from other tables' rows, or checked by them. late15.dump is its dump by PostgreSQL 15
-- (pg_dump -Fc -Z0), through a pipe.
CREATE TABLE rates (n int PRIMARY KEY, rate int);
INSERT INTO rates VALUES (1, 7);
CREATE VIEW current AS SELECT n, rate FROM rates GROUP BY n;
CREATE FUNCTION rate(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT c.rate FROM public.current c WHERE c.n = $1';
CREATE TABLE "Base" (n int, rated int GENERATED ALWAYS AS (public.rate(n)) STORED);
INSERT INTO "Base" VALUES (1);
CREATE FUNCTION rated(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT b.rated FROM public."Base" b WHERE b.n = $1';
CREATE TABLE also (n int, twice int GENERATED ALWAYS AS (2 * public.rated(n)) STORED) PARTITION BY LIST (n);
CREATE TABLE also_1 PARTITION OF also FOR VALUES IN (1);
CREATE TABLE also_2 PARTITION OF also FOR VALUES IN (2);
INSERT INTO also VALUES (1), (2);
CREATE FUNCTION twice(n int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
  RETURN EXISTS (SELECT FROM public.also a WHERE a.n = twice.n); END $$;
CREATE DOMAIN known AS int CHECK (public.twice(VALUE));
CREATE TABLE against (n known);
INSERT INTO against VALUES (1);
CREATE TABLE bounded (n int) PARTITION BY LIST (public.rate(n));
CREATE TABLE bounded_1 PARTITION OF bounded FOR VALUES IN (7);
INSERT INTO bounded VALUES (1);
CREATE TABLE parent (n int CHECK (public.rate(n) > 0));
CREATE TABLE child (m int) INHERITS (parent);
INSERT INTO child VALUES (1);
CREATE FUNCTION counted(what text) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS $$ DECLARE c bigint; BEGIN
  EXECUTE format('SELECT count(*) FROM %I', what) INTO c; RETURN c; END $$;
CREATE TABLE any_other (t text, c bigint GENERATED ALWAYS AS (public.counted(t)) STORED);
-- One reads the other.
CREATE TABLE first (n int);
CREATE TABLE second (n int);
CREATE FUNCTION in_first(n int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM public.first f WHERE f.n = $1) OR $1 = 1';
CREATE FUNCTION in_second(n int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM public.second s WHERE s.n = $1) OR $1 = 1';
ALTER TABLE first ADD CHECK (public.in_second(n));
ALTER TABLE second ADD CHECK (public.in_first(n));
INSERT INTO first VALUES (1);
-- Those need no others.
CREATE FUNCTION plain(n int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 + 1';
CREATE TABLE alone (n int DEFAULT public.rate(1) CHECK (n > 0), m int GENERATED ALWAYS AS (public.plain(n)) STORED);
CREATE TABLE own (n int);
CREATE FUNCTION itself(n int) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT NOT EXISTS (SELECT FROM public.own o WHERE o.n > $1)';
ALTER TABLE own ADD CHECK (public.itself(n));
CREATE TABLE zone (n int);
