"""Containers as processes: what ministack asks of a Docker client, answered by processes of this machine.

An image is a manifest in the local ECR whose annotation says which process to run (see `images`). A
container has its own session, exactly the environment of its task, its own empty working directory, and
keeps its output and its exit code until it is removed.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import images
import processes

# The name by which ministack asks for "the container I run in myself", to learn the address under
# which tasks reach it.
CLOUD_CONTAINER = "longshore-local-cloud"
_LOOPBACK_NETWORK = {"NetworkSettings": {"Networks": {"loopback": {"IPAddress": "127.0.0.1"}}}}

_directory = None
_containers = {}
_lock = threading.Lock()


class ContainerFailed(Exception):
    """The process could not be started; the text is what Docker would say."""


def set_directory(directory):
    global _directory
    _directory = Path(directory)
    shutil.rmtree(_directory, ignore_errors=True)
    _directory.mkdir(parents=True)


def running():
    """The containers whose process runs now."""
    with _lock:
        known = list(_containers.values())
    return [container for container in known if container.status == "running"]


class Container:
    """One process, with the members of a Docker container that ministack uses."""

    def __init__(self, image, name, labels, stop_seconds):
        self.id = secrets.token_hex(32)
        self.image = image
        self.name = name
        self.labels = labels
        self.attrs = _LOOPBACK_NETWORK
        self._stop_seconds = stop_seconds
        self._directory = _directory / self.id[:12]
        self._output = self._directory / "output.log"
        self._process = None

    def begin(self, arguments, environment):
        work = self._directory / "work"
        work.mkdir(parents=True)
        with open(self._output, "ab") as output:
            self._process = processes.start(
                arguments, cwd=work, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )

    @property
    def pid(self):
        return self._process.pid

    @property
    def task(self):
        return self.labels.get("com.amazonaws.ecs.task-arn", "")

    @property
    def status(self):
        return "running" if self._process.poll() is None else "exited"

    def reload(self):
        """The status is read from the process each time; there is nothing to refresh."""

    def wait(self, timeout=None):
        # Ended by us with SIGKILL, or by its own hand: either way the code is Docker's, 128 + signal.
        code = self._process.wait(timeout)
        return {"StatusCode": 128 - code if code < 0 else code}

    def stop(self, timeout=None):
        """SIGTERM to the process, SIGKILL to all of its session when the time is over, as Docker's stop."""
        seconds = self._stop_seconds if timeout is None else timeout
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.kill(self._process.pid, signal.SIGTERM)
                self._process.wait(seconds)
        # A container ends with its first process: what that one left behind goes too.
        processes.signal_session(self._process, signal.SIGKILL)
        self._process.wait()

    def logs(self, stream=False, follow=False, tail=None, stdout=True, stderr=True):
        if stream:
            return self._follow() if follow else iter([self._output.read_bytes()])
        written = self._output.read_bytes()
        return b"\n".join(written.splitlines()[-tail:]) if isinstance(tail, int) else written

    def remove(self, v=False, force=False):
        if self._process.poll() is None:
            if not force:
                raise ContainerFailed(f"container {self.name} is running: stop it before removing it")
            self.stop(timeout=0)
        with _lock:
            _containers.pop(self.id, None)
        # The output stays: it is the only trace of a task without a log driver.
        shutil.rmtree(self._directory / "work", ignore_errors=True)

    def _follow(self):
        """Whole lines, while they are written and until the process is gone."""
        with open(self._output, "rb") as output:
            rest = b""
            while True:
                ended = self._process.poll() is not None
                rest += output.read()
                lines, line_break, rest = rest.rpartition(b"\n")
                if line_break:
                    yield lines + line_break
                if ended:
                    if rest:
                        yield rest
                    return
                time.sleep(0.1)


class _CloudItself:
    """Stands for the cloud where ministack looks up the container that it runs in."""

    id = CLOUD_CONTAINER
    name = CLOUD_CONTAINER
    status = "running"
    attrs = _LOOPBACK_NETWORK


class Containers:
    def run(
        self,
        image,
        command=None,
        entrypoint=None,
        environment=None,
        name=None,
        labels=None,
        stop_seconds=30,
        **_only_docker_can_do,
    ):
        found = images.find(image)
        # As Docker does: a command replaces the image's, an entry point replaces the image's and clears its command.
        words = [*(entrypoint or found.entry_point or []), *(command or (None if entrypoint else found.command) or [])]
        if not words:
            raise images.ImageMissing(
                f"image {image} says no command: neither its annotation {images.COMMAND_ANNOTATION} "
                "nor the container definition names one"
            )
        container = Container(image, name or secrets.token_hex(6), labels or {}, stop_seconds)
        # The programs are this machine's, so they are looked for where this machine has them.
        variables = {
            "PATH": os.environ["PATH"],
            "HOSTNAME": container.id[:12],
            "HOME": str(container._directory / "work"),
        }
        variables.update(environment or {})
        try:
            container.begin(words, variables)
        except (FileNotFoundError, PermissionError) as error:
            is_there = isinstance(error, PermissionError)
            raise ContainerFailed(
                "failed to create new container runtime task: OCI runtime create failed: "
                f'exec: "{words[0]}": {"permission denied" if is_there else "executable file not found in $PATH"}'
            ) from None
        with _lock:
            _containers[container.id] = container
        return container

    def get(self, identifier):
        if identifier == CLOUD_CONTAINER:
            return _CloudItself()
        with _lock:
            container = _containers.get(identifier)
        if container is None:
            from docker.errors import NotFound

            raise NotFound(f"no such container: {identifier}")
        return container

    def list(self, all=False, sparse=False, filters=None):
        with _lock:
            known = list(_containers.values())
        return known if all else running()


class _PulledImage:
    def __init__(self, found):
        self.id = found.digest

    def tag(self, repository, tag=None):
        """A pulled image is looked up in ECR each time; there is no local cache that needs the tag."""
        return True


class Images:
    def pull(self, reference, **_only_docker_can_do):
        return _PulledImage(images.find(reference))

    def get(self, reference):
        from docker.errors import ImageNotFound

        try:
            return _PulledImage(images.find(reference))
        except images.ImageMissing as error:
            raise ImageNotFound(str(error)) from None

    def get_registry_data(self, reference, **_only_docker_can_do):
        return _PulledImage(images.find(reference))


class Client:
    """What `docker.from_env()` answers."""

    def __init__(self):
        self.containers = Containers()
        self.images = Images()

    def ping(self):
        return True
