//! Stories that the engine lives through, and what must hold at their end.

use longshore_events::ecs::{DeploymentEventName, DeploymentStateChange};
use longshore_policy::route::Subscriber;
use longshore_rollout::course::watch::deployment_changed;
use longshore_rollout::triggers::push::deploy_push;
use longshore_testkit::{FakeCloud, digest, noon, subscriber, worker};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::world::World;
use crate::world::step::{Simulation, delay, simulation};

async fn live(simulation: Simulation) {
    let mut world = World::new(
        simulation.subscribers,
        &simulation.broken,
        &simulation.unmigratable,
    );
    if !simulation.keeps_accounts {
        world.cloud.keep_no_accounts();
    }
    world.cloud.set_tags_a_call(simulation.tags_a_call);
    for (seconds, step) in simulation.steps {
        Box::pin(world.take(seconds, step)).await;
    }
    Box::pin(world.come_to_rest(simulation.is_mail_lost)).await;
    world.check().await;
}

fn block_on(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(Box::pin(future));
}

/// ECS reports again and again that what it works towards began; what it reports may not be known yet.
async fn hear_of_what_begins(cloud: &FakeCloud, api: &Subscriber) {
    for number in 0..6 {
        let change = DeploymentStateChange {
            event_name: DeploymentEventName::InProgress,
            deployment_id: cloud.primary_id(api),
            updated_at: noon(6),
            reason: String::new(),
        };
        let watch = worker(&format!("watch-{number}"), 6);
        let _ = deployment_changed(cloud, &api.service_name(), &change, &watch).await;
    }
}

/// Two pushes are heard of at once while an older one is rolled out.
async fn race(delays: &[u8]) {
    let api = subscriber("api");
    let cloud = FakeCloud::with_services(std::slice::from_ref(&api));
    let event = |number: i64, digit| cloud.push(&format!("v{number}"), digest(digit), noon(number));
    let first = deploy_push(&cloud, &event(2, '2'), &worker("first", 2))
        .await
        .unwrap();
    assert!(first.iter().all(Result::is_ok), "{first:?}");
    let (older, newer) = (event(3, '3'), event(4, '4'));
    cloud.set_delays(delays);
    let results = futures_util::future::join3(
        deploy_push(&cloud, &older, &worker("older", 5)),
        deploy_push(&cloud, &newer, &worker("newer", 5)),
        hear_of_what_begins(&cloud, &api),
    )
    .await;
    let (older, newer) = (results.0.unwrap().remove(0), results.1.unwrap().remove(0));
    assert!(older.is_ok() && newer.is_ok(), "{older:?} {newer:?}");

    let record = cloud.record(&api).unwrap();
    assert!(record.outbox.is_empty(), "{record:#?}");
    assert!(
        cloud
            .running_image(&api)
            .unwrap()
            .ends_with(digest('4').as_str())
    );
    let published = cloud.published();
    for (index, event) in published.iter().enumerate() {
        assert!(
            !published[..index].contains(event),
            "published twice: {event:#?}"
        );
    }
}

/// A failing simulation is kept beside this file and tried again first; see CONTRIBUTING.md.
fn configuration(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: std::env::var_os("PROPTEST_CASES").map_or(cases, |_| default.cases),
        max_shrink_iters: 4_000,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..default
    }
}

proptest! {
    #![proptest_config(configuration(3_000))]

    #[test]
    fn whatever_happens_every_service_ends_with_what_its_policy_names(simulation in simulation(false)) {
        block_on(live(simulation));
    }
}

proptest! {
    #![proptest_config(configuration(2_000))]

    #[test]
    fn where_nothing_fails_everything_is_published_once(simulation in simulation(true)) {
        block_on(live(simulation));
    }

    #[test]
    fn whoever_loses_a_race_leaves_nothing_unpublished_and_publishes_nothing_twice(
        delays in prop::collection::vec(delay(), 60)
    ) {
        block_on(race(&delays));
    }
}
