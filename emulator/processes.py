"""Every process the cloud starts: functions and containers. None of them outlives it.

On Linux the kernel is asked to kill a child when the cloud dies (`PR_SET_PDEATHSIG`). The kernel
takes "parent" to mean the *thread* that forked, so a child started from a short-lived worker thread
would be killed as soon as that worker is done: all children are started from one thread that lives
as long as the cloud does.

What those children start themselves is out of the kernel's hands, and other systems have no such
request at all. So a second, tiny process knows all sessions and kills them when the cloud is gone.
"""

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
import time
_SET_PARENT_DEATH_SIGNAL = 1

# Reads "+1234" for a session that began and "-1234" for one that ended; the end of its input is the
# end of the cloud.
_WATCHMAN = """
import os, signal, sys
sessions = set()
for line in sys.stdin:
    (sessions.add if line[0] == "+" else sessions.discard)(int(line[1:]))
for session in sessions:
    try:
        os.killpg(session, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
"""

_library = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_requests = queue.Queue()
_started = []
_started_lock = threading.Lock()
# Ending a task makes its service start another one, and wakes functions: not any more.
_ending = threading.Event()


def _die_with_the_cloud(cloud_pid):
    if _library is None:
        return
    _library.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    # The cloud may have died between the fork and the line above.
    if os.getppid() != cloud_pid:
        os.kill(os.getpid(), signal.SIGKILL)


def _start_watchman():
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _WATCHMAN], stdin=subprocess.PIPE, text=True, start_new_session=True
    )


def _update_watchman(watchman, sign, process):
    watchman.stdin.write(f"{sign}{process.pid}\n")
    watchman.stdin.flush()


def _start_for_ever():
    cloud_pid = os.getpid()
    watchman = _start_watchman()
    while True:
        arguments, options, answer = _requests.get()
        try:
            with _started_lock:
                if _ending.is_set():
                    raise OSError(f"{arguments[0]} is not started: the cloud is ending")
                process = subprocess.Popen(
                    arguments,
                    start_new_session=True,
                    preexec_fn=lambda: _die_with_the_cloud(cloud_pid),
                    **options,
                )
                ended = [other for other in _started if other.poll() is not None]
                _started[:] = [other for other in _started if other not in ended]
                _started.append(process)
            for other in ended:
                # Its number may be given to somebody else's session from now on.
                _update_watchman(watchman, "-", other)
            _update_watchman(watchman, "+", process)
            answer.put((process, None))
        except Exception as error:
            answer.put((None, error))


def start(arguments, **options):
    """Starts a process in its own session; takes what `subprocess.Popen` takes and raises what it raises."""
    answer = queue.Queue(maxsize=1)
    _requests.put((arguments, options, answer))
    process, error = answer.get()
    if error is not None:
        raise error
    return process


def signal_session(process, number):
    """Sends a signal to the process and all it started in its session; a process that is gone is not an error."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def end_all(grace_seconds=1.0):
    """Asks every process that still runs to end, waits a moment, then kills the rest."""
    _ending.set()
    with _started_lock:
        running = [process for process in _started if process.poll() is None]
    for process in running:
        signal_session(process, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline and any(process.poll() is None for process in running):
        time.sleep(0.02)
    # Also where the first process is gone: what it started may still run in its session.
    for process in running:
        signal_session(process, signal.SIGKILL)


threading.Thread(target=_start_for_ever, daemon=True, name="process-starter").start()
