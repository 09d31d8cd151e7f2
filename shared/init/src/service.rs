//! From the answers of `aws ecs describe-services` and `aws ecs describe-task-definition`.

use crate::draft::{Draft, Parameters};
use crate::ecs::{add_service, only};
use crate::fields::Fields;
use crate::source::{Fault, Node};

/// A stack with the one service that is described. Without the answer about the service, it is made from the task
/// definition alone.
///
/// # Errors
/// Another number of services than one, and values of another kind than ECS takes.
pub fn draft(
    definition: Node,
    service: Option<Node>,
    parameters: &Parameters,
) -> Result<Draft, Fault> {
    let mut definition = Fields::of(definition)?;
    let mut definition = match definition.map("taskDefinition")? {
        Some(inner) => {
            // Tags stand beside it in the answer.
            definition.skip(&["tags"]);
            inner
        }
        None => definition,
    };
    let service = match service {
        Some(node) => {
            let mut answer = Fields::of(node)?;
            let place = answer.place.clone();
            match answer.take("services") {
                Some(services) => Some(only(&place, services.items().to_vec(), "services")?),
                None => Some(answer),
            }
        }
        None => None,
    };
    let family = definition.text("family")?;
    let name = match &service {
        Some(service) => service.clone().text("serviceName")?,
        None => None,
    };
    let name = name.or(family).unwrap_or_else(|| "service".to_owned());
    let mut draft = Draft::new("an ECS service", &name, parameters);
    add_service(&mut draft, &name, definition, service)?;
    draft.notes.general(
        "the stack makes a service of its own beside the one that runs. To keep that one and only have Longshore deploy \
         to it, use `longshore adopt` instead",
    );
    Ok(draft)
}
