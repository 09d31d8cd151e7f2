//! `longshore slack preview`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use longshore_report::samples::every;
use longshore_report::{Console, Message, message, page};
use serde_json::json;

/// `longshore slack`.
#[derive(Debug, Subcommand)]
pub enum SlackCommand {
    /// Show every kind of message that Longshore posts
    #[command(
        after_help = "Examples:\n  longshore slack preview --html slack.html\n  longshore slack preview | jq '.[0].message'"
    )]
    Preview(PreviewArguments),
}

/// `longshore slack preview`.
#[derive(Debug, Args)]
pub struct PreviewArguments {
    /// Write a page that looks like Slack to this file, instead of printing the messages as JSON
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Whose console the links lead to where no region is given.
const REGION: &str = "eu-west-1";

/// Prints every kind of message as it is posted, or writes them as a page.
pub fn run(command: &SlackCommand, region: Option<&str>) -> anyhow::Result<String> {
    let SlackCommand::Preview(PreviewArguments { html }) = command;
    let console = Console::of_region(region.unwrap_or(REGION));
    let samples = every();
    let messages: Vec<(&str, Message)> = samples
        .iter()
        .filter_map(|sample| {
            let message = message(&sample.event, &console)?;
            // As where somebody may press each of them.
            Some((sample.name, message.with_buttons(&sample.event, |_| true)))
        })
        .collect();
    let Some(path) = html else {
        let messages: Vec<_> = messages
            .iter()
            .map(|(name, message)| json!({"name": name, "message": message}))
            .collect();
        return Ok(serde_json::to_string_pretty(&messages)?);
    };
    let shown = page(messages.iter().map(|(name, message)| (*name, message)));
    std::fs::write(path, shown).with_context(|| format!("write {}", path.display()))?;
    Ok(format!(
        "{} messages are in {}",
        messages.len(),
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn preview(html: Option<PathBuf>) -> String {
        run(&SlackCommand::Preview(PreviewArguments { html }), None).unwrap()
    }

    #[test]
    fn every_kind_of_message_is_printed_as_it_is_posted() {
        let printed: Vec<Value> = serde_json::from_str(&preview(None)).unwrap();
        assert_eq!(printed.len(), every().len());
        for one in printed {
            assert!(one["message"]["blocks"][0]["type"].is_string(), "{one}");
            assert!(
                !one["message"]["text"].as_str().unwrap().is_empty(),
                "{one}"
            );
        }
    }

    #[test]
    fn the_page_is_written_to_the_file_that_is_named() {
        let file = format!("longshore-{}-slack.html", std::process::id());
        let path = std::env::temp_dir().join(file);
        assert!(preview(Some(path.clone())).contains("slack.html"));
        let page = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        assert!(page.starts_with("<!doctype html>"));
        assert!(page.contains("Deployment rolled back"));
        assert!(page.contains(">Approve</button>"));
    }
}
