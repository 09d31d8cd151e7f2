//! The load balancer.

use crate::spec::{LoadBalancer, LoadBalancerType, Scheme};

use super::amounts::Quantity;
use super::bill::{Bill, hours};

pub(super) fn load_balancer(load_balancer: &LoadBalancer, bill: &mut Bill<'_>) {
    let resource = "load_balancer";
    let (balancer, capacity_unit) = match load_balancer.r#type {
        LoadBalancerType::Application => ("load_balancer", "load_balancer_capacity_unit"),
        LoadBalancerType::Network => (
            "network_load_balancer",
            "network_load_balancer_capacity_unit",
        ),
    };
    bill.charge(resource, "hours", balancer, hours(Quantity::whole(1)));
    bill.charge_expected(
        resource,
        "capacity units",
        capacity_unit,
        load_balancer.expected_capacity_units,
        "load_balancer.expected_capacity_units",
        hours,
    );
    if load_balancer.scheme == Scheme::InternetFacing {
        let zones = load_balancer.subnet_ids.len() as u64;
        bill.charge(
            resource,
            "public IPv4 addresses",
            "public_ipv4_address",
            hours(Quantity::whole(zones)),
        );
    }
}
