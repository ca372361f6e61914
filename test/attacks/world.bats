#!/usr/bin/env bats
# world.bats - what a process inherits, and what it shares with the rest of the machine

bats_require_minimum_version 1.5.0
load attacks

setup_file() {
	build_attacks attack world
	start_file_server --bind "$ATTACKS:/attacks" --log none --max-time 600000
	SESSION=$(new_session)
	export SESSION
}

teardown() {
	host_is_unharmed
	answers_in 5000
	stop_left
}

@test "timers, slack, capabilities, securebits and priorities of the caller are not inherited" {
	local expected='capabilities 0, keepcaps 0
timerslack 50000, transparent huge pages off 0, io priority 0
machine check 2, tid address own
rtprio 0
nice 0
rttime unlimited
io priority realtime Operation not permitted'
	everywhere exited "$expected" -- /attacks/world inherited
	need python3
	python3 - "$OPENSANDBOX" "$ATTACKS" >"$BATS_TEST_TMPDIR/inherited" <<-'PY'
		import ctypes, os, signal, sys
		libc = ctypes.CDLL(None)
		libc.prctl(29, 1, 0, 0, 0)          # PR_SET_TIMERSLACK
		libc.prctl(8, 1, 0, 0, 0)           # PR_SET_KEEPCAPS
		libc.syscall(30 if os.uname().machine == "aarch64" else 251, 1, 0, 3 << 13)    # ioprio_set: idle
		signal.setitimer(signal.ITIMER_REAL, 1000)
		# One that waits, for whoever lets it.
		signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
		os.kill(os.getpid(), signal.SIGUSR2)
		os.execv(sys.argv[1], [sys.argv[1], "--run", "--bind", sys.argv[2] + ":/attacks", "--", "/attacks/world", "inherited"])
	PY
	expect "$(<"$BATS_TEST_TMPDIR/inherited")" "$expected"
	[[ $EUID = 0 ]] || return 0
	need setpriv
	setpriv --inh-caps=+net_raw --ambient-caps=+net_raw "$OPENSANDBOX" --run -- sed -n 's/^Cap\(.*\):[[:space:]]*0*$/\1/p' \
		/proc/self/status >"$BATS_TEST_TMPDIR/capabilities"
	expect "$(<"$BATS_TEST_TMPDIR/capabilities")" $'Inh\nPrm\nEff\nBnd\nAmb'
}

@test "a lock that the caller holds is not held on by the sandbox" {
	need flock
	local run inside seconds
	# Nobody else's.
	seconds=$(slow 3).0$$
	exec 9>"$BATS_TEST_TMPDIR/lock"
	flock -n 9
	sandbox -- sleep "$seconds" </dev/null >"$BATS_TEST_TMPDIR/output" 2>&1 3>&- &
	run=$!
	try_for 10 pgrep -x -f "sleep $seconds"
	exec 9>&-
	# The launcher and the front are the caller's own children and may hold it: nothing of the sandbox does.
	inside=$(pgrep -x -f "sleep $seconds")
	if [[ $EUID = 0 ]]; then
		local init
		init=$(awk '$1 == "PPid:" { print $2 }' "/proc/$inside/status")
		expect "$(find "/proc/$inside/fd" "/proc/$init/fd" -lname "$BATS_TEST_TMPDIR/lock" | wc -l)" 0 'locks that the command and its pid 1 hold'
	fi
	expect "$(find "/proc/$inside/fd" -mindepth 1 | wc -l)" 3 'descriptors of the command'
	wait "$run"
	flock -n "$BATS_TEST_TMPDIR/lock" true
}

@test "netlink tells of the loopback alone, and changes nothing" {
	refused "$(printf '%s\n' 'links 1' 'take the loopback down Operation not permitted' \
		'kernel events Address family not supported by protocol' \
		'events of every namespace Operation not permitted')" -- /attacks/world netlink
	refused '' -- sh -c 'tail -n +3 /proc/net/dev | grep -v "^ *lo:"; tail -n +2 /proc/net/unix; tail -n +2 /proc/net/tcp; tail -n +2 /proc/net/route; tail -n +2 /proc/net/arp; grep -v " lo$" /proc/net/if_inet6'
}

@test "by IPv6 no more is reached than by IPv4" {
	local expected
	expected=$(printf '%s\n' '::1 refused' '::ffff:127.0.0.1 refused' 'fe80::1 unreachable' 'ff02::1 unreachable' \
		'2001:db8::1 unreachable' '64:ff9b::7f00:1 unreachable')
	refused "$expected" -- /attacks/world connect6 ::1 "$PORT" ::ffff:127.0.0.1 "$PORT" fe80::1 "$PORT" ff02::1 "$PORT" \
		2001:db8::1 80 64:ff9b::7f00:1 80
	# They are there to be reached: the server listens at both.
	"$ATTACKS/world" connect6 ::1 "$PORT" ::ffff:127.0.0.1 "$PORT" >"$BATS_TEST_TMPDIR/outside"
	grep -q -x '::ffff:127.0.0.1 ok' "$BATS_TEST_TMPDIR/outside"
	! grep -q '\[::1\]' "$SERVER_LOG" || grep -q -x '::1 ok' "$BATS_TEST_TMPDIR/outside"
}

@test "a program with capabilities or set-user-ID in a bound directory gains nothing" {
	local bound=$BATS_TEST_TMPDIR/bound
	chmod 755 "$BATS_TEST_TMPDIR"
	mkdir -m 755 "$bound"
	cp "$ATTACKS/attack" "$bound/suid"
	chmod 6755 "$bound/suid"
	local program options programs=(suid) modes=('') refusal=EINVAL
	# Root gives capabilities to a file, and needs no user namespace.
	if [[ $EUID = 0 ]]; then
		need setcap
		cp "$ATTACKS/attack" "$bound/capable"
		setcap all+ep "$bound/capable"
		programs+=(capable) modes+=(--no-userns) refusal=EPERM
	fi
	for program in "${programs[@]}"; do
		for options in "${modes[@]}"; do
			# shellcheck disable=SC2086 # words on purpose
			attempt $options --bind "$bound:/bound" -- "/bound/$program" gain
			expect_match "$output" "^$(printf "%s $refusal\n" setuid setgid
				printf '%s EPERM\n' setgroups
				printf "%s $refusal\n" setreuid
				printf '%s EPERM\n' capset ambient
				printf 'no_new_privs 1')"$'\n''uid ([0-9]*) ([0-9]*), groups 0$' "$program $options"
			((BASH_REMATCH[1] >= 1000 && BASH_REMATCH[1] == BASH_REMATCH[2]))
		done
	done
}

@test "a mount that the host makes later below a bound directory is not seen inside" {
	local bound=$BATS_TEST_TMPDIR/bound run
	[[ $EUID = 0 ]] || skip 'not root, who mounts'
	chmod 755 "$BATS_TEST_TMPDIR"
	mkdir -p "$bound/sub"
	chmod 755 "$bound" "$bound/sub"
	sandbox --bind "$bound:/bound" --wall-time 60000 -- sh -c 'sleep "3.0$1"; until [ -e /bound/now ]; do sleep 0.1; done
		ls -A /bound/sub; grep -c /bound /proc/self/mountinfo' sh "$$" </dev/null >"$BATS_TEST_TMPDIR/output" 2>&1 3>&- &
	run=$!
	try_for 20 pgrep -x -f "sleep 3.0$$"
	mount -t tmpfs opensandbox-test "$bound/sub"
	touch "$bound/sub/later" "$bound/now"
	wait "$run" || :
	umount "$bound/sub"
	expect "$(cat "$BATS_TEST_TMPDIR/output")" 1
}

@test "a tree that forks while it is torn down leaves nobody" {
	local word=attack-hydra-$$ i
	for i in 1 2 3; do
		api '{"procs": 60, "time": 30000}' -- /attacks/world hydra "$word"
		expect_json .status exited
		try_for 5 none_with_word "$word"
	done
	attempt --procs 60 --wall-time 200 --bind "$ATTACKS:/attacks" -- /attacks/world hydra "$word"
	expect_run wall_time_limit 124
	try_for 5 none_with_word "$word"
}

@test "sixty-four threads that swap every name while runs start and files move make nothing outside" {
	local id mark=attack-mark-$$ i swapper host
	host=$(grep -v -E '^(root|user|nobody):' /etc/passwd | head -n 1)
	[[ -n $host ]]
	id=$(new_session)
	in_session "$id" '{"time": 60000, "wall_time": 60000, "procs": 70}' -- /attacks/world swap_names 12 >/dev/null &
	swapper=$!
	threads() {
		get "/sessions/$id/files/tmp/own" && [[ $body = '64 threads' ]]
	}
	try_for 20 threads
	for i in {1..12}; do
		request PUT "/sessions/$id/files/tmp/a/b/$mark" --data-binary marked
		[[ $status_code =~ ^(20[14]|4..|507)$ ]]
		request GET "/sessions/$id/files/tmp/a/passwd"
		[[ $body != *"$host"* ]]
		request GET "/sessions/$id/files/tmp/a/b/shadow"
		[[ $status_code != 5?? && $body != *:\$* ]]
		request GET "/sessions/$id/files/tmp/a/b"
		[[ $status_code =~ ^(200|4..)$ && $body != *'"shadow-"'* ]]
		request HEAD "/sessions/$id/files/home/user/c"
		[[ $status_code =~ ^(200|4..)$ ]]
		request DELETE "/sessions/$id/files/tmp/a/b/f"
		post "/sessions/$id/run" "$(jq -nc --arg mark "$mark" '{command: ["sh", "-c", "echo x >" + $mark + "; pwd -P"], cwd: "/tmp/a/b",
			files: {($mark): "marked", ("/var/tmp/d/" + $mark): "marked"}, copy_out: ["shadow", "/home/user/c/passwd"]}')"
		[[ $status_code =~ ^(200|400|404|507)$ && $body != *"$host"* ]]
		post "/sessions/$id/cwd" '{"cwd": "/home/user/c"}'
		[[ $status_code =~ ^(200|400|507)$ ]]
	done
	answers_in 5000
	kill "$swapper" 2>/dev/null || :
	wait "$swapper" || :
	request DELETE "/sessions/$id"
	expect_status 204
	expect "$(find / /tmp /dev/shm /run -xdev -name "$mark" -not -path '/proc/*' 2>/dev/null)" '' 'what was made outside'
}

@test "a lock on a file of the host's keeps waiting who locks it too, and nobody else, until the run ends" {
	need flock python3
	local shown=$BATS_TEST_TMPDIR/shown run said
	mkdir "$shown"
	chmod 755 "$BATS_TEST_TMPDIR" "$shown"
	printf '#!/bin/sh\necho runs\n' >"$shown/tool"
	chmod 666 "$shown/tool"
	said=$(printf '%s\n' 'flock ok' 'record lock to write Bad file descriptor' 'record lock to read ok' \
		'lease to read Permission denied' 'lease to write Permission denied' 'watch ok')
	# Whose file it is may lease it: an ordinary user's command has his uid.
	if [[ $EUID = 0 ]]; then
		# Not the function: that would be a shell's child, and the shell the one to be ended.
		# shellcheck disable=SC2086 # words on purpose
		"$OPENSANDBOX" --run $SANDBOX_OPTIONS --bind "$ATTACKS:/attacks" --bind "$shown:/shown" --wall-time 600000 -- \
			/attacks/world locks /shown/tool "$(slow 50)" \
			</dev/null >"$BATS_TEST_TMPDIR/said" 3>&- &
		run=$!
		try_for 20 grep -q watch "$BATS_TEST_TMPDIR/said"
		expect "$(cat "$BATS_TEST_TMPDIR/said")" "$said" 'what the command was told'
		run ! flock -n "$shown/tool" true
		attempt --bind "$shown:/shown" -- flock -n /shown/tool true
		expect "$exit_code" 1 'what another sandbox is told of the lock'
		run ! python3 -c 'import fcntl, sys; fcntl.lockf(open(sys.argv[1], "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB)' "$shown/tool"
		# A lease would have each of these wait.
		timeout "$(slow 10)" sh -euc 'cat "$1"; echo "#!/bin/sh" >"$1"; echo "echo changed" >>"$1"; chmod 755 "$1"; "$1"; cp "$1" "$1.new"; mv "$1.new" "$1"' \
			sh "$shown/tool" >"$BATS_TEST_TMPDIR/used"
		expect "$(cat "$BATS_TEST_TMPDIR/used")" $'#!/bin/sh\necho runs\nchanged'
		kill "$run"
		wait "$run" || :
		flock -n "$shown/tool" true
	fi
	refused "$said" -- /attacks/world locks /usr/bin/env 0
}

@test "what the host has in memory of a file is not dropped by a command" {
	need fincore
	local shown=$BATS_TEST_TMPDIR/shown
	mkdir "$shown"
	chmod 755 "$BATS_TEST_TMPDIR" "$shown"
	pages() {
		fincore -n -o PAGES "$shown/file" | tr -d ' '
	}
	head -c 1048576 /dev/urandom >"$shown/file"
	sync "$shown/file"
	"$ATTACKS/attack" drop "$shown/file" >/dev/null
	(($(pages) < 256)) || skip 'this file system has its files in memory'
	cat "$shown/file" >/dev/null
	expect "$(pages)" 256 'pages that were read'
	attempt --bind "$ATTACKS:/attacks" --bind "$shown:/shown" -- /attacks/attack drop /shown/file
	expect "$output" $'advice ok\nadvice with the high half set ok'
	expect "$(pages)" 256 'pages after the attack'
}

@test "what remains: a file that a command runs can be replaced on the host meanwhile, but not be written to until it ends" {
	local shown=$BATS_TEST_TMPDIR/shown run word=attack-busy-$$
	mkdir "$shown"
	chmod 755 "$BATS_TEST_TMPDIR" "$shown"
	cp "$ATTACKS/attack" "$shown/tool"
	ln "$shown/tool" "$shown/other-name"
	# shellcheck disable=SC2086 # words on purpose
	"$OPENSANDBOX" --run $SANDBOX_OPTIONS --bind "$shown:/shown" --wall-time 600000 -- /shown/tool stall "$word" </dev/null >/dev/null 3>&- &
	run=$!
	try_for 10 pgrep -x -f "/shown/tool stall $word"
	# Linux 6.11 and 6.12 let it be written to.
	sh -c 'echo >>"$1"' sh "$shown/tool" 2>"$BATS_TEST_TMPDIR/said" || grep -q 'Text file busy' "$BATS_TEST_TMPDIR/said"
	cp "$ATTACKS/attack" "$shown/new"
	mv "$shown/new" "$shown/tool"
	kill "$run"
	wait "$run" || :
	try_for 5 sh -c 'echo >>"$1"' sh "$shown/other-name"
}

@test "a run has a socket for each 512 KB of its memory, and one more ends it, but on the host's network" {
	api '{"mem": 16384, "nofile": 100, "wall_time": 20000}' -- /attacks/world sockets 30
	expect_json .status exited
	expect_json .stdout $'30 sockets'
	api '{"mem": 16384, "nofile": 100, "wall_time": 20000}' -- /attacks/world sockets 34
	expect_json .status memory_limit
	attempt --network host --mem 16384 --nofile 100 --bind "$ATTACKS:/attacks" -- /attacks/world sockets 34
	expect_run exited 0
}

@test "who binds the names of uid ranges keeps no sandbox from being made, unless the launcher may not bind a port of root's" {
	[[ $EUID = 0 ]] || skip "an ordinary user's launcher has no uids to lock"
	need unshare setpriv python3
	[[ $(ulimit -Hn) = unlimited || $(ulimit -Hn) -gt 8300 ]] || skip "no more than $(ulimit -Hn) descriptors here, for 8,192 names"
	# Names and ports are a network namespace's: none of the host's is taken.
	unshare --net python3 - "$OPENSANDBOX" >"$BATS_TEST_TMPDIR/said" 2>&1 <<-'PY'
		import os, resource, socket, subprocess, sys
		resource.setrlimit(resource.RLIMIT_NOFILE, (8300, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
		ready, tell = os.pipe()
		over, end = os.pipe()
		def take_all():
		    os.setgroups([])
		    os.setgid(4242)
		    os.setuid(4242)
		    held = []
		    for first in range(0x70000000, 0x80000000, 32768):
		        held.append(socket.socket(socket.AF_UNIX))
		        held[-1].bind("\0opensandbox-uids-%d" % first)
		    refused = 0
		    for first in range(0x70000000, 0x80000000, 32768):
		        with socket.socket() as one:
		            try: one.bind(("127.%d.%d.%d" % (first >> 24, first >> 16 & 255, first >> 8 & 255), 4))
		            except PermissionError: refused += 1
		    print(len(held), refused, flush=True)
		    os.write(tell, b"x")
		    os.close(end)
		    os.read(over, 1)
		    os._exit(0)
		if os.fork() == 0:
		    take_all()
		os.read(ready, 1)
		def run(*before):
		    print(subprocess.run([*before, sys.argv[1], "--run", "--", "echo", "made"], stdin=subprocess.DEVNULL).returncode, flush=True)
		run()
		run("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service")
		os.close(end)
		os.wait()
		run("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service")
	PY
	expect "$(grep -v '^opensandbox: ' "$BATS_TEST_TMPDIR/said")" $'8192 8192\nmade\n0\n125\nmade\n0'
}

@test "what remains: figures of the host's memory, processors and load can be read" {
	attempt -- sh -c 'grep MemTotal /proc/meminfo; grep btime /proc/stat; wc -w </proc/loadavg'
	expect "$output" "$(grep MemTotal /proc/meminfo; grep btime /proc/stat; echo 5)"
}

@test "what remains: /proc names the kernel, its command line, the boot and the host's path of a bound directory" {
	local shown=$BATS_TEST_TMPDIR/named-4715
	mkdir -m 755 "$shown"
	chmod 755 "$BATS_TEST_TMPDIR"
	attempt --bind "$shown:/shown" -- sh -c 'cat /proc/version /proc/cmdline /proc/sys/kernel/random/boot_id; grep -c " /.*named-4715 /shown " /proc/self/mountinfo'
	expect "$output" "$(cat /proc/version /proc/cmdline /proc/sys/kernel/random/boot_id; echo 1)"
}

@test "what remains: in a bound directory sockets and FIFOs can be used, and nothing bounds its disk where it can be written" {
	need python3
	local shown=$BATS_TEST_TMPDIR/shown holder
	mkdir -m 777 "$shown"
	chmod 755 "$BATS_TEST_TMPDIR"
	mkfifo -m 666 "$shown/fifo"
	python3 -c 'import os, socket, sys, time
s = socket.socket(socket.AF_UNIX); os.chdir(sys.argv[1]); s.bind("socket"); os.chmod("socket", 0o666); s.listen(9); time.sleep(60)' \
		"$shown" 3>&- &
	holder=$!
	try_for 10 test -S "$shown/socket"
	exec 8<>"$shown/fifo"
	attempt --bind "$ATTACKS:/attacks" --bind "$shown:/shown" -- sh -c '/attacks/attack connect_unix /shown/socket; echo written >/shown/fifo; echo x >/shown/new'
	expect "$output" '/shown/socket ok'
	expect "$(head -n 1 <&8)" written
	exec 8>&-
	kill "$holder"
	attempt --disk 1024 --bind "$shown:/shown:rw" -- sh -c 'head -c 3000000 /dev/zero >/shown/new && echo more'
	expect "$output" more
	expect "$(stat -c %s "$shown/new")" 3000000
}

@test "what remains: a run holds memory that others of its session have handed to it, and it is counted for neither" {
	local i taker
	by_cgroup
	{
		in_session "$SESSION" '{"mem": 32768, "wall_time": 60000}' -- /attacks/attack lend take 4
		json '[.status, .stdout]' >"$BATS_TEST_TMPDIR/taken"
	} &
	taker=$!
	for i in 1 2 3 4; do
		in_session "$SESSION" '{"mem": 32768, "fsize": 32768, "wall_time": 60000}' -- /attacks/attack lend give 20
		expect_json .stdout 'give ok'
	done
	wait "$taker"
	expect "$(<"$BATS_TEST_TMPDIR/taken")" '["exited","80 MB held\n"]'
	# One that fills more than it may itself does not come to the end of it.
	in_session "$SESSION" '{"mem": 32768, "fsize": 65536, "wall_time": 60000}' -- /attacks/attack lend give 60
	expect_json .status memory_limit
}

@test "what remains: a file in a bound directory, whatever its mode, is read by a later run that has its maker's uid" {
	local bound=$BATS_TEST_TMPDIR/bound i read=
	mkdir -m 777 "$bound"
	chmod 755 "$BATS_TEST_TMPDIR"
	start_server --log none --bind "$bound:/bound:rw"
	api -- sh -c 'umask 077; echo of-another >/bound/file'
	for i in {1..40}; do
		api -- sh -c 'cat /bound/file 2>/dev/null'
		[[ $(json .stdout) != of-another ]] || { read=yes && break; }
	done
	expect "$read" yes
}
