//! `pgstow keygen`: makes the keys. The secret goes into a file that only its owner can read, and onto a sheet to
//! print; the public side to stdout.

use crate::answers::keygen::KeyPair;
use crate::cli::KeygenWords;
use crate::error::Result;
use crate::paper;
use crate::pipeline::keys::{self, ExposeSecret};
use crate::report::Report;
use crate::settings::Keygen;
use crate::stored::format::signing;
use crate::version::VERSION;

pub fn run(words: KeygenWords, report: &Report) -> Result<()> {
    let Keygen { output, paper, print, signing } = Keygen::read(words)?;
    let (secret, public) = if signing {
        signing::generate()?
    } else {
        let (identity, recipient) = keys::keygen();
        (identity.expose_secret().to_owned(), recipient)
    };
    if let Some(path) = &paper {
        keys::write_secret(path, &paper::sheet(&secret, &public, VERSION)?)?;
    }
    if let Some(path) = &output {
        let written = keys::write_secret(path, &secret);
        // A sheet for a key that is nowhere else would be printed by mistake.
        if let (Err(_), Some(sheet)) = (&written, &paper) {
            let _ = std::fs::remove_file(sheet);
        }
        written?;
        let path = path.display();
        report.say(format!("wrote the secret key to {path}; keep it safe, and away from the database"));
    }
    if let Some(path) = &paper {
        let path = path.display();
        report.say(format!(
            "wrote a sheet to print to {path}; delete the file afterwards, it has the secret key"
        ));
    }
    if print {
        report.say(format!("public key: {public}"));
    }
    let secret = print.then_some(secret);
    let (verify_key, recipient) = if signing { (Some(public), None) } else { (None, Some(public)) };
    let (signing_key, identity) = if signing { (secret, None) } else { (None, secret) };
    report.answer(&KeyPair { verify_key, recipient, output, paper, signing_key, identity })
}
