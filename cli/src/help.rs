//! The help as it is printed: commands in groups, and pages for shells and `man`.

use std::fs;
use std::io;

use anyhow::Context;
use clap::CommandFactory as _;

use crate::arguments::{Arguments, CompletionsArguments, ManualArguments};

/// The commands, in the order in which somebody comes to need them.
const GROUPS: [(&str, &[&str]); 5] = [
    (
        "Stack files (need no AWS)",
        &["init", "validate", "render", "cost", "schema"],
    ),
    (
        "Stacks",
        &["plan", "apply", "destroy", "drift", "outputs", "ls"],
    ),
    (
        "Deployments",
        &[
            "deploy",
            "rollback",
            "restart",
            "scale",
            "approve",
            "reject",
            "hold",
            "resume",
            "run",
            "exec",
            "status",
            "history",
            "digest",
            "logs",
            "dashboard",
        ],
    ),
    ("Mirrors of Homebrew's bottles", &["sync"]),
    (
        "Longshore itself",
        &[
            "adopt",
            "doctor",
            "replay",
            "slack",
            "completions",
            "manual",
        ],
    ),
];

const TEMPLATE: &str = "\
{about-with-newline}
{usage-heading} {usage}

{before-help}{all-args}{after-help}";

/// The command line as it is parsed, with help that shows commands in groups.
pub fn command() -> clap::Command {
    let command = Arguments::command();
    let groups = groups(&command);
    command
        .mut_subcommands(|subcommand| subcommand.hide(true))
        .override_usage("longshore [OPTIONS] <COMMAND>")
        .help_template(TEMPLATE)
        .before_help(groups)
        .after_help("Help of a command, with examples: longshore <COMMAND> --help")
}

fn groups(command: &clap::Command) -> String {
    let mut text = String::new();
    for (heading, names) in GROUPS {
        text.push_str(&format!("{heading}:\n"));
        for name in names {
            let about = command
                .find_subcommand(name)
                .and_then(clap::Command::get_about)
                .map(ToString::to_string)
                .unwrap_or_default();
            text.push_str(&format!("  {name:<11}  {about}\n"));
        }
        text.push('\n');
    }
    // What follows begins on a line of its own.
    text.truncate(text.trim_end().len());
    text
}

/// The script that completes commands and options in a shell.
///
/// # Errors
/// When it is not text, which is a defect of the library.
pub fn completions(arguments: &CompletionsArguments) -> anyhow::Result<String> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "longshore", &mut script);
    Ok(String::from_utf8(script)?.trim_end().to_owned())
}

/// Writes a page for `man` for each command.
///
/// # Errors
/// When the directory cannot be written to.
pub fn manual(arguments: &ManualArguments) -> anyhow::Result<String> {
    let directory = arguments.directory.as_path();
    let write = || -> io::Result<()> {
        fs::create_dir_all(directory)?;
        clap_mangen::generate_to(Arguments::command(), directory)
    };
    write().with_context(|| format!("write manual pages to {}", directory.display()))?;
    Ok(format!(
        "manual pages are in {0}; read one with: man {0}/longshore-deploy.1",
        directory.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let command = Arguments::command();
        let grouped: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        let different: BTreeSet<&str> = grouped.iter().copied().collect();
        assert_eq!(different.len(), grouped.len());
        let known: BTreeSet<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        assert_eq!(different, known);
    }

    #[test]
    fn the_help_shows_every_group() {
        let help = command().render_help().to_string();
        for (heading, names) in GROUPS {
            assert!(help.contains(&format!("{heading}:\n")), "{help}");
            for name in names {
                assert!(help.contains(&format!("\n  {name} ")), "{name}: {help}");
            }
        }
        assert!(help.contains("Installation:\n"), "{help}");
    }

    /// What `--help` says of each command, one after the other.
    fn every_help(columns: usize) -> String {
        fn add(command: &mut clap::Command, columns: usize, text: &mut String) {
            let shown = command.clone().term_width(columns).render_long_help();
            text.push_str(&format!("{shown}\n{}\n\n", "=".repeat(columns)));
            for subcommand in command.get_subcommands_mut() {
                if subcommand.get_name() != "help" {
                    add(subcommand, columns, text);
                }
            }
        }
        let mut command = command().term_width(columns);
        command.build();
        let mut text = String::new();
        add(&mut command, columns, &mut text);
        text
    }

    #[test]
    fn the_help_of_every_command_fits_80_and_120_columns() {
        for columns in [80, 120] {
            let text = every_help(columns);
            // Usage lines and values of options are not wrapped, nor are examples.
            let is_words = |line: &&str| !line.contains("longshore ") && !line.contains("[env:");
            for line in text.lines().filter(is_words) {
                assert!(line.chars().count() <= columns, "{columns}: {line}");
            }
            insta::assert_snapshot!(format!("help-{columns}"), text);
        }
    }
}
