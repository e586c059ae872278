//! Three examples for every verb, which end its help. A test types each of them.

/// What an example does, and its command.
type Example = (&'static str, &'static str);

const ALL: [Example; 3] = [
    (
        "Back up one database, encrypted",
        "pgstow backup postgres://backup@db/app -s 's3://my-backups/prod?region=eu-central-1' -r age1…",
    ),
    ("List the backups", "pgstow list -s 's3://my-backups/prod?region=eu-central-1'"),
    (
        "Restore the newest backup into a new database",
        "pgstow restore latest --to postgres://admin@db/app_restored --identity-file key.txt",
    ),
];

const OF_VERBS: [(&str, [Example; 3]); 24] = [
    (
        "backup",
        [
            (
                "One database",
                "pgstow backup postgres://backup@db/app -s 's3://my-backups/prod?region=eu-central-1' -r age1…",
            ),
            (
                "Every database of a server, except some",
                "pgstow backup postgres://backup@db/postgres --all-databases --exclude 'test_*'",
            ),
            ("The output of a command", "pgstow backup --name portal/users -- ./manage.py dumpdata users"),
        ],
    ),
    (
        "adopt",
        [
            ("An archive of pg_dump -Fc", "pgstow adopt app-2024.dump --name app"),
            ("Plain SQL of pg_dump or pg_dumpall", "pgstow adopt portal.sql.gz --name portal"),
            (
                "With the time of the dump, if the file was copied since",
                "pgstow adopt app.dump --name app --started-at 2024-03-01",
            ),
        ],
    ),
    (
        "list",
        [
            ("All backups in the store", "pgstow list -s 's3://my-backups/prod?region=eu-central-1'"),
            ("The backups of one database", "pgstow list app"),
            ("For scripts", "pgstow list app --json"),
        ],
    ),
    (
        "show",
        [
            ("What is known about the newest backup", "pgstow show latest --name app"),
            ("Its tables, largest first", "pgstow show latest --name app --tables -i key.txt"),
            (
                "What changed since the backup before",
                "pgstow show latest --name app --diff previous -i key.txt",
            ),
        ],
    ),
    (
        "status",
        [
            ("Whether the newest backup of each name is there, and not too old", "pgstow status"),
            ("Of two names, with a limit", "pgstow status --name app --name portal --max-age 26h"),
            ("For monitoring", "pgstow status --json"),
        ],
    ),
    (
        "report",
        [
            ("A page about all backups", "pgstow report -o report.html"),
            (
                "With the growth of every table, and what prune would remove",
                "pgstow report -o report.html -i key.txt --keep-daily 7 --keep-weekly 5",
            ),
            ("Its facts, for programs", "pgstow report --name app --json"),
        ],
    ),
    (
        "keys",
        [
            ("Which recipients can read which backups", "pgstow keys"),
            ("Which of them this identity really opens", "pgstow keys -i key.txt"),
            ("Of one name, for scripts", "pgstow keys app --json"),
        ],
    ),
    (
        "verify",
        [
            (
                "Read the newest backup of each name, and check every byte",
                "pgstow verify --newest-per-name -i key.txt",
            ),
            (
                "Restore it into a temporary database, and ask it a question",
                "pgstow verify latest -i key.txt --restore --check 'SELECT count(*) > 1000 FROM users'",
            ),
            ("Check only that all files are there; needs no key", "pgstow verify --all --quick"),
        ],
    ),
    (
        "fetch",
        [
            ("The whole dump, for pg_restore", "pgstow fetch latest --name app -i key.txt -o app.dump"),
            (
                "One table as CSV",
                "pgstow fetch latest --name app -i key.txt -t app.orders --format csv -o orders.csv",
            ),
            (
                "The server's roles, as SQL",
                "pgstow fetch latest --name app -i key.txt --globals -o roles.sql",
            ),
        ],
    ),
    (
        "restore",
        [
            (
                "The newest backup into a new database",
                "pgstow restore latest --name app -i key.txt --to postgres://admin@db/app_restored",
            ),
            (
                "The rows of one table, back into it",
                "pgstow restore latest --name app -i key.txt -t app.orders --into postgres://admin@db/app",
            ),
            (
                "Replace the database in use, and keep the old one",
                "pgstow restore latest --name app -i key.txt --to postgres://admin@db/app --swap",
            ),
        ],
    ),
    (
        "clone",
        [
            ("A copy on the same server", "pgstow clone postgres://admin@db/app app_copy"),
            (
                "A copy on another server, without its owners and grants",
                "pgstow clone postgres://admin@db/app postgres://admin@test/app --no-owner --no-acl",
            ),
            (
                "A copy for developers, masked before anybody can connect",
                "pgstow clone postgres://admin@db/app app_dev --after mask.sql",
            ),
        ],
    ),
    (
        "swap",
        [
            (
                "Give the name app to app_restored; the old app is kept",
                "pgstow swap --with app_restored --to postgres://admin@db/app",
            ),
            ("Undo it", "pgstow swap --back --to postgres://admin@db/app"),
            (
                "In a script, without a question",
                "pgstow swap --with app_restored --to postgres://admin@db/app --yes",
            ),
        ],
    ),
    (
        "copy",
        [
            (
                "The newest backup of a database into another store",
                "pgstow copy latest -n app --from 's3://my-backups/prod?region=eu-central-1' --to gs://copy/prod",
            ),
            (
                "All backups that are not there yet",
                "pgstow copy --all --from 's3://my-backups/prod?region=eu-central-1' --to file:///mnt/backups",
            ),
            (
                "From the store in the settings",
                "pgstow copy --newest-per-name --to 's3://archive/prod?region=eu-central-1'",
            ),
        ],
    ),
    (
        "prune",
        [
            (
                "What would be kept, and by which rule",
                "pgstow prune --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run",
            ),
            (
                "Only backups of one database, in days of Berlin",
                "pgstow prune --name app --keep-daily 7 --timezone Europe/Berlin",
            ),
            (
                "After each backup",
                "pgstow backup postgres://backup@db/app --prune --keep-daily 7 --keep-weekly 5",
            ),
        ],
    ),
    (
        "delete",
        [
            ("What would go, and how large it is", "pgstow delete 20261129T025500Z-7f3k9q --dry-run"),
            (
                "Two backups, without a question",
                "pgstow delete 20261129T025500Z-7f3k9q 20261130T025500Z-w7c1mz --yes",
            ),
            (
                "The only one of a database that is gone for good",
                "pgstow delete 20261129T025500Z-7f3k9q --name old_app --force",
            ),
        ],
    ),
    (
        "schedule",
        [
            (
                "Every night at 3:17 in Berlin",
                "pgstow schedule --cron '17 3 * * *' --timezone Europe/Berlin -- backup --name app",
            ),
            (
                "Every six hours, not all machines at once",
                "pgstow schedule --every 6h --jitter 10m -- backup",
            ),
            (
                "With its health and metrics for others",
                "pgstow schedule --every 1d --listen 0.0.0.0:9187 -- backup",
            ),
        ],
    ),
    (
        "rekey",
        [
            (
                "Somebody has left: every backup for the others only",
                "pgstow rekey --all -i key.txt --recipient age1… --recipient age1…",
            ),
            (
                "A new key for one name, checked with it",
                "pgstow rekey --all --name app -i old.txt -i new.txt --recipient age1…",
            ),
            (
                "One backup for an auditor too; the old one stays",
                "pgstow rekey latest --name app -i key.txt --keep-old -r age1… -r age1…",
            ),
        ],
    ),
    (
        "doctor",
        [
            (
                "All that a backup with these flags will need",
                "pgstow doctor postgres://backup@db/app -s 's3://my-backups/prod?region=eu-central-1' -r age1…",
            ),
            (
                "Whether this identity opens the backups",
                "pgstow doctor -s 's3://my-backups/prod?region=eu-central-1' -i key.txt",
            ),
            ("For scripts", "pgstow doctor --json"),
        ],
    ),
    (
        "keygen",
        [
            ("A key to decrypt backups; prints its recipient, which is public", "pgstow keygen -o key.txt"),
            ("A key to sign backups; prints its public key", "pgstow keygen --signing -o sign.key"),
            (
                "A key, and a sheet with it to print and lock away",
                "pgstow keygen -o key.txt --paper key.html",
            ),
        ],
    ),
    (
        "receipts",
        [
            ("Is it what it says?", "pgstow receipts verify r.json --verify-key RW…"),
            (
                "Is it about the backup in this store?",
                "pgstow receipts verify r.json --verify-key RW… -s 's3://my-backups/prod?region=eu-central-1'",
            ),
            ("Write one first", "pgstow verify latest --restore --receipt receipts.json -i key.txt"),
        ],
    ),
    (
        "config",
        [
            ("Which settings are in effect here", "pgstow config check"),
            ("Those of a profile", "pgstow config check --profile prod"),
            ("With those that have their default, for scripts", "pgstow config check --all --json"),
        ],
    ),
    (
        "completions",
        [
            ("For Bash: into ~/.local/share/bash-completion/completions/pgstow", "pgstow completions bash"),
            ("For Zsh: into _pgstow in a folder of fpath", "pgstow completions zsh"),
            ("For fish: into ~/.config/fish/completions/pgstow.fish", "pgstow completions fish"),
        ],
    ),
    (
        "man",
        [
            ("Print the main page", "pgstow man"),
            ("One page for each command, for man", "pgstow man /usr/local/share/man/man1"),
            ("The same for one user", "pgstow man ~/.local/share/man/man1"),
        ],
    ),
    (
        "version",
        [
            ("The version", "pgstow version"),
            ("For scripts", "pgstow version --json"),
            ("The same as a flag", "pgstow --version"),
        ],
    ),
];

/// The examples of a verb, or those of the whole program.
pub fn of(verb: Option<&str>) -> &'static [Example] {
    OF_VERBS.iter().find(|(name, _)| Some(*name) == verb).map_or(&ALL, |(_, examples)| examples)
}

/// The examples as they end a help page.
pub fn text(verb: Option<&str>) -> String {
    let lines = of(verb).iter().map(|(what, command)| format!("  {what}:\n    {command}\n"));
    format!("Examples:\n{}", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::{Parsed, command, parse};
    use super::*;

    #[test]
    fn every_example_is_a_command() {
        let verbs: Vec<String> = command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        assert_eq!(verbs, OF_VERBS.map(|(verb, _)| verb));
        for verb in verbs.iter().map(|verb| Some(verb.as_str())).chain([None]) {
            for (_, example) in of(verb) {
                assert!(example.chars().count() <= 96, "help breaks the line: {example}");
                assert!(!example.contains("s3://") || example.contains("?region="), "{example}");
                // Quotes are the shell's.
                let mut quoted = false;
                let words = example.split(|c: char| {
                    quoted ^= c == '\'';
                    c == ' ' && !quoted
                });
                let words: Vec<_> = words.map(|word| word.trim_matches('\'').into()).collect();
                assert!(verb.is_none() || example.contains(verb.unwrap()), "{example}");
                match parse(words, &|_| Vec::new(), &|_| None) {
                    Parsed::Words(_) | Parsed::Help(_) => {}
                    Parsed::Refused(why) => panic!("{example}: {}", why.text),
                }
            }
        }
    }
}
