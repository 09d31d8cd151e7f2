//! An installation that is whole, until a test breaks it.

use std::cell::RefMut;

use longshore_rollout::installation::{
    Caller, FunctionState, Installation, Meant, Rules, ScheduleState, SecretState,
};
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
    async fn caller(&self) -> Result<Caller, CallError> {
        self.call("GetCallerIdentity", |account| {
            let caller = account.installation.caller.clone();
            caller.ok_or_else(|| error("look whose credentials these are", ErrorClass::Denied))
        })
    }

    async fn targets(&self, _: Option<&str>, rule: &str) -> Result<Vec<String>, CallError> {
        self.call("ListTargetsByRule", |account| {
            let targets = account.installation.targets.get(rule);
            Ok(targets.cloned().unwrap_or_default())
        })
    }

    async fn schedule(&self, name: &str) -> Result<Option<ScheduleState>, CallError> {
        self.call("GetSchedule", |account| {
            Ok(account.installation.schedules.get(name).cloned())
        })
    }

    async fn role_arn(&self, name: &str) -> Result<String, CallError> {
        self.call("GetRole", |_| {
            Ok(format!("arn:aws:iam::111122223333:role/people/{name}"))
        })
    }

    async fn refused_actions(
        &self,
        _: &str,
        actions: &[&str],
        resource: &str,
    ) -> Result<Vec<String>, CallError> {
        self.call("SimulatePrincipalPolicy", |account| {
            let is_refused = |action: &&&str| {
                let action = ((**action).to_owned(), resource.to_owned());
                account.installation.refused.contains(&action)
            };
            let refused = actions.iter().filter(is_refused);
            Ok(refused.map(|action| (*action).to_owned()).collect())
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
