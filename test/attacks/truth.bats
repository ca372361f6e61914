#!/usr/bin/env bats
# truth.bats - lines 56 to 59: programs that want the result to say something else than what was

load attacks

setup_file() {
	start_attacked
}

@test "a status written to stderr and an exit code of 137, 124 or 127 are the program's own" {
	local code
	for code in 137 124 127 126 255; do
		everywhere exited said -- sh -c 'echo "{\"status\": \"memory_limit\"}" >&2; echo "opensandbox: time_limit" >&2; echo said; exit '$code
		expect "$exit_code" "$code"
		expect_json .exit_code "$code"
	done
}

@test "a program that kills itself with SIGKILL is signaled, not at a limit" {
	everywhere signaled '' -- sh -c 'kill -9 $$'
	expect_json .signal 9
}

@test "running out of memory in one run is not told of the next" {
	local i
	by_cgroup
	for i in 1 2 3; do
		in_session "$SESSION" '{"mem": 32768}' -- /attacks/attack eat touch 100
		expect_json .status memory_limit
		in_session "$SESSION" -- true
		expect_json .status exited
		api '{"mem": 32768}' -- /attacks/attack eat touch 100
		expect_json .status memory_limit
		api -- true
		expect_json .status exited
	done
}

@test "an out-of-memory child does not let the rest of the tree live on" {
	local word=attack-oom-$$
	by_cgroup
	api '{"mem": 32768, "wall_time": 20000}' -- sh -c '/attacks/attack eat touch 100; sleep 15; :' "$word"
	expect_json .status memory_limit
	none_with_word "$word"
	expect_ms "$(json .wall_time)" 0 5000
}

@test "arguments and variables that are too large are refused or fail to start, and never hang" {
	local big
	big=$(head -c 120000 /dev/zero | tr '\0' x)
	jq -nc --arg b "$big" '{command: ["true", $b, $b, $b]}' >"$BATS_TEST_TMPDIR/args"
	request POST /run -H 'Content-Type: application/json' --data-binary @"$BATS_TEST_TMPDIR/args"
	expect_match "$status_code $(json .status)" '^(400|413|200 exec_failed)'
	jq -nc --arg b "$big" '{command: ["true"], env: {A: ($b + $b), B: ($b + $b)}}' >"$BATS_TEST_TMPDIR/args"
	request POST /run -H 'Content-Type: application/json' --data-binary @"$BATS_TEST_TMPDIR/args"
	expect_match "$status_code $(json .status)" '^(400|413|200 exec_failed)'
	jq -nc '{command: ["true"], env: ([range(30000)] | map({("V\(.)"): "x"}) | add)}' >"$BATS_TEST_TMPDIR/args"
	request POST /run -H 'Content-Type: application/json' --data-binary @"$BATS_TEST_TMPDIR/args"
	expect_match "$status_code $(json .status)" '^(400|413|200 (exited|exec_failed))'
}

@test "a tracer that hides the command's end delays it to the wall time at most" {
	everywhere wall_time_limit traced '{"wall_time": 1000}' -- /attacks/attack hide
	expect_ms "$(json .wall_time)" 1000 3000
	# Nor is there anything to be traced for by one who is stopped himself.
	api '{"wall_time": 1000}' -- /attacks/attack stop
	expect_json .status wall_time_limit
}
