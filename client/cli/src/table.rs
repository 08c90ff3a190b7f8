//! The one style of every table: fits the terminal, has a line under the header
//! and none between rows and columns, words on the left, numbers on the right. Not here:
//! what stands in them.

use std::fmt;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, TableStyle};

pub(crate) use comfy_table::{Attribute, Cell, Color};

const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// Blanks between two columns.
const GAP: u16 = 2;

/// The width where a terminal says that it has none, as some do in containers and on serial lines.
const USUAL_WIDTH: u16 = 80;

/// A column: its header, and how its cells stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    header: &'static str,
    alignment: CellAlignment,
    said_once: bool,
    whole: bool,
}

impl Column {
    /// A column whose cells are never broken into lines: numbers, times.
    pub(crate) const fn whole(mut self) -> Self {
        self.whole = true;
        self
    }

    /// A column that is left out, and said once in front of the table, when all rows
    /// have the same there.
    pub(crate) const fn said_once(mut self) -> Self {
        self.said_once = true;
        self
    }
}

/// A column of words.
pub(crate) const fn words(header: &'static str) -> Column {
    Column {
        header,
        alignment: CellAlignment::Left,
        said_once: false,
        whole: false,
    }
}

/// A column of numbers.
pub(crate) const fn numbers(header: &'static str) -> Column {
    Column {
        header,
        alignment: CellAlignment::Right,
        said_once: false,
        whole: true,
    }
}

/// A table, row by row.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    width: Option<u16>,
}

impl Table {
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
            width: None,
        }
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl Into<Cell>>) {
        let cells = cells.into_iter().map(Into::into);
        self.rows.push(cells.collect());
    }

    /// What all rows have in this column, if it is to be said once.
    fn common(&self, place: usize, column: Column) -> Option<String> {
        let mut cells = self.rows.iter().filter_map(|row| row.get(place));
        let first = cells.next().filter(|_| column.said_once)?.content();
        let same = cells.all(|cell| cell.content() == first);
        same.then_some(first)
    }

    fn laid_out(&self, shown: &[bool]) -> comfy_table::Table {
        let mut table = comfy_table::Table::new();
        table
            .load_style(STYLE)
            .set_content_arrangement(ContentArrangement::Dynamic);
        match self.width.or_else(|| table.width()) {
            Some(0) => table.set_width(USUAL_WIDTH),
            Some(width) => table.set_width(width),
            None => &mut table,
        };
        let aligned = |column: &Column, cell: Cell| cell.set_alignment(column.alignment);
        let pick = |cells: Vec<Cell>| {
            let all = self.columns.iter().zip(cells).zip(shown);
            all.filter(|(_, shown)| **shown)
                .map(|((column, cell), _)| aligned(column, cell))
                .collect::<Vec<_>>()
        };
        let headers = self.columns.iter().map(|column| Cell::new(column.header));
        table.set_header(pick(headers.collect()));
        for row in &self.rows {
            table.add_row(pick(row.clone()));
        }
        let columns = self.columns.iter().zip(shown);
        let columns = columns.filter(|(_, shown)| **shown);
        for (column, laid_out) in columns.zip(table.column_iter_mut()) {
            laid_out.set_padding((0, GAP));
            if column.0.whole {
                laid_out.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        table
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns.iter().copied().enumerate();
        let common: Vec<_> = columns
            .map(|(place, column)| self.common(place, column))
            .collect();
        for (column, value) in self.columns.iter().zip(&common) {
            if let Some(value) = value {
                writeln!(f, "{}: {value}", column.header)?;
            }
        }
        let shown: Vec<_> = common.iter().map(Option::is_none).collect();
        self.laid_out(&shown).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rows: &[[&str; 3]], width: u16) -> String {
        let columns = [
            words("CPS").said_once(),
            words("token key"),
            numbers("tokens"),
        ];
        let mut table = Table::new(columns);
        table.width = Some(width);
        for row in rows {
            table.row(*row);
        }
        table.to_string()
    }

    #[test]
    fn a_table_is_never_wider_than_its_terminal() {
        let long = "a-very-long-name-of-a-cps-that-takes-a-whole-line.example.net";
        let text = sample(&[[long, "1234567890abcdef", "1,000"], ["b", "c", "2"]], 40);
        for line in text.lines() {
            assert!(line.chars().count() <= 40, "{line:?} in\n{text}");
        }
    }

    #[test]
    fn a_terminal_that_does_not_know_its_width_gets_a_table_of_the_usual_one() {
        let rows = [["a", "1234567890abcdef", "1,000"], ["b", "c", "2"]];
        assert_eq!(sample(&rows, 0), sample(&rows, USUAL_WIDTH));
    }

    #[test]
    fn what_all_rows_have_in_common_is_said_once() {
        let text = sample(&[["cps", "12", "1"], ["cps", "34", "2"]], 80);
        assert!(text.starts_with("CPS: cps\n"), "{text}");
        assert_eq!(text.matches("cps").count(), 1, "{text}");
        let text = sample(&[["cps", "12", "1"], ["other", "34", "2"]], 80);
        assert!(!text.contains("CPS: "), "{text}");
    }

    #[test]
    fn numbers_stand_on_the_right() {
        let text = sample(&[["a", "b", "5"], ["c", "d", "1,000"]], 80);
        let line = text.lines().find(|line| line.contains('5'));
        assert!(
            line.is_some_and(|line| line.trim_end().ends_with("     5")),
            "{text}"
        );
    }
}
