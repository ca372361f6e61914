"""strangers.py - what test/soak runs of clients that mean ill or ask much: slowhttptest's and wrk's, and what others notice.

strangers.py BINARY [slow | load] SECONDS: what is measured is said, one fact a line. With SECONDS below 10 it is a glimpse on a
machine that does other things as well, and bounds on time are ten times as wide."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from soak import BINARY, Server, Wrong, check, processes, status_kb

ATTACKS = {
    # The header, the body, the reply: 1,000 connections that go on as slowly as they may (slowhttptest(1)).
    "slow heads": ["-H", "-u", "/health", "-i", "2", "-x", "24"],
    "slow bodies": ["-B", "-t", "POST", "-f", "application/json", "-u", "/run", "-i", "2", "-s", "8192", "-x", "10"],
    "slow readers": ["-X", "-u", "/version", "-k", "3", "-n", "2", "-w", "10", "-y", "20", "-z", "32"],
}
CONNECTIONS = 1000

RUNS = """
wrk.method, wrk.path = "POST", "/run"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"command": ["true"]}'
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args) ok, busy, wrong = 0, 0, 0 end
function response(status, headers, body)
    if status == 200 then ok = ok + 1 elseif status == 503 then busy = busy + 1 else wrong = wrong + 1 end
end
function done(summary, latency, requests)
    local ok, busy, wrong = 0, 0, 0
    for _, thread in ipairs(threads) do
        ok, busy, wrong = ok + thread:get("ok"), busy + thread:get("busy"), wrong + thread:get("wrong")
    end
    local e = summary.errors
    print(string.format('RESULT {"ok": %d, "busy": %d, "wrong": %d, "connect": %d, "read": %d, "write": %d, ' ..
        '"timeout": %d, "rate": %f}', ok, busy, wrong, e.connect, e.read, e.write, e.timeout,
        ok * 1e6 / summary.duration))
end
"""


def wrk(server, connections, seconds):
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(RUNS)
        script.flush()
        said = subprocess.run(["wrk", "-t", "1", "-c", str(connections), "-d", "%ds" % seconds, "--timeout", "60s",
            "-s", script.name, "http://127.0.0.1:%d" % server.port], capture_output=True, text=True, timeout=seconds + 120)
    found = re.search(r"RESULT (\{.*\})", said.stdout)
    check(found, "wrk: %s%s" % (said.stdout, said.stderr))
    return json.loads(found.group(1))


class Health(threading.Thread):
    """Asks for /health again and again, and knows how long it took."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.over, self.ms, self.wrong = server, threading.Event(), [], []

    def run(self):
        while not self.over.wait(0.02):
            began = time.monotonic()
            try:
                status, _ = self.server.ask("GET", "/health")
                if status != 200:
                    self.wrong.append(status)
            except OSError as error:
                self.wrong.append(repr(error))
            self.ms.append((time.monotonic() - began) * 1000)

    def end(self):
        self.over.set()
        self.join()
        check(not self.wrong, "/health: %r" % self.wrong[:3])
        self.ms.sort()
        return self.ms[len(self.ms) // 2], self.ms[len(self.ms) * 99 // 100], self.ms[-1]


def attacked(server, name, seconds):
    """The rate of runs while the attack goes on, and how long /health took."""
    words = ATTACKS[name]
    at = words.index("-u") + 1
    attack = subprocess.Popen(["slowhttptest", "-c", str(CONNECTIONS), "-r", "1000", "-l", str(seconds + 40), "-p", "2",
        *words[:at], "http://127.0.0.1:%d%s" % (server.port, words[at]), *words[at + 1:]],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    most, over = [0], threading.Event()

    def drain():
        for _ in attack.stdout:
            pass

    def watch():
        while not over.wait(0.2):
            most[0] = max(most[0], len(os.listdir("/proc/%d/fd" % server.front)))
    threads = [threading.Thread(target=f, daemon=True) for f in (drain, watch)]
    [t.start() for t in threads]
    try:
        end = time.monotonic() + 25
        while most[0] < CONNECTIONS * 0.8 and time.monotonic() < end:
            time.sleep(0.2)
        health = Health(server)
        health.start()
        got = wrk(server, 4, seconds)
        took = health.end()
    finally:
        over.set()
        attack.send_signal(signal.SIGINT)
        try:
            attack.wait(20)
        except subprocess.TimeoutExpired:
            attack.kill()
            attack.wait()
        [t.join() for t in threads]
    check(most[0] > CONNECTIONS * 0.8, "%s: only %d descriptors were in use" % (name, most[0]))
    return got, took, most[0]


def slow(seconds):
    glimpse = seconds < 10
    server = Server()
    wrk(server, 4, 2)
    for name in ATTACKS:
        before = wrk(server, 4, seconds)
        got, took, most = attacked(server, name, seconds)
        after = wrk(server, 4, seconds)
        undisturbed = (before["rate"] + after["rate"]) / 2
        share = got["rate"] / undisturbed
        print("soak: %s: %.0f runs/s, %.0f %% of undisturbed (%.0f and %.0f); /health %.1f ms, 99 %% %.1f, at most %.1f; "
            "%d descriptors" % (name, got["rate"], share * 100, before["rate"], after["rate"], *took, most), flush=True)
        check(not got["wrong"] and not got["read"] and not got["timeout"], "%s: %r" % (name, got))
        check(share >= (0.3 if glimpse else 0.8), "%s: %.0f %% of the undisturbed rate" % (name, share * 100))
        check(took[1] < (500 if glimpse else 50), "%s: /health took %.1f ms" % (name, took[1]))
    server.stop()


def load(seconds):
    server = Server()
    kb, over = [], threading.Event()

    def watch():
        while not over.wait(0.25):
            kb.append((time.monotonic(), status_kb(server.front, "VmRSS"), status_kb(server.process.pid, "VmRSS")))
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        got = wrk(server, 256, seconds)
    finally:
        over.set()
        watcher.join()
    span = min(5, seconds / 3)
    first = [front + launcher for at, front, launcher in kb if at - kb[0][0] <= span]
    last = [front + launcher for at, front, launcher in kb if kb[-1][0] - at <= span]
    grown = max(last) - max(first)
    print("soak: 256 connections for %d s: %.0f runs/s, %d runs, %d times 503, server and launcher %d KB, then %d (%+d)" % (
        seconds, got["rate"], got["ok"], got["busy"], max(first), max(last), grown), flush=True)
    check(got["ok"] > 0 and not (got["wrong"] or got["connect"] or got["read"] or got["write"] or got["timeout"]), repr(got))
    check(grown < 1024, "server and launcher have grown by %d KB" % grown)
    server.stop()


def main(arguments):
    parts = {"slow": slow, "load": load}
    if len(arguments) != 2 or arguments[0] not in parts or not arguments[1].isdigit():
        print("strangers: (slow | load) SECONDS", file=sys.stderr)
        return 2
    parts[arguments[0]](int(arguments[1]))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[2:]))
    except Wrong as e:
        print("soak: %s" % e, flush=True)
        for pid in processes():
            os.kill(pid, signal.SIGKILL)
        sys.exit(1)
