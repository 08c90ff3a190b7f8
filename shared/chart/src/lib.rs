//! Charts as SVG that need no script and no font of their own: bars within a page, and
//! lines as a file. Not here: what is drawn, nor the dashboard's chart, which its browser
//! draws.

pub mod bars;
pub mod lines;
mod scale;
mod svg;
pub mod text;
