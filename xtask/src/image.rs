//! `cargo xtask image`: the container image of the task that transfers bottles, made without a container engine.
//!
//! The image is a static program and the certificates of those whom it trusts, nothing else: no shell, no package
//! manager, no user. The same sources give the same digest, so a push of what is there already changes nothing.

mod layer;
mod layout;
mod push;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use longshore_local::python::Python;
use longshore_local::workspace::Workspace;
use serde_json::Value;

use crate::compile;
use crate::image::layout::{Annotations, Blob, Image};
use crate::image::push::{Destination, Registry};
use crate::package::Architecture;
use crate::terminal::{Style, Terminal, padded};

/// Where the image goes, as an OCI image layout.
const LAYOUT: &str = "target/images/bottle-sync";

#[derive(Args)]
pub struct Arguments {
    /// The architecture to build for.
    #[arg(long, value_enum, default_value_t = Architecture::All)]
    architecture: Architecture,
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
    let mut images = Vec::new();
    for architecture in arguments.architecture.names() {
        let program =
            compile::for_aws(workspace, &python, architecture, &mut terminal)?.bottle_sync;
        let annotations = match &registry {
            Some(registry) if registry.is_local() => local_annotations(&program),
            _ => Annotations::new(),
        };
        let content =
            std::fs::read(&program).with_context(|| format!("read {}", program.display()))?;
        terminal.progress(&format!("packing the image for {architecture}"));
        images.push(Image::of_program(&content, architecture, annotations)?);
    }
    let index = layout::index_of(&images)?;
    layout::write(&workspace.path(LAYOUT), &images, &index)?;
    show(&images, &index);
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

fn show(images: &[Image], index: &Blob) {
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
    output.line(&format!("oci:{LAYOUT}:latest"));
}
