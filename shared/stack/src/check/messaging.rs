//! Queues and topics, and what services do with them and with buckets.

use super::checked::Checked;
use super::findings::Findings;
use crate::path::Path;
use crate::spec::{Queue, Stack, Topic};

/// SQS's limit for names (the Amazon SQS Developer Guide, "Amazon SQS standard queue quotas").
const LONGEST_QUEUE_NAME: usize = 80;

/// SNS's limit for names (the Amazon SNS API Reference, CreateTopic).
const LONGEST_TOPIC_NAME: usize = 256;

pub(super) fn check(stack: &Stack, findings: &mut Findings) {
    for (name, queue) in &stack.queues {
        let path = Path::default().key("queues").key(name);
        check_queue(&path, stack, name, queue, findings);
    }
    for (name, topic) in &stack.topics {
        let path = Path::default().key("topics").key(name);
        check_topic(&path, stack, name, topic, findings);
    }
}

fn check_queue(path: &Path, stack: &Stack, name: &str, queue: &Queue, findings: &mut Findings) {
    let longest = match queue.dead_letter_queue {
        Some(_) => stack.dead_letter_queue_name(name),
        None => stack.queue_name(name),
    };
    if longest.len() > LONGEST_QUEUE_NAME {
        findings.error(
            path,
            name,
            format!(
                "the queue would be named {longest}, which has {} characters, expected at most {LONGEST_QUEUE_NAME}; \
                 choose a shorter name",
                longest.len()
            ),
        );
    }
}

fn check_topic(path: &Path, stack: &Stack, name: &str, topic: &Topic, findings: &mut Findings) {
    let topic_name = stack.topic_name(name);
    if topic_name.len() > LONGEST_TOPIC_NAME {
        findings.error(
            path,
            name,
            "the topic's name would be too long; choose a shorter name",
        );
    }
    for queue in topic.subscriptions.keys() {
        let path = path.key("subscriptions").key(queue);
        match stack.queues.get(queue) {
            None => {
                let known = stack.queues.keys().map(String::as_str);
                let advice = findings.advice(queue, known, "add it to `queues`");
                let message = format!("the stack has no queue `{queue}`; {advice}");
                findings.error(path, queue, message);
            }
            // The Amazon SNS Developer Guide, "Amazon SNS FIFO topics": a standard topic cannot send to a FIFO queue.
            Some(spec) if spec.fifo_queue && !topic.fifo_topic => findings.error(
                path,
                queue,
                "a topic without `fifo_topic` cannot send to a FIFO queue; set `fifo_topic: true`, or subscribe a \
                 queue without `fifo_queue`",
            ),
            Some(_) => {}
        }
    }
}

/// Checks what a service does with buckets, queues and topics.
pub(super) fn check_grants(service: &Checked<'_>, findings: &mut Findings) {
    let Checked { spec, stack, .. } = service;
    let buckets = spec
        .bucket_grants()
        .map(|grant| (grant.name, grant.variable));
    let queues = spec
        .queue_grants()
        .map(|grant| (grant.name, grant.variable));
    let topics = spec
        .topic_grants()
        .map(|grant| (grant.name, grant.variable));
    let known: Vec<&str> = stack.buckets.keys().map(String::as_str).collect();
    check_kind(service, ("buckets", "bucket"), buckets, &known, findings);
    let known: Vec<&str> = stack.queues.keys().map(String::as_str).collect();
    check_kind(service, ("queues", "queue"), queues, &known, findings);
    let known: Vec<&str> = stack.topics.keys().map(String::as_str).collect();
    check_kind(service, ("topics", "topic"), topics, &known, findings);
    for (field, is_used) in [
        ("buckets", !spec.buckets.is_empty()),
        ("queues", !spec.queues.is_empty()),
        ("topics", !spec.topics.is_empty()),
    ] {
        if is_used && spec.task_role_arn.is_some() {
            findings.error_without_value(
                service.at(field),
                "the stack gives these rights to its own role, but a role that exists is named; leave `task_role_arn` \
                 out, or give the rights to that role and leave this out",
            );
        }
    }
}

/// Checks what a service uses of one kind: each by its name and the variable that names it to the container.
fn check_kind<'a>(
    service: &Checked<'_>,
    (field, what): (&str, &str),
    used: impl Iterator<Item = (&'a str, String)>,
    known: &[&str],
    findings: &mut Findings,
) {
    let spec = service.spec;
    for (name, variable) in used {
        let path = service.at(field).key(name);
        if !known.contains(&name) {
            let otherwise = format!("add it to `{field}` of the stack");
            let advice = findings.advice(name, known.iter().copied(), &otherwise);
            findings.error(
                &path,
                name,
                format!("the stack has no {what} `{name}`; {advice}"),
            );
        }
        for (place, is_taken) in [
            ("environment", spec.environment.contains_key(&variable)),
            ("secrets", spec.secrets.contains_key(&variable)),
        ] {
            if is_taken {
                findings.error_without_value(
                    service.at(place).key(&variable),
                    format!("`{path}` sets this variable; remove it here"),
                );
            }
        }
    }
}
