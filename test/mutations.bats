#!/usr/bin/env bats
# mutations.bats - a minute of what test/mutations does in a quarter of an hour, and that it tells what it should

bats_require_minimum_version 1.5.0
load helper

setup() {
	export BATS_TEST_TIMEOUT=600
	need make cc
	need_release
	# shellcheck disable=SC2154 # root is the helper's
	cd "$root" || return
}

@test "protections are taken away one by one, a sample of them, and each is missed" {
	# So that what took too long is seen.
	run timeout 500 test/mutations --short "${MUTATIONS_SAMPLE:-0}"
	[[ $status = 0 && ${lines[-1]} =~ ^[0-9]+' passed, 0 failed' ]] || {
		echo "$output" >&2
		return 1
	}
}

# row NAME FILE FROM TO TEST
row() {
	printf '%s\n' "protection: $1" "file: $2" "- $3" "+ $4" "test: $5"
}

@test "a protection that no test misses, that has moved, or without which nothing works, is told of" {
	local noticed='a token is known by itself alone' loop='for (size_t j = 0; j < DIGEST_LEN; j++) differ'
	{
		echo '# --- what is told ---'
		row 'a comment' token.c '/* token.c' '/* Token.c' "$noticed"
		row 'what has moved' token.c 'This is not in that file' 'This is' "$noticed"
		row 'what is there twice' token.c 'error = -' 'error = +' "$noticed"
		row 'a function' cli.c 'int cli_run(' 'int no_more(' "$noticed"
		row 'a program to run' seccomp_calls.def 'CALL(execve, 59, 221, OFTEN(1))' 'CALL(execve, 59, 221, COMMAND(EPERM))' "$noticed"
		row 'a test' token.c "$loop" 'for (;;) differ' 'there is no such test'
		row 'a digest' 'tok*.c' "$loop" 'for (size_t j = 0; j < 0; j++) differ' "$noticed"
	} >"$BATS_TEST_TMPDIR/table"
	export MUTATIONS_TABLE=$BATS_TEST_TMPDIR/table
	run test/mutations -r "$BATS_TEST_TMPDIR/report"
	expect "$(sed -n '/^failed:/,$p' <<<"$output" | sed "s/: its text .*/: text/; s/ without it: .*/ without it/")" "failed:
  a comment: not noticed by: $noticed
  what has moved: text
  what is there twice: text
  a function: does not build without it
  a program to run: no plain command can be run without it
  a test: no test file, or more than one, has the sentence: there is no such test
1 passed, 6 failed"
	expect "$status" 1
	# What was ok is known, and only that.
	expect "$(sed 1d "$BATS_TEST_TMPDIR/report" | tail -n 1)" 'ok - a digest'
	run test/mutations -r "$BATS_TEST_TMPDIR/report" digest
	expect "$output" $'ok 1 - a digest\n1..1\n1 passed, 0 failed'
}

@test "docs/mutations.md says what the table says" {
	test/mutations -m | diff -u docs/mutations.md -
}
