//! Queues and topics.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::spec::{Queue, Subscription, Topic};

use super::iam::{Document, Principal, Statement};
use super::named::NamedStack;
use super::names::Kind;
use super::template::{Properties, Tag, Template, Value};

/// The longest that SQS keeps a message.
const FOURTEEN_DAYS: u32 = 1_209_600;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SqsQueue {
    fifo_queue: Option<bool>,
    message_retention_period: u32,
    queue_name: String,
    redrive_policy: Option<Redrive>,
    sqs_managed_sse_enabled: bool,
    tags: Vec<Tag>,
    visibility_timeout: Option<u32>,
}

impl Properties for SqsQueue {
    const TYPE: &'static str = "AWS::SQS::Queue";
}

/// As SQS takes it: the Amazon SQS API Reference, SetQueueAttributes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Redrive {
    dead_letter_target_arn: Value,
    max_receive_count: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct QueuePolicy {
    policy_document: Document,
    queues: [Value; 1],
}

impl Properties for QueuePolicy {
    const TYPE: &'static str = "AWS::SQS::QueuePolicy";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SnsTopic {
    content_based_deduplication: Option<bool>,
    fifo_topic: Option<bool>,
    kms_master_key_id: &'static str,
    tags: Vec<Tag>,
    topic_name: String,
}

impl Properties for SnsTopic {
    const TYPE: &'static str = "AWS::SNS::Topic";
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SnsSubscription<'a> {
    endpoint: Value,
    filter_policy: Option<&'a BTreeMap<String, Vec<String>>>,
    protocol: &'static str,
    raw_message_delivery: bool,
    topic_arn: Value,
}

impl Properties for SnsSubscription<'_> {
    const TYPE: &'static str = "AWS::SNS::Subscription";
}

/// The check of checkov that knows keys of KMS only, and why it does not hold.
const ENCRYPTED: (&str, &str) = ("CKV_AWS_27", "SQS encrypts the queue with its own keys");

pub(super) fn render(named_stack: &NamedStack, template: &mut Template) {
    for (name, queue) in &named_stack.stack.queues {
        add_queue(named_stack, template, name, queue);
    }
    for (name, topic) in &named_stack.stack.topics {
        add_topic(named_stack, template, name, topic);
    }
}

/// The tag by which the permissions boundary knows what is the stack's own. It is said of the resource itself, too, so
/// that it does not depend on who applies the template.
fn tags(named_stack: &NamedStack) -> Vec<Tag> {
    named_stack.tags_and([("longshore:stack", named_stack.stack_name.clone())])
}

fn add_queue(named_stack: &NamedStack, template: &mut Template, name: &str, spec: &Queue) {
    let fifo_queue = spec.fifo_queue.then_some(true);
    let dead_letters = spec.dead_letter_queue.as_ref();
    if dead_letters.is_some() {
        let queue = SqsQueue {
            queue_name: named_stack.stack.dead_letter_queue_name(name),
            fifo_queue,
            visibility_timeout: None,
            message_retention_period: FOURTEEN_DAYS,
            sqs_managed_sse_enabled: true,
            redrive_policy: None,
            tags: tags(named_stack),
        };
        let resource = template.add(Kind::SqsDeadLetterQueue, &[name], &queue);
        resource.unchecked(ENCRYPTED.0, ENCRYPTED.1);
    }
    let queue = SqsQueue {
        queue_name: named_stack.stack.queue_name(name),
        fifo_queue,
        visibility_timeout: Some(spec.visibility_timeout),
        message_retention_period: spec.message_retention_period,
        // With SQS's own keys: whoever the role lets in needs no key besides.
        sqs_managed_sse_enabled: true,
        redrive_policy: dead_letters.map(|dead_letters| Redrive {
            dead_letter_target_arn: Value::GetAtt(Kind::SqsDeadLetterQueue.id(&[name]), "Arn"),
            max_receive_count: dead_letters.max_receive_count,
        }),
        tags: tags(named_stack),
    };
    let resource = template.add(Kind::SqsQueue, &[name], &queue);
    resource.unchecked(ENCRYPTED.0, ENCRYPTED.1);
    add_policy(named_stack, template, name);
}

/// The topics that send to the queue do so without a role.
fn add_policy(named_stack: &NamedStack, template: &mut Template, name: &str) {
    let topics = named_stack.stack.topics.iter();
    let topics: BTreeSet<&String> = topics
        .filter(|(_, topic)| topic.subscriptions.contains_key(name))
        .map(|(topic, _)| topic)
        .collect();
    if topics.is_empty() {
        return;
    }
    let id = Kind::SqsQueue.id(&[name]);
    let sns = Principal::Service(vec!["sns.amazonaws.com".into()]);
    let topics = topics.into_iter();
    let topics = topics.map(|topic| Value::Ref(Kind::SnsTopic.id(&[topic])));
    let policy = QueuePolicy {
        queues: [Value::Ref(id.clone())],
        policy_document: Document::of([Statement::of_principal("Allow", sns, ["sqs:SendMessage"])
            .on([Value::GetAtt(id, "Arn")])
            .when("ArnEquals", "aws:SourceArn", topics)]),
    };
    template.add(Kind::SqsPolicy, &[name], &policy);
}

fn add_topic(named_stack: &NamedStack, template: &mut Template, name: &str, spec: &Topic) {
    let topic = SnsTopic {
        topic_name: named_stack.stack.topic_name(name),
        fifo_topic: spec.fifo_topic.then_some(true),
        content_based_deduplication: spec.fifo_topic.then_some(true),
        // SNS's own key of the account, which everybody may use through SNS who may publish.
        kms_master_key_id: "alias/aws/sns",
        tags: tags(named_stack),
    };
    template.add(Kind::SnsTopic, &[name], &topic);
    for (queue, subscription) in &spec.subscriptions {
        add_subscription(template, name, queue, subscription);
    }
}

fn add_subscription(template: &mut Template, topic: &str, queue: &str, spec: &Subscription) {
    let subscription = SnsSubscription {
        topic_arn: Value::Ref(Kind::SnsTopic.id(&[topic])),
        protocol: "sqs",
        endpoint: Value::GetAtt(Kind::SqsQueue.id(&[queue]), "Arn"),
        raw_message_delivery: spec.raw_message_delivery,
        filter_policy: (!spec.filter_policy.is_empty()).then_some(&spec.filter_policy),
    };
    template
        .add(Kind::SnsSubscription, &[topic, queue], &subscription)
        // What is published before would be refused.
        .depends_on([Kind::SqsPolicy.id(&[queue])]);
}
