//! What a stack costs in a month, line by line.
//!
//! An estimate multiplies what the stack file says by the prices of `prices/prices.json`. What only the
//! use decides, such as how much is logged, is taken from the stack file's `expected_…` fields; without
//! them a line has no figure and says which field would give it one.

mod amounts;
mod frequency;
mod prices;
mod storage;
mod table;
mod tasks;
mod watching;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::spec::{LoadBalancer, Scheme, Stack};

pub use amounts::{Amount, Quantity, UnitPrice};
pub use prices::{Evidence, Origin, Price, Prices, PricesError};

/// How many hours a month has, as AWS counts them.
pub const HOURS_PER_MONTH: u32 = 730;

/// What a stack costs in a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Estimate {
    /// The CloudFormation stack's name.
    pub stack: String,
    /// The currency of all amounts.
    pub currency: String,
    /// The region whose prices these are.
    pub region: String,
    /// The hours of the month.
    pub hours: u32,
    /// What is paid for.
    pub lines: Vec<Line>,
    /// The sum of the lines that have a figure.
    pub total: Amount,
    /// How many lines have none.
    pub lines_without_figure: usize,
    /// What was taken for granted.
    pub assumptions: Vec<String>,
    /// The prices that were used, by name, and how they are known.
    pub prices: BTreeMap<String, Price>,
}

/// Something that is paid for. The amount is exactly the quantity times the price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The part of the stack file: `services.api`, `file_systems.data`, `load_balancer`.
    pub resource: String,
    /// What of it is paid for.
    pub item: String,
    /// How many units a month.
    pub quantity: Option<Quantity>,
    pub unit: String,
    /// What a unit costs.
    pub unit_price: Option<UnitPrice>,
    /// What it costs a month. Without it the estimate does not know, and `note` says why.
    pub monthly: Option<Amount>,
    /// The name of the price, in [`Estimate::prices`].
    pub price: String,
    /// What else there is to say.
    pub note: Option<String>,
}

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
    tasks::services(stack, &mut bill);
    tasks::capacity(stack, &mut bill);
    if let Some(load_balancer) = &stack.load_balancer {
        balance(load_balancer, &mut bill);
    }
    storage::file_systems(stack, &mut bill);
    storage::buckets(stack, &mut bill);
    storage::secrets_and_keys(stack, &mut bill);
    watching::logs(stack, &mut bill);
    watching::metrics(stack, &mut bill);
    network(stack, &mut bill);
    bill.close(stack)
}

fn balance(load_balancer: &LoadBalancer, bill: &mut Bill<'_>) {
    let resource = "load_balancer";
    bill.charge(
        resource,
        "hours",
        "load_balancer",
        hours(Quantity::whole(1)),
    );
    bill.charge_expected(
        resource,
        "capacity units",
        "load_balancer_capacity_unit",
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

fn network(stack: &Stack, bill: &mut Bill<'_>) {
    if stack.service_discovery.is_some() {
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

/// All hours of a month for so many of something.
fn hours(count: Quantity) -> Quantity {
    count.scaled(u128::from(HOURS_PER_MONTH), 1)
}

/// An estimate while it is made.
struct Bill<'prices> {
    prices: &'prices Prices,
    used: BTreeMap<String, Price>,
    lines: Vec<Line>,
    assumptions: Vec<String>,
}

impl<'prices> Bill<'prices> {
    fn new(prices: &'prices Prices) -> Self {
        Self {
            prices,
            used: BTreeMap::new(),
            lines: Vec::new(),
            assumptions: Vec::new(),
        }
    }

    fn assume(&mut self, what: String) {
        if !self.assumptions.contains(&what) {
            self.assumptions.push(what);
        }
    }

    /// Adds a line; none for nothing.
    fn charge(&mut self, resource: &str, item: &str, price: &str, quantity: Quantity) {
        let known = self.prices.prices.get(price).cloned();
        self.add(resource, item, price, known, Ok(quantity));
    }

    /// Adds a line whose quantity only the use decides. Without an expectation it has no figure.
    fn charge_expected(
        &mut self,
        resource: &str,
        item: &str,
        price: &str,
        expected: Option<f64>,
        field: &str,
        quantity: impl FnOnce(Quantity) -> Quantity,
    ) {
        let known = self.prices.prices.get(price).cloned();
        let quantity = expected
            .map(|expected| quantity(Quantity::expected(expected)))
            .ok_or_else(|| format!("depends on use: say how much in {field}"));
        self.add(resource, item, price, known, quantity);
    }

    /// Adds a line whose quantity nobody knows.
    fn charge_unknown(&mut self, resource: &str, item: &str, price: &str, reason: &str) {
        let known = self.prices.prices.get(price).cloned();
        self.add(resource, item, price, known, Err(reason.to_owned()));
    }

    /// Adds instances of a type that may have no known price.
    fn charge_instances(&mut self, resource: &str, instance_type: &str, quantity: Quantity) {
        let known = self.prices.instance(instance_type);
        let item = format!("EC2 {instance_type}");
        self.add(resource, &item, instance_type, known, Ok(quantity));
    }

    fn add(
        &mut self,
        resource: &str,
        item: &str,
        name: &str,
        price: Option<Price>,
        quantity: Result<Quantity, String>,
    ) {
        if quantity.as_ref().is_ok_and(|quantity| quantity.is_zero()) {
            return;
        }
        let unknown = format!("the price of {name} in {} is not known", self.prices.region);
        let note = match (&quantity, &price) {
            (Err(reason), _) => Some(reason.clone()),
            (Ok(_), None) => Some(unknown),
            (Ok(_), Some(_)) => None,
        };
        let quantity = quantity.ok();
        let unit_price = price.as_ref().map(|price| price.price);
        self.lines.push(Line {
            resource: resource.to_owned(),
            item: item.to_owned(),
            quantity,
            unit: price
                .as_ref()
                .map(|price| price.unit.clone())
                .unwrap_or_default(),
            unit_price,
            monthly: quantity
                .zip(unit_price)
                .map(|(quantity, price)| quantity.at(price)),
            price: name.to_owned(),
            note,
        });
        if let Some(price) = price {
            self.used.insert(name.to_owned(), price);
        }
    }

    fn close(self, stack: &Stack) -> Estimate {
        let without_figure = |line: &&Line| line.monthly.is_none();
        Estimate {
            stack: stack.stack_name(),
            currency: self.prices.currency.clone(),
            region: self.prices.region.clone(),
            hours: HOURS_PER_MONTH,
            total: self.lines.iter().filter_map(|line| line.monthly).sum(),
            lines_without_figure: self.lines.iter().filter(without_figure).count(),
            lines: self.lines,
            assumptions: self.assumptions,
            prices: self.used,
        }
    }
}
