//! An installation that is whole, until a test breaks it.

use std::cell::RefMut;

use longshore_rollout::installation::{FunctionState, Installation, Meant, Rules, SecretState};
use longshore_state::{CallError, ErrorClass};
use serde_json::json;

use crate::fake_cloud::FakeCloud;
use crate::faults::error;
use crate::installed::FakeInstallation;

impl FakeCloud {
    /// An account with an installation that is whole.
    pub fn installed() -> Self {
        let cloud = Self::default();
        let limits = json!({"account_id": "111122223333", "region": "eu-west-1"});
        cloud
            .objects()
            .put_bytes("installation/limits.json", limits.to_string());
        cloud
    }

    /// What the installation consists of, to look at and to break.
    pub fn installation(&self) -> RefMut<'_, FakeInstallation> {
        RefMut::map(self.inner.borrow_mut(), |account| &mut account.installation)
    }
}

/// The installation of [`FakeCloud::installed`].
pub fn installed() -> Meant {
    Meant {
        prefix: "longshore".to_owned(),
        state_bucket: "longshore-state".to_owned(),
        event_bus: "longshore".to_owned(),
        region: Some("eu-west-1".to_owned()),
    }
}

impl Installation for FakeCloud {
    async fn account(&self) -> Result<String, CallError> {
        self.call("GetCallerIdentity", |account| {
            let caller = account.installation.account.clone();
            caller.ok_or_else(|| error("look whose credentials these are", ErrorClass::Denied))
        })
    }

    async fn function(&self, name: &str) -> Result<Option<FunctionState>, CallError> {
        self.call("GetFunctionConfiguration", |account| {
            Ok(account.installation.functions.get(name).cloned())
        })
    }

    async fn rules(&self, bus: Option<&str>, prefix: &str) -> Result<Option<Rules>, CallError> {
        self.call("ListRules", |account| {
            let rules = account.installation.rules.get(bus.unwrap_or("default"));
            Ok(rules.map(|rules| {
                let rules = rules.iter().filter(|(name, _)| name.starts_with(prefix));
                rules.map(|(name, state)| (name.clone(), *state)).collect()
            }))
        })
    }

    async fn has_policy(&self, arn: &str) -> Result<bool, CallError> {
        self.call("GetPolicy", |account| {
            Ok(account.installation.policies.contains(arn))
        })
    }

    async fn secret(&self, name: &str) -> Result<Option<SecretState>, CallError> {
        self.call("DescribeSecret", |account| {
            Ok(account.installation.secrets.get(name).copied())
        })
    }

    async fn queue_length(&self, name: &str) -> Result<Option<u64>, CallError> {
        self.call("GetQueueAttributes", |account| {
            Ok(account.installation.queues.get(name).copied())
        })
    }
}
