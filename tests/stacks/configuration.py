"""Terraform on the local cloud, as somebody who may do what the module's README asks for and nothing else."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from cloud import CLOUD

_ROOT = Path(__file__).resolve().parents[2]
_PROVIDER = Path("registry.terraform.io/hashicorp/aws")
_MIRROR_DEPTH = 3


@cache
def _mirror():
    """A folder of this machine that mirrors the provider, if there is one; else Terraform asks the public registry."""

    def find(folder, depth):
        if (folder / _PROVIDER).is_dir():
            return folder
        if depth == 0:
            return None
        try:
            inside = sorted(
                Path(one.path) for one in os.scandir(folder) if one.is_dir(follow_symlinks=False)
            )
        except OSError:
            return None
        system = {Path("/proc"), Path("/sys"), Path("/dev"), Path("/run")}
        found = (find(one, depth - 1) for one in inside if one not in system)
        return next(filter(None, found), None)

    return find(Path("/"), _MIRROR_DEPTH)


def _statement(actions, resource):
    return {"Effect": "Allow", "Action": actions, "Resource": resource}


def _what_the_module_needs(stack):
    """The sections "What Terraform needs to be allowed" of the READMEs of stack and of stellar-insights."""
    prefix = f"{CLOUD.region}:{CLOUD.account}"
    return [
        _statement(
            "lambda:InvokeFunction",
            f"arn:aws:lambda:{prefix}:function:{CLOUD.functions['provision']}",
        ),
        _statement(
            [
                "cloudformation:CreateStack",
                "cloudformation:UpdateStack",
                "cloudformation:DeleteStack",
                "cloudformation:DescribeStacks",
                "cloudformation:DescribeStackEvents",
                "cloudformation:GetTemplate",
                "cloudformation:TagResource",
                "cloudformation:UntagResource",
            ],
            f"arn:aws:cloudformation:{prefix}:stack/{stack}/*",
        ),
        _statement("iam:PassRole", CLOUD.settings["CLOUDFORMATION_ROLE_ARN"]),
        _statement("s3:GetObject", f"arn:aws:s3:::{CLOUD.bucket}/templates/*"),
        _statement(
            [
                "secretsmanager:CreateSecret",
                "secretsmanager:DeleteSecret",
                "secretsmanager:DescribeSecret",
                "secretsmanager:GetResourcePolicy",
                "secretsmanager:PutSecretValue",
                "secretsmanager:GetSecretValue",
            ],
            f"arn:aws:secretsmanager:{prefix}:secret:{stack}/*",
        ),
        _statement("ec2:DescribeSubnets", "*"),
    ]


class Configuration:
    """One of `tests/stacks/terraform`, which makes one stack. All that Terraform writes is in the cloud's directory."""

    def __init__(self, name, stack, variables, rest=()):
        """`rest` are the statements of what the configuration holds besides the module."""
        copy = CLOUD.directory / "stacks" / stack
        shutil.rmtree(copy, ignore_errors=True)
        # Terraform writes beside the configuration, so it works on a copy, from which the modules are where they are
        # from the original.
        tests = copy / "tests/stacks/terraform"
        shutil.copytree(_ROOT / "tests/stacks/terraform", tests)
        (copy / "infra").symlink_to(_ROOT / "infra")
        self._folder = tests / name
        self._environment = self._environment_of(stack, rest)
        self.set(**variables)
        arguments = [] if _mirror() is None else [f"-plugin-dir={_mirror()}"]
        self._run("init", *arguments)

    def _environment_of(self, stack, rest):
        iam = CLOUD.client("iam")
        user = f"terraform-{stack}"
        iam.create_user(UserName=user)
        iam.put_user_policy(
            UserName=user,
            PolicyName="terraform",
            PolicyDocument=json.dumps(
                {"Version": "2012-10-17", "Statement": [*_what_the_module_needs(stack), *rest]}
            ),
        )
        key = iam.create_access_key(UserName=user)["AccessKey"]
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "TF_VAR_"))
        }
        return {
            **kept,
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_REGION": CLOUD.region,
            # Every call stays on loopback, and away from the accounts of the person who runs this.
            "AWS_ENDPOINT_URL": CLOUD.endpoint,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
            "CHECKPOINT_DISABLE": "1",
            "TF_DATA_DIR": ".terraform",
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
        }

    def set(self, **variables):
        """Gives values to variables, for this and all later commands."""
        for name, value in variables.items():
            text = value if isinstance(value, str) else json.dumps(value)
            self._environment[f"TF_VAR_{name}"] = text

    def _run(self, command, *arguments, accepted=(0,)):
        done = subprocess.run(
            ["terraform", command, *arguments],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode not in accepted:
            raise AssertionError(
                f"terraform {command} of {self._folder.name} failed:\n{done.stdout}{done.stderr}"
            )
        return done

    def apply(self):
        """Applies it; answers the module's outputs."""
        self._run("apply", "-auto-approve", "-no-color")
        return json.loads(self._run("output", "-json").stdout)["ecs"]["value"]

    def plan(self):
        """What a plan would change; None when nothing."""
        done = self._run("plan", "-detailed-exitcode", "-no-color", accepted=(0, 2))
        return done.stdout if done.returncode == 2 else None

    def written(self):
        """All that Terraform keeps of it."""
        return "\n".join(file.read_text() for file in self._folder.glob("terraform.tfstate*"))

    def destroy(self):
        self._run("destroy", "-auto-approve", "-no-color")
