//! Errors of the SDK, classified once: here.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use longshore_state::{CallError, ErrorClass};

/// Makes a [`CallError`] of an SDK error; `operation` says what was tried on which resource.
pub(crate) fn failed<E>(
    operation: impl Into<String>,
) -> impl FnOnce(SdkError<E, HttpResponse>) -> CallError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let operation = operation.into();
    move |error| {
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let code = error.code().map(str::to_owned);
        let message = match error.message() {
            Some(message) => message.to_owned(),
            None => with_causes(&error),
        };
        let class = match &error {
            SdkError::ConstructionFailure(_) => ErrorClass::Refused,
            SdkError::ServiceError(_) => classify(code.as_deref(), status, &message),
            _ => ErrorClass::Transient,
        };
        CallError {
            operation,
            class,
            code,
            message,
        }
    }
}

/// The same for a call of S3 that needs `permission`: a refusal names its status and what it mostly means. The
/// answer to HEAD has no body, and so neither a code nor words.
pub(crate) fn failed_at_s3<E>(
    operation: impl Into<String>,
    permission: &'static str,
) -> impl FnOnce(SdkError<E, HttpResponse>) -> CallError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let operation = operation.into();
    move |error| {
        let status = error
            .raw_response()
            .map(|response| response.status().as_u16());
        let is_silent = error.message().is_none();
        let call = failed(operation)(error);
        match status {
            Some(status) => explained(call, status, is_silent, permission),
            None => call,
        }
    }
}

/// Adds the status, and its most likely cause, to what a refusal says.
fn explained(call: CallError, status: u16, is_silent: bool, permission: &str) -> CallError {
    let cause = match status {
        301 | 307 => Some("most likely the bucket is in another region".to_owned()),
        400 => Some(
            "most likely the credentials have expired, or the bucket is in another region"
                .to_owned(),
        ),
        403 => Some(format!(
            "most likely the role or the bucket's policy does not allow {permission}"
        )),
        _ => None,
    };
    let message = match (is_silent, cause) {
        (true, Some(cause)) => format!("status {status}, {cause}"),
        (true, None) => format!("status {status}"),
        (false, Some(cause)) => format!("{} (status {status}, {cause})", call.message),
        (false, None) => return call,
    };
    CallError { message, ..call }
}

/// An error and what caused it, in words.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// The thing that an answer without an error does not hold.
pub(crate) fn not_found(operation: impl Into<String>, message: impl Into<String>) -> CallError {
    CallError {
        operation: operation.into(),
        class: ErrorClass::NotFound,
        code: None,
        message: message.into(),
    }
}

/// An answer that does not have the shape that the API documents.
pub(crate) fn unreadable(operation: impl Into<String>, message: impl Into<String>) -> CallError {
    CallError {
        operation: operation.into(),
        class: ErrorClass::Transient,
        code: None,
        message: message.into(),
    }
}

/// Refusals that are over a little later: two registrations of one family at once, and a role that IAM made a moment
/// ago. ECS has one code, `ClientException`, for these and for all that is wrong with a request.
const PASSING: [&str; 2] = [
    "Too many concurrent attempts to create a new revision",
    "was unable to assume the role",
];

/// What can be done about an error that a service answered with.
pub(crate) fn classify(code: Option<&str>, status: Option<u16>, message: &str) -> ErrorClass {
    match code.unwrap_or_default() {
        // S3's conditional writes: 412 for a lost race, 409 for one that is still being run.
        "PreconditionFailed" | "ConditionalRequestConflict" => ErrorClass::LostRace,
        // The answer to HEAD has no body: the SDK makes this code of its status.
        "NotFound"
        | "NoSuchKey"
        | "NoSuchVersion"
        | "FileSystemNotFound"
        | "NamespaceNotFound"
        // IAM's word, and the two of SQS: of its protocol in JSON, and of the older one.
        | "NoSuchEntity"
        | "QueueDoesNotExist"
        | "AWS.SimpleQueueService.NonExistentQueue"
        | "ImageNotFoundException"
        | "RepositoryNotFoundException"
        | "ServiceNotFoundException"
        | "ServiceNotActiveException"
        | "ClusterNotFoundException"
        | "ResourceNotFoundException" => ErrorClass::NotFound,
        // EC2 has a code of its own for each kind of thing that is not there.
        code if code.ends_with(".NotFound") => ErrorClass::NotFound,
        "AccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        // Who asks is not known, or the clock is wrong: that says nothing of the thing that is asked for.
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "RequestExpired"
        | "SignatureDoesNotMatch"
        | "UnrecognizedClientException" => ErrorClass::Denied,
        // ECS answers some refusals of IAM, such as of iam:PassRole, with a code of its own.
        _ if message.contains("is not authorized to perform") => ErrorClass::Denied,
        // S3 answers a copy, and the end of parts, with 200 before it knows: what went wrong is in the body
        // (Amazon S3 API Reference, "CopyObject" and "CompleteMultipartUpload").
        "InternalError"
        | "ServiceUnavailable"
        | "OperationAborted"
        | "OperationAbortedException"
        | "IncorrectFileSystemLifeCycleState"
        | "SlowDown"
        | "RequestLimitExceeded"
        | "RequestTimeout"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "UpdateInProgressException" => ErrorClass::Transient,
        _ if PASSING.iter().any(|words| message.contains(words)) => ErrorClass::Transient,
        code if code.contains("Throttl") || code.contains("TooManyRequests") => {
            ErrorClass::Transient
        }
        _ => match status {
            // An error under a status of success is one of the service, not of the request.
            Some(200..=299 | 429 | 500..) | None => ErrorClass::Transient,
            Some(403) => ErrorClass::Denied,
            Some(412 | 409) => ErrorClass::LostRace,
            Some(_) => ErrorClass::Refused,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_s3_names_its_status_and_its_most_likely_cause() {
        let call = |message: &str| CallError {
            operation: "look at s3://mirror/a.tar.gz".to_owned(),
            class: ErrorClass::Denied,
            code: None,
            message: message.to_owned(),
        };
        let message = |status, is_silent| {
            explained(call("Access Denied"), status, is_silent, "s3:PutObject").to_string()
        };
        assert_eq!(
            message(403, true),
            "look at s3://mirror/a.tar.gz: status 403, most likely the role or the bucket's policy does not \
             allow s3:PutObject"
        );
        assert_eq!(
            message(403, false),
            "look at s3://mirror/a.tar.gz: Access Denied (status 403, most likely the role or the bucket's \
             policy does not allow s3:PutObject)"
        );
        assert!(
            message(301, true).ends_with("status 301, most likely the bucket is in another region")
        );
        assert!(
            message(400, true).contains("status 400, most likely the credentials have expired")
        );
        assert!(message(503, false).ends_with("Access Denied"));
        assert!(message(503, true).ends_with("status 503"));
    }

    #[test]
    fn each_code_says_what_can_be_done_about_it() {
        let cases = [
            (
                Some("PreconditionFailed"),
                Some(412),
                "",
                ErrorClass::LostRace,
            ),
            (
                Some("ConditionalRequestConflict"),
                Some(409),
                "",
                ErrorClass::LostRace,
            ),
            (Some("NoSuchKey"), Some(404), "", ErrorClass::NotFound),
            (Some("NotFound"), Some(404), "", ErrorClass::NotFound),
            (
                Some("FileSystemNotFound"),
                Some(404),
                "",
                ErrorClass::NotFound,
            ),
            (Some("NoSuchBucket"), Some(404), "", ErrorClass::Refused),
            (
                Some("ImageNotFoundException"),
                Some(400),
                "",
                ErrorClass::NotFound,
            ),
            (
                Some("AccessDeniedException"),
                Some(400),
                "",
                ErrorClass::Denied,
            ),
            (Some("AccessDenied"), Some(403), "", ErrorClass::Denied),
            (
                Some("InvalidSignatureException"),
                Some(400),
                "Signature expired",
                ErrorClass::Denied,
            ),
            (
                Some("ClientException"),
                Some(400),
                "User: x is not authorized to perform: iam:PassRole",
                ErrorClass::Denied,
            ),
            (
                Some("ClientException"),
                Some(400),
                "no such family",
                ErrorClass::Refused,
            ),
            (
                Some("ClientException"),
                Some(400),
                "Too many concurrent attempts to create a new revision of the specified family.",
                ErrorClass::Transient,
            ),
            (
                Some("ClientException"),
                Some(400),
                "ECS was unable to assume the role that was provided for this task.",
                ErrorClass::Transient,
            ),
            (
                Some("IncorrectFileSystemLifeCycleState"),
                Some(409),
                "",
                ErrorClass::Transient,
            ),
            (
                Some("ThrottlingException"),
                Some(400),
                "",
                ErrorClass::Transient,
            ),
            (
                Some("TooManyRequestsException"),
                Some(429),
                "",
                ErrorClass::Transient,
            ),
            (
                Some("ServerException"),
                Some(500),
                "",
                ErrorClass::Transient,
            ),
            (None, Some(503), "", ErrorClass::Transient),
            (None, None, "", ErrorClass::Transient),
            // CopyObject's 200 with an error inside.
            (Some("InternalError"), Some(200), "", ErrorClass::Transient),
            (
                Some("ServiceUnavailable"),
                Some(200),
                "",
                ErrorClass::Transient,
            ),
            (Some("Whatever"), Some(200), "", ErrorClass::Transient),
            (None, Some(301), "", ErrorClass::Refused),
        ];
        for (code, status, message, expected) in cases {
            assert_eq!(
                classify(code, status, message),
                expected,
                "{code:?} {status:?}"
            );
        }
    }
}
