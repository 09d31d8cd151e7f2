//! `longshore init`: a first stack file from files of another tool, or from answers.

use std::fs::OpenOptions;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use longshore_init::questions::{Answers, Question, check, next_question};
use longshore_init::{File, Parameters, StackFile, from_answers, from_files, named_files};
use longshore_report::words::counted;
use serde_json::Value;

use crate::subject::EcsServiceArgument;
use crate::{stack_file, terminal};

/// `longshore init`.
#[derive(Debug, Args)]
pub struct InitArguments {
    /// A Compose file, a Copilot manifest, an ecspresso.yml, a Terraform plan (`terraform show -json`), or the answers of
    /// `aws ecs describe-task-definition` and `describe-services`, one each; without it, questions are asked
    #[arg(long, value_name = "FILE")]
    pub from: Vec<PathBuf>,
    /// A service of ECS, as <cluster>/<service>, which is asked for with your credentials
    #[arg(long, value_name = "CLUSTER/SERVICE", conflicts_with = "from")]
    pub from_service: Option<EcsServiceArgument>,
    /// The stack's name, in place of the one that the files say
    #[arg(long)]
    pub name: Option<String>,
    /// The VPC; needed where the files do not say it
    #[arg(long, value_name = "VPC")]
    pub vpc: Option<String>,
    /// A subnet of the tasks, once for each; needed where the files do not say them
    #[arg(long, value_name = "SUBNET")]
    pub subnet: Vec<String>,
    /// A public subnet of a load balancer that the internet reaches, once for each; without any it is internal
    #[arg(long, value_name = "SUBNET")]
    pub public_subnet: Vec<String>,
    /// Where to write the stack file; without it, standard output
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// Makes a stack file. What could not be carried over is printed on standard error. `described` are the documents that
/// ECS has given about the service that was asked for.
pub fn run(arguments: &InitArguments, described: &[Value]) -> anyhow::Result<String> {
    if let Some(path) = &arguments.output {
        refuse_existing(path, arguments.force)?;
    }
    let parameters = Parameters {
        name: arguments.name.clone(),
        vpc_id: arguments.vpc.clone(),
        subnet_ids: arguments.subnet.clone(),
        public_subnet_ids: arguments.public_subnet.clone(),
    };
    let file = if !described.is_empty() {
        read_described(described, &parameters)?
    } else if arguments.from.is_empty() {
        ensure!(
            io::stdin().is_terminal(),
            "nobody can be asked, since standard input is not a terminal: give --from"
        );
        from_answers(&ask(&parameters)?, &parameters)?
    } else {
        read(&arguments.from, &parameters)?
    };
    for note in &file.notes {
        terminal::note(&format!("note: {note}"));
    }
    match &arguments.output {
        None => Ok(file.text.trim_end().to_owned()),
        Some(path) => {
            write(path, &file, arguments.force)?;
            let path = path.display();
            Ok(format!(
                "{path} is written, with {}\nnext: longshore validate {path}",
                counted(file.notes.len(), "note")
            ))
        }
    }
}

/// Makes a stack file from what ECS says of a service.
fn read_described(described: &[Value], parameters: &Parameters) -> anyhow::Result<StackFile> {
    let contents: Vec<String> = described.iter().map(Value::to_string).collect();
    let files: Vec<File<'_>> = contents
        .iter()
        .map(|content| File {
            name: "ECS",
            content: content.as_bytes(),
        })
        .collect();
    Ok(from_files(&files, "stack", parameters)?)
}

/// Reads the files, and those that they name, and makes a stack file from them.
fn read(paths: &[PathBuf], parameters: &Parameters) -> anyhow::Result<StackFile> {
    let mut contents = Vec::new();
    for path in paths {
        let content = stack_file::load(path)?;
        let name = path.display().to_string();
        let named = named_files(&File {
            name: &name,
            content: &content,
        })?;
        contents.push((name, content));
        for other in named {
            let path = path.with_file_name(other);
            let is_given = paths.contains(&path);
            if !is_given {
                let content = stack_file::load(&path)?;
                contents.push((path.display().to_string(), content));
            }
        }
    }
    let files: Vec<File<'_>> = contents
        .iter()
        .map(|(name, content)| File { name, content })
        .collect();
    let folder = paths.first().and_then(|path| folder(path));
    let folder = folder.unwrap_or_else(|| "stack".to_owned());
    Ok(from_files(&files, &folder, parameters)?)
}

/// The name of the folder that a file is in.
fn folder(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let name = path.parent()?.file_name()?;
    Some(name.to_string_lossy().into_owned())
}

/// Asks at the terminal until all is known; a wrong answer is asked for again.
fn ask(parameters: &Parameters) -> anyhow::Result<Answers> {
    let mut answers = Answers::new();
    let mut lines = io::stdin().lock().lines();
    while let Some(question) = next_question(&answers, parameters) {
        terminal::note(&worded(&question));
        let Some(line) = lines.next() else {
            bail!("the questions ended before all were answered");
        };
        let line = line.context("read the answer")?;
        let answer = match (line.trim(), question.default) {
            ("", Some(default)) => default.to_owned(),
            (answer, _) => answer.to_owned(),
        };
        match check(&question, &answer) {
            Ok(()) => {
                answers.insert(question.key, answer);
            }
            Err(expected) => terminal::note(&expected),
        }
    }
    Ok(answers)
}

fn worded(question: &Question) -> String {
    match question.default {
        Some(default) => format!("{} [{default}]:", question.text),
        None => format!("{}:", question.text),
    }
}

/// Refuses before anybody is asked anything.
fn refuse_existing(path: &Path, force: bool) -> anyhow::Result<()> {
    ensure!(
        force || !path.exists(),
        "{} is there already: give another --output, or --force to replace it",
        path.display()
    );
    Ok(())
}

fn write(path: &Path, file: &StackFile, force: bool) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    match force {
        true => options.create(true).truncate(true),
        // Whoever has made it meanwhile keeps it.
        false => options.create_new(true),
    };
    let mut output = options
        .open(path)
        .with_context(|| format!("write {}", path.display()))?;
    output
        .write_all(file.text.as_bytes())
        .with_context(|| format!("write {}", path.display()))
}
