//! Charts as inline SVG, without text: a chart is stretched to the width of the screen, and text would be too.
//!
//! Whoever does not see them reads the sentence that each has, and the table of all backups.

use super::escape::Escaped;
use std::fmt::Write;

/// The width and height of the coordinates; the page's style gives the size.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 100.0;
/// What is left free at the edges, for marks that are wider than their place.
const EDGE: f64 = 8.0;

/// A mark on a strip of time.
pub(super) struct Mark {
    /// When, from 0 to 1.
    pub at: f64,
    /// What it looks like: a class of the page's style.
    pub class: &'static str,
}

fn x(at: f64) -> f64 {
    EDGE + at.clamp(0.0, 1.0) * (WIDTH - 2.0 * EDGE)
}

fn y(share: f64) -> f64 {
    HEIGHT - EDGE - share.clamp(0.0, 1.0) * (HEIGHT - 2.0 * EDGE)
}

fn svg(class: &str, sentence: &str, inner: &str) -> String {
    format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{}\">{inner}</svg>\n",
        Escaped(sentence)
    )
}

/// A strip of time with a mark for each backup, and gaps from one moment to another.
pub(super) fn strip(marks: &[Mark], gaps: &[(f64, f64)], sentence: &str) -> String {
    let mut inner = format!("<path class=\"axis\" d=\"M{} 50H{}\"/>", x(0.0), x(1.0));
    for (from, to) in gaps {
        let (from, to) = (x(*from), x(*to));
        let _ = write!(
            inner,
            "<rect class=\"gap\" x=\"{from:.1}\" y=\"25\" width=\"{:.1}\" height=\"50\"/>",
            (to - from).max(1.0)
        );
    }
    for mark in marks {
        let _ = write!(inner, "<path class=\"mark {}\" d=\"M{:.1} 20V80\"/>", mark.class, x(mark.at));
    }
    svg("strip", sentence, &inner)
}

/// A line through values over time, from nothing to the largest; a dot for each, if they are few.
pub(super) fn line(class: &str, values: &[(f64, f64)], sentence: &str) -> String {
    const MOST_DOTS: usize = 60;
    let most = values.iter().map(|(_, value)| *value).fold(0.0, f64::max);
    let share = |value: f64| if most > 0.0 { value / most } else { 0.0 };
    let points: Vec<(f64, f64)> = values.iter().map(|(at, value)| (x(*at), y(share(*value)))).collect();
    let mut path = String::new();
    for (number, (x, y)) in points.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if number == 0 { "M" } else { "L" });
    }
    let mut inner = String::new();
    if let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) {
        let floor = HEIGHT - EDGE;
        let _ = write!(inner, "<path class=\"area\" d=\"{path}L{last:.1} {floor}L{first:.1} {floor}Z\"/>");
    }
    let _ = write!(inner, "<path class=\"line\" d=\"{path}\"/>");
    if points.len() <= MOST_DOTS {
        let dots: String = points.iter().map(|(x, y)| format!("M{x:.1} {y:.1}h0")).collect();
        let _ = write!(inner, "<path class=\"dots\" d=\"{dots}\"/>");
    }
    svg(class, sentence, &inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_drawn_from_nothing_to_the_largest() {
        let drawn = line("plot", &[(0.0, 5.0), (1.0, 10.0)], "it \"grew\"");
        assert!(drawn.contains("class=\"line\" d=\"M8.0 50.0L992.0 8.0\""), "{drawn}");
        assert!(drawn.contains("aria-label=\"it &quot;grew&quot;\""), "{drawn}");
        assert!(line("plot", &[(0.0, 0.0)], "").contains("M8.0 92.0"), "nothing is at the bottom");
    }

    #[test]
    fn a_gap_of_no_width_is_still_seen() {
        assert!(strip(&[], &[(0.5, 0.5)], "").contains("width=\"1.0\""));
    }
}
