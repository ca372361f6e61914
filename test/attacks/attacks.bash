# attacks.bash - for the tests of test/attacks: one attack by every way that leads into a sandbox
# shellcheck shell=bash disable=SC2034,SC2154 # the variables are for the tests; root is helper.bash's

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=test/helper.bash
source "$tests/helper.bash"
# shellcheck source=test/command.bash
source "$tests/command.bash"

# build_attacks NAME...: test/attacks/programs/NAME.c, static where that is possible, and the scripts
# beside them, in $ATTACKS: /attacks in every sandbox of these tests.
build_attacks() {
	local name compiler
	ATTACKS=$BATS_FILE_TMPDIR/attacks
	export ATTACKS
	mkdir -p "$ATTACKS"
	chmod 755 "$BATS_FILE_TMPDIR" "$ATTACKS"
	for name; do
		for compiler in 'musl-gcc -static -idirafter /usr/include' 'cc -static' 'gcc -static' 'clang -static'; do
			# shellcheck disable=SC2086 # words on purpose
			$compiler -idirafter "/usr/include/$(uname -m)-linux-gnu" -std=c11 -D_GNU_SOURCE -O1 -pthread \
				-o "$ATTACKS/$name" "$root/test/attacks/programs/$name.c" 2>"$ATTACKS/$name.log" && break
		done
		if [[ ! -x $ATTACKS/$name ]]; then
			cat "$ATTACKS/$name.log" >&2
			return 1
		fi
		chmod 755 "$ATTACKS/$name"
	done
}

# start_attacked [OPTION...]: the programs, a server that shows them, and a session on it: SESSION.
start_attacked() {
	build_attacks attack
	start_file_server --bind "$ATTACKS:/attacks" --log none --max-time 600000 "$@"
	# On a slow machine one test takes longer than a session may be idle.
	SESSION=$(new_session '{"ttl": 36000}')
	export SESSION
}

# new_session [JSON]: its id.
new_session() {
	# Longer than a file of tests takes on an emulated machine.
	local long='{"ttl": 36000}'
	curl -sS --max-time "$(slow 60)" -H 'Content-Type: application/json' --data-binary "${1:-$long}" \
		"$URL/sessions" | jq -r .session_id
}

# body_of OPTIONS COMMAND...: the body of a run, from fields in JSON and a command.
body_of() {
	local options=$1
	shift
	jq -nc --argjson options "$options" '$options + {command: $ARGS.positional}' --args -- "$@"
}

# api [JSON OF OPTIONS] -- COMMAND...: a run by POST /run. Sets body.
api() {
	local options='{}'
	[[ $1 == -- ]] || { options=$1 && shift; }
	shift
	post /run "$(body_of "$options" "$@")"
	expect_status 200
}

# in_session ID [JSON OF OPTIONS] -- COMMAND...
in_session() {
	local id=$1 options='{}'
	shift
	[[ $1 == -- ]] || { options=$1 && shift; }
	shift
	post "/sessions/$id/run" "$(body_of "$options" "$@")"
	expect_status 200
}

# everywhere STATUS OUTPUT [JSON OF LIMITS] -- COMMAND...: by /run, in a session and by --run the
# command ends so and says this.
everywhere() {
	local status=$1 expected=$2 options='{}' words
	shift 2
	[[ $1 == -- ]] || { options=$1 && shift; }
	shift
	api "$options" -- "$@"
	expect "$(json .status)" "$status" 'by /run: the status'
	expect "$(json '.stdout | rtrimstr("\n")')" "$expected" 'by /run: the output'
	in_session "$SESSION" "$(jq -c 'del(.disk)' <<<"$options")" -- "$@"
	expect "$(json .status)" "$status" 'in a session: the status'
	expect "$(json '.stdout | rtrimstr("\n")')" "$expected" 'in a session: the output'
	mapfile -t words < <(jq -r 'to_entries[] | "--" + (.key | gsub("_"; "-")), .value' <<<"$options")
	attempt --bind "$ATTACKS:/attacks" "${words[@]}" -- "$@"
	expect "$(json .status)" "$status" 'by --run: the status'
	expect "$output" "$expected" 'by --run: the output'
}

# Skips the test where limits are not held by control groups.
by_cgroup() {
	api -- true
	[[ $(json .accounting) = cgroup ]] || skip 'no cgroups here: limits are per process'
}

# Skips the test where the launcher can have no real-time class.
real_time() {
	chrt -r 1 true 2>/dev/null || skip 'no process may have a real-time class here'
}

# Skips the test where all sandboxes have one uid on the host, and so its quotas.
own_uids() {
	[[ $EUID = 0 ]] || skip "an ordinary user's sandboxes all have his uid"
}

# Whether sandboxes have user namespaces.
with_userns() {
	[[ " $SANDBOX_OPTIONS " != *' --no-userns '* ]]
}

# refused OUTPUT [JSON OF LIMITS] -- COMMAND...: everywhere the program itself tells that it was refused.
refused() {
	everywhere exited "$@"
}

# none_works TEXT: no line of what an attack printed says that a call worked.
none_works() {
	[[ -n $1 ]] && expect "$(grep ' ok$' <<<"$1")" '' 'what worked'
}

# answers_in MS: the API answers /health within so many ms (slow ones).
answers_in() {
	local began=${EPOCHREALTIME/[.,]/} took
	get /health
	took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
	expect_status 200
	((took <= $(slow "$1"))) || {
		echo "/health took $took ms" >&2
		return 1
	}
}

# watch_health: asks /health in the background until `health_was MS`, which fails when the slowest
# answer took longer (slow ms; curl's own start is in it), or one failed.
watch_health() {
	: >"$BATS_TEST_TMPDIR/health"
	: >"$BATS_TEST_TMPDIR/watching"
	(
		while [[ -e $BATS_TEST_TMPDIR/watching ]]; do
			curl -sS -o /dev/null --max-time "$(slow 20)" -w '%{http_code} %{time_total}\n' "$URL/health" \
				>>"$BATS_TEST_TMPDIR/health" 2>&1
			sleep 0.05
		done
	) 3>&- &
	WATCHER=$!
}

health_was() {
	rm "$BATS_TEST_TMPDIR/watching"
	wait "$WATCHER" || :
	awk -v most="$(slow "$1")" '
		$1 != 200 || $2 * 1000 > most { print "/health: " $0; bad = 1 }
		END { if (!NR) print "/health was never asked"; exit bad || !NR }' "$BATS_TEST_TMPDIR/health" >&2
}

# What an attack must not change on the host, as text.
host_state() {
	# Without those that servers of other tests have at this moment.
	echo "mounts $(grep -v opensandbox /proc/self/mountinfo | sha256sum)"
	echo "binary $(sha256sum <"$OPENSANDBOX")"
	echo "name $(uname -n)"
	echo "ipc $(awk 'FNR > 1 { print $1, $2 }' /proc/sysvipc/* | sha256sum)"
	# Not how much of it is used.
	echo "swap $(awk '{ print $1, $2, $3, $5 }' /proc/swaps | sha256sum)"
	(cd /proc/sys && head -n 5 -v kernel/{core_pattern,modprobe,domainname,sysrq,randomize_va_space,msgmax,shmmax,sem,threads-max} \
		vm/{overcommit_memory,swappiness,min_free_kbytes} fs/{file-max,suid_dumpable} fs/mqueue/* net/ipv4/ip_forward user/* 2>&1) || :
	# Uids that only sandboxes have own nothing there but what a test has made or bound for them.
	find /tmp /var/tmp /run /dev/shm -maxdepth 2 \( -name 'opensandbox*' -o -name 'bats*' -o -name 'tmp.*' \) -prune -o \
		-uid +1879048191 -print 2>/dev/null || :
	stat -c '%n %a %u %i %Z' /etc/passwd /etc/shadow /usr/bin /tmp /dev/null 2>/dev/null | sed 's/^\/tmp.*//'
}

# Before an attack: a file with a setup of its own calls it there.
watch_host() {
	host_state >"$BATS_TEST_TMPDIR/before"
	WATCHED_URL=${URL:-} WATCHED_SERVER=${SERVER_PID:-}
	[[ -z $WATCHED_SERVER ]] || processes=$(count_descendants)
}

# After an attack: a file with a teardown of its own calls it there. The host is as it was (what neighbours mount is gone again soon), the
# attack's tree is gone, and the server runs the next command and tells the truth of it.
host_is_unharmed() {
	[[ -f $BATS_TEST_TMPDIR/before ]] || return 0
	try_for 10 host_is_as_before || host_state | diff "$BATS_TEST_TMPDIR/before" - >&2
	[[ -n $WATCHED_URL ]] || return 0
	try_for 10 tree_is_back || {
		echo "the server has $(count_descendants "$WATCHED_SERVER") processes below it, and had $processes" >&2
		return 1
	}
	URL=$WATCHED_URL api -- sh -c 'echo still here; exit 7'
	expect_json .stdout $'still here'
	expect_json .status exited
	expect_json .exit_code 7
}

host_is_as_before() {
	host_state | cmp -s "$BATS_TEST_TMPDIR/before"
}

# One sandbox more may be built ahead of need.
tree_is_back() {
	(($(count_descendants "$WATCHED_SERVER") <= processes + 2))
}

setup() {
	watch_host
}

teardown() {
	local unharmed=0
	host_is_unharmed || unharmed=$?
	stop_left
	return "$unharmed"
}

# For the files that run others: see test/modes.
need_modes() {
	need setpriv jq curl
	[[ $EUID = 0 ]] || skip 'not root, who can be any user'
	need_release
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_FILE_TMPDIR/.." "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.."
}

# attacked MODE FILE: all its tests pass, and there are at least five that are not skipped.
attacked() {
	TMPDIR=$BATS_TEST_TMPDIR BATS_TEST_TIMEOUT=$(slow 100) "$root/test/modes" "$@" >"$BATS_TEST_TMPDIR/tap" 2>&1 || {
		cat "$BATS_TEST_TMPDIR/tap" >&2
		return 1
	}
	(($(grep '^ok ' "$BATS_TEST_TMPDIR/tap" | grep -vc ' # skip') >= 5))
}
