//! `longshore cost`.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use longshore_stack::cost::{Estimate, Prices, estimate, estimate_with};

use crate::output::Output;
use crate::stack_file;
use crate::stack_file::StackFileArguments;
use crate::terminal;

/// `longshore cost`.
#[derive(Debug, Args)]
pub struct CostArguments {
    /// The stack file.
    #[command(flatten)]
    pub stack_file: StackFileArguments,
    /// Prices that take the place of those that come along, in a JSON file of the same form
    #[arg(long)]
    pub prices: Option<PathBuf>,
    /// How to print the answer
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// Estimates what a stack costs in a month. Nothing is asked of AWS.
pub fn run(arguments: &CostArguments) -> anyhow::Result<String> {
    let stack = stack_file::open(&arguments.stack_file)?.stack;
    let estimate = match &arguments.prices {
        None => estimate(&stack),
        Some(path) => {
            let text =
                fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
            let prices = Prices::read(&text).with_context(|| format!("use {}", path.display()))?;
            estimate_with(&stack, &prices)
        }
    };
    Ok(match arguments.output {
        Output::Text => in_words(&estimate),
        Output::Json => serde_json::to_string_pretty(&estimate)?,
    })
}

/// As it is where the terminal is wide enough; else with a table whose cells are wrapped.
fn in_words(estimate: &Estimate) -> String {
    let whole = estimate.to_string();
    if terminal::fits(&whole) {
        return whole;
    }
    [
        terminal::wrapped(&estimate.heading(), 2),
        table(estimate),
        terminal::wrapped(&estimate.notes(), 4),
    ]
    .join("\n\n")
}

fn table(estimate: &Estimate) -> String {
    let shown = |number: Option<String>| number.unwrap_or_else(|| "-".to_owned());
    let rows = estimate.lines.iter().map(|line| {
        let note = line.note.as_ref().map(|note| format!(" ({note})"));
        [
            line.resource.clone(),
            format!("{}{}", line.item, note.unwrap_or_default()),
            format!(
                "{} {}",
                shown(line.quantity.map(|quantity| quantity.to_string())),
                line.unit
            ),
            shown(line.unit_price.map(|price| price.to_string())),
            line.monthly
                .map_or_else(|| "?".to_owned(), |monthly| monthly.to_string()),
        ]
    });
    let total = ["total", "", "", "", &estimate.total.to_string()].map(str::to_owned);
    let headings = ["resource", "item", "quantity", "price", "a month"];
    terminal::table(headings, rows.chain([total]))
}
