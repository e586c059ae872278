//! `restore --into … --create-tables`: tables that were dropped come back, with all that went with them.

use super::scene::{RELATED, Scene};
use crate::harness::{Pgstow, Run};
use crate::scene::{Place, for_major, fresh};
use crate::servers::postgres::{Cluster, Major};
use pgstow::error::Kind;

const SHOP: &str = "CREATE SCHEMA app;
CREATE TYPE app.state AS ENUM ('new', 'sent');
CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'noted'; RETURN NEW; END $$;
CREATE SEQUENCE app.numbers START 7;
CREATE TABLE app.customers (id int PRIMARY KEY);
INSERT INTO app.customers SELECT generate_series(1, 5);
CREATE TABLE app.orders (
  id serial PRIMARY KEY, number int DEFAULT nextval('app.numbers') UNIQUE, state app.state NOT NULL DEFAULT 'new',
  customer int CONSTRAINT buyer REFERENCES app.customers ON DELETE CASCADE, note text, CHECK (id > 0));
INSERT INTO app.orders (customer) SELECT 1 + n % 5 FROM generate_series(1, 100) n;
CREATE FUNCTION app.double(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1 * 2';
CREATE INDEX doubled ON app.orders (app.double(id));
CREATE INDEX of_state ON app.orders (state) WHERE state = 'new';
CREATE TRIGGER noted BEFORE INSERT ON app.orders FOR EACH ROW EXECUTE FUNCTION app.note();
ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON app.orders USING (true);
COMMENT ON TABLE app.orders IS 'what was ordered';
GRANT SELECT ON app.orders TO PUBLIC;
CREATE TABLE app.lines (order_id int REFERENCES app.orders, part int);
INSERT INTO app.lines SELECT n, 1 FROM generate_series(1, 100) n;
CREATE VIEW app.totals AS SELECT state, count(*) FROM app.orders GROUP BY state;";

const PARTED: &str =
    "CREATE TABLE log (at date NOT NULL, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE INDEX by_id ON log (id);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
INSERT INTO log SELECT '2026-01-01'::date + n % 59, n FROM generate_series(1, 500) n;
CREATE PUBLICATION changes FOR TABLE log;
ALTER TABLE log_2 ADD CONSTRAINT a_key UNIQUE (at, id);
ALTER TABLE log ADD CONSTRAINT not_40 CHECK (id <> 40) NOT VALID;
ALTER TABLE log ADD COLUMN note text;
/*18+*/ALTER TABLE log ADD CONSTRAINT noted NOT NULL note NOT VALID;
/*17+*/ALTER TABLE log ADD CONSTRAINT once EXCLUDE USING btree (at WITH =, id WITH =);";

impl Scene {
    fn psql(&self, sql: &str) -> String {
        self.cluster.psql(&self.database, sql)
    }

    fn create(&self, words: &[&str]) -> Pgstow {
        let into = ["restore", "latest", "--create-tables", "--into", &self.cluster.url(&self.database)];
        self.place.opens(&into).args(words)
    }

    /// Expects that this changes nothing.
    fn create_fails(&self, words: &[&str], kind: Kind) -> Run {
        let before = self.cluster.text_of(&self.database);
        let run = self.create(words).fails(kind);
        assert_eq!(self.cluster.text_of(&self.database), before, "{run}");
        run
    }
}

#[test]
fn a_dropped_table_comes_back_with_all_that_went_with_it() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let shop = Scene::new(major, SHOP);
        let whole = shop.cluster.text_of(&shop.database);
        shop.create_fails(&["-t", "app.orders"], Kind::TargetExists)
            .says("the database has app.orders")
            .says("leave --create-tables out");
        shop.psql("SELECT nextval('app.numbers'); DROP TABLE app.orders CASCADE; DELETE FROM app.lines WHERE order_id > 50");
        shop.create_fails(&["-t", "app.*"], Kind::TargetExists)
            .says("name only what it lacks: app.orders, app.orders_id_seq, app.totals");
        shop.place
            .opens(&["restore", "latest", "--into", &shop.cluster.url(&shop.database), "-t", "app.orders"])
            .fails(Kind::Postgres)
            .says("with --create-tables it creates them");

        let run = shop.create(&["-t", "app.orders", "--json"]).succeeds();
        let told = run.json();
        run.says("left out: VIEW app.totals (it reads what is created: choose it too)")
            .says("created 1 table in");
        assert_eq!((&told["created"], &told["rows"]), (&true.into(), &100.into()), "{told}");
        shop.create(&["-t", "app.totals"]).succeeds();
        assert_eq!(shop.psql("SELECT count(*) || ' ' || nextval('app.numbers') FROM app.lines"), "50 108");
        // Of what was there nothing was changed: with the same again it is the whole.
        shop.psql(
            "INSERT INTO app.lines SELECT n, 1 FROM generate_series(51, 100) n; SELECT setval('app.numbers', 106)",
        );
        assert_eq!(shop.cluster.text_of(&shop.database), whole);
        assert_eq!(shop.psql("SELECT reltuples FROM pg_class WHERE relname = 'orders'"), "100");
    }
}

#[test]
fn what_does_not_fit_to_what_is_there_changes_nothing() {
    let shop = Scene::new(Major::V18, SHOP);
    shop.psql("DROP TABLE app.orders CASCADE; DELETE FROM app.customers WHERE id = 3");
    shop.create_fails(&["-t", "app.orders"], Kind::Postgres).says("buyer").says("do not fit together");
    shop.psql("INSERT INTO app.customers VALUES (3); INSERT INTO app.lines VALUES (101, 1)");
    shop.create_fails(&["-t", "app.orders"], Kind::Postgres).says("do not fit together");
    shop.create_fails(&["-t", "app.orders", "--truncate"], Kind::Usage).says("contradict each other");
    let to = shop.place.opens(&["restore", "latest", "--to", &shop.cluster.url("new"), "--create-tables"]);
    to.fails(Kind::Usage).says("--create-tables needs --into");
    // Its index would get the name of the one that the renamed table has.
    shop.psql("DELETE FROM app.lines WHERE order_id = 101; CREATE TABLE app.away (id int CONSTRAINT orders_pkey PRIMARY KEY)");
    shop.create_fails(&["-t", "app.orders"], Kind::Postgres).says("give it another (ALTER INDEX");
    // Functions and types that are gone too are made again.
    shop.psql("DROP TABLE app.away; DROP FUNCTION app.note; DROP TYPE app.state");
    shop.create(&["-t", "app.orders"]).succeeds();
    assert_eq!(shop.psql("INSERT INTO app.orders (customer) VALUES (1) RETURNING note || state"), "notednew");
}

#[test]
fn a_dropped_partition_becomes_part_of_its_table_again() {
    for major in [Major::V13, Major::V18] {
        let scene = Scene::new(major, &for_major(major, PARTED));
        let whole = scene.cluster.text_of(&scene.database);
        scene.psql("DROP TABLE log_2");
        scene.create(&["-t", "log_2"]).succeeds();
        assert_eq!(scene.cluster.text_of(&scene.database), whole);
        scene.psql("DROP TABLE log");
        let run = scene.create(&["-t", "log"]).succeeds();
        run.says("(ALTER PUBLICATION … ADD TABLE adds it)");
        scene.psql("ALTER PUBLICATION changes ADD TABLE log");
        assert_eq!(scene.cluster.text_of(&scene.database), whole);
    }
}

const REFERRED: &str = "CREATE TABLE m (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10); CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (10) TO (20);
INSERT INTO m SELECT generate_series(0, 19); CREATE TABLE f (id int REFERENCES m); INSERT INTO f VALUES (1), (2);";

/// Detaching one is the only way to drop it, if foreign keys refer to its table; these stay.
#[test]
fn a_partition_comes_back_to_a_table_that_others_refer_to() {
    for major in [Major::V13, Major::V18] {
        let scene = Scene::new(major, REFERRED);
        let whole = scene.cluster.text_of(&scene.database);
        scene.psql("ALTER TABLE m DETACH PARTITION m2; DROP TABLE m2");
        scene.create(&["-t", "m2"]).succeeds();
        assert_eq!(scene.cluster.text_of(&scene.database), whole);
        scene.psql("DROP TABLE m CASCADE");
        scene.create(&["-t", "m"]).succeeds();
        assert_eq!(scene.cluster.text_of(&scene.database), whole);
    }
}

const IN_A_SCHEMA: &str = r#"CREATE SCHEMA gone; CREATE EXTENSION citext SCHEMA gone;
CREATE TABLE gone."back\slash" (word gone.citext); INSERT INTO gone."back\slash" VALUES ('A');
CREATE SEQUENCE gone.loose; SELECT nextval('gone.loose'); CREATE TABLE gone.other (id serial);
CREATE TABLE here (x int);"#;

#[test]
fn what_went_with_a_schema_comes_back_or_is_named() {
    let scene = Scene::new(Major::Distribution, IN_A_SCHEMA);
    let whole = scene.cluster.text_of(&scene.database);
    scene.psql("DROP SCHEMA gone CASCADE");
    let run = scene.create(&["-t", r#"gone."back\slash""#]).succeeds();
    let run = run
        .says("left out: SEQUENCE gone.loose (it needs what is created: choose it too)")
        .says("left out: TABLE gone.other (it needs what is created: choose it too)");
    assert!(!run.stderr.contains("ANALYZE") && !run.stderr.contains("other_id_seq"), "{run}");
    scene.create(&["-t", "gone.loose", "-t", "gone.other"]).succeeds();
    assert_eq!(scene.cluster.text_of(&scene.database), whole);

    scene.psql("DROP SCHEMA public CASCADE");
    let run = scene.create_fails(&["-t", "here"], Kind::Postgres);
    run.says("has no schema public").says("CREATE SCHEMA public;");
}

/// A table of tables of tables, and all that goes with one that is dropped: what does not come back is named.
#[test]
fn what_went_with_a_table_comes_back_or_is_named() {
    let scene = Scene::new(Major::Distribution, RELATED);
    scene.psql("DROP TABLE app.events_2026 CASCADE");
    scene.create(&["-t", "app.events_2026"]).succeeds();
    scene.psql("DROP TABLE app.tree CASCADE");
    let run = scene.create(&["-t", "app.tree"]).succeeds();
    run.says("left out: FUNCTION app.count_tree()").says("left out: what TABLE app.counts used of it");
    scene.psql("DROP TABLE app.users CASCADE");
    let run = scene.create(&["-t", "app.users"]).succeeds();
    run.says("left out: VIEW app.happy (it reads what is created")
        .says("left out: what TABLE Größe.Täb\"le x used of it");
    let keys =
        "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'app'::regnamespace";
    let copy = scene.cluster.create_database("whole");
    scene.cluster.psql(&copy, RELATED);
    assert_eq!(scene.psql(keys), scene.cluster.psql(&copy, keys));
}

const TIED: &str = "CREATE TABLE ord (id serial PRIMARY KEY, n text);
INSERT INTO ord (n) VALUES ('a'), ('b');
CREATE VIEW v AS SELECT id, n, count(*) AS c FROM ord GROUP BY ord.id;
CREATE TABLE other (n int DEFAULT nextval('ord_id_seq')); CREATE VIEW v2 AS SELECT n FROM other;
ALTER VIEW v2 ALTER n SET DEFAULT nextval('ord_id_seq'); CREATE SEQUENCE neu;
CREATE TABLE base (id serial PRIMARY KEY); CREATE TABLE typed (x base);
CREATE TABLE acl (name text); CREATE TABLE docs (name text); ALTER TABLE docs ENABLE ROW LEVEL SECURITY;
/*14+*/CREATE FUNCTION allowed(text) RETURNS bool BEGIN ATOMIC SELECT EXISTS (SELECT FROM acl WHERE name = $1); END;
/*14+*/CREATE POLICY closed ON docs AS RESTRICTIVE USING (allowed(name));
CREATE POLICY listed ON docs USING (EXISTS (SELECT FROM acl WHERE acl.name = docs.name));
CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TABLE parted (a int PRIMARY KEY) PARTITION BY RANGE (a);
CREATE TRIGGER noted BEFORE INSERT ON parted FOR EACH ROW EXECUTE FUNCTION noted();
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10); ALTER TABLE parted_1 DISABLE TRIGGER noted;
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
INSERT INTO parted VALUES (1), (11);
CREATE UNLOGGED TABLE identified (id int GENERATED ALWAYS AS IDENTITY);
CREATE TABLE force (id int PRIMARY KEY, word text); ALTER TABLE force ENABLE ROW LEVEL SECURITY; ALTER TABLE force FORCE ROW LEVEL SECURITY;
CREATE TABLE forced (id int REFERENCES force); INSERT INTO force VALUES (1); INSERT INTO forced VALUES (1);";

/// What is there is neither set back nor taken for something else, and what went with the table is named.
#[test]
fn what_is_there_stays_as_it_is() {
    for major in [Major::V13, Major::V18] {
        let scene = Scene::new(major, &for_major(major, TIED));
        scene.psql("DROP TABLE ord CASCADE; CREATE VIEW v AS SELECT 1 AS id, 'x'::text AS n, 7::bigint AS c; ALTER VIEW v2 ALTER n SET DEFAULT nextval('neu')");
        let run = scene.create(&["-t", "ord"]).succeeds();
        run.says("what TABLE public.other used of it");
        assert_eq!(scene.psql("SELECT c FROM v"), "7");
        assert!(
            scene
                .psql("SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'v2'::regclass")
                .contains("neu")
        );

        scene.psql("DROP TABLE base, typed CASCADE");
        scene
            .create_fails(&["-t", "typed"], Kind::NotFound)
            .says("needs public.base, which the database lacks");
        scene.create(&["-t", "typed", "-t", "base"]).succeeds();
        scene.psql("DROP TABLE identified; CREATE SEQUENCE identified_id_seq");
        scene.create_fails(&["-t", "identified"], Kind::TargetExists).says("as an identity column needs it");
        scene.psql("DROP SEQUENCE identified_id_seq");
        scene.create(&["-t", "identified"]).succeeds();

        scene.psql("DROP TABLE acl CASCADE");
        let run = scene.create(&["-t", "acl"]).succeeds();
        if major != Major::V13 {
            run.says("FUNCTION public.allowed(text)").says("POLICY public.docs closed (it may be gone, too");
            scene.psql("CREATE FUNCTION allowed(text) RETURNS bool LANGUAGE sql AS 'SELECT true'");
        }
        assert_eq!(scene.psql("SELECT string_agg(polname, ' ') FROM pg_policy"), "listed");
        scene.psql("DROP TABLE parted_1");
        scene.create(&["-t", "parted_1"]).succeeds();
        let enabled = "SELECT tgenabled FROM pg_trigger WHERE tgrelid = 'parted_1'::regclass";
        assert_eq!(scene.psql(enabled), "D");
        scene.psql("ALTER TABLE parted DETACH PARTITION parted_2; DROP TABLE parted");
        let run = scene.create(&["-t", "parted"]).succeeds();
        run.says("TABLE ATTACH");
        assert_eq!(scene.psql("SELECT string_agg(a::text, ' ') FROM parted"), "1");

        scene.psql("DROP TABLE force CASCADE");
        scene.create(&["-t", "force"]).succeeds();
        assert_eq!(scene.psql("SELECT count(*) FROM pg_constraint WHERE conname = 'forced_id_fkey'"), "1");
    }
}

/// Names that are not ASCII, in a database that is not UTF8.
#[test]
fn names_are_those_of_the_encoding() {
    let cluster = Cluster::shared(Major::V18);
    let database = fresh("latin");
    cluster.psql(
        "postgres",
        &format!("CREATE DATABASE {database} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"),
    );
    let sql = "CREATE TABLE \"Bücher\" (id int PRIMARY KEY); CREATE TYPE \"Größe\" AS ENUM ('ä');
        CREATE TABLE \"Verkäufe\" (buch int REFERENCES \"Bücher\", wie \"Größe\"); INSERT INTO \"Verkäufe\" VALUES (NULL, 'ä')";
    cluster.psql(&database, sql);
    let place = Place::folder();
    place.backup(&cluster.url(&database), &["--name", "tables"]);
    let scene = Scene { cluster, database, place };
    let whole = cluster.text_of(&scene.database);
    scene.psql("DROP TABLE \"Verkäufe\"");
    let run = scene.create(&["-t", "\"Verkäufe\""]).succeeds();
    assert!(!run.stderr.contains("warning"), "{run}");
    assert_eq!(cluster.text_of(&scene.database), whole);
}
