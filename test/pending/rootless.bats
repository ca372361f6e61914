#!/usr/bin/env bats
# Served by an ordinary user: the attacks that apply hold as well, and what differs is what is expected to

bats_require_minimum_version 1.5.0
load ../helper

setup() {
	need setpriv jq curl
	[[ $EUID = 0 ]] || skip 'not root, who can be any user'
	! grep -q __asan_init "$OPENSANDBOX" || skip 'a build with sanitizers'
	home=$BATS_TEST_TMPDIR/home
	mkdir -p "$home/tmp"
	cp -r "$root/test" "$root/docs" "$root/README.md" "$OPENSANDBOX" "$home"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.."
	chown -R 4242:4242 "$home"
	as_user "$home/opensandbox" run -- true || skip 'no user namespaces for ordinary users here'
}

as_user() {
	setpriv --reuid 4242 --regid 4242 --clear-groups "$@"
}

# attacked FILE SENTENCE...: all tests of the file pass but those, and there are at least five that do.
attacked() {
	local file=$1
	shift
	as_user env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" HOME="$home" TMPDIR="$home/tmp" OPENSANDBOX="$home/opensandbox" \
		BATS_TEST_TIMEOUT=100 bats --tap "$home/test/attacks/$file.bats" >"$BATS_TEST_TMPDIR/tap" 2>&1 || :
	(($(grep -c '^ok ' "$BATS_TEST_TMPDIR/tap") >= 5))
	expect "$(sed -n 's/^not ok [0-9]* //p' "$BATS_TEST_TMPDIR/tap")" "$(printf '%s\n' "$@" | grep .)" 'what failed' ||
		{ cat "$BATS_TEST_TMPDIR/tap" >&2; return 1; }
}

# The program that runs is the caller's own there: refused for being run (ETXTBSY), by the read-only mount behind that. And ids that
# are not mapped are refused as no ids (EINVAL), before any right is asked for.
@test "of the attacks on the host, none succeeds against an ordinary user's server" {
	attacked escape "the binary of pid 1 cannot be written, nor run for anything by a script that names it" \
		"a set-user-ID program of the host gains nothing"
}

# The devices are bound one by one, as no node can be made; and /dev/pts is its user's, in which nothing can be made either.
@test "of the attacks from inside, none succeeds against an ordinary user's server" {
	attacked inside "only the sandbox's own directories and the harmless devices can be written" \
		"the mounts are flagged as they should be, and none can be seen that was not made for it"
}

@test "the filter of system calls is the same for an ordinary user's server" {
	attacked calls
}
