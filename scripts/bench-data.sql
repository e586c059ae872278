-- A database that looks like a small shop's: text, JSON, numbers, timestamps, bytea, indexes.
-- psql -v scale=1 comes to about 1 GB as pg_database_size; the rows grow with the scale.
\set ON_ERROR_STOP on
SELECT setseed(0.42);

-- 4096 words make 4096 phrases; rows then pick phrases by a hash, which is fast enough for any scale.
CREATE TEMP TABLE words AS
  SELECT i AS id, translate(substr(md5(i::text), 1, 3 + i % 7), '0123456789', 'aeioumnrst') AS word
  FROM generate_series(0, 4095) AS i;
CREATE TEMP TABLE phrases AS
  SELECT i AS id, string_agg(word, ' ') AS phrase, initcap(string_agg(word, ' ') FILTER (WHERE n <= 2)) AS title
  FROM generate_series(0, 4095) AS i, generate_series(1, 12) AS n
  JOIN words ON true WHERE words.id = (hashint4(i * 12 + n) & 4095)
  GROUP BY i;
ANALYZE phrases;

CREATE TABLE customers (
  id bigint PRIMARY KEY, email text NOT NULL, name text NOT NULL, born date, profile jsonb NOT NULL,
  created_at timestamptz NOT NULL
);
INSERT INTO customers
  SELECT i, 'customer' || i || '@example.org', title, date '1950-01-01' + (random() * 20000)::int,
    jsonb_build_object('language', (ARRAY['de', 'en', 'fr', 'ja'])[1 + i % 4], 'newsletter', random() < 0.3,
      'address', jsonb_build_object('street', title, 'number', i % 300, 'zip', 10000 + i % 89999)),
    timestamptz '2020-01-01 00:00+00' + random() * interval '6 years'
  FROM generate_series(1, (250000 * :scale)::bigint) AS i
  JOIN phrases ON phrases.id = (hashint8(i) & 4095);
CREATE UNIQUE INDEX ON customers (email);

CREATE TABLE orders (
  id bigint PRIMARY KEY, customer_id bigint NOT NULL, placed_at timestamptz NOT NULL, total numeric(12, 2) NOT NULL,
  state text NOT NULL, weight real, note text
);
INSERT INTO orders
  SELECT i, 1 + (random() * (250000 * :scale - 1))::bigint, timestamptz '2020-01-01 00:00+00' + i * interval '30 seconds',
    (random() * 900)::numeric(12, 2), (ARRAY['new', 'paid', 'shipped', 'returned'])[1 + (random() * 3)::int],
    random() * 40, CASE WHEN i % 5 = 0 THEN phrase END
  FROM generate_series(1, (2500000 * :scale)::bigint) AS i
  JOIN phrases ON phrases.id = (hashint8(i) & 4095);
CREATE INDEX ON orders (customer_id);
CREATE INDEX ON orders (placed_at);

CREATE TABLE events (
  id bigint PRIMARY KEY, at timestamptz NOT NULL, kind text NOT NULL, payload jsonb NOT NULL
);
INSERT INTO events
  SELECT i, timestamptz '2024-01-01 00:00+00' + i * interval '11 seconds',
    (ARRAY['page_view', 'search', 'cart_add', 'checkout', 'login'])[1 + (random() * 4)::int],
    jsonb_build_object('session', md5((i / 12)::text), 'path', '/' || replace(title, ' ', '/'), 'ms', (random() * 2000)::int,
      'agent', 'Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/' || 100 + i % 40)
  FROM generate_series(1, (1100000 * :scale)::bigint) AS i
  JOIN phrases ON phrases.id = (hashint8(i % 5000) & 4095);
CREATE INDEX ON events (at);

CREATE TABLE documents (id bigint PRIMARY KEY, title text NOT NULL, body text NOT NULL, scan bytea NOT NULL);
ALTER TABLE documents ALTER scan SET STORAGE EXTERNAL;
INSERT INTO documents
  SELECT i, min(title), string_agg(phrase || md5((i * 13 + n)::text), '. '),
    string_agg(sha512((i * 17 + n)::text::bytea) || sha512((i * 19 + n)::text::bytea), ''::bytea)
  FROM generate_series(1, (15000 * :scale)::bigint) AS i, generate_series(1, 64) AS n
  JOIN phrases ON true WHERE phrases.id = (hashint8(i * 64 + n) & 4095)
  GROUP BY i;

ANALYZE;
