//! From a stack file to a stack, or to everything that is wrong with it, each with its place.

mod elsewhere;
mod fit;
mod node;
mod places;
mod reference;
mod references;
mod schema;
mod shape;
mod substitution;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};

use longshore_events::longshore::{Problem, Severity};
use serde::Deserialize;

pub use reference::{reference, reference_of};
pub use schema::schema;

use crate::check::{Finding, check};
use crate::nearest::nearest;
use crate::path::{Path, Step};
use crate::shown::shown;
use crate::spec::Stack;
use fit::{Fitting, Looking};
use node::{Content, Entry, Mark, Node};
use places::Places;
use references::dynamic_references;
use substitution::Names;

/// Nobody fixes more problems than these at once, and messages have their limits.
const MOST_PROBLEMS: usize = 100;

/// The most environments of a file. Each of them is read by `longshore validate`.
const MOST_ENVIRONMENTS: usize = 50;

/// An environment's name is a part of the stack's.
const LONGEST_ENVIRONMENT: usize = 20;

/// Which of the stacks that a file describes is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection<'a> {
    /// That of an environment; none for a file without environments.
    Environment(Option<&'a str>),
    /// The one of this name: `<name>`, or `<name>-<environment>`.
    StackName(&'a str),
}

/// A stack file that was read and has no errors.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The stack that it describes.
    pub stack: Stack,
    /// What somebody should look at.
    pub warnings: Vec<Problem>,
    places: Places,
}

impl Reading {
    /// Says where in the file the findings are.
    pub fn locate(&self, findings: Vec<Finding>) -> Vec<Problem> {
        in_order(located(&self.places, findings))
    }
}

/// Reads a stack file, YAML or JSON, and checks it.
///
/// # Errors
/// Everything that is wrong with it, in the order of the file, warnings included.
pub fn read(bytes: &[u8], selection: &Selection<'_>) -> Result<Reading, Vec<Problem>> {
    let (document, faults) = yaml::parse(bytes);
    let faults: Vec<Problem> = faults
        .into_iter()
        .map(|fault| Problem {
            value: fault.value,
            ..error("", fault.mark, fault.message)
        })
        .collect();
    match document {
        Some(document) => interpret(document, selection, faults.clone())
            .map_err(|problems| not_said_already(&faults, problems)),
        None => Err(in_order(faults)),
    }
}

/// Without what is wrong with a value that could not be read as it is written.
fn not_said_already(faults: &[Problem], mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.retain(|problem| {
        let is_there =
            |fault: &Problem| (fault.line, fault.column) == (problem.line, problem.column);
        faults.contains(problem) || !faults.iter().any(is_there)
    });
    problems
}

/// Reads a payload, whose problems have paths but no lines.
///
/// # Errors
/// Everything that is wrong with it, warnings included.
pub fn read_value(
    value: &serde_json::Value,
    selection: &Selection<'_>,
) -> Result<Reading, Vec<Problem>> {
    let document = Node::of_json(value);
    match yaml::excess(document.size) {
        Some(message) => Err(vec![error("", None, message)]),
        None => interpret(document, selection, Vec::new()),
    }
}

/// The environments that a stack file has, in order; none if it has none or cannot be read. Of a file with more than it
/// may have, which [`read`] refuses whichever is selected, only the first ones.
pub fn environments(bytes: &[u8]) -> Vec<String> {
    let (document, _) = yaml::parse(bytes);
    let entries = document.as_ref().and_then(Node::entries);
    let environments = entries.and_then(|entries| entries.get("environments"));
    let names = environments
        .and_then(|entry| entry.value.entries())
        .map(BTreeMap::keys);
    let names = names.into_iter().flatten().take(MOST_ENVIRONMENTS);
    names.cloned().collect()
}

fn interpret(
    document: Node,
    selection: &Selection<'_>,
    mut problems: Vec<Problem>,
) -> Result<Reading, Vec<Problem>> {
    let start = Some(document.mark.unwrap_or(Mark { line: 1, column: 1 }))
        .filter(|_| document.mark.is_some());
    let Content::Map(mut entries) = document.content else {
        let message = format!(
            "the file holds {document_is}, expected a map with `name`, `network` and `services`",
            document_is = Node::new(None, document.content),
        );
        problems.push(error("", start, message));
        return Err(in_order(problems));
    };
    let overlays = overlays_of(entries.remove("environments"), &mut problems);
    let name = entries
        .get("name")
        .and_then(|entry| entry.value.scalar())
        .unwrap_or_default()
        .to_owned();
    let places_of_name = entries.get("name").and_then(|entry| entry.value.mark);
    let base = Node::new(document.mark, Content::Map(entries));

    let chosen = choose(selection, &name, overlays.as_ref()).unwrap_or_else(|message| {
        problems.push(error("environments", places_of_name.or(start), message));
        Chosen::Nothing
    });
    let chosen_environment = match &chosen {
        Chosen::Environment(environment) => Some(environment.as_str()),
        Chosen::WithoutEnvironment | Chosen::Nothing => None,
    };
    let (wrong, mut faulty) =
        wrong_in_each_part(&base, &name, overlays.as_ref(), chosen_environment);
    problems.extend(wrong);

    let (merged, environment) = match (&chosen, &overlays) {
        (Chosen::Nothing, _) => return Err(in_order(problems)),
        (Chosen::Environment(environment), Some(overlays)) => {
            let overlay = overlays.get(environment).map(|entry| &entry.value);
            let merged = match overlay {
                Some(overlay) if !overlay.is_null() => base.overlaid(overlay),
                _ => base,
            };
            (merged, Some(environment.as_str()))
        }
        _ => (base, None),
    };
    let stack_name = stack_name(&name, environment);
    let names = Names {
        stack: &stack_name,
        environment,
    };
    let mut fitting = Fitting::new(Looking::ForMissing, names, Path::default());
    let value = fitting.stack(&merged);
    problems.append(&mut fitting.problems);
    faulty.append(&mut fitting.faulty);

    // The document may be large, and what follows needs memory, too.
    let places = Places::of(merged);
    for path in value.iter().flat_map(dynamic_references) {
        problems.push(refused_reference(&path, places.find(&path)));
        faulty.push(path);
    }
    let stack = value.map(Stack::deserialize);
    let mut stack = match stack {
        Some(Ok(stack)) => stack,
        Some(Err(fault)) if !has_errors(&problems) => {
            problems.push(error("", start, fault.to_string()));
            return Err(in_order(problems));
        }
        _ => return Err(in_order(problems)),
    };
    stack.environment = environment.map(str::to_owned);
    let mut findings = not_following_from(&faulty, check(&stack));
    findings.retain(|finding| !is_guessed(&finding.path, &fitting.guessed));
    problems.extend(located(&places, findings));
    if has_errors(&problems) {
        return Err(in_order(problems));
    }
    Ok(Reading {
        stack,
        warnings: in_order(problems),
        places,
    })
}

fn stack_name(name: &str, environment: Option<&str>) -> String {
    match environment {
        Some(environment) => format!("{name}-{environment}"),
        None => name.to_owned(),
    }
}

/// The file's overlays, by environment; none for a file without environments.
fn overlays_of(
    entry: Option<Entry>,
    problems: &mut Vec<Problem>,
) -> Option<BTreeMap<String, Entry>> {
    let entry = entry?;
    let place = entry.mark;
    match entry.value.content {
        Content::Map(overlays) if (1..=MOST_ENVIRONMENTS).contains(&overlays.len()) => {
            Some(overlays)
        }
        content => {
            let message = format!(
                "`environments` is {}, expected a map of 1 to {MOST_ENVIRONMENTS} environments; leave it out \
                 for a stack that exists once",
                match content {
                    Content::Map(overlays) if overlays.is_empty() => "empty".to_owned(),
                    Content::Map(overlays) => format!("a map of {}", overlays.len()),
                    content => Node::new(None, content).to_string(),
                }
            );
            problems.push(error("environments", place, message));
            None
        }
    }
}

/// What is wrong in the file without overlays, and in each overlay, whether it is chosen or not; and what
/// of the chosen stack is not as it is meant because of that.
fn wrong_in_each_part(
    base: &Node,
    name: &str,
    overlays: Option<&BTreeMap<String, Entry>>,
    chosen: Option<&str>,
) -> (Vec<Problem>, Vec<Path>) {
    let some_environment = overlays.map(|_| "environment");
    let names = Names {
        stack: name,
        environment: some_environment,
    };
    let mut fitting = Fitting::new(Looking::ForWrong, names, Path::default());
    fitting.stack(base);
    let (mut problems, mut faulty) = (fitting.problems, fitting.faulty);
    for (environment, entry) in overlays.into_iter().flatten() {
        let path = Path::default().key("environments").key(environment);
        if !is_environment(environment) {
            let message = format!(
                "an environment is named with lowercase letters, digits and hyphens between them, at \
                 most {LONGEST_ENVIRONMENT} of them"
            );
            problems.push(Problem {
                value: Some(shown(environment)),
                ..error(&path.to_string(), entry.mark, message)
            });
        }
        let overlay = &entry.value;
        if overlay.is_null() {
            continue;
        }
        if let Some(name) = overlay.entries().and_then(|entries| entries.get("name")) {
            let message =
                "the name is the same in every environment; set it at the top of the file";
            problems.push(error(
                &path.key("name").to_string(),
                name.mark,
                message.to_owned(),
            ));
        }
        let names = Names {
            stack: name,
            environment: Some(environment),
        };
        let mut fitting = Fitting::new(Looking::ForWrong, names, path);
        fitting.stack(overlay);
        problems.append(&mut fitting.problems);
        if chosen == Some(environment) {
            faulty.append(&mut fitting.faulty);
        }
    }
    (problems, faulty)
}

fn is_environment(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= LONGEST_ENVIRONMENT
        && name.bytes().all(|byte| inner(byte) || byte == b'-')
        && name.bytes().next().is_some_and(inner)
        && name.bytes().next_back().is_some_and(inner)
}

/// Which of the file's stacks is read.
enum Chosen {
    Environment(String),
    WithoutEnvironment,
    /// None that it has.
    Nothing,
}

fn choose(
    selection: &Selection<'_>,
    name: &str,
    overlays: Option<&BTreeMap<String, Entry>>,
) -> Result<Chosen, String> {
    let Some(overlays) = overlays else {
        return match selection {
            Selection::Environment(Some(environment)) => Err(format!(
                "environment `{environment}` was asked for, but this file has no `environments`"
            )),
            Selection::StackName(stack) if *stack != name && !name.is_empty() => Err(format!(
                "this file describes stack `{name}`, but it is read as the file of stack `{stack}`; \
                 change its name or the file's"
            )),
            _ => Ok(Chosen::WithoutEnvironment),
        };
    };
    let list = |format: &dyn Fn(&str) -> String| {
        let all: Vec<String> = overlays.keys().map(|key| format(key)).collect();
        all.join(", ")
    };
    let environments = || list(&|environment| format!("`{environment}`"));
    match selection {
        Selection::Environment(None) => Err(format!(
            "this file has environments, and none of them was chosen: {}",
            environments()
        )),
        Selection::Environment(Some(environment)) if overlays.contains_key(*environment) => {
            Ok(Chosen::Environment((*environment).to_owned()))
        }
        Selection::Environment(Some(environment)) => {
            let advice = nearest(environment, overlays.keys().map(String::as_str))
                .map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"));
            Err(format!(
                "this file has no environment `{environment}`, but {}{advice}",
                environments()
            ))
        }
        Selection::StackName(stack) => overlays
            .keys()
            .find(|environment| stack_name(name, Some(environment)) == *stack)
            .map(|environment| Chosen::Environment(environment.clone()))
            .ok_or_else(|| {
                format!(
                    "this file describes {}, but it is read as the file of stack `{stack}`; name it \
                     after one of them",
                    list(&|environment| format!("`{name}-{environment}`"))
                )
            }),
    }
}

/// Whether a path leads to what is only guessed, from a misspelt key, or into it.
fn is_guessed(path: &str, guessed: &[String]) -> bool {
    let mut guessed = guessed.iter();
    guessed.any(|guessed| {
        path.strip_prefix(guessed.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

/// Findings about what is not as it is meant may only follow from that.
fn not_following_from(faulty: &[Path], findings: Vec<Finding>) -> Vec<Finding> {
    // By part, the fields of a service; for what is not in a service, nothing. There may be thousands of both.
    let mut fields: BTreeMap<&[Step], BTreeSet<Option<&str>>> = BTreeMap::new();
    for faulty in faulty {
        let field = faulty.field();
        fields.entry(faulty.part()).or_default().insert(field);
    }
    let mut kept = findings;
    kept.retain(|finding| {
        let finding = Path::of(&finding.path);
        let part = finding.part();
        !(0..=part.len())
            .filter_map(|length| fields.get(&part[..length]))
            .flatten()
            .any(|faulty| may_follow(finding.field(), *faulty))
    });
    kept
}

/// Fields of a service that rules look at together, so that what is wrong with one of them may make
/// another one seem wrong.
const LOOKED_AT_TOGETHER: [&[&str]; 11] = [
    &[
        "capacity_provider_strategy",
        "cpu",
        "cpu_architecture",
        "ephemeral_storage_size_in_gib",
        "memory",
        "sidecars",
        "stop_timeout",
    ],
    &[
        "container_port",
        "deployment_configuration",
        "health_check_grace_period_seconds",
        "scaling",
        "security_group",
        "service_connect",
        "service_discovery",
        "sidecars",
        "target_group",
        "target_groups",
    ],
    &["environment", "log_level", "secrets", "vault"],
    &[
        "enable_execute_command",
        "environment",
        "mount_points",
        "readonly_root_filesystem",
        "user",
    ],
    &[
        "availability_zone_rebalancing",
        "deployment_configuration",
        "desired_count",
        "expected_task_count",
        "rollout",
        "scaling",
    ],
    &[
        "execution_role_arn",
        "execution_role_policy_arns",
        "secrets",
        "task_role_arn",
        "task_role_policy_arns",
        "task_role_statements",
    ],
    &[
        "assign_public_ip",
        "capacity_provider_strategy",
        "security_group",
        "security_group_ids",
        "subnet_ids",
    ],
    &["container_name", "family", "service_name"],
    &[
        "container_name",
        "depends_on",
        "health_check",
        "sidecars",
        "target_group",
        "target_groups",
    ],
    &["image", "image_policy", "rollout", "sidecars"],
    &["log_options", "sidecars"],
];

/// Whether a finding in a part of the stack may be there only because something else of that part is not as it is
/// meant: of a service in the same field or in one that is looked at together with it.
fn may_follow(finding: Option<&str>, faulty: Option<&str>) -> bool {
    match (finding, faulty) {
        (Some(finding), Some(faulty)) => {
            finding == faulty
                || LOOKED_AT_TOGETHER
                    .iter()
                    .any(|fields| fields.contains(&finding) && fields.contains(&faulty))
        }
        _ => true,
    }
}

fn located(places: &Places, findings: Vec<Finding>) -> Vec<Problem> {
    findings
        .into_iter()
        .map(|finding| {
            let mark = places.find(&Path::of(&finding.path));
            Problem {
                value: finding.value,
                severity: finding.severity,
                ..error(&finding.path, mark, finding.message)
            }
        })
        .collect()
}

fn error(path: &str, mark: Option<Mark>, message: String) -> Problem {
    Problem {
        path: path.to_owned(),
        line: mark.map(|mark| mark.line),
        column: mark.map(|mark| mark.column),
        value: None,
        message,
        severity: Severity::Error,
    }
}

/// The value may be near a secret, and is not shown.
fn refused_reference(path: &Path, mark: Option<Mark>) -> Problem {
    let message = "CloudFormation would put another text in place of `{{resolve:…}}`, such as the value of any \
                   stack's secret; give a container a secret by `secrets`, with `value_from`, and write other values \
                   out";
    error(&path.to_string(), mark, message.to_owned())
}

fn has_errors(problems: &[Problem]) -> bool {
    problems
        .iter()
        .any(|problem| problem.severity == Severity::Error)
}

/// By their places in the file; those without one last. Of very many, the first errors.
fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| (problem.line.unwrap_or(u32::MAX), problem.column));
    if problems.len() > MOST_PROBLEMS {
        // Errors first, each kind in the order of the file.
        problems.sort_by_key(|problem| problem.severity);
        let left_out = problems.split_off(MOST_PROBLEMS);
        problems.sort_by_key(|problem| (problem.line.unwrap_or(u32::MAX), problem.column));
        let severity = left_out
            .iter()
            .map(|problem| problem.severity)
            .min()
            .unwrap_or(Severity::Error);
        let message = format!(
            "there are {} more problems; fix these first",
            left_out.len()
        );
        problems.push(Problem {
            severity,
            ..error("", None, message)
        });
    }
    problems
}
