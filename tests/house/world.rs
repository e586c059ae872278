//! Who may touch the outside world: the environment, the terminal, the command line's parser.

use crate::exceptions::{Offence, assert_none};
use crate::rules::STREAMS;
use crate::tree::{Source, Tree};

/// The places where a file names a path that ends so, in `use` or elsewhere.
fn offences(allowed: &[&str], ends: &[&[&str]]) -> Vec<Offence> {
    let mut found = Vec::new();
    let forbidden = |source: &&Source| !allowed.iter().any(|place| source.file.starts_with(place));
    for source in Tree::get().sources.iter().filter(forbidden) {
        let words: Vec<_> = source.tokens.iter().filter(|token| token.text != ":").collect();
        for end in ends {
            for named in
                words.windows(end.len()).filter(|words| words.iter().zip(*end).all(|(a, b)| a.text == *b))
            {
                let what = end.join("::");
                let (file, line) = (&source.file, named[0].line);
                found.push(Offence {
                    subject: format!("{file} {what}"),
                    detail: format!("{file}:{line}: {what}"),
                });
            }
        }
    }
    found
}

#[test]
fn only_the_settings_read_the_environment() {
    let words = ["var", "var_os", "vars", "vars_os", "args", "args_os", "home_dir", "current_dir", "set_var"];
    let ends = words.map(|word| ["env", word]);
    let ends: Vec<&[&str]> = ends.iter().map(|end| &end[..]).collect();
    let found = offences(&["src/settings/", "src/main.rs"], &ends);
    assert_none("environment", "only settings/ may read the environment", found);
}

#[test]
fn only_the_report_prints() {
    let words = ["println", "print", "eprintln", "eprint", "dbg"];
    let ends = words.map(|word| [word, "!"]);
    let streams: [&[&str]; 3] = [&["io", "stdin"], &["io", "stdout"], &["io", "stderr"]];
    let ends: Vec<&[&str]> = ends.iter().map(|end| &end[..]).chain(streams).collect();
    let mut allowed: Vec<&str> = STREAMS.iter().map(|(file, _)| *file).collect();
    allowed.push("src/report/");
    assert_none("prints", "only report/ may print", offences(&allowed, &ends));
}

#[test]
fn only_the_command_line_names_clap() {
    let found = offences(&["src/cli/"], &[&["clap"]]);
    assert_none("clap", "only cli/ may name clap", found);
}
