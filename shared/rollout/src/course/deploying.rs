//! From the claim to an updated service.

use futures_util::future::try_join;
use longshore_state::{CallError, ErrorClass, Version, change, unless_lost};
use serde_json::Value;

use super::outcome::WatchOutcome;
use super::task;
use crate::documents::{RecordKey, RecordStore, StackRecordStore};
use crate::engine::{Engine, Outcome, Shown, Stop, Written};
use crate::outbox::flush;
use crate::ports::Cloud;
use crate::record::{Deployment, Record, Running, State};

impl<C: Cloud> Engine<'_, C> {
    /// Takes up the record's own deployment.
    pub(crate) async fn resume(&self, written: &Written, shown: &Shown) -> Result<Outcome, Stop> {
        match written.last() {
            Some(last) => {
                let resumed = last.resumed(self.worker);
                self.take(written, shown, resumed, |_| ()).await
            }
            None => Ok(Outcome::Nothing),
        }
    }

    /// Claims the record for `deployment` and executes it. What the record is to say besides, `change` puts into the
    /// same write.
    pub(crate) async fn take(
        &self,
        written: &Written,
        shown: &Shown,
        deployment: Deployment,
        change: impl FnOnce(&mut Record),
    ) -> Result<Outcome, Stop> {
        // Made before the claim: what cannot be deployed is refused with nothing changed.
        let revision = shown.task_definition.next_revision_of(&deployment)?;
        let raced = written
            .last()
            .filter(|last| last.state == State::Claimed && last.id != deployment.id)
            .map(|last| last.id.clone());
        let (record, version) = self.claim(written, deployment, change).await?;
        // On the heap, as the other long ways are: what an invocation may come to do is large for a stack.
        Box::pin(self.carry_out(record, version, &shown.running, &revision, raced.as_deref())).await
    }

    /// Executes the deployment that has just been claimed, or was resumed: `revision` is what to
    /// register for it, made from what is `running`, and `raced` a deployment whose claim it took over.
    pub(crate) async fn carry_out(
        &self,
        mut record: Record,
        version: Version,
        running: &Running,
        revision: &Value,
        raced: Option<&str>,
    ) -> Result<Outcome, Stop> {
        if record.deployment.must_prepare() {
            return self.prepare(record, version, revision).await;
        }
        let is_updated = running.deployment_id.as_deref() == Some(record.deployment.id.as_str());
        let updated = match (is_updated, &running.ecs_deployment_id) {
            (true, Some(ecs_deployment_id)) => {
                Ok((running.task_definition.clone(), ecs_deployment_id.clone()))
            }
            _ => {
                let mut registered = record.deployment.task_definition.clone();
                let previous = &record.deployment.previous_task_definition;
                if *previous != running.task_definition {
                    // While its tasks ran or its stack changed, the service was changed past this deployment. What a
                    // revision made before that would restore is not what anybody asked for.
                    record.replaces(running);
                    registered = None;
                }
                match self.update(registered, revision).await {
                    Ok(None) => return self.leave_to_stack(record, version).await,
                    Ok(Some(updated)) => Ok(updated),
                    Err(error) => Err(error),
                }
            }
        };
        let (task_definition, ecs_deployment_id) = match updated {
            Ok(updated) => updated,
            Err(error) => return self.give_up(record, version, error).await,
        };
        let deployment_id = record.deployment.id.clone();
        self.write_started(record, version, &task_definition, &ecs_deployment_id)
            .await?;
        if let Some(raced) = raced {
            self.restore(raced).await?;
        }
        Ok(Outcome::Started {
            deployment_id,
            task_definition,
        })
    }

    /// Registers the revision that the tasks before the update run with, writes that down, and starts the
    /// first of them. The service is not touched.
    async fn prepare(
        &self,
        record: Record,
        version: Version,
        revision: &Value,
    ) -> Result<Outcome, Stop> {
        let ours = record.deployment.number;
        let task_definition = match record.deployment.task_definition.clone() {
            Some(task_definition) => task_definition,
            None => match self.cloud.register_task_definition(revision).await {
                Ok(task_definition) => task_definition,
                Err(error) => return self.give_up(record, version, error).await,
            },
        };
        let started = Outcome::Started {
            deployment_id: record.deployment.id.clone(),
            task_definition: task_definition.clone(),
        };
        let is_ours = |record: &Record| record.deployment.number == ours;
        let prepared = change(
            self.cloud,
            &RecordKey(&self.service_id),
            (record, version),
            |record| {
                if is_ours(record) && record.deployment.state == State::Claimed {
                    record.preparing(&task_definition, self.worker);
                }
            },
        )
        .await?;
        // Where another deployment has taken its place, nothing was done yet.
        if prepared.is_some_and(|(record, _)| is_ours(&record))
            && task::begin(self.cloud, &self.service_id, self.worker).await? == WatchOutcome::Failed
            && let Some((current, _)) = self.cloud.load(&self.service_id).await?
            && let Some(reason) = current.deployment.reason.clone()
        {
            return Ok(Outcome::Failed { reason });
        }
        Ok(started)
    }

    /// Points the service at the revision `registered` for the deployment, or registers `revision` first. `None` where
    /// its stack began to change after the service was looked at: the revision would take back what CloudFormation is
    /// about to deploy.
    async fn update(
        &self,
        registered: Option<String>,
        revision: &Value,
    ) -> Result<Option<(String, String)>, CallError> {
        let register = async {
            match registered {
                Some(task_definition) => Ok(task_definition),
                None => self.cloud.register_task_definition(revision).await,
            }
        };
        let (task_definition, stack) =
            try_join(register, self.cloud.load_stack(&self.service_id.stack)).await?;
        if stack.is_some_and(|(stack, _)| stack.operation.is_changing()) {
            return Ok(None);
        }
        let first_tasks = self.first_tasks().await?;
        let ecs_deployment_id = self
            .cloud
            .update_service(
                &self.subscriber.service_name(),
                &task_definition,
                first_tasks,
            )
            .await?;
        Ok(Some((task_definition, ecs_deployment_id)))
    }

    /// How many tasks the service is to get, where it has none because it waits for its first image.
    async fn first_tasks(&self) -> Result<Option<u32>, CallError> {
        let Some(first_tasks) = self.subscriber.rollout.first_tasks else {
            return Ok(None);
        };
        let service = self
            .cloud
            .describe_service(&self.subscriber.service_name())
            .await?;
        // Whatever somebody has set since stays.
        Ok((service.desired_count == 0).then_some(first_tasks))
    }

    /// Gives the claim back: whoever reconciles the stack when its change has ended resumes it, from what runs then.
    async fn leave_to_stack(&self, mut record: Record, version: Version) -> Result<Outcome, Stop> {
        record.free_claim(self.worker);
        unless_lost(self.cloud.save(&record, Some(&version)).await)?;
        Ok(Outcome::Pending)
    }

    /// Writes that the service was updated. `watch` may have been woken by ECS meanwhile and have
    /// written it already; another deployment may have been claimed over ours.
    async fn write_started(
        &self,
        record: Record,
        version: Version,
        task_definition: &str,
        ecs_deployment_id: &str,
    ) -> Result<(), CallError> {
        let ours = record.deployment.id.clone();
        let worker = self.worker;
        let written = change(
            self.cloud,
            &RecordKey(&self.service_id),
            (record, version),
            |record| {
                let deployment = &record.deployment;
                if deployment.id == ours && deployment.state == State::Claimed {
                    record.started(task_definition, ecs_deployment_id, worker.now, worker);
                }
            },
        )
        .await?;
        let Some((record, version)) = written else {
            return Ok(());
        };
        let is_ours = record.deployment.id == ours;
        flush(self.cloud, record, version, worker).await?;
        if !is_ours {
            self.restore(&ours).await?;
        }
        Ok(())
    }

    /// Two invocations claimed one after the other, and nobody knows whose UpdateService came last.
    /// When the superseded deployment's did, the service is pointed again at what the record says.
    async fn restore(&self, superseded: &str) -> Result<(), CallError> {
        let Some((mut record, version)) = self.cloud.load(&self.service_id).await? else {
            return Ok(());
        };
        let is_deploying = record.deployment.state == State::Deploying;
        let task_definition = match (record.deployment.state, &record.deployment.task_definition) {
            (State::Deploying, Some(task_definition)) => task_definition.clone(),
            // Its tasks still run: until they have ended, the service runs what it ran.
            (State::Preparing, _) => record.deployment.previous_task_definition.clone(),
            // Its own invocation has not updated the service yet, or it is over.
            _ => return Ok(()),
        };
        let service_name = self.subscriber.service_name();
        let service = self.cloud.describe_service(&service_name).await?;
        if service.task_definition == task_definition {
            return Ok(());
        }
        let shown = self
            .cloud
            .describe_task_definition(&service.task_definition)
            .await?;
        if shown.deployment_id() != Some(superseded) {
            return Ok(());
        }
        let ecs_deployment_id = self
            .cloud
            .update_service(&service_name, &task_definition, None)
            .await?;
        if !is_deploying {
            return Ok(());
        }
        record.pointed_again(&ecs_deployment_id);
        // Whoever wrote first sees the new id in ECS as soon as it looks.
        unless_lost(self.cloud.save(&record, Some(&version)).await).map(drop)
    }

    /// Closes what ECS refused; frees what may work later.
    async fn give_up(
        &self,
        mut record: Record,
        version: Version,
        error: CallError,
    ) -> Result<Outcome, Stop> {
        if matches!(error.class, ErrorClass::Refused | ErrorClass::NotFound) {
            let reason = error.to_string();
            record.failed(&reason, false, self.worker);
            let version = self.cloud.save(&record, Some(&version)).await?;
            flush(self.cloud, record, version, self.worker).await?;
            return Ok(Outcome::Failed { reason });
        }
        record.free_claim(self.worker);
        if let Err(lease_error) = self.cloud.save(&record, Some(&version)).await {
            tracing::warn!(
                stack = self.service_id.stack,
                service = self.service_id.service,
                error = %lease_error,
                "the claim could not be freed and ends by itself"
            );
        }
        Err(Stop::Call(error))
    }
}
