//! A storm: a thousand events of pushes to the repositories of fifty services, each delivered twice, in no order and
//! side by side. Each service gets each newest image by one deployment.

use anyhow::{Result, ensure};
use longshore_local::scene::{dead_letters, fails, serves};
use longshore_local::wait::{Seen, stays_so, wait_until};
use longshore_tests::{Fleet, PATIENCE, QUIET};
use serde_json::Value;

const SERVICES: usize = 50;
const REPOSITORIES: usize = 10;
/// How many images are pushed to each repository.
const PUSHES: usize = 50;
/// How many send events at once.
const SENDERS: usize = 8;
const FUNCTIONS: [&str; 3] = ["deploy", "watch", "notify"];
/// How many invocations of each function run at once: as many as a small machine carries.
const AT_ONCE: [u32; 3] = [4, 3, 2];
/// The repository whose last image fails.
const BROKEN: usize = 3;

#[test]
#[ignore = "needs the local cloud: run cargo xtask test"]
fn a_storm_ends_with_the_newest_image_everywhere_and_only_what_fails_is_rolled_back() -> Result<()>
{
    let fleet = Fleet::new("storm", REPOSITORIES, SERVICES)?;
    for (function, invocations) in FUNCTIONS.into_iter().zip(AT_ONCE) {
        fleet.limit(function, invocations)?;
    }
    let outcome = storm(&fleet);
    // Nothing of this storm is left for the next test, whatever came of it.
    let drained = fleet.wait_until_drained(&FUNCTIONS);
    for function in FUNCTIONS {
        fleet.unlimit(function)?;
    }
    outcome?;
    drained
}

fn storm(fleet: &Fleet) -> Result<()> {
    let newest: Vec<String> = side_by_side(REPOSITORIES, |repository| {
        let mut newest = String::new();
        for number in 1..=PUSHES {
            let tag = format!("v{number}");
            newest = fleet.push(repository, &tag, &serves(&tag))?;
        }
        Ok(newest)
    })?;
    fleet.follow()?;

    let mut events = fleet.pushes(|tag| tag.starts_with('v'))?;
    ensure!(
        events.len() == REPOSITORIES * PUSHES,
        "{} pushes gave events",
        events.len()
    );
    events.extend(events.clone());
    send_shuffled(fleet, &events)?;
    fleet.wait_until_stable(|service| newest[fleet.repository_of(service)].clone())?;
    wait_until_published(fleet, &["succeeded"], SERVICES)?;
    // The one that made the service, and one of the newest image.
    each_has_had(fleet, 2)?;

    // One more of each; one of them fails, while everything is heard of once more.
    let last: Vec<String> = side_by_side(REPOSITORIES, |repository| {
        let tag = format!("v{}", PUSHES + 1);
        let command = if repository == BROKEN {
            fails("no database")
        } else {
            serves(&tag)
        };
        fleet.push(repository, &tag, &command)
    })?;
    send_shuffled(fleet, &fleet.pushes(|tag| tag.starts_with('v'))?)?;
    let failing = SERVICES / REPOSITORIES;
    wait_until_published(fleet, &["rolled back"], failing)?;
    fleet.wait_until_stable(|service| match fleet.repository_of(service) {
        BROKEN => newest[BROKEN].clone(),
        repository => last[repository].clone(),
    })?;
    wait_until_published(fleet, &["succeeded"], 2 * SERVICES - failing)?;

    // What was rolled back is not tried again, however often its push is heard of.
    send_shuffled(
        fleet,
        &fleet.pushes(|tag| tag == format!("v{}", PUSHES + 1))?,
    )?;
    fleet.wait_until_drained(&FUNCTIONS)?;
    stays_so(
        "each was reported once and nothing more happens",
        QUIET,
        || {
            let reported = (
                fleet.count_published(&["started"])?,
                fleet.count_published(&["succeeded"])?,
                fleet.count_published(&["rolled back"])?,
            );
            let expected = (2 * SERVICES, 2 * SERVICES - failing, failing);
            Ok(if reported == expected {
                Seen::Yes(())
            } else {
                Seen::NotYet(format!("{reported:?} instead of {expected:?}"))
            })
        },
    )?;
    each_has_had(fleet, 3)?;
    for function in FUNCTIONS {
        let letters = dead_letters(&fleet.environment, function)?;
        ensure!(
            !letters.iter().any(|letter| letter.contains("storm")),
            "the dead-letter queue of {function} holds {letters:?}"
        );
    }
    Ok(())
}

/// Checks that ECS has begun this many deployments for each service. Calls of UpdateService are not counted: the SDK
/// sends a call again when its answer is lost, and ECS then begins nothing.
fn each_has_had(fleet: &Fleet, expected: usize) -> Result<()> {
    let mut others = fleet.deployments()?;
    others.retain(|_, deployments| *deployments != expected);
    ensure!(
        others.is_empty(),
        "{expected} deployments expected for each service, and ECS has begun, by the service's number: {others:?}"
    );
    Ok(())
}

/// Waits until this many messages hold these words.
fn wait_until_published(fleet: &Fleet, words: &[&str], count: usize) -> Result<()> {
    let what = format!("{count} messages with {}", words.join(", "));
    wait_until(&what, PATIENCE, || {
        let reported = fleet.count_published(words)?;
        Ok(if reported == count {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{reported}"))
        })
    })
}

/// Sends events from several sides at once, each in an order of its own.
fn send_shuffled(fleet: &Fleet, events: &[Value]) -> Result<()> {
    let control = fleet.environment.control();
    // A step without a divisor in common with the count meets every event once, far from the one before.
    let step = (events.len() * 5 / 8..)
        .find(|step| greatest_common_divisor(*step, events.len()) == 1)
        .unwrap_or(1);
    side_by_side(SENDERS, |sender| {
        (sender..events.len())
            .step_by(SENDERS)
            .try_for_each(|place| control.send_event(&events[place * step % events.len()]))
    })
    .map(drop)
}

fn greatest_common_divisor(one: usize, other: usize) -> usize {
    if other == 0 {
        one
    } else {
        greatest_common_divisor(other, one % other)
    }
}

/// Does the same for each number below `count`, at the same time.
fn side_by_side<T: Send>(count: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..count)
            .map(|number| {
                let work = &work;
                scope.spawn(move || work(number))
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| match worker.join() {
                Ok(done) => done,
                Err(_) => anyhow::bail!("a thread panicked"),
            })
            .collect()
    })
}
