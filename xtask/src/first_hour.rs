//! `cargo xtask first-hour`: runs what a newcomer types in docs/first-hour.md, and writes into it what was printed.
//!
//! The document is the script: what is behind `$ ` in its blocks of `console` runs, in one shell, on a local cloud of its
//! own. What the prompt is not before was printed, and is replaced. A command must succeed, unless the next one asks for
//! its exit status.

use std::fmt::Write as _;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use longshore_local::cloud;
use longshore_local::files;
use longshore_local::process::{check_interruption, run_lines};
use longshore_local::workspace::{COMMAND_LINE, Workspace};

use crate::compile::{cargo, watch};
use crate::local::reserve;
use crate::shell::quoted;
use crate::terminal::Terminal;

const DOCUMENT: &str = "docs/first-hour.md";

/// The cloud's directory, so that the one of `cargo xtask local up` stays as it is.
const DIRECTORY: &str = "target/local/first-hour";

/// How wide the newcomer's terminal is.
const WIDTH: usize = 80;

/// What asks whether the command before has succeeded.
const ASKS_FOR_STATUS: &str = "echo $?";

/// What the shell prints before and after each command.
const MARK: &str = "\u{1e}";

pub fn run(workspace: &Workspace) -> Result<ExitCode> {
    let mut terminal = Terminal::standard_error();
    let path = workspace.path(DOCUMENT);
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let commands = commands(&text);
    let mut command = cargo(workspace, "build");
    command.args(["--workspace", "--bin", COMMAND_LINE]);
    watch(
        &mut command,
        &workspace.path("target/first-hour.log"),
        &mut terminal,
    )
    .context("build the command line")?;
    let directory = workspace.path(DIRECTORY);
    // A run that was killed may have left a cloud.
    drop(reserve(&directory)?);
    cloud::stop(&directory)?;
    let played = play(workspace, &commands, &mut terminal);
    cloud::stop(&directory)?;
    let outputs = played?;
    let shown = |output: &String| shown(workspace, output);
    let outputs: Vec<String> = outputs.iter().map(shown).collect();
    files::write(&path, with_outputs(&text, &outputs).as_bytes())?;
    terminal.line(&format!(
        "{DOCUMENT} says what {} commands printed",
        commands.len()
    ));
    Ok(ExitCode::SUCCESS)
}

/// What each command printed.
fn play(
    workspace: &Workspace,
    commands: &[String],
    terminal: &mut Terminal,
) -> Result<Vec<String>> {
    let work = workspace.path("target/first-hour");
    std::fs::create_dir_all(&work).with_context(|| format!("create {}", work.display()))?;
    let program = std::env::current_exe().context("find this program")?;
    let mut shell = Command::new("bash");
    shell
        .args(["--noprofile", "--norc", "-c", &script(commands)])
        .current_dir(&work)
        .env("XTASK", program)
        .env("DIRECTORY", DIRECTORY)
        .env("PROGRAMS", workspace.target().join("debug"))
        .env("COLUMNS", WIDTH.to_string());
    let mut outputs: Vec<String> = Vec::new();
    let mut statuses = Vec::new();
    let mut begin = commands.iter();
    run_lines(&mut shell, |line| {
        match line.strip_prefix(MARK) {
            Some("") => {
                if let Some(command) = begin.next() {
                    terminal.progress(command.lines().next().unwrap_or_default());
                }
                outputs.push(String::new());
            }
            Some(status) => statuses.push(status.to_owned()),
            None => {
                if let Some(output) = outputs.last_mut() {
                    output.push_str(line);
                    output.push('\n');
                }
            }
        }
        Ok(())
    })?;
    check_interruption()?;
    for (place, command) in commands.iter().enumerate() {
        let output = outputs.get(place).map_or("", String::as_str);
        let is_asked_for = commands
            .get(place + 1)
            .is_some_and(|next| next == ASKS_FOR_STATUS);
        match statuses.get(place).map(String::as_str) {
            Some("0") => {}
            Some(_) if is_asked_for => {}
            Some(status) => bail!("`{command}` ended with {status}:\n{output}"),
            None => bail!("`{command}` did not end:\n{output}"),
        }
    }
    ensure!(outputs.len() == commands.len(), "the shell ran too much");
    Ok(outputs)
}

/// One shell that runs the commands one after the other, each between two marks, the second with its exit status.
fn script(commands: &[String]) -> String {
    let mut script = "exec 2>&1\n\
        PATH=\"$PROGRAMS:$PATH\"\n\
        cargo() { shift; \"$XTASK\" \"$@\" --directory \"$DIRECTORY\"; }\n\
        last=0\n"
        .to_owned();
    for command in commands {
        let command = quoted(command);
        let mark = quoted(MARK);
        // `$?` is what it would be without the marks.
        let _ = writeln!(
            script,
            "echo {mark}\n(exit $last)\neval {command}\nlast=$?\necho {mark}$last"
        );
    }
    script
}

/// What was printed as it is in every checkout and every run: the folder, the port, the option of this command alone.
fn shown(workspace: &Workspace, output: &str) -> String {
    let home = workspace.root().to_string_lossy().into_owned();
    let text = output
        .replace(&home, "~/longshore")
        .replace(&format!(" --directory '{DIRECTORY}'"), "");
    let mut parts = text.split("127.0.0.1:");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown.push_str("127.0.0.1:4566");
        shown.push_str(part.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    }
    folded(&shown)
}

/// As a terminal shows lines that are too long for it.
fn folded(text: &str) -> String {
    let mut folded = String::new();
    for line in text.lines() {
        let letters: Vec<char> = line.chars().collect();
        let rows = letters.chunks(WIDTH).map(String::from_iter);
        let rows: Vec<String> = rows.collect();
        folded.push_str(&rows.join("\n"));
        folded.push('\n');
    }
    folded
}

/// The parts of a document: lines of prose, and commands with all that is typed for them.
enum Part<'a> {
    Line(&'a str),
    Command(Vec<&'a str>),
}

/// A document without what was printed.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut is_console = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_console = line == "```console";
        } else if is_console {
            match parts.last_mut() {
                _ if line.starts_with("$ ") => parts.push(Part::Command(vec![line])),
                Some(Part::Command(lines)) if line.starts_with("> ") => lines.push(line),
                _ => {}
            }
            continue;
        }
        parts.push(Part::Line(line));
    }
    parts
}

/// What is typed, in order, without prompts.
fn commands(text: &str) -> Vec<String> {
    let typed = |part: Part<'_>| match part {
        Part::Line(_) => None,
        Part::Command(lines) => {
            let lines: Vec<&str> = lines.iter().filter_map(|line| line.get(2..)).collect();
            Some(lines.join("\n"))
        }
    };
    parts(text).into_iter().filter_map(typed).collect()
}

/// The document with what each command printed below it.
fn with_outputs(text: &str, outputs: &[String]) -> String {
    let mut outputs = outputs.iter();
    let mut written = String::new();
    for part in parts(text) {
        match part {
            Part::Line(line) => {
                let _ = writeln!(written, "{line}");
            }
            Part::Command(lines) => {
                for line in lines {
                    let _ = writeln!(written, "{line}");
                }
                written.push_str(outputs.next().map_or("", String::as_str));
            }
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Do this:\n\n```console\n$ false\nold\n$ echo $?\n2\n```\n\n```sh\n$ not run\n```\n\n```console\n$ cat <<EOF\n> one\n> EOF\n```\n";

    #[test]
    fn what_is_behind_a_prompt_is_run_and_nothing_else() {
        assert_eq!(commands(TEXT), ["false", "echo $?", "cat <<EOF\none\nEOF"]);
    }

    #[test]
    fn what_was_printed_is_replaced_and_all_else_stays() {
        let outputs = ["", "1\n", "one\n"].map(str::to_owned);
        let written = with_outputs(TEXT, &outputs);
        assert_eq!(
            written,
            TEXT.replace("old\n", "")
                .replace("2\n", "1\n")
                .replace("> EOF\n", "> EOF\none\n")
        );
        assert_eq!(with_outputs(&written, &outputs), written);
    }

    #[test]
    fn a_command_sees_how_the_one_before_it_ended() {
        let script = script(&commands(TEXT));
        let output = Command::new("bash").args(["-c", &script]).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let expected = "!\n!1\n!\n1\n!0\n!\none\n!0\n".replace('!', MARK);
        assert_eq!(printed, expected);
    }

    #[test]
    fn the_document_fits_a_terminal_and_names_no_place_of_the_machine_that_ran_it() {
        let workspace = Workspace::of_this_build();
        let text = std::fs::read_to_string(workspace.path(DOCUMENT)).unwrap();
        let commands = commands(&text);
        assert!(commands.len() > 10);
        let mut is_console = false;
        for line in text.lines() {
            if line.starts_with("```") {
                is_console = line == "```console";
            }
            let line = format!("{line}\n");
            assert!(!is_console || shown(&workspace, &line) == line, "{line}");
        }
    }
}
