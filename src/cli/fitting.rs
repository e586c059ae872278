//! The words that adapt a backup to the server on which it is restored.

use super::choices::{MissingRoles, TargetProfile};
use super::values::{Pairs, pairs};
use clap::Args;

/// Who owns what, and what the server accepts.
#[derive(Debug, Args)]
pub struct FittingWords {
    /// Everything belongs to the role that restores
    #[arg(short = 'O', long, env = "PGSTOW_NO_OWNER")]
    pub no_owner: bool,
    /// Leave out GRANT and REVOKE
    #[arg(short = 'x', long, env = "PGSTOW_NO_ACL")]
    pub no_acl: bool,
    /// Leave materialized views empty
    ///
    /// REFRESH MATERIALIZED VIEW fills them later.
    #[arg(long, env = "PGSTOW_SKIP_REFRESH", hide_short_help = true)]
    pub skip_refresh: bool,
    /// The schemas in which functions find what they name without a schema, such as public
    ///
    /// A restore runs with an empty search path; indexes and constraints that call such functions cannot be restored
    /// without this.
    #[arg(long, value_name = "SCHEMAS", env = "PGSTOW_SEARCH_PATH", hide_short_help = true)]
    pub search_path: Option<String>,
    /// What to do if the server lacks roles that are needed
    #[arg(long, value_name = "HOW", default_value = "check", env = "PGSTOW_ROLES", help_heading = "Roles")]
    pub roles: MissingRoles,
    /// Use role NEW instead of OLD everywhere; repeatable
    ///
    /// In the variable, one per line.
    #[arg(
        long = "map-role",
        value_name = "OLD=NEW",
        env = "PGSTOW_MAP_ROLE",
        value_parser = pairs,
        help_heading = "Roles",
        hide_short_help = true
    )]
    pub map_roles: Vec<Pairs>,
    /// Everything belongs to this role, including the database
    #[arg(long, value_name = "ROLE", env = "PGSTOW_OWNER", help_heading = "Roles", hide_short_help = true)]
    pub owner: Option<String>,
    /// The kind of server
    ///
    /// A managed server rejects some statements of a dump: those are left out and reported.
    #[arg(
        long,
        value_name = "KIND",
        default_value = "auto",
        env = "PGSTOW_TARGET_PROFILE",
        help_heading = "Roles",
        hide_short_help = true
    )]
    pub target_profile: TargetProfile,
}
