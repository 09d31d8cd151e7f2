//! What a stack has made, under the names that people know.

use std::collections::BTreeMap;

use longshore_stack::outputs::outputs as named;
use serde_json::{Map, Value};

use crate::error::ProvisioningError;
use crate::ports::ProvisioningCloud;

/// The stack's outputs, as `longshore_stack::outputs` names them, with the ARNs of scalable targets,
/// which CloudFormation does not know.
///
/// # Errors
/// [`ProvisioningError`].
pub async fn outputs<C: ProvisioningCloud>(
    cloud: &C,
    stack: &str,
) -> Result<Value, ProvisioningError> {
    let Some(described) = cloud.describe(stack).await? else {
        return Err(ProvisioningError::Conflict {
            operation: "read the outputs of",
            stack: stack.to_owned(),
            reason: "there is no such stack".to_owned(),
        });
    };
    let mut outputs = named(&described.outputs);
    let resource_ids = scalable_resources(&outputs);
    if !resource_ids.is_empty() {
        let arns = cloud.scalable_target_arns(&resource_ids).await?;
        name_scalable_targets(&mut outputs, &arns);
    }
    Ok(outputs)
}

/// The output in which a template names what a service scales by: `service/<cluster>/<service>`.
const RESOURCE_ID: &str = "auto_scaling_target_resource_id";
const TARGET_ARN: &str = "auto_scaling_target_arn";

fn scalable_resources(outputs: &Value) -> Vec<String> {
    services(outputs)
        .filter_map(|service| service.get(RESOURCE_ID)?.as_str())
        .map(str::to_owned)
        .collect()
}

fn services(outputs: &Value) -> impl Iterator<Item = &Map<String, Value>> {
    outputs["services"]
        .as_object()
        .into_iter()
        .flat_map(Map::values)
        .filter_map(Value::as_object)
}

/// Puts the ARN in place of each resource id, in the services and, for a stack with one service, at
/// the top as well.
fn name_scalable_targets(outputs: &mut Value, arns: &BTreeMap<String, String>) {
    let name = |fields: &mut Map<String, Value>| {
        let arn = fields
            .remove(RESOURCE_ID)
            .and_then(|id| arns.get(id.as_str()?).cloned());
        if let Some(arn) = arn {
            fields.insert(TARGET_ARN.to_owned(), Value::String(arn));
        }
    };
    if let Some(services) = outputs["services"].as_object_mut() {
        services
            .values_mut()
            .filter_map(Value::as_object_mut)
            .for_each(name);
    }
    if let Some(fields) = outputs.as_object_mut() {
        name(fields);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalable_targets_are_named_by_their_arns_in_both_places() {
        let mut outputs = json!({
            "cluster_name": "shop",
            "auto_scaling_target_resource_id": "service/shop/api",
            "services": {"api": {"auto_scaling_target_resource_id": "service/shop/api"}},
        });
        assert_eq!(scalable_resources(&outputs), ["service/shop/api"]);
        let arns = BTreeMap::from([("service/shop/api".to_owned(), "arn:target".to_owned())]);
        name_scalable_targets(&mut outputs, &arns);
        assert_eq!(
            outputs,
            json!({
                "cluster_name": "shop",
                "auto_scaling_target_arn": "arn:target",
                "services": {"api": {"auto_scaling_target_arn": "arn:target"}},
            })
        );
    }
}
