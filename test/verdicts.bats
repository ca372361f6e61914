#!/usr/bin/env bats
# verdicts.bats - status by cause, as a table: each row by POST /run, in a session, by --run, and where it
# differs without cgroups

load helper
load command

# Each row is three runs, some of them of a fork bomb's kind: much on a busy machine.
export BATS_TEST_TIMEOUT=400

setup_file() {
	local files
	build_programs work
	files=$PROGRAMS
	printf '#!/nosuch/interpreter\n' >"$files/no-interpreter"
	: >"$files/empty"
	cp "$files/work" "$files/foreign"
	printf '\xff\x7f' | dd of="$files/foreign" bs=1 seek=18 conv=notrunc status=none	# e_machine
	printf '#!/bin/sh\n' >"$files/no-permission"
	chmod 755 "$files"/*
	chmod 644 "$files/no-permission"
	start_file_server --bind "$files:/programs"
	SESSION=$(new_session)
	WITH_CGROUP=$(accounting_of "$URL")
	export SESSION WITH_CGROUP
}

new_session() {
	curl -sS --max-time 60 -H 'Content-Type: application/json' --data-binary '{}' "$URL/sessions" | jq -r .session_id
}

accounting_of() {
	curl -sS --max-time 60 -H 'Content-Type: application/json' --data-binary '{"command": ["true"]}' "$1/run" |
		jq -r .accounting
}

need_cgroup() {
	[[ $WITH_CGROUP = cgroup ]] || skip 'no cgroups here: limits are per process'
}

# What every result says, whatever it is.
coherent() {
	expect_json '(.exit_code == null) != (.signal == null)' true &&
		expect_json '(.signal == null) == (.signal_name == null)' true &&
		expect_json '[.time, .user_time, .system_time, .wall_time, .mem] | all(type == "number" and . >= 0)' true &&
		expect_json '(.user_time + .system_time - .time) | fabs < 0.01' true
}

# one_row WAY STATUS ENDING: judges body. ENDING is an exit code, or a signal's name.
one_row() {
	local ending
	if ! coherent; then
		echo "$1: $row" >&2
		return 1
	fi
	ending=$(json 'if .signal then .signal_name else .exit_code end')
	expect "$(json .status) $ending" "$2 $3" "$1: the ending of $row"
}

# row STATUS ENDING [JSON OF LIMITS] -- COMMAND...
row() {
	local status=$1 ending=$2 options='{}' words code row
	shift 2
	[[ $1 == -- ]] || { options=$1 && shift; }
	shift
	row="$*"
	row=${row:0:200}
	body_of "$options" "$@" >"$BATS_TEST_TMPDIR/body"
	request POST /run -H 'Content-Type: application/json' --data-binary @"$BATS_TEST_TMPDIR/body"
	expect_status 200
	one_row 'by /run' "$status" "$ending"
	expect_json .accounting "$WITH_CGROUP"
	request POST "/sessions/$SESSION/run" -H 'Content-Type: application/json' --data-binary @"$BATS_TEST_TMPDIR/body"
	expect_status 200
	one_row 'in a session' "$status" "$ending"
	mapfile -t words < <(jq -r 'to_entries[] | "--" + (.key | gsub("_"; "-")), .value' <<<"$options")
	attempt --bind "$PROGRAMS:/programs" "${words[@]}" -- "$@"
	one_row 'by --run' "$status" "$ending"
	case $status in
	exited | exec_failed) code=$ending ;;
	signaled) code=$((128 + $(json .signal))) ;;
	*) code=124 ;;
	esac
	expect "$exit_code" "$code" "by --run: the exit status of $row"
}

body_of() {
	local options=$1
	shift
	jq -nc --argjson options "$options" '$options + {command: $ARGS.positional}' --args -- "$@"
}

@test "the table: a program that ends by itself" {
	row exited 0 -- true
	row exited 1 -- false
	row exited 124 -- sh -c 'exit 124'
	row exited 127 -- sh -c 'exit 127'
	row exited 137 -- sh -c 'sh -c "kill -9 \$\$"; exit 137'
	row exited 255 -- sh -c 'exit 255'
}

@test "the table: a program that a signal ends" {
	row signaled SIGKILL -- sh -c 'kill -9 $$'
	row signaled SIGXCPU -- /programs/work kill 24
	row signaled SIGTERM -- sh -c 'kill $$'
	row signaled SIGSEGV -- /programs/work segv
	row signaled SIGABRT -- /programs/work abort
	row signaled SIGSYS -- /programs/work kill 31
	# Its own SIGKILL at a time when it has used much memory, or time, is its own all the same.
	row signaled SIGKILL '{"mem": 65536}' -- sh -c '/programs/work malloc 40; kill -9 $$'
	row signaled SIGKILL '{"time": 2000}' -- sh -c '/programs/work spin 300 1; kill -9 $$'
}

@test "the table: memory" {
	local limits='{"time": 60000, "mem": 65536, "fsize": 1048576, "nofile": 1000}'
	need_cgroup
	row memory_limit SIGKILL "$limits" -- /programs/work malloc 300
	row memory_limit SIGKILL "$limits" -- /programs/work mmap 300
	row memory_limit SIGKILL "$limits" -- dd if=/dev/zero of=/tmp/file bs=1M count=200
	row memory_limit SIGKILL "$limits" -- dd if=/dev/zero of=/dev/shm/file bs=1M count=200
	row memory_limit SIGKILL "$limits" -- /programs/work memfd 300
	row memory_limit SIGKILL "$limits" -- /programs/work together 160 8
	row memory_limit SIGKILL "$limits" -- /programs/work child-eats 300
	row exited 0 "$limits" -- /programs/work malloc 30
	row exited 0 "$limits" -- /programs/work reserve 100000
}

@test "the table: CPU time" {
	local limits='{"time": 200, "wall_time": 30000}' way
	for way in 'spin 0 1' 'spin 0 8' 'threads 6' 'chain 1' 'orphans 1' nice deaf; do
		# shellcheck disable=SC2086 # words on purpose
		row time_limit SIGKILL "$limits" -- /programs/work $way
		expect_between "$(json .time)" 200 3000 "time of $way"
	done
	row exited 0 '{"time": 5000}' -- /programs/work spin 100 1
}

@test "the table: elapsed time" {
	local limits='{"wall_time": 250}'
	row wall_time_limit SIGKILL "$limits" -- sleep 60
	row wall_time_limit SIGKILL "$limits" -- sh -c 'kill -STOP $$'
	row wall_time_limit SIGKILL "$limits" -- sh -c 'sleep 60 & kill -STOP 0'
	row wall_time_limit SIGKILL "$limits" -- sh -c 'trap "" TERM INT HUP; sleep 60; sleep 60'
	row exited 0 '{"wall_time": 60000, "time": 300}' -- sleep 0.4
}

@test "the table: what cannot be started" {
	row exec_failed 127 -- nosuch-program
	row exec_failed 127 -- /nosuch/program
	row exec_failed 126 -- /
	row exec_failed 126 -- /programs/no-interpreter
	row exec_failed 126 -- /programs/no-permission
	row exec_failed 126 -- /programs/empty
	row exec_failed 126 -- /programs/foreign
}

@test "the table: arguments of 128 KiB, and too many for the stack" {
	local part
	part=$(head -c 65000 /dev/zero | tr '\0' a)
	row exited 0 -- sh -c '[ $((${#1} + ${#2})) = 130000 ]' sh "$part" "$part"
	row exec_failed 126 '{"stack": 64}' -- sh -c true sh "$part" "$part"
}

# The verdict of a run that ends at its limit is one of two, and all else of the result follows from it.
at_its_limit() {
	local what=$1 limit=$2
	case $(json .status) in
	exited)
		expect_json .exit_code 0
		expect_json .signal null
		[[ $what != time ]] || expect_between "$(json .time)" 0 "$limit" 'the time of one within its limit'
		;;
	"${what}_limit")
		# It may have ended by itself, a moment too late: then its exit code is told.
		expect_json '.signal_name // .exit_code | . == "SIGKILL" or . == 0' true
		expect_between "$(json ".$what")" "$limit" 100000 "the $what of one over its limit"
		;;
	*) expect "$(json .status)" "exited or ${what}_limit" ;;
	esac
	coherent
}

@test "the table: a run that ends in the same ms as its limit has one of two verdicts, and all of the result says the same" {
	local i
	for i in 1 2 3 4 5 6 7 8; do
		post /run "$(body_of '{"time": 60}' /programs/work spin $((52 + i)) 1)"
		at_its_limit time 60
		post /run "$(body_of '{"wall_time": 60}' sleep 0.0$((50 + i)))"
		at_its_limit wall_time 60
		post "/sessions/$SESSION/run" "$(body_of '{"wall_time": 60}' sleep 0.0$((50 + i)))"
		at_its_limit wall_time 60
	done
}

@test "the table without cgroups, where every reply and the log say so" {
	local limits='{"mem": 65536, "time": 300, "wall_time": 30000}'
	start_server --no-cgroup --bind "$PROGRAMS:/programs"
	SESSION=$(new_session)
	WITH_CGROUP=rlimit
	attempt() { no_cgroup_attempt "$@"; }
	grep -q -i 'rlimit\|per process' "$SERVER_LOG" || expect "$(cat "$SERVER_LOG")" 'a log that says so'
	get /version
	expect_json '.check.checks[] | select(.name == "accounting") | .status + .detail[:7]' 'degradedrlimit:'
	row exited 3 "$limits" -- /programs/work malloc 300
	row exited 3 "$limits" -- /programs/work mmap 300
	row time_limit SIGKILL "$limits" -- /programs/work spin 0 1
	row time_limit SIGKILL "$limits" -- /programs/work spin 0 8
	row time_limit SIGKILL "$limits" -- /programs/work chain 1
	row memory_limit SIGKILL '{"mem": 65536, "wall_time": 30000}' -- /programs/work together 160 8
	row wall_time_limit SIGKILL '{"wall_time": 250}' -- sleep 60
	row signaled SIGKILL "$limits" -- sh -c 'kill -9 $$'
	row signaled SIGXCPU "$limits" -- /programs/work kill 24
	row exec_failed 127 "$limits" -- /nosuch/program
	row exited 3 '{"procs": 20}' -- /programs/work forks 100
	stop_server
}

no_cgroup_attempt() {
	local result=$BATS_TEST_TMPDIR/result
	rm -f "$result"
	exit_code=0
	"$OPENSANDBOX" --run --no-cgroup --result "$result" "$@" </dev/null >"$BATS_TEST_TMPDIR/output" \
		2>"$BATS_TEST_TMPDIR/errors" || exit_code=$?
	body=$(<"$result")
}
