//! Numbers as people read them: "1 table", "370,500 rows".

use indicatif::HumanCount;

/// A number of things, by the noun for one of them: `1 table`, `1,000 tables`, `2 indexes`.
pub fn count(number: impl TryInto<u64>, one: &str) -> String {
    // Nothing that is counted here comes to more.
    let number = number.try_into().unwrap_or(u64::MAX);
    let ending = match (number, one.ends_with('x')) {
        (1, _) => "",
        (_, true) => "es",
        _ => "s",
    };
    format!("{} {one}{ending}", HumanCount(number))
}

/// A number of rows, which not every dump tells.
pub fn told_rows(rows: Option<u64>) -> String {
    rows.map_or_else(|| "rows not counted".to_owned(), |rows| count(rows, "row"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_thousands_have_their_commas() {
        for (number, one, told) in [
            (0, "row", "0 rows"),
            (1, "table", "1 table"),
            (2, "index", "2 indexes"),
            (1, "index", "1 index"),
            (370_500, "row", "370,500 rows"),
        ] {
            assert_eq!(count(number, one), told);
        }
    }
}
