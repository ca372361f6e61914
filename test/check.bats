#!/usr/bin/env bats
# `opensandbox check`: it says what is there and what is not, wherever it is run, and leaves nothing

load helper

names=(kernel namespace_user namespace_pid namespace_mount namespace_ipc namespace_uts
	namespace_cgroup namespace_net proc_host tmpfs bind proc pivot_root no_new_privs seccomp
	capabilities uids cgroup accounting limit_time limit_mem limit_swap limit_procs mem_peak
	oom_kills limit_disk limit_fsize limit_stack limit_nofile cores memory sandbox command apparmor
	container)

# check [COMMAND THAT RUNS IT...] -- [OPTION...]: sets lines, body (its JSON) and status_code.
check() {
	local prefix=()
	while [[ $# -gt 0 && $1 != -- ]]; do
		prefix+=("$1")
		shift
	done
	shift
	status_code=0
	body=$(timeout 60 "${prefix[@]}" "$OPENSANDBOX" check "$@" --json) || status_code=$?
	if [[ $(json '.checks | length') != "${#names[@]}" ]]; then
		echo "not what check prints: $status_code $body" >&2
		return 1
	fi
}

# line NAME: "status: detail" of one line in the last check.
line() {
	jq -r --arg name "$1" '.checks[] | select(.name == $name) | "\(.status): \(.detail)"' <<<"$body"
}

# expect_line NAME REGEX
expect_line() {
	local found
	found=$(line "$1")
	if [[ ! $found =~ $2 ]]; then
		printf '%s is "%s", not /%s/\n' "$1" "$found" "$2" >&2
		return 1
	fi
}

need_root() {
	[[ $EUID = 0 ]] || skip 'not root'
}

need_sandbox() {
	"$OPENSANDBOX" --run -- true || skip 'no sandbox can be made here'
}

# A copy that any user can reach, whatever the directory of the first one lets him.
copy_for_all() {
	copy=$BATS_TEST_TMPDIR/opensandbox
	cp "$OPENSANDBOX" "$copy"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.." "$copy"
}

@test "check prints one line a protection and a limit, each with a status" {
	output=$("$OPENSANDBOX" check 2>"$BATS_TEST_TMPDIR/errors") || [[ $? -le 2 ]]
	expect "$(awk '{ print $1 }' <<<"$output" | xargs)" "${names[*]}"
	while read -r name rest; do
		[[ $rest =~ ^ok$ || $rest =~ ^ok:\ . || $rest =~ ^(degraded|missing):\ .+:\ . ]] ||
			{ echo "$name: $rest"; return 1; }
	done <<<"$output"
	expect "$(cat "$BATS_TEST_TMPDIR/errors")" ''
}

@test "check --json says the same lines, and the worst status" {
	check --
	expect_json '[.checks[].name] | join(" ")' "${names[*]}"
	worst=$(jq -r '[.checks[].status] | if any(. == "missing") then "missing"
		elif any(. == "degraded") then "degraded" else "ok" end' <<<"$body")
	expect_json .status "$worst"
	expect_json '.checks | map(keys | join(" ")) | unique | join(",")' 'detail name status'
}

@test "the exit status of check is 0 for ok, 1 for degraded, 2 for missing" {
	check --
	expect "$status_code" "$(jq '{ok: 0, degraded: 1, missing: 2}[.status]' <<<"$body")"
	check -- --rootfs /nonexistent
	expect_json .status missing
	expect "$status_code" 2
}

@test "where --run works, check says that a sandbox can be made" {
	need_sandbox
	check --
	expect_line sandbox '^ok'
	expect_line command '^ok'
	[[ $status_code -lt 2 ]]
}

@test "check leaves no process, mount or cgroup behind" {
	before=$(count_all)
	check --
	check -- --no-userns --no-cgroup
	check -- --rootfs /nonexistent
	# shellcheck disable=SC2317 # called by try_for
	nothing_left() { [[ $(count_all) = "$before" ]]; }
	try_for 5 nothing_left
}

@test "check that is interrupted leaves nothing behind either" {
	before=$(count_all)
	for ms in 005 015 025 035 045 060; do
		timeout -s INT "0.$ms" "$OPENSANDBOX" check >/dev/null || :
		timeout --foreground -s TERM "0.$ms" "$OPENSANDBOX" check >/dev/null || :
	done
	# shellcheck disable=SC2317 # called by try_for
	nothing_left() { [[ $(count_all) = "$before" ]]; }
	try_for 10 nothing_left
}

@test "check with --no-cgroup says that limits are per process" {
	check -- --no-cgroup
	expect_line cgroup '^degraded: .*--no-cgroup'
	expect_line accounting '^degraded: rlimit'
	expect_line limit_mem '^degraded: .*RLIMIT_AS'
	[[ $status_code -ge 1 ]]
}

@test "check says the accounting that a run really has" {
	need_sandbox
	check --
	"$OPENSANDBOX" --run --result "$BATS_TEST_TMPDIR/result" -- true
	accounting=$(jq -r .accounting "$BATS_TEST_TMPDIR/result")
	expect_line accounting ": $accounting"
}

@test "check with --no-userns says that it is turned off" {
	check -- --no-userns
	expect_line namespace_user '^degraded: .*--no-userns'
}

@test "a root file system without programs is degraded: nothing can be run in it" {
	need_sandbox
	mkdir "$BATS_TEST_TMPDIR/root"
	check -- --rootfs "$BATS_TEST_TMPDIR/root"
	expect_line sandbox '^ok'
	expect_line command '^degraded: .*--rootfs'
	expect "$status_code" 1
}

@test "a root file system that is not there is missing, and the other lines are printed" {
	need_sandbox
	check -- --rootfs /nonexistent
	expect_line sandbox '^missing: open the root file system: No such file'
	expect_line namespace_pid '^ok'
}

@test "check without /proc says that it is missing" {
	need_root
	need_release
	need unshare umount
	# What is below may be another one: the root of a virtual machine is its host's.
	check unshare --mount sh -c 'mount --make-rprivate / && umount -l /proc && { [ ! -e /proc/self ] ||
		mount -t tmpfs none /proc; } && exec "$@"' sh --
	expect "$status_code" 2
	expect_line proc_host '^missing: .*mount -t proc'
	expect_line sandbox '^missing: .*see proc_host'
	expect_line seccomp '^ok'
}

@test "check in a directory that is no mount point names chroot" {
	need_root
	need_release
	need chroot
	directory=$BATS_TEST_TMPDIR/root
	mkdir "$directory"
	cp "$OPENSANDBOX" "$directory/opensandbox"
	OPENSANDBOX=/opensandbox check chroot "$directory" --
	expect "$status_code" 2
	expect_line tmpfs '^missing: .*chroot'
}

@test "check as an ordinary user says that all sandboxes share one uid" {
	need_root
	need setpriv
	copy_for_all
	OPENSANDBOX=$copy check setpriv --reuid 65534 --regid 65534 --clear-groups --
	expect_line uids '^degraded: an ordinary user'
	[[ $status_code -ge 1 ]]
}

@test "where a capability is missing check names it, and a run says to ask check" {
	need_root
	need setpriv
	for capability in sys_admin net_admin setuid setgid chown fowner dac_override sys_chroot; do
		check setpriv --bounding-set "-$capability" --inh-caps "-$capability" --
		expect "$status_code" 2
		expect_line capabilities "^missing: not there: ${capability^^}: "
		expect_line sandbox '^missing: .*(Operation not permitted|Permission denied)'
		run setpriv --bounding-set "-$capability" --inh-caps "-$capability" "$OPENSANDBOX" run -- true
		expect "$status" 125
		[[ $output =~ ^'opensandbox: '[^:]+': '(Operation not permitted|Permission denied)': see opensandbox check'$ ]] ||
			{ echo "$capability: $output" >&2; return 1; }
	done
}

@test "check where a capability is missing that maps ids asks for it alone, and not for those of sandboxes without user namespaces" {
	need_root
	need setpriv
	few=-setpcap,-kill
	check setpriv --bounding-set "$few" --inh-caps "$few" --
	[[ $(line capabilities) = ok:* ]] || skip 'no user namespaces here'
	for capability in setuid setgid; do
		check setpriv --bounding-set "$few,-$capability" --inh-caps "$few,-$capability" --
		expect_line capabilities "^missing: not there: ${capability^^}: "
	done
}

@test "check where user namespaces are forbidden names the sysctl and how it is changed" {
	need_root
	need unshare
	# The limit is set within a user namespace: the host's stays as it is.
	unshare --user --map-root-user true || skip 'no user namespaces here'
	# shellcheck disable=SC2016 # the inner shell expands it
	check unshare --user --map-root-user sh -c \
		'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' sh --
	expect_line namespace_user \
		'^(degraded|missing): .*max_user_namespaces is 0: sysctl -w user.max_user_namespaces='
}

@test "check under a filter that refuses everything tells of it, and ends" {
	need_sandbox
	status_code=0
	body=$("$OPENSANDBOX" --run --wall-time 30000 --bind "$OPENSANDBOX:/opt/opensandbox" -- \
		/opt/opensandbox check --json) || status_code=$?
	expect "$status_code" 2
	expect_json '.checks | length' "${#names[@]}"
	expect_line kernel '^missing: .*seccomp'
	expect_line namespace_user '^missing: clone: .*seccomp'
	expect_line namespace_net '^missing'
	expect_line sandbox '^missing'
	expect_line no_new_privs '^ok'
}

@test "check with a low limit of open files says so" {
	check sh -c 'ulimit -n 50 && exec "$@"' sh --
	if (ulimit -n 50 && ulimit -n 100) 2>/dev/null; then
		expect_line limit_nofile '^ok'
	else
		expect_line limit_nofile '^missing: .*LimitNOFILE'
	fi
}

@test "check with SIGCHLD ignored says the same" {
	check --
	expected=$(jq -c '[.checks[] | [.name, .status]]' <<<"$body")
	check sh -c 'trap "" CHLD && exec "$@"' sh --
	expect "$(jq -c '[.checks[] | [.name, .status]]' <<<"$body")" "$expected"
}

@test "check with closed descriptors ends, and with a full output says so" {
	status_code=0
	timeout 30 "$OPENSANDBOX" check <&- >&- 2>&- || status_code=$?
	# What is closed is /dev/null to it, so nothing is lost that anybody could have read.
	[[ $status_code != 124 && $status_code -le 2 ]]
	[[ -w /dev/full ]] || skip 'no /dev/full here'
	status_code=0
	said=$("$OPENSANDBOX" check 2>&1 >/dev/full) || status_code=$?
	expect "$status_code" 2
	expect "$said" 'opensandbox: cannot write: No space left on device'
}

@test "GET /version says what check says" {
	local options expected
	for options in '' '--no-userns --no-cgroup'; do
		# shellcheck disable=SC2086 # words on purpose
		body=$("$OPENSANDBOX" check --json $options) || :
		expected=$(jq -c '[.checks[] | [.name, .status]]' <<<"$body")
		# shellcheck disable=SC2086 # words on purpose
		start_server --log none $options
		get /version
		expect "$(json '[.check.checks[] | [.name, .status]] | tojson')" "$expected" "with \"$options\""
		stop_server
	done
}
