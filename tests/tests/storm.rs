//! A storm: a thousand events of pushes to the repositories of fifty services, each delivered twice, in no order and
//! side by side. Each service gets each newest image by one deployment.

use anyhow::{Result, ensure};
use longshore_local::scene::{fails, serves};
use longshore_local::wait::{Seen, stays_so};
use longshore_tests::{Fleet, QUIET, check_no_dead_letter, side_by_side, wait_until_drained};

const SERVICES: usize = 50;
const REPOSITORIES: usize = 10;
/// How many images are pushed to each repository.
const PUSHES: usize = 50;
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
    let drained = wait_until_drained(&fleet.environment, &FUNCTIONS);
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
    fleet.send_shuffled(&events)?;
    fleet.wait_until_stable(|service| newest[fleet.repository_of(service)].clone())?;
    fleet.wait_until_published(&["succeeded"], SERVICES)?;
    // The one that made the service, and one of the newest image.
    fleet.check_deployments(2)?;

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
    fleet.send_shuffled(&fleet.pushes(|tag| tag.starts_with('v'))?)?;
    let failing = SERVICES / REPOSITORIES;
    fleet.wait_until_published(&["rolled back"], failing)?;
    fleet.wait_until_stable(|service| match fleet.repository_of(service) {
        BROKEN => newest[BROKEN].clone(),
        repository => last[repository].clone(),
    })?;
    fleet.wait_until_published(&["succeeded"], 2 * SERVICES - failing)?;

    // What was rolled back is not tried again, however often its push is heard of.
    fleet.send_shuffled(&fleet.pushes(|tag| tag == format!("v{}", PUSHES + 1))?)?;
    wait_until_drained(&fleet.environment, &FUNCTIONS)?;
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
    fleet.check_deployments(3)?;
    for function in FUNCTIONS {
        check_no_dead_letter(&fleet.environment, function, "storm")?;
    }
    Ok(())
}
