#!/usr/bin/env bats
# reuse.bats - what a run has left, the next one does not see: the sandbox is thrown away, or shows no trace
#
# Two runs were in the same sandbox when they name the same pid namespace and the time when it was made. After each attack either the sandbox never
# serves again, or a look at all that can be seen in it reads as before.
# shellcheck disable=SC2154 # body is helper.bash's

load attacks

setup_file() {
	build_attacks reuse
	start_file_server --bind "$ATTACKS:/attacks" --log none --max-time 600000
}

teardown_file() {
	stop_server
	stop_left all
}

setup() {
	watch_host
	need_reuse
}

# run_in_sandbox COMMAND...: sets body, and sandbox: the name that the last line tells.
run_in_sandbox() {
	api '{"time": 60000, "wall_time": 180000, "procs": 20}' -- "$@"
	expect_json .status exited
	sandbox=$(json '[.stdout | scan("pid:[^\n]*")] | last')
	[[ $sandbox = pid:* ]]
}

# Three runs in a row without a trace share a sandbox: else there is nothing to attack here.
need_reuse() {
	local last='' i
	for i in 1 2 3 4 5 6 7 8; do
		run_in_sandbox /attacks/reuse nothing
		[[ $sandbox != "$last" ]] || return 0
		last=$sandbox
		sleep 0.05
	done
	[[ $BATS_TEST_DESCRIPTION = 'a run without a trace'* ]] || skip 'no sandbox is used again here'
}

# Looks at all that can be seen. The first look at a sandbox is kept; every later one has to equal it.
look() {
	local kept
	run_in_sandbox /attacks/reuse look
	kept=$BATS_TEST_TMPDIR/${sandbox//[^0-9]/}
	if [[ ! -f $kept ]]; then
		json .stdout >"$kept"
	elif ! json .stdout | diff "$kept" - >&2; then
		echo "a later run in $sandbox sees what an earlier one has left" >&2
		return 1
	fi
}

# unseen ATTACK [ARGUMENT]: whether its sandbox serves again or not, nothing of it is to be seen. Sets attacked.
unseen() {
	look
	look
	run_in_sandbox /attacks/reuse "$@"
	attacked=$sandbox
	said=$(json '.stdout | gsub("pid:[^\n]*\n"; "")')
	# What the kernel does some time later is a trace as well.
	[[ -z ${LATER:-} ]] || sleep "$LATER"
	look
	[[ $sandbox = "$attacked" ]] || look
}

# thrown_away ATTACK [ARGUMENT]: its sandbox never serves again.
thrown_away() {
	local i
	run_in_sandbox /attacks/reuse "$@"
	attacked=$sandbox
	for i in 1 2 3; do
		run_in_sandbox /attacks/reuse look
		if [[ $sandbox = "$attacked" ]]; then
			echo "after \"$*\" its sandbox served again" >&2
			return 1
		fi
	done
}

@test "a run without a trace has its sandbox used again" {
	! "$OPENSANDBOX" check | grep -q '^mem_peak .*cannot be reset' || skip 'the peak of a group cannot be reset by this kernel: none serves again'
	local -A seen
	local i again=0
	for i in 1 2 3 4 5 6 7 8 9 10; do
		run_in_sandbox /attacks/reuse nothing
		[[ -z ${seen[$sandbox]:-} ]] || again=$((again + 1))
		seen[$sandbox]=1
	done
	echo "$again of 10 runs were in a sandbox that had served before" >&2
	# What is kept for the next run are capabilities, so without a user namespace of its own a sandbox serves once.
	if ! with_userns || [[ $EUID != 0 ]]; then
		expect "$again" 0 'runs in a sandbox that had served before'
		return
	fi
	((again >= 5))
}

@test "what other programs of the host do with sockets does not keep a sandbox from serving again" {
	local i last again=0
	for i in 1 2 3 4 5 6; do
		# A connection that stays open, and one that has gone, between any two runs.
		exec {held}<>"/dev/tcp/127.0.0.1/$PORT"
		(exec 9<>"/dev/tcp/127.0.0.1/$PORT")
		last=${sandbox:-}
		run_in_sandbox /attacks/reuse nothing
		[[ $sandbox != "$last" ]] || again=$((again + 1))
	done
	((again >= 3))
}

@test "a look changes nothing that the next look sees" {
	local i
	for i in 1 2 3 4 5; do
		look
	done
}

@test "no sandbox is used again where that is turned off, or a run had files, copy_out or a session" {
	local i
	local -A seen
	for i in 1 2 3; do
		api '{"files": {"/tmp/left": "x"}}' -- /attacks/reuse nothing
		[[ -z ${seen[$(json .stdout)]:-} ]]
		seen[$(json .stdout)]=1
	done
	for i in 1 2 3; do
		api '{"copy_out": ["/tmp/left"]}' -- /attacks/reuse nothing
		[[ -z ${seen[$(json .stdout)]:-} ]]
		seen[$(json .stdout)]=1
		expect_json '.files["/tmp/left"]' null
	done
	SESSION=$(new_session)
	seen=()
	for i in 1 2 3; do
		in_session "$SESSION" -- /attacks/reuse nothing
		[[ -z ${seen[$(json .stdout)]:-} ]]
		seen[$(json .stdout)]=1
		# Nor by a run that is in no session.
		api -- /attacks/reuse nothing
		[[ -z ${seen[$(json .stdout)]:-} ]]
	done
}

@test "with --no-reuse every run has a sandbox of its own" {
	local -A seen
	local i
	start_server --no-reuse --bind "$ATTACKS:/attacks" --log none
	for i in 1 2 3 4 5; do
		run_in_sandbox /attacks/reuse nothing
		[[ -z ${seen[$sandbox]:-} ]]
		seen[$sandbox]=1
	done
	stop_server
}

# --- files ---

@test "files left, files taken away again, and deep ones are traces" {
	local place
	for place in / /tmp /home /home/user /run /dev/shm /var /var/tmp; do
		thrown_away file-left "$place"
		thrown_away file-gone "$place"
	done
	thrown_away file-deep
}

@test "times put back do not hide that a file was there" {
	thrown_away file-hidden
	thrown_away hard-link
}

@test "a file that is left in the moment in which its sandbox was made is seen" {
	local -A attacked=()
	local round i name clients
	for round in 1 2; do
		clients=()
		# More at once than there are sandboxes: most are made for their run.
		for i in {1..16}; do
			curl -s -H 'Content-Type: application/json' -d "$(run_json /attacks/reuse file-left /tmp)" \
				"$URL/run" >"$BATS_TEST_TMPDIR/left.$i" &
			clients+=($!)
		done
		wait "${clients[@]}"	# not for the server, which may be a child too
		for i in {1..16}; do
			name=$(jq -r '[.stdout | scan("pid:[^\n]*")] | last' "$BATS_TEST_TMPDIR/left.$i")
			[[ $name = pid:* ]]
			attacked[$name]=1
		done
		for i in 1 2 3 4 5 6 7 8; do
			run_in_sandbox /attacks/reuse look
			if [[ -n ${attacked[$sandbox]:-} ]]; then
				echo "the sandbox $sandbox has served again" >&2
				return 1
			fi
		done
	done
}

@test "mode, times, attributes and flags of a directory are traces" {
	local place
	for place in / /tmp /home/user /run/shm; do
		thrown_away mode-changed "$place"
		thrown_away times-changed "$place"
		unseen xattr-changed "$place"
		unseen flags-changed "$place"
	done
}

@test "a program cannot change the times, owners or attributes of what is not its own" {
	unseen not-its-own
	expect "$said" ''
}

@test "reading directories and links leaves no access time" {
	unseen reading
}

@test "a file without a name is a trace: the number of the next file tells of it" {
	local place
	for place in /tmp /home/user /run/shm; do
		thrown_away file-unnamed "$place"
	done
}

@test "locks on directories end with the program" {
	unseen locks
}

@test "what a run has looked up in /proc cannot be told by the next" {
	local i
	for i in 1 2 3 4; do
		run_in_sandbox /attacks/reuse proc-lookup
		sleep 0.3
		run_in_sandbox /attacks/reuse proc-seen
		[[ $(json .stdout) = pid:* ]]
	done
}

@test "a terminal that a run has made and written to leaves no trace" {
	unseen terminal
}

# --- ipc ---

@test "shared memory, semaphores and queues that are left are traces" {
	local kind
	for kind in shm sem msg mq; do
		thrown_away "$kind-left"
	done
}

@test "SysV ipc that was made and removed is a trace, however often" {
	local kind n
	for kind in shm sem msg; do
		for n in 1 63 64 65 128 256; do
			thrown_away "$kind-gone" "$n"
		done
	done
	unseen mq-gone
}

@test "a queue that is left in the second in which its sandbox was made is a trace" {
	local i
	for i in {1..8}; do
		thrown_away mq-left
	done
}

@test "a queue is found also when the ids have gone round to where they were" {
	[[ -n ${LONG:-} ]] || skip 'four million calls: with LONG=1'
	REQUEST_SECONDS=200
	run_in_sandbox /attacks/reuse nothing
	thrown_away msg-round
	run_in_sandbox /attacks/reuse look
	[[ $(json .stdout) = *$'\nipc shm 0 sem 0 msg 0\n'* ]]
}

# --- network ---

@test "packets on the loopback, connections and their TIME_WAIT are traces" {
	local what
	for what in tcp-time-wait tcp-refused udp-send flow-label; do
		thrown_away "$what"
	done
}

@test "sockets and names that end with the program leave nothing, in flight or not, and are traces" {
	local what
	for what in unix-name unix-cycle tcp-listen sockets; do
		unseen "$what"
		thrown_away "$what"
	done
}

@test "no connection of a run is counted or kept for the next: by UDP, by TCP, refused and closed" {
	local what
	for what in udp-send tcp-refused tcp-time-wait; do
		unseen "$what"
		# Where the kernel tracks connections at all it has a count of them. Figures of a new namespace: nothing was sent in it.
		# shellcheck disable=SC2016 # expanded there
		api -- sh -c 'tail -qn +2 /proc/net/tcp /proc/net/udp; awk "/^(Tcp|Udp): [0-9]/ { print \$1, \$6 + \$7, \$5 }" /proc/net/snmp
			! read -r n </proc/sys/net/netfilter/nf_conntrack_count || [ "$n" = 0 ] || echo "$n tracked"'
		expect_json .stdout $'Tcp: 0 -1\nUdp: 0 0'
		expect "$(json .stderr | grep -v nf_conntrack)" ''
	done
}

@test "a multicast membership leaves nothing, also not what the kernel sends some seconds later" {
	LATER=3 unseen multicast
}

# --- processes, clocks, memory ---

@test "whoever has made a process or a thread has its sandbox thrown away" {
	local what
	for what in child child-left child-quiet child-of-init thread pids-used-up; do
		thrown_away "$what"
	done
	thrown_away child 15
}

@test "the environment and the arguments of the run before are nowhere to be found" {
	local i
	for i in 1 2 3; do
		api '{"env": {"SECRET": "swordfish"}}' -- /attacks/reuse nothing swordfish
		run_in_sandbox /attacks/reuse find sword fish
		[[ $(json .stdout) = pid:* ]]
	done
	unseen nothing
}

@test "timers end with the program that has set them" {
	LATER=0.4 unseen timers
}

@test "limits, priorities, masks and clocks of a run bind neither pid 1 nor the next run" {
	unseen attributes
	expect "$said" ''
}

@test "values in /proc/sys and the host name cannot be changed" {
	unseen sysctls
	expect "$said" ''
}

@test "figures of a run contain nothing of the one before" {
	local i
	api -- /attacks/reuse nothing
	for i in 1 2 3; do
		api -- /attacks/reuse memory
		expect_between "$(json .mem)" 262144 300000 'mem of the greedy'
		api -- /attacks/reuse nothing
		[[ $(json .accounting) != cgroup ]] || expect_between "$(json .mem)" 0 16384 'mem of the next'
		api -- /attacks/reuse spin
		expect_between "$(json .time)" 490 5000 'time of the busy'
		api -- /attacks/reuse nothing
		expect_between "$(json .time)" 0 400 'time of the next'
	done
}

@test "limits of a run are its own: disk, memory and processes of the next are as they would be" {
	local i
	for i in 1 2 3; do
		api '{"disk": 1024, "mem": 32768, "procs": 2, "nofile": 10}' -- /attacks/reuse look
		[[ $(json .stdout) = *$'\ndisk 256 '* ]]
		unseen nothing
		run_in_sandbox /attacks/reuse look
		[[ $(json .stdout) = *$'\ndisk 65536 '* ]]
		api -- /attacks/reuse memory
		expect_json .status exited
	done
}

@test "a sandbox that was a session's serves nobody else, and no other run of the session" {
	local id i before=''
	id=$(new_session)
	for i in 1 2 3 4 5 6; do
		in_session "$id" -- /attacks/reuse nothing
		sandbox=$(json '[.stdout | scan("pid:[^\n]*")] | last')
		[[ $sandbox = pid:* && $before != *"$sandbox"* ]]
		before="$before $sandbox"
		((i < 4)) || continue
		run_in_sandbox /attacks/reuse nothing
		[[ $before != *"$sandbox"* ]]
		api -- ls /tmp
		expect_json .stdout ''
	done
}

@test "a run with next to no memory keeps no sandbox after it from being made" {
	local id i
	id=$(new_session)
	for i in {1..24}; do
		api '{"mem": 1}' -- true
		api -- true
		expect_json .status exited
		in_session "$id" '{"mem": 1}' -- true
		in_session "$id" -- sh -c 'head -c 65536 /dev/zero >> kept'
		expect_json .status exited
	done
}

@test "a limit that was hit, a crash and a client that has gone leave nothing to the next" {
	local i
	for i in 1 2; do
		look
		api '{"time": 100}' -- /attacks/reuse spin
		expect_json .status time_limit
		look
		api '{"mem": 65536}' -- /attacks/reuse memory
		[[ $(json .status) = memory_limit || $(json .accounting) != cgroup ]]
		look
		api -- /nosuch/program
		expect_json .status exec_failed
		look
		timeout 0.3 curl -sS -o "$BATS_TEST_TMPDIR/none" -H 'Content-Type: application/json' \
			--data-binary '{"command": ["sleep", "100"]}' "$URL/run" || :
		look
	done
}
