# helper.bash - what the bats files share: a server of their own, requests to it, counts for leaks
# shellcheck shell=bash disable=SC2034 # the variables are for the tests
#
# A file begins with `load helper` (in test/attacks: `load ../helper`). Without a setup of its own a
# test calls start_server itself; a file that shares one server among its tests starts it in
# setup_file and ends it in teardown_file with stop_server. A file with a teardown of its own calls
# stop_left there.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
OPENSANDBOX=$(realpath "${OPENSANDBOX:-$root/opensandbox}")
export OPENSANDBOX

# Options that every server and every run of the attacks gets, to try them in another mode: see test/modes.
export SANDBOX_OPTIONS=${SANDBOX_OPTIONS:-}

# Skips the test where a command that it needs is not there.
need() {
	local command
	for command; do
		command -v "$command" >/dev/null || skip "no $command here"
	done
}

# Skips the test in a build with sanitizers, whose memory, speed and files are not the program's.
need_release() {
	! sanitized || skip 'a build with sanitizers'
}

sanitized() {
	grep -q __asan_init "$OPENSANDBOX"
}

# slow NUMBER: as many, for a machine that is SLOW times as slow as a usual one.
slow() {
	echo $(($1 * ${SLOW:-1}))
}

# try_for SECONDS COMMAND...: until it succeeds; fails when the (slow) time is over.
try_for() {
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * ${SLOW:-1} * 1000000))
	shift
	until "$@"; do
		((${EPOCHREALTIME/[.,]/} < end)) || return 1
		sleep 0.05
	done
}

# One command in a sandbox, by the command line.
sandbox() {
	# shellcheck disable=SC2086 # words on purpose
	"$OPENSANDBOX" --run $SANDBOX_OPTIONS "$@"
}

# --- a server ---

# start_server [OPTION...]: on a port and with a state directory of its own. Sets URL, PORT,
# SERVER_PID, STATE_DIR and SERVER_LOG (its stderr); they are exported, for use in setup_file.
start_server() {
	SERVER_DIR=$(mktemp -d "${TMPDIR:-/tmp}/opensandbox-server.XXXXXX")
	chmod 755 "$SERVER_DIR"
	STATE_DIR=$SERVER_DIR/state
	SERVER_LOG=$SERVER_DIR/log
	echo "$SERVER_DIR" >>"$BATS_FILE_TMPDIR/servers"
	# Its parent here notes how it ended, since the shell that stops it may be another one.
	(
		# shellcheck disable=SC2086 # words on purpose
		"$OPENSANDBOX" serve --port 0 --state-dir "$STATE_DIR" $SANDBOX_OPTIONS "$@" \
			</dev/null >"$SERVER_DIR/stdout" 2>"$SERVER_LOG" &
		echo $! >"$SERVER_DIR/pid"
		ended=0
		wait $! || ended=$?
		echo "$ended" >"$SERVER_DIR/status"
	) </dev/null >/dev/null 2>&1 3>&- 4>&- &
	if ! try_for 20 server_started || [[ -s $SERVER_DIR/status ]]; then
		echo "the server did not start: $*" >&2
		cat "$SERVER_LOG" >&2
		return 1
	fi
	SERVER_PID=$(<"$SERVER_DIR/pid")
	PORT=$(sed -n 's|^opensandbox: listening on http://.*:\([0-9]*\)/\{0,1\}$|\1|p' "$SERVER_LOG" |
		head -n 1)
	URL=http://127.0.0.1:$PORT
	export SERVER_DIR STATE_DIR SERVER_LOG SERVER_PID PORT URL
}

# Up, or already gone again.
server_started() {
	[[ ! -s $SERVER_DIR/status ]] || return 0
	grep -q '^opensandbox: listening on http://' "$SERVER_LOG" 2>/dev/null
}

# Ends the server by TERM (or the signal given) and waits for it: fails, with its log, when its exit
# status is not 0 (or the second argument).
stop_server() {
	local signal=${1:-TERM} expected=${2:-0}
	kill -s "$signal" "$SERVER_PID"
	if ! server_ended 15; then
		echo "the server still runs 15 s after $signal" >&2
		cat "$SERVER_LOG" >&2
		return 1
	fi
	server_status=$(<"$SERVER_DIR/status")
	if [[ $server_status != "$expected" ]]; then
		echo "the server ended with status $server_status" >&2
		cat "$SERVER_LOG" >&2
		return 1
	fi
}

# Whether it has ended, or does within so many seconds; server_status is then its exit status.
server_ended() {
	try_for "${1:-0}" test -s "$SERVER_DIR/status" && server_status=$(<"$SERVER_DIR/status")
}

# The process that bats has count down a test's time is ended by a SIGABRT. Where that comes before the process expects it,
# a `sleep` is left, for which bats waits as long as the test might have taken. So a very short test waits for it.
countdown_begins() {
	local child children grandchildren key value
	read -r -a children <"/proc/$$/task/$$/children" || :
	for child in "${children[@]}"; do
		read -r grandchildren <"/proc/$child/task/$child/children" || :
		[[ -n $grandchildren ]] || continue
		while read -r key value; do
			[[ $key != SigCgt: ]] || ((!(16#$value & 1 << 5))) || return 0
		done <"/proc/$child/status"
	done
	return 1
} 2>/dev/null

let_countdown_begin() {
	[[ -n ${BATS_TEST_TIMEOUT:-} && ! -e $BATS_RUN_TMPDIR/no-countdown && -r /proc/$$/task/$$/children ]] || return 0
	# Another bats may do it in another way.
	try_for 2 countdown_begins || : >"$BATS_RUN_TMPDIR/no-countdown"
}

# Kills what tests of this file have left running, and takes its files away.
stop_left() {
	local directory pid
	[[ ${1:-} == all ]] || let_countdown_begin
	[[ -f $BATS_FILE_TMPDIR/servers ]] || return 0
	while read -r directory; do
		# A server that setup_file has started stays for the tests after this one.
		[[ ${1:-} == all || $directory != "${FILE_SERVER_DIR:-}" ]] || continue
		if [[ -f $directory/pid && ! -f $directory/status ]]; then
			pid=$(<"$directory/pid")
			# In good order first, so that it takes its mounts away itself.
			kill -TERM "$pid" 2>/dev/null || :
			try_for 15 test -s "$directory/status" || kill -KILL "$pid" 2>/dev/null || :
			try_for 5 test -s "$directory/status" || :
		fi
		# One that was killed leaves the pin of its sessions, for a next start that does not come.
		awk -v below="$directory/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo |
			sort -r | while read -r point; do umount -l "$point"; done
		rm -rf "$directory"
	done <"$BATS_FILE_TMPDIR/servers"
}

# In setup_file: one server for all tests of the file.
start_file_server() {
	start_server "$@"
	FILE_SERVER_DIR=$SERVER_DIR
	export FILE_SERVER_DIR
}

teardown() {
	stop_left
}

# A file with a teardown_file of its own calls `stop_left all` at its end.
teardown_file() {
	stop_left all
}

# --- requests: each sets status_code, body, head (the reply's header fields), and reply_file (the bytes of the body) ---

# request METHOD PATH [OPTION OF CURL...]
request() {
	local method=$1 path=$2 reply
	shift 2
	# Of each shell its own: a request in the background writes into no other's.
	reply=${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/reply.$BASHPID
	reply_file=$reply
	local verb=(-X "$method")
	[[ $method != HEAD ]] || verb=(--head)
	: >"$reply"
	status_code=$(curl --silent --show-error --max-time "${REQUEST_SECONDS:-100}" "${verb[@]}" \
		--path-as-is --dump-header "$reply.head" --output "$reply" --write-out '%{http_code}' \
		"$@" "$URL$path") || return
	body=$(tr -d '\0' <"$reply")
	head=$(tr -d '\r' <"$reply.head")
}

get() {
	request GET "$@"
}

# post PATH JSON [OPTION OF CURL...]
post() {
	local path=$1 json=$2
	shift 2
	request POST "$path" -H 'Content-Type: application/json' --data-binary @- "$@" <<<"$json"
}

# run_json COMMAND...: the body of a POST /run for an argv.
run_json() {
	jq -nc '{command: $ARGS.positional}' --args -- "$@"
}

# The value of an expression of jq in the last reply: text as it is, all else as JSON.
json() {
	jq -rc "$1" <<<"$body"
}

# expect ACTUAL EXPECTED [WHAT]: says both when they differ.
expect() {
	if [[ $1 != "$2" ]]; then
		printf '%s is %q, not %q\n' "${3:-it}" "$1" "$2" >&2
		[[ -z ${body:-} ]] || printf 'the last reply: %s %.2000s\n' "$status_code" "$body" >&2
		return 1
	fi
}

expect_status() {
	expect "$status_code" "$1" 'the status'
}

# expect_json EXPR EXPECTED
expect_json() {
	expect "$(json "$1")" "$2" "$1"
}

# --- counts: before and after, nothing may be left ---

# Processes that run the binary under test: servers, launchers, and pid 1 of each sandbox. A process
# that a sandbox left would have such a pid 1 above it.
count_processes() {
	# shellcheck disable=SC2010,SC2012 # find of busybox knows no -lname
	ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c -F -- "-> $OPENSANDBOX" || :
}

# Processes below one (by default the server), dead ones that nobody has waited for included.
count_descendants() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v top="${1:-$SERVER_PID}" '
		{ pid = $1; sub(/^.*\) /, ""); parent[pid] = $2 }
		END {
			for (pid in parent) {
				for (p = parent[pid]; p in parent && p != top; p = parent[p])
					;
				n += p == top
			}
			print n + 0
		}'
}

count_zombies() {
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v top="${1:-$SERVER_PID}" '
		{ pid = $1; sub(/^.*\) /, ""); state[pid] = $1; parent[pid] = $2 }
		END {
			for (pid in parent) {
				for (p = parent[pid]; p in parent && p != top; p = parent[p])
					;
				n += p == top && state[pid] == "Z"
			}
			print n + 0
		}'
}

# Mounts of the host, without those of servers of another run beside this one, which come and go.
count_mounts() {
	awk -v own="${BATS_RUN_TMPDIR%/*}/" '
		index($5, own) != 1 && $5 ~ /opensandbox-(test|server|soak|bench|vm)\./ { next }
		{ n++ }
		END { print n + 0 }' /proc/self/mountinfo
}

# Groups named opensandbox* in every hierarchy, without those of another run beside this one: the
# first number in a path is the pid of the group's maker.
count_cgroups() {
	local path exe n=0
	while read -r path; do
		exe=
		if [[ $path =~ /opensandbox-([0-9]+) ]]; then
			exe=$(readlink "/proc/${BASH_REMATCH[1]}/exe") || exe=
		fi
		[[ -n $exe && $exe != "$OPENSANDBOX" ]] || n=$((n + 1))
	done < <(find /sys/fs/cgroup -type d -name 'opensandbox*' 2>/dev/null)
	echo "$n"
}

# Descriptors of a process (by default the server).
count_fds() {
	find "/proc/${1:-$SERVER_PID}/fd" -mindepth 1 2>/dev/null | wc -l
}

# Files and directories in the server's state directory.
count_files() {
	find "$STATE_DIR" -mindepth 1 2>/dev/null | wc -l
}

# Memory of a process in KB (by default the server's, by default VmRSS).
count_kb() {
	awk -v key="${2:-VmRSS}:" '$1 == key { print $2 }' "/proc/${1:-$SERVER_PID}/status"
}

# All of them on one line, to be compared as text.
count_all() {
	echo "processes $(count_processes) mounts $(count_mounts) cgroups $(count_cgroups)"
}
