//! The rows of one table, to look at: as `COPY` writes them, or as comma-separated values.

use crate::archive::{Contents, CopyText, Csv, Preamble};
use crate::error::{Error, Kind, Result};
use crate::stored::format::inventory::{Block, BlockKind, Inventory};
use crate::stored::read::excerpt;
use crate::stored::read::reader::BackupReader;
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Encodings with characters whose second byte may be a backslash, which `COPY` does not escape.
const EMBEDDING: [&str; 7] = ["BIG5", "GB18030", "GBK", "JOHAB", "SHIFT_JIS_2004", "SJIS", "UHC"];

/// Narrows what was chosen down to the rows of one table, and refuses where there are more or none.
pub fn only_rows(chosen: Inventory, as_csv: bool) -> Result<Inventory> {
    let tables: Vec<&Block> = chosen.blocks.iter().filter(|block| block.kind == BlockKind::Table).collect();
    match tables.as_slice() {
        [only] if only.rows.is_some() => {
            let front = Preamble::read(&chosen.archive.preamble)?;
            let encoding = front.toc.encoding().unwrap_or_default();
            if as_csv && EMBEDDING.contains(&encoding.as_str()) {
                return Err(Error::usage(format!(
                    "the rows were dumped in {encoding}, in which a character may hold a backslash: they cannot be written as CSV"
                ))
                .hint("--format copy brings them as they are"));
            }
            let id = only.dump_id;
            Ok(chosen.only(&front.keep(|entry| entry.dump_id() == id)))
        }
        [only] => Err(Error::usage(format!(
            "the rows of {} were not dumped as COPY text, or are compressed within the dump",
            only.label()
        ))
        .hint("--format archive and --format sql bring them as they are")),
        [] => Err(Error::usage("what --table names has no rows of its own in the backup")
            .hint("a view has none, nor has a partitioned table; --format sql prints definitions")),
        [first, more @ ..] => Err(Error::usage(format!(
            "only the rows of one table can be printed, and --table names {} and {} more",
            first.label(),
            more.len()
        ))
        .hint("partitions are tables of their own; --format sql prints several tables")),
    }
}

/// Writes the rows of the source's only table, as comma-separated values or as they are.
pub async fn write(
    reader: &BackupReader,
    as_csv: bool,
    sink: &mut (impl AsyncWrite + Unpin + Send),
) -> Result<Contents> {
    let Some((excerpt, [block])) = reader.excerpt().map(|excerpt| (excerpt, excerpt.blocks.as_slice()))
    else {
        return Err(Error::unexpected("not one table was chosen"));
    };
    let front = Preamble::read(&excerpt.archive.preamble)?;
    let entry = front.toc.with_data().next().ok_or_else(|| Error::verify("the table's entry is missing"))?;
    let (mut csv, mut out) = (None, Vec::new());
    if as_csv {
        let (rows, header) = Csv::new(entry);
        (csv, out) = (Some(rows), header);
    }
    let mut copy = CopyText::new(&front.header, block.raw_bytes);
    let contents = excerpt::read(reader, &reader.progress, excerpt, async |bytes| {
        copy.feed(&bytes, |text| match &mut csv {
            Some(csv) => csv.feed(text, &mut out),
            None => out.extend_from_slice(text),
        });
        sink.write_all(&out).await.map_err(undelivered)?;
        out.clear();
        Ok(())
    });
    let contents = contents.await?;
    sink.flush().await.map_err(undelivered)?;
    Ok(contents)
}

fn undelivered(error: std::io::Error) -> Error {
    Error::from_io(error, Kind::LocalFile, "write rows")
}
