//! A storm: many pushes at once, each heard of several times and in no order, to several services.

use anyhow::{Result, ensure};
use longshore_local::scene::{Service, put_route, serves};
use longshore_local::wait::{Seen, stays_so, wait_until};
use longshore_tests::{PATIENCE, QUIET, Scene};
use serde_json::Value;

const SERVICES: usize = 4;
const PUSHES: usize = 6;
const COPIES: usize = 3;

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_storm_of_pushes_ends_with_the_newest_image_everywhere_and_each_is_told_once() -> Result<()> {
    let scene = Scene::new("storm")?;
    let environment = &scene.environment;
    let mut services = vec![scene.service.clone()];
    for number in 1..SERVICES {
        let service = Service {
            name: format!("api-{number}"),
            ..scene.service.clone()
        };
        service.create(environment)?;
        services.push(service);
    }
    let followers: Vec<&Service> = services.iter().collect();
    put_route(environment, &scene.service.repository, &followers)?;

    let mut newest = String::new();
    for number in 0..PUSHES {
        // Above nine, so that the order of the tags is that of their numbers and not of their letters.
        let tag = format!("v{}", 8 + number);
        newest = scene.push(&tag, &serves(&tag))?;
    }
    send_again(&scene)?;

    for service in &services {
        let what = format!("two tasks of the newest image in {}", service.ecs_name());
        wait_until(&what, PATIENCE, || service.runs(environment, &newest))?;
        let name = format!("storm/{}", service.name);
        scene.wait_until_told(&["succeeded", &name, &format!("v{}", 7 + PUSHES)])?;
    }
    stays_so("every deployment that started has one end", QUIET, || {
        let started = scene.count_told(&["started"])?;
        let ended = scene.count_told(&["succeeded"])? + scene.count_told(&["superseded"])?;
        Ok(if started == ended {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{started} started, {ended} ended"))
        })
    })?;
    let mut told: Vec<String> = scene
        .messages()?
        .iter()
        .map(|message| message.fallback().to_owned())
        .filter(|text| !text.contains("skipped"))
        .collect();
    let count = told.len();
    told.sort();
    told.dedup();
    ensure!(told.len() == count, "something was told twice: {told:#?}");
    for function in ["deploy", "watch", "notify"] {
        scene.check_no_dead_letter(function, &scene.service.stack)?;
    }
    Ok(())
}

/// Sends the event of every push again, several times, side by side and in another order.
fn send_again(scene: &Scene) -> Result<()> {
    let control = scene.environment.control();
    let pushes: Vec<Value> = control
        .events()?
        .into_iter()
        .filter(|event| {
            event["source"] == "aws.ecr"
                && event["detail"]["repository-name"] == scene.service.repository.as_str()
        })
        .collect();
    ensure!(pushes.len() > PUSHES, "{} pushes gave events", pushes.len());
    std::thread::scope(|scope| {
        let senders: Vec<_> = (0..COPIES)
            .map(|copy| {
                let (control, pushes) = (&control, &pushes);
                scope.spawn(move || {
                    // Every copy in an order of its own: by steps that have no divisor in common with the count.
                    let step = 2 * copy + 1;
                    (0..pushes.len()).try_for_each(|index| {
                        control.send_event(&pushes[(index * step + copy) % pushes.len()])
                    })
                })
            })
            .collect();
        senders
            .into_iter()
            .try_for_each(|sender| match sender.join() {
                Ok(sent) => sent,
                Err(_) => anyhow::bail!("a sender panicked"),
            })
    })
}
