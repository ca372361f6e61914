#!/usr/bin/env bats
# soak.bats - a minute of what test/soak does for half an hour

load helper

setup() {
	export BATS_TEST_TIMEOUT=300
}

@test "a minute of crashes, clients, a large file and swapped links loses nothing and leaves nothing" {
	need python3
	# Sanitizers keep what was freed, which is no growth.
	if sanitized; then
		"$root/test/soak" rounds 6
	else
		"$root/test/soak" short
	fi
}
