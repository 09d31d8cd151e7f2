//! `longshore cost`.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use longshore_stack::cost::{Prices, estimate, estimate_with};

use crate::output::Output;
use crate::stack_file;
use crate::stack_file::StackFileArguments;

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
        Output::Text => estimate.to_string(),
        Output::Json => serde_json::to_string_pretty(&estimate)?,
    })
}
