#!/usr/bin/env bats
# faults.bats - the kernel's calls fail, one at a time: no sandbox is weaker for it, what happened is said, and the server goes on

load helper

# Why this cannot be tried here; nothing where it can.
why_not() {
	[[ $EUID = 0 ]] || { echo 'not root' && return; }
	[[ $(uname -m) = x86_64 ]] || { echo 'calls are made to fail on x86-64 only' && return; }
	! sanitized || echo 'a build with sanitizers'
}

setup_file() {
	[[ -z $(why_not) ]] || return 0
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR"
	cp "$OPENSANDBOX" "$BATS_FILE_TMPDIR/opensandbox"
}

setup() {
	local why
	why=$(why_not)
	[[ -z $why ]] || skip "$why"
	need python3 pgrep
	sandbox -- true
	before=$(count_all)
}

# What could not be taken away then, the next launcher takes away.
teardown() {
	stop_left
	[[ -n ${before:-} ]] || return 0
	try_for 30 nothing_left || { echo "before: $before, now: $(count_all)" >&2; false; }
}

nothing_left() {
	sandbox -- true && paste <(xargs -n 2 <<<"$before") <(count_all | xargs -n 2) | awk '{ more += $4 > $2 } END { exit more > 0 }'
}

# faults MODE EVERY: see test/programs/faults.py.
faults() {
	PYTHONDONTWRITEBYTECODE=1 python3 "$root/test/programs/faults.py" "$BATS_FILE_TMPDIR/opensandbox" "$@" ||
		false
}

@test "whichever call of the kernel fails, a command of --run has all its protections or does not run, and why is said" {
	faults run 31
}

@test "whichever call fails, a server's run has all its protections, and the next ones are as ever" {
	faults serve 149
}

@test "whichever call fails, a session's run has all its protections, and the next ones are as ever" {
	faults session 211
}
