#!/usr/bin/env bats
# leaks.bats - runs, one after another and side by side, leave nothing behind

load helper
load command

# A copy of the binary that this file alone runs, and a script in front of it that notes each launcher's pid: so that
# processes and cgroups can be told from those of other runs at the same time.
setup_file() {
	OWN=$BATS_FILE_TMPDIR/own
	mkdir -p "$OWN"
	chmod 755 "$OWN"
	cp "$OPENSANDBOX" "$OWN/opensandbox"
	cat >"$OWN/noted" <<-END
		#!/bin/sh
		echo \$\$ >>"$OWN/pids"
		exec "$OWN/opensandbox" "\$@"
	END
	chmod 755 "$OWN/noted"
	OPENSANDBOX=$OWN/noted
	export OWN OPENSANDBOX
	build_programs work
}

setup() {
	mounts_before=$(list_mounts)
	marker=$BATS_TEST_TMPDIR/marker
	: >"$marker"
	: >"$OWN/pids"
}

# Groups that our launchers have made: their names begin with the maker's pid.
list_groups() {
	find /sys/fs/cgroup -type d -name 'opensandbox-*' 2>/dev/null |
		grep -F -f <(sed 's|.*|/opensandbox-&-|' "$OWN/pids")
}

# Mounts as the binary makes them: from no device.
list_mounts() {
	sed -n 's/^\([^ ]* \)\{4\}\([^ ]*\) .* - \([^ ]*\) none .*/\2 \3/p' /proc/self/mountinfo | sort
}

# What is in the second list and not in the first.
only_in_second() {
	comm -13 <(printf '%s\n' "$1") <(printf '%s\n' "$2") | grep . || :
}

no_process() {
	# shellcheck disable=SC2010,SC2012 # find of busybox knows no -lname
	left=$(ls -l /proc/[0-9]*/exe 2>/dev/null | grep -F -- "-> $(realpath "$OWN")/opensandbox")
	[[ -z $left ]]
}

no_group() {
	left=$(list_groups)
	[[ -z $left ]]
}

# Files that belong to a uid of a sandbox, where the binary could have left them; not those of tests.
left_files() {
	find /tmp /var/tmp /run /dev/shm "${TMPDIR:-/tmp}" -xdev \
		\( -name 'opensandbox-test.*' -o -name 'bats-run*' -o -name 'opensandbox-server.*' \) -prune -o \
		-newer "$marker" -uid +1879048191 -print 2>/dev/null || :
}

# A block of uids is held by a socket of the launcher: without a process there is none in use.
expect_nothing_left() {
	[[ -s $OWN/pids ]]
	try_for 10 no_process || expect "$left" '' 'processes left'
	try_for 10 no_group || expect "$left" '' 'cgroups left'
	expect "$(only_in_second "$mounts_before" "$(list_mounts)")" '' 'mounts left'
	expect "$(left_files)" '' 'files left'
	expect "$(count_zombies $$)" 0 'processes that nobody waited for'
}

@test "a hundred runs one after another leave no process, mount, cgroup, uid or file" {
	local i
	for ((i = 0; i < 100; i++)); do
		expect "$(sandbox -- sh -c 'echo text >/tmp/file; cat /tmp/file' </dev/null)" text
	done
	expect_nothing_left
}

@test "64 runs side by side leave no process, mount, cgroup, uid or file" {
	local pids=() pid i
	for ((i = 0; i < 64; i++)); do
		"$OPENSANDBOX" --run --wall-time 60000 -- sh -c 'sleep 0.5; exit 5' </dev/null >/dev/null 2>&1 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		code=0
		wait "$pid" || code=$?
		expect "$code" 5 'the exit status'
	done
	expect_nothing_left
}

@test "runs that a limit ends leave nothing behind" {
	local i
	for i in 1 2 3; do
		attempt --bind "$PROGRAMS:/programs" --time 50 -- /programs/work spin 0 8
		attempt --bind "$PROGRAMS:/programs" --wall-time 50 -- /programs/work kill 19
		attempt --bind "$PROGRAMS:/programs" --mem 32768 -- /programs/work together 100 8
		attempt --bind "$PROGRAMS:/programs" --time 300 --wall-time 10000 -- /programs/work fork-bomb
		attempt --bind "$PROGRAMS:/programs" --disk 8192 -- /programs/work fill
	done
	expect_nothing_left
}

@test "daemons, double forks and stopped processes are gone when the command ends" {
	local seconds=$((4000 + RANDOM)).$BASHPID
	attempt -- sh -c 'setsid sleep "$1" & (setsid sh -c "trap : TERM HUP; sleep $1" &) ; nohup sleep "$1" >/dev/null 2>&1 &
		sleep "$1" & kill -STOP $!; sleep 0.2; exit 4' sh "$seconds"
	expect_run exited 4
	expect "$(count_with_word "$seconds")" 0 'the number of processes left'
	expect_nothing_left
}

@test "a sandbox that could not be made leaves nothing behind" {
	local i
	for i in 1 2 3 4 5; do
		attempt --bind /nosuch/directory -- true
		attempt --rootfs /nosuch/directory -- true
		attempt --cwd /nosuch/directory -- true
		attempt -- /nosuch/program
	done
	expect_nothing_left
}

@test "canceled runs leave nothing behind" {
	local i pid
	for i in 1 2 3 4 5 6 7 8; do
		"$OPENSANDBOX" --run -- sleep 100 </dev/null >/dev/null 2>&1 3>&- &
		pid=$!
		# Also in the middle of its start.
		sleep "0.0$((i * 2 % 9))$i"
		kill -s TERM "$pid"
		wait "$pid" || :
	done
	# One that TERM met before it was there to take it has left its group to the next run.
	attempt -- true
	expect_nothing_left
}

@test "runs keep no memory of the kernel: removed cgroups do not pile up" {
	local before after round i
	[[ -r /proc/cgroups && $(awk '$1 == "memory" { print $4 }' /proc/cgroups) = 1 ]] || skip 'no memory cgroups here'
	count_memory_groups() {
		awk '$1 == "memory" { print $3 }' /proc/cgroups
	}
	# The kernel's number is of all groups: what others do at the same time is no more than noise in one of the rounds.
	for round in 1 2 3 4; do
		attempt -- sh -c 'head -c 1000000 /dev/zero >/tmp/file'
		before=$(count_memory_groups)
		for ((i = 0; i < 30; i++)); do
			attempt -- sh -c 'head -c 1000000 /dev/zero >/tmp/file'
		done
		settled() {
			after=$(count_memory_groups)
			((after < before + 15))
		}
		! try_for 3 settled || return 0
	done
	expect "$after groups, $before before 30 runs, in each of $round rounds" 'no new ones'
}
