"""Starts the local cloud: `python emulator --directory <directory>`; see README.md."""

import argparse
import asyncio
import contextlib
import importlib
import json
import os
import secrets
import shutil
import signal
import socket
import string
import sys
import tempfile
import threading
from pathlib import Path

HOST = "127.0.0.1"
ACCOUNT = "123456789012"
# All that functions and tasks may inherit of the environment the cloud was started in: whatever else is
# set there (proxies, profiles, credentials) would make them behave differently from one machine to the next.
INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TZ", "USER")
# The modules that patch ministack when they are imported. Of two that wrap the same function the later one is outside.
_PATCHING = (
    "policies", "events", "objects", "registry_contents", "registry_events", "delivery", "invocations",
    "function_logs", "log_events", "task_definitions", "tasks", "single_tasks", "task_surroundings", "services", "permissions",
    "roles", "alarms", "file_systems", "answers", "networks", "auto_scaling", "secrets_manager",
    "targets", "application_auto_scaling", "function_policies",
)
# Those that wrap whatever answers a call.
_AROUND_ALL = ("faults", "call_counts")


def parsed_arguments():
    parser = argparse.ArgumentParser(prog="emulator", description="AWS on this machine, for Longshore.")
    parser.add_argument("--directory", required=True, type=Path, help="where all of its files go")
    parser.add_argument("--region", default="eu-west-1")
    parser.add_argument(
        "--asynchronous-retry-seconds",
        type=float,
        default=1.0,
        help="pause before a failed asynchronous invocation is tried again; AWS waits a minute (default: 1)",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=10,
        help="how many events a function without reserved concurrency works on at once, at most 16 (default: 10)",
    )
    parser.add_argument(
        "--steady-seconds",
        type=float,
        default=1.0,
        help="how long a task must run before its deployment counts it as healthy (default: 1)",
    )
    parser.add_argument(
        "--record", type=Path, help="a folder for each request with its answer, and for each use of a permission"
    )
    parser.add_argument(
        "--end-with-input",
        action="store_true",
        help="end when the standard input ends: with the process that started the cloud, however that ends",
    )
    return parser.parse_args()


def free_port():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def credentials():
    letters = string.ascii_uppercase + "234567"
    return "AKIA" + "".join(secrets.choice(letters) for _ in range(16)), secrets.token_urlsafe(30)


def prepare_environment(directory, region, port, access_key_id, secret_access_key):
    """ministack reads its settings from the environment when it is imported."""
    temporary = directory / "temporary"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    os.environ.clear()
    os.environ.update(inherited)
    os.environ.update(
        AUTH="true",
        AWS_ACCESS_KEY_ID=access_key_id,
        AWS_SECRET_ACCESS_KEY=secret_access_key,
        AWS_ENDPOINT_URL=f"http://{HOST}:{port}",
        BIND_HOST=HOST,
        GATEWAY_PORT=str(port),
        IOT_MTLS_ENABLED="0",
        LOG_LEVEL="INFO",
        MINISTACK_ACCOUNT_ID=ACCOUNT,
        MINISTACK_HOST=HOST,
        MINISTACK_REGION=region,
        MINISTACK_WORKER_THREADS="4",
        S3_DATA_DIR=str(directory / "s3"),
        SFTP_ENABLED="0",
        STATE_DIR=str(directory / "state"),
        TMPDIR=str(temporary),
    )
    tempfile.tempdir = str(temporary)


def patch_ministack(arguments):
    """Changes ministack before it serves. Imported here: its modules read the environment set above."""
    for module in _PATCHING:
        importlib.import_module(module)
    import canaries
    import containers
    import invocations
    import provisioning
    import services
    import task_surroundings
    import used_permissions

    provisioning.install()
    for module in _AROUND_ALL:
        importlib.import_module(module)
    sys.path.append(str(Path(__file__).parent / "docker_module"))
    os.environ["HOSTNAME"] = containers.CLOUD_CONTAINER
    canaries.set_directory(arguments.directory)
    containers.set_directory(arguments.directory / "containers")
    task_surroundings.set_directory(arguments.directory / "file-systems")
    services.STEADY_SECONDS = arguments.steady_seconds
    invocations.RETRY_SECONDS = arguments.asynchronous_retry_seconds
    invocations.UNRESERVED_CONCURRENCY = arguments.concurrency
    if arguments.record:
        used_permissions.set_folder(arguments.record)


def write_description(directory, description):
    """Readers never see half a file."""
    unfinished = directory / "cloud.json.unfinished"
    unfinished.write_text(json.dumps(description, indent=2) + "\n")
    unfinished.chmod(0o600)
    unfinished.replace(directory / "cloud.json")


async def serve(port, when_ready, record):
    import hypercorn.asyncio
    import recording
    from hypercorn.config import Config
    from ministack import app

    configuration = Config()
    configuration.bind = [f"{HOST}:{port}"]
    configuration.keep_alive_timeout = 75
    configuration.loglevel = "WARNING"
    configuration.graceful_timeout = 1
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    answering = recording.around(app.app, record) if record else app.app
    serving = asyncio.create_task(hypercorn.asyncio.serve(answering, configuration, shutdown_trigger=stop.wait))
    announced = asyncio.create_task(until_it_answers(port))
    done, _ = await asyncio.wait({serving, announced}, return_when=asyncio.FIRST_COMPLETED)
    if announced in done and not stop.is_set():
        when_ready()
    await serving
    announced.cancel()


async def until_it_answers(port):
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"GET /_ministack/health HTTP/1.0\r\nHost: local\r\n\r\n")
            await writer.drain()
            answer = await reader.readline()
            writer.close()
            if b" 200 " in answer:
                return
        await asyncio.sleep(0.05)


def end_with_input():
    """The system closes a pipe whose only writer was killed, so not even a SIGKILL leaves the cloud behind."""

    def wait():
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True, name="end-with-input").start()


def main():
    arguments = parsed_arguments()
    # One log, on standard output: ministack writes to standard error.
    os.dup2(sys.stdout.fileno(), sys.stderr.fileno())
    arguments.directory = arguments.directory.resolve()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    description_file = arguments.directory / "cloud.json"
    description_file.unlink(missing_ok=True)

    port = free_port()
    access_key_id, secret_access_key = credentials()
    prepare_environment(arguments.directory, arguments.region, port, access_key_id, secret_access_key)
    patch_ministack(arguments)

    import control
    import homebrew
    import processes
    import registry_contents
    import slack
    import task_surroundings

    control_address = control.serve(HOST)
    registry_contents.set_address(control_address)
    task_surroundings.set_address(control_address)
    description = {
        "pid": os.getpid(),
        "endpoint": f"http://{HOST}:{port}",
        "control": control_address,
        "slack_webhook_url": control_address + slack.PATH,
        "slack_api_url": control_address + slack.API_PATH,
        "slack_signing_secret": slack.SIGNING_SECRET,
        "slack_bot": {"bot_token": slack.BOT_TOKEN, "channel": slack.CHANNEL},
        "homebrew": homebrew.address(),
        "region": arguments.region,
        "account_id": ACCOUNT,
        "access_key_id": access_key_id,
        "secret_access_key": secret_access_key,
    }
    if arguments.end_with_input:
        end_with_input()
    try:
        asyncio.run(serve(port, lambda: write_description(arguments.directory, description), arguments.record))
    finally:
        description_file.unlink(missing_ok=True)
        processes.end_all()
        shutil.rmtree(arguments.directory / "temporary", ignore_errors=True)
    # Threads of ministack that still wait for something must not keep the process.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
