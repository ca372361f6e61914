#!/usr/bin/env bats
# lifetime.bats - lines 16 to 23: processes that try to outlive their run, and to end the one who would end them

load attacks

setup_file() {
	start_attacked
}

@test "daemons are gone when the command ends" {
	local word=attack-daemon-$$
	everywhere exited '3 left' -- /attacks/attack daemon "$word"
	try_for 2 none_with_word "$word"
	in_session "$SESSION" -- sh -c 'ls /proc | grep -c "^[0-9]"'
	expect_between "$(json .stdout)" 1 4 'processes in the session'
}

@test "a grandchild that holds the output does not delay the reply" {
	everywhere exited said -- sh -c 'sleep 30 & echo said'
	expect_ms "$(json .wall_time)" 0 5000
}

@test "a run whose output another run of its session was given answers at once, and is not written to" {
	in_session "$SESSION" '{"wall_time": 60000}' -- /attacks/attack pass take "$(slow 4)" >/dev/null &
	local taker=$!
	sleep 0.3
	local began=$SECONDS
	in_session "$SESSION" -- /attacks/attack pass give
	expect_json .stdout $'give ok'
	((SECONDS - began < $(slow 3)))
	wait "$taker"
	in_session "$SESSION" '{"wall_time": 60000}' -- /attacks/attack pass take "$(slow 4)" flood >/dev/null &
	taker=$!
	sleep 0.3
	began=$SECONDS
	in_session "$SESSION" -- /attacks/attack pass give
	# What it says may come after the other's flood, or be more than is kept.
	expect_json '[.status, .exit_code]' '["exited",0]'
	((SECONDS - began < $(slow 3)))
	wait "$taker"
}

@test "descriptors 0 to 2 can be closed and replaced" {
	refused '' -- sh -c 'exec 0<&- 1>&- 2>&-; echo lost; exit 0'
	refused '' -- sh -c 'exec 1>/tmp/x 2>&1; echo elsewhere'
}

@test "pid 1 can be neither seen nor touched by any call, and lives" {
	local file refusal=EPERM expected=
	# With one uid a signal arrives, and nothing happens: the kernel gives a pid 1 none from its own namespace that it has no handler for.
	[[ $EUID = 0 ]] || refusal=ok
	for file in root cwd mem environ maps fd fd/0 exe cmdline ns/mnt task/1/mem; do
		expected+="/proc/1/$file ENOENT"$'\n'
	done
	expected+=$(printf '%s EPERM\n' 'ptrace attach' 'ptrace seize'
		printf "%s $refusal\n" kill stop
		printf '%s EPERM\n' prlimit 'prlimit nofile' sched_setparam sched_setattr sched_setscheduler sched_setaffinity setpriority ioprio_set \
			'setpriority of the user' 'ioprio_set of the user'
		printf "%s $refusal\n" pidfd_send_signal
		printf '%s EPERM\n' pidfd_getfd 'setns by pidfd')
	refused "$expected"$'\nkill all ESRCH' -- /attacks/attack init
	[[ $EUID = 0 ]] || return 0
	attempt --no-userns --bind "$ATTACKS:/attacks" -- /attacks/attack init
	expect "$output" "$expected"$'\nkill all ESRCH' 'with --no-userns'
}

@test "kill -1 ends only its own, and the run's end is told as it was" {
	everywhere signaled '' -- sh -c 'sleep 50 & kill -9 -1; kill -9 $$'
}

@test "orphans are reaped while the run goes on" {
	refused 'all reaped' '{"procs": 20, "time": 20000}' -- /attacks/attack orphans
}

@test "every sandbox dies with a server that is killed, and with a launcher that is killed" {
	local who word=attack-left-$$ front path clients
	for who in server launcher; do
		start_server --log none
		clients=()
		for path in run "sessions/$(new_session)/run"; do
			# Also what has left the command's process group and session.
			curl -s -o /dev/null -H 'Content-Type: application/json' \
				-d "{\"command\": [\"sh\", \"-c\", \"setsid sh -c 'sleep 60; :' $word; :\", \"$word\"]}" "$URL/$path" 3>&- &
			clients+=($!)
		done
		try_for 10 four_are_up "$word"
		# The launcher was started first. Of its children the front has a filter, and no pid of its own in another namespace.
		front=$(for pid in $(pgrep -P "$SERVER_PID"); do
			awk -v pid="$pid" '$1 == "NSpid:" { n = NF } $1 == "Seccomp:" { filter = $2 } END { if (n == 2 && filter == 2) print pid }' \
				"/proc/$pid/status" 2>/dev/null || :
		done)
		expect_match "$front" '^[0-9]+$' 'the pid of the front'
		if [[ $who = server ]]; then
			kill -9 "$front"
		else
			kill -9 "$SERVER_PID"
		fi
		try_for 5 none_with_word "$word"
		server_ended 5
		wait "${clients[@]}" || :
	done
}

four_are_up() {
	[[ $(count_with_word "$1") = 4 ]]
}

count_is_up() {
	[[ $(count_with_word "$1") != 0 ]]
}

@test "a client that goes away cancels its run, in a session as well" {
	local word=attack-canceled-$$ client path
	for path in run "sessions/$SESSION/run"; do
		curl -s -o /dev/null -H 'Content-Type: application/json' \
			-d "{\"command\": [\"sh\", \"-c\", \"trap '' TERM HUP PIPE; sleep 60; :\", \"$word\"]}" "$URL/$path" 3>&- &
		client=$!
		try_for 10 count_is_up "$word"
		kill "$client"
		wait "$client" || :
		try_for 3 none_with_word "$word"
	done
}

@test "what is inherited is as new: signals, umask, nice, scheduler, limits, session" {
	cat >"$BATS_TEST_TMPDIR/start" <<-'SH'
		umask 077
		ulimit -c unlimited 2>/dev/null
		ulimit -r 50 2>/dev/null
		ulimit -e 40 2>/dev/null
		trap '' INT QUIT HUP USR1 TTOU
		exec nice -n 5 "$@"
	SH
	# Nobody but root takes priority back. Real-time policy and mandatory personalities are root's to begin with as well, or anybody's.
	local priority=0 worse=(setarch -R)
	need setarch chrt
	if [[ $EUID = 0 ]]; then
		! chrt -f 1 true || worse+=(chrt -f 1)
	else
		priority=$(nice -n 5 nice)
		worse+=(chrt -b 0)
	fi
	# shellcheck disable=SC2086 # words on purpose
	"${worse[@]}" bash "$BATS_TEST_TMPDIR/start" "$OPENSANDBOX" --run $SANDBOX_OPTIONS --bind "$ATTACKS:/attacks" -- /attacks/attack inherited \
		>"$BATS_TEST_TMPDIR/inherited" </dev/null
	sed -i '/oom_score_adj/d' "$BATS_TEST_TMPDIR/inherited"
	diff "$BATS_TEST_TMPDIR/inherited" - <<-TEXT
		ignored 25
		umask 022
		nice $priority policy 0 personality 0
		session own group own
		realtime EPERM
		raise nice EACCES
		core none
		memlock 8388608
		altstack none, dumpable 1, securebits e3
		pdeathsig 0 subreaper 0
	TEXT
}

@test "the kernel that runs out of memory takes a sandbox first, and the sandbox cannot change that" {
	attempt -- cat /proc/self/oom_score_adj
	((output >= 500))
	# Who lowers a score needs CAP_SYS_RESOURCE; what a privileged process has set cannot be lowered without it.
	(($((16#$(sed -n 's/^CapEff:\t//p' /proc/self/status))) >> 24 & 1)) || skip 'no CAP_SYS_RESOURCE here'
	attempt --bind "$ATTACKS:/attacks" -- /attacks/attack inherited
	[[ $output = *'lower oom_score_adj EACCES'* ]]
}
