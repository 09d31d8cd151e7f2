//! What a stack costs in a month, line by line.
//!
//! An estimate multiplies what the stack file says by the prices of `prices/prices.json`. What only the
//! use decides, such as how much is logged, is taken from the stack file's `expected_…` fields; without
//! them a line has no figure and says which field would give it one.

mod amounts;
mod bill;
mod bucket;
mod capacity;
mod estimate;
mod load_balancer;
mod messaging;
mod network;
mod observation;
mod prices;
mod schedule;
mod secret;
mod service;
mod storage;
mod table;

use crate::spec::Stack;

use bill::Bill;

pub use amounts::{Amount, Quantity, UnitPrice};
pub use estimate::{Estimate, HOURS_PER_MONTH, Line};
pub use prices::{Evidence, Origin, Price, Prices, PricesError};

/// Estimates a stack's costs with the prices that Longshore comes with.
pub fn estimate(stack: &Stack) -> Estimate {
    estimate_with(stack, Prices::built_in())
}

/// Estimates a stack's costs.
pub fn estimate_with(stack: &Stack, prices: &Prices) -> Estimate {
    let mut bill = Bill::new(prices);
    bill.assume(format!(
        "prices are list prices of {}, without taxes, free tiers, Savings Plans and other discounts",
        prices.region
    ));
    service::services(stack, &mut bill);
    capacity::capacity(stack, &mut bill);
    if let Some(load_balancer) = &stack.load_balancer {
        load_balancer::load_balancer(load_balancer, &mut bill);
    }
    storage::file_systems(stack, &mut bill);
    bucket::buckets(stack, &mut bill);
    messaging::messages(stack, &mut bill);
    secret::secrets(stack, &mut bill);
    observation::logs(stack, &mut bill);
    observation::metrics(stack, &mut bill);
    network::network(stack, &mut bill);
    bill.close(stack)
}
