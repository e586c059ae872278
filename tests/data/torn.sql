-- The database behind tornN.dump in this folder: what PostgreSQL N's pg_dump makes of objects that are dropped while
-- it runs. It sees the catalogues of its snapshot, and the server's functions that write definitions see those of now.
--
-- Loaded into PostgreSQL N; then, while one session has said
--     BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_export_snapshot();
-- another runs torn-drop.sql, and then
--     pg_dump --format=custom --compress=0 --schema-only --snapshot=… torn | cat > tornN.dump
CREATE SCHEMA s;
CREATE TYPE s.mood AS ENUM ('a', 'b');
CREATE TYPE s.point AS (x int, mood s.mood);
CREATE TYPE s.span AS RANGE (subtype = int8);
CREATE TYPE s.shell;
CREATE FUNCTION s.shell_in(cstring) RETURNS s.shell LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION s.shell_out(s.shell) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE s.shell (INPUT = s.shell_in, OUTPUT = s.shell_out, LIKE = int4);
CREATE FUNCTION s.add(a int, b int DEFAULT 1) RETURNS int LANGUAGE sql AS 'SELECT a + b';
CREATE FUNCTION s.nothing() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION s.many() RETURNS TABLE (language text, n int) LANGUAGE sql AS $$SELECT 'RETURNS ', 1$$;
CREATE FUNCTION s.out(OUT a int, OUT b int) LANGUAGE sql AS 'SELECT 1, 2';
CREATE FUNCTION s.atomic(n int) RETURNS int LANGUAGE sql RETURN n * 2;
CREATE PROCEDURE s.work(n int) LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE s.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE FUNCTION s.same(s.point, s.point) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION s.hash(s.point) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE OPERATOR s.=== (LEFTARG = s.point, RIGHTARG = s.point, FUNCTION = s.same);
CREATE OPERATOR CLASS s.points FOR TYPE s.point USING hash AS OPERATOR 1 s.===, FUNCTION 1 s.hash(s.point);
CREATE FUNCTION s.mood_to_int(s.mood) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE CAST (s.mood AS int) WITH FUNCTION s.mood_to_int AS ASSIGNMENT;
CREATE FUNCTION s.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION s.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN PERFORM 1; END';
CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION s.watch();
CREATE TABLE s.t (id int PRIMARY KEY, mood s.mood, c int CHECK (c > 0));
CREATE INDEX by_c ON s.t (c) WHERE c > 3;
CREATE STATISTICS s.stats (dependencies) ON id, c FROM s.t;
CREATE TRIGGER touch BEFORE UPDATE ON s.t FOR EACH ROW EXECUTE FUNCTION s.touch();
-- These stay.
CREATE FUNCTION s.kept(a int) RETURNS int LANGUAGE sql AS 'SELECT a';
CREATE FUNCTION s.kept() RETURNS text LANGUAGE sql AS $$SELECT '???'::text$$;
CREATE OPERATOR s.??? (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl);
CREATE TABLE s.kept (id int DEFAULT 1 OPERATOR(s.???) 2);
CREATE AGGREGATE s.counted(*) (SFUNC = int8inc, STYPE = bigint, SSPACE = 8, INITCOND = '0');
CREATE INDEX ON s.kept (id);
