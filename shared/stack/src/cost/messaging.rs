//! Queues and topics.

use crate::spec::Stack;

use super::bill::Bill;

pub(super) fn messages(stack: &Stack, bill: &mut Bill<'_>) {
    for (name, queue) in &stack.queues {
        let price = match queue.fifo_queue {
            true => "sqs_fifo_requests",
            false => "sqs_requests",
        };
        let requests = queue.expected_million_requests;
        charge(
            bill,
            &format!("queues.{name}"),
            "SQS requests",
            price,
            requests,
        );
    }
    for (name, topic) in &stack.topics {
        let price = match topic.fifo_topic {
            true => "sns_fifo_requests",
            false => "sns_requests",
        };
        let requests = topic.expected_million_requests;
        charge(
            bill,
            &format!("topics.{name}"),
            "SNS requests",
            price,
            requests,
        );
    }
}

fn charge(bill: &mut Bill<'_>, resource: &str, what: &str, price: &str, requests: Option<f64>) {
    let expectation = format!("{resource}.expected_million_requests");
    bill.charge_expected(resource, what, price, requests, &expectation, |requests| {
        requests
    });
}
