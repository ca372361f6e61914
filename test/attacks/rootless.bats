#!/usr/bin/env bats
# rootless.bats - served by an ordinary user: the attacks that apply hold as well

bats_require_minimum_version 1.5.0
load ../helper

setup() {
	need setpriv jq curl
	[[ $EUID = 0 ]] || skip 'not root, who can be any user'
	! grep -q __asan_init "$OPENSANDBOX" || skip 'a build with sanitizers'
	home=$BATS_TEST_TMPDIR/home
	mkdir -p "$home/tmp"
	cp -r "$root/test" "$root/docs" "$root/README.md" "$OPENSANDBOX" "$home"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_FILE_TMPDIR/.." "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.."
	chown -R 4242:4242 "$home"
	as_user "$home/opensandbox" run -- true || skip 'no user namespaces for ordinary users here'
}

as_user() {
	setpriv --reuid 4242 --regid 4242 --clear-groups "$@"
}

# attacked FILE: all its tests pass, and there are at least five that are not skipped.
attacked() {
	as_user env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" HOME="$home" TMPDIR="$home/tmp" OPENSANDBOX="$home/opensandbox" \
		BATS_TEST_TIMEOUT=100 bats --tap "$home/test/attacks/$1.bats" >"$BATS_TEST_TMPDIR/tap" 2>&1 || {
		cat "$BATS_TEST_TMPDIR/tap" >&2
		return 1
	}
	(($(grep '^ok ' "$BATS_TEST_TMPDIR/tap" | grep -vc ' # skip') >= 5))
}

@test "of the attacks on the host, none succeeds against an ordinary user's server" {
	attacked escape
}

@test "of the attacks from inside, none succeeds against an ordinary user's server" {
	attacked inside
}

@test "the filter of system calls is the same for an ordinary user's server" {
	attacked calls
}
