//! `config check`: what is in effect, where it comes from, and no secret.

use crate::harness::pgstow;
use pgstow::error::Kind;
use tempfile::TempDir;

#[test]
fn every_setting_says_where_it_comes_from() {
    let home = TempDir::new().unwrap();
    let file = home.path().join("my.toml");
    let text = "store = \"file:///a\"\nuploads = 2\n[profile.prod]\nstore = \"file:///b\"\nname = \"app\"\n\
                webhook = \"https://hooks.example.com/5ec7e7\"\n";
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let check = |words: &[&str]| {
        pgstow(["config", "check"])
            .args(words)
            .in_folder(home.path())
            .env("PGSTOW_CONFIG", "my.toml")
            .env("PGSTOW_NAME", "typed")
            .env("DATABASE_URL", "postgres://u:5ec7e7@h/db")
            .env("PGSTOW_PASSPHRASE", "5ec7e7")
            .env("PGSTOW_UPLOADS", "")
    };
    let run = check(&["--profile", "prod", "--json"]).succeeds();
    let json = run.json();
    let of = |key: &str| {
        let settings = json["settings"].as_array().unwrap();
        let setting = settings.iter().find(|setting| setting["key"] == key);
        setting.map(|setting| (setting["values"][0].as_str().unwrap(), setting["from"].as_str().unwrap()))
    };
    assert_eq!(of("store"), Some(("file:///b", "file")));
    assert_eq!(of("name"), Some(("typed", "PGSTOW_NAME")));
    assert_eq!(of("uploads"), Some(("2", "file")), "a blank variable says nothing");
    assert_eq!(of("webhook"), Some(("https://hooks.example.com/…", "file")));
    assert_eq!(of("database_url"), Some(("postgres://u:***@h/db", "DATABASE_URL")));
    assert_eq!(of("timeout"), None);
    assert_eq!(json["secrets"], serde_json::json!(["PGSTOW_PASSPHRASE"]));
    assert_eq!(json["profile"], "prod");

    let plain = check(&["--all"]).succeeds();
    let lines = plain.text();
    let has = |words: &[&str]| lines.lines().any(|line| line.split_whitespace().eq(words.iter().copied()));
    assert!(has(&["store", "file:///a", "my.toml"]) && has(&["timeout", "60s", "default"]), "{lines}");
    let spaced = check(&[]).env("DATABASE_URL", "host=h user=u password = 5ec7e7").succeeds();
    for run in [run, plain, spaced] {
        assert!(!run.stderr.contains("5ec7e7") && !run.text().contains("5ec7e7"), "{run}");
    }
    std::fs::write(&file, "to = \"host=h password = 5ec7e7\"\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    check(&[]).succeeds().says("warning: the settings file holds a password");
}

#[test]
fn what_is_not_valid_is_reported_and_what_is_mistyped_too() {
    let run = pgstow(["config", "check"]).env("PGSTOW_TIMEOUT", "soon").env("PGSTOW_STROE", "file:///a");
    let run =
        run.fails(Kind::Settings).says("invalid value 'soon' for PGSTOW_TIMEOUT (--timeout <DURATION>)");
    run.says("warning: PGSTOW_STROE is not a variable of pgstow's; PGSTOW_STORE is");
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("pgstow.toml"), "compression_level = 99\n").unwrap();
    pgstow(["config", "check"])
        .in_folder(home.path())
        .fails(Kind::Settings)
        .says("invalid value '99' for compression_level of pgstow.toml (--compression-level <LEVEL>)");
}

/// What the command line takes, and a night would stumble over.
#[test]
fn a_store_or_recipient_that_is_none_and_a_file_that_is_missing_are_reported() {
    let home = TempDir::new().unwrap();
    std::fs::write(home.path().join("pgstow.toml"), "identity_file = \"key.txt\"\n").unwrap();
    let check = || pgstow(["config"]).in_folder(home.path());
    check().succeeds().says("warning: identity_file: there is no file ").says("key.txt");
    check().env("PGSTOW_STORE", "my-bucket/prod").fails(Kind::Settings).says("store: the store is not a URL");
    let run = check().env("PGSTOW_RECIPIENTS", "age1-YOUR-RECIPIENT").fails(Kind::Settings);
    run.says("recipients: the mistyped or incomplete \"age1…\" is not a recipient");
    // A secret that was put into the wrong variable is not printed.
    let secret = "AGE-SECRET-KEY-15EC7E7";
    let run = check().env("PGSTOW_IDENTITY_FILE", secret).succeeds();
    assert!(!run.stderr.contains(secret) && !run.text().contains(secret), "{run}");
    let run = check().env("PGSTOW_TIMEOUT", "postgres://u:hunter22@h/db").fails(Kind::Settings);
    let run = run.says("invalid value 'postgres://u:…@h/db' for PGSTOW_TIMEOUT");
    assert!(!run.stderr.contains("hunter22") && !run.text().contains("hunter22"), "{run}");
}

/// They are right or wrong by themselves, and a night would stumble over them.
#[test]
fn values_that_no_verb_can_use_are_reported() {
    let check = |name: &str, value: &str| pgstow(["config", "check"]).env(name, value);
    for (name, value, why) in [
        ("PGSTOW_TIMEZONE", "Mars/Base", "for PGSTOW_TIMEZONE (--timezone <ZONE>): there is no time zone"),
        ("PGSTOW_CRON", "nonsense", "cron: \"nonsense\" is not a cron expression"),
        ("PGSTOW_EVERY", "0s", "every: --every takes whole seconds"),
        ("PGSTOW_NAME", "a//b", "name: "),
        ("PGSTOW_LABELS", "team=x\ny", "labels: --label \"y\" is not KEY=VALUE"),
        ("PGSTOW_VERIFY_KEY", "garbage", "verify_key: the verification key is not a minisign public key"),
        ("PGSTOW_SIGNING_KEY", "garbage", "the signing key cannot be used"),
        ("PGSTOW_STORE", "s3://b?profile=garage&class=X", "store: the service \"garage\" cannot do"),
        ("PGSTOW_VERIFY_TO", "foo://x", "verify_to: "),
    ] {
        check(name, value).fails(Kind::Settings).says(why);
    }
    for (name, value) in [
        ("PGSTOW_NAME", "app\nshop/*\n"),
        ("PGSTOW_LABELS", "team=x\n"),
        ("PGSTOW_VERIFY_KEY", "/etc/pgstow/not-here.pub"),
        ("PGSTOW_EVERY", "6h"),
        ("DATABASE_URL", "sqlite:///another-programs"),
    ] {
        check(name, value).succeeds();
    }
}

/// Who hears how a run went is needed only when one fails.
#[test]
fn an_address_of_an_alarm_that_cannot_be_used_is_reported() {
    let check = |name: &str, value: &str| pgstow(["config", "check"]).env(name, value);
    for (name, value, why) in [
        (
            "PGSTOW_PING_URL",
            "ftp://h/5ec7e7",
            "ping_url: the address cannot be used, so nobody would hear from it",
        ),
        ("PGSTOW_PING_URL", "hc.example.com/5ec7e7", "ping_url: the address cannot be used"),
        ("PGSTOW_WEBHOOK", "https://h/5ec7e7\nhttps:///5ec7e7 x", "webhook: address 2 of 2 cannot be used"),
        ("PGSTOW_PUSH_GATEWAY", "http://", "push_gateway: the address cannot be used"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "OTEL_EXPORTER_OTLP_ENDPOINT: the address cannot"),
    ] {
        let run = check(name, value).fails(Kind::Settings).says(why);
        assert!(!run.stderr.contains("5ec7e7") && !run.text().contains("5ec7e7"), "{run}");
    }
    check("PGSTOW_PING_URL", "5dc9a1fe-0f1a-4c5b-9d2e-0123456789ab").succeeds();
    check("PGSTOW_WEBHOOK", "https://h/x\n").succeeds();
}

/// In a mount namespace of its own, so that the machine's settings stay as they are.
#[test]
fn what_is_in_the_quotes_of_a_statement_is_not_shown() {
    let run = pgstow(["config", "check"]).env("PGSTOW_AFTER_SQL", "ALTER ROLE x PASSWORD 'hunter22'").run();
    assert!(run.text().contains("ALTER ROLE x PASSWORD '…'"), "{run}");
    assert!(
        !format!("{run}")
            .replace("PGSTOW_AFTER_SQL=\"ALTER ROLE x PASSWORD 'hunter22'\"", "")
            .contains("hunter22"),
        "{run}"
    );
}

#[test]
fn the_machines_file_is_read_last() {
    let may =
        std::process::Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !may.is_ok_and(|done| done.status.success()) {
        crate::skip!("this user may mount nothing");
    }
    let script = "mount -t tmpfs none /etc && mkdir /etc/pgstow && \
                  echo 'store = \"file:///of-all\"' >/etc/pgstow/pgstow.toml && exec \"$0\" \"$@\"";
    let check = || pgstow(["config", "check", "--json"]).under(["unshare", "-m", "sh", "-c", script]);
    let json = check().succeeds().json();
    assert_eq!(json["file"], "/etc/pgstow/pgstow.toml");
    assert_eq!(json["settings"][0]["values"][0], "file:///of-all");
    let home = TempDir::new().unwrap();
    std::fs::create_dir_all(home.path().join("pgstow")).unwrap();
    std::fs::write(home.path().join("pgstow/pgstow.toml"), "store = \"file:///mine\"\n").unwrap();
    let json = check().env("XDG_CONFIG_HOME", home.path()).succeeds().json();
    assert_eq!(json["settings"][0]["values"][0], "file:///mine");
}
