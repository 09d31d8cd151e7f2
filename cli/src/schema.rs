//! `longshore schema`.

use clap::{Args, ValueEnum};

/// `longshore schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// Of what
    #[arg(value_enum)]
    pub of: Described,
}

/// What has a JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Described {
    /// Stack files.
    Stack,
}

/// The JSON Schema, as editors take it.
pub fn run(arguments: &SchemaArguments) -> anyhow::Result<String> {
    let schema = match arguments.of {
        Described::Stack => longshore_stack::read::schema(),
    };
    Ok(serde_json::to_string_pretty(&schema)?)
}
