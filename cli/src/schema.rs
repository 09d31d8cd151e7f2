//! `longshore schema`.

use clap::{Args, ValueEnum};
use longshore_stack::read::{reference, reference_of, schema};

/// `longshore schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// Of what
    #[arg(value_enum)]
    pub of: Described,
    /// The part to describe in words, such as services.api.target_group; without it, the JSON Schema is printed
    pub part: Option<String>,
    /// Describe every key in words, in Markdown
    #[arg(long, conflicts_with = "part")]
    pub reference: bool,
}

/// What has a JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Described {
    /// Stack files.
    Stack,
}

/// The JSON Schema, as editors take it, or what it says in words.
pub fn run(arguments: &SchemaArguments) -> anyhow::Result<String> {
    match arguments.of {
        Described::Stack if arguments.reference => Ok(reference().trim_end().to_owned()),
        Described::Stack => match &arguments.part {
            Some(part) => reference_of(part).map_err(anyhow::Error::msg),
            None => Ok(serde_json::to_string_pretty(&schema())?),
        },
    }
}
