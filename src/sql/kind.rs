//! The kinds of entries that `pg_dump` writes, by the names it has for them.
//!
//! A kind that is not known here is [`EntryKind::Other`]: nothing is refused for it, and its name stays with
//! its entry.

/// Makes the enum, and reads it, from one list.
macro_rules! entry_kinds {
    ($($variant:ident = $name:literal,)*) => {
        /// What an entry is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EntryKind {
            $(#[doc = concat!("`", $name, "`.")] $variant,)*
            /// A kind that this version does not know.
            Other,
        }

        impl EntryKind {
            /// The kind of this name.
            pub fn named(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

entry_kinds! {
    AccessMethod = "ACCESS METHOD",
    Acl = "ACL",
    AclLanguage = "ACL LANGUAGE",
    Aggregate = "AGGREGATE",
    Blob = "BLOB",
    BlobComments = "BLOB COMMENTS",
    BlobMetadata = "BLOB METADATA",
    Blobs = "BLOBS",
    Cast = "CAST",
    CheckConstraint = "CHECK CONSTRAINT",
    Collation = "COLLATION",
    Comment = "COMMENT",
    Constraint = "CONSTRAINT",
    Conversion = "CONVERSION",
    Database = "DATABASE",
    DatabaseProperties = "DATABASE PROPERTIES",
    Default = "DEFAULT",
    DefaultAcl = "DEFAULT ACL",
    Domain = "DOMAIN",
    Encoding = "ENCODING",
    EventTrigger = "EVENT TRIGGER",
    Extension = "EXTENSION",
    ForeignDataWrapper = "FOREIGN DATA WRAPPER",
    ForeignKey = "FK CONSTRAINT",
    ForeignTable = "FOREIGN TABLE",
    Function = "FUNCTION",
    Index = "INDEX",
    IndexAttach = "INDEX ATTACH",
    MaterializedView = "MATERIALIZED VIEW",
    MaterializedViewData = "MATERIALIZED VIEW DATA",
    Operator = "OPERATOR",
    OperatorClass = "OPERATOR CLASS",
    OperatorFamily = "OPERATOR FAMILY",
    Policy = "POLICY",
    ProceduralLanguage = "PROCEDURAL LANGUAGE",
    Procedure = "PROCEDURE",
    Publication = "PUBLICATION",
    PublicationTable = "PUBLICATION TABLE",
    PublicationTablesInSchema = "PUBLICATION TABLES IN SCHEMA",
    RowSecurity = "ROW SECURITY",
    Rule = "RULE",
    Schema = "SCHEMA",
    SearchPath = "SEARCHPATH",
    SecurityLabel = "SECURITY LABEL",
    Sequence = "SEQUENCE",
    SequenceOwnedBy = "SEQUENCE OWNED BY",
    SequenceSet = "SEQUENCE SET",
    Server = "SERVER",
    ShellType = "SHELL TYPE",
    Statistics = "STATISTICS",
    StatisticsData = "STATISTICS DATA",
    StdStrings = "STDSTRINGS",
    Subscription = "SUBSCRIPTION",
    SubscriptionTable = "SUBSCRIPTION TABLE",
    Table = "TABLE",
    TableAttach = "TABLE ATTACH",
    TableData = "TABLE DATA",
    TextSearchConfiguration = "TEXT SEARCH CONFIGURATION",
    TextSearchDictionary = "TEXT SEARCH DICTIONARY",
    TextSearchParser = "TEXT SEARCH PARSER",
    TextSearchTemplate = "TEXT SEARCH TEMPLATE",
    Transform = "TRANSFORM",
    Trigger = "TRIGGER",
    Type = "TYPE",
    UserMapping = "USER MAPPING",
    View = "VIEW",
}

impl EntryKind {
    /// Whether it says how all other entries are to be read: their encoding, their strings, their names.
    pub fn is_setting(self) -> bool {
        matches!(self, Self::Encoding | Self::StdStrings | Self::SearchPath)
    }

    /// Whether it fills what other entries define.
    pub fn is_content(self) -> bool {
        matches!(
            self,
            Self::Blob
                | Self::BlobComments
                | Self::BlobMetadata
                | Self::Blobs
                | Self::MaterializedViewData
                | Self::SequenceSet
                | Self::StatisticsData
                | Self::TableData
        )
    }

    /// Whether it fills or completes what other entries define: rows, and what `pg_dump` writes after them.
    pub fn completes(self) -> bool {
        self.is_content()
            || matches!(
                self,
                Self::CheckConstraint
                    | Self::Constraint
                    | Self::EventTrigger
                    | Self::ForeignKey
                    | Self::Index
                    | Self::IndexAttach
                    | Self::Policy
                    | Self::Publication
                    | Self::PublicationTable
                    | Self::PublicationTablesInSchema
                    | Self::RowSecurity
                    | Self::Rule
                    | Self::Statistics
                    | Self::Subscription
                    | Self::SubscriptionTable
                    | Self::Trigger
            )
    }

    /// Whether it grants or revokes.
    pub fn is_grant(self) -> bool {
        matches!(self, Self::Acl | Self::AclLanguage | Self::DefaultAcl)
    }

    /// Whether it says something about any other entry, and nothing without it.
    pub fn is_remark(self) -> bool {
        matches!(self, Self::Acl | Self::Comment | Self::SecurityLabel)
    }

    /// Whether an entry of this kind with this tag is about the database itself.
    pub fn is_of_database(self, tag: &[u8]) -> bool {
        matches!(self, Self::Database | Self::DatabaseProperties)
            || self.is_remark() && tag.starts_with(b"DATABASE ")
    }

    /// Whether only a superuser may own such an object, everywhere or up to some major version.
    pub fn is_of_superusers(self) -> bool {
        matches!(self, Self::EventTrigger | Self::ForeignDataWrapper | Self::Publication | Self::Subscription)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_their_names() {
        assert_eq!(EntryKind::named("TABLE DATA"), EntryKind::TableData);
        assert_eq!(EntryKind::named("FK CONSTRAINT"), EntryKind::ForeignKey);
        for unknown in ["", "table", "TABLE ", "PROPERTY GRAPH"] {
            assert_eq!(EntryKind::named(unknown), EntryKind::Other, "{unknown}");
        }
    }

    #[test]
    fn the_database_itself_is_told_from_what_is_called_like_it() {
        for (kind, tag, expected) in [
            (EntryKind::Database, "x", true),
            (EntryKind::DatabaseProperties, "x", true),
            (EntryKind::Acl, "DATABASE x", true),
            (EntryKind::Comment, "DATABASE x", true),
            (EntryKind::Acl, "TABLE DATABASE x", false),
            (EntryKind::Table, "DATABASE x", false),
        ] {
            assert_eq!(kind.is_of_database(tag.as_bytes()), expected, "{kind:?} {tag}");
        }
    }
}
