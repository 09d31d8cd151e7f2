"""The integrations as CI runs them: their YAML is read, and their shell runs with a `longshore` that records its call."""

import hashlib
import json
import os
import re
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

import yaml

INTEGRATIONS = Path(__file__).resolve().parents[1]
REPOSITORY = INTEGRATIONS.parent
HELP = REPOSITORY / "cli/src/snapshots/longshore__help__tests__help-120.snap"

RECORDER = """#!/bin/sh
for argument in "$@"; do printf '%s\\n' "$argument"; done > "$RECORD"
env > "$RECORD.env"
exit "$STATUS"
"""

# What docs/ways-in.md says of `--wait`, and 2 for what cannot be read.
STATUSES = {0: "succeeded", 1: "failed", 2: "refused", 3: "waiting", 4: "timed-out"}


class Scene(unittest.TestCase):
    """A folder with a `longshore` that records its call, first on the path."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.programs = self.folder / "programs"
        self.programs.mkdir()
        recorder = self.programs / "longshore"
        recorder.write_text(RECORDER)
        recorder.chmod(0o755)

    def run_script(self, shell, script, variables, status=0, path=None):
        environment = {
            "PATH": f"{path or self.programs}:{os.environ['PATH']}",
            "RECORD": str(self.folder / "record"),
            "STATUS": str(status),
            **variables,
        }
        return subprocess.run(
            [*shell, script], env=environment, cwd=self.folder, capture_output=True, text=True, check=False
        )

    def recorded(self):
        return (self.folder / "record").read_text().splitlines()

    def recorded_environment(self):
        lines = (self.folder / "record.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def check_options(self, arguments):
        """Each option is one of `longshore deploy`, as its help says."""
        deploy = HELP.read_text().split("Usage: longshore deploy ", 1)[1].split("\nUsage: ", 1)[0]
        known = set(re.findall(r"--[a-z-]+", deploy))
        for argument in arguments:
            if argument.startswith("--"):
                self.assertIn(argument, known)


class GitHub(Scene):
    # As GitHub runs `shell: bash`.
    SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
    INPUTS = {"service": "shop/api", "image": "shop/api:v2", "state-bucket": "state"}

    def setUp(self):
        super().setUp()
        self.action = yaml.safe_load((INTEGRATIONS / "github/action.yml").read_text())

    def step(self, name):
        return next(step for step in self.action["runs"]["steps"] if step["name"] == name)

    def variables(self, step, **inputs):
        """A step's variables, with its inputs filled in as GitHub fills them in."""
        given = {**self.INPUTS, **inputs}

        def value(match):
            name = match.group(1)
            if not name.startswith("inputs."):
                return "of-github"
            declared = self.action["inputs"][name.removeprefix("inputs.")]
            self.assertTrue("default" in declared or declared.get("required"))
            return given.get(name.removeprefix("inputs."), declared.get("default", ""))

        return {name: re.sub(r"\$\{\{ (\S+) \}\}", value, text) for name, text in step["env"].items()}

    def deploy(self, status=0, **inputs):
        self.output = self.folder / "output"
        step = self.step("Deploy")
        variables = {**self.variables(step, **inputs), "GITHUB_OUTPUT": str(self.output)}
        return self.run_script(self.SHELL, step["run"], variables, status)

    def outputs(self):
        return dict(line.split("=", 1) for line in self.output.read_text().splitlines())

    def test_the_deployment_is_asked_for_and_waited_for(self):
        done = self.deploy(note="ticket 411", **{"timeout-minutes": "20"})
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = ["deploy", "shop/api", "--image", "shop/api:v2", "--wait", "--timeout-minutes", "20"]
        self.assertEqual(self.recorded(), [*expected, "--note", "ticket 411"])
        self.check_options(self.recorded())
        environment = self.recorded_environment()
        self.assertEqual(environment["STATE_BUCKET_NAME"], "state")
        self.assertEqual(environment["EVENT_BUS_NAME"], "longshore")

    def test_every_exit_status_is_the_steps_and_an_output(self):
        for status, outcome in STATUSES.items():
            with self.subTest(status=status):
                done = self.deploy(status)
                self.assertEqual(done.returncode, status)
                self.assertEqual(self.outputs()["exit-status"], str(status))
                self.assertEqual(self.outputs()["outcome"], outcome)
                self.output.unlink()

    def test_a_deployment_that_waits_passes_where_that_is_asked_for_and_no_other_does(self):
        for status in STATUSES:
            with self.subTest(status=status):
                done = self.deploy(status, **{"when-waiting": "pass"})
                self.assertEqual(done.returncode, 0 if status == 3 else status)
                self.assertEqual(self.outputs()["exit-status"], str(status))
                self.output.unlink()

    def test_what_to_do_while_it_waits_is_refused_if_it_is_misspelt_and_nothing_is_deployed(self):
        done = self.deploy(**{"when-waiting": "ignore"})
        self.assertEqual(done.returncode, 2)
        self.assertIn("when-waiting is 'ignore', expected fail or pass", done.stdout)
        self.assertFalse((self.folder / "record").exists())

    def test_an_input_is_never_a_command(self):
        hostile = '$(touch hacked)"; touch hacked; #'
        done = self.deploy(service=hostile, image=hostile, note=hostile)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.recorded().count(hostile), 3)
        self.assertFalse((self.folder / "hacked").exists())
        for step in self.action["runs"]["steps"]:
            self.assertNotIn("${{", step["run"])

    def test_every_input_and_output_is_used(self):
        text = (INTEGRATIONS / "github/action.yml").read_text()
        for name in self.action["inputs"]:
            self.assertIn("${{ inputs." + name + " }}", text)
        for output in self.action["outputs"].values():
            name = re.search(r"outputs\.([a-z-]+) ", output["value"]).group(1)
            self.assertIn(f'echo "{name}=', text)

    def test_a_longshore_that_is_there_is_not_installed_again(self):
        step = self.step("Install longshore")
        done = self.run_script(self.SHELL, step["run"], self.variables(step))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_a_release_is_installed_and_put_on_the_path(self):
        release = Release(self.folder)
        step = self.step("Install longshore")
        variables = {
            **self.variables(step, releases=str(release.folder), version="9.9.9"),
            "ACTION_PATH": str(INTEGRATIONS / "github"),
            "RUNNER_TEMP": str(self.folder),
            "GITHUB_PATH": str(self.folder / "path"),
        }
        (self.programs / "longshore").unlink()
        done = self.run_script(self.SHELL, step["run"], variables)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual((self.folder / "path").read_text(), f"{self.folder}/longshore\n")
        self.assertTrue(os.access(self.folder / "longshore/longshore", os.X_OK))


class GitLab(Scene):
    # Images of CI often have no other shell than this one.
    SHELL = ("sh", "-e", "-c")

    def setUp(self):
        super().setUp()
        template = yaml.safe_load((INTEGRATIONS / "gitlab/deploy.yml").read_text())
        self.job = template[".longshore-deploy"]

    def deploy(self, status=0, **variables):
        defaults = {name: text for name, text in self.job["variables"].items() if not text.startswith("$")}
        asked = {"LONGSHORE_SERVICE": "shop/api", "LONGSHORE_IMAGE": "shop/api:v2", **variables}
        return self.run_script(self.SHELL, "\n".join(self.job["script"]), {**defaults, **asked}, status)

    def test_the_deployment_is_asked_for_and_waited_for(self):
        done = self.deploy(LONGSHORE_NOTE="ticket 411")
        self.assertEqual(done.returncode, 0, done.stderr)
        expected = ["deploy", "shop/api", "--image", "shop/api:v2", "--wait", "--timeout-minutes", "55"]
        self.assertEqual(self.recorded(), [*expected, "--note", "ticket 411"])
        self.check_options(self.recorded())

    def test_every_exit_status_is_the_jobs(self):
        for status in STATUSES:
            with self.subTest(status=status):
                self.assertEqual(self.deploy(status).returncode, status)

    def test_only_a_deployment_that_waits_is_a_warning(self):
        self.assertEqual(self.job["allow_failure"], {"exit_codes": [3]})

    def test_a_role_is_assumed_by_the_jobs_token_and_no_key_is_needed(self):
        token = "header.payload.signature"
        self.deploy(AWS_ROLE_ARN="arn:aws:iam::111122223333:role/ci", LONGSHORE_ID_TOKEN=token)
        file = Path(self.recorded_environment()["AWS_WEB_IDENTITY_TOKEN_FILE"])
        self.addCleanup(file.unlink)
        self.assertEqual(file.read_text(), token)
        self.assertEqual(file.stat().st_mode & 0o077, 0)

    def test_without_a_role_the_jobs_own_credentials_count(self):
        self.deploy(LONGSHORE_ID_TOKEN="token")
        self.assertNotIn("AWS_WEB_IDENTITY_TOKEN_FILE", self.recorded_environment())


class Release:
    """The files of a release whose program says that it is the one."""

    def __init__(self, folder, version="9.9.9", target=None):
        machine = os.uname().machine
        target = target or f"{'x86_64' if machine == 'x86_64' else 'aarch64'}-unknown-linux-musl"
        self.folder = folder / "release"
        name = f"longshore-{version}-{target}"
        program = folder / name / "longshore"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\necho the one\n")
        program.chmod(0o755)
        self.folder.mkdir()
        self.archive = self.folder / f"{name}.tar.gz"
        with tarfile.open(self.archive, "w:gz") as archive:
            archive.add(program.parent, arcname=name)
        digest = hashlib.sha256(self.archive.read_bytes()).hexdigest()
        (self.folder / "SHA256SUMS").write_text(f"{'0' * 64}  other.tar.gz\n{digest}  {name}.tar.gz\n")


class Installing(Scene):
    def install(self, release, version="9.9.9", folder="installed", path=None):
        variables = {"LONGSHORE_VERSION": version, "LONGSHORE_RELEASES": str(release)}
        script = f'"{INTEGRATIONS}/install.sh" {folder}'
        return self.run_script(("sh", "-e", "-c"), script, variables, path=path)

    def test_the_program_of_a_release_is_installed(self):
        done = self.install(Release(self.folder).folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        said = subprocess.run([self.folder / "installed/longshore"], capture_output=True, text=True, check=True)
        self.assertEqual(said.stdout, "the one\n")
        self.assertEqual(os.listdir(self.folder / "installed"), ["longshore"])

    def test_an_archive_with_another_checksum_is_not_installed(self):
        release = Release(self.folder)
        release.archive.write_bytes(release.archive.read_bytes() + b"x")
        done = self.install(release.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not what SHA256SUMS says: nothing was installed", done.stderr)
        self.assertFalse((self.folder / "installed").exists())

    def test_an_archive_that_the_checksums_do_not_name_is_not_installed(self):
        release = Release(self.folder)
        (release.folder / "SHA256SUMS").write_text("")
        done = self.install(release.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("SHA256SUMS does not name longshore-9.9.9-", done.stderr)

    def test_a_version_that_is_not_there_is_named(self):
        done = self.install(Release(self.folder).folder, version="1.2.3")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot get ", done.stderr)
        self.assertIn("longshore-1.2.3-", done.stderr)

    def test_nothing_is_got_without_encryption(self):
        done = self.install("http://127.0.0.1:1/release")
        self.assertEqual(done.returncode, 1)
        self.assertIn("give an https address, or a folder", done.stderr)

    def test_a_system_without_a_program_is_told_what_to_do(self):
        programs = self.folder / "other"
        programs.mkdir()
        uname = programs / "uname"
        uname.write_text('#!/bin/sh\n[ "$1" = -s ] && echo Darwin || echo arm64\n')
        uname.chmod(0o755)
        done = self.install(Release(self.folder).folder, path=programs)
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no program for Darwin arm64", done.stderr)
        self.assertIn("cargo install --path cli", done.stderr)


class Recipe(unittest.TestCase):
    def test_the_image_copies_what_is_in_the_repository_or_what_dist_makes(self):
        recipe = (INTEGRATIONS / "Dockerfile").read_text()
        sources = [
            source
            for line in recipe.splitlines()
            if line.startswith("COPY ") and "--from" not in line
            for source in line.split()[1:-1]
        ]
        self.assertEqual(len(sources), 3)
        for source in sources:
            is_made = source.startswith("target/dist/")
            self.assertTrue(is_made or (REPOSITORY / source).is_file(), source)

    def test_the_examples_of_the_readme_are_yaml_and_give_inputs_that_there_are(self):
        action = yaml.safe_load((INTEGRATIONS / "github/action.yml").read_text())
        readme = (INTEGRATIONS / "README.md").read_text()
        examples = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", readme, re.DOTALL)]
        steps = json.dumps(examples)
        self.assertIn("integrations/github@", steps)
        self.assertIn(".longshore-deploy", steps)
        for example in examples:
            for job in example.get("jobs", {}).values():
                for step in job["steps"]:
                    if "integrations/github@" in step.get("uses", ""):
                        self.assertLessEqual(set(step["with"]), set(action["inputs"]))


if __name__ == "__main__":
    unittest.main()
