"""soak.py - what test/soak runs: servers of its own, attacked for long, and what is left counted."""
import faulthandler
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

PREFIX = "opensandbox-soaking.%d." % os.getpid()
# A copy of its own: what runs it is known by it, also beside other tests.
PLACE = tempfile.TemporaryDirectory(prefix="opensandbox-soak-binary.")
os.chmod(PLACE.name, 0o755)
BINARY = shutil.copy(sys.argv[1], PLACE.name + "/opensandbox")


class Wrong(Exception):
    """Something that must not be."""


def check(value, what):
    if not value:
        raise Wrong(what)


def status_kb(pid, key):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"%s:\s+(\d+)" % key, f.read()).group(1))


def children(pid):
    found = []
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/children" % (pid, task)) as f:
            found += [int(word) for word in f.read().split()]
    return found


def processes():
    "Those that run the binary."
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.readlink("/proc/%s/exe" % name) == BINARY:
                found.append(int(name))
        except OSError:
            pass
    return found


LAUNCHERS = set()
SERVERS = []


def groups():
    "Control groups that a launcher of ours has made."
    return [path for path, names, files in os.walk("/sys/fs/cgroup")
        for pid in LAUNCHERS if re.match(r"opensandbox-%d\b" % pid, os.path.basename(path))]


def mounts(below):
    with open("/proc/self/mountinfo") as f:
        return sum(below in line for line in f)


class Server:
    def __init__(self, *options):
        self.home = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
        os.chmod(self.home.name, 0o755)
        self.state = self.home.name + "/state"
        self.options = options
        self.process = None
        SERVERS.append(self)
        self.start()

    def start(self):
        log = open(self.home.name + "/log", "a+")
        begun = log.tell()
        self.process = subprocess.Popen([BINARY, "serve", "--port", "0", "--log", "none", "--state-dir", self.state,
            *self.options], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        end = time.time() + 30
        while time.time() < end:
            log.seek(begun)
            text = log.read()
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", text)
            if found:
                break
            check(self.process.poll() is None, "the server does not start: " + text)
            time.sleep(0.02)
        check(found, "the server does not start in time: " + text)
        self.port = int(found.group(1))
        LAUNCHERS.add(self.process.pid)
        own = os.readlink("/proc/self/ns/pid")
        self.front = None
        while not self.front and time.time() < end:
            for pid in children(self.process.pid):
                try:
                    with open("/proc/%d/comm" % pid) as f:
                        if os.readlink("/proc/%d/ns/pid" % pid) == own and f.read() != "opensandbox-kee\n":
                            self.front = pid
                            break
                except OSError:
                    pass
        log.close()

    def kill(self, who):
        for pid in ([self.front] if who != "launcher" else []) + ([self.process.pid] if who != "server" else []):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait(30)
        end = time.time() + 20
        while True:
            try:
                with open("/proc/%d/stat" % self.front) as f:
                    stat = f.read()
            except OSError:
                return
            if stat.rsplit(")", 1)[1].split()[0] == "Z":
                return
            check(time.time() < end, "the server lives on without its launcher: " + stat)
            time.sleep(0.005)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(40) == 0, "the server ends with status %r" % self.process.returncode)
        SERVERS.remove(self)
        left = [os.path.join(d, name) for d, names, files in os.walk(self.state) for name in names + files]
        check(not left, "left in the state directory: %r" % left)

    def said(self):
        with open(self.home.name + "/log") as f:
            return f.read()

    def inside(self):
        "What is in the namespace of sessions."
        return subprocess.run([sys.executable, "-c", """
import ctypes, os, sys
fd = os.open(sys.argv[1] + "/.opensandbox/sessions", os.O_RDONLY)
print("setns", ctypes.CDLL(None, use_errno=True).setns(fd, 0x20000), os.fstat(fd))
print(sorted(os.listdir("/records")), sorted(os.listdir("/s")), os.statvfs("/"))
""", self.state], capture_output=True, text=True).stdout

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method, path, body=None, connection=None):
        c = connection or self.connect()
        try:
            c.request(method, path, json.dumps(body) if isinstance(body, dict) else body,
                {"Content-Type": "application/json"} if isinstance(body, dict) else {})
            reply = c.getresponse()
            return reply.status, reply.read()
        finally:
            if not connection:
                c.close()

    def counts(self):
        return {
            "descriptors of the launcher": len(os.listdir("/proc/%d/fd" % self.process.pid)),
            "descriptors of the server": len(os.listdir("/proc/%d/fd" % self.front)),
            "children of the launcher": len(children(self.process.pid)),
            "mounts of the host": mounts(self.home.name),
            "mounts of the launcher": sum(1 for _ in open("/proc/%d/mountinfo" % self.process.pid)),
        }

    def warm(self):
        "Runs side by side: from now on the launcher has what it keeps for the next ones."
        runs = [threading.Thread(target=self.ask, args=("POST", "/run", {"command": ["sleep", "0.3"]}), daemon=True)
            for _ in range(6)]
        [run.start() for run in runs]
        [run.join() for run in runs]

    def settled(self, before=None):
        """Counts that have not moved for a second: a sandbox is built ahead after a run, and one that has ended goes. None is
        larger than `before` when it ends: what was kept for more runs at once is given back after ten seconds."""
        counts, end = self.counts(), time.time() + 40
        while True:
            time.sleep(1)
            last, counts = counts, self.counts()
            more = [name for name in counts if before and counts[name] > before[name]]
            if last == counts and not more:
                return counts
            check(time.time() < end, "does not settle: %r, a second ago %r, before %r" % (counts, last, before))

    def told(self):
        "What is known of it, for who looks for what went wrong."
        lines = ["server %d, its front %r:" % (self.process.pid, self.front)]
        pids = [self.process.pid]
        try:
            pids += children(self.process.pid)
            lines.append("%r" % self.counts())
        except OSError as e:
            lines.append("counts: %r" % e)
        for pid in pids:
            for name in ("stat", "wchan", "syscall"):
                try:
                    with open("/proc/%d/%s" % (pid, name)) as f:
                        lines.append("%d %s: %s" % (pid, name, f.read().strip()))
                except OSError as e:
                    lines.append("%d %s: %s" % (pid, name, e))
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=3)
        try:
            lines.append(self.ask("GET", "/version", None, c)[1].decode())
        except (OSError, http.client.HTTPException) as e:
            lines.append("no answer: %r" % e)
        return "\n".join(lines + [self.said()[-800:]])


# --- crashes ---------------------------------------------------------------------------------------

class Owner(threading.Thread):
    """Uses sessions that are its alone, and knows what was acknowledged. What was asked and not answered when the server
    died may have happened or not: `maybe` has the state of one thing after it."""

    def __init__(self, sessions):
        super().__init__(daemon=True)
        self.sessions = sessions        # id → {"env": {...}, "files": {...}}
        self.deleted = set()
        self.creating = 0
        self.maybe = None               # (id, kind, name, value)
        self.wrong = None
        self.done = 0

    def prepare(self, server, stop):
        self.server, self.stop_event = server, stop

    def ask(self, method, path, body=None):
        return self.server.ask(method, path, body, self.connection)

    def create(self):
        self.creating += 1
        status, reply = self.ask("POST", "/sessions", {"env": {"E": "0"}, "files": {"/data/begin": "b"}})
        check(status == 201, "create: %d %r" % (status, reply))
        self.creating -= 1
        self.sessions[json.loads(reply)["id"]] = {"env": {"E": "0"}, "files": {"begin": b"b"}}

    def change(self, id, kind, name, value, method, path, body, expected):
        self.maybe = (id, kind, name, value)
        status, reply = self.ask(method, "/sessions/%s%s" % (id, path), body)
        check(status in expected, "%s %s: %d %r" % (method, path, status, reply))
        self.maybe = None
        apply_change(self.sessions, self.deleted, (id, kind, name, value))

    def act(self):
        if len(self.sessions) < 2:
            return self.create()
        id = random.choice(list(self.sessions))
        session = self.sessions[id]
        name = "f%d" % random.randrange(5)
        content = os.urandom(random.choice((0, 10, 5000, 300000)))
        what = random.randrange(10)
        if what < 3:
            self.change(id, "files", name, content, "PUT", "/files/data/" + name, content, (201, 204))
        elif what < 4 and name in session["files"]:
            self.change(id, "files", name, None, "DELETE", "/files/data/" + name, None, (204,))
        elif what < 6:
            value = "%d" % random.randrange(10**9)
            self.change(id, "env", "E", value, "POST", "/env", {"env": {"E": value}}, (200,))
        elif what < 9:
            self.change(id, "files", name, b"run", "POST", "/run",
                {"command": ["sh", "-c", "printf run > /data/n && mv /data/n /data/" + name]}, (200,))
        elif len(self.sessions) > 3 or random.random() < 0.3:
            self.change(id, "session", None, None, "DELETE", "", None, (204,))
        else:
            self.create()

    def run(self):
        try:
            self.connection = self.server.connect()
            while not self.stop_event.is_set():
                self.act()
                self.done += 1
        except Wrong as e:
            # A run that the death of the server canceled is told so, and a request may meet its end.
            if not self.stop_event.is_set() and not re.search(r": (503|500) ", str(e)):
                self.wrong = str(e)
        except (OSError, http.client.HTTPException):
            pass
        finally:
            self.connection.close()


def apply_change(sessions, deleted, change):
    id, kind, name, value = change
    if kind == "session":
        sessions.pop(id, None)
        deleted.add(id)
    elif value is None:
        sessions[id][kind].pop(name, None)
    else:
        sessions[id][kind][name] = value


def look_at(server, id):
    "What the server has of a session, in the form of an owner's."
    status, reply = server.ask("GET", "/sessions/" + id)
    check(status == 200, "GET of a session: %d %r" % (status, reply))
    env = json.loads(reply)["env"]
    status, reply = server.ask("GET", "/sessions/%s/files/data" % id)
    check(status == 200, "listing: %d %r" % (status, reply))
    left = [entry["name"] for entry in json.loads(server.ask("GET", "/sessions/%s/files/" % id)[1])["entries"]
        if entry["name"].startswith(".opensandbox")]
    check(not left, "left of a cut off upload: %r" % left)
    files = {}
    for entry in json.loads(reply)["entries"]:
        if entry["name"] == "n":        # of a run that was cut off
            continue
        check(not entry["name"].startswith(".opensandbox"), "left of a cut off upload: " + entry["name"])
        files[entry["name"]] = server.ask("GET", "/sessions/%s/files/data/%s" % (id, entry["name"]))[1]
    return {"env": env, "files": files}


def short(state):
    return {"env": state["env"], "files": {n: (len(c), c[:12]) for n, c in sorted(state["files"].items())}}


def verify(server, owners, number):
    there = {s["id"] for s in json.loads(server.ask("GET", "/sessions")[1])}
    known, creating = set(), 0
    lost = [id for owner in owners for id in owner.sessions if id not in there and (owner.maybe or " ")[0] != id]
    check(not lost, "round %d: lost, of %d: %r; the server said: %r" %
        (number, sum(len(owner.sessions) for owner in owners), lost, server.said()[-800:] + server.inside()))
    for owner in owners:
        creating += owner.creating
        owner.creating = 0
        if owner.maybe and owner.maybe[1] == "session" and owner.maybe[0] not in there:
            apply_change(owner.sessions, owner.deleted, owner.maybe)
            owner.maybe = None
        back = owner.deleted & there
        check(not back, "round %d: deleted, and back: %r" % (number, back))
        for id, expected in owner.sessions.items():
            check(id in there, "round %d: a session is lost: %s" % (number, id))
            known.add(id)
            actual = look_at(server, id)
            if actual != expected and owner.maybe and owner.maybe[0] == id and owner.maybe[1] != "session":
                apply_change(owner.sessions, owner.deleted, owner.maybe)
            check(actual == expected, "round %d: session %s is\n%r, not\n%r" % (number, id, short(actual), short(expected)))
        owner.maybe = None
    extra = there - known
    check(len(extra) <= creating, "round %d: sessions of nobody: %r" % (number, extra))
    for id in extra:
        check(server.ask("DELETE", "/sessions/" + id)[0] == 204, "delete of what nobody waited for")


def rounds(count):
    server = Server()
    owners = [Owner({}) for _ in range(6)]
    for number in range(count):
        stop = threading.Event()
        fresh = []
        for owner in owners:
            again = Owner(owner.sessions)
            again.deleted = owner.deleted
            again.prepare(server, stop)
            fresh.append(again)
        owners = fresh
        [owner.start() for owner in owners]
        time.sleep(random.uniform(0.05, 0.7))
        server.kill(("server", "launcher", "both")[number % 3])
        stop.set()
        [owner.join(90) for owner in owners]
        for owner in owners:
            check(not owner.wrong, "round %d: %s" % (number, owner.wrong))
        server.start()
        verify(server, owners, number)
        if number % 20 == 19:
            print("soak: %d rounds of kill -9" % (number + 1), flush=True)
    server.stop()
    print("soak: %d rounds of kill -9, nothing lost" % count, flush=True)


# --- clients ---------------------------------------------------------------------------------------

def client(server, end, wrong, number):
    try:
        n = 0
        while time.time() < end and not wrong:
            n += 1
            c = server.connect()
            status, reply = server.ask("POST", "/sessions", {"ttl": 2, "env": {"N": str(number)}}, c)
            check(status == 201, "create: %d %r" % (status, reply))
            at = "/sessions/" + json.loads(reply)["id"]
            content = os.urandom(random.randrange(50000))
            status, reply = server.ask("PUT", at + "/files/tmp/f", content, c)
            check(status == 201, "put: %d %r" % (status, reply))
            status, reply = server.ask("POST", at + "/run",
                {"command": ["sh", "-c", "cat /tmp/f /tmp/f > /tmp/g; echo $N"]}, c)
            check(status == 200 and json.loads(reply)["stdout"] == "%d\n" % number, "run: %d %r" % (status, reply))
            status, reply = server.ask("GET", at + "/files/tmp/g", None, c)
            check(status == 200 and reply == content * 2, "get: %d, %d bytes" % (status, len(reply)))
            status, reply = server.ask("POST", "/run", {"command": ["cat"], "stdin": "in"}, c)
            check(status == 200 and json.loads(reply)["stdout"] == "in", "stateless: %d %r" % (status, reply))
            if n % 3 == 0:      # goes away in the middle
                body = json.dumps({"command": ["sleep", "20"]}).encode()
                c.sock.sendall(("POST %s/run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                    "Content-Length: %d\r\n\r\n" % (at, len(body))).encode() + body)
                time.sleep(random.uniform(0, 0.1))
            elif n % 3 == 1:
                status, reply = server.ask("DELETE", at, None, c)
                check(status == 204, "delete: %d %r" % (status, reply))
            c.close()
    except (Wrong, OSError, http.client.HTTPException) as e:
        wrong.append("client %d: %r" % (number, e))


def load(server, seconds, wrong):
    end = time.time() + seconds
    threads = [threading.Thread(target=client, args=(server, end, wrong, i), daemon=True) for i in range(50)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    check(not wrong, "; ".join(wrong[:3]))
    end = time.time() + 60
    while True:
        version = json.loads(server.ask("GET", "/version")[1])
        if not version["sessions"]["count"] and not version["runs"]["running"] and not version["runs"]["queued"]:
            break
        check(time.time() < end, "60 s later there are still %r, %r" % (version["sessions"], version["runs"]))
        time.sleep(0.5)


def clients(seconds):
    server = Server()
    wrong = []
    load(server, min(20, seconds / 3), wrong)
    time.sleep(12)      # what was kept ready for more is given back after 10 s
    before = server.settled()
    memory = status_kb(server.process.pid, "VmRSS") + status_kb(server.front, "VmRSS")
    load(server, seconds, wrong)
    server.settled(before)
    grown = status_kb(server.process.pid, "VmRSS") + status_kb(server.front, "VmRSS") - memory
    check(grown < 1500, "server and launcher have grown by %d KB" % grown)
    server.stop()
    print("soak: 50 clients for %d s, all as before (%+d KB)" % (seconds, grown), flush=True)


# --- many idle sessions ----------------------------------------------------------------------------

def many(count):
    server = Server("--max-sessions", str(count))

    def memory():
        return status_kb(server.process.pid, "VmRSS") + status_kb(server.front, "VmRSS")
    c = server.connect()
    server.warm()
    server.ask("GET", "/version", None, c)
    before, idle = server.settled(), memory()
    begun = time.time()
    for i in range(count):
        status, reply = server.ask("POST", "/sessions", {"ttl": 3600}, c)
        check(status == 201, "create: %d %r" % (status, reply))
    made = time.time() - begun
    times = []
    for i in range(10):
        begun = time.time()
        status, reply = server.ask("GET", "/sessions", None, c)
        times.append(time.time() - begun)
    check(len(json.loads(reply)) == count, "the list is not whole")
    server.settled(before)
    each = (memory() - idle) / count
    check(each < 2, "a session takes %.1f KB of server and launcher" % each)
    listed = min(times)
    check(listed < 0.2, "the list takes %.0f ms" % (listed * 1000))
    server.kill("both")
    begun = time.time()
    server.start()
    started = time.time() - begun
    check(len(json.loads(server.ask("GET", "/sessions")[1])) == count, "they are not all there again")
    check(started < 10, "the next start takes %.1f s" % started)
    server.stop()
    print("soak: %d sessions: %.0f/s made, listed in %.1f ms, found again in %.2f s, %.2f KB of our processes each" %
        (count, count / made, listed * 1000, started, each), flush=True)


# --- a large file ----------------------------------------------------------------------------------

def chunks(megabytes, digest):
    block = os.urandom(1 << 20)
    for i in range(megabytes):
        block = block[1:] + block[:1]
        digest.update(block)
        yield block


def large_file(megabytes):
    server = Server()
    at = "/sessions/" + json.loads(server.ask("POST", "/sessions", {"disk": megabytes * 1024 + 4096})[1])["id"]
    most, over = [0], threading.Event()

    def watch():
        while not over.wait(0.1):
            most[0] = max(most[0], status_kb(server.front, "VmRSS"))
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        sent, got = hashlib.sha1(), hashlib.sha1()
        for chunked in (False, True):
            c = server.connect()
            sent = hashlib.sha1()
            headers = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(megabytes << 20)}
            c.request("PUT", at + "/files/big", chunks(megabytes, sent), headers, encode_chunked=chunked)
            status = c.getresponse().status
            check(status == 201, "upload: %d" % status)
            c.close()
            c = server.connect()
            c.request("GET", at + "/files/big")
            reply = c.getresponse()
            got = hashlib.sha1()
            while True:
                data = reply.read(1 << 20)
                if not data:
                    break
                got.update(data)
            check(got.digest() == sent.digest(), "the file is another one")
            status, _ = server.ask("DELETE", at + "/files/big")
            check(status == 204, "delete: %d" % status)
    finally:
        over.set()
        watcher.join()
    check(0 < most[0] < 20 << 10, "the server had %d KB" % most[0])
    server.stop()
    print("soak: a file of %d MB up and down, the server had %d KB at most" % (megabytes, most[0]), flush=True)


# --- links -----------------------------------------------------------------------------------------

SWAP = """
import os, shutil
for i in range(%d):
    for target in %r, "/b":
        os.symlink(target, "/n")
        while True:
            try:
                os.rename("/n", "/s")
                break
            except IsADirectoryError:   # an upload has just made its parent
                try:
                    os.rename("/s", "/t")
                    shutil.rmtree("/t", ignore_errors=True)
                except OSError:         # a link again, or the last one is still there
                    shutil.rmtree("/t", ignore_errors=True)
"""


def links(swaps):
    server = Server()
    outside = tempfile.TemporaryDirectory(prefix="opensandbox-outside.")
    os.chmod(outside.name, 0o777)
    for name in ("f", "d/f"):
        os.makedirs(os.path.dirname(outside.name + "/" + name), exist_ok=True)
        with open(outside.name + "/" + name, "w") as f:
            f.write("secret")
    os.chmod(outside.name + "/d", 0o777)
    before = sorted((d, sorted(n), sorted(f)) for d, n, f in os.walk(outside.name))
    at = "/sessions/" + json.loads(server.ask("POST", "/sessions",
        {"files": {"/b/f": "in", "/b/d/f": "in"}, "limits": {"time": 900000}})[1])["id"]
    over, wrong = threading.Event(), []

    def swap():
        status, reply = server.ask("POST", at + "/run",
            {"command": ["python3", "-c", SWAP % (swaps // 2, outside.name)]})
        if json.loads(reply)["exit_code"] != 0:
            wrong.append("the swapping ended: %r" % reply)
        over.set()

    def use(number):
        requests = (("PUT", "/files/s/new", b"x"), ("GET", "/files/s/f", None), ("GET", "/files/s", None),
            ("DELETE", "/files/s/f", None), ("DELETE", "/files/s/d", None), ("PUT", "/files/s/d/f", b"x"),
            ("POST", "/cwd", {"cwd": "/s"}), ("DELETE", "/files/s/d/f", None), ("PUT", "/files/s", b"x"),
            ("HEAD", "/files/s/d/f", None), ("DELETE", "/files/s", None),
            ("POST", "/run", {"command": ["true"], "cwd": "/", "files": {"/s/x": "y"}, "copy_out": ["/s/f"]}))
        while not over.is_set():
            method, path, body = random.choice(requests)
            status, reply = server.ask(method, at + path, body)
            if b"secret" in reply or status >= 500:
                wrong.append("%s %s: %d %r" % (method, path, status, reply))
    threads = [threading.Thread(target=target, args=args, daemon=True)
        for target, args in ((swap, ()), (use, (0,)), (use, (1,)), (use, (2,)))]
    [t.start() for t in threads]
    [t.join() for t in threads]
    check(not wrong, "%d times wrong, first: %s" % (len(wrong), wrong[:1]))
    check(sorted((d, sorted(n), sorted(f)) for d, n, f in os.walk(outside.name)) == before, "outside has changed")
    for name in ("f", "d/f"):
        with open(outside.name + "/" + name) as f:
            check(f.read() == "secret", "a file outside has changed")
    check(server.ask("DELETE", at)[0] == 204, "delete")
    server.stop()
    print("soak: links swapped %d times, nothing outside was read or written" % swaps, flush=True)


# --- runs that write: what their files are charged to ---------------------------------------------------

def memory_groups():
    "Memory cgroups of the host, those included that are removed and kept in the kernel by pages charged to them."
    with open("/proc/cgroups") as f:
        found = re.search(r"^memory\s+([1-9]\d*)\s+(\d+)", f.read(), re.M)
    if found:
        return int(found.group(2))
    try:
        with open("/sys/fs/cgroup/cgroup.stat") as f:
            return sum(int(line.split()[1]) for line in f if "descendants" in line and "subsys" not in line)
    except OSError:
        return 0


def kernel_kb():
    with open("/proc/meminfo") as f:
        return sum(int(n) for key, n in re.findall(r"^(\w+):\s+(\d+)", f.read(), re.M)
            if key in ("SUnreclaim", "KernelStack", "Percpu"))


def run_in(server, connection, session, script):
    status, body = server.ask("POST", "/sessions/%s/run" % session, {"command": ["sh", "-c", script]}, connection)
    check(status == 200, "a run is answered %d: %r" % (status, body))
    reply = json.loads(body)
    check(reply["status"] == "exited" and reply["exit_code"] == 0, "a run ends so: %r" % reply)
    return reply


def writes(count):
    "One session whose runs all leave a file. A removed group that pages are charged to costs the kernel 150 KB."
    server = Server()
    session = json.loads(server.ask("POST", "/sessions", {"disk": 1 << 20, "ttl": 86400})[1])["session_id"]
    connection = server.connect()
    eat = "x=$(head -c 40000000 /dev/zero | tr '\\0' a)"
    accounting = run_in(server, connection, session, eat)["accounting"]
    for i in range(20):
        run_in(server, connection, session, "head -c 9000 /dev/zero >/tmp/warm%d" % i)
    server.warm()
    before = server.settled(), memory_groups(), kernel_kb()
    most = 0
    for i in range(count):
        if i % 100 == 0:
            check(run_in(server, connection, session, eat)["mem"] > 40000, "40 MB are not counted")
        reply = run_in(server, connection, session, "head -c 9000 /dev/zero >/tmp/file%d" % i)
        check(reply["time"] < 2000, "a run has time of another one's: %r" % reply)
        most = max(most, reply["mem"])
    # A shell and head take 1 to 3 MB; the runs before had 40.
    check(accounting != "cgroup" or most < 16384, "a run has memory of another one's: %d KB" % most)
    server.settled(before[0])
    # Other programs make groups and take memory too, but for a while only. An inode of tmpfs takes about 2 KB.
    end = time.time() + 60
    while True:
        groups, kernel = memory_groups() - before[1], kernel_kb() - before[2]
        if groups < 40 + count / 200 and kernel < 16384 + 4 * count:
            break
        check(time.time() < end, "after %d runs: %d memory cgroups more, %d KB of kernel memory more" %
            (count, groups, kernel))
        time.sleep(0.2)
    check(server.ask("DELETE", "/sessions/" + session)[0] == 204, "delete")
    connection.close()
    server.stop()
    print("soak: %d runs that write: %d memory cgroups more, %d KB of kernel memory, at most %d KB in a run"
        % (count, groups, kernel, most), flush=True)


# --------------------------------------------------------------------------------------------------------

PARTS = {"rounds": rounds, "clients": clients, "file": large_file, "links": links, "writes": writes, "many": many}
SHORT = (("rounds", 6), ("clients", 6), ("file", 100), ("links", 3000), ("writes", 300), ("many", 1000))
SHORT_SECONDS = 100     # of one part: several times what it takes on a busy machine
LONG = (("rounds", 200), ("clients", 300), ("file", 1024), ("links", 100000), ("writes", 10000), ("many", 10000))


def do(name, size, seconds=0):
    "One part of it, that must end in time."
    begun = time.time()
    DOING[:] = [name, size, begun]
    signal.alarm(seconds)
    PARTS[name](size)
    signal.alarm(0)
    print("soak: %s %d took %.1f s" % (name, size, time.time() - begun), flush=True)


DOING = []


def interrupted(number, frame):
    "Too long, for us or for who has started this: where it is, and then as with anything else that is wrong."
    faulthandler.dump_traceback(all_threads=True)
    name, size, begun = DOING or ("the start", 0, time.time())
    raise Wrong("%s after %.0f s of %s %d" % (signal.Signals(number).name, time.time() - begun, name, size))


def main(arguments):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, interrupted)
    if len(arguments) == 2 and arguments[0] in PARTS and arguments[1].isdigit():
        do(arguments[0], int(arguments[1]))
    elif arguments == ["short"]:
        [do(name, size, SHORT_SECONDS) for name, size in SHORT]
    elif not arguments:
        [do(name, size) for name, size in LONG]
    else:
        print("soak: [short | rounds N | clients SECONDS | file MB | links N | writes N | many N]", file=sys.stderr)
        return 2
    end = time.time() + 15
    while processes() or mounts("/" + PREFIX) or groups():
        check(time.time() < end, "left: processes %r, %d mounts, groups %r" %
            (processes(), mounts("/" + PREFIX), groups()[:3]))
        time.sleep(0.1)
    return 0


def clean_up():
    "Ends servers that something went wrong with, and takes away what they leave."
    for server in SERVERS:
        server.process.terminate()
    end = time.time() + 5
    while processes() and time.time() < end:
        [server.process.poll() for server in SERVERS]
        time.sleep(0.05)
    for pid in processes():
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    with open("/proc/self/mountinfo") as f:
        points = [line.split()[4] for line in f if "/" + PREFIX in line]
    for point in reversed(points):
        subprocess.run(["umount", "-l", point], check=False)


if __name__ == "__main__":
    random.seed()
    try:
        sys.exit(main(sys.argv[2:]))
    except Exception as e:
        if not isinstance(e, Wrong):
            traceback.print_exc()
        # A second signal must not keep us from it.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        print("soak: %r" % e, flush=True)
        for server in SERVERS:
            print(server.told(), flush=True)
        clean_up()
        print("soak: %s" % (e or type(e)), flush=True)
        sys.exit(1)
