//! What must be true of a stack beyond its shape, and what must be there in AWS.

mod bucket;
mod capacity;
mod checked;
mod container;
mod container_details;
mod deployment;
mod findings;
mod forms;
mod glob;
mod image;
mod image_policy;
mod installation;
mod lengths;
mod limits;
mod load_balancer;
mod messaging;
mod mirror;
mod names;
mod network;
mod observation;
mod overrides;
mod placement;
mod plain_secrets;
mod rollout;
mod scaling;
mod schedule;
mod secret;
mod service;
mod service_connect;
mod sidecar;
mod storage;
mod surroundings;

use crate::path::Path;
use crate::render::{Context, render};
use crate::spec::Stack;

use checked::Checked;
use findings::Findings;

pub use findings::Finding;
pub use installation::{INSTALLATION_KEY, Installation, check_installation};
pub use plain_secrets::is_secret;
pub use service::fargate_size;
pub use surroundings::{
    Listener, Needs, Subnet, Surroundings, check_surroundings, check_without_surroundings, needs,
    wait_for_images,
};

/// Checks what can be checked without asking AWS.
pub fn check(stack: &Stack) -> Vec<Finding> {
    let mut findings = Findings::default();
    limits::check_numbers(stack, &mut findings);
    if findings.has_errors() {
        return findings.all;
    }
    names::check(stack, &mut findings);
    network::check(stack, &mut findings);
    observation::check(stack, &mut findings);
    capacity::check(stack, &mut findings);
    storage::check(stack, &mut findings);
    bucket::check(stack, &mut findings);
    messaging::check(stack, &mut findings);
    mirror::check(stack, &mut findings);
    load_balancer::check(stack, &mut findings);
    service_connect::check(stack, &mut findings);
    for (name, spec) in &stack.services {
        let service = Checked {
            stack,
            name,
            spec,
            path: Path::default().key("services").key(name),
        };
        service::check(&service, &mut findings);
        image_policy::check(&service, &mut findings);
        deployment::check(&service, &mut findings);
        rollout::check(&service, &mut findings);
        sidecar::check(&service, &mut findings);
        container::check(&service, &mut findings);
        container_details::check(&service, &mut findings);
        plain_secrets::check(&service, &mut findings);
        capacity::check_strategy(&service, &mut findings);
        placement::check(&service, &mut findings);
        storage::check_mounts(&service, &mut findings);
        load_balancer::check_target_groups(&service, &mut findings);
        network::check_service(&service, &mut findings);
        service_connect::check_service(&service, &mut findings);
        scaling::check(&service, &mut findings);
        schedule::check(&service, &mut findings);
        messaging::check_grants(&service, &mut findings);
    }
    // The template of a stack with errors may be far larger than that of any stack that can be applied.
    if !findings.has_errors() {
        let rendered = render(stack, &Context::default());
        names::check_clashes(stack, &rendered, &mut findings);
        if !findings.has_errors() {
            overrides::check(stack, &rendered, &mut findings);
        }
        if !findings.has_errors() {
            limits::check(stack, &rendered, &mut findings);
        }
    }
    findings.all
}
