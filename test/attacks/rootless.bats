#!/usr/bin/env bats
# rootless.bats - served by an ordinary user: the attacks that apply hold as well. `test/modes rootless` tries all of them.

bats_require_minimum_version 1.5.0
load attacks

setup() {
	need_modes
	watch_host
	cp "$OPENSANDBOX" "$BATS_TEST_TMPDIR/opensandbox"
	as_user "$BATS_TEST_TMPDIR/opensandbox" run -- true || skip 'no user namespaces for ordinary users here'
}

teardown() {
	if [[ -n ${server:-} ]]; then
		kill "$server"
		wait "$server" || :
	fi
	host_is_unharmed
	stop_left
}

as_user() {
	setpriv --reuid 4242 --regid 4242 --clear-groups "$@"
}

@test "of the attacks on the host, none succeeds against an ordinary user's server" {
	attacked rootless escape
}

@test "of the attacks from inside, none succeeds against an ordinary user's server" {
	attacked rootless inside
}

@test "the filter of system calls is the same for an ordinary user's server" {
	attacked rootless calls
}

@test "an ordinary user's runs end as others do, and nothing reaches their pid 1" {
	attacked rootless lifetime
}

@test "an ordinary user's run has the disk that it asks for" {
	local log=$BATS_TEST_TMPDIR/log
	mkdir "$BATS_TEST_TMPDIR/state"
	chown 4242 "$BATS_TEST_TMPDIR/state"
	# Not the function: that would be a shell's child, and the shell the one to be ended.
	setpriv --reuid 4242 --regid 4242 --clear-groups "$BATS_TEST_TMPDIR/opensandbox" serve --port 0 --state-dir "$BATS_TEST_TMPDIR/state" \
		--log none 2>"$log" 3>&- &
	server=$!
	try_for 20 grep -q 'listening on' "$log"
	URL=$(sed -n 's|.*listening on \(http://.*[0-9]\)/*$|\1|p' "$log" | head -n 1)
	# One is built ahead, with the usual disk.
	api -- df -k /tmp
	api '{"disk": 8192}' -- df -k /tmp
	expect "$(json .stdout | awk 'NR == 2 { print $2 }')" 8192 'KB of disk'
}

@test "what remains: an ordinary user's command can take a lease on his file in a bound directory" {
	need python3
	mkdir "$BATS_TEST_TMPDIR/shown"
	touch "$BATS_TEST_TMPDIR/shown/file"
	chown -R 4242 "$BATS_TEST_TMPDIR/shown"
	expect "$(as_user "$BATS_TEST_TMPDIR/opensandbox" run --bind "$BATS_TEST_TMPDIR/shown:/shown" -- python3 -c \
		'import fcntl; print(fcntl.fcntl(open("/shown/file"), fcntl.F_SETLEASE, fcntl.F_RDLCK))')" 0
}
