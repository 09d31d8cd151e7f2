//! What this process has seen. Lambda gives a process one event after the other, and most repositories are pushed to
//! again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use longshore_policy::route::Route;
use longshore_rollout::ports::ProcessMemory;

use crate::AwsCloud;

/// How many repositories are remembered: the route of each takes some kilobytes.
const KEPT: usize = 100;

/// What is remembered, by repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Remembered(Arc<Mutex<BTreeMap<String, Repository>>>);

#[derive(Debug, Default)]
struct Repository {
    route: Option<Route>,
    pushed_at: Option<DateTime<Utc>>,
}

impl Remembered {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Repository>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProcessMemory for AwsCloud {
    fn last_route(&self, repository: &str) -> Option<Route> {
        self.remembered.all().get(repository)?.route.clone()
    }

    fn route_was_read(&self, repository: &str, route: Option<&Route>) {
        let mut all = self.remembered.all();
        let Some(route) = route else {
            all.remove(repository);
            return;
        };
        if all.len() >= KEPT && !all.contains_key(repository) {
            all.clear();
        }
        let remembered = all.entry(repository.to_owned()).or_default();
        if remembered.route.as_ref() != Some(route) {
            remembered.route = Some(route.clone());
        }
    }

    fn last_push(&self, repository: &str) -> Option<DateTime<Utc>> {
        self.remembered.all().get(repository)?.pushed_at
    }

    fn was_pushed(&self, repository: &str, at: DateTime<Utc>) {
        if let Some(remembered) = self.remembered.all().get_mut(repository) {
            remembered.pushed_at = remembered.pushed_at.max(Some(at));
        }
    }
}
