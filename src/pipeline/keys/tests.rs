//! Which keys are accepted, which are refused, and that no secret is repeated.

use super::*;
use crate::error::Kind;
use std::path::Path;

const YUBIKEY: &str = "age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t";

#[test]
fn more_recipients_than_a_reader_takes_are_refused() {
    let many = |count: usize| {
        let recipients = (0..count).map(|_| x25519::Identity::generate().to_public().to_string());
        Recipients::parse(recipients.collect::<Vec<_>>()).unwrap().try_them()
    };
    many(1000).unwrap();
    let refused = many(1500).unwrap_err();
    assert!(refused.message().contains("and may have 131072"), "{refused}");
}

#[test]
fn keygen_makes_what_age_reads() {
    let (text, recipient) = keygen();
    let text = text.expose_secret();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("# created: 2"));
    assert_eq!(lines[1], format!("# public key: {recipient}"));
    assert!(lines[2].starts_with("AGE-SECRET-KEY-1") && lines.len() == 3);
}

#[test]
fn recipients_are_read_from_words_and_files() {
    let (first, second) = (keygen().1, keygen().1);
    let mut recipients = Recipients::parse([&first]).unwrap();
    recipients.add_text(&format!("# mine\r\n\r\n{second}\r\n {first} \n"), "file r.txt").unwrap();
    assert_eq!(recipients.fingerprints(), [first, second]);
    recipients.try_them().unwrap();
    assert!(recipients.add_text("# nobody\n", "file r.txt").unwrap_err().message().contains("no recipient"));
    assert!(!Recipients::parse([""; 0]).unwrap().is_empty() || Recipients::default().try_them().is_err());
}

#[test]
fn recipients_that_cannot_be_used_are_refused() {
    let (identity, recipient) = keygen();
    let refused = |word: &str| Recipients::parse([word]).unwrap_err();
    let cases = [
        (&recipient[..20], "mistyped or incomplete \"age1…\""),
        ("ssh-ed25519 AAAA", "mistyped or incomplete \"ssh-ed25519 …\""),
        ("hunter2", "this is not a recipient"),
        (YUBIKEY, "age-plugin-yubikey is not installed"),
        (
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=",
            "type ecdsa-sha2-nistp256",
        ),
    ];
    for (word, says) in cases {
        let error = refused(word);
        assert_eq!(error.kind(), Kind::Settings);
        assert!(error.message().contains(says), "{error:?}");
    }
    let secret = identity.expose_secret().lines().last().unwrap();
    let mut recipients = Recipients::default();
    let error = recipients.add_text(identity.expose_secret(), "recipients file key.txt").unwrap_err();
    assert!(error.message().contains("key.txt, line 3: this is a secret key"), "{error:?}");
    for error in [error, refused(secret), refused(&secret.to_lowercase()), refused(&secret[..30])] {
        assert!(!format!("{error:?}").to_uppercase().contains(&secret[..20]), "{error:?}");
    }
}

#[test]
fn a_passphrase_stands_alone() {
    let pass = || SecretString::from("words");
    let mut recipients = Recipients::default();
    recipients.add_passphrase(pass()).unwrap();
    assert_eq!(recipients.fingerprints(), ["passphrase"]);
    for error in [
        recipients.add(&keygen().1).unwrap_err(),
        recipients.add_passphrase(pass()).unwrap_err(),
        Recipients::parse([keygen().1]).unwrap().add_passphrase(pass()).unwrap_err(),
    ] {
        assert!(error.message().contains("must be the only recipient"), "{error:?}");
    }
    for blank in ["", " ", "\n"] {
        assert!(Recipients::default().add_passphrase(SecretString::from(blank)).is_err(), "{blank:?}");
    }
}

#[test]
fn identities_that_cannot_be_used_are_refused_without_repeating_them() {
    let (identity, recipient) = keygen();
    let secret = identity.expose_secret().lines().last().unwrap().to_owned();
    let cases = [
        (format!("# x\n{}", &secret[..40]), "line 2: this is not an identity"),
        (secret.replacen("-1", "-1 ", 1), "line 1: this is not an identity"),
        (recipient, "line 1: this is a public recipient"),
        (String::new(), "contains no identity"),
        ("AGE-SECRET-KEY-PQ-1K30MYPZAHAX".into(), "line 1: this is a post-quantum identity"),
        ("untrusted comment: x\nRWQAAEIyAAAA\n".into(), "is a signing key, which opens no backup"),
        (
            "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n".into(),
            "not a usable SSH private key",
        ),
        ("age-encryption.org/v1\nnonsense".into(), "damaged age file"),
    ];
    for (text, says) in cases {
        let mut identities = Identities::default();
        let error = identities.add_text(&SecretString::from(text), "PGSTOW_IDENTITY", &Ask::nobody());
        let error = error.unwrap_err();
        assert_eq!(error.kind(), Kind::Settings);
        assert!(
            error.message().starts_with("PGSTOW_IDENTITY") && error.message().contains(says),
            "{error:?}"
        );
        // What is typed from paper is typed wrong.
        let tells = error.hints().first().is_some_and(|hint| hint.contains("there are 58"));
        assert_eq!(tells, says.contains("not an identity"), "{error:?}");
        assert!(!format!("{error:?}").contains(&secret[..20]) && identities.is_empty());
    }
}

#[test]
fn a_key_that_was_given_as_the_name_of_a_file_is_recognised() {
    let (identity, recipient) = keygen();
    let secret = identity.expose_secret().lines().last().unwrap().to_owned();
    let refused = |name: &str| Identities::default().add_file(Path::new(name), &Ask::nobody()).unwrap_err();
    for secret in [&*secret, &secret.to_lowercase()] {
        let error = refused(secret);
        assert_eq!(error.message(), "a secret key was given as the name of the identity file");
        assert!(!format!("{error:?}").to_uppercase().contains(&secret.to_uppercase()), "{error:?}");
    }
    assert!(refused(&recipient).hints()[0].starts_with("this is a recipient, not a file"));
    let error = refused("kye.txt");
    assert!(error.message().starts_with("cannot read the identity file kye.txt: "), "{error:?}");
}

#[test]
fn nothing_secret_is_printed() {
    let (identity, recipient) = keygen();
    let mut identities = Identities::default();
    identities.add_text(&identity, "key", &Ask::nobody()).unwrap();
    identities.add_passphrase(SecretString::from("hunter2"));
    assert_eq!(format!("{identities:?}"), format!("Identities([{recipient:?}, \"passphrase\"])"));
    let mut recipients = Recipients::default();
    recipients.add_passphrase(SecretString::from("hunter2")).unwrap();
    assert_eq!(format!("{recipients:?}"), "Recipients([\"passphrase\"])");
}
