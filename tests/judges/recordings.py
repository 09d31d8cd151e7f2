"""What recordings of requests and answers show: what was judged, and the faults."""

import collections
import json
import re

import documents
import models
import wire

# Who asks; a few calls of Longshore's are signed without the SDK and name nobody. Of people's tests, which arrange and
# look, nothing is judged.
_PRODUCT = ("aws-sdk-rust/", "longshore/")
_OTHERS = {"APN/": "Terraform", "Botocore/": "CloudFormation"}
# How a subject ends that is an answer; the others are requests.
_ANSWER = ", answer"

# https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonErrors.html and its like of every service.
_COMMON_ERRORS = {
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "InternalError",
    "InternalFailure", "InvalidClientTokenId", "MissingAction", "RequestExpired", "ServiceUnavailable",
    "SignatureDoesNotMatch", "Throttling", "ThrottlingException", "UnrecognizedClientException", "ValidationError",
    "ValidationException",
}
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, those that are answered here; a HEAD has none.
_OF_S3 = {
    "", "BadDigest", "BucketNotEmpty", "ConditionalRequestConflict", "EntityTooLarge", "EntityTooSmall",
    "InvalidArgument", "InvalidPart", "InvalidPartOrder", "InvalidRange", "InvalidRequest", "MalformedXML",
    "MethodNotAllowed", "NoSuchTagSet", "NotModified", "PreconditionFailed", "SlowDown", "XAmzContentSHA256Mismatch",
}
# What `shared/aws` calls, by the names that requests are signed for.
_SERVICES = (
    "application-autoscaling", "cloudformation", "ec2", "ecr", "ecs", "elasticfilesystem", "events", "logs", "s3",
    "secretsmanager",
)


# What the secrets of tests have in them (`emulator/canaries.py`).
_MARK = "longshore-canary"
# The parameter of a stack, which CloudFormation shows to nobody.
_PARAMETER = re.compile(r"Parameters\.member\.\d+\.ParameterValue")


class Findings:
    """Faults with how often each was found: by subject, which is an operation, and what is wrong there."""

    def __init__(self):
        self.requests = collections.Counter()
        self.answers = 0
        self.refusals = 0
        self.operations = set()
        self.faults = collections.Counter()
        self.examples = {}

    def add(self, subject, finding, example=""):
        self.faults[subject, finding] += 1
        self.examples.setdefault((subject, finding), example)

    def faults_of_requests(self):
        return [fault for fault in self._faults() if not fault[0].endswith(_ANSWER)]

    def faults_of_answers(self):
        return [fault for fault in self._faults() if fault[0].endswith(_ANSWER)]

    def _faults(self):
        for (subject, finding), count in sorted(self.faults.items()):
            example = self.examples[subject, finding]
            yield subject, finding, f"({count} times{', such as ' + example if example else ''})"


def judge(paths):
    """Judges every line of some recordings."""
    found = Findings()
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                _judge_line(json.loads(line), found)
    return found


def _judge_line(line, found):
    if wire.signed_for(line) is None:
        return
    user_agent = line["headers"].get("user-agent", "")
    is_of_product = not user_agent or user_agent.startswith(_PRODUCT)
    others = (name for start, name in _OTHERS.items() if user_agent.startswith(start))
    who = "Longshore" if is_of_product else next(others, None)
    if who is None:
        return
    try:
        call = wire.Call(line)
        parameters = call.parameters()
    except wire.Unreadable as error:
        found.add(f"request of {who}", str(error))
        return
    found.requests[who] += 1
    if is_of_product:
        found.operations.add(call.operation)
    if _tells_a_secret(call):
        found.add(f"{call.name}, request of {who}", "or its answer holds a secret")
    _compare(found, f"{call.name}, request of {who}", call, call.model.input_of(call.operation), parameters)
    if is_of_product and line.get("status") is not None:
        _judge_answer(call, found)


def _tells_a_secret(call):
    line = call.line
    if call.model.name == "secretsmanager" or (call.model.name == "s3" and "/stacks/" in line["path"]):
        return False
    sent = [text for name, text in call.form.items() if not _PARAMETER.fullmatch(name)] or [line["body"]]
    return any(_MARK in (text or "") for text in (*sent, line["query"], line.get("answer")))


def _judge_answer(call, found):
    subject = call.name + _ANSWER
    if call.is_refused:
        found.refusals += 1
        code = call.error_code()
        if code not in _COMMON_ERRORS | call.model.errors | (_OF_S3 if call.model.name == "s3" else set()):
            found.add(subject, f"{code or 'no code'} is not an error of the service")
        return
    # What is long or no text is a file, whose answer has its members in headers that were read already.
    call.unknown = []
    try:
        answer = call.answer()
    except wire.Unreadable as error:
        found.add(subject, str(error))
        return
    found.answers += 1
    _compare(found, subject, call, call.model.output_of(call.operation), answer, is_answer=True)


def _compare(found, subject, call, shape, value, *, is_answer=False):
    for name in call.unknown:
        found.add(subject, f"{name} is not a member")
    if not shape:
        return
    for path, wrong in models.faults(call.model, shape, value, is_answer=is_answer):
        example = ""
        if wrong.startswith("does not match"):
            # One finding, whatever value it was.
            wrong, _, example = wrong.rpartition(": ")
        found.add(subject, f"{path.lstrip('.')} {wrong}", example)


def never_recorded(operations):
    """Operations that `shared/aws` calls, and that no recording has: by methods of the SDK's clients, and by name."""
    known = {}
    for service in _SERVICES:
        for operation in models.of_signing_name(service).operations:
            known[operation] = known[_snake_case(operation)] = operation
    called = set()
    for path in (documents.ROOT / "shared/aws/src").rglob("*.rs"):
        source = path.read_text(encoding="utf-8")
        called.update(re.findall(r"\.\s*([a-z][a-z0-9_]+)\(\)", source))
        called.update(re.findall(r'"(?:\w+\.)?([A-Z][A-Za-z0-9]+)"', source))
    return sorted({known[name] for name in called & known.keys()} - operations)


def _snake_case(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
