//! The roles that a target's database needs are made, and go again if the run fails.
//!
//! Only what this run made is ever dropped, and no role that has got something of others meanwhile.

use super::Target;
use crate::error::{Error, Result};
use crate::postgres::change::making::Making;
use crate::postgres::failure::Situation as S;
use crate::postgres::sql::{block, identifier, literal};

/// Since this major roles may be granted parameters, which keeps them from being dropped.
const KNOWS_PARAMETERS: u32 = 15;

/// Takes back what these roles were granted of parameters.
const TAKE_BACK: &str = "
DECLARE
  one record;
BEGIN
  FOR one IN SELECT DISTINCT parname, rolname FROM pg_parameter_acl CROSS JOIN aclexplode(paracl) JOIN pg_roles r ON r.oid = grantee
              WHERE rolname IN ({names}) LOOP
    EXECUTE format('REVOKE ALL ON PARAMETER %I FROM %I', one.parname, one.rolname);
  END LOOP;
END";

impl Target {
    /// Makes roles, all or none; says what of them could not be taken over, a sentence each.
    ///
    /// They go again with the database that this run creates.
    pub async fn make_roles(&mut self, making: Making) -> Result<Vec<String>> {
        let Making { names, must, may, left_out: mut not } = making;
        let (maintenance, must) = (self.maintenance.clone(), format!("BEGIN;\n{}\nCOMMIT;", must.join("\n")));
        // On a task of its own: whoever gives up meanwhile must not lose sight of roles in the making.
        self.making_roles = Some((names, tokio::spawn(async move { maintenance.execute(&must).await })));
        self.settle_roles().await?;
        // All at once, as each session takes time; what is refused is found by halves.
        let mut parts = vec![may.as_slice()];
        while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
            let statements: Vec<&str> = part.iter().map(|(_, statement)| statement.as_str()).collect();
            match (
                self.maintenance.execute(&format!("BEGIN;\n{}\nCOMMIT;", statements.join("\n"))).await,
                part,
            ) {
                (Ok(()), _) => {}
                (Err(error), [(what, _)]) => not.push(format!("{what} could not be taken over: {error}")),
                (Err(_), part) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
        }
        Ok(not)
    }

    /// Waits for roles in the making, so that it is known which there are.
    async fn settle_roles(&mut self) -> Result<()> {
        let Some((_, making)) = &mut self.making_roles else { return Ok(()) };
        let made = making.await;
        let names = self.making_roles.take().map(|(names, _)| names).unwrap_or_default();
        made.unwrap_or_else(|lost| Err(Error::unexpected("making the roles ended early").because(lost)))?;
        self.made_roles.extend(names);
        Ok(())
    }

    /// Drops the roles that this run made; one that has to stay keeps no other.
    pub(super) async fn drop_made_roles(&mut self) -> Result<()> {
        self.settle_roles().await.ok();
        if self.made_roles.is_empty() {
            return Ok(());
        }
        // All at once, as each session takes time.
        match self.drop_roles(&self.made_roles).await {
            Err(error) if is_killed(&error) => return Err(error),
            Err(_) => {}
            Ok(()) => {
                self.made_roles.clear();
                return Ok(());
            }
        }
        let mut why = None;
        for name in std::mem::take(&mut self.made_roles) {
            if let Err(error) = self.drop_roles(std::slice::from_ref(&name)).await {
                self.made_roles.push(name);
                why.get_or_insert(error);
            }
        }
        let Some(why) = why else { return Ok(()) };
        Err(why.context(format_args!("drop the roles {} that this run made", quoted(&self.made_roles))))
    }

    async fn drop_roles(&self, names: &[String]) -> Result<()> {
        // All or nothing: a role that stays keeps what it was granted. Another run's restore, of hours perhaps, uses it until
        // it has committed.
        let take_back = match self.version().major {
            ..KNOWS_PARAMETERS => String::new(),
            _ => {
                let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
                block(&TAKE_BACK.replace("{names}", &names.join(", ")))
            }
        };
        let drop = format!(
            "BEGIN;\nSET LOCAL lock_timeout = '1s';\n{take_back}DROP ROLE IF EXISTS {};\nCOMMIT;",
            quoted(names)
        );
        self.maintenance.execute(&drop).await
    }

    /// Adds to why the database stays that the roles stay that were made for it.
    pub(super) fn with_made_roles(&self, error: Error) -> Error {
        match self.made_roles.as_slice() {
            [] => error,
            names => error.and(format_args!("the roles {} that this run made stay with it", quoted(names))),
        }
    }
}

/// Whether a signal ended what was to do it.
pub(super) fn is_killed(error: &Error) -> bool {
    matches!(error.situation(), Some(S::Killed(_)))
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", ")
}
