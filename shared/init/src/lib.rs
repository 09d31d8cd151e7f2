//! First stack files: from what exists, or from answers to a few questions.
//!
//! What a source says and a stack file cannot say is never dropped without a note. Values that look like secrets are never
//! written to the stack file.

mod compose;
mod copilot;
mod document;
mod draft;
mod ecs;
mod ecspresso;
mod fields;
mod notes;
pub mod questions;
mod service;
mod source;
mod terraform;
mod values;

pub use draft::{Missing, Parameters, StackFile};
pub use notes::Note;
pub use source::{Fault, File, Place};

use source::{Content, Node, read};

/// Why there is no stack file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InitError {
    /// A file cannot be read, or says something that its format does not have.
    #[error(transparent)]
    Source(#[from] Fault),
    /// The files could be read, but something is missing.
    #[error(transparent)]
    Missing(#[from] Missing),
}

/// The names of further files that a file names and that are read with it: those of an `ecspresso.yml`, beside it.
///
/// # Errors
/// What keeps the file from being read.
pub fn named_files(file: &File<'_>) -> Result<Vec<String>, Fault> {
    let node = read(file)?;
    Ok(if ecspresso::is_configuration(&node) {
        ecspresso::named_files(&node)
    } else {
        Vec::new()
    })
}

/// A stack file from files of another tool, which are recognised by their content: one Compose file, one Copilot manifest
/// or one Terraform plan; an `ecspresso.yml` with the files that it names; or the answers of
/// `aws ecs describe-task-definition` and `aws ecs describe-services`, in any order.
///
/// `folder` is the name of the folder of the first file, which names a stack that nothing else does.
///
/// # Errors
/// What cannot be read, with line and column, what is missing, and what Longshore would refuse.
pub fn from_files(
    files: &[File<'_>],
    folder: &str,
    parameters: &Parameters,
) -> Result<StackFile, InitError> {
    let mut configuration = None;
    let mut definition = None;
    let mut service = None;
    let mut whole = None;
    for file in files {
        let node = read(file)?;
        let (slot, what) = if copilot::is_manifest(&node)
            || compose::is_compose(&node)
            || terraform::is_plan(&node)
        {
            (&mut whole, "file")
        } else if ecspresso::is_configuration(&node) {
            (&mut configuration, "ecspresso.yml")
        } else if is_definition(&node) {
            (&mut definition, "task definition")
        } else if is_service(&node) {
            (&mut service, "service")
        } else {
            let message = "this is not a Compose file, a Copilot manifest, an ecspresso definition, a service or a \
                           task definition of ECS, or a Terraform plan in JSON (`terraform show -json`)";
            return Err(Fault::at(&node.place, message).into());
        };
        if slot.is_some() {
            let message = format!("a second {what}; give one, for one stack file");
            return Err(Fault::at(&node.place, message).into());
        }
        *slot = Some(node);
    }
    let extra = [&configuration, &definition, &service]
        .into_iter()
        .flatten()
        .next()
        .map(|node| node.place.clone());
    let draft = match (whole, configuration, definition) {
        (Some(node), ..) => {
            if let Some(extra) = extra {
                let message = "a stack file is made from one source; give only this file, or only the other one";
                return Err(Fault::at(&extra, message).into());
            }
            if copilot::is_manifest(&node) {
                copilot::draft(node, parameters)?
            } else if compose::is_compose(&node) {
                compose::draft(node, folder, parameters)?
            } else {
                terraform::draft(&node, folder, parameters)?
            }
        }
        (None, Some(configuration), Some(definition)) => {
            ecspresso::draft(configuration, definition, service, parameters)?
        }
        (None, None, Some(definition)) => service::draft(definition, service, parameters)?,
        (None, configuration, None) => {
            let place = configuration.or(service).map(|node| node.place);
            let message = "the task definition is missing; give it as well, such as the answer of `aws ecs \
                           describe-task-definition`";
            return Err(match place {
                Some(place) => Fault::at(&place, message).into(),
                None => InitError::Missing(Missing::Services(
                    "nothing".to_owned(),
                    "no file was given".to_owned(),
                )),
            });
        }
    };
    Ok(draft.finish()?)
}

/// A stack file from the answers to [`questions`].
///
/// # Errors
/// What Longshore would refuse.
pub fn from_answers(
    answers: &questions::Answers,
    parameters: &Parameters,
) -> Result<StackFile, InitError> {
    Ok(questions::draft(answers, parameters).finish()?)
}

/// Whether this is a task definition, or ECS's answer with one.
fn is_definition(node: &Node) -> bool {
    let inner = node.get("taskDefinition");
    let inner = inner.filter(|inner| matches!(inner.content, Content::Map(_)));
    inner.unwrap_or(node).get("containerDefinitions").is_some()
}

/// Whether this is a service, or ECS's answer with some.
fn is_service(node: &Node) -> bool {
    let is_list = node
        .get("services")
        .is_some_and(|services| matches!(services.content, Content::List(_)));
    let keys = [
        "desiredCount",
        "launchType",
        "deploymentConfiguration",
        "networkConfiguration",
        "loadBalancers",
        "capacityProviderStrategy",
    ];
    is_list || keys.iter().any(|key| node.get(key).is_some())
}
