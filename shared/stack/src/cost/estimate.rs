//! An estimate, line by line.

use std::collections::BTreeMap;

use serde::Serialize;

use super::amounts::{Amount, Quantity, UnitPrice};
use super::prices::Price;

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
