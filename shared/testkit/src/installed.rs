//! What an installation consists of that is whole: see `installation`.

use std::collections::{BTreeMap, BTreeSet};

use longshore_rollout::installation::{
    Caller, FunctionState, RULES_OF_AWS, RULES_OF_LONGSHORE, Rules, SCHEDULES, ScheduleState,
    SecretState,
};
use longshore_rollout::lost_events::FUNCTIONS;

const BOUNDARY: &str = "arn:aws:iam::111122223333:policy/longshore-boundary";

/// What an installation consists of.
#[derive(Debug)]
pub struct FakeInstallation {
    /// `None`: the credentials have expired.
    pub caller: Option<Caller>,
    pub functions: BTreeMap<String, FunctionState>,
    /// By bus; AWS's own is `default`.
    pub rules: BTreeMap<String, Rules>,
    /// The ARNs of what the rules wake, by the rules' names.
    pub targets: BTreeMap<String, Vec<String>>,
    pub schedules: BTreeMap<String, ScheduleState>,
    /// What the caller may not do, with which resource.
    pub refused: BTreeSet<(String, String)>,
    pub policies: BTreeSet<String>,
    pub secrets: BTreeMap<String, SecretState>,
    /// How many messages the queues hold.
    pub queues: BTreeMap<String, u64>,
}

impl Default for FakeInstallation {
    fn default() -> Self {
        let variables = [
            ("STATE_BUCKET_NAME", "longshore-state"),
            ("EVENT_BUS_NAME", "longshore"),
            ("PERMISSIONS_BOUNDARY_ARN", BOUNDARY),
            ("SLACK_WEBHOOK_SECRET_NAME", "longshore/slack-webhook"),
        ];
        let state = FunctionState {
            state: "Active".to_owned(),
            reason: None,
            last_update: "Successful".to_owned(),
            code: "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqo=".to_owned(),
            environment: variables
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
        };
        let rules = |names: &[(&str, &str)]| -> Rules {
            names
                .iter()
                .map(|(name, _)| (format!("longshore-{name}"), true))
                .collect()
        };
        let woken = |function: &str| {
            format!("arn:aws:lambda:eu-west-1:111122223333:function:longshore-{function}")
        };
        let targets = RULES_OF_AWS.iter().chain(&RULES_OF_LONGSHORE);
        let targets = targets
            .map(|(name, function)| (format!("longshore-{name}"), vec![woken(function)]))
            .collect();
        let schedules = SCHEDULES.map(|(name, function)| {
            let state = ScheduleState {
                is_enabled: true,
                target: woken(function),
            };
            (format!("longshore-{name}"), state)
        });
        Self {
            caller: Some(Caller {
                account: "111122223333".to_owned(),
                arn: "arn:aws:iam::111122223333:user/ada".to_owned(),
            }),
            targets,
            schedules: schedules.into(),
            refused: BTreeSet::new(),
            functions: FUNCTIONS
                .map(|function| (format!("longshore-{function}"), state.clone()))
                .into(),
            rules: [
                ("default".to_owned(), rules(&RULES_OF_AWS)),
                ("longshore".to_owned(), rules(&RULES_OF_LONGSHORE)),
            ]
            .into(),
            policies: [BOUNDARY.to_owned()].into(),
            secrets: [(
                "longshore/slack-webhook".to_owned(),
                SecretState {
                    has_value: true,
                    is_deleted: false,
                },
            )]
            .into(),
            queues: FUNCTIONS
                .map(|function| (format!("longshore-{function}-dead-letters"), 0))
                .into(),
        }
    }
}
