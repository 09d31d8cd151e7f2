//! Queues and topics.

use crate::spec::Stack;

use super::bill::Bill;

pub(super) fn messages(stack: &Stack, bill: &mut Bill<'_>) {
    for (name, queue) in &stack.queues {
        let resource = format!("queues.{name}");
        bill.charge_expected(
            &resource,
            "SQS requests",
            if queue.fifo_queue {
                "sqs_fifo_requests"
            } else {
                "sqs_requests"
            },
            queue.expected_million_requests,
            &format!("{resource}.expected_million_requests"),
            |requests| requests,
        );
    }
    for (name, topic) in &stack.topics {
        let resource = format!("topics.{name}");
        bill.charge_expected(
            &resource,
            "SNS requests",
            if topic.fifo_topic {
                "sns_fifo_requests"
            } else {
                "sns_requests"
            },
            topic.expected_million_requests,
            &format!("{resource}.expected_million_requests"),
            |requests| requests,
        );
    }
}
