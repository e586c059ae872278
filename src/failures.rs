//! Many things to do: if one fails, the others are done all the same.

use crate::error::{Error, Kind, Result};

/// What went wrong with one of many things, for programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The failure's sentence.
    pub error: String,
    /// The exit code it would have had alone.
    pub exit_code: u8,
}

impl Failed {
    /// The failure that an error is.
    pub fn of(error: &Error) -> Self {
        Self { error: error.message().to_owned(), exit_code: error.kind().exit_code() }
    }
}

/// The failures among many things to do.
#[derive(Debug, Default)]
pub struct Failures {
    of: usize,
    /// Whether there is one thing only, which needs no summary.
    alone: bool,
    kept: Vec<Error>,
}

impl Failures {
    /// None yet, of this many things to do.
    pub fn of(many: usize) -> Self {
        Self { of: many, alone: many == 1, kept: Vec::new() }
    }

    /// The same, of things that nobody named one by one: a failure names its thing even if there is only one.
    pub fn of_unnamed(many: usize) -> Self {
        Self { alone: false, ..Self::of(many) }
    }

    /// One thing less to do: it is no longer there.
    pub fn leave_one_out(&mut self) {
        self.of = self.of.saturating_sub(1);
    }

    /// Keeps a failure and warns of it at once, in the words that `say` puts before it; a single thing's
    /// failure is only kept. A signal ends the whole, and is returned.
    pub fn keep(&mut self, error: Error, say: impl FnOnce(&str) -> String) -> Result<Failed> {
        if error.kind().is_signal() {
            return Err(error);
        }
        let failed = Failed::of(&error);
        if self.alone {
            self.kept.push(error);
            return Ok(failed);
        }
        let said = say(&error.with_hints());
        tracing::warn!("{said}");
        self.kept.push(Error::new(error.kind(), said));
        Ok(failed)
    }

    /// The one failure to report: a backup that cannot be trusted comes before one that was not reached.
    ///
    /// `summary` gets how many failed, and of how many.
    pub fn conclude(mut self, summary: impl FnOnce(usize, usize) -> String) -> Result<()> {
        self.kept.sort_by_key(|error| error.kind() != Kind::Verify);
        let failed = self.kept.len();
        match self.kept.into_iter().next() {
            None => Ok(()),
            Some(only) if self.alone => Err(only),
            Some(first) => Err(Error::new(first.kind(), summary(failed, self.of)).because(first)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_of_one_is_itself() {
        let mut failures = Failures::of(1);
        let failed = failures.keep(Error::store("gone").hint("look"), |why| format!("a: {why}")).unwrap();
        assert_eq!(failed, Failed { error: "gone".into(), exit_code: Kind::Store.exit_code() });
        let error = failures.conclude(|_, _| unreachable!()).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Store, "gone"));
    }

    #[test]
    fn damage_comes_first_and_a_signal_ends_it() {
        let mut failures = Failures::of(3);
        failures.keep(Error::store("gone"), |why| format!("a: {why}")).unwrap();
        failures.keep(Error::verify("damaged"), |why| format!("b: {why}")).unwrap();
        let stop = failures.keep(Error::new(Kind::Interrupted, "stop"), str::to_owned).unwrap_err();
        assert_eq!(stop.kind(), Kind::Interrupted);
        let error = failures.conclude(|failed, of| format!("{failed} of {of}")).unwrap_err();
        assert_eq!((error.kind(), error.message()), (Kind::Verify, "2 of 3"));
    }
}
