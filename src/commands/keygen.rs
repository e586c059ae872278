//! `pgstow keygen`: makes the keys. The secret goes into a file only its owner reads, the public side
//! to stdout.

use crate::error::{Error, Result};
use crate::pipeline::keys::{self, ExposeSecret};
use crate::report::Report;
use crate::settings::Keygen;
use crate::stored::signing;
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Runs `pgstow keygen`.
pub fn run(settings: &Keygen, report: &Report) -> Result<()> {
    let (what, (secret, public)) = if settings.signing {
        ("verify_key", signing::generate()?)
    } else {
        let (identity, recipient) = keys::keygen();
        ("recipient", (identity.expose_secret().to_owned(), recipient))
    };
    match &settings.output {
        Some(path) => {
            write_secret(path, &secret)?;
            report.say(format!(
                "wrote the secret key to {}; keep it safe, and away from the database",
                path.display()
            ));
            report.answer(&public, &json!({ what: public, "output": path }))
        }
        None => {
            report.say(format!("public key: {public}"));
            let name = if settings.signing { "signing_key" } else { "identity" };
            report.answer(&secret, &json!({ what: public, name: secret }))
        }
    }
}

/// Writes a new file that only its owner can read; never over an existing one: it may be the only
/// key to every backup so far.
fn write_secret(path: &Path, secret: &str) -> Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| {
        if e.kind() == std::io::ErrorKind::AlreadyExists {
            Error::target_exists(format!("{} exists", path.display()))
                .hint("choose another name; old keys open old backups")
        } else {
            Error::local_file(format!("{} cannot be written", path.display())).because(e)
        }
    })?;
    let text = if secret.ends_with('\n') { secret.to_owned() } else { format!("{secret}\n") };
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|e| Error::local_file(format!("{} cannot be written", path.display())).because(e))
}
