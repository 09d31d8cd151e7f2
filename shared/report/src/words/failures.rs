//! What tasks died of, and what to do about it.

use longshore_events::longshore::{ContainerFailure, FailedService, TaskFailure};

/// Tasks that died of the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause<'a> {
    /// How many.
    pub count: usize,
    /// The last of them.
    pub last: &'a TaskFailure,
}

/// What tasks died of, the most frequent first. Of two equally frequent causes the one that came first is first: what
/// comes later is often only its consequence.
pub fn causes(failures: &[TaskFailure]) -> Vec<Cause<'_>> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for failure in failures {
        let known = causes.iter_mut().find(|cause| {
            cause.last.stop_code == failure.stop_code
                && cause.last.stopped_reason == failure.stopped_reason
                && cause.last.containers == failure.containers
        });
        match known {
            Some(cause) => {
                cause.count += 1;
                cause.last = failure;
            }
            None => causes.push(Cause {
                count: 1,
                last: failure,
            }),
        }
    }
    causes.sort_by_key(|cause| std::cmp::Reverse(cause.count));
    causes
}

/// The most frequent cause: "api exited with 1".
pub fn died_of(failures: &[TaskFailure]) -> Option<String> {
    let task = causes(failures).first()?.last;
    if let Some(container) = deciding(task) {
        return Some(format!("{} {}", container.name, ending(container)));
    }
    task.stopped_reason.clone().or(task.stop_code.clone())
}

/// The container that a task died of, where ECS says something of one.
fn deciding(task: &TaskFailure) -> Option<&ContainerFailure> {
    let mut containers = task.containers.iter();
    let failed = containers.find(|container| container.exit_code.is_some_and(|code| code != 0));
    failed.or_else(|| {
        let mut containers = task.containers.iter();
        containers.find(|container| container.reason.is_some())
    })
}

/// How a container ended, as it follows its name: "exited with 1", "did not run: CannotPullContainerError: …".
pub fn ending(container: &ContainerFailure) -> String {
    match (container.exit_code, &container.reason) {
        (Some(exit_code), Some(reason)) => format!("{}: {reason}", exited(exit_code)),
        (Some(exit_code), None) => exited(exit_code),
        (None, Some(reason)) => format!("did not run: {reason}"),
        (None, None) => "has no exit code".to_owned(),
    }
}

/// Exit codes whose meaning many people look up.
///
/// 128 and above: 128 and the number of the signal that ended the process, as Docker reports it. 126 and
/// 127: what shells and Docker answer for a command that they cannot run.
fn exited(exit_code: i64) -> String {
    let meaning = match exit_code {
        126 => " (command cannot be run)",
        127 => " (command not found)",
        134 => " (SIGABRT)",
        137 => " (SIGKILL, often out of memory)",
        139 => " (SIGSEGV)",
        143 => " (SIGTERM)",
        _ => "",
    };
    format!("exited with {exit_code}{meaning}")
}

/// What to do about a service whose tasks died when its stack was changed, by the most frequent cause; `None` where ECS's
/// words say nothing that is known. They are those of the Amazon ECS Developer Guide, "Resolve Amazon ECS stopped task
/// errors".
pub fn remedy(failed: &FailedService) -> Option<String> {
    let task = causes(&failed.failures).first()?.last;
    let reasons = task.containers.iter().filter_map(|one| one.reason.as_ref());
    let reasons: Vec<&String> = task.stopped_reason.iter().chain(reasons).collect();
    let says = |words: &[&str]| {
        let mut reasons = reasons.iter();
        reasons.any(|reason| words.iter().any(|word| reason.contains(word)))
    };
    let container = deciding(task);
    let name = container.map_or("", |container| container.name.as_str());
    let exit_code = container.and_then(|container| container.exit_code);

    let is_secret = says(&[
        "retrieve secret",
        "retrieved secret",
        "fetch secret",
        "cannot pull secrets",
    ]);
    let is_image = says(&["CannotPull", "ecr registry auth"]);
    let is_network = says(&[
        "connection issue",
        "deadline exceeded",
        "dial tcp",
        "i/o timeout",
    ]);
    let mut lines = failed
        .logs
        .iter()
        .flat_map(|log| log.lines.iter().flatten());
    let is_other_processor = says(&[
        "exec format error",
        "matching platform",
        "no matching manifest",
    ]) || lines.any(|line| line.message.contains("exec format error"));

    let remedies = [
        (
            (is_secret || is_image) && is_network,
            "the tasks' subnets do not reach ECR, Secrets Manager or S3: they need a NAT gateway, a public address or \
             VPC endpoints"
                .to_owned(),
        ),
        (
            says(&["json key"]),
            "a secret of the service does not have the JSON key that the stack file names: add the key, or correct \
             `json_key`"
                .to_owned(),
        ),
        (
            is_secret && says(&["AccessDenied"]),
            "the execution role may not read a secret of the service: see the secret's own policy and its KMS key"
                .to_owned(),
        ),
        (
            is_secret,
            "ECS cannot read a secret of the service: see that it is there and has a value".to_owned(),
        ),
        (
            is_other_processor,
            "the image is built for another processor architecture: build it for that of the service, or correct \
             `cpu_architecture`"
                .to_owned(),
        ),
        (
            is_image && says(&["not found", "manifest unknown", "does not exist"]),
            "the image is not in its repository: push it, or correct `image`".to_owned(),
        ),
        (
            is_image,
            "ECS cannot pull the image: see that it is in its repository and that the execution role may read it"
                .to_owned(),
        ),
        (
            says(&["OutOfMemory"]) || exit_code == Some(137),
            format!("the container {name} needs more memory than it has: raise `memory`"),
        ),
        (
            says(&["health check"]),
            "the tasks run and fail their health check: see its path and port, and how long the service needs to start \
             (`health_check_grace_period_seconds`, `start_period`)"
                .to_owned(),
        ),
        (
            says(&["CannotStartContainer", "CannotCreateContainer"])
                || matches!(exit_code, Some(126 | 127)),
            format!("the command of the container {name} cannot be run: see `command`, and the image's own"),
        ),
        (
            says(&["EFS", "mount"]),
            "the tasks cannot mount a file system: see its access point, and that their subnets reach it".to_owned(),
        ),
        (
            exit_code.is_some_and(|exit_code| exit_code != 0),
            format!(
                "the container {name} exited with {} at its start: see its last log lines",
                exit_code.unwrap_or_default()
            ),
        ),
        (
            task.stop_code.as_deref() == Some("EssentialContainerExited"),
            "a container of the service ended by itself, and must not: see its last log lines".to_owned(),
        ),
    ];
    let mut remedies = remedies.into_iter();
    remedies.find_map(|(applies, remedy)| applies.then_some(remedy))
}

#[cfg(test)]
mod tests {
    use longshore_events::longshore::{ContainerLog, LogLine, LogStream};

    use super::*;

    fn failed(stop_code: &str, reason: &str, containers: Vec<ContainerFailure>) -> FailedService {
        FailedService {
            service: "api".to_owned(),
            ecs_deployment_id: "ecs-svc/1".to_owned(),
            task_definition: "arn:aws:ecs:eu-west-1:123456789012:task-definition/api:1".to_owned(),
            failures: vec![TaskFailure {
                task: "arn:aws:ecs:eu-west-1:123456789012:task/shop/a".to_owned(),
                stop_code: Some(stop_code.to_owned()),
                stopped_reason: Some(reason.to_owned()),
                containers,
                stopped_at: None,
            }],
            logs: Vec::new(),
        }
    }

    fn api(exit_code: Option<i64>, reason: Option<&str>) -> Vec<ContainerFailure> {
        vec![ContainerFailure {
            name: "api".to_owned(),
            exit_code,
            reason: reason.map(str::to_owned),
        }]
    }

    #[test]
    fn each_cause_has_its_own_advice() {
        let secrets = "ResourceInitializationError: unable to pull secrets or registry auth: execution resource \
                       retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): ";
        for (reason, expected) in [
            (
                format!(
                    "{secrets}failed to fetch secret arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop from \
                     secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified secret."
                ),
                "cannot read a secret of the service: see that it is there",
            ),
            (
                format!("{secrets}AccessDeniedException: User is not authorized"),
                "the execution role may not read a secret",
            ),
            (
                format!("{secrets}retrieved secret from Secrets Manager did not contain json key password"),
                "does not have the JSON key",
            ),
            (
                "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from \
                 asm: There is a connection issue between the task and AWS Secrets Manager."
                    .to_owned(),
                "the tasks' subnets do not reach",
            ),
            (
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref \
                 shop/api:v9: not found"
                    .to_owned(),
                "the image is not in its repository: push it",
            ),
            (
                "CannotPullContainerError: image Manifest does not contain descriptor matching platform 'linux/arm64'"
                    .to_owned(),
                "built for another processor architecture",
            ),
            (
                "CannotPullContainerError: ref pull has been retried 5 time(s): dial tcp 52.1.2.3:443: i/o timeout"
                    .to_owned(),
                "the tasks' subnets do not reach",
            ),
            (
                "CannotPullContainerError: denied".to_owned(),
                "the execution role may read it",
            ),
            (
                "Task failed ELB health checks in (target-group arn:aws:elasticloadbalancing:…)".to_owned(),
                "fail their health check",
            ),
            (
                "Task failed container health checks".to_owned(),
                "fail their health check",
            ),
            (
                "ResourceInitializationError: failed to invoke EFS utils commands to set up EFS volumes".to_owned(),
                "cannot mount a file system",
            ),
        ] {
            let remedy = remedy(&failed("TaskFailedToStart", &reason, Vec::new())).unwrap();
            assert!(remedy.contains(expected), "{reason}: {remedy}");
        }
        let exited = "Essential container in task exited";
        for (containers, expected) in [
            (
                api(Some(1), None),
                "the container api exited with 1 at its start: see its last log lines",
            ),
            (
                api(Some(127), None),
                "the command of the container api cannot be run: see `command`, and the image's own",
            ),
            (
                api(
                    Some(137),
                    Some("OutOfMemoryError: Container killed due to memory usage"),
                ),
                "the container api needs more memory than it has: raise `memory`",
            ),
            (
                Vec::new(),
                "a container of the service ended by itself, and must not: see its last log lines",
            ),
        ] {
            let failed = failed("EssentialContainerExited", exited, containers);
            assert_eq!(remedy(&failed).as_deref(), Some(expected));
        }
        assert_eq!(
            remedy(&failed(
                "SpotInterruption",
                "Your Spot Task was interrupted.",
                Vec::new()
            )),
            None
        );
    }

    #[test]
    fn a_log_that_tells_of_another_processor_is_read() {
        let mut failed = failed(
            "EssentialContainerExited",
            "Essential container in task exited",
            api(Some(1), None),
        );
        failed.logs.push(ContainerLog {
            stream: LogStream {
                task: "a".to_owned(),
                container: "api".to_owned(),
                log_group: "/ecs/shop/api".to_owned(),
                log_stream: "ecs/api/a".to_owned(),
            },
            lines: Some(vec![LogLine {
                at: "2026-11-21T09:30:01Z".parse().unwrap(),
                message: "exec /app/server: exec format error".to_owned(),
            }]),
        });
        assert!(remedy(&failed).unwrap().contains("`cpu_architecture`"));
    }
}
