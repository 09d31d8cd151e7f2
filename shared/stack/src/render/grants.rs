//! What a service may do with the stack's buckets, queues and topics, and how its container finds them.

use super::iam::Statement;
use super::named::NamedService;
use super::names::Kind;
use super::template::Value;

/// The variables that name what the service uses.
pub(super) fn environment(named_service: NamedService) -> Vec<(String, Value)> {
    let spec = named_service.spec;
    let buckets = spec.bucket_grants();
    let buckets = buckets.map(|grant| (grant.variable, Kind::Bucket.id(&[grant.name])));
    let queues = spec.queue_grants();
    let queues = queues.map(|grant| (grant.variable, Kind::SqsQueue.id(&[grant.name])));
    let topics = spec.topic_grants();
    let topics = topics.map(|grant| (grant.variable, Kind::SnsTopic.id(&[grant.name])));
    // The name of a bucket, the URL of a queue, and the ARN of a topic.
    let variables = buckets.chain(queues).chain(topics);
    variables
        .map(|(variable, id)| (variable, Value::Ref(id)))
        .collect()
}

/// What the service's task role may do with them.
pub(super) fn statements(named_service: NamedService) -> Vec<Statement> {
    let mut statements = Vec::new();
    for grant in named_service.spec.bucket_grants() {
        let id = Kind::Bucket.id(&[grant.name]);
        let mut of_bucket = vec!["s3:GetBucketLocation"];
        let mut of_objects = Vec::new();
        if grant.access.reads() {
            of_bucket.push("s3:ListBucket");
            of_objects.push("s3:GetObject");
        }
        if grant.access.writes() {
            of_bucket.push("s3:ListBucketMultipartUploads");
            of_objects.extend([
                "s3:AbortMultipartUpload",
                "s3:DeleteObject",
                "s3:ListMultipartUploadParts",
                "s3:PutObject",
            ]);
        }
        let bucket = Value::GetAtt(id.clone(), "Arn");
        let objects = Value::sub(format!("${{{id}.Arn}}/*"));
        statements.push(Statement::allow_unnamed(of_bucket, [bucket]));
        statements.push(Statement::allow_unnamed(of_objects, [objects]));
    }
    for grant in named_service.spec.queue_grants() {
        let mut actions = vec!["sqs:GetQueueAttributes", "sqs:GetQueueUrl"];
        if grant.access.receives() {
            actions.extend([
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:ReceiveMessage",
            ]);
        }
        if grant.access.sends() {
            actions.push("sqs:SendMessage");
        }
        let queue = Value::GetAtt(Kind::SqsQueue.id(&[grant.name]), "Arn");
        statements.push(Statement::allow_unnamed(actions, [queue]));
    }
    let topics = named_service.spec.topic_grants();
    let topics: Vec<Value> = topics
        .map(|grant| Value::Ref(Kind::SnsTopic.id(&[grant.name])))
        .collect();
    if !topics.is_empty() {
        statements.push(Statement::allow("Publish", ["sns:Publish"], topics));
    }
    statements
}
