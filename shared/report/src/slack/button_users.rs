//! Who may press which button.

use std::collections::BTreeMap;

use longshore_events::longshore::ButtonAction;

use super::press::Press;

/// Stands for everybody of the workspace.
const EVERYBODY: &str = "*";

/// Who may press which button: nobody who is not named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ButtonUsers {
    users: BTreeMap<ButtonAction, Vec<String>>,
    team_id: Option<String>,
}

/// A setting that does not say who may press what.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "found `{0}`, expected JSON such as {{\"approve\": [\"U024BE7LH\"], \"rollback\": [\"*\"]}}, of approve, reject, \
     rollback, hold and resume"
)]
pub struct InvalidButtonUsers(String);

impl ButtonUsers {
    /// Reads who may press what, JSON: the ids of people by action, or `*` for everybody of the workspace.
    ///
    /// # Errors
    /// [`InvalidButtonUsers`].
    pub fn parse(text: &str) -> Result<Self, InvalidButtonUsers> {
        let users = serde_json::from_str(text).map_err(|_| InvalidButtonUsers(text.to_owned()))?;
        Ok(Self {
            users,
            team_id: None,
        })
    }

    /// The same, only for people of this workspace.
    #[must_use]
    pub fn of_team(self, team_id: Option<String>) -> Self {
        Self { team_id, ..self }
    }

    /// Whether somebody may do that: else there is no button for it.
    pub fn has_somebody(&self, action: ButtonAction) -> bool {
        !self.of(action).is_empty()
    }

    /// Why somebody may not press this button; `None` where they may.
    pub fn refusal(&self, press: &Press) -> Option<String> {
        let (action, user) = (press.action, &press.by);
        if let Some(team_id) = &self.team_id
            && user.team_id.as_ref() != Some(team_id)
        {
            return Some(format!(
                "{} may not {action}: only people of the workspace {team_id} may",
                user.id
            ));
        }
        let users = self.of(action);
        let is_named = users.iter().any(|id| *id == user.id || id == EVERYBODY);
        (!is_named).then(|| {
            format!(
                "{} may not {action}: have this id added to `{action}` of `slack_button_users` in Longshore's \
                 Terraform",
                user.id
            )
        })
    }

    fn of(&self, action: ButtonAction) -> &[String] {
        self.users.get(&action).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::slack::press::SlackUser;

    fn press(action: ButtonAction, id: &str, team_id: Option<&str>) -> Press {
        Press {
            id: "press-1".to_owned(),
            action,
            payload: json!({}),
            by: SlackUser {
                id: id.to_owned(),
                name: None,
                team_id: team_id.map(str::to_owned),
            },
            response_url: None,
        }
    }

    #[test]
    fn nobody_may_press_what_they_are_not_named_for() {
        let users =
            ButtonUsers::parse(r#"{"approve": ["U1", "U2"], "rollback": ["*"], "hold": []}"#)
                .unwrap();
        for (action, id, may) in [
            (ButtonAction::Approve, "U1", true),
            (ButtonAction::Approve, "U2", true),
            (ButtonAction::Approve, "U3", false),
            (ButtonAction::Rollback, "U3", true),
            (ButtonAction::Hold, "U1", false),
            (ButtonAction::Resume, "U1", false),
        ] {
            let refusal = users.refusal(&press(action, id, None));
            assert_eq!(refusal.is_none(), may, "{action} {id}: {refusal:?}");
        }
        let refusal = users.refusal(&press(ButtonAction::Approve, "U3", None));
        assert_eq!(
            refusal.unwrap(),
            "U3 may not approve: have this id added to `approve` of `slack_button_users` in Longshore's Terraform"
        );
        assert!(users.has_somebody(ButtonAction::Rollback));
        assert!(!users.has_somebody(ButtonAction::Hold));
        assert!(!users.has_somebody(ButtonAction::Resume));
    }

    #[test]
    fn nobody_of_another_workspace_may_even_where_everybody_may() {
        let users = ButtonUsers::parse(r#"{"rollback": ["*"]}"#).unwrap();
        let users = users.of_team(Some("T0".to_owned()));
        for (team_id, may) in [(Some("T0"), true), (Some("T1"), false), (None, false)] {
            let refusal = users.refusal(&press(ButtonAction::Rollback, "U1", team_id));
            assert_eq!(refusal.is_none(), may, "{team_id:?}");
        }
    }

    #[test]
    fn a_setting_that_names_no_button_is_refused() {
        for text in ["", "[]", r#"{"deploy": ["*"]}"#, r#"{"approve": "*"}"#] {
            let error = ButtonUsers::parse(text).unwrap_err();
            assert!(error.to_string().starts_with(&format!("found `{text}`")));
        }
    }
}
