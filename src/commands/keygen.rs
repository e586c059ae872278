//! `pgstow keygen`: makes the keys. The secret goes into a file that only its owner can read, the public
//! side to stdout.

use crate::answers::keygen::KeyPair;
use crate::cli::KeygenWords;
use crate::error::Result;
use crate::pipeline::keys::{self, ExposeSecret};
use crate::report::Report;
use crate::settings::Keygen;
use crate::stored::signing;

pub fn run(words: KeygenWords, report: &Report) -> Result<()> {
    let Keygen { output, signing } = Keygen::read(words);
    let (secret, public) = if signing {
        signing::generate()?
    } else {
        let (identity, recipient) = keys::keygen();
        (identity.expose_secret().to_owned(), recipient)
    };
    match &output {
        Some(path) => {
            keys::write_secret(path, &secret)?;
            report.say(format!(
                "wrote the secret key to {}; keep it safe, and away from the database",
                path.display()
            ));
        }
        None => report.say(format!("public key: {public}")),
    }
    let secret = output.is_none().then_some(secret);
    let (verify_key, recipient) = if signing { (Some(public), None) } else { (None, Some(public)) };
    let (signing_key, identity) = if signing { (secret, None) } else { (None, secret) };
    report.answer(&KeyPair { verify_key, recipient, output, signing_key, identity })
}
