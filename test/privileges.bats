#!/usr/bin/env bats
# privileges.bats - what the process that faces the network still may do: by what the kernel says of
# it, and by making it try (a debugger calls what an intruder would call)
# shellcheck shell=bash disable=SC2154 # the variables of helper.bash

bats_require_minimum_version 1.5.0

load helper

setup() {
	[[ $(id -u) == 0 ]] || skip 'needs root: there is another uid to go to'
	start_server
	front=$(pgrep -o -P "$SERVER_PID")
}

status_of() {
	awk -v key="$1:" '$1 == key { $1 = ""; sub(/^ /, ""); print }' "/proc/$front/status"
}

@test "the server runs as a uid that is nobody's, and in no group" {
	local -a uids gids
	read -r -a uids <<<"$(status_of Uid)"
	read -r -a gids <<<"$(status_of Gid)"
	((uids[0] >= 1000))
	expect "${uids[*]}" "${uids[0]} ${uids[0]} ${uids[0]} ${uids[0]}"
	expect "${gids[*]}" "${uids[*]}"
	expect "$(status_of Groups | tr -d ' ')" ''
	run ! getent passwd "${uids[0]}"
}

@test "no sandbox has the server's uid" {
	local uid
	read -r uid _ <<<"$(status_of Uid)"
	post /run "$(run_json sleep 1)" &
	sleep 0.5
	expect "$(pgrep -c -U "$uid")" 1 'processes of the uid'
	wait $!
}

@test "the server has no capability in any set, and no way to get one" {
	local set
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		expect "$(status_of $set)" 0000000000000000 $set
	done
	expect "$(status_of NoNewPrivs)" 1
	expect "$(status_of Seccomp)" 2
}

@test "the server makes no process and no core, and nobody but root looks into it" {
	expect "$(awk '/^Max processes/ { print $3, $4 }' "/proc/$front/limits")" '0 0'
	expect "$(awk '/^Max core file size/ { print $5, $6 }' "/proc/$front/limits")" '0 0'
	# A process that is not dumpable has root's files in /proc (proc(5)).
	expect "$(stat -c %u "/proc/$front/fd")" 0
	expect "$(status_of Threads)" 1
}

@test "the server's root is an empty directory that it cannot enter" {
	expect "$(find "/proc/$front/root/" -mindepth 1 | wc -l)" 0 'files in it'
	expect "$(stat -L -c '%a %u' "/proc/$front/root")" '0 0'
	expect "$(stat -L -c %i "/proc/$front/cwd")" "$(stat -L -c %i "/proc/$front/root")"
	[[ $(readlink "/proc/$front/ns/mnt") != "$(readlink /proc/self/ns/mnt)" ]]
}

@test "the server has its listeners, one socket to the launcher, /dev/null, and the epoll of its clients" {
	local fd name sockets=0 polls=0 other=
	for fd in "/proc/$front/fd"/*; do
		name=$(readlink "$fd")
		case ${fd##*/}:$name in
		[012]:*) ;;
		*:socket:*) sockets=$((sockets + 1)) ;;
		*:/dev/null | *:/null) ;;
		*:anon_inode:*eventpoll*) polls=$((polls + 1)) ;;
		*) other="$other $fd $name" ;;
		esac
	done
	expect "$other" '' 'what else it has open'
	expect "$sockets" "$(($(grep -c 'listening on' "$SERVER_LOG") + 1))" 'its sockets'
	expect "$polls" 1 'its epolls'
	expect "$(count_fds "$front")" $((sockets + 5))
}

@test "what the server has open is the same after a hundred requests" {
	local before
	before=$(count_fds "$front")
	for _ in {1..25}; do
		post /run '{"command": ["true"], "stdin": "x", "copy_out": ["/a"]}'
		post /run '{"command": '
		post /run '{"command": ["nosuch"]}'
		post /sessions '{}'
		request DELETE "/sessions/$(json .id)"
	done
	same() {
		(($(count_fds "$front") == before))
	}
	try_for 3 same
}

# calls NUMBER-ON-X86-64 NUMBER-ON-AARCH64: the server, where it waits, makes this system call
# instead. Prints what came of it.
calls() {
	local script=$BATS_TEST_TMPDIR/script
	case $(uname -m) in
	x86_64)
		# The call that it is in has just been left, so the instruction before is its `syscall`.
		cat >"$script" <<-EOT
			set confirm off
			set \$orig_rax = -1
			set \$rip = \$rip - 2
			set \$rax = $1
			set \$rdi = ${3:-0}
			set \$rsi = ${4:-0}
			set \$rdx = ${5:-0}
			stepi
			print \$rax
		EOT
		;;
	aarch64)
		cat >"$script" <<-EOT
			set confirm off
			set \$pc = \$pc - 4
			set \$x8 = $2
			set \$x0 = ${3:-0}
			set \$x1 = ${4:-0}
			set \$x2 = ${5:-0}
			stepi
			print \$x0
		EOT
		;;
	*) skip "no script for $(uname -m)" ;;
	esac
	gdb -p "$front" -batch -nx -x "$script" 2>&1 | tail -n 4
}

# dies_of CALL NUMBERS...: the server is killed by it, and the launcher then ends everything.
dies_of() {
	local what=$1 said
	shift
	need gdb
	need_release	# there the filter refuses, so that the sanitizers can tell what they saw
	said=$(calls "$@")
	if [[ $said == *ptrace:\ * ]]; then
		skip 'no ptrace here'
	fi
	echo "$what: $said"
	[[ $said == *SIGSYS* ]]
	all_gone() {
		(($(count_processes) == others))
	}
	try_for 10 all_gone
	server_log_says_so() {
		grep -q 'the server process died of signal 31' "$SERVER_LOG"
	}
	try_for 3 server_log_says_so
}

# A run goes on meanwhile: it must end with the server.
with_a_run() {
	local before
	before=$(count_processes)
	others=$((before - $(pgrep -c -f "^$OPENSANDBOX serve.*$STATE_DIR" || :)))
	curl -s -m 20 "$URL/run" -H 'Content-Type: application/json' -d '{"command": ["sleep", "50"]}' >/dev/null 2>&1 3>&- &
	running() {
		get /version
		[[ $(json .runs.running) == 1 ]]
	}
	try_for 5 running
}

@test "a server that is made to open a file dies, and every sandbox with it" {
	with_a_run
	dies_of openat 257 56 -100 0 0
}

@test "a server that is made to execute something dies, and every sandbox with it" {
	with_a_run
	dies_of execve 59 221
}

@test "a server that is made to fork dies, and every sandbox with it" {
	with_a_run
	dies_of clone 56 220 17
}

@test "a server that is made to open a socket dies, and every sandbox with it" {
	with_a_run
	dies_of socket 41 198 2 1 0
}

@test "a server that is made to trace, mount, signal others or map code dies" {
	need gdb
	need_release
	local call said
	for call in 'ptrace 101 117' 'mount 165 40' 'kill 62 129 -1 9' 'process_vm_writev 311 271' 'bpf 321 280' \
		'setuid 105 146' 'connect 42 203' 'pidfd_open 434 434 1' 'io_uring_setup 425 425 1' 'unshare 272 97' \
		'mprotect 10 226 0 4096 7' 'chroot 161 51' 'keyctl 250 219' 'name_to_handle_at 303 264'; do
		# shellcheck disable=SC2086 # words on purpose
		set -- $call
		said=$(calls "${@:2}")
		[[ $said != *ptrace:\ * ]] || skip 'no ptrace here'
		[[ $said == *SIGSYS* ]] || {
			echo "$call: $said"
			return 1
		}
		server_ended 10
		start_server
		front=$(pgrep -o -P "$SERVER_PID")
	done
	# And what it may do, it can: the look is a right one.
	said=$(calls 39 172)
	[[ $said == *"= $front"* ]]
}
