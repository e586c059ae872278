//! How this machine gets another major of PostgreSQL's client programs.
//!
//! Words for a hint only; nothing is installed.

/// The package manager, as far as it decides the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// Debian and Ubuntu, with the PostgreSQL project's own repository.
    Apt,
    /// Fedora, Red Hat and their kin.
    Dnf,
    /// Alpine.
    Apk,
    /// macOS.
    Brew,
    /// Anything else.
    Other,
}

impl Platform {
    /// Looks where it runs.
    pub fn here() -> Self {
        if cfg!(target_os = "macos") {
            return Platform::Brew;
        }
        Self::from_os_release(&std::fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    /// Reads the content of `/etc/os-release`.
    pub fn from_os_release(content: &str) -> Self {
        let ids: Vec<&str> = content
            .lines()
            .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
            .flat_map(|value| value.trim_matches(['"', '\'']).split_whitespace())
            .collect();
        let any = |names: &[&str]| ids.iter().any(|id| names.contains(id));
        if any(&["debian", "ubuntu"]) {
            Platform::Apt
        } else if any(&["fedora", "rhel", "centos"]) {
            Platform::Dnf
        } else if any(&["alpine"]) {
            Platform::Apk
        } else {
            Platform::Other
        }
    }

    /// The advice that brings the clients of this major.
    pub fn install(self, major: u32) -> String {
        match self {
            Platform::Apt => format!(
                "install them: sudo apt-get install -y postgresql-common && \
                 sudo /usr/share/postgresql-common/pgdg/*.sh -y && \
                 sudo apt-get install -y postgresql-client-{major}"
            ),
            Platform::Dnf => format!(
                "install them: sudo dnf install -y postgresql{major} \
                 (from the PostgreSQL project's own package repository)"
            ),
            Platform::Apk => format!("install them: apk add postgresql{major}-client"),
            Platform::Brew => format!("install them: brew install postgresql@{major}"),
            Platform::Other => {
                format!("install PostgreSQL {major}'s client programs, or name their folder with --pg-bin")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_tells_the_package_manager() {
        for (content, expected) in [
            ("PRETTY_NAME=\"x\"\nID=debian\n", Platform::Apt),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Platform::Apt),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", Platform::Dnf),
            ("ID=alpine\n", Platform::Apk),
            ("ID=arch\n", Platform::Other),
            ("", Platform::Other),
        ] {
            assert_eq!(Platform::from_os_release(content), expected, "{content}");
        }
        assert!(Platform::Apt.install(17).ends_with("postgresql-client-17"));
        assert!(Platform::Brew.install(17).ends_with("postgresql@17"));
    }
}
