#!/usr/bin/env bats
# vm.bats - the limits on a machine that this one is not: a part of what test/vm tries

load helper

export BATS_TEST_TIMEOUT=420

@test "the limits hold, and verdicts are true, on a machine with cgroup v2 alone" {
	need_release	# another is too slow there
	local status=0
	# What it takes is got by ./setup test; a test downloads nothing. There is a bats in the machine, that must not
	# see what this one has exported.
	# shellcheck disable=SC2154 # root is helper.bash's
	env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TMPDIR="${TMPDIR:-/tmp}" \
		OPENSANDBOX="$OPENSANDBOX" VM_INSTALL=0 VM_SECONDS=150 "$root/test/vm" short >"$BATS_TEST_TMPDIR/tap" 2>"$BATS_TEST_TMPDIR/errors" 3>&- 4>&- ||
		status=$?
	[[ $status != 125 ]] || skip "$(tail -n 1 "$BATS_TEST_TMPDIR/errors"): see test/vm"
	sed 's/^/# /' "$BATS_TEST_TMPDIR/tap"
	if grep -q 'ended with status 124 after' "$BATS_TEST_TMPDIR/tap" && [[ $(grep -c '^not ok' "$BATS_TEST_TMPDIR/tap") = 1 ]]; then
		skip "an emulated machine is too slow here: $(grep -c '^ok' "$BATS_TEST_TMPDIR/tap") tests passed in time"
	fi
	[[ $status = 0 ]]
	(($(grep -c '^ok' "$BATS_TEST_TMPDIR/tap") > 20))
}
