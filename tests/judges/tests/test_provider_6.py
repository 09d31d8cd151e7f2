"""The modules of infra/ with version 6 of the provider, as provider_6.py shows it, and with no word of warning."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_PROVIDER = Path("registry.terraform.io/hashicorp/aws")
_VERSION = "6.47.0"
_MIRROR_DEPTH = 3
# Together these use every module.
_CONFIGURATIONS = (
    "modules/longshore/examples/complete",
    "modules/bottle-mirror/examples/cloudfront",
    "modules/replaces/classla/examples/greenfield",
    "modules/replaces/stellar-insights/examples/greenfield",
    "modules/replaces/homebrew-bottles-sync/examples/greenfield",
)


def _mirror(folder=Path("/"), depth=_MIRROR_DEPTH):
    """A folder of this machine that mirrors the provider, if there is one; else Terraform asks the public registry."""
    if (folder / _PROVIDER).is_dir():
        return folder
    if depth == 0:
        return None
    try:
        inside = sorted(Path(one.path) for one in os.scandir(folder) if one.is_dir(follow_symlinks=False))
    except OSError:
        return None
    system = {Path("/proc"), Path("/sys"), Path("/dev"), Path("/run")}
    found = (_mirror(one, depth - 1) for one in inside if one not in system)
    return next(filter(None, found), None)


class Version6(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = Path(temporary.name)
        # Terraform writes beside a configuration which version it has chosen.
        ignored = shutil.ignore_patterns(".terraform*", "*.tfstate*")
        shutil.copytree(_ROOT / "infra", cls.folder / "infra", ignore=ignored)
        cls.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
            "AWS_EC2_METADATA_DISABLED": "true",
            "CHECKPOINT_DISABLE": "1",
            "TF_DISABLE_PLUGIN_TLS": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
        }
        real = cls.configuration("real", '= "5.100.0"', "")
        mirror = _mirror()
        cls.run_terraform(real, "init", *([] if mirror is None else [f"-plugin-dir={mirror}"]))
        [version_5] = (real / ".terraform/providers" / _PROVIDER).glob("*/*/terraform-provider-aws*")
        cls.environment["LONGSHORE_PROVIDER_5"] = str(version_5.resolve())
        platform = version_5.parent.name
        cls.plugins = cls.folder / "plugins"
        program = cls.plugins / _PROVIDER / _VERSION / platform / f"terraform-provider-aws_v{_VERSION}_x5"
        program.parent.mkdir(parents=True)
        provider = _ROOT / "tests/judges/provider_6.py"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{provider}"\n')
        program.chmod(0o755)

    @classmethod
    def configuration(cls, name, version, text):
        folder = cls.folder / name
        folder.mkdir()
        required = f'aws = {{\n source = "hashicorp/aws"\n version {version}\n}}'
        (folder / "main.tf").write_text(f"terraform {{\n required_providers {{\n{required}\n}}\n}}\n{text}\n")
        return folder

    @classmethod
    def run_terraform(cls, folder, command, *arguments):
        done = subprocess.run(
            ["terraform", command, *arguments],
            cwd=folder,
            env=cls.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode != 0:
            raise AssertionError(f"terraform {command} of {folder.name} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def initialised(self, folder):
        self.run_terraform(folder, "init", "-backend=false", f"-plugin-dir={self.plugins}")
        return folder

    def diagnostics(self, folder):
        validated = json.loads(self.run_terraform(self.initialised(folder), "validate", "-json"))
        return [f"{one['summary']}: {one['detail']}" for one in validated["diagnostics"]]

    def test_the_region_is_asked_for_by_another_name_and_the_former_ones_are_warned_of(self):
        text = "".join(
            f'output "{name}" {{\n value = data.aws_region.current.{name}\n}}\n' for name in ("region", "name", "id")
        )
        folder = self.configuration("former", '= ">= 6.0.0"', 'data "aws_region" "current" {}\n' + text)
        diagnostics = self.diagnostics(folder)
        self.assertEqual(len(diagnostics), 2, diagnostics)
        self.assertTrue(all("deprecated" in one for one in diagnostics), diagnostics)

    def test_every_module_is_valid_and_uses_nothing_that_is_deprecated(self):
        for name in _CONFIGURATIONS:
            with self.subTest(name):
                self.assertEqual(self.diagnostics(self.folder / "infra" / name), [])

    def test_a_stack_is_tested_as_with_version_5(self):
        for name in ("modules/stack", "modules/stack/examples/greenfield"):
            with self.subTest(name):
                folder = self.initialised(self.folder / "infra" / name)
                self.assertIn(", 0 failed.", self.run_terraform(folder, "test", "-no-color"))


if __name__ == "__main__":
    unittest.main()
