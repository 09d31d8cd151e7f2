//! `longshore rollback`.

use longshore_events::manual::RollbackPayload;
use longshore_report::words::image_name;
use longshore_rollout::ports::{Cloud, TaskLogs};
use longshore_rollout::service_view::ServiceViews;
use longshore_rollout::triggers::rollback::{Stage, WayBack, rollback, way_back};

use crate::answer::Answer;
use crate::arguments::RollbackArguments;
use crate::asking::confirm;
use crate::caller::caller;
use crate::outcome::worker;
use crate::output::Output;
use crate::terminal;
use crate::wait::answer;

/// Says where the service goes back to, starts the way back and says what came of it, or waits for its outcome.
pub async fn run<C: Cloud + TaskLogs + ServiceViews>(
    cloud: &C,
    arguments: RollbackArguments,
) -> anyhow::Result<Answer> {
    let RollbackArguments {
        service,
        to,
        yes,
        dry_run,
        note,
        wait,
        output,
    } = arguments;
    let name = format!("{}/{}", service.stack, service.service);
    let mut payload = RollbackPayload {
        from: None,
        stack: service.stack,
        service: service.service,
        to,
        note,
        by: caller(),
    };
    let worker = worker();
    let way = way_back(cloud, &payload, &worker).await?;
    if dry_run {
        return Ok(match (output, &way) {
            (Output::Json, way) => serde_json::to_string_pretty(way)?,
            (Output::Text, Some(way)) => format!("{} (dry run: nothing was done)", in_words(way)),
            (Output::Text, None) => format!("nothing to do: {name} is there already"),
        }
        .into());
    }
    let mut what = "the deployment before".to_owned();
    if let Some(way) = way {
        let said = in_words(&way);
        match yes {
            true => terminal::note(&said),
            false => confirm(&said, &name)?,
        }
        what = stage(&way.to);
        // It goes where it said, whatever else ends meanwhile.
        payload.to = Some(way.to.number);
    }
    let outcome = rollback(cloud, &payload, &worker).await?;
    answer(cloud, &outcome, &worker.id, &what, wait, output).await
}

/// `shop/api goes back from shop/api:v2 (#4) to shop/api:v1 (#1)`.
pub fn in_words(way: &WayBack) -> String {
    let WayBack {
        stack,
        service,
        from,
        to,
    } = way;
    format!(
        "{stack}/{service} goes back from {} to {}",
        stage(from),
        stage(to)
    )
}

fn stage(stage: &Stage) -> String {
    format!("{} (#{})", image_name(&stage.image), stage.number)
}

#[cfg(test)]
mod tests {
    use longshore_events::image::Image;
    use serde_json::json;

    use super::*;

    fn image(tag: &str) -> Image {
        serde_json::from_value(json!({
            "registry": "111122223333.dkr.ecr.eu-west-1.amazonaws.com",
            "repository": "shop/api",
            "tag": tag,
            "digest": format!("sha256:{}", "4".repeat(64)),
        }))
        .unwrap()
    }

    #[test]
    fn the_way_back_is_said_with_both_images_and_numbers() {
        let at = |number, tag| Stage {
            number,
            image: image(tag),
        };
        let way = WayBack {
            stack: "shop".to_owned(),
            service: "api".to_owned(),
            from: at(4, "v2"),
            to: at(1, "v1"),
        };
        assert_eq!(
            in_words(&way),
            "shop/api goes back from shop/api:v2 (#4) to shop/api:v1 (#1)"
        );
    }
}
