#!/usr/bin/env bats
# limits.bats - every limit holds, and the verdict tells what happened: status by cause

load helper
load command

setup_file() {
	build_programs work
}

# work [OPTION...] -- WHAT [NUMBER...]: a run of test/programs/work.c
work() {
	local options=()
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	shift
	# shellcheck disable=SC2153 # of build_programs
	attempt --bind "$PROGRAMS:/programs" "${options[@]}" -- /programs/work "$@"
}

need_cgroup() {
	attempt -- true
	expect_run exited 0
	[[ $(json .accounting) != cgroup ]] || return 0
	# No run falls back to limits per process where others do not.
	attempt -- true
	expect_json .accounting rlimit
	skip 'no cgroups here: limits are per process'
}

# A limit ended the run: the whole tree by SIGKILL, and one line says which limit it was.
expect_limit() {
	expect_run "$1" 124 &&
		expect_json .exit_code null &&
		expect_json .signal 9 &&
		expect_json .signal_name SIGKILL &&
		expect_match "$errors" "^opensandbox: $1: [^"$'\n'"]*\$" 'the line on stderr'
}

# --- ends ---

@test "an exit code is told as it is, whatever it is" {
	local code
	for code in 0 1 2 77 124 125 126 127 128 137 255; do
		attempt -- sh -c "exit $code"
		expect_run exited "$code"
		expect_json .exit_code "$code"
		expect_json .signal null
		expect_json .signal_name null
		expect "$errors" ''
	done
}

@test "a program that kills itself is signaled, never a limit" {
	local pair
	for pair in 9:SIGKILL 24:SIGXCPU 15:SIGTERM 13:SIGPIPE 14:SIGALRM 31:SIGSYS 1:SIGHUP; do
		work -- kill "${pair%:*}"
		expect_run signaled $((128 + ${pair%:*}))
		expect_json .exit_code null
		expect_json .signal "${pair%:*}"
		expect_json .signal_name "${pair#*:}"
		expect "$errors" ''
	done
}

@test "a crash and an abort are signaled, and leave no core file" {
	work -- segv
	expect_run signaled 139
	expect_json .signal_name SIGSEGV
	work -- abort
	expect_run signaled 134
	expect_json .signal_name SIGABRT
	attempt --bind "$PROGRAMS:/programs" --cwd /tmp -- sh -c '/programs/work abort; ls -A /tmp; ulimit -c'
	expect "$output" 0
}

@test "a program that fakes a limit's exit code and message is exited" {
	attempt -- sh -c 'echo "opensandbox: memory_limit: used 1" >&2; exit 124'
	expect_run exited 124
	attempt -- sh -c 'sh -c "kill -9 \$\$"; exit 137'
	expect_run exited 137
}

# --- memory ---

@test "memory by malloc, by mmap, by sockets and by files in memory ends as memory_limit" {
	local what
	need_cgroup
	for what in 'malloc 300' 'mmap 300' 'sockets 300' 'memfd 300'; do
		# shellcheck disable=SC2086 # words on purpose
		work --time 60000 --mem 65536 --fsize 1048576 --nofile 10000 -- $what
		expect_limit memory_limit
		# A slow machine's sockets are counted before they are full: they are too many for this limit.
		expect_between "$(json .mem)" "$([[ $what = sockets* ]] && echo 4000 || echo 60000)" 66560 "mem of $what"
	done
}

@test "files in /tmp and /dev/shm count as memory" {
	local place
	need_cgroup
	for place in /tmp /dev/shm; do
		attempt --time 60000 --mem 65536 --fsize 1048576 -- dd if=/dev/zero of=$place/file bs=1M count=200
		expect_limit memory_limit
	done
}

@test "many processes that each stay below the limit reach it together" {
	need_cgroup
	work --time 60000 --mem 65536 -- together 160 8
	expect_limit memory_limit
}

@test "memory that a child takes ends the whole tree" {
	need_cgroup
	work --time 60000 --mem 65536 -- child-eats 300
	expect_limit memory_limit
}

@test "a program that stays below its memory limit is left alone, and its mem is told" {
	work --time 60000 --mem 98304 -- malloc 64
	expect_run exited 0
	expect_between "$(json .mem)" 64000 98304 mem
}

@test "address space that is reserved and not used is no memory" {
	need_cgroup
	work --mem 65536 -- reserve 100000
	expect_run exited 0
}

@test "an OOM kill in one run is not told of the next" {
	need_cgroup
	work --time 60000 --mem 32768 -- malloc 100
	expect_limit memory_limit
	work --mem 32768 -- kill 9
	expect_run signaled 137
	work --mem 65536 -- malloc 1
	expect_run exited 0
	expect_between "$(json .mem)" 0 16384 mem
}

@test "where memory is all that has a cgroup, a kill for it is told all the same" {
	[[ $EUID = 0 ]] || skip 'not root'
	need unshare umount
	grep -q ' - cgroup .*\bmemory\b' /proc/self/mountinfo || skip "no memory controller of version 1 here: version 2 has them together"
	unshare --mount sh -c '
		mount --make-rprivate /
		for place in $(awk "/ - cgroup/ && !/[ ,]memory(,|\$)/ { print \$5 }" /proc/self/mountinfo); do
			umount -l "$place" || exit
		done
		exec "$@"' sh "$OPENSANDBOX" --run --result "$BATS_TEST_TMPDIR/result" --mem 65536 --time 60000 --fsize 1048576 -- \
		dd if=/dev/zero of=/tmp/file bs=1M count=200 || :
	body=$(<"$BATS_TEST_TMPDIR/result")
	expect_json .accounting rlimit
	expect_json .status memory_limit
}

@test "a program that gets ENOMEM and exits is exited" {
	work --no-cgroup --mem 65536 -- malloc 300
	expect_run exited 3
	expect_match "$output" '^malloc: .* after [0-9]+$'
	need_cgroup
	attempt --mem 65536 -- sh -c 'ulimit -v 30000; exec dd if=/dev/zero of=/dev/null bs=64M count=1'
	expect_run exited 1
}

@test "without cgroups many processes together are stopped all the same" {
	work --no-cgroup --mem 65536 --wall-time 20000 -- together 160 8
	expect_limit memory_limit
	expect_json .accounting rlimit
}

# --- CPU time ---

@test "CPU time of one process, of eight, of threads, at the lowest priority, and with every signal ignored is a time_limit" {
	local what
	for what in 'spin 0 1' 'spin 0 8' 'threads 6' nice deaf; do
		# shellcheck disable=SC2086 # words on purpose
		work --time 300 -- $what
		expect_limit time_limit
		expect_between "$(json .time)" 300 3000 "time of $what"
	done
}

@test "short-lived children count as the CPU time of their run" {
	work --time 300 --wall-time 30000 -- chain 3
	expect_limit time_limit
	expect_between "$(json .time)" 300 3000 time
	work --time 300 --wall-time 30000 -- orphans 3
	expect_limit time_limit
	expect_between "$(json .time)" 300 3000 time
}

@test "without cgroups CPU time of the whole tree is limited all the same" {
	local what
	for what in 'spin 0 1' 'spin 0 8' 'chain 3'; do
		# shellcheck disable=SC2086 # words on purpose
		work --no-cgroup --time 300 --wall-time 20000 -- $what
		expect_limit time_limit
		expect_json .accounting rlimit
	done
}

@test "without cgroups orphans that pid 1 has reaped count as CPU time" {
	work --no-cgroup --time 300 --wall-time 10000 -- orphans 3
	expect_limit time_limit
	expect_between "$(json .time)" 300 3000 time
}

@test "CPU time below the limit is told in ms, and what waits uses none" {
	work --time 5000 -- spin 300 1
	expect_run exited 0
	expect_between "$(json .time)" 295 1000 time
	expect_between "$(json '.user_time + .system_time - .time | fabs')" 0 25 'the difference of user + system to time'
	work --time 5000 -- spin 200 3
	expect_between "$(json .time)" 590 2000 'time of three'
	attempt -- sleep 0.3
	expect_run exited 0
	expect_between "$(json .time)" 0 150 'time of sleep'
	expect_between "$(json .wall_time)" 300 3000 'wall_time of sleep'
}

@test "a bound of a second on CPU time lets a run use more elapsed time" {
	attempt --time 200 -- sleep 1
	expect_run exited 0
}

# --- elapsed time ---

@test "a program that sleeps, stops itself or stops what it runs ends as wall_time_limit" {
	attempt --wall-time 300 -- sleep 60
	expect_limit wall_time_limit
	expect_between "$(json .wall_time)" 300 3000 wall_time
	work --wall-time 300 -- kill 19
	expect_limit wall_time_limit
	attempt --wall-time 300 -- sh -c 'kill -STOP 0'
	expect_limit wall_time_limit
}

@test "wall_time is twice time when that is more than a minute" {
	attempt --time 100000 -- true
	expect_run exited 0
	attempt --time 40000 --wall-time 200 -- sleep 60
	expect_limit wall_time_limit
	expect_match "$errors" 'elapsed \(limit 0\.200\)'
}

@test "a run that ends at the same time as its limit has one of two verdicts, and the exit status of it" {
	local i how
	for i in 1 2 3 4 5 6 7 8 9 10; do
		attempt --wall-time 30 -- sleep 0.0$((20 + i))
		case $(json .status) in
		exited) expect_run exited 0 ;;
		*)
			expect_run wall_time_limit 124
			# Killed, or ended by itself after it and before that.
			how=$(json '"\(.exit_code) \(.signal)"')
			expect_match "$how" '^(null 9|0 null)$' 'how it ended'
			;;
		esac
	done
}

# --- processes ---

@test "a program that forks for ever is stopped, and says nothing wrong of it" {
	work --time 500 --wall-time 20000 -- fork-bomb
	expect_limit time_limit
	expect_between "$(json .wall_time)" 1 15000 wall_time
}

@test "a fork bomb does not overrun its CPU time by much" {
	local i
	for i in 1 2 3; do
		work --time 1000 --wall-time 20000 -- fork-bomb
		expect_limit time_limit
		# 10 ms or 2 % on each core, ten times
		expect_between "$(json .time)" 1000 $((1000 + 200 * $(nproc))) time
	done
}

@test "a program that starts threads for ever is refused at the limit" {
	work --procs 20 -- thread-bomb
	expect_run exited 3
	expect_match "$output" '^thread: .* after 19$'
}

@test "the limit of processes is exact, and counts the command" {
	work --procs 20 -- forks 100
	expect_run exited 3
	expect_match "$output" '^fork: .* after 19$'
	work --procs 1 -- forks 100
	expect_match "$output" '^fork: .* after 0$'
	work --procs 1 -- spin 1 1
	expect_run exited 0
}

@test "two sandboxes do not share a limit of processes" {
	local pids=() pid i
	for i in 1 2 3; do
		"$OPENSANDBOX" --run --bind "$PROGRAMS:/programs" --procs 20 --time 60000 -- \
			sh -c '/programs/work forks 17 && sleep 1' </dev/null >/dev/null 2>&1 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
}

@test "without cgroups the limit of processes holds per sandbox" {
	work --no-cgroup --procs 20 -- forks 100
	expect_run exited 3
	expect_match "$output" '^fork: .* after 19$'
}

# --- files ---

@test "the disk limit is for all writable places together" {
	work --disk 8192 --fsize 1048576 -- fill
	expect_run exited 3
	expect_match "$output" '^write: No space left on device after [0-9]+$'
	expect_between "${output##* }" 7000 8192 'KB that could be kept'
}

@test "a sandbox cannot make files without end" {
	work --disk 4096 --time 20000 -- inodes 1000000
	expect_run exited 3
	expect_match "$output" '^open: No space left on device after [0-9]+$'
	expect_between "${output##* }" 100 1024 'files'
}

@test "a file over fsize is EFBIG: written, sparse, and by fallocate" {
	work --fsize 100 -- file 1000 0
	expect_run exited 3
	expect "$output" 'write: File too large after 100'
	work --fsize 100 -- file 1000000000 1
	expect "$output" 'ftruncate: File too large after 0'
	work --fsize 100 -- file 1000000000 2
	expect "$output" 'fallocate: File too large after 0'
	work --fsize 100 -- file 100 0
	expect_run exited 0
}

@test "the limit of open files is exact" {
	work --nofile 20 -- open 100
	expect_run exited 3
	expect_match "$output" 'after 20$'
}

@test "a limit of one open file is a limit like another" {
	local files
	for files in 1 2 3; do
		work --nofile "$files" -- spin 1 1
		expect_run exited 0
	done
}

@test "the stack is limited, and a program may raise it" {
	attempt --stack 1024 -- sh -c 'ulimit -s; ulimit -s 4096; ulimit -s'
	expect "$output" $'1024\n4096'
}

@test "each limit may be set to one" {
	local limit
	for limit in mem disk fsize procs; do
		work "--$limit" 1 -- spin 1 1
		[[ $(json .status) =~ ^(exited|memory_limit)$ ]] || expect "$limit: $(json .status)" exited
	done
	attempt --time 1 -- true
	[[ $(json .status) =~ ^(exited|time_limit)$ ]]
	attempt --wall-time 1 -- true
	[[ $(json .status) =~ ^(exited|wall_time_limit)$ ]]
}

@test "the greatest limits can be set" {
	work --time 1000000000 --wall-time 1000000000 --mem 4398046511104 --fsize 4398046511104 \
		--stack 4398046511104 --procs 4194304 --disk 4398046511104 --output 65536 -- malloc 1
	expect_run exited 0
}

@test "a run whose limits cannot be watched any more, for want of descriptors, is ended and says so" {
	local result=$BATS_TEST_TMPDIR/result output=$BATS_TEST_TMPDIR/output launcher free=0 code=0
	need prlimit
	# shellcheck disable=SC2086 # words on purpose
	"$OPENSANDBOX" --run $SANDBOX_OPTIONS --result "$result" -- sh -c 'echo ready; exec sleep 10' \
		</dev/null >"$output" 2>"$BATS_TEST_TMPDIR/errors" 3>&- &
	launcher=$!
	try_for 60 grep -q ready "$output"
	while [[ -e /proc/$launcher/fd/$free ]]; do
		free=$((free + 1))
	done
	prlimit --pid "$launcher" --nofile="$free:"
	wait "$launcher" || code=$?
	body=$(<"$result")
	expect_json .status internal
	expect_json .step 'keep the limits'
	expect "$code" 125 'exit status'
}

# --- output ---

@test "output over its limit is dropped, and the command is not disturbed" {
	attempt --output 64 -- sh -c 'head -c 3000000 /dev/zero; head -c 200000 /dev/zero >&2; exit 7'
	expect_run exited 7
	expect "$(wc -c <"$BATS_TEST_TMPDIR/output")" 65536 'bytes of stdout'
	expect "$(wc -c <"$BATS_TEST_TMPDIR/errors")" 65536 'bytes of stderr'
}

@test "a flood of output does not keep a limit from being seen" {
	attempt --time 300 --output 64 -- yes
	expect_run time_limit 124
	attempt --time 300 --output 64 -- sh -c 'yes & yes >&2'
	expect_run time_limit 124
}

# --- starting ---

@test "what cannot be started is exec_failed: 127 when not there, 126 when no program" {
	local programs=$BATS_TEST_TMPDIR/programs name
	mkdir -m 755 "$programs"
	printf '#!/nosuch/interpreter\n' >"$programs/no-interpreter"
	printf 'echo no first line\n' >"$programs/no-first-line"
	: >"$programs/empty"
	cp "$PROGRAMS/work" "$programs/foreign"
	printf '\xff\x7f' | dd of="$programs/foreign" bs=1 seek=18 conv=notrunc status=none
	chmod 755 "$programs"/*
	printf '#!/bin/sh\n' >"$programs/no-permission"
	chmod 644 "$programs/no-permission"
	for name in no-interpreter no-first-line empty foreign no-permission .; do
		attempt --bind "$programs:/programs" -- "/programs/$name"
		expect_run exec_failed 126
		expect_json .exit_code 126
		expect_match "$errors" "^opensandbox: /programs/$name: [^"$'\n'"]+\$"
	done
	for name in /nosuch/program nosuch-program ./nosuch ''; do
		attempt -- "$name"
		expect_run exec_failed 127
		expect_match "$errors" "^opensandbox: $name: [^"$'\n'"]+\$"
	done
}

@test "a 32-bit program is started or refused, and never hangs" {
	echo 'int main(void) { return 42; }' >"$BATS_TEST_TMPDIR/small.c"
	mkdir -m 755 "$BATS_TEST_TMPDIR/bin"
	cc -m32 -static -o "$BATS_TEST_TMPDIR/bin/small" "$BATS_TEST_TMPDIR/small.c" 2>/dev/null ||
		cc -m32 -static -nostdlib -Wl,-e,main -o "$BATS_TEST_TMPDIR/bin/small" \
			"$BATS_TEST_TMPDIR/small.c" 2>/dev/null || skip 'no compiler for 32 bits here'
	attempt --bind "$BATS_TEST_TMPDIR/bin:/programs" --wall-time 10000 -- /programs/small
	[[ $(json .status) =~ ^(exec_failed|signaled|exited)$ ]]
}

@test "arguments of 128 KiB arrive, and too many are exec_failed" {
	local part
	part=$(head -c 65000 /dev/zero | tr '\0' a)
	attempt -- sh -c 'echo $((${#1} + ${#2}))' sh "$part" "$part"
	expect "$output" 130000
	attempt --stack 64 -- sh -c true sh "$part" "$part"
	expect_run exec_failed 126
	expect_match "$errors" 'rgument list too long$'
}

@test "node runs in 512 MB" {
	need_cgroup
	need_inside node
	attempt --mem 524288 --time 30000 -- node -e 'console.log(6 * 7)'
	expect_run exited 0
	expect "$output" 42
}

@test "a JVM runs in 512 MB" {
	need_cgroup
	need_inside java
	attempt --mem 524288 --time 30000 -- java -version
	expect_run exited 0
	# One that compiles and runs, where there is a compiler.
	need_inside javac
	mkdir -m 755 "$BATS_TEST_TMPDIR/java"
	echo 'class Sum { public static void main(String[] a) { byte[][] b = new byte[60][]; long n = 0;
		for (int i = 0; i < 60; i++) { b[i] = new byte[1 << 20]; n += b[i].length; } System.out.println(n); } }' \
		>"$BATS_TEST_TMPDIR/java/Sum.java"
	attempt --bind "$BATS_TEST_TMPDIR/java:/programs" --mem 524288 --time 60000 -- java /programs/Sum.java
	expect_run exited 0
	expect "$output" 62914560
}

@test "a Go program runs in 512 MB, and the go tool that made it runs inside too" {
	local directory=$BATS_TEST_TMPDIR/go
	need_cgroup
	need go
	mkdir -m 755 "$directory"
	cat >"$directory/main.go" <<-'GO'
		package main
		import "fmt"
		func main() {
			sums := make(chan int)
			for i := 0; i < 100; i++ {
				go func() { sums <- len(make([]byte, 1<<20)) }()
			}
			all := 0
			for i := 0; i < 100; i++ {
				all += <-sums
			}
			fmt.Println(all)
		}
	GO
	HOME=$BATS_TEST_TMPDIR GOFLAGS=-mod=mod GO111MODULE=off CGO_ENABLED=0 GOCACHE=$BATS_TEST_TMPDIR/cache \
		go build -o "$directory/program" "$directory/main.go"
	chmod 755 "$directory/program"
	attempt --bind "$directory:/programs" --mem 524288 --time 30000 -- /programs/program
	expect_run exited 0
	expect "$output" 104857600
	need_inside go
	attempt --mem 524288 --time 30000 -- go version
	expect_run exited 0
	expect_match "$output" '^go version '
}
