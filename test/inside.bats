#!/usr/bin/env bats
# inside.bats - what a command sees: a small, usable Linux, and nothing of the host

load helper
load command

setup_file() {
	build_programs work
}

# inside SCRIPT [ARGUMENT...]: what a script of sh prints, with its exit status.
inside() {
	local script=$1
	shift
	attempt --time 30000 -- sh -c "$script" sh "$@"
}

# --- who and where ---

@test "the command is an ordinary user with a name, not root" {
	inside 'id -u; id -un; id -gn; id -G; id -nu root'
	expect_run exited 0
	expect "$output" $'1000\nuser\nuser\n1000\nroot'
}

@test "HOME, /tmp, /var/tmp, /dev/shm and / are writable, and are of this sandbox alone" {
	inside 'for place in "$HOME" /tmp /var/tmp /dev/shm "$TMPDIR" /; do
		ls -A "$place/new" 2>/dev/null; echo text >"$place/new" && cat "$place/new" && rm "$place/new" || echo "$place"; done'
	expect "$output" $'text\ntext\ntext\ntext\ntext\ntext'
	inside 'touch /tmp/a "$HOME/b" /c'
	inside 'ls -A /tmp "$HOME"; ls -d /c'
	expect_match "$errors" '/c'
	[[ $output != *[ab]$'\n'* ]]
}

@test "HOME is where the user's entry says" {
	inside 'cd; pwd; sed -n "s/^user:[^:]*:[^:]*:[^:]*:[^:]*:\([^:]*\):.*/\1/p" /etc/passwd; echo ~'
	expect "$output" $'/home/user\n/home/user\n/home/user'
}

@test "system directories and /etc cannot be written" {
	inside 'for place in /usr /usr/bin /bin /lib /etc /etc/ssl /dev /proc /proc/sys/kernel; do
		[ -d $place ] || continue
		(: >$place/new) 2>/dev/null && echo "$place is writable"
	done
	(: >>/etc/passwd) 2>/dev/null && echo "/etc/passwd is writable"
	(: >>/usr/bin/env) 2>/dev/null && echo "/usr/bin/env is writable"
	mv /usr/bin/env /usr/bin/env2 2>/dev/null && echo moved
	chmod 777 /etc 2>/dev/null && echo changed; true'
	expect_run exited 0
	expect "$output" ''
}

@test "nothing of the host's files is there but its programs" {
	local mark=$BATS_TEST_TMPDIR/mark
	echo secret >"$mark"
	chmod 644 "$mark"
	attempt -- cat "$mark"
	expect_match "$errors" 'No such file or directory'
	inside 'ls -d /root/* /boot/* /sys/* /mnt/* /srv/* /opt/* /var/log /var/lib /run/*.sock /home/*/.ssh /etc/shadow \
		/etc/sudoers /etc/ssh /etc/hosts.allow /dev/vda /dev/sda /dev/mem /dev/kmsg 2>/dev/null'
	expect "$output" ''
	expect "$(sandbox -- cat /etc/hostname)" sandbox
}

@test "the host's name is not told" {
	inside 'uname -n; cat /proc/sys/kernel/hostname; hostname 2>/dev/null || uname -n'
	expect "$output" $'sandbox\nsandbox\nsandbox'
}

@test "the devices work, and there are no others" {
	inside 'ls /dev | grep -v -x mqueue'
	expect "$(tr '\n' ' ' <<<"$output")" 'fd full null ptmx pts random shm stderr stdin stdout tty urandom zero '
	inside 'echo x >/dev/null; head -c 4 /dev/zero | od -An -tx1; head -c 100 /dev/urandom | wc -c; head -c 1 /dev/zero >/dev/full'
	expect "$(tr -d ' ' <<<"$output")" $'00000000\n100'
	expect_match "$errors" 'No space left on device'
}

@test "standard streams can be opened by their names" {
	echo from stdin >"$BATS_TEST_TMPDIR/input"
	chmod 644 "$BATS_TEST_TMPDIR/input"
	INPUT=$BATS_TEST_TMPDIR/input inside 'cat /dev/stdin; echo out >/dev/stdout; echo err >/dev/stderr; echo tee | tee /dev/fd/1'
	expect "$output" $'from stdin\nout\ntee\ntee'
	expect "$errors" err
	expect "$(echo piped | sandbox -- sh -c 'cat /dev/stdin; echo out >/dev/stdout; echo err >/dev/stderr' 2>&1 | cat)" \
		$'piped\nout\nerr'
}

@test "a pseudo-terminal can be had inside" {
	need_inside python3
	attempt -- python3 -c 'import os, pty
ours, theirs = pty.openpty()
print(os.ttyname(theirs))'
	expect_run exited 0
	expect_match "$output" '^/dev/pts/[0-9]+$'
}

# --- processes ---

@test "ps shows the sandbox's own processes only" {
	need_inside ps
	inside 'ps -e -o pid=,comm= | wc -l; ps -e -o comm= | sort -u | tr "\n" " "'
	expect_match "$output" '^ *[2-5]'$'\n''(ps|sh|sort|tr|wc) '
	inside 'for p in /proc/[0-9]*; do echo "${p#/proc/}"; done | sort -n | head -n 1'
	expect_match "$output" '^[1-9]$'
}

@test "pid 1 is not to be seen into, signaled or traced" {
	inside 'ls /proc/1/fd; cat /proc/1/environ; ls -l /proc/1/exe /proc/1/root; kill -9 1; kill -0 1; echo alive'
	expect "$output" alive
	expect_run exited 0
}

@test "descriptors 0 to 2 are all that is open" {
	attempt --bind "$PROGRAMS:/programs" -- /programs/work descriptors \
		5>/dev/null 6</dev/zero 7>"$BATS_TEST_TMPDIR/seven"
	expect "$output" '0 1 2 '
	inside 'for fd in 0 1 2; do readlink /proc/self/fd/$fd; done | grep -v -e ^/dev/null -e ^pipe:'
	expect "$output" '' 'what is neither /dev/null nor a pipe'
}

@test "every capability set is empty, no_new_privs is set and a filter is on" {
	inside 'sed -n "s/^\(Cap[A-Z][a-z]*\|NoNewPrivs\|Seccomp\):[[:space:]]*/\1 /p" /proc/self/status'
	expect "$output" "$(
		cat <<-'END'
			CapInh 0000000000000000
			CapPrm 0000000000000000
			CapEff 0000000000000000
			CapBnd 0000000000000000
			CapAmb 0000000000000000
			NoNewPrivs 1
			Seccomp 2
		END
	)"
}

@test "a set-user-id program gains nothing" {
	local program
	program=$(find /usr/bin /bin -perm -4000 -user root -type f 2>/dev/null | head -n 1)
	[[ -n $program ]] || skip 'no set-user-id program here'
	inside 'grep -E "^(/usr| /) " /proc/self/mounts >/dev/null; awk "\$2 == \"/usr\" { print \$4 }" /proc/self/mounts'
	expect_match ",$output," ',ro,'
	expect_match ",$output," ',nosuid,'
	expect_match ",$output," ',nodev,'
	if [[ -x /usr/bin/su ]]; then
		inside 'su -c "id -u" </dev/null'
		[[ $output != 0 ]]
	fi
}

@test "groups of the caller are not taken along" {
	inside 'sed -n "s/^Groups:[[:space:]]*//p" /proc/self/status'
	expect "${output// /}" ''
}

@test "umask, signals, priority and the parent are what a program expects" {
	inside 'umask; nice; sed -n "s/^Sig\(Blk\|Cgt\):[[:space:]]*//p" /proc/self/status; [ "$PPID" = 1 ] && echo child of 1'
	expect "$output" $'0022\n0\n0000000000000000\n0000000000000000\nchild of 1'
	# Ignored is SIGXFSZ alone (24 is bit 24): a file over its limit is then an error of write.
	inside 'sed -n "s/^SigIgn:[[:space:]]*//p" /proc/self/status'
	expect "$output" 0000000001000000
	(
		trap '' INT TERM HUP PIPE QUIT
		attempt -- sh -c 'sed -n "s/^SigIgn:[[:space:]]*//p" /proc/self/status'
		expect "$output" 0000000001000000 'SigIgn, when the caller ignores signals'
	)
	need python3
	# Also those that libc keeps for itself and lets nobody ask for.
	ignoring='import ctypes, os, sys
ignore = (ctypes.c_ulong * 4)(1)
for number in range(1, 65):
    ctypes.CDLL(None).syscall({"x86_64": 13, "aarch64": 134}[os.uname().machine], number, ignore, None, 8)
os.execv(sys.argv[1], sys.argv[1:])'
	output=$(python3 -c "$ignoring" "$OPENSANDBOX" --run -- sed -n 's/^SigIgn:[[:space:]]*//p' /proc/self/status)
	expect "$output" 0000000001000000 'SigIgn, when the caller ignores all signals'
}

@test "there is no controlling terminal, and the command leads a session of its own" {
	inside '(: </dev/tty) 2>/dev/null && echo controlling
		set -- $(sed "s/.*) //" /proc/self/stat); echo "terminal $5"
		set -- $(sed "s/.*) //" /proc/$$/stat); [ "$4" = "$$" ] && echo leader'
	expect "$output" $'terminal 0\nleader'
}

@test "orphans are reaped" {
	inside 'for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0.05 &) ; done; sleep 0.5; grep -l "^State:.*Z" /proc/[0-9]*/status'
	expect "$output" ''
}

@test "each run has namespaces of its own" {
	local kind first second
	for kind in pid mnt ipc uts net cgroup; do
		first=$(sandbox -- readlink "/proc/self/ns/$kind")
		[[ -n $first ]] || continue
		second=$(readlink "/proc/self/ns/$kind")
		[[ $first != "$second" ]] || expect "the namespace $kind" 'one of its own'
	done
}

@test "the cgroup's path in the host is not told" {
	inside 'cat /proc/self/cgroup'
	[[ $output != *opensandbox* ]] || expect "$output" 'no name of ours'
}

@test "what /proc tells of the host is closed" {
	inside 'for file in kcore keys key-users kmsg sysrq-trigger timer_list sched_debug; do
		[ -e /proc/$file ] || continue
		[ -n "$(head -c 10 /proc/$file 2>/dev/null)" ] && echo "$file can be read"
		(echo x >/proc/$file) 2>/dev/null && echo "$file can be written"
	done
	(echo x >/proc/sys/kernel/core_pattern) 2>/dev/null && echo core_pattern
	ls /sys/kernel /proc/acpi/* 2>/dev/null; true'
	expect_run exited 0
	expect "$output" ''
}

@test "without the real network there is a loopback that answers, by name too" {
	need_inside python3
	attempt -- python3 -c '
import socket, threading
for family, address in (socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (None, "localhost"):
    try:
        server = socket.socket(family or socket.AF_INET)
        server.bind((address, 0))
    except OSError as error:
        print(address, "has", error)
        continue
    server.listen()
    threading.Thread(target=lambda: server.accept()[0].sendall(b"answer")).start()
    client = socket.create_connection((address, server.getsockname()[1]), 5)
    print(address, client.recv(6).decode())'
	expect_run exited 0
	expect_match "$output" '127\.0\.0\.1 answer'
	expect_match "$output" 'localhost answer'
	expect_match "$output" '::1 (answer|has)'
}

# --- real work ---

@test "a shell pipeline works" {
	inside 'seq 1000 | grep 7 | sort -rn | head -n 3 | tr "\n" " "; printf "%s\n" b a | sort >/tmp/sorted; cat /tmp/sorted
		(cd /tmp && tar cf - sorted | gzip | gzip -d | tar tf -); find / -xdev -name sorted 2>/dev/null'
	expect_run exited 0
	expect "$output" $'997 987 979 a\nb\nsorted\n/tmp/sorted'
}

@test "git makes, commits to, and clones a repository" {
	need_inside git
	inside 'cd && git init -q one && cd one && git config user.email user@example.org && git config user.name user &&
		echo content >file && git add file && git commit -q -m first && cd .. && git clone -q one two &&
		cat two/file && git -C two log --format=%s && git --version'
	expect_run exited 0
	expect "$(head -n 2 <<<"$output")" $'content\nfirst'
	expect_match "$output" 'git version [0-9]'
}

@test "a python script writes and reads a file" {
	need_inside python3
	attempt --cwd /tmp -- python3 -c '
import json, tempfile, os, subprocess, getpass
with open("data.json", "w") as file:
    json.dump({"n": list(range(5))}, file)
print(sum(json.load(open("data.json"))["n"]), getpass.getuser(), os.path.expanduser("~"))
with tempfile.NamedTemporaryFile() as file:
    print(os.path.dirname(file.name), subprocess.check_output(["echo", "child"]).decode().strip())'
	expect_run exited 0
	expect "$output" $'10 user /home/user\n/tmp child'
}

@test "python uses several processes and threads" {
	need_inside python3
	attempt --cwd /tmp -- python3 -c '
import multiprocessing, concurrent.futures
def square(x):
    return x * x
if __name__ == "__main__":
    with multiprocessing.Pool(3) as pool:
        print(sum(pool.map(square, range(10))))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(sum(pool.map(square, range(10))))'
	expect_run exited 0
	expect "$output" $'285\n285'
}

@test "gcc compiles a program, and it runs" {
	need_inside gcc
	inside 'cd /tmp && printf "#include <stdio.h>\nint main(void) { return printf(\"compiled\\\\n\") != 9; }\n" >program.c &&
		gcc -O2 -o program program.c && ./program && rm program.c program && ls -A'
	expect_run exited 0
	expect "$output" compiled
}

@test "gh tells its version" {
	need_inside gh
	attempt -- gh --version
	expect_run exited 0
	expect_match "$output" 'gh version [0-9]'
}

@test "node runs a script" {
	need_inside node
	attempt --time 30000 -- node -e 'const fs = require("fs"); fs.writeFileSync("/tmp/x", "42"); console.log(fs.readFileSync("/tmp/x", "utf8"))'
	expect_run exited 0
	expect "$output" 42
}

@test "java starts" {
	need_inside java
	attempt --time 30000 -- java -version
	expect_run exited 0
	expect_match "$errors" 'version'
}

@test "perl and awk work" {
	inside 'echo 6 7 | awk "{ print \$1 * \$2 }"'
	expect "$output" 42
	need_inside perl
	attempt -- perl -e 'print 6 * 7'
	expect "$output" 42
}

@test "a program that is written inside can be run at once" {
	attempt --bind "$PROGRAMS:/programs" --cwd /home/user -- sh -c \
		'cp /programs/work own && ./own spin 1 1 && printf "#!/bin/sh\necho script\n" >script && chmod +x script && ./script'
	expect_run exited 0
	expect "$output" script
}

@test "the time zone, locale and name services work" {
	inside 'date +%Z >/dev/null && locale charmap 2>/dev/null; ls -ld /tmp | cut -d " " -f 1; getent hosts localhost | head -n 1 | cut -d " " -f 1'
	expect_run exited 0
	expect_match "$output" 'drwxrwxrwt'
	expect_match "$output" '(::1|127\.0\.0\.1)'
}

@test "POSIX and SysV shared memory work, and another sandbox does not see them" {
	need_inside python3
	attempt -- python3 -c '
from multiprocessing import shared_memory
memory = shared_memory.SharedMemory(create=True, size=4096)
memory.buf[0] = 7
print(memory.buf[0])
memory.close()
memory.unlink()'
	expect_run exited 0
	expect "$output" 7
	need_inside ipcmk ipcs
	inside 'ipcmk -M 4096 >/dev/null && ipcs -m | grep -c " 4096 "'
	expect "$output" 1
	inside 'ipcs -m | grep -c " 4096 "'
	expect "$output" 0
}
