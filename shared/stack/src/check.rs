//! What must be true of a stack beyond its shape, and what must be there in AWS.

mod capacity;
mod container;
mod container_details;
mod deployment;
mod forms;
mod image;
mod limits;
mod mirror;
mod names;
mod network;
mod observation;
mod overrides;
mod plain_secrets;
mod policy;
mod rollout;
mod routing;
mod scaling;
mod schedule;
mod sidecars;
mod storage;
mod surroundings;
mod task;

use longshore_events::longshore::Severity;

use crate::read::{Path, nearest, shown};
use crate::spec::{Container, Service, Stack};

pub use surroundings::{
    Needs, Subnet, Surroundings, check_surroundings, check_without_surroundings, needs,
};

/// Something that is wrong with a stack, or that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where: `services.api.cpu`.
    pub path: String,
    /// What stands there, unless it might be a secret.
    pub value: Option<String>,
    /// What is wrong and what is expected.
    pub message: String,
    /// Whether it keeps the stack from being applied.
    pub severity: Severity,
}

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
    mirror::check(stack, &mut findings);
    routing::check(stack, &mut findings);
    for (name, spec) in &stack.services {
        let service = Checked {
            stack,
            name,
            spec,
            path: Path::default().key("services").key(name),
        };
        task::check(&service, &mut findings);
        policy::check(&service, &mut findings);
        deployment::check(&service, &mut findings);
        rollout::check(&service, &mut findings);
        sidecars::check(&service, &mut findings);
        container::check(&service, &mut findings);
        container_details::check(&service, &mut findings);
        plain_secrets::check(&service, &mut findings);
        capacity::check_strategy(&service, &mut findings);
        storage::check_mounts(&service, &mut findings);
        routing::check_target_group(&service, &mut findings);
        network::check_service(&service, &mut findings);
        scaling::check(&service, &mut findings);
        schedule::check(&service, &mut findings);
    }
    if !findings.has_errors() {
        overrides::check(stack, &mut findings);
    }
    if !findings.has_errors() {
        limits::check(stack, &mut findings);
    }
    findings.all
}

/// A service with its surroundings.
struct Checked<'a> {
    stack: &'a Stack,
    name: &'a str,
    spec: &'a Service,
    path: Path,
}

impl Checked<'_> {
    /// Whether its tasks run on Fargate, and not on instances.
    fn is_on_fargate(&self) -> bool {
        self.spec
            .capacity_provider_strategy
            .iter()
            .all(|share| capacity::is_fargate(&share.capacity_provider))
    }

    /// The containers of its tasks, its own first, with their paths.
    fn containers(&self) -> impl Iterator<Item = (Path, Container<'_>)> {
        let containers = self.spec.containers(self.name);
        containers.map(|container| (self.path_of(&container), container))
    }

    fn path_of(&self, container: &Container<'_>) -> Path {
        match container.sidecar {
            Some(name) => self.at("sidecars").key(name),
            None => self.path.clone(),
        }
    }

    /// The path of a field.
    fn at(&self, field: &str) -> Path {
        self.path.key(field)
    }
}

/// The most findings of a severity that are kept, and the most for which it is worked out what was meant. Nobody fixes
/// more at once.
const MOST_FINDINGS: usize = 1000;
const MOST_MEANT: usize = 100;

/// Findings, as they are found.
#[derive(Default)]
struct Findings {
    all: Vec<Finding>,
    errors: usize,
    warnings: usize,
}

impl Findings {
    /// Notes what keeps the stack from being applied.
    fn error(&mut self, path: impl ToString, value: impl ToString, message: impl ToString) {
        self.push(path, Some(value.to_string()), message, Severity::Error);
    }

    /// Notes an error about something that is missing or has no value that could be shown.
    fn error_without_value(&mut self, path: impl ToString, message: impl ToString) {
        self.push(path, None, message, Severity::Error);
    }

    /// Notes what somebody should look at.
    fn warning(&mut self, path: impl ToString, value: impl ToString, message: impl ToString) {
        self.push(path, Some(value.to_string()), message, Severity::Warning);
    }

    /// Notes a warning about something that is missing or has no value that could be shown.
    fn warning_without_value(&mut self, path: impl ToString, message: impl ToString) {
        self.push(path, None, message, Severity::Warning);
    }

    /// Notes an error where a number is not between these.
    fn range(&mut self, path: impl ToString, value: u32, least: u32, most: u32, what: &str) {
        if !(least..=most).contains(&value) {
            self.error(path, value, format!("{what}, expected {least} to {most}"));
        }
    }

    /// What to do about a name that is not among those that are known.
    fn advice<'a>(
        &self,
        name: &str,
        known: impl Iterator<Item = &'a str> + Clone,
        otherwise: &str,
    ) -> String {
        if known.clone().next().is_none() {
            return otherwise.to_owned();
        }
        if self.all.len() > MOST_MEANT {
            return "expected one of those that there are".to_owned();
        }
        match nearest(name, known.clone()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "expected one of `{}`",
                known.collect::<Vec<_>>().join("`, `")
            ),
        }
    }

    fn has_errors(&self) -> bool {
        self.errors > 0
    }

    fn push(
        &mut self,
        path: impl ToString,
        value: Option<String>,
        message: impl ToString,
        severity: Severity,
    ) {
        let alike = match severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        if *alike >= MOST_FINDINGS {
            return;
        }
        *alike += 1;
        self.all.push(Finding {
            path: path.to_string(),
            value: value.as_deref().map(shown),
            message: message.to_string(),
            severity,
        });
    }
}
