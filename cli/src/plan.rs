//! `longshore plan`: what applying a stack file would do, as a person reads it.

use std::fmt::Write as _;

use longshore_provisioning::apply::count;
use longshore_provisioning::error::Line;
use longshore_provisioning::plan::{Plan, PlanOutcome};
use longshore_provisioning::ports::{Action, PropertyChange, ResourceChange};
use longshore_report::words;

/// Longer values are cut: a policy or a dashboard fills a screen.
const LONGEST_VALUE: usize = 200;

/// The plan as text: what is added, changed property by property, replaced and removed.
pub fn in_words(plan: &Plan) -> String {
    let mut text = String::new();
    for warning in &plan.warnings {
        let _ = writeln!(text, "{}", Line(warning));
    }
    let stack = &plan.stack;
    let headline = match plan.outcome {
        PlanOutcome::Unchanged => {
            text.push_str(&nothing_to_do(stack));
            return text;
        }
        PlanOutcome::Create => format!("stack {stack} would be created"),
        PlanOutcome::Recreate => format!(
            "the remains of the failed creation of stack {stack} would be deleted, then the stack would be created"
        ),
        PlanOutcome::Update => format!("stack {stack} would be updated"),
    };
    let may_be_replaced = plan
        .changes
        .iter()
        .filter(|change| change.action == Action::MayReplace)
        .count();
    let perhaps = match may_be_replaced {
        0 => String::new(),
        number => format!(" ({number} may be replaced)"),
    };
    let _ = writeln!(
        text,
        "{headline}: {}{perhaps}\n",
        words::changes(count(&plan.changes))
    );
    let mut changes: Vec<&ResourceChange> = plan.changes.iter().collect();
    changes.sort_by(|one, other| {
        (one.action, &one.logical_id).cmp(&(other.action, &other.logical_id))
    });
    for change in changes {
        let _ = writeln!(text, "{}", resource(change));
        for property in &change.properties {
            let line = property_in_words(property, change.is_new_revision());
            let _ = writeln!(text, "        {line}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// That there is nothing to apply.
pub fn nothing_to_do(stack: &str) -> String {
    format!(
        "nothing to do: {}",
        words::stack_unchanged(&format!("stack {stack}"))
    )
}

fn resource(change: &ResourceChange) -> String {
    let (sign, note) = match change.action {
        _ if change.is_new_revision() => ("  ~", " (new revision)"),
        Action::Add => ("  +", ""),
        Action::Import => ("  =", " (exists and is adopted)"),
        Action::Change => ("  ~", ""),
        Action::MayReplace => ("  ?", " (may be replaced, if its new values demand it)"),
        Action::Replace => ("-/+", " (REPLACED: the present one is destroyed)"),
        Action::ReplaceAndKeep => ("-/+", " (replaced; the present one is kept)"),
        Action::Remove => ("  -", " (DESTROYED)"),
        Action::RemoveAndKeep => ("  -", " (leaves the stack and is kept)"),
    };
    let physical_id = match &change.physical_id {
        Some(physical_id) => format!(" {physical_id}"),
        None => String::new(),
    };
    format!(
        "{sign} {} {}{physical_id}{note}",
        change.logical_id, change.resource_type
    )
}

fn property_in_words(property: &PropertyChange, is_new_revision: bool) -> String {
    let value = |value: &Option<String>| match value.as_deref().map(without_markers) {
        Some(value) if value.chars().count() > LONGEST_VALUE => {
            let cut: String = value.chars().take(LONGEST_VALUE).collect();
            format!("{cut}…")
        }
        Some(value) => value,
        None => "(unset)".to_owned(),
    };
    let values = match (&property.before, &property.after) {
        (None, None) => "(CloudFormation knows the value only when it is at work)".to_owned(),
        (before, after) => format!("{} -> {}", value(before), value(after)),
    };
    let replaces = if property.replaces && !is_new_revision {
        " (needs a replacement)"
    } else {
        ""
    };
    format!("{}: {values}{replaces}", property.path)
}

/// A value without `{{changeSet:…}}`, which CloudFormation puts where it knows a value only at work.
fn without_markers(value: &str) -> String {
    let mut shown = String::new();
    let mut rest = value;
    while let Some((before, marker)) = rest.split_once("{{changeSet:") {
        let Some((_, after)) = marker.split_once("}}") else {
            break;
        };
        shown.push_str(before);
        shown.push_str("(known when it is there)");
        rest = after;
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_does_not_frighten() {
        let mut revision = change(
            Action::ReplaceAndKeep,
            "ApiTaskDefinition",
            vec![PropertyChange {
                path: "/Properties/Cpu".to_owned(),
                before: Some("256".to_owned()),
                after: Some("512".to_owned()),
                replaces: true,
            }],
        );
        revision.resource_type = "AWS::ECS::TaskDefinition".to_owned();
        let plan = Plan {
            stack: "shop".to_owned(),
            outcome: PlanOutcome::Update,
            changes: vec![
                revision,
                change(
                    Action::MayReplace,
                    "Api",
                    vec![property(
                        "/Properties/TaskDefinition",
                        Some("arn:api:1"),
                        Some("{{changeSet:KNOWN_AFTER_APPLY}}"),
                    )],
                ),
            ],
            warnings: Vec::new(),
        };
        let text = in_words(&plan);
        assert!(
            text.starts_with("stack shop would be updated: 2 to change (1 may be replaced)\n"),
            "{text}"
        );
        assert!(
            text.contains("  ~ ApiTaskDefinition AWS::ECS::TaskDefinition apitaskdefinition-1 (new revision)\n        /Properties/Cpu: 256 -> 512"),
            "{text}"
        );
        assert!(
            text.contains("/Properties/TaskDefinition: arn:api:1 -> (known when it is there)"),
            "{text}"
        );
        assert!(!text.contains("changeSet"), "{text}");
    }

    fn change(action: Action, logical_id: &str, properties: Vec<PropertyChange>) -> ResourceChange {
        ResourceChange {
            logical_id: logical_id.to_owned(),
            physical_id: (action != Action::Add)
                .then(|| format!("{}-1", logical_id.to_lowercase())),
            resource_type: "AWS::ECS::Service".to_owned(),
            action,
            properties,
        }
    }

    fn property(path: &str, before: Option<&str>, after: Option<&str>) -> PropertyChange {
        PropertyChange {
            path: path.to_owned(),
            before: before.map(str::to_owned),
            after: after.map(str::to_owned),
            replaces: path.ends_with("Name"),
        }
    }

    #[test]
    fn a_plan_shows_each_property_with_its_old_and_its_new_value_and_marks_what_is_destroyed() {
        let plan = Plan {
            stack: "shop-prod".to_owned(),
            outcome: PlanOutcome::Update,
            changes: vec![
                change(Action::Remove, "Old", Vec::new()),
                change(
                    Action::Replace,
                    "Web",
                    vec![property("/Properties/ServiceName", Some("a"), Some("b"))],
                ),
                change(
                    Action::Change,
                    "Api",
                    vec![
                        property("/Properties/DesiredCount", Some("1"), Some("2")),
                        property("/Properties/Tags", None, Some("[]")),
                        property("/Properties/TaskDefinition", None, None),
                    ],
                ),
                change(Action::Add, "New", Vec::new()),
            ],
            warnings: Vec::new(),
        };
        assert_eq!(
            in_words(&plan),
            "\
stack shop-prod would be updated: 1 to add, 1 to change, 1 to replace, 1 to remove

  + New AWS::ECS::Service
  ~ Api AWS::ECS::Service api-1
        /Properties/DesiredCount: 1 -> 2
        /Properties/Tags: (unset) -> []
        /Properties/TaskDefinition: (CloudFormation knows the value only when it is at work)
-/+ Web AWS::ECS::Service web-1 (REPLACED: the present one is destroyed)
        /Properties/ServiceName: a -> b (needs a replacement)
  - Old AWS::ECS::Service old-1 (DESTROYED)"
        );
    }

    #[test]
    fn a_plan_without_changes_says_so() {
        let plan = Plan {
            stack: "shop".to_owned(),
            outcome: PlanOutcome::Unchanged,
            changes: Vec::new(),
            warnings: Vec::new(),
        };
        assert_eq!(
            in_words(&plan),
            "nothing to do: stack shop is already as its stack file says"
        );
    }
}
