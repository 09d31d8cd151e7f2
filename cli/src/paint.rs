//! Colours of a rollout on a terminal: green for what is well, yellow for what goes on, red for what failed. All of it is
//! said in words as well.

use longshore_report::words::short_name;
use longshore_rollout::record::{Deployment, State};

/// By ECMA-48, SGR: those of every terminal's own palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Red = 31,
    Green = 32,
    Yellow = 33,
}

/// What separates the cells of a table.
const BORDERS: [char; 2] = ['│', '┆'];

/// Where the columns of the table of tasks are, counted from its left border.
const REVISION: usize = 2;
const TASK_STATE: usize = 4;
const HEALTH: usize = 5;

/// Whether a terminal is to have colours: not where `NO_COLOR` is set to something (<https://no-color.org>).
pub fn is_wanted(no_color: Option<&str>) -> bool {
    no_color.is_none_or(str::is_empty)
}

/// The frame of a rollout, which is safe to show, in colours.
pub fn painted(frame: &str, deployment: &Deployment) -> String {
    let ours = deployment.task_definition.as_deref().map(short_name);
    let mut lines = frame.split_inclusive('\n');
    let headline = lines.next().map(|line| headline(line, deployment.state));
    let rows = lines.map(|line| match line.starts_with(BORDERS) {
        true => row(line, ours.as_deref()),
        false => line.to_owned(),
    });
    headline.into_iter().chain(rows).collect()
}

/// What follows the names, which is how the deployment is.
fn headline(line: &str, state: State) -> String {
    let colour = match state {
        State::Succeeded => Colour::Green,
        State::RollingBack | State::Failed | State::RolledBack => Colour::Red,
        State::Claimed | State::Preparing | State::Deploying | State::Verifying => Colour::Yellow,
        State::Superseded => return line.to_owned(),
    };
    match line.split_once(": ") {
        Some((names, outcome)) => {
            let text = outcome.trim_end_matches('\n');
            let end = &outcome[text.len()..];
            format!("{names}: {}{end}", in_colour(text, colour))
        }
        None => line.to_owned(),
    }
}

fn row(line: &str, ours: Option<&str>) -> String {
    let cells: Vec<&str> = line.split_inclusive(BORDERS).collect();
    let text_of = |cell: &str| cell.trim_end_matches(BORDERS).trim().to_owned();
    let revision = cells.get(REVISION).map(|cell| text_of(cell));
    let is_ours = ours.is_some() && revision.as_deref() == ours;
    let cells = cells.iter().enumerate().map(|(column, cell)| {
        let text = text_of(cell);
        let colour = match (column, text.as_str()) {
            (TASK_STATE, "running") | (HEALTH, "healthy") => Colour::Green,
            (HEALTH, "unhealthy") => Colour::Red,
            // What ran before stops when all goes well.
            (TASK_STATE, "stopped") if is_ours => Colour::Red,
            (
                TASK_STATE,
                "provisioning" | "pending" | "activating" | "deactivating" | "stopping"
                | "deprovisioning",
            ) => Colour::Yellow,
            _ => return (*cell).to_owned(),
        };
        cell.replacen(&text, &in_colour(&text, colour), 1)
    });
    cells.collect()
}

fn in_colour(text: &str, colour: Colour) -> String {
    format!("\x1b[{}m{text}\x1b[0m", colour as u8)
}

#[cfg(test)]
mod tests {
    use longshore_testkit::altered;
    use serde_json::json;

    use super::*;
    use crate::status::tests::deployment;

    fn of(state: State) -> Deployment {
        altered(
            &deployment(42, state),
            &json!({"task_definition": "shop-api:42"}),
        )
    }

    /// A text without colours.
    fn plain(text: &str) -> String {
        let parts = text.split('\x1b');
        let parts = parts.map(|part| match part.split_once('m') {
            Some((code, rest)) if code.starts_with('[') => rest,
            _ => part,
        });
        parts.collect()
    }

    #[test]
    fn the_outcome_has_the_colour_of_how_it_went() {
        for (state, colour) in [
            (State::Succeeded, Some("32")),
            (State::Failed, Some("31")),
            (State::RolledBack, Some("31")),
            (State::RollingBack, Some("31")),
            (State::Deploying, Some("33")),
            (State::Superseded, None),
        ] {
            let line = "deployment 42 of shop/api:v3 to shop/api: as it is\n";
            let text = painted(line, &of(state));
            let expected = match colour {
                Some(colour) => format!(
                    "deployment 42 of shop/api:v3 to shop/api: \x1b[{colour}mas it is\x1b[0m\n"
                ),
                None => line.to_owned(),
            };
            assert_eq!(text, expected, "{state:?}");
        }
    }

    #[test]
    fn tasks_have_the_colours_of_their_states_and_nothing_else_has() {
        let frame = "deployment 42 of shop/api:running to shop/api: deploying\n\
                     ┌─────┬──────────┐\n\
                     │ task ┆ revision ┆ image ┆ state ┆ health ┆ since │\n\
                     │ 6 ┆ shop-api:42 ┆ running ┆ running ┆ healthy ┆ - │\n\
                     │ 5 ┆ shop-api:42 ┆ v3 ┆ pending ┆ unhealthy ┆ - │\n\
                     │ 4 ┆ shop-api:42 ┆ v3 ┆ stopped ┆ - ┆ - │\n\
                     │ 3 ┆ shop-api:41 ┆ v2 ┆ stopped ┆ unknown ┆ - │";
        let text = painted(frame, &of(State::Deploying));
        assert_eq!(plain(&text), frame);
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with('│')).collect();
        assert_eq!(
            rows,
            [
                "│ task ┆ revision ┆ image ┆ state ┆ health ┆ since │",
                "│ 6 ┆ shop-api:42 ┆ running ┆ \x1b[32mrunning\x1b[0m ┆ \x1b[32mhealthy\x1b[0m ┆ - │",
                "│ 5 ┆ shop-api:42 ┆ v3 ┆ \x1b[33mpending\x1b[0m ┆ \x1b[31munhealthy\x1b[0m ┆ - │",
                "│ 4 ┆ shop-api:42 ┆ v3 ┆ \x1b[31mstopped\x1b[0m ┆ - ┆ - │",
                "│ 3 ┆ shop-api:41 ┆ v2 ┆ stopped ┆ unknown ┆ - │",
            ]
        );
    }

    #[test]
    fn whoever_wants_no_colour_gets_none() {
        assert!(is_wanted(None));
        assert!(is_wanted(Some("")), "set to nothing is not set");
        assert!(!is_wanted(Some("1")));
    }
}
