//! Where tasks run: capacity providers, subnets, security groups.

use serde::Serialize;

use crate::spec::is_fargate;

use super::named::{NamedService, NamedStack};
use super::names::Kind;
use super::template::Value;

/// A share of tasks that runs on a capacity provider.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Share {
    base: u32,
    capacity_provider: Value,
    weight: u32,
}

/// Where tasks are in the VPC.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkConfiguration {
    awsvpc_configuration: AwsVpc,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AwsVpc {
    assign_public_ip: Option<&'static str>,
    security_groups: Vec<Value>,
    subnets: Vec<Value>,
}

/// By what ECS chooses instances.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Strategy {
    field: Option<Value>,
    r#type: &'static str,
}

/// Which instances ECS chooses from.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Constraint {
    expression: Option<Value>,
    r#type: &'static str,
}

pub(super) fn strategies(named_service: NamedService) -> Option<Vec<Strategy>> {
    let strategies = &named_service.spec.placement_strategies;
    let rendered = strategies.iter().map(|strategy| Strategy {
        r#type: strategy.r#type.as_str(),
        field: strategy.field.as_deref().map(Value::written),
    });
    (!strategies.is_empty()).then(|| rendered.collect())
}

pub(super) fn constraints(named_service: NamedService) -> Option<Vec<Constraint>> {
    let constraints = &named_service.spec.placement_constraints;
    let rendered = constraints.iter().map(|constraint| Constraint {
        r#type: constraint.r#type.as_str(),
        expression: constraint.expression.as_deref().map(Value::written),
    });
    (!constraints.is_empty()).then(|| rendered.collect())
}

/// The service's capacity provider strategy, if it has one.
pub(super) fn shares(named_service: NamedService) -> Option<Vec<Share>> {
    let strategy = &named_service.spec.capacity_provider_strategy;
    let shares = strategy.iter().map(|share| Share {
        capacity_provider: if is_fargate(&share.capacity_provider) {
            Value::text(&share.capacity_provider)
        } else {
            Value::Ref(Kind::CapacityProvider.id(&[&share.capacity_provider]))
        },
        weight: share.weight,
        base: share.base,
    });
    (!strategy.is_empty()).then(|| shares.collect())
}

pub(super) fn network(
    named_stack: &NamedStack,
    named_service: NamedService,
) -> NetworkConfiguration {
    NetworkConfiguration {
        awsvpc_configuration: AwsVpc {
            subnets: named_stack.subnet_ids(named_service.spec.subnet_ids.as_ref()),
            security_groups: named_service.security_groups(),
            // Tasks on instances cannot have public addresses, and may not even say that they have none.
            assign_public_ip: named_service.spec.is_on_fargate().then_some(
                if named_service.spec.assign_public_ip {
                    "ENABLED"
                } else {
                    "DISABLED"
                },
            ),
        },
    }
}
