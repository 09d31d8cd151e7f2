//! What the commands need of whoever gives them: the rights of a person, which IAM is asked about and nobody tries.

use std::collections::{BTreeMap, BTreeSet};

/// What an action is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// The state bucket.
    Bucket,
    /// A record in the state bucket.
    Records,
    /// Longshore's bus.
    Bus,
    /// Any resource there is: which ones somebody works with is known when they do.
    Anything,
}

/// What `ls` shows besides what runs; without the rights for it, it shows the rest.
pub const THE_DRIFT_OF_LS: &str = "the drift that ls shows";

/// Which commands need which actions on what: those that they call with the rights of whoever gives them.
pub const NEEDED: &[(&str, On, &[&str])] = &[
    ("every command", On::Bucket, &["s3:ListBucket"]),
    ("every command", On::Records, &["s3:GetObject"]),
    (
        "status, history and ls",
        On::Anything,
        &[
            "ecs:DescribeServiceDeployments",
            "ecs:DescribeServiceRevisions",
            "ecs:DescribeServices",
            "ecs:ListServiceDeployments",
        ],
    ),
    (
        THE_DRIFT_OF_LS,
        On::Anything,
        &[
            "cloudformation:DescribeStackResourceDrifts",
            "cloudformation:DescribeStacks",
            "cloudformation:GetTemplate",
        ],
    ),
    (
        "logs",
        On::Anything,
        &[
            "ecs:DescribeTaskDefinition",
            "logs:FilterLogEvents",
            "logs:GetLogEvents",
        ],
    ),
    (
        "deploy, rollback, restart, approve, hold and resume",
        On::Records,
        &["s3:PutObject"],
    ),
    (
        "deploy, rollback, restart, approve, hold and resume",
        On::Bus,
        &["events:PutEvents"],
    ),
    (
        "deploy, rollback, restart, approve, hold and resume",
        On::Anything,
        &[
            "ecr:BatchGetImage",
            "ecr:DescribeImages",
            "ecr:GetDownloadUrlForLayer",
            "ecs:DescribeServices",
            "ecs:DescribeTaskDefinition",
            "ecs:RegisterTaskDefinition",
            "ecs:TagResource",
            "ecs:UpdateService",
            "iam:PassRole",
        ],
    ),
    (
        "the tasks that --wait shows",
        On::Anything,
        &["ecs:DescribeTasks", "ecs:ListTasks"],
    ),
    (
        "scale",
        On::Anything,
        &[
            "application-autoscaling:DescribeScalableTargets",
            "ecs:UpdateService",
        ],
    ),
    (
        "run",
        On::Anything,
        &["ecs:DescribeTasks", "ecs:RunTask", "iam:PassRole"],
    ),
    (
        "exec",
        On::Anything,
        &["ecs:DescribeTasks", "ecs:ExecuteCommand", "ecs:ListTasks"],
    ),
    (
        "plan, apply and destroy",
        On::Anything,
        &[
            "cloudformation:CreateChangeSet",
            "cloudformation:DeleteChangeSet",
            "cloudformation:DeleteStack",
            "cloudformation:DescribeChangeSet",
            "cloudformation:DescribeStackEvents",
            "cloudformation:DescribeStacks",
            "cloudformation:ExecuteChangeSet",
            "cloudformation:GetTemplate",
            "iam:PassRole",
        ],
    ),
    (
        "drift",
        On::Anything,
        &[
            "cloudformation:DescribeStackDriftDetectionStatus",
            "cloudformation:DescribeStackResourceDrifts",
            "cloudformation:DetectStackDrift",
        ],
    ),
    (
        "replay",
        On::Anything,
        &[
            "lambda:InvokeFunction",
            "sqs:ChangeMessageVisibility",
            "sqs:DeleteMessage",
            "sqs:GetQueueUrl",
            "sqs:ReceiveMessage",
            "sqs:SendMessage",
        ],
    ),
];

/// Whose rights they are, by the ARN that STS gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// The account's root user, whom no policy of IAM restrains.
    Root,
    /// A user, by the ARN.
    User(String),
    /// Somebody with a role, by its name: STS leaves its path out.
    Role(String),
    /// Somebody whose rights IAM simulates for nobody, such as a federated user.
    Other,
}

impl Holder {
    /// By an ARN of the AWS Security Token Service API Reference, GetCallerIdentity.
    pub fn of(arn: &str) -> Self {
        let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
        match resource.split_once('/') {
            None if resource == "root" => Self::Root,
            Some(("user", _)) => Self::User(arn.to_owned()),
            Some(("assumed-role", role)) => {
                let name = role.split('/').next().unwrap_or_default();
                Self::Role(name.to_owned())
            }
            _ => Self::Other,
        }
    }
}

/// The actions that are asked about, by what.
pub fn asked() -> BTreeMap<On, BTreeSet<&'static str>> {
    let mut asked: BTreeMap<On, BTreeSet<&'static str>> = BTreeMap::new();
    for (_, on, actions) in NEEDED {
        asked.entry(*on).or_default().extend(*actions);
    }
    asked
}

/// Which commands lack which of the actions that are refused, in the order of [`NEEDED`].
pub fn lacking(
    refused: &BTreeSet<(On, String)>,
) -> Vec<(&'static str, BTreeMap<On, Vec<&'static str>>)> {
    let mut lacking: Vec<(&'static str, BTreeMap<On, Vec<&'static str>>)> = Vec::new();
    for (commands, on, actions) in NEEDED {
        let actions: Vec<&'static str> = actions
            .iter()
            .filter(|action| refused.contains(&(*on, (**action).to_owned())))
            .copied()
            .collect();
        if actions.is_empty() {
            continue;
        }
        match lacking.iter_mut().find(|(known, _)| known == commands) {
            Some((_, known)) => {
                known.insert(*on, actions);
            }
            None => lacking.push((commands, BTreeMap::from([(*on, actions)]))),
        }
    }
    lacking
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_rights_they_are_is_known_by_the_arn_that_sts_gives() {
        for (arn, expected) in [
            ("arn:aws:iam::111122223333:root", Holder::Root),
            (
                "arn:aws:iam::111122223333:user/team/ada",
                Holder::User("arn:aws:iam::111122223333:user/team/ada".to_owned()),
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0f3c/ada@example.com",
                Holder::Role("AWSReservedSSO_Admin_0f3c".to_owned()),
            ),
            (
                "arn:aws:sts::111122223333:federated-user/ada",
                Holder::Other,
            ),
            ("nonsense", Holder::Other),
        ] {
            assert_eq!(Holder::of(arn), expected, "{arn}");
        }
    }

    #[test]
    fn an_action_that_is_refused_is_lacking_to_each_command_that_needs_it() {
        let refused = [
            (On::Anything, "ecs:UpdateService".to_owned()),
            (On::Bus, "events:PutEvents".to_owned()),
            // Nobody needs it on a bus.
            (On::Bus, "ecs:UpdateService".to_owned()),
        ];
        let lacking = lacking(&refused.into());
        let named: Vec<(&str, usize)> = lacking
            .iter()
            .map(|(commands, actions)| (*commands, actions.values().flatten().count()))
            .collect();
        assert_eq!(
            named,
            [
                ("deploy, rollback, restart, approve, hold and resume", 2),
                ("scale", 1)
            ]
        );
    }
}
