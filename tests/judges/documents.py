"""Where the judged documents are: policies that Terraform plans, and templates that stack files render."""

import functools
import json
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_SNAPSHOTS = ROOT / "shared/stack/tests/render/snapshots"
_PSEUDO_PARAMETERS = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111122223333",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}
# What a reference to a resource is in an ARN, where only its ARN's form counts.
_ARNS = {
    "AWS::EFS::AccessPoint": "arn:aws:elasticfilesystem:eu-west-1:111122223333:access-point/fsap-1",
    "AWS::EFS::FileSystem": "arn:aws:elasticfilesystem:eu-west-1:111122223333:file-system/fs-1",
    "AWS::ECS::Cluster": "arn:aws:ecs:eu-west-1:111122223333:cluster/stack",
    "AWS::ECS::TaskDefinition": "arn:aws:ecs:eu-west-1:111122223333:task-definition/stack:1",
    "AWS::IAM::Role": "arn:aws:iam::111122223333:role/longshore/stack",
    "AWS::KMS::Key": "arn:aws:kms:eu-west-1:111122223333:key/1",
    "AWS::Logs::LogGroup": "arn:aws:logs:eu-west-1:111122223333:log-group:/ecs/stack:*",
    "AWS::S3::Bucket": "arn:aws:s3:::bucket",
    "AWS::SNS::Topic": "arn:aws:sns:eu-west-1:111122223333:stack-topic",
    "AWS::SQS::Queue": "arn:aws:sqs:eu-west-1:111122223333:stack-queue",
    "AWS::SecretsManager::Secret": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:stack/service/name-123456",
}


@functools.lru_cache(maxsize=None)
def templates():
    """By stack: what every stack file of `stacks` renders, and one that says all that a stack file can say. They are
    the snapshots of the renderer's own tests, which fail when they are out of date."""
    found = {}
    for path in sorted(_SNAPSHOTS.glob("render__snapshots__*.snap")):
        text = path.read_text().split("---\n", 2)[2]
        found[path.stem.removeprefix("render__snapshots__")] = json.loads(text)
    return found


def resolved(value, resources):
    """A part of a template with its references resolved, as far as the form of an ARN asks for."""
    if isinstance(value, list):
        return [resolved(inner, resources) for inner in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (function, argument), = value.items()
        if function == "Ref":
            return _PSEUDO_PARAMETERS.get(argument) or _arn(argument, resources)
        if function == "Fn::GetAtt":
            return _arn(argument[0], resources)
        if function == "Fn::Sub":
            return re.sub(r"\$\{([^}]+)\}", lambda found: _substituted(found[1], resources), argument)
    return {key: resolved(inner, resources) for key, inner in value.items()}


def _substituted(name, resources):
    return _PSEUDO_PARAMETERS.get(name) or _arn(name.removesuffix(".Arn"), resources)


def _arn(logical_id, resources):
    return _ARNS[resources[logical_id]["Type"]]


def planned(path):
    """The resources that `terraform test -json -verbose` planned: their addresses and their values."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            # The plan brings the provider's whole schema with it.
            found = json.loads(line) if '"type":"test_plan"' in line else {}
            if found.get("type") != "test_plan":
                continue
            return [
                (change["address"], change["change"]["after"])
                for change in found["test_plan"]["resource_changes"]
                if change["change"]["after"]
            ]
    raise ValueError(f"{path} has no plan")
