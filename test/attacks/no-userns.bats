#!/usr/bin/env bats
# no-userns.bats - without user namespaces: the attacks for which that makes a difference. `test/modes no-userns` tries all of them.

bats_require_minimum_version 1.5.0
load attacks

setup() {
	need_modes
	watch_host
}

teardown() {
	host_is_unharmed
	stop_left
}

@test "of the attacks on the host, none succeeds without a user namespace" {
	attacked no-userns escape
}

@test "of the attacks from inside, none succeeds without a user namespace" {
	attacked no-userns inside
}

@test "runs end as they should without a user namespace, and nothing reaches pid 1" {
	attacked no-userns lifetime
}
