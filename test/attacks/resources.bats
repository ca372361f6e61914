#!/usr/bin/env bats
# resources.bats - lines 1 to 15: what a program uses up, and what the rest of the machine notices of it

load attacks

setup_file() {
	start_attacked
}

@test "a fork bomb ends at its time, and the API answers meanwhile" {
	watch_health
	api '{"wall_time": 1500, "time": 60000, "procs": 64, "mem": 131072}' -- /attacks/attack fork_bomb
	expect_match "$(json .status)" '^(wall_time_limit|time_limit|memory_limit)$'
	expect_ms "$(json .wall_time)" 1 4000 'the wall time'
	health_was 1500
}

@test "a fork bomb that goes on as other programs ends at its CPU time" {
	watch_health
	in_session "$SESSION" '{"time": 800, "procs": 64, "mem": 131072}' -- /attacks/attack fork_bomb exec
	expect_match "$(json .status)" '^(time_limit|memory_limit)$'
	expect_ms "$(json .wall_time)" 1 5000 'the wall time'
	health_was 1500
}

@test "bombs of processes and of busy processes leave other sandboxes their share of the processors" {
	local bomb bombs=() i
	by_cgroup
	for bomb in 'fork_bomb' 'spin 120'; do
		# shellcheck disable=SC2086 # words on purpose
		api '{"time": 100000, "wall_time": 12000, "procs": 128, "mem": 131072}' -- /attacks/attack $bomb >/dev/null &
		bombs+=($!)
	done
	sleep 1
	for i in 1 2 3; do
		# 200 ms of work: with a share of a process, not of a sandbox, it would take 15 s beside the 240 others.
		api '{"time": 250, "wall_time": 30000}' -- sh -c 'while :; do :; done'
		expect_json .status time_limit
		expect_ms "$(json .wall_time)" 1 4000 'the time that 250 ms of work took'
		api -- true
		expect_json .status exited
	done
	answers_in 1500
	wait "${bombs[@]}"
}

@test "runs whose threads wake each other all the time end at their wall time, and the API answers meanwhile" {
	local i waking=()
	real_time
	watch_health
	for i in {1..6}; do
		curl -s --max-time "$(slow 100)" -H 'Content-Type: application/json' "$URL/run" \
			-d "$(body_of '{"wall_time": 2000, "time": 100000}' /attacks/attack wake 24)" >"$BATS_TEST_TMPDIR/woken.$i" &
		waking+=($!)
	done
	wait "${waking[@]}"
	for i in {1..6}; do
		body=$(<"$BATS_TEST_TMPDIR/woken.$i")
		expect_json .status wall_time_limit
		# With Linux 6.18 they went on for up to half a minute.
		expect_ms "$(json .wall_time)" 2000 12000
	done
	health_was 10000
}

# Clock ticks that the launcher has had (proc(5)).
ticks_of_launcher() {
	sed 's/.*) //' "/proc/$SERVER_PID/stat" | awk '{ print $12 + $13 }'
}

@test "the launcher looks at processes for a part of its time, however many there are" {
	local i running=() ticks
	build_attacks attack layer
	start_server --log none --no-cgroup --bind "$ATTACKS:/attacks"
	all_sleep() {
		[[ $(pgrep -c -x -f "sleep 60.0$$") = 8 ]]
	}
	for i in {1..8}; do
		curl -s -o /dev/null -H 'Content-Type: application/json' "$URL/run" 3>&- \
			-d "$(body_of '{"wall_time": 60000, "procs": 700, "mem": 1048576}' sh -c "/attacks/layer sleepers 600 && exec sleep 60.0$$")" &
		running+=($!)
	done
	try_for 20 all_sleep
	ticks=$(ticks_of_launcher)
	sleep 2
	# A quarter by its own clock, and what it does beside; it was up to all of one processor.
	expect_between "$(($(ticks_of_launcher) - ticks))" 0 $(($(getconf CLK_TCK) * 11 / 10)) 'ticks in two seconds'
	kill "${running[@]}"
	wait "${running[@]}" || :
}

# hit WORD OPTIONS COMMAND...: that run over and over, until the file `over` is there; each verdict is a line of hits.WORD.
hit() {
	local word=$1
	shift
	while [[ ! -f $BATS_TEST_TMPDIR/over ]]; do
		curl -s --max-time "$(slow 60)" -H 'Content-Type: application/json' -d "$(body_of "$@")" "$URL/run" |
			jq -r .status >>"$BATS_TEST_TMPDIR/hits.$word"
	done
}

@test "beside runs that all hit their limits an honest run has its share, and nothing takes the pool down" {
	local i hitting=() running=()
	by_cgroup
	for i in 1 2; do
		hit processes '{"time": 300, "procs": 64, "mem": 131072}' /attacks/attack fork_bomb &
		hitting+=($!)
		hit memory '{"time": 5000, "mem": 16384}' /attacks/attack eat touch 160 &
		hitting+=($!)
		hit output '{"time": 300, "output": 16}' cat /dev/zero &
		hitting+=($!)
	done
	sleep 0.5
	for i in 1 2 3; do
		# With a fair share of one core 200 ms of work take 1.4 s here; with a process's among those of the bombs, half a minute.
		api '{"time": 200, "wall_time": 60000}' -- sh -c 'while :; do :; done'
		expect_json .status time_limit
		expect_ms "$(json .wall_time)" 1 12000 'the time that 200 ms of work took'
	done
	answers_in 1500
	: >"$BATS_TEST_TMPDIR/over"
	wait "${hitting[@]}"
	for i in processes memory output; do
		expect "$(sort "$BATS_TEST_TMPDIR/hits.$i" | uniq | grep -vx -e time_limit -e memory_limit)" '' "the verdicts of $i"
	done
	for i in {1..16}; do
		curl -s --max-time "$(slow 60)" -H 'Content-Type: application/json' -d "$(body_of '{}' echo whole)" "$URL/run" \
			>"$BATS_TEST_TMPDIR/whole.$i" &
		running+=($!)
	done
	wait "${running[@]}"
	expect "$(jq -r .stdout "$BATS_TEST_TMPDIR"/whole.* | grep -c whole)" 16 'the runs side by side that are well'
}

@test "processes and threads have a number that is not passed, and the next is EAGAIN" {
	local limit='{"procs": 50, "wall_time": 20000}'
	by_cgroup
	refused $'EAGAIN\nbounded' "$limit" -- /attacks/attack threads
	refused $'EAGAIN\nbounded' "$limit" -- /attacks/attack forks
}

@test "memory by touch, mlock, memfd and unix sockets is counted, and ends as memory_limit" {
	local way
	by_cgroup
	for way in touch mlock memfd unix; do
		everywhere memory_limit '' '{"mem": 32768, "fsize": 1048576, "nofile": 1024}' -- /attacks/attack eat $way 160
	done
	api '{"mem": 32768, "nofile": 4096, "procs": 20}' -- /attacks/attack eat pipes 200
	[[ $(json .status) = memory_limit || $(json .mem) -le 33000 ]]
}

# watch_until_ended PID FIGURE: `most` of what the function FIGURE gives above `before`, until the process has ended.
watch_until_ended() {
	local now
	while kill -0 "$1" 2>/dev/null; do
		now=$(($("$2") - before))
		((now <= most)) || most=$now
		sleep 0.1
	done
	wait "$1"
}

# KB of sockets of all namespaces: the kernel has one figure for the host.
socket_kb() {
	awk '$1 == "TCP:" { n += $11 } $1 == "UDP:" { n += $5 } END { print n * 4 }' /proc/net/sockstat
}

@test "memory in TCP and UDP sockets is bounded by the memory limit" {
	local way before most=0
	by_cgroup
	for way in udp tcp; do
		before=$(socket_kb)
		post /run "$(body_of '{"mem": 32768, "time": 20000, "wall_time": 20000}' /attacks/attack eat $way 200)" &
		watch_until_ended $! socket_kb
		expect_between "$most" 0 100000 "KB in $way sockets"
	done
}

# KB of the kernel's own that it cannot give back.
kernel_kb() {
	awk '$1 == "SUnreclaim:" { n += $2 } $1 == "VmallocUsed:" { n += $2 } END { print n }' /proc/meminfo
}

@test "memory in queues of sockets that no control group counts is bounded by the memory limit" {
	local way before most limits='{"mem": 32768, "nofile": 1024, "time": 300000, "wall_time": 200000}'
	for way in answers errors; do
		before=$(kernel_kb) most=0
		post /run "$(body_of "$limits" /attacks/attack eat $way "$(slow 8)")" &
		watch_until_ended $! kernel_kb
		# Without a bound it is more than a gigabyte.
		expect_between "$most" 0 600000 "KB of the kernel's by $way"
		api "$limits" -- /attacks/attack eat "$way" "$(slow 8)"
		expect_json .status memory_limit
	done
}

@test "a full disk is ENOSPC, wherever it is filled" {
	refused "$(printf '%s ENOSPC\n' / /tmp /dev/shm /home/user /var/tmp)" \
		'{"disk": 8192, "fsize": 1048576, "time": 20000}' -- /attacks/attack fill / /tmp /dev/shm /home/user /var/tmp
}

@test "no more inodes can be made than the disk has" {
	refused 'inodes ENOSPC' '{"disk": 8192, "time": 20000}' -- /attacks/attack inodes
}

@test "a file of 1 TB is EFBIG, sparse or not" {
	refused "$(printf '%s EFBIG\n' ftruncate fallocate pwrite memfd)" -- /attacks/attack sparse
}

@test "a flood of both outputs is capped and drained, and the server does not grow" {
	local before
	api '{"output": 16}' -- true
	before=$(count_kb)
	api '{"output": 16, "time": 20000}' -- sh -c 'head -c 100000000 /dev/zero & head -c 100000000 /dev/zero >&2; wait'
	expect_json .status exited
	expect_json .stdout_truncated true
	expect_json .stderr_truncated true
	expect_json '.stdout | length' 16384
	expect_between "$(count_kb)" 0 $((before + 4096)) "the server's memory"
}

@test "a program that spins on all cores and ignores every signal is stopped at its CPU time" {
	watch_health
	api '{"time": 500, "procs": 20}' -- /attacks/attack spin 8
	expect_json .status time_limit
	expect_ms "$(json .time)" 495 700
	health_was 1000
}

@test "a program that sleeps, stops itself or stalls in vfork is stopped at its wall time" {
	local attack
	for attack in stop stall; do
		api '{"wall_time": 400}' -- /attacks/attack $attack
		expect_json .status wall_time_limit
		expect_ms "$(json .wall_time)" 400 1400
	done
	in_session "$SESSION" '{"wall_time": 400}' -- sleep 100
	expect_json .status wall_time_limit
}

@test "descriptors are bounded, also those in flight over unix sockets" {
	refused $'dup EMFILE\nin flight ETOOMANYREFS\nbounded' '{"nofile": 64}' -- /attacks/attack fds_exhaust
}

@test "the launcher starts sandboxes while others hold as many processes as they may" {
	local i jobs=()
	for i in 1 2 3 4; do
		api '{"procs": 200, "wall_time": 3000}' -- sh -c '/attacks/attack forks >/dev/null; sleep 10' >/dev/null &
		jobs+=($!)
	done
	sleep 1
	api -- echo on
	expect_json .stdout $'on'
	answers_in 1500
	wait "${jobs[@]}"
}

@test "quotas of a uid are a sandbox's own: inotify, message queues, pipes and signals" {
	local alone others=() word=attack-quotas-$$
	own_uids
	api '{"nofile": 2000}' -- /attacks/attack quotas
	alone=$(json .stdout)
	expect_match "$alone" $'inotify [1-9][0-9]*\nmqueue [1-9][0-9]*\npipes [1-9][0-9]*\nsignals [1-9]'
	# A run and one of a session hold all that they can have.
	{
		api '{"nofile": 2000, "wall_time": 60000}' -- sh -c "/attacks/attack quotas $(slow 6); :" "$word"
		json .stdout >"$BATS_TEST_TMPDIR/run"
	} &
	others+=($!)
	{
		in_session "$SESSION" '{"nofile": 2000, "wall_time": 60000}' -- sh -c "/attacks/attack quotas $(slow 6); :" "$word"
		json .stdout >"$BATS_TEST_TMPDIR/session"
	} &
	others+=($!)
	both_began() {
		[[ $(count_with_word "$word") = 2 ]]
	}
	try_for 5 both_began
	sleep 1
	api '{"nofile": 2000}' -- /attacks/attack quotas
	expect_json .stdout "$alone"
	in_session "$(new_session)" '{"nofile": 2000}' -- /attacks/attack quotas
	expect_json .stdout "$alone"
	# Nor are they the host's: what a user namespace's users have also counts for who made it.
	need python3
	expect "$(python3 -c 'import ctypes; print(ctypes.CDLL(None).inotify_init() >= 0)')" True 'an inotify of the host'
	wait "${others[@]}"
	expect "$(cat "$BATS_TEST_TMPDIR/run" "$BATS_TEST_TMPDIR/session" | grep .)" "$alone"$'\n'"$alone" 'what the others held'
}

@test "a crash leaves no core, and no program of the host is told of it" {
	# 1 is what the kernel takes for "no core, and no pipe either"; 0 would start a core_pattern's program.
	refused $'core 1 1\nno core' -- /attacks/attack crash
}

@test "what the whole host has one of cannot be taken: filters' memory, huge pages" {
	api -- /attacks/attack shared
	none_works "$(json .stdout)"
	expect_match "$(json .stdout)" 'SO_ATTACH_FILTER EPERM'
	expect_match "$(json .stdout)" 'MAP_HUGETLB EPERM'
}

@test "filters of a command's own take no more than their part of what the host has for all" {
	refused '64 filters, and no error but EINVAL' '{"wall_time": 30000, "time": 30000}' -- /attacks/attack filters
}

@test "where somebody above listens to calls already, runs are as ever, and a command has no filters of its own" {
	need python3
	cat >"$BATS_TEST_TMPDIR/listened" <<-'PY'
		import ctypes, os, struct, sys
		libc = ctypes.CDLL(None, use_errno=True)
		# A number that nobody has is told of; the rest is allowed.
		code = b"".join(struct.pack("HBBI", *one) for one in ((0x20, 0, 0, 0), (0x15, 0, 1, 999), (6, 0, 0, 0x7fc00000), (6, 0, 0, 0x7fff0000)))
		kept = ctypes.create_string_buffer(code)
		program = struct.pack("HxxxxxxQ", 4, ctypes.addressof(kept))
		libc.prctl(38, 1, 0, 0, 0)
		fd = libc.syscall(277 if os.uname().machine == "aarch64" else 317, 1, 8, ctypes.create_string_buffer(program))
		assert fd >= 0, ctypes.get_errno()
		os.set_inheritable(fd, True)
		os.execv(sys.argv[1], sys.argv[1:])
	PY
	# shellcheck disable=SC2086 # words on purpose
	run python3 "$BATS_TEST_TMPDIR/listened" "$OPENSANDBOX" --run $SANDBOX_OPTIONS --bind "$ATTACKS:/attacks" -- \
		sh -c '/attacks/attack filters; /attacks/attack namespace | head -n 1; (echo more); exit 3'
	expect "$status $output" $'3 0 filters, ENOSYS\nunshare user EPERM\nmore'
}
