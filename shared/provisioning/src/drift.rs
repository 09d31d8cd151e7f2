//! What is not as the template says, except where that is on purpose.

use longshore_rollout::ports::TemplateMetadata;
use serde::Serialize;

use crate::error::ProvisioningError;
use crate::ports::{Drift, ProvisioningCloud};
use crate::template::metadata_of;

/// The result of comparing a stack with its template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftReport {
    /// The stack.
    pub stack: String,
    /// What is not as the template says.
    pub drifted: Vec<Drift>,
}

/// Compares every resource of a stack with its template.
///
/// # Errors
/// [`ProvisioningError`].
pub async fn drift<C: ProvisioningCloud>(
    cloud: &C,
    stack: &str,
) -> Result<DriftReport, ProvisioningError> {
    let Some(template) = cloud.template(stack).await? else {
        return Err(ProvisioningError::Conflict {
            operation: "detect the drift of",
            stack: stack.to_owned(),
            reason: "there is no such stack".to_owned(),
        });
    };
    let metadata = metadata_of(&template);
    let drifted = cloud.drift(stack).await?;
    Ok(DriftReport {
        stack: stack.to_owned(),
        drifted: unintended(drifted, metadata.as_ref()),
    })
}

/// Without what `deploy` changes by design: which task definition a service runs. How many tasks an
/// autoscaler has set is not in the template, so CloudFormation does not compare it.
fn unintended(drifts: Vec<Drift>, metadata: Option<&TemplateMetadata>) -> Vec<Drift> {
    let is_ours = |drift: &Drift| {
        metadata.is_some_and(|metadata| {
            drift.resource_type == "AWS::ECS::Service"
                && metadata.services.values().any(|service| {
                    let physical_id = drift.physical_id.as_deref().unwrap_or_default();
                    physical_id.ends_with(&format!("/{}", service.ecs_service))
                })
        })
    };
    drifts
        .into_iter()
        .filter_map(|mut drift| {
            if !drift.deleted && is_ours(&drift) {
                drift
                    .properties
                    .retain(|property| property.path != "/TaskDefinition");
                if drift.properties.is_empty() {
                    return None;
                }
            }
            Some(drift)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::ports::PropertyDrift;
    use longshore_rollout::ports::TemplateService;

    fn metadata() -> TemplateMetadata {
        TemplateMetadata {
            version: 1,
            stack: "shop".to_owned(),
            environment: None,
            services: BTreeMap::from([(
                "api".to_owned(),
                TemplateService {
                    repository: Some("shop/api".to_owned()),
                    cluster: "shop".to_owned(),
                    ecs_service: "shop-api".to_owned(),
                    container: "api".to_owned(),
                    other_containers: Vec::new(),
                    image_policy: None,
                    cpu_architecture: None,
                    rollout: longshore_rollout::settings::RolloutSettings::default(),
                    image: "shop/api:v1".to_owned(),
                },
            )]),
        }
    }

    fn service_drift(paths: &[&str]) -> Drift {
        Drift {
            logical_id: "ApiService".to_owned(),
            physical_id: Some(
                "arn:aws:ecs:eu-west-1:123456789012:service/shop/shop-api".to_owned(),
            ),
            resource_type: "AWS::ECS::Service".to_owned(),
            deleted: false,
            properties: paths
                .iter()
                .map(|path| PropertyDrift {
                    path: (*path).to_owned(),
                    expected: "1".to_owned(),
                    actual: "2".to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_pushed_image_is_no_drift() {
        let drifts = vec![service_drift(&["/TaskDefinition"])];
        assert_eq!(unintended(drifts, Some(&metadata())), Vec::new());
    }

    #[test]
    fn what_nobody_meant_to_change_stays_beside_what_was_meant() {
        let drifts = vec![service_drift(&["/TaskDefinition", "/EnableExecuteCommand"])];
        let left = unintended(drifts, Some(&metadata()));
        assert_eq!(left, vec![service_drift(&["/EnableExecuteCommand"])]);
    }

    #[test]
    fn a_service_that_is_gone_is_drift() {
        let gone = Drift {
            deleted: true,
            ..service_drift(&[])
        };
        assert_eq!(
            unintended(vec![gone.clone()], Some(&metadata())),
            vec![gone]
        );
    }
}
