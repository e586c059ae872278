//! Managed services: by what they are known, and what of an archive they refuse.
//!
//! What is refused is data, not code: one table. It errs on the side of leaving out, since each line left
//! out is reported, and a line that is refused ends the restore.

/// Roles that services keep for themselves: nobody else may set their default privileges, and no other
/// server has them.
pub const THEIR_ROLES: &[&str] = &[
    "cloud_admin",
    "neon_superuser",
    "rdsadmin",
    "supabase_admin",
    "cloudsqladmin",
    "cloudsqlsuperuser",
    "alloydbadmin",
    "azuresu",
    "azure_pg_admin",
    "heroku_admin",
];

/// Roles of services that put things into a new database in their customer's name, so that it is never empty.
pub const FURNISHING: &[&str] = &["supabase_admin"];

/// The schemas in which there are functions of these services in their customer's name.
pub const FURNISHED_SCHEMAS: &[&str] = &["extensions", "pgbouncer"];

/// The publications that these services make in their customer's name.
pub const FURNISHED_PUBLICATIONS: &[&str] = &["supabase_realtime", "supabase_realtime_messages_publication"];

/// Databases that services keep for themselves on a server, and let nobody else into, or have nothing of anybody else's in.
pub(super) const THEIR_DATABASES: &[&str] =
    &["rdsadmin", "cloudsqladmin", "alloydbadmin", "azure_maintenance", "azure_sys", "_aiven", "_dodb"];

/// Extensions that only their service has.
const THEIR_EXTENSIONS: &[&str] = &[
    "neon",
    "neon_utils",
    "aws_commons",
    "aws_lambda",
    "aws_s3",
    "rds_tools",
    "supabase_vault",
    "google_vacuum_mgmt",
    "pgaadauth",
    "azure",
];

/// Services, each by the role that only its servers have.
const SERVICES: [(&str, &str); 4] = [
    ("neon_superuser", "Neon"),
    ("rds_superuser", "Amazon RDS"),
    ("supabase_admin", "Supabase"),
    ("cloudsqlsuperuser", "Google Cloud SQL"),
];

/// Whose server it is, as far as its roles tell.
pub(super) fn service(has_role: impl Fn(&str) -> bool) -> Option<&'static str> {
    SERVICES.into_iter().find(|(role, _)| has_role(role)).map(|(_, service)| service)
}

/// Why a server on which one is no superuser refuses this kind of object, with this name, if it does. Whether it takes event
/// triggers (some do, from some roles) it must have been asked.
pub fn refuses(kind: &str, name: &str, schema: &str, takes_event_triggers: bool) -> Option<&'static str> {
    // What is said about a thing goes where the thing goes.
    let about = matches!(kind, "COMMENT" | "SECURITY LABEL" | "ACL");
    let kind_of = |kind_of: &str| {
        kind == kind_of || about && name.strip_prefix(kind_of).is_some_and(|rest| rest.starts_with(' '))
    };
    if about && kind_of("EXTENSION") {
        Some("only the owner of an extension may: a superuser, or the service")
    } else if kind_of("EVENT TRIGGER") && !takes_event_triggers {
        Some("the restoring role may make no event triggers")
    } else if kind_of("PUBLICATION") || kind.starts_with("PUBLICATION ") {
        Some("publications are for the server that was dumped")
    } else if kind_of("SUBSCRIPTION") || kind.starts_with("SUBSCRIPTION ") {
        Some("subscriptions are for the server that was dumped")
    } else if kind == "ACL" && schema == "pg_catalog" {
        Some("the system's own functions belong to the service")
    } else {
        None
    }
}

/// Whether some service keeps this role for itself.
pub fn is_of_a_service(role: &str) -> bool {
    THEIR_ROLES.contains(&role)
}

/// Whether only one service has this extension.
pub fn only_a_service_has(extension: &str) -> bool {
    THEIR_EXTENSIONS.contains(&extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_left_out_with_all_that_is_about_it() {
        let would = |kind, name| refuses(kind, name, "", false).is_some();
        assert!(would("COMMENT", "EXTENSION pgcrypto"));
        assert!(would("PUBLICATION TABLE", "pub t"));
        assert!(would("SUBSCRIPTION", "sub"));
        assert!(!would("EXTENSION", "pgcrypto"));
        assert!(!would("COMMENT", "TABLE t"));
        assert!(!would("TABLE", "EXTENSION pgcrypto"));
        assert!(!would("COMMENT", "EXTENSIONS"));
        for (kind, name) in [("COMMENT", "EVENT TRIGGER guard"), ("EVENT TRIGGER", "guard")] {
            assert!(would(kind, name));
            assert!(refuses(kind, name, "", true).is_none());
        }
        assert!(refuses("ACL", "FUNCTION f()", "pg_catalog", true).is_some());
        assert!(refuses("ACL", "FUNCTION f()", "app", true).is_none());
    }
}
