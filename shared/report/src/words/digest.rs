//! What came of the deployments of some days.

use chrono::{DateTime, TimeDelta, Utc};
use longshore_events::longshore::{DeploymentFigures, DeploymentsDigest, ServiceOfStack, Times};
use longshore_events::words::{counted, number};

use super::amounts::{duration, share};

/// How many services are named.
const SERVICES: usize = 5;

/// A figure of a period, and of the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    pub name: &'static str,
    pub now: String,
    pub before: String,
}

/// "7 days", "36 h 0 min": how long a digest's period is.
pub fn length(digest: &DeploymentsDigest) -> String {
    let length = digest.until - digest.since;
    let days = length.num_days();
    match days > 0 && TimeDelta::try_days(days) == Some(length) {
        true => counted(days, "day"),
        false => duration(digest.since, digest.until),
    }
}

/// The figures of a digest, each beside that of the period before. `name` writes names.
pub fn digest_lines(digest: &DeploymentsDigest, name: impl Fn(&str) -> String) -> Vec<Compared> {
    let DeploymentsDigest {
        figures, before, ..
    } = digest;
    let compared = |what, in_words: &dyn Fn(&DeploymentFigures) -> String| Compared {
        name: what,
        now: in_words(figures),
        before: in_words(before),
    };
    let mut lines = vec![compared("Deployments", &deployments)];
    // Of nothing there is nothing to compare.
    if figures.deployments() > 0 {
        lines.push(compared("Succeeded", &success_rate));
        lines.push(compared("From push to stable", &|figures| {
            times(figures.lead_time.as_ref(), "no push succeeded", &name)
        }));
        lines.push(compared("Rollbacks", &rollbacks));
        lines.push(compared("Time to restore", &|figures| {
            let nothing = match figures.all_failed().max(figures.not_restored) {
                0 => "nothing failed",
                _ => "nothing was restored",
            };
            times(figures.time_to_restore.as_ref(), nothing, &name)
        }));
    }
    if figures.not_restored.max(before.not_restored) > 0 {
        lines.push(compared(
            "Not restored at the end",
            &|figures| match figures.not_restored {
                0 => "none".to_owned(),
                count => counted(count, "service"),
            },
        ));
    }
    lines
}

/// "No deployment ended in these 7 days.", where that is so.
pub fn none_ended(digest: &DeploymentsDigest) -> Option<String> {
    let is_none = digest.figures.deployments() == 0;
    is_none.then(|| {
        let superseded = match digest.figures.superseded {
            0 => "",
            _ => " otherwise than by another one that took its place",
        };
        let these = match length(digest) {
            length if length.ends_with("days") => format!("these {length}"),
            length => format!("this period of {length}"),
        };
        format!("No deployment ended in {these}{superseded}.")
    })
}

/// "shop/api 2 of 9, shop/web 1 of 4": the services whose deployments failed most often.
pub fn failed_most(digest: &DeploymentsDigest, name: impl Fn(&str) -> String) -> Option<String> {
    let services = digest.failed_most.iter().take(SERVICES).map(|service| {
        let of = name(&format!("{}/{}", service.stack, service.service));
        format!(
            "{of} {} of {}",
            number(service.failed.into()),
            number(service.deployments.into())
        )
    });
    let services: Vec<String> = services.collect();
    (!services.is_empty()).then(|| services.join(", "))
}

/// That not every deployment was counted.
pub fn counted_in_part(digest: &DeploymentsDigest) -> Option<String> {
    (digest.counted_in_part > 0).then(|| {
        format!(
            "Not every deployment of {} was counted: there are more than are read at once, or a document is damaged. \
             Give fewer days, or ask longshore doctor.",
            counted(digest.counted_in_part, "service")
        )
    })
}

fn deployments(figures: &DeploymentFigures) -> String {
    let superseded = match figures.superseded {
        0 => String::new(),
        count => format!(", and {} superseded", number(count.into())),
    };
    match figures.deployments() {
        0 => format!("none{superseded}"),
        count => format!(
            "{} to {}{superseded}",
            number(count.into()),
            counted(figures.services, "service")
        ),
    }
}

fn success_rate(figures: &DeploymentFigures) -> String {
    let all = figures.deployments();
    if all == 0 {
        return "-".to_owned();
    }
    format!(
        "{} ({} of {})",
        share(figures.succeeded.into(), all.into()),
        number(figures.succeeded.into()),
        number(all.into())
    )
}

fn rollbacks(figures: &DeploymentFigures) -> String {
    let of = |count: u32, who: &str| (count > 0).then(|| format!("{} {who}", number(count.into())));
    let rollbacks = [
        of(figures.rolled_back, "by ECS"),
        of(figures.rollbacks_asked_for, "asked for"),
    ];
    let rollbacks: Vec<String> = rollbacks.into_iter().flatten().collect();
    match rollbacks.is_empty() {
        true => "none".to_owned(),
        false => rollbacks.join(", "),
    }
}

fn times(times: Option<&Times>, nothing: &str, name: impl Fn(&str) -> String) -> String {
    let Some(Times {
        count,
        median_seconds,
        longest_seconds,
        longest_of: ServiceOfStack { stack, service },
    }) = times
    else {
        return nothing.to_owned();
    };
    let longest = format!(
        "{} ({})",
        seconds(*longest_seconds),
        name(&format!("{stack}/{service}"))
    );
    match count {
        1 => longest,
        _ => format!(
            "half within {}, all within {longest}",
            seconds(*median_seconds)
        ),
    }
}

fn seconds(seconds: u64) -> String {
    let start = DateTime::<Utc>::UNIX_EPOCH;
    let length = i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds);
    let end = length.and_then(|length| start.checked_add_signed(length));
    duration(start, end.unwrap_or(DateTime::<Utc>::MAX_UTC))
}
