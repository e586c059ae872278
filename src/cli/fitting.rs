//! The words that fit a backup to the server it is restored on.

use clap::Args;

/// Who owns what, and what the server takes.
#[derive(Debug, Args)]
pub struct FittingWords {
    /// All objects belong to the role that restores
    #[arg(short = 'O', long, env = "PGSTOW_NO_OWNER")]
    pub no_owner: bool,
    /// Leave out GRANT and REVOKE
    #[arg(short = 'x', long, env = "PGSTOW_NO_ACL")]
    pub no_acl: bool,
    /// Leave materialized views empty: REFRESH MATERIALIZED VIEW fills them later
    #[arg(long, env = "PGSTOW_SKIP_REFRESH")]
    pub skip_refresh: bool,
    /// Roles that the backup needs and the server lacks: say so and stop, make them for nobody to log in as,
    /// or make them as they were on the source
    #[arg(long, value_name = "HOW", default_value = "check", value_parser = ["check", "create", "restore"], env = "PGSTOW_ROLES", help_heading = "Roles")]
    pub roles: String,
    /// Put another role in a role's place, everywhere: OLD=NEW; repeatable, in the variable one a line
    #[arg(long = "map-role", value_name = "OLD=NEW", env = "PGSTOW_MAP_ROLE", value_delimiter = '\n', value_parser = super::values::pair, help_heading = "Roles")]
    pub map_roles: Vec<(String, String)>,
    /// Everything belongs to this role, the database itself too
    #[arg(long, value_name = "ROLE", env = "PGSTOW_OWNER", help_heading = "Roles")]
    pub owner: Option<String>,
    /// What the server is: decides what of the backup it would refuse, which is left out and told. A plain
    /// one gets everything [default: auto, by the server's roles]
    #[arg(long, value_name = "SERVICE", default_value = "auto", hide_default_value = true, value_parser = ["auto", "plain", "neon", "rds", "supabase", "cloudsql"], env = "PGSTOW_TARGET_PROFILE", help_heading = "Roles")]
    pub target_profile: String,
}
