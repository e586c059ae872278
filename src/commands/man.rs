//! `pgstow man`: man pages, to stdout or into a folder.

use crate::answers::script::Script;
use crate::cli::{ManWords, command, pages};
use crate::error::{Error, Result};
use crate::report::Report;
use crate::units::count;

pub fn run(words: ManWords, report: &Report) -> Result<()> {
    let pages = pages(command()).map_err(|e| Error::unexpected("no man page can be made").because(e))?;
    let Some(folder) = words.folder else {
        let main = pages.into_iter().next().map(|(_, text)| text).unwrap_or_default();
        return report.script(&Script(main));
    };
    let write = || {
        std::fs::create_dir_all(&folder)?;
        pages.iter().try_for_each(|(file, text)| std::fs::write(folder.join(file), text))
    };
    write().map_err(|e| {
        Error::local_file(format!("the man pages cannot be written into {}", folder.display())).because(e)
    })?;
    report.say(format!("wrote {} into {}", count(pages.len(), "page"), folder.display()));
    Ok(())
}
