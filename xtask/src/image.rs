//! `cargo xtask image`: the container image of the task that transfers bottles, or of the command line, made without a
//! container engine.
//!
//! The image is a static program and the certificates of those whom it trusts, nothing else: no shell, no package
//! manager, no user. The same sources give the same digest, so a push of what is there already changes nothing.

mod layer;
mod layout;
pub mod push;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use longshore_local::python::Python;
use longshore_local::workspace::{BOTTLE_SYNC, COMMAND_LINE, Workspace};
use serde_json::Value;

use crate::compile;
use crate::image::layout::{Annotations, Blob, Image};
use crate::image::push::{Destination, Registry};
use crate::package::Architecture;
use crate::terminal::{Style, Terminal, padded};

/// Where images go, each as an OCI image layout in a folder that has its program's name.
const LAYOUTS: &str = "target/images";

/// The programs that there are images of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Program {
    /// The task that transfers bottles.
    BottleSync,
    /// The command line.
    Longshore,
}

impl Program {
    /// Its name, and the ports on which it answers.
    fn contents(self) -> (&'static str, &'static [u16]) {
        match self {
            Self::BottleSync => (BOTTLE_SYNC, &[8080]),
            Self::Longshore => (COMMAND_LINE, &[]),
        }
    }
}

#[derive(Args)]
pub struct Arguments {
    /// The architecture to build for.
    #[arg(long, value_enum, default_value_t = Architecture::All)]
    architecture: Architecture,
    /// What the image is of.
    #[arg(long, value_enum, default_value_t = Program::BottleSync)]
    program: Program,
    /// Push it to this repository of ECR, with this tag: of the account and region of the environment's credentials,
    /// or of the local cloud that `cargo xtask local env` points at.
    #[arg(long, value_name = "REPOSITORY[:TAG]")]
    push: Option<Destination>,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let mut terminal = Terminal::standard_error();
    // What can be wrong with where it goes is known before anything is built.
    let registry = arguments
        .push
        .as_ref()
        .map(|_| Registry::of_environment())
        .transpose()?;
    let python = Python::ensure(workspace, |text| terminal.progress(text))?;
    let (name, ports) = arguments.program.contents();
    let mut images = Vec::new();
    for architecture in arguments.architecture.names() {
        let program = match arguments.program {
            Program::BottleSync => {
                compile::for_aws(workspace, &python, architecture, &mut terminal)?.path
            }
            Program::Longshore => {
                compile::for_release(workspace, &python, architecture, &mut terminal)?.1
            }
        };
        let annotations = match &registry {
            Some(registry) if registry.is_local() => local_annotations(&program),
            _ => Annotations::new(),
        };
        let content =
            std::fs::read(&program).with_context(|| format!("read {}", program.display()))?;
        terminal.progress(&format!("packing the image for {architecture}"));
        let image = Image::of_program(name, &content, ports, architecture, annotations)?;
        images.push(image);
    }
    let index = layout::index_of(&images)?;
    let folder = format!("{LAYOUTS}/{name}");
    layout::write(&workspace.path(&folder), &images, &index)?;
    show(&images, &index, &folder);
    if let (Some(registry), Some(destination)) = (registry, &arguments.push) {
        registry.push(destination, &images, &index, |text| terminal.progress(text))?;
        terminal.line(&format!(
            "pushed {destination} as {}",
            index.descriptor.digest
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the local cloud reads from an image's manifest: it has no container engine and starts the program itself.
fn local_annotations(program: &std::path::Path) -> Annotations {
    let entry_point = Value::from(vec![program.to_string_lossy()]).to_string();
    Annotations::from_iter([(
        "dev.longshore.local.entry-point".to_owned(),
        Value::from(entry_point),
    )])
}

fn show(images: &[Image], index: &Blob, folder: &str) {
    let mut output = Terminal::standard_output();
    let heading = format!("{} {:>10}  digest", padded("for", 8), "bytes");
    let heading = output.styled(Style::Bold, &heading);
    output.line(&heading);
    for image in images {
        output.line(&format!(
            "{} {:>10}  {}",
            padded(image.architecture, 8),
            image.layer.content.len(),
            image.manifest.descriptor.digest
        ));
    }
    output.line(&format!(
        "{} {:>10}  {}",
        padded("all", 8),
        "",
        index.descriptor.digest
    ));
    output.line(&format!("oci:{folder}:latest"));
}
