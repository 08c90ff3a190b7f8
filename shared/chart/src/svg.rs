//! The marks of which every chart is made. What they look like, their class says.

use std::fmt::{self, Display, Formatter};

use super::text::Escaped;

/// A place: to the right and downwards from the corner.
pub(super) type Place = (f64, f64);

/// Text begins, is centred or ends at its place.
pub(super) fn text(
    f: &mut Formatter<'_>,
    class: &str,
    (x, y): Place,
    anchor: &str,
    words: impl Display,
) -> fmt::Result {
    writeln!(
        f,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
        Escaped(words)
    )
}

/// A straight line.
pub(super) fn rule(
    f: &mut Formatter<'_>,
    class: &str,
    (x1, y1): Place,
    (x2, y2): Place,
) -> fmt::Result {
    writeln!(
        f,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    )
}
