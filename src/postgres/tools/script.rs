//! Runs a script of SQL through `psql`, as one transaction that ends at the first error.
//!
//! Whoever wrote the script may have put commands of psql's own into it, which run programs on this machine.
//! A `psql` that can be kept from that is; for an older one the script is what it is.

use crate::error::{Error, Kind, Result};

use tokio::io::AsyncWriteExt as _;

use super::psql::STRICT;
use crate::postgres::clients::Client;
use crate::postgres::connect::ConnInfo;
use crate::postgres::process::ChildInput;

/// Starts `psql`; the script is written to it, then `finish`ed, which commits.
///
/// If the client [knows how](Client::knows_restrict), it is in restricted mode, which a script can neither
/// enter again nor leave: its own `\restrict` and `\unrestrict` must be left out.
pub async fn script(client: &Client, conn: &ConnInfo) -> Result<ChildInput> {
    conn.target_name()?;
    let program = client.program("psql").args(["-X", "-q", "--single-transaction"]).args(STRICT);
    let mut psql = conn.dress(program.args(["-f", "-"])).write()?;
    if client.knows_restrict() {
        let mut key = [0; 16];
        getrandom::fill(&mut key)
            .map_err(|e| Error::unexpected(format!("the system gives no random bytes: {e}")))?;
        let restrict = format!("\\restrict {}\n", hex::encode(key));
        let written = psql.write_all(restrict.as_bytes()).await;
        written.map_err(|e| Error::from_io(e, Kind::Postgres, "psql stopped reading"))?;
    }
    Ok(psql)
}
