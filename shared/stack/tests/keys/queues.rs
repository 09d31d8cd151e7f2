//! Queues, topics and buckets: what they become, who may use them, and how containers find them.

use longshore_events::longshore::{Problem, Severity};
use longshore_stack::cost::estimate;
use serde_json::{Value, json};

use crate::support::{read_text, template};

const SHOP: &str = r#"
name: shop
network:
  vpc_id: vpc-0a1b2c3d
  subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d]
buckets: {uploads: {}}
queues:
  jobs: {visibility_timeout: 600, dead_letter_queue: {max_receive_count: 5}}
  mail: {}
topics:
  orders: {subscriptions: {mail: {}, jobs: {filter_policy: {kind: [paid, refunded]}}}}
services:
  api:
    image: shop/api:v1
    buckets: {uploads: write}
    queues: {jobs: send}
    topics: {orders: publish}
  worker:
    image: shop/worker:v1
    buckets: {uploads: read_write}
    queues: {jobs: send_and_receive, mail: receive}
  idle:
    image: shop/idle:v1
"#;

fn problems(text: &str) -> Vec<Problem> {
    let problems = read_text(text).expect_err("a stack that is refused");
    let errors = problems.into_iter();
    errors
        .filter(|one| one.severity == Severity::Error)
        .collect()
}

fn statements(template: &Value, service: &str) -> Value {
    template["Resources"][format!("TaskRole{service}")]["Properties"]["Policies"][0]
        ["PolicyDocument"]["Statement"]
        .clone()
}

fn environment(template: &Value, service: &str) -> Value {
    template["Resources"][format!("TaskDefinition{service}")]["Properties"]["ContainerDefinitions"]
        [0]["Environment"]
        .clone()
}

#[test]
fn a_queue_is_encrypted_and_has_its_stacks_name_and_tag() {
    let template = template(SHOP);
    assert_eq!(
        template["Resources"]["SqsQueueJobs"]["Properties"],
        json!({
            "QueueName": "shop-jobs",
            "VisibilityTimeout": 600,
            "MessageRetentionPeriod": 345_600,
            "SqsManagedSseEnabled": true,
            "RedrivePolicy": {
                "deadLetterTargetArn": {"Fn::GetAtt": ["SqsDeadLetterQueueJobs", "Arn"]},
                "maxReceiveCount": 5,
            },
            "Tags": [{"Key": "longshore:stack", "Value": "shop"}],
        })
    );
    let dead_letters = &template["Resources"]["SqsDeadLetterQueueJobs"]["Properties"];
    assert_eq!(dead_letters["QueueName"], "shop-jobs-dead-letters");
    assert_eq!(dead_letters["MessageRetentionPeriod"], 1_209_600);
    assert!(
        template["Resources"]
            .get("SqsDeadLetterQueueMail")
            .is_none()
    );
}

#[test]
fn only_the_topics_that_a_queue_subscribes_to_may_send_to_it() {
    let template = template(SHOP);
    assert_eq!(
        template["Resources"]["SqsPolicyMail"]["Properties"]["PolicyDocument"]["Statement"],
        json!([{
            "Effect": "Allow",
            "Principal": {"Service": ["sns.amazonaws.com"]},
            "Action": ["sqs:SendMessage"],
            "Resource": [{"Fn::GetAtt": ["SqsQueueMail", "Arn"]}],
            "Condition": {"ArnEquals": {"aws:SourceArn": [{"Ref": "SnsTopicOrders"}]}},
        }])
    );
    let subscription = &template["Resources"]["SnsSubscriptionOrdersJobs"];
    assert_eq!(subscription["DependsOn"], json!(["SqsPolicyJobs"]));
    assert_eq!(
        subscription["Properties"]["FilterPolicy"],
        json!({"kind": ["paid", "refunded"]})
    );
    assert_eq!(subscription["Properties"]["RawMessageDelivery"], true);
    let topic = &template["Resources"]["SnsTopicOrders"]["Properties"];
    assert_eq!(topic["KmsMasterKeyId"], "alias/aws/sns");
}

#[test]
fn a_service_may_do_what_it_says_with_what_it_names_and_nothing_else() {
    let template = template(SHOP);
    let jobs = json!([{"Fn::GetAtt": ["SqsQueueJobs", "Arn"]}]);
    assert_eq!(
        statements(&template, "Api"),
        json!([
            {"Effect": "Allow", "Resource": [{"Fn::GetAtt": ["BucketUploads", "Arn"]}],
             "Action": ["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"]},
            {"Effect": "Allow", "Resource": [{"Fn::Sub": "${BucketUploads.Arn}/*"}],
             "Action": ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:ListMultipartUploadParts", "s3:PutObject"]},
            {"Effect": "Allow", "Resource": jobs,
             "Action": ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"]},
            {"Sid": "Publish", "Effect": "Allow", "Resource": [{"Ref": "SnsTopicOrders"}], "Action": ["sns:Publish"]},
        ])
    );
    let worker = statements(&template, "Worker").to_string();
    assert!(worker.contains("sqs:ReceiveMessage") && worker.contains("s3:GetObject"));
    assert!(!worker.contains("sns:"), "{worker}");
    assert!(
        template["Resources"]["TaskRoleIdle"]["Properties"]
            .get("Policies")
            .is_none()
    );
}

#[test]
fn a_container_finds_what_its_service_uses_in_its_environment() {
    let template = template(SHOP);
    assert_eq!(
        environment(&template, "Api"),
        json!([
            {"Name": "JOBS_QUEUE_URL", "Value": {"Ref": "SqsQueueJobs"}},
            {"Name": "ORDERS_TOPIC_ARN", "Value": {"Ref": "SnsTopicOrders"}},
            {"Name": "UPLOADS_BUCKET_NAME", "Value": {"Ref": "BucketUploads"}},
        ])
    );
    assert_eq!(environment(&template, "Idle"), Value::Null);
}

#[test]
fn fifo_queues_and_topics_are_named_as_aws_wants() {
    let text = SHOP
        .replace(
            "mail: {}\n",
            "mail: {fifo_queue: true, dead_letter_queue: {max_receive_count: 3}}\n",
        )
        .replace("orders: {", "orders: {fifo_topic: true, ");
    let template = template(&text);
    let name = |id: &str, property: &str| template["Resources"][id]["Properties"][property].clone();
    assert_eq!(name("SqsQueueMail", "QueueName"), "shop-mail.fifo");
    assert_eq!(
        name("SqsDeadLetterQueueMail", "QueueName"),
        "shop-mail-dead-letters.fifo"
    );
    assert_eq!(name("SqsDeadLetterQueueMail", "FifoQueue"), true);
    assert_eq!(name("SnsTopicOrders", "TopicName"), "shop-orders.fifo");
    assert_eq!(name("SqsQueueJobs", "FifoQueue"), Value::Null);
}

#[test]
fn what_a_service_uses_must_be_there_and_its_variable_free() {
    for (before, after, path, message) in [
        (
            "queues: {jobs: send}",
            "queues: {job: send}",
            "services.api.queues.job",
            "did you mean `jobs`?",
        ),
        (
            "topics: {orders: publish}",
            "topics: {orders: publish}\n    environment: {JOBS_QUEUE_URL: x}",
            "services.api.environment.JOBS_QUEUE_URL",
            "`services.api.queues.jobs` sets this variable; remove it here",
        ),
        (
            "queues: {jobs: send_and_receive, mail: receive}\n",
            "queues: {jobs: receive}\n    task_role_arn: arn:aws:iam::111122223333:role/shop\n",
            "services.worker.queues",
            "a role that exists is named",
        ),
        (
            "mail: {}, jobs",
            "mails: {}, jobs",
            "topics.orders.subscriptions.mails",
            "did you mean `mail`?",
        ),
        (
            "mail: {}\n",
            "mail: {fifo_queue: true}\n",
            "topics.orders.subscriptions.mail",
            "`fifo_topic: true`",
        ),
        (
            "visibility_timeout: 600",
            "visibility_timeout: 43201",
            "queues.jobs.visibility_timeout",
            "expected 0 to 43200",
        ),
        (
            "max_receive_count: 5",
            "max_receive_count: 0",
            "queues.jobs.dead_letter_queue.max_receive_count",
            "expected 1 to 1000",
        ),
        (
            "mail: {}\n",
            "mail: {message_retention_period: 59}\n",
            "queues.mail.message_retention_period",
            "expected 60 to 1209600",
        ),
    ] {
        let text = SHOP.replacen(before, after, 1);
        assert_ne!(text, SHOP);
        let problems = problems(&text);
        let found = problems.iter().find(|problem| problem.path == path);
        let found = found.unwrap_or_else(|| panic!("{path}: {problems:#?}"));
        assert!(found.message.contains(message), "{}", found.message);
        assert!(found.line.is_some());
    }
}

#[test]
fn a_queue_whose_name_would_be_too_long_is_refused() {
    let text = SHOP.replace(
        "mail: {}\n",
        &format!("mail: {{}}\n  {}: {{}}\n", "q".repeat(64)),
    );
    assert!(read_text(&text).is_ok());
    let text = text.replace("name: shop\n", &format!("name: s{}\n", "h".repeat(30)));
    let problems = problems(&text);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(
        problems[0].message.contains("expected at most 80"),
        "{}",
        problems[0].message
    );
}

#[test]
fn the_estimate_says_which_requests_it_does_not_count() {
    let reading = read_text(SHOP).unwrap();
    let estimate = estimate(&reading.stack);
    let line = estimate
        .lines
        .iter()
        .find(|line| line.resource == "queues.jobs");
    let note = line.unwrap().note.as_deref();
    assert_eq!(
        note,
        Some("depends on use: say how much in queues.jobs.expected_million_requests")
    );
    assert!(
        estimate
            .lines
            .iter()
            .any(|line| line.resource == "topics.orders")
    );
}
