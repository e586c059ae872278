//! Patterns for names: `*` and `?` match any characters, also `/`.

use super::names::Name;
use crate::error::Result;
use std::fmt;

/// A name, or a pattern for several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamePattern {
    /// One name.
    Name(Name),
    /// All that match.
    Pattern(String),
}

impl NamePattern {
    /// Reads a name or a pattern.
    pub fn parse(text: &str) -> Result<Self> {
        match text.contains(['*', '?']) {
            true => Ok(Self::Pattern(text.to_owned())),
            false => text.parse().map(Self::Name),
        }
    }

    /// Whether it stands for this name.
    pub fn matches(&self, name: &Name) -> bool {
        match self {
            Self::Name(one) => one == name,
            Self::Pattern(pattern) => fits(pattern, name.as_str()),
        }
    }

    /// Whether one of these stands for the name; all names if there are none.
    pub fn any(patterns: &[Self], name: &Name) -> bool {
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => name.fmt(f),
            Self::Pattern(pattern) => f.write_str(pattern),
        }
    }
}

/// Whether a pattern stands for this text. Goes back only to the last `*`, so that no pattern takes long.
pub fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => (p, t) = (p + 1, t + 1),
            _ => match &mut star {
                Some((at, covered)) => {
                    *covered += 1;
                    (p, t) = (*at + 1, *covered);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_people_expect() {
        for (pattern, name, does) in [
            ("app", "app", true),
            ("app", "app2", false),
            ("app*", "app", true),
            ("app*", "app/users", true),
            ("*/users", "portal/users", true),
            ("*/users", "portal/users2", false),
            ("a?p", "app", true),
            ("a?p", "ap", false),
            ("*a*b*c", "xxaxxbxxbxxc", true),
            ("*a*b*c", "xxaxxbxxbxx", false),
            ("*", "größe", true),
        ] {
            let parsed = NamePattern::parse(pattern).unwrap();
            assert_eq!(parsed.matches(&name.parse().unwrap()), does, "{pattern} {name}");
        }
        assert!(NamePattern::parse("../app").is_err());
        assert!(NamePattern::any(&[], &"app".parse().unwrap()));
    }
}
