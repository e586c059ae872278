-- Tables that need, own and refer to each other in every way there is. Of its dumps by PostgreSQL 15 and 18
-- (pg_dump -Fc -Z0) related15.dump and related18.dump are two, through a pipe.
CREATE SCHEMA app;
CREATE SCHEMA other;
CREATE SCHEMA "Größe";
GRANT USAGE ON SCHEMA app TO PUBLIC;
CREATE TYPE app.mood AS ENUM ('sad', 'ok');
CREATE TYPE app.unused AS ENUM ('a');
CREATE DOMAIN app.email AS text CHECK (VALUE ~ '@');
CREATE FUNCTION other.next_code() RETURNS text LANGUAGE sql AS $$ SELECT 'code'::text $$;
COMMENT ON FUNCTION other.next_code() IS 'codes';
CREATE SEQUENCE other.tickets START 1000;
SELECT setval('other.tickets', 1021);
CREATE SEQUENCE other.alone;

CREATE TABLE app.users (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mood app.mood,
    email app.email,
    code text DEFAULT other.next_code(),
    ticket bigint DEFAULT nextval('other.tickets'),
    loud text GENERATED ALWAYS AS (upper(code)) STORED
);
INSERT INTO app.users (mood, email) SELECT 'ok', n || '@b' FROM generate_series(1, 5) n;
COMMENT ON TABLE app.users IS 'people';
COMMENT ON COLUMN app.users.mood IS 'how';
GRANT SELECT ON app.users TO PUBLIC;
GRANT UPDATE (mood) ON app.users TO PUBLIC;
ALTER TABLE app.users ENABLE ROW LEVEL SECURITY;

CREATE TABLE app.orders (id serial PRIMARY KEY, buyer int REFERENCES app.users, note text);
INSERT INTO app.orders (buyer) SELECT 1 + n % 5 FROM generate_series(1, 20) n;
CREATE INDEX orders_buyer ON app.orders (buyer);
COMMENT ON INDEX app.orders_buyer IS 'x';
COMMENT ON CONSTRAINT orders_buyer_fkey ON app.orders IS 'fk';
ALTER TABLE app.orders ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;
CREATE STATISTICS app.orders_stats (dependencies) ON id, buyer FROM app.orders;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON app.orders FOR EACH ROW EXECUTE FUNCTION app.touch();
CREATE RULE quiet AS ON DELETE TO app.orders DO INSTEAD NOTHING;
CREATE RULE log AS ON UPDATE TO app.orders DO ALSO INSERT INTO app.users (mood) VALUES ('ok');
CREATE POLICY own ON app.users FOR SELECT USING (true);
CREATE POLICY buyers ON app.users FOR SELECT USING (EXISTS (SELECT 1 FROM app.orders o WHERE o.buyer = id));

CREATE VIEW app.happy AS SELECT id, mood FROM app.users;
CREATE TRIGGER touch INSTEAD OF UPDATE ON app.happy FOR EACH ROW EXECUTE FUNCTION app.touch();
-- What depends on a primary key begins as an empty shell in a dump.
CREATE VIEW app.grouped AS SELECT u.id, u.mood FROM app.users u GROUP BY u.id;
CREATE MATERIALIZED VIEW app.per_buyer AS SELECT buyer, count(*) FROM app.orders GROUP BY buyer;
CREATE UNIQUE INDEX ON app.per_buyer (buyer);
CREATE MATERIALIZED VIEW app.buyers AS SELECT count(*) FROM app.per_buyer;

CREATE TABLE app.events (at date, kind text, PRIMARY KEY (at, kind)) PARTITION BY RANGE (at);
CREATE TABLE app.events_2025 PARTITION OF app.events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE app.events_2026 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')
    PARTITION BY LIST (kind);
CREATE TABLE other.events_2026_c PARTITION OF app.events_2026 FOR VALUES IN ('c');
CREATE TRIGGER touch BEFORE UPDATE ON app.events FOR EACH ROW EXECUTE FUNCTION app.touch();
INSERT INTO app.events SELECT date '2025-12-20' + n, 'c' FROM generate_series(1, 40) n;
CREATE TABLE app.refs (at date, kind text, FOREIGN KEY (at, kind) REFERENCES app.events);
INSERT INTO app.refs VALUES ('2025-12-30', 'c');

CREATE TABLE app.parent (a int CHECK (a > 0), b text DEFAULT 'x');
CREATE TABLE app.child (c int) INHERITS (app.parent);
INSERT INTO app.parent VALUES (1);
INSERT INTO app.child VALUES (2, 'y', 3);
CREATE TABLE "Größe"."Täb""le x" (v app.users, "select" int UNIQUE);
INSERT INTO "Größe"."Täb""le x" VALUES (NULL, 1);
CREATE TABLE app.tree (id int PRIMARY KEY, up int REFERENCES app.tree);
INSERT INTO app.tree VALUES (1, NULL), (2, 1);
CREATE FUNCTION app.count_tree() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM app.tree; END;
CREATE TABLE app.counts (n bigint DEFAULT app.count_tree());
CREATE TABLE app.borrows (n int DEFAULT nextval('app.orders_id_seq'));
CREATE TABLE app."Mixed Case" (v text);
INSERT INTO app."Mixed Case" VALUES ('a');
CREATE PUBLICATION news FOR TABLE app.users;
