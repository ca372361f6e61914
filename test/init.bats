#!/usr/bin/env bats
# As pid 1 of a container, and under a caller with a strict umask

bats_require_minimum_version 1.5.0
load helper

# The server as pid 1 of a pid namespace. Sets INIT, its pid outside.
start_as_init() {
	need unshare nsenter
	mkdir "$BATS_TEST_TMPDIR/state"
	unshare --pid --fork --mount-proc --kill-child "$OPENSANDBOX" serve --port 0 \
		--state-dir "$BATS_TEST_TMPDIR/state" >/dev/null 2>"$BATS_TEST_TMPDIR/log" 3>&- &
	unshare=$!
	try_for 20 grep -q 'listening on http://127' "$BATS_TEST_TMPDIR/log"
	INIT=$(pgrep -P "$unshare")
	URL=$(sed -n 's|.*listening on \(http://127.*\)|\1|p' "$BATS_TEST_TMPDIR/log")
}

# With unshare its child goes (--kill-child), and with a pid 1 all of its namespace.
teardown() {
	stop_left
	[[ -z ${unshare:-} ]] || kill -KILL "$unshare" 2>/dev/null || :
}

@test "as pid 1 it stays in the namespaces and the root that it was started with" {
	start_as_init
	expect "$(readlink "/proc/$INIT/root")" /
	nsenter --target "$INIT" --mount --pid "$OPENSANDBOX" health --port "${URL##*:}"
	kill "$INIT"
	wait "$unshare"
}

@test "as pid 1 it passes signals on, and ends with the server's status" {
	start_as_init
	get /health
	expect_status 200
	kill -TERM "$INIT"
	status=0
	wait "$unshare" || status=$?
	expect "$status" 0
}

@test "as pid 1 it waits for orphans" {
	start_as_init
	nsenter --target "$INIT" --mount --pid sh -c '(sleep 0.3 &)'
	sleep 1
	run ! grep -q '^State:.*Z' $(pgrep -P "$INIT" | sed 's|.*|/proc/&/status|')
	kill "$INIT"
	wait "$unshare"
}

@test "a strict umask of the caller does not take devices and files of /etc from the command" {
	run bash -c 'umask 077; "$OPENSANDBOX" --run -- sh -c "head -c 1 /dev/zero | wc -c && wc -l </etc/passwd && umask"'
	expect "$status" 0
	expect "${lines[0]}" 1
	expect "${lines[2]}" 0022
}
