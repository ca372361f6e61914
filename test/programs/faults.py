"""faults.py BINARY run|serve|session EVERY - what becomes of a run whose Nth system call fails, for each EVERYth N

By fail_call.c and visible.c beside this file, which are built for it. Each call of the launcher's and of what is
to become a sandbox fails once, with ENOMEM. Whatever it is: a command runs with all that protects it, or not at all; what went wrong is
said; and a server that goes on serves the next run as if nothing had been.
"""
import contextlib
import errno
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

STARTED = 10
NAMESPACES = ("net", "mnt", "uts", "ipc", "cgroup", "user", "pid")
binary, mode, every = sys.argv[1], sys.argv[2], int(sys.argv[3])
directory = tempfile.TemporaryDirectory(prefix="opensandbox-soak.")
tools = directory.name
os.chmod(tools, 0o755)
for program in ("fail_call", "visible"):
    subprocess.run(["cc", "-O1", "-o", f"{tools}/{program}", f"{os.path.dirname(__file__)}/{program}.c"], check=True)
hosts = {os.readlink("/proc/self/ns/" + name) for name in NAMESPACES}
bind = f"{tools}:/tools"
run = {"command": ["/tools/visible"], "mem": 32768}
problems = 0


def protections(output):
    """What holds for every run, as a set of lines: without the numbers of namespaces, and without what only makes it smaller."""
    lines = set()
    for line in output.splitlines():
        if re.match(r"mount /(etc|dev)/", line):
            continue  # a file of the host's that it does not see; devices that are made in another way
        lines.add(re.sub(r":\[\d+\]$", "", line))
    return lines


def weaker(output, whole):
    """Why a command was not protected as it should have been; None if it was, or did not get as far as to tell."""
    lines = output.splitlines()
    for line in lines:
        if line.startswith("namespace ") and line.split()[1] in hosts:
            return f"in the host's {line}"
    if "took 64 MB" in lines:
        return "no limit of memory"
    lacks = whole - protections(output)
    more = protections(output) - whole
    # Where the cgroups could not be had, limits are per process: a further limit, no weaker one.
    more = {line for line in more if not line.startswith("limit ")}
    return f"lacks {sorted(lacks)}, has {sorted(more)}" if lacks or more else None


def hosts_but_for(output):
    """On a host without user namespaces, say, a sandbox has none of its own."""
    hosts.difference_update(line.split()[1] for line in output.splitlines() if line.startswith("namespace "))


def problem(n, call, what):
    global problems
    problems += 1
    print(f"{mode} {n}: {call}: {what}", flush=True)


def failed_call(log):
    with open(log, encoding="ascii") as file:
        return file.read().strip()


# --- from the shell ---


def shell_run(n, log):
    return subprocess.run(
        [f"{tools}/fail_call", str(n), str(errno.ENOMEM), log, binary, "--run", "--bind", bind, "--mem", "32768", "--", "/tools/visible"],
        capture_output=True, text=True, errors="replace", check=False)


def from_the_shell(log):
    usual = shell_run(0, log)
    whole, calls = protections(usual.stdout), int(failed_call(log))
    if usual.returncode not in (0, 124) or "seen" not in whole or calls < 500:
        sys.exit(f"without a fault: {usual}")
    hosts_but_for(usual.stdout)
    for n in range(2, calls + 1, every):
        ended = shell_run(n, log)
        ran = "seen" in ended.stdout
        # Before the program itself begins nobody is there who could say anything.
        said = ended.stderr.startswith("opensandbox: ") or n < STARTED
        if ended.returncode == 99:
            problem(n, failed_call(log), "it hangs")
        elif ran and weaker(ended.stdout, whole):
            problem(n, failed_call(log), weaker(ended.stdout, whole))
        elif ended.returncode not in (0, 2, 124, 125) or (ended.returncode and not said) or (not ran and ended.returncode == 0):
            problem(n, failed_call(log), f"{'ran, ' if ran else ''}exit status {ended.returncode}, and {ended.stderr!r}")
    return len(range(2, calls + 1, every))


# --- over HTTP ---


def post(url, body):
    """The status and the reply; 0 where there is none."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as reply:
        return reply.code, json.load(reply)
    except OSError as error:
        return 0, {"error": str(error)}


def started(said):
    for _ in range(1000):
        with open(said, encoding="utf-8", errors="replace") as file:
            found = re.search(r"listening on (http://127\.0\.0\.1:\d+)", file.read())
        if found:
            return found[1]
        time.sleep(0.02)
    sys.exit("the server does not start")


def serve(n, log, state):
    """Three runs, the last one not in a session: their replies, and how the server ended, in its own words where it did by itself."""
    said = f"{state}/said"
    with open(said, "w", encoding="utf-8") as file:
        tracer = subprocess.Popen(
            [f"{tools}/fail_call", str(n), str(errno.ENOMEM), f"+{log}", binary, "serve", "--port", "0", "--state-dir", state, "--log", "none",
             "--bind", bind], stdout=file, stderr=file)
    try:
        url = started(said)
        # Until it rests, what is made ahead is made.
        time.sleep(0.1)
        tracer.send_signal(signal.SIGUSR1)
        replies, path = [], url
        if mode == "session":
            status, reply = post(url + "/sessions", {})
            replies.append((status, reply))
            if status == 201:
                path = f"{url}/sessions/{reply['session_id']}"
        replies += [post(path + "/run", run), post(path + "/run", run), post(url + "/run", run)]
        if replies[-1][0] not in (0, 200):
            replies[-1] = post(url + "/run", run)  # the fault was that run's
        children = subprocess.run(["pgrep", "-P", str(tracer.pid)], capture_output=True, text=True, check=False).stdout.split()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)
        status = tracer.wait(60)
    finally:
        tracer.kill()
        tracer.wait()
    with open(said, encoding="utf-8", errors="replace") as file:
        words = [line for line in file.read().splitlines() if "listening on" not in line]
    return replies, status, words


def over_http(log):
    with tempfile.TemporaryDirectory() as state:
        os.chmod(state, 0o755)
        replies, status, words = serve(0, log, state)
        calls = int(failed_call(log))
        if status or calls < 500 or any(code not in (200, 201) for code, _ in replies):
            sys.exit(f"without a fault: {status} {words} {replies}")
        wholes = [protections(reply.get("stdout", "")) for _, reply in replies]
        usual = replies[-1][1]["status"]
        hosts_but_for(replies[-1][1]["stdout"])
        for n in range(1, calls + 1, every):
            replies, status, words = serve(n, log, state)
            for i, (code, reply) in enumerate(replies):
                why = weaker(reply["stdout"], wholes[i]) if code == 200 and "seen" in reply["stdout"] else None
                if why:
                    problem(n, failed_call(log), f"reply {i}: {why}")
                elif code and code not in (200, 201) and not reply.get("error"):
                    problem(n, failed_call(log), f"reply {i}: {code} without a reason")
                elif not code and not status:
                    problem(n, failed_call(log), f"reply {i}: none, of a server that lives")
            if status == 0 and (replies[-1][0] != 200 or replies[-1][1]["status"] != usual):
                problem(n, failed_call(log), f"afterwards: {replies[-1]}")
            if status and (status == 99 or not words):
                problem(n, failed_call(log), f"the server ended with {status}, and said {words}")
        # What one that ended by itself has left, the next one takes away.
        replies, status, words = serve(0, log, state)
        if status or os.listdir(state) != ["said"]:
            problem(0, "none", f"afterwards {status}, {words}, and left: {os.listdir(state)}")
    return len(range(1, calls + 1, every))


with tempfile.NamedTemporaryFile() as found:
    tried = from_the_shell(found.name) if mode == "run" else over_http(found.name)
print(f"{mode}: {tried} calls failed, {problems} problems")
sys.exit(problems > 0)
