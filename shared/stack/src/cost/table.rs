//! An estimate as people read it.

use std::fmt;

use super::estimate::{Estimate, Line};
use super::prices::Evidence;

const HEADINGS: [&str; 6] = [
    "resource",
    "item",
    "quantity",
    "unit",
    "unit price",
    "monthly",
];
/// Whether a column holds numbers, which stand at its right.
const IS_NUMBER: [bool; 6] = [false, false, true, false, true, true];

impl Estimate {
    /// What stands above the table: the sum.
    pub fn heading(&self) -> String {
        format!(
            "stack {} in {}: {} {} a month of {} hours",
            self.stack, self.region, self.currency, self.total, self.hours
        )
    }

    /// What stands below the table: what the sum leaves out, and what it takes for granted.
    pub fn notes(&self) -> String {
        let mut lines = match self.lines_without_figure {
            0 => Vec::new(),
            1 => vec!["one line has no figure: the bill is higher than that\n".to_owned()],
            lines => vec![format!(
                "{lines} lines have no figure: the bill is higher than that\n"
            )],
        };
        lines.push("assumptions:".to_owned());
        let assumptions = self.assumptions.iter();
        lines.extend(assumptions.map(|assumption| format!("  - {assumption}")));
        let unchecked: Vec<&str> = self
            .prices
            .iter()
            .filter(|(_, price)| price.origin.evidence == Evidence::Memory)
            .map(|(name, _)| name.as_str())
            .collect();
        if !unchecked.is_empty() {
            lines.push(format!(
                "  - these prices are from memory and were never looked up: {}",
                unchecked.join(", ")
            ));
        }
        lines.push("the JSON output has the date and the source of every price".to_owned());
        lines.join("\n")
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}\n\n", self.heading())?;
        let mut rows = vec![HEADINGS.map(str::to_owned)];
        rows.extend(self.lines.iter().map(row));
        let mut total = HEADINGS.map(|_| String::new());
        total[0] = "total".to_owned();
        total[5] = self.total.to_string();
        rows.push(total);
        write_table(formatter, &rows, &self.lines)?;
        write!(formatter, "\n{}", self.notes())
    }
}

fn row(line: &Line) -> [String; 6] {
    let shown = |number: Option<String>| number.unwrap_or_else(|| "-".to_owned());
    [
        line.resource.clone(),
        line.item.clone(),
        shown(line.quantity.map(|quantity| quantity.to_string())),
        line.unit.clone(),
        shown(line.unit_price.map(|price| price.to_string())),
        line.monthly
            .map_or_else(|| "?".to_owned(), |monthly| monthly.to_string()),
    ]
}

fn write_table(
    formatter: &mut fmt::Formatter<'_>,
    rows: &[[String; 6]],
    lines: &[Line],
) -> fmt::Result {
    let mut widths = [0; 6];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    // The heading comes before the lines.
    let notes = std::iter::once(None).chain(lines.iter().map(|line| line.note.as_deref()));
    for (row, note) in rows.iter().zip(notes.chain(std::iter::repeat(None))) {
        let mut text = String::new();
        for ((cell, width), is_number) in row.iter().zip(widths).zip(IS_NUMBER) {
            let padded = if is_number {
                format!("  {cell:>width$}")
            } else {
                format!("  {cell:<width$}")
            };
            text.push_str(&padded);
        }
        if let Some(note) = note {
            text.push_str("  ");
            text.push_str(note);
        }
        writeln!(formatter, "{}", text.trim_end())?;
    }
    Ok(())
}
