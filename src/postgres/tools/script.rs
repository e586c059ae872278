//! Runs a script of SQL through `psql`, as one transaction that ends at the first error.

use crate::error::Result;

use super::psql::STRICT;
use crate::postgres::clients::Client;
use crate::postgres::connect::ConnInfo;
use crate::postgres::process::ChildInput;

/// Starts `psql`; the script is written to it, then `finish`ed, which commits.
pub fn script(client: &Client, conn: &ConnInfo) -> Result<ChildInput> {
    conn.target_name()?;
    let program = client.program("psql");
    conn.dress(program.args(["-X", "-q", "--single-transaction"]).args(STRICT).args(["-f", "-"])).write()
}
