//! `restore --into`: rows of chosen tables, appended to tables that exist.

use crate::harness::{Run, eventually};
use crate::scene::{Keys, Place, fresh};
use crate::servers::folder;
use crate::servers::postgres::{Cluster, Major, PASSWORD, USER};
use crate::there::preflight::pgbouncer;
use pgstow::archive::{EntryKind, Reader, TocEntry};
use pgstow::error::Kind;
use std::os::unix::fs::PermissionsExt;

const SHOP: &str = "CREATE SCHEMA app;
CREATE TABLE app.customers (id int PRIMARY KEY);
INSERT INTO app.customers SELECT generate_series(1, 5);
CREATE TABLE app.orders (id serial PRIMARY KEY, customer int REFERENCES app.customers, \"a \"\"note\"\"\" text, twice int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO app.orders (customer, \"a \"\"note\"\"\") SELECT 1 + n % 5, E'line\\nand \\\\.' FROM generate_series(1, 1000) n;
CREATE TABLE app.lines (order_id int REFERENCES app.orders, part int);
INSERT INTO app.lines SELECT n, 1 FROM generate_series(1, 1000) n;
CREATE VIEW app.totals AS SELECT count(*) FROM app.orders;";
const SUM: &str = "SELECT count(*) || ' ' || md5(string_agg(o::text, '' ORDER BY id)) FROM app.orders o";

struct Shop {
    cluster: &'static Cluster,
    database: String,
    place: Place,
}

impl Shop {
    fn open(major: Major) -> Shop {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("into");
        cluster.psql(&database, SHOP);
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--name", "shop"]);
        Shop { cluster, database, place }
    }

    fn psql(&self, sql: &str) -> String {
        self.cluster.psql(&self.database, sql)
    }

    fn words(&self, words: &[&str]) -> crate::harness::Pgstow {
        self.place.opens(&["restore", "latest", "--into", &self.cluster.url(&self.database)]).args(words)
    }

    fn fails(&self, words: &[&str], kind: Kind) -> Run {
        let before =
            self.psql("SELECT (SELECT count(*) FROM app.orders) || ' ' || (SELECT count(*) FROM app.lines)");
        let run = self.words(words).fails(kind);
        let after =
            self.psql("SELECT (SELECT count(*) FROM app.orders) || ' ' || (SELECT count(*) FROM app.lines)");
        assert_eq!(before, after, "{run}");
        run
    }
}

#[test]
fn rows_come_back_into_their_table_or_none_do() {
    for major in [Major::Distribution, Major::V18] {
        let shop = Shop::open(major);
        let whole = shop.psql(SUM);
        shop.fails(&["-t", "app.orders"], Kind::Postgres)
            .says("duplicate key")
            .says("--truncate removes all of its rows");
        shop.psql("DELETE FROM app.lines; DELETE FROM app.orders");
        let run = shop.words(&["-t", "app.orders", "--json"]).succeeds();
        let told = run.json();
        let run = run.says("appended to 1 table in ").says("1,000 rows").says("sequences are unchanged");
        let set = run.stderr.lines().find_map(|line| line.trim().strip_prefix("SELECT setval(")).unwrap();
        shop.psql(&format!("SELECT setval({set}"));
        assert_eq!(
            (&told["rows"], &told["truncated"], &told["tables"][0]["name"]),
            (&1000.into(), &false.into(), &"app.orders".into())
        );
        assert!(told["fetched_bytes"].as_u64() <= told["stored_bytes"].as_u64(), "{told}");
        assert_eq!(shop.psql(SUM), whole);
        shop.words(&["-t", "app.lines"]).succeeds();

        // What is there goes in the same transaction, and only if it was asked for.
        shop.psql("UPDATE app.orders SET customer = 1; DELETE FROM app.lines WHERE order_id > 10");
        shop.fails(&["-t", "app.orders", "--truncate"], Kind::Postgres)
            .says("app.lines refers to app.orders, which can be emptied only together with it")
            .says("--table app.orders --table app.lines --truncate");
        // Lines come before orders in the backup, and refer to them.
        let run = shop.words(&["-t", "app.orders", "-t", "app.lines", "--truncate"]).succeeds();
        run.says("replaced the rows of 2 tables");
        assert_eq!(shop.psql(SUM), whole);
        assert_eq!(shop.psql("SELECT count(*) FROM app.lines"), "1000");
    }
}

/// One that belongs to a session would stay with the pooler, and keep all others away.
#[test]
fn through_a_pooler_a_lock_holds_and_goes_with_its_restore() {
    let shop = Shop::open(Major::V18);
    let copy = fresh("pooled");
    // Of several sessions each question gets the next one.
    for mode in ["transaction", "transaction\nserver_round_robin = 1\nmin_pool_size = 4"] {
        shop.psql("DELETE FROM app.lines");
        let (_server, port) = pgbouncer(shop.cluster, mode);
        let url = |database: &str| format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{port}/{database}");
        let through = ["restore", "latest", "-t", "app.lines", "--into", &url(&shop.database)];
        shop.place.opens(&through).succeeds();
        shop.words(&["-t", "app.lines", "--truncate"]).succeeds();
        let pooled = || shop.place.opens(&["restore", "latest", "--to", &url(&copy)]);
        let running = pooled().args(["--after-sql", "SELECT pg_sleep(5.25)"]).spawn();
        let asleep =
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND query LIKE '%5.25%'";
        eventually("the script runs", || shop.cluster.psql("postgres", asleep) != "0");
        // Neither vacuum nor anything else has to wait for it.
        let holding =
            "SELECT DISTINCT state, backend_xmin, backend_xid FROM pg_stat_activity JOIN pg_locks USING (pid)
            WHERE locktype = 'advisory' AND objsubid = 2 AND state LIKE 'idle in %'";
        assert_eq!(shop.cluster.psql("postgres", holding), "idle in transaction||");
        let words = ["restore", "latest", "--to", &shop.cluster.url(&copy)];
        for other in [pooled(), shop.place.opens(&words)] {
            other.fails(Kind::Locked).says("another restore into pooled");
        }
        running.wait().assert_success();
        let dropping = || shop.cluster.psql("postgres", &format!("DROP DATABASE {copy}"));
        dropping();
        shop.place.opens(&words).succeeds();
        dropping();
    }
}

#[test]
fn a_password_for_this_database_only_is_enough() {
    let shop = Shop::open(Major::V18);
    shop.psql("DELETE FROM app.lines");
    let (home, port) = (folder("home"), shop.cluster.port);
    let file = home.path().join("pgpass");
    std::fs::write(&file, format!("*:*:{}:{USER}:{PASSWORD}\n", shop.database)).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let into = |database: &str| {
        let url = format!("postgres://{USER}@127.0.0.1:{port}/{database}");
        let command = shop.place.opens(&["restore", "latest", "-t", "app.lines", "--into", &url]);
        command.env("PGPASSFILE", &file)
    };
    into(&shop.database).succeeds();
    into("postgres").fails(Kind::Postgres).says("no password supplied");
}

#[test]
fn rows_that_are_there_now_are_not_lost_or_doubled_unnoticed() {
    let shop = Shop::open(Major::V17);
    shop.psql("CREATE TABLE app.events (n int); DELETE FROM app.lines");
    let place = Place::folder();
    place.backup(&shop.cluster.url(&shop.database), &["--name", "shop"]);
    let url = shop.cluster.url(&shop.database);
    let into = |words: &[&str]| place.opens(&["restore", "latest", "--into", &url]).args(words);
    // It was emptied before the backup, and has new rows since.
    shop.psql("INSERT INTO app.lines VALUES (1, 7)");
    into(&["-t", "app.lines"]).succeeds().says("there is nothing to append").says("has no rows of app.lines");
    let run = into(&["-t", "app.lines", "--truncate"]).fails(Kind::Usage);
    run.says("has no rows of app.lines, so --truncate would only remove what is there now").says("--yes");
    assert_eq!(shop.psql("SELECT count(*) FROM app.lines"), "1");
    into(&["-t", "app.lines", "--truncate", "--yes"]).succeeds();
    assert_eq!(shop.psql("SELECT count(*) FROM app.lines"), "0");
    // Nothing there keeps the same row from coming twice.
    shop.words(&["-t", "app.lines"]).succeeds();
    let run = shop.words(&["-t", "app.lines"]).succeeds();
    run.says("app.lines has rows, and no key");
    shop.psql(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER \"No more\" BEFORE INSERT ON app.lines FOR EACH ROW EXECUTE FUNCTION no()",
    );
    let run = shop.words(&["-t", "app.lines"]).succeeds();
    run.says("triggers of app.lines may change rows or leave them out: \"No more\"");
    // More tables than a function of the server has arguments.
    shop.psql("DO $$ BEGIN FOR n IN 1..120 LOOP EXECUTE format('CREATE TABLE app.many_%s AS SELECT 1 AS n', n); END LOOP; END $$");
    place.backup(&shop.cluster.url(&shop.database), &["--name", "shop"]);
    into(&["-t", "app.many_*", "--truncate"]).succeeds().says("replaced the rows of 120 tables");
    assert_eq!(shop.psql("SELECT count(*) FROM app.many_120"), "1");
}

#[test]
fn no_table_is_emptied_that_was_not_meant_or_that_an_extension_has_filled() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("meant");
    cluster.psql(
        &database,
        "CREATE SCHEMA app; CREATE SCHEMA billing; CREATE EXTENSION hstore;
         CREATE TABLE app.orders AS SELECT 1 AS id; CREATE TABLE billing.orders AS SELECT 1 AS id;
         CREATE TABLE app.kinds AS SELECT generate_series(1, 2) AS id; ALTER EXTENSION hstore ADD TABLE app.kinds;
         UPDATE pg_extension SET extconfig = ARRAY['app.kinds'::regclass::oid], extcondition = ARRAY['WHERE id > 1']
         WHERE extname = 'hstore'",
    );
    let place = Place::folder();
    place.backup(&cluster.url(&database), &["--name", "shop"]);
    cluster.psql(&database, "INSERT INTO billing.orders VALUES (2); INSERT INTO app.orders VALUES (2)");
    let url = cluster.url(&database);
    let into = |table: &str| place.opens(&["restore", "latest", "--into", &url, "--truncate", "-t", table]);
    let rows = |table: &str| cluster.psql(&database, &format!("SELECT count(*) FROM {table}"));

    let run = into("orders").fails(Kind::Usage);
    run.says("matches tables in several schemas").says("app.orders, billing.orders");
    into("app.kinds").fails(Kind::Usage).says("app.kinds is an extension's");
    let run = into("app.*").succeeds();
    run.says("left out: app.kinds is an extension's").says("replacing all rows of app.orders in ");
    assert_eq!([rows("app.orders"), rows("billing.orders"), rows("app.kinds")], ["1", "2", "2"]);
    into("*.orders").succeeds();
    assert_eq!(rows("billing.orders"), "1");

    // Here the extension has no such table.
    let words = ["restore", "latest", "--to", &cluster.url(&fresh("meant")), "-T", "app.kinds"];
    let run = place.opens(&words).succeeds();
    assert!(!run.stderr.contains("nothing in the backup matches"), "{run}");
}

#[test]
fn tables_that_are_missing_or_do_not_fit_are_refused_before_data_moves() {
    for major in [Major::Distribution, Major::V18] {
        let shop = Shop::open(major);
        let orders = ["-t", "app.orders"];
        for (change, says) in [
            (
                "ALTER TABLE app.orders RENAME COLUMN customer TO buyer",
                "the backup's rows have customer, and",
            ),
            (
                "ALTER TABLE app.orders DROP COLUMN \"a \"\"note\"\"\"",
                "the backup's rows have a \"note\", and",
            ),
            (
                "ALTER TABLE app.orders ADD COLUMN must int; UPDATE app.orders SET must = 1; ALTER TABLE app.orders ALTER must SET NOT NULL",
                "needs a value for must, and",
            ),
        ] {
            let undo = fresh("undo");
            shop.cluster.psql("postgres", &format!("CREATE DATABASE {undo} TEMPLATE {}", shop.database));
            shop.cluster.psql(&undo, change);
            let run =
                shop.place.opens(&["restore", "latest", "--into", &shop.cluster.url(&undo)]).args(orders);
            run.fails(Kind::Postgres).says("the columns of app.orders do not fit").says(says);
        }
        shop.fails(&["-t", "app.totals"], Kind::Usage).says("have no rows of their own");
        shop.fails(&["-t", "app.order"], Kind::NotFound).says("did you mean app.orders");
        shop.fails(&[], Kind::Usage).says("--into needs --table");
        shop.fails(&["-t", "app.orders", "--to", "x"], Kind::Usage)
            .says("--to and --into contradict each other");
        let other = shop.cluster.create_database("empty");
        let run = shop.place.opens(&["restore", "latest", "--into", &shop.cluster.url(&other)]).args(orders);
        run.fails(Kind::Postgres).says(&format!("{other} has no table app.orders"));
        let none = fresh("none");
        let run = shop.place.opens(&["restore", "latest", "--into", &shop.cluster.url(&none)]).args(orders);
        run.fails(Kind::Postgres).says("check the database's name");
    }
}

/// Teams have a leader, who is a player of a team: whichever comes first refers to what is not there yet.
#[test]
fn tables_that_refer_to_each_other_come_together() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("circle");
        cluster.psql(
            &database,
            "CREATE TABLE teams (id int PRIMARY KEY, leader int NOT NULL);
             CREATE TABLE \"the players\" (id int PRIMARY KEY, team int NOT NULL REFERENCES teams);
             CREATE TABLE goals (player int REFERENCES \"the players\", team int REFERENCES teams);
             CREATE TABLE cups (id int PRIMARY KEY, holder int);
             CREATE TABLE wins (id int PRIMARY KEY, cup int REFERENCES cups);
             ALTER TABLE cups ADD FOREIGN KEY (holder) REFERENCES wins;
             INSERT INTO teams SELECT n, n * 10 FROM generate_series(1, 5) n;
             INSERT INTO \"the players\" SELECT n, 1 + n % 5 FROM generate_series(1, 50) n;
             INSERT INTO goals SELECT n, 1 FROM generate_series(1, 20) n;
             ALTER TABLE teams ADD CONSTRAINT \"the leader\" FOREIGN KEY (leader) REFERENCES \"the players\"",
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &["--name", "app"]);
        let counts = "SELECT (SELECT count(*) FROM teams), (SELECT count(*) FROM \"the players\"), (SELECT count(*) FROM goals)";
        let restore = || {
            let words = ["restore", "latest", "--into", &cluster.url(&database), "--truncate", "-t", "teams"];
            place.opens(&words).args(["-t", "\"the players\"", "-t", "goals", "-t", "cups", "-t", "wins"])
        };
        let run = restore().fails(Kind::Postgres);
        let run = run.says("public.teams and public.the players").says("refer to each other");
        let way = run.stderr.split_once("end: ").unwrap().1.lines().next().unwrap().to_owned();
        assert!(way.ends_with(" DEFERRABLE;") && !run.stderr.contains("appending"), "{run}");
        // One of a circle's is enough.
        assert_eq!(way.matches("ALTER TABLE").count(), 2, "{run}");
        assert_eq!(cluster.psql(&database, counts), "5|50|20");

        cluster.psql(&database, &format!("{way} DELETE FROM goals; UPDATE teams SET leader = 1"));
        restore().succeeds().says("replaced the rows of 5 tables");
        assert_eq!(cluster.psql(&database, counts), "5|50|20");
        assert_eq!(cluster.psql(&database, "SELECT min(leader) FROM teams"), "10");

        // What is wrong at the end is refused all the same.
        cluster.psql(
            &database,
            "SET session_replication_role = replica; DELETE FROM \"the players\" WHERE id = 10; DELETE FROM goals",
        );
        place.backup(&cluster.url(&database), &["--name", "app"]);
        restore().fails(Kind::Postgres).says("violates foreign key constraint");
        assert_eq!(cluster.psql(&database, counts), "5|49|0");
    }
}

#[test]
fn nothing_of_a_damaged_backup_is_appended() {
    let shop = Shop::open(Major::V18);
    shop.psql("DELETE FROM app.lines; DELETE FROM app.orders");
    let key = shop.place.key("dump.zst.age");
    let mut bytes = shop.place.get(&key);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    shop.place.put(&key, bytes);
    shop.fails(&["-t", "app.orders", "-t", "app.lines"], Kind::Verify);
}

/// A hash of an enum's value is another in another database, so that `pg_dump` lets the root distribute the rows.
#[test]
fn one_partition_of_a_table_that_is_hashed_by_an_enum_can_be_had() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("hashed");
        cluster.psql(
            &database,
            "CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'odd');
             CREATE TABLE moods (mood mood, \"a n\" int, PRIMARY KEY (mood, \"a n\")) PARTITION BY HASH (mood);
             CREATE TABLE moods_0 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 0);
             CREATE TABLE moods_1 PARTITION OF moods FOR VALUES WITH (MODULUS 2, REMAINDER 1);
             INSERT INTO moods SELECT m, n FROM generate_series(1, 10) n, unnest(enum_range(NULL::mood)) m",
        );
        let rows =
            |database: &str, table: &str| cluster.psql(database, &format!("SELECT count(*) FROM {table}"));
        let parts = ["moods_0", "moods_1"].map(|part| (part, rows(&database, part)));
        let (part, number) = parts.iter().find(|(_, number)| number != "0").unwrap();
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        for (place, jobs) in [(&place, "1"), (&place, "2"), (&attached_at_once(cluster, &database), "1")] {
            let copy = fresh("hashed");
            let restore = ["restore", "latest", "--to", &cluster.url(&copy), "-t", part, "--jobs", jobs];
            place
                .opens(&restore)
                .succeeds()
                .says(&format!("left out: TABLE ATTACH public.{part}"))
                .says(&format!("proven: {number} rows in 2 tables"));
            assert_eq!(rows(&copy, part), *number);
            let copy = fresh("hashed");
            place
                .opens(&["restore", "latest", "--to", &cluster.url(&copy), "-t", "moods", "--jobs", jobs])
                .succeeds();
            assert_eq!(rows(&copy, "moods"), "40");
        }
        cluster.psql(&database, "TRUNCATE moods");
        let into = ["restore", "latest", "--into", &cluster.url(&database)];
        place.opens(&into).args(["-t", "moods"]).succeeds();
        assert_eq!(rows(&database, "moods"), "40");
        // The rows of one part may have come to lie in the other.
        let run = place.opens(&into).args(["-t", part, "--truncate"]).fails(Kind::Usage);
        run.says("can only replace all of them").says("--table public.moods");
        cluster.psql(
            &database,
            "DROP TABLE moods_0, moods_1; CREATE TABLE other PARTITION OF moods FOR VALUES WITH (MODULUS 1, REMAINDER 0)",
        );
        cluster.psql(&database, "INSERT INTO moods VALUES ('sad', 11)");
        place.opens(&into).args(["-t", "moods", "--truncate"]).succeeds();
        assert_eq!(rows(&database, "moods"), "40");
    }
}

/// The server empties a partitioned table's partitions only with it, and what refers to one of them only with all.
#[test]
fn tables_that_partitioned_ones_refer_to_are_emptied_with_them() {
    for major in [Major::V13, Major::Distribution, Major::V18] {
        let cluster = Cluster::shared(major);
        let database = cluster.create_database("parts");
        cluster.psql(
            &database,
            "CREATE TABLE cust (id int PRIMARY KEY); INSERT INTO cust SELECT generate_series(1, 20);
             CREATE TABLE ord (id int PRIMARY KEY, cust int REFERENCES cust) PARTITION BY RANGE (id);
             CREATE TABLE ord1 PARTITION OF ord FOR VALUES FROM (0) TO (10);
             CREATE TABLE ord2 PARTITION OF ord FOR VALUES FROM (10) TO (20);
             INSERT INTO ord SELECT n, n FROM generate_series(1, 19) n;
             CREATE TABLE items (ord int REFERENCES ord); INSERT INTO items SELECT generate_series(1, 19)",
        );
        let place = Place::folder();
        place.backup(&cluster.url(&database), &[]);
        cluster.psql(&database, "DELETE FROM items WHERE ord > 5; DELETE FROM ord WHERE id > 5");
        let into = ["restore", "latest", "--truncate", "--into", &cluster.url(&database)];
        let run = place.opens(&into).args(["-t", "ord"]).fails(Kind::Postgres);
        run.says("public.items refers to public.ord1").says("--table ord --table public.items --truncate");
        let run = place.opens(&into).args(["-t", "cust", "-t", "items"]).fails(Kind::Postgres);
        run.says("public.ord refers to public.cust").says("--table cust --table items --table public.ord --");
        let all = ["-t", "cust", "-t", "items", "-t", "public.ord"];
        place.opens(&into).args(all).succeeds().says("replaced the rows of 4 tables");
        assert_eq!(cluster.psql(&database, "SELECT count(*) FROM items JOIN ord ON ord = id"), "19");

        cluster.psql(&database, "CREATE TABLE ord3 PARTITION OF ord FOR VALUES FROM (20) TO (30)");
        let run = place.opens(&into).args(all).fails(Kind::Postgres);
        run.says("the backup has no rows of public.ord3: empty the tables yourself");
    }
}

/// `TRUNCATE ONLY` is for tables with rows of their own, as it was one when it was backed up.
#[test]
fn a_table_that_was_partitioned_since_is_emptied_with_its_partitions() {
    let cluster = Cluster::shared(Major::Distribution);
    let database = cluster.create_database("since");
    cluster.psql(&database, "CREATE TABLE t AS SELECT generate_series(1, 5) AS n");
    let place = Place::folder();
    place.backup(&cluster.url(&database), &[]);
    cluster.psql(
        &database,
        "DROP TABLE t; CREATE TABLE t (n int) PARTITION BY LIST (n); CREATE TABLE t1 PARTITION OF t DEFAULT;
         INSERT INTO t VALUES (7)",
    );
    let into = ["restore", "latest", "--truncate", "--into", &cluster.url(&database), "-t", "t"];
    place.opens(&into).succeeds().says("5 rows");
    assert_eq!(cluster.psql(&database, "SELECT sum(n) FROM t"), "15");
}

/// A dump in which partitions attach themselves, as the clients of PostgreSQL 13 and older write it, adopted.
fn attached_at_once(cluster: &Cluster, database: &str) -> Place {
    let dump = cluster.client("pg_dump").args(["-Fc", "-Z0", database]).output().unwrap();
    assert!(dump.status.success());
    let mut reader = Reader::new();
    reader.feed(&dump.stdout).unwrap();
    let front = reader.finish().unwrap().preamble();
    let attach: Vec<&TocEntry> =
        front.toc.entries().iter().filter(|entry| entry.kind() == EntryKind::TableAttach).collect();
    assert!(!attach.is_empty());
    let old = front.keep(|entry| entry.kind() != EntryKind::TableAttach).with(|entry| {
        let own =
            attach.iter().find(|attach| attach.tag() == entry.tag() && entry.kind() == EntryKind::Table);
        own.map_or_else(
            || entry.clone(),
            |own| entry.with_defn(&[entry.defn().unwrap(), own.defn().unwrap()].concat()),
        )
    });
    let (place, folder) = (Place::folder(), folder("old"));
    let file = folder.path().join("old.dump");
    let blocks = &dump.stdout[front.to_bytes().len()..];
    std::fs::write(&file, [&old.to_bytes(), blocks].concat()).unwrap();
    let words = ["adopt", "--name", "app", "--recipient", &Keys::shared().recipient, file.to_str().unwrap()];
    place.pgstow(&words).succeeds();
    place
}
