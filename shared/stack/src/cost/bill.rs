//! An estimate while it is made.

use std::collections::BTreeMap;

use crate::spec::Stack;

use super::amounts::Quantity;
use super::estimate::{Estimate, HOURS_PER_MONTH, Line};
use super::prices::{Price, Prices};

/// All hours of a month for this many of something.
pub(super) fn hours(count: Quantity) -> Quantity {
    count.scaled(u128::from(HOURS_PER_MONTH), 1)
}

/// An estimate while it is made.
pub(super) struct Bill<'prices> {
    pub(super) prices: &'prices Prices,
    used: BTreeMap<String, Price>,
    lines: Vec<Line>,
    assumptions: Vec<String>,
}

impl<'prices> Bill<'prices> {
    pub(super) fn new(prices: &'prices Prices) -> Self {
        Self {
            prices,
            used: BTreeMap::new(),
            lines: Vec::new(),
            assumptions: Vec::new(),
        }
    }

    pub(super) fn assume(&mut self, what: String) {
        if !self.assumptions.contains(&what) {
            self.assumptions.push(what);
        }
    }

    /// Adds a line; none for nothing.
    pub(super) fn charge(&mut self, resource: &str, item: &str, price: &str, quantity: Quantity) {
        let known = self.prices.prices.get(price).cloned();
        self.add(resource, item, price, known, Ok(quantity));
    }

    /// Adds a line whose quantity only the use decides. Without an expectation it has no figure.
    pub(super) fn charge_expected(
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
    pub(super) fn charge_unknown(&mut self, resource: &str, item: &str, price: &str, reason: &str) {
        let known = self.prices.prices.get(price).cloned();
        self.add(resource, item, price, known, Err(reason.to_owned()));
    }

    /// Adds instances of a type that may have no known price.
    pub(super) fn charge_instances(
        &mut self,
        resource: &str,
        instance_type: &str,
        quantity: Quantity,
    ) {
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

    pub(super) fn close(self, stack: &Stack) -> Estimate {
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
