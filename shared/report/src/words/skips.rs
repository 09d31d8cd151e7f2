//! Why a deployment was not started.

use longshore_events::longshore::SkipReason;

/// Why nothing was done, and how to have it done all the same, where that is possible.
pub fn skipped(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::AlreadyRunning => "the service already runs this image",
        SkipReason::AlreadyDeploying => "this image is already being deployed",
        SkipReason::NewerRequested => "a newer request came first",
        SkipReason::FailedBefore => {
            "this image failed on the service before, or somebody rolled it back; to deploy it all the same, ask for it with a \
             release file, a payload or the command line"
        }
        SkipReason::ArchitectureMissing => {
            "the image does not support the service's processor architecture"
        }
        SkipReason::ApprovalExpired => {
            "nobody approved it in time; to deploy it all the same, ask for it with a release file, a payload or the \
             command line"
        }
        SkipReason::Rejected => {
            "somebody rejected it; to deploy it all the same, ask for it with a release file, a payload or the command line"
        }
        SkipReason::PredecessorFailed => "this image failed on a service that must run it first",
        SkipReason::RouteRemoved => {
            "no route names the service any more; to deploy it all the same, write the route again, then ask for it \
             with a payload or the command line"
        }
        SkipReason::AnotherSelected => {
            "the image policy selects another image, which is newer or higher; to deploy it all the same, ask for it \
             with a release file, a payload or the command line"
        }
        SkipReason::TooYoung => "the image policy lets it out when it is old enough",
        SkipReason::OthersDeploying => {
            "other containers of the service are being deployed; it is decided again when that has ended"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_one_clause_and_says_what_to_do_where_that_helps() {
        let again = "to deploy it all the same, ";
        for (reason, expected, is_repeatable) in [
            (
                SkipReason::AlreadyRunning,
                "the service already runs this image",
                false,
            ),
            (
                SkipReason::AlreadyDeploying,
                "this image is already being deployed",
                false,
            ),
            (
                SkipReason::NewerRequested,
                "a newer request came first",
                false,
            ),
            (
                SkipReason::FailedBefore,
                "this image failed on the service before, or somebody rolled it back",
                true,
            ),
            (
                SkipReason::ArchitectureMissing,
                "the image does not support the service's processor architecture",
                false,
            ),
            (
                SkipReason::ApprovalExpired,
                "nobody approved it in time",
                true,
            ),
            (SkipReason::Rejected, "somebody rejected it", true),
            (
                SkipReason::PredecessorFailed,
                "this image failed on a service that must run it first",
                false,
            ),
            (
                SkipReason::RouteRemoved,
                "no route names the service any more",
                true,
            ),
            (
                SkipReason::AnotherSelected,
                "the image policy selects another image, which is newer or higher",
                true,
            ),
            (
                SkipReason::TooYoung,
                "the image policy lets it out when it is old enough",
                false,
            ),
            (
                SkipReason::OthersDeploying,
                "other containers of the service are being deployed",
                false,
            ),
        ] {
            let words = skipped(reason);
            let why = words.split("; ").next();
            assert_eq!(why, Some(expected), "{reason:?}");
            assert_eq!(words.contains(again), is_repeatable, "{reason:?}");
        }
    }
}
