//! What AWS charges for a unit of each thing: one file, `prices/prices.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::amounts::UnitPrice;

/// Prices of one region.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The currency of all of them.
    pub currency: String,
    /// The region of all of them.
    pub region: String,
    /// By name.
    pub prices: BTreeMap<String, Price>,
    /// EC2 instances.
    pub instances: Option<InstancePrices>,
    /// How many metrics Container Insights makes.
    pub container_insights: Option<ContainerInsightsMetrics>,
}

/// A price and how it is known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Price {
    /// What a unit costs.
    pub price: UnitPrice,
    pub unit: String,
    /// How it is known.
    #[serde(flatten)]
    pub origin: Origin,
}

/// How a price is known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Origin {
    /// How far to trust it.
    pub evidence: Evidence,
    /// The day that the source bears, else the day on which it was read.
    pub date: String,
    /// Where it is written.
    pub source: String,
    /// What else there is to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How far to trust a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// A copy of AWS's own page.
    AwsPage,
    /// What somebody else has published.
    Publication,
    /// The document of the system whose costs it was first used for.
    Document,
    /// Nothing but memory: the source says where to look, nobody has looked.
    Memory,
}

/// What instances cost by the hour.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InstancePrices {
    pub unit: String,
    /// How they are known.
    #[serde(flatten)]
    pub origin: Origin,
    /// By instance type.
    pub prices: BTreeMap<String, UnitPrice>,
}

/// How many metrics Container Insights makes, not counting those of enhanced observability.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ContainerInsightsMetrics {
    /// How that is known.
    #[serde(flatten)]
    pub origin: Origin,
    /// For a cluster.
    pub metrics_per_cluster: u64,
    /// For a task definition's family that runs.
    pub metrics_per_task_definition_family: u64,
    /// For a service.
    pub metrics_per_service: u64,
}

/// Prices that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("read prices: {0}")]
pub struct PricesError(#[from] serde_json::Error);

// A test holds that the file can be read. If it could not, no line would have a figure.
static BUILT_IN: LazyLock<Prices> =
    LazyLock::new(|| Prices::read(include_str!("../../prices/prices.json")).unwrap_or_default());

impl Prices {
    /// Reads prices from JSON of the form of `prices/prices.json`.
    ///
    /// # Errors
    /// When they do not have that form.
    pub fn read(text: &str) -> Result<Self, PricesError> {
        Ok(serde_json::from_str(text)?)
    }

    /// The prices that this version of Longshore comes with.
    pub fn built_in() -> &'static Self {
        &BUILT_IN
    }

    /// The price of an EC2 instance.
    pub fn instance(&self, instance_type: &str) -> Option<Price> {
        let instances = self.instances.as_ref()?;
        Some(Price {
            price: *instances.prices.get(instance_type)?,
            unit: instances.unit.clone(),
            origin: instances.origin.clone(),
        })
    }
}
