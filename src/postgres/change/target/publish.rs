//! A target's database gets the name that was asked for when it is proven, or one that says what is wrong with it.

use super::{Target, resume};
use crate::error::{Error, Result};
use crate::postgres::change::naming::{INCOMPLETE, name_with};
use crate::postgres::change::reach::reach;
use crate::postgres::change::rename::{RESTORED, RESTORING, Renaming, renames};
use crate::postgres::sql::identifier;

impl Target {
    /// Gives the database its name, now that it is proven, and lets TimescaleDB act in it.
    ///
    /// # Errors
    /// `Kind::TargetExists` if another database has the name by now. The restored one is kept then, as its
    /// name says, which is part of the hint.
    pub async fn publish(&mut self) -> Result<()> {
        let acts = self.let_timescaledb_go().await?;
        self.take_name().await?;
        // One that is to get another name resumes after that.
        if acts && !self.inherits { resume(&self.psql).await } else { Ok(()) }
    }

    async fn take_name(&mut self) -> Result<()> {
        let Some(known) = self.known().filter(|known| known.name != self.name) else { return Ok(()) };
        let renaming = Renaming { maintenance: &self.maintenance };
        let done = renaming.insist(None, &known, &renames(&known, &self.name), &self.name).await;
        let Err(error) = done else {
            self.be_called(self.name.clone());
            return Ok(());
        };
        let restored = known.name.replace(RESTORING, RESTORED);
        if renaming.insist(None, &known, &renames(&known, &restored), &restored).await.is_ok() {
            self.be_called(restored);
        }
        let taken = reach(&self.maintenance, &self.name).await.is_ok_and(|(_, exists)| exists);
        let error = match taken {
            true => Error::target_exists(format!(
                "a database {} was created while this run was restoring",
                identifier(&self.name)
            ))
            .because(error),
            false => error,
        };
        Err(error.hint(format!(
            "{0} is whole and proven; when the name is free: ALTER DATABASE {0} RENAME TO {1};",
            identifier(&self.called),
            identifier(&self.name)
        )))
    }

    /// Gives the database a name that says that something is missing in it: `app_incomplete`, with a moment if there
    /// is one already.
    pub async fn keep_as_incomplete(&mut self) -> Result<()> {
        self.let_timescaledb_go().await?;
        let Some(known) = self.known() else { return Ok(()) };
        let mut name = name_with(&self.name, INCOMPLETE, "");
        if reach(&self.maintenance, &name).await?.1 {
            let moment = known.name.rsplit_once(RESTORING).map_or("", |(_, moment)| moment);
            name = name_with(&self.name, &format!("{INCOMPLETE}_"), moment);
        }
        let renaming = Renaming { maintenance: &self.maintenance };
        renaming.insist(None, &known, &renames(&known, &name), &name).await?;
        self.be_called(name);
        Ok(())
    }

    pub(super) fn be_called(&mut self, name: String) {
        self.psql = self.psql.with_dbname(&name);
        self.called = name;
    }
}
