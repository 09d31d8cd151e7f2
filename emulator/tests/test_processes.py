"""Nothing is left running: not after an orderly end, not when the cloud is killed."""

import json
import signal
import subprocess
import sys
import unittest

from tests.running_cloud import Cloud, alive, python, unique, wait_until

# A task whose first process starts a second one and writes down its number.
SERVE_WITH_CHILD = (
    "import os, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "open(os.environ['CHILDREN'], 'a').write(str(child.pid) + chr(10))\n"
    "while True: time.sleep(1)"
)

STARTER = (
    "import subprocess, sys\n"
    "cloud = subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)\n"
    "print(cloud.pid, flush=True)\n"
    "cloud.wait()"
)


class Processes(unittest.TestCase):
    def setUp(self):
        self.cloud = Cloud()
        self.addCleanup(self.cloud.forget)

    def _processes(self):
        """Of two running tasks and of a function that has been called."""
        image = self.cloud.built(f"shop/{unique('api')}", python(SERVE_WITH_CHILD))
        children = self.cloud.directory / "children"
        definition = self.cloud.register("api", image, environment=[{"name": "CHILDREN", "value": str(children)}])
        service = self.cloud.create_service(unique("cluster"), "api", definition)
        name, _, journal = self.cloud.function()
        self.cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps({}))

        def containers():
            return self.cloud.control("GET", "/containers")[2]

        wait_until("both containers run", lambda: len(containers()) == 2)
        # The thread that asked for a process is long gone; the process must not go with it.
        self.cloud.wait_for_deployment(service["serviceArn"], service["deployments"][0]["id"], "COMPLETED")
        found = [container["pid"] for container in containers()] + [journal()[0]["process"]]
        found += [int(line) for line in children.read_text().split()]
        self.assertEqual(len(found), 5)
        self.assertTrue(all(alive(pid) for pid in found))
        return found

    def test_an_orderly_end_leaves_nothing_and_exits_with_zero(self):
        processes = self._processes()
        self.assertEqual(self.cloud.stop(), 0)
        self.assertFalse((self.cloud.directory / "cloud.json").exists())
        self.assertFalse((self.cloud.directory / "temporary").exists())
        self._wait_until_gone(processes)

    def test_a_killed_cloud_takes_its_children_with_it(self):
        processes = self._processes()
        self.cloud.process.send_signal(signal.SIGKILL)
        self.cloud.process.wait(5)
        self._wait_until_gone(processes)

    def test_a_cloud_ends_with_the_process_that_started_it_even_if_that_is_killed(self):
        self.cloud.stop()
        # A process that starts a cloud as `cargo xtask test` does, holding the cloud's input, and is then killed.
        starter = subprocess.Popen(
            [sys.executable, "-c", STARTER, *self.cloud.command(), "--end-with-input"], stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(starter.stdout.close)
        pid = int(starter.stdout.readline())
        wait_until("the cloud answers", (self.cloud.directory / "cloud.json").exists)
        self.assertTrue(alive(pid))
        starter.kill()
        starter.wait(5)
        self._wait_until_gone([pid])
        self.assertFalse((self.cloud.directory / "cloud.json").exists())

    def _wait_until_gone(self, processes):
        # What is killed stays in the list of processes until its new parent has reconciled it.
        wait_until("all of them are gone", lambda: not [pid for pid in processes if alive(pid)], seconds=5)
