//! Data that leaves a zone or AWS, and the zone of private DNS.

use crate::spec::Stack;

use super::amounts::Quantity;
use super::bill::Bill;

pub(super) fn network(stack: &Stack, bill: &mut Bill<'_>) {
    let own = stack.service_discovery.as_ref();
    if own.is_some_and(|own| own.namespace_id.is_none()) {
        bill.charge(
            "service_discovery",
            "private DNS zone",
            "hosted_zone",
            Quantity::whole(1),
        );
    }
    bill.charge_expected(
        "network",
        "data out to the internet",
        "data_out",
        stack.network.expected_data_out_gib_per_month,
        "network.expected_data_out_gib_per_month",
        |gib| gib,
    );
    bill.charge_expected(
        "network",
        "data between availability zones",
        "data_between_zones",
        stack.network.expected_cross_zone_gib_per_month,
        "network.expected_cross_zone_gib_per_month",
        // Both the sender and the receiver pay.
        |gib| gib.scaled(2, 1),
    );
}
