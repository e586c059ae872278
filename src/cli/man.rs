//! Man pages, made from the command line's definition: one for the program, and one for each verb.

use super::examples;
use crate::error::Kind;
use crate::version::VERSION;
use clap::{Args, Command};
use clap_mangen::Man;
use std::fmt::Write;
use std::io;
use std::path::PathBuf;

/// `pgstow man`.
#[derive(Debug, Args)]
pub struct ManWords {
    /// Write one page for each command into this folder [default: print the main page]
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// The pages, the program's first: their file names, and their text.
pub fn pages(command: Command) -> io::Result<Vec<(String, String)>> {
    let mut all = command.disable_help_subcommand(true);
    all.build();
    let verbs: Vec<Command> = all.get_subcommands().cloned().collect();
    let mut pages = vec![page(all, None)?];
    for verb in verbs {
        let name = verb.get_name().to_owned();
        pages.push(page(verb, Some(&name))?);
    }
    Ok(pages)
}

fn page(command: Command, verb: Option<&str>) -> io::Result<(String, String)> {
    let has_verbs = command.has_subcommands();
    let man = Man::new(command);
    // Without a date, so that the same sources always give the same pages.
    let title = man.get_filename().replace(".1", "");
    let mut bytes = format!(".TH {title} 1 \"\" \"pgstow {VERSION}\" \"pgstow\"\n").into_bytes();
    man.render_name_section(&mut bytes)?;
    man.render_synopsis_section(&mut bytes)?;
    man.render_description_section(&mut bytes)?;
    man.render_options_section(&mut bytes)?;
    if has_verbs {
        man.render_subcommands_section(&mut bytes)?;
    }
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    text.push_str(".SH EXAMPLES\n");
    for (what, command) in examples::of(verb) {
        let _ = write!(text, ".PP\n{}:\n.PP\n.RS 4\n.nf\n{}\n.fi\n.RE\n", roff(what), roff(command));
    }
    text.push_str(".SH EXIT STATUS\n.TP\n.B 0\ndone\n");
    for kind in Kind::ALL {
        let _ = write!(text, ".TP\n.B {}\n{}\n", kind.exit_code(), roff(kind.meaning()));
    }
    text.push_str(".SH SEE ALSO\n.BR pg_dump (1),\n.BR pg_restore (1),\n.BR age (1)\n");
    Ok((man.get_filename(), text))
}

/// Text that troff prints as it is.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('…', "...");
    match escaped.starts_with('.') {
        true => format!("\\&{escaped}"),
        false => escaped,
    }
}
