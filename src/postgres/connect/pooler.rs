//! Tells a connection pooler by its address.
//!
//! `pg_dump` through transaction pooling loses its session between statements and leaves an empty
//! `search_path` to whoever gets the connection next (pgbouncer #452, #976). A pooler at an
//! ordinary address cannot be distinguished from a server; what it answers may still give it away (`advice`).

use crate::error::{Error, Result};

/// Refuses the hosts and ports (libpq's comma-separated lists) that are known to be poolers.
pub fn refuse(hosts: &str, ports: &str) -> Result<()> {
    let ports: Vec<&str> = ports.split(',').collect();
    for (index, host) in hosts.split(',').enumerate() {
        // libpq: one port stands for all hosts.
        let port = ports.get(index).or(ports.first()).copied().unwrap_or_default();
        if let Some(advice) = pooled(host, port) {
            return Err(Error::usage(format!("{} is a connection pooler", shown(host, port)))
                .hint(format!("{advice}; --allow-pooled tries it anyway")));
        }
    }
    Ok(())
}

fn shown(host: &str, port: &str) -> String {
    [host, port].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(":")
}

/// Advice for a pooled address, `None` for any other.
fn pooled(host: &str, port: &str) -> Option<String> {
    let (label, domain) = host.split_once('.').unwrap_or((host, ""));
    if let Some(endpoint) = label.strip_suffix("-pooler").filter(|_| !domain.is_empty()) {
        Some(format!("use the direct host {endpoint}.{domain}"))
    } else if domain.ends_with("pooler.supabase.com") && port == "6543" {
        Some("use the session pooler on port 5432, or the direct host db.PROJECT.supabase.co".into())
    } else if port == "6432" {
        Some("port 6432 is pgbouncer's; use the server's own, usually 5432".into())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poolers_are_refused_with_the_direct_host() {
        for (host, port, advice) in [
            ("ep-cool-1-pooler.eu-central-1.aws.neon.tech", "", "ep-cool-1.eu-central-1.aws.neon.tech"),
            ("a,ep-x-pooler.us.neon.tech", "5432", "ep-x.us.neon.tech"),
            ("aws-0-eu-west-1.pooler.supabase.com", "6543", "port 5432"),
            ("db.internal", "6432", "pgbouncer"),
            ("", "6432", "pgbouncer"),
            ("a,b", "5432,6432", "pgbouncer"),
        ] {
            let error = refuse(host, port).unwrap_err();
            assert!(error.hints()[0].contains(advice), "{error:?}");
        }
    }

    #[test]
    fn servers_are_not() {
        for (host, port) in [
            ("", ""),
            ("/var/run/postgresql", "5432"),
            ("ep-cool-1.eu-central-1.aws.neon.tech", "5432"),
            ("aws-0-eu-west-1.pooler.supabase.com", "5432"),
            ("my-pooler", "5432"),
            ("pooler.example.org", "6543"),
        ] {
            assert!(refuse(host, port).is_ok(), "{host}:{port}");
        }
    }
}
