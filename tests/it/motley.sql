-- A database with a bit of everything that a dump can get wrong.
CREATE SCHEMA app;
CREATE SCHEMA "Größe & ""Quote""";
COMMENT ON SCHEMA app IS 'the application''s own';

CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN app.email AS text CHECK (VALUE ~ '@');
CREATE TYPE app.point3 AS (x double precision, y double precision, z double precision);

CREATE TABLE app.users (
    id bigint GENERATED ALWAYS AS IDENTITY (START WITH 100) PRIMARY KEY,
    name text NOT NULL,
    email app.email UNIQUE,
    mood app.mood DEFAULT 'ok',
    loud text GENERATED ALWAYS AS (upper(name)) STORED,
    facts jsonb,
    score numeric(20, 6),
    ratio double precision,
    born date,
    seen timestamptz DEFAULT '2026-11-20 03:00:00+00',
    tags text[],
    spot app.point3,
    picture bytea
);
INSERT INTO app.users (name, email, mood, facts, score, ratio, born, tags, spot, picture) VALUES
    (E'line\nbreak', 'a@example.com', 'sad', '{"a": [1, 2, {"b": null}]}', 1234567890.123456, 'NaN', '0044-03-15 BC', '{}', '(1,2,3)', '\x00ff0a0d5c'),
    (E'tab\tand\\backslash', 'b@example.com', 'happy', '"\u00e4"', -0.000001, '-Infinity', 'infinity', '{"x, y",NULL,"\""}', NULL, ''),
    (E'\\.', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
    ('', 'c@example.com', 'ok', '{}', 0, 0.1, '2026-02-28', '{ä,漢,🐘}', '(,,)', decode(repeat('5c', 5000), 'hex')),
    (E'\r\n\x01\x7f\N', 'd@example.com', 'ok', 'null', 99, 1e-300, '5874897-12-31', '{{1,2},{3,4}}', NULL, '\x5c2e0a');

CREATE TABLE app.orders (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    buyer bigint NOT NULL REFERENCES app.users ON DELETE CASCADE DEFERRABLE,
    placed date NOT NULL,
    cents int CHECK (cents >= 0),
    EXCLUDE USING btree (id WITH =)
);
INSERT INTO app.orders
    SELECT md5(n::text)::uuid, 100 + n % 5, date '2026-01-01' + n, n FROM generate_series(1, 500) n;
CREATE INDEX orders_by_buyer ON app.orders (buyer, placed DESC) INCLUDE (cents) WHERE cents > 10;
CREATE STATISTICS app.orders_stats (dependencies) ON buyer, placed FROM app.orders;

CREATE TABLE app.events (at timestamptz NOT NULL, kind text NOT NULL, body text) PARTITION BY RANGE (at);
CREATE TABLE app.events_2025 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE app.events_2026 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
    PARTITION BY LIST (kind);
CREATE TABLE app."events_2026 click" PARTITION OF app.events_2026 FOR VALUES IN ('click');
CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;
INSERT INTO app.events SELECT timestamptz '2025-12-31 12:00+00' + n * interval '1 hour', 'click', 'n' || n
    FROM generate_series(1, 100) n;
CREATE INDEX ON app.events (at);

CREATE TABLE "Größe & ""Quote"""."Täble, with ""all"" of; it" ("Cölumn 1" int, "select" text, "Ω" text COLLATE "C");
INSERT INTO "Größe & ""Quote"""."Täble, with ""all"" of; it" VALUES (1, 'eins', 'α'), (2, NULL, E'\u00df');
COMMENT ON COLUMN "Größe & ""Quote"""."Täble, with ""all"" of; it"."Ω" IS E'with\na newline and ''quotes''';

CREATE TABLE public.nothing_in_it (a int, b text);
CREATE TABLE public.no_columns ();
INSERT INTO public.no_columns DEFAULT VALUES;
INSERT INTO public.no_columns DEFAULT VALUES;
CREATE UNLOGGED TABLE public.unlogged (n int);
INSERT INTO public.unlogged VALUES (7);

CREATE SEQUENCE public.tickets START 1000 INCREMENT BY 7 MAXVALUE 100000 CYCLE;
SELECT setval('public.tickets', 1021);

CREATE VIEW app.happy AS SELECT id, name FROM app.users WHERE mood = 'happy' WITH LOCAL CHECK OPTION;
CREATE MATERIALIZED VIEW app.per_buyer AS SELECT buyer, sum(cents) AS cents FROM app.orders GROUP BY buyer;
CREATE UNIQUE INDEX ON app.per_buyer (buyer);

CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.seen := now(); -- ; and "quotes" and $dollars
    RETURN NEW;
END $$;
CREATE TRIGGER touch BEFORE UPDATE ON app.users FOR EACH ROW EXECUTE FUNCTION app.touch();
/*14+*/ CREATE FUNCTION app.twice(n int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE RETURN n * 2;
/*-13*/ CREATE FUNCTION app.twice(n int DEFAULT 2) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
CREATE AGGREGATE app.product (double precision) (SFUNC = float8mul, STYPE = double precision, INITCOND = '1');
CREATE RULE quiet AS ON DELETE TO public.nothing_in_it DO INSTEAD NOTHING;
ALTER TABLE app.users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.users FOR SELECT USING (name = current_user);
GRANT SELECT ON app.orders TO PUBLIC;
-- A pg_dump of 15 or newer does not say so of an older server, because a new database of 15 is like that anyway.
/*15+*/ REVOKE CREATE ON SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO PUBLIC;

SELECT lo_from_bytea(4242, decode('000102ff5c0a', 'hex'));
SELECT lo_from_bytea(4243, decode(repeat('ab', 100000), 'hex'));
COMMENT ON LARGE OBJECT 4242 IS 'a large object';
