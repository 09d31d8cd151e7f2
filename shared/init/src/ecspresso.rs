//! From ecspresso's configuration, service definition and task definition.

use crate::draft::{Draft, Parameters};
use crate::ecs::add_service;
use crate::fields::Fields;
use crate::source::{Content, Fault, Node};

/// Whether this is an `ecspresso.yml`.
pub fn is_configuration(node: &Node) -> bool {
    node.get("task_definition")
        .is_some_and(|node| matches!(node.content, Content::Text(_)))
}

/// The names of the files that an `ecspresso.yml` names: the task definition's, and the service definition's.
pub fn named_files(node: &Node) -> Vec<String> {
    ["task_definition", "service_definition"]
        .iter()
        .filter_map(|key| node.get(key)?.scalar())
        .collect()
}

/// A stack with the one service of an ecspresso definition.
///
/// # Errors
/// Values of another kind than ECS takes.
pub fn draft(
    configuration: Node,
    definition: Node,
    service: Option<Node>,
    parameters: &Parameters,
) -> Result<Draft, Fault> {
    let mut configuration = Fields::of(configuration)?;
    let name = configuration.text("service")?;
    let cluster = configuration.text("cluster")?;
    configuration.skip(&["task_definition", "service_definition", "region", "timeout"]);
    let definition = Fields::of(definition)?;
    let family = definition.clone().text("family")?;
    let usable = |name: &String| !name.contains("{{");
    let name = name
        .filter(usable)
        .or(family.filter(usable))
        .unwrap_or_else(|| "service".to_owned());
    let stack = cluster.filter(usable).unwrap_or_else(|| name.clone());
    let mut draft = Draft::new("an ecspresso definition", &stack, parameters);
    let service = service.map(Fields::of).transpose()?;
    add_service(&mut draft, &name, definition, service)?;
    configuration.rest(&mut draft.notes, |key| {
        Some(match key {
            "plugins" => {
                "what plugins fill in (tfstate, ssm, cloudformation) is not read; put in the values themselves"
            }
            "appspec" | "codedeploy" => {
                "ECS itself shifts requests, if `deployment_configuration` has a strategy"
            }
            "ignore" | "required_version" | "filter_command" | "confirm" => {
                "it is for ecspresso itself"
            }
            _ => return None,
        })
    });
    draft.notes.general(
        "to keep the service that ecspresso has made, and only have Longshore deploy to it, use `longshore adopt` instead",
    );
    Ok(draft)
}
