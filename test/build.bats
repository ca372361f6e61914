#!/usr/bin/env bats
# The build, the test runner and ./setup, tried on a project of three small files.

bats_require_minimum_version 1.5.0
load helper

setup() {
	unset SANITIZE MAKEFLAGS MFLAGS MAKELEVEL
	project=$BATS_TEST_TMPDIR/project
	mkdir -p "$project/test/unit"
	cd "$project" || return
	cp "$root/Makefile" "$root/setup" "$root/LICENSE" .
	cp "$root/test/run" "$root/test/helper.bash" test
	cp "$root/test/unit/test.h" test/unit
	printf '#define ANSWER 41\n' >answer.h
	printf '#include "answer.h"\n#include <stdio.h>\nint main(void) { return !printf("%%d\\n", ANSWER); }\n' \
		>opensandbox.c
	printf 'int three(void);\nint three(void) { return 3; }\n' >three.c
}

# unit NAME LINE...: a unit test program.
unit() {
	local name=$1
	shift
	{
		printf '/* needs: three.c */\n#include <unistd.h>\n#include "test.h"\nint three(void);\n'
		printf '%s\n' "$@" 'TEST_MAIN()'
	} >"test/unit/$name.c"
}

# The runner must not see that it runs below another one.
runner() {
	run env -i PATH="${PATH//"$BATS_LIBEXEC:"/}" HOME="$HOME" TMPDIR="$BATS_TEST_TMPDIR" \
		TEST_SECONDS="${TEST_SECONDS:-100}" BATS_TEST_TIMEOUT=20 test/run "$@"
}

last_line() {
	expect "${lines[${#lines[@]} - 1]}" "$1" 'the last line' || {
		echo "$output" >&2
		return 1
	}
}

without_root() {
	chmod -R a+rwX "$BATS_TEST_TMPDIR"
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR"
	need setpriv
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

@test "the binary is static-pie: position independent, without a loader or a library" {
	[[ $OPENSANDBOX -ef $root/opensandbox ]] || cmp -s "$OPENSANDBOX" "$root/opensandbox" ||
		skip 'another build is under test'
	need readelf
	readelf -hW "$OPENSANDBOX" | grep -q 'Type: *DYN'
	run ! grep -qE 'INTERP|RWE' <(readelf -lW "$OPENSANDBOX")
	run ! grep -qE 'NEEDED|TEXTREL' <(readelf -dW "$OPENSANDBOX")
	readelf -lW "$OPENSANDBOX" | grep -q GNU_RELRO
	readelf -dW "$OPENSANDBOX" | grep -q NOW
}

@test "the binary is at most 200 KB where it is built with musl" {
	cmp -s "$OPENSANDBOX" "$root/opensandbox" || skip 'another build is under test'
	grep -q '^musl-gcc' "$root/build/flags" 2>/dev/null || ldd --version 2>&1 | grep -q musl ||
		skip 'no musl here'
	size=$(wc -c <"$OPENSANDBOX")
	echo "$size bytes"
	((size <= 204800))
}

@test "a binary that is linked with glibc runs commands and serves, too" {
	need gcc jq
	[[ $EUID = 0 ]] || skip 'not root'
	[[ $(gcc -dumpmachine) != *musl* && -f $(gcc -print-file-name=libc.a) ]] || skip 'no static glibc here'
	make -s -C "$root" CC=gcc BUILD="$PWD/glibc" >/dev/null
	expect "$(echo in | glibc/opensandbox run -- sh -c 'cat; echo out; echo error >&2' 2>error | cat)" $'in\nout'
	expect "$(<error)" error
	glibc/opensandbox run -- sh -c 'echo out; echo error >&2' >both 2>&1
	expect "$(<both)" $'out\nerror'
	OPENSANDBOX=$PWD/glibc/opensandbox start_server
	post /run '{"command": ["echo", "out"]}'
	expect_json .stdout out
	post /sessions '{}'
	request PUT "/sessions/$(json .session_id)/files/tmp/x" --data-binary text
	expect_status 201
}

@test "a changed header rebuilds what includes it, and nothing else" {
	make -s
	expect "$(./opensandbox)" 41
	run make
	[[ $output != *CC* ]]
	sleep 1
	printf '#define ANSWER 42\n' >answer.h
	run make
	expect "$(./opensandbox)" 42
	[[ $output != *three.o* ]]
}

@test "another compiler or another flag rebuilds" {
	make -s
	run make CFLAGS=-O1
	[[ $output == *'CC build/opensandbox.o'*LINK* ]]
}

@test "install puts binary and documents below PREFIX, uninstall takes them away" {
	make -s install DESTDIR="$PWD/stage" PREFIX=/usr
	expect "$(stage/usr/bin/opensandbox)" 41
	expect "$(find stage -type f -perm /7000)" '' 'what is set-user-id'
	[[ -f stage/usr/share/doc/opensandbox/LICENSE ]]
	make -s uninstall DESTDIR="$PWD/stage" PREFIX=/usr
	expect "$(find stage -type f)" ''
}

@test "the runner counts passed, failed and skipped tests of both kinds" {
	unit counts 'TEST("a") { CHECK_INT(three(), 3); }' 'TEST("b") { CHECK(three() == 4); }' \
		'TEST("c") { SKIP("why"); }'
	printf '@test "d" { true; }\n@test "e" { false; }\n@test "f" { skip; }\n' >test/kinds.bats
	runner
	expect "$status" 1
	last_line '2 passed, 2 failed, 2 skipped'
	[[ $output == *$'failed:\n  test/unit/counts.c: b\n  test/kinds.bats: e\n'* ]]
}

@test "the runner succeeds when all tests pass, also a second time" {
	unit good 'TEST("a") { CHECK_INT(three(), 3); }'
	for _ in 1 2; do
		runner
		expect "$status" 0
		last_line '1 passed, 0 failed'
	done
}

@test "the runner fails when no test ran" {
	runner
	expect "$status" 1
	last_line '0 passed, 1 failed'
}

@test "the runner fails when a program dies before its last test" {
	unit dies 'TEST("a") { CHECK(1); }' 'TEST("b") { abort(); }'
	runner test/unit/dies.c
	expect "$status" 1
	last_line '1 passed, 1 failed'
}

@test "the runner fails when a program tells of fewer results than it planned" {
	printf '#include <stdio.h>\nint main(void) { return !puts("ok 1 - a\\n1..2"); }\n' >test/unit/few.c
	runner
	expect "$status" 1
	last_line '1 passed, 1 failed'
}

@test "the runner fails when the time is over before all tests have run" {
	unit sleeps 'TEST("a") { sleep(20); }'
	TEST_SECONDS=3 runner
	expect "$status" 1
	last_line '0 passed, 1 failed'
}

@test "the runner fails when a process is left behind with the output in its hands" {
	unit holds 'TEST("a") { if (fork() == 0) { sleep(20); _exit(0); } }'
	runner
	expect "$status" 1
	last_line '1 passed, 1 failed'
}

@test "the runner fails when the build fails" {
	echo 'int x = ;' >test/unit/broken.c
	runner
	expect "$status" 1
	last_line '0 passed, 1 failed'
}

@test "setup says what is missing and how to install it when it is not run by root" {
	need setpriv
	mkdir bin
	for tool in sh dirname id mktemp rm tr sort; do
		ln -s "$(command -v "$tool")" bin
	done
	printf '#!/bin/sh\necho "apt-get was run" >&2\n' >bin/apt-get
	chmod +x bin/apt-get
	run without_root env PATH="$PWD/bin" TMPDIR="$PWD" ./setup serve
	expect "$status" 1
	[[ $output == *'not root'*make*'sudo ./setup serve'* ]]
	[[ $output != *'apt-get was run'* ]]
}

@test "setup says what is needed where it knows no package manager" {
	mkdir bin
	for tool in sh dirname id mktemp rm tr sort; do
		ln -s "$(command -v "$tool")" bin
	done
	run env PATH="$PWD/bin" ./setup test
	expect "$status" 1
	[[ $output == *make*'bats'*'no apt-get, dnf, apk or pacman was found'* ]]
}

@test "setup installs only what is missing" {
	mkdir bin
	for tool in sh dirname id mktemp rm cat tr sort date; do
		ln -s "$(command -v "$tool")" bin
	done
	printf '#!/bin/sh\necho "$*" >>"%s/asked"\n' "$PWD" | tee bin/apk >/dev/null
	printf '#!/bin/sh\n' | tee bin/make >bin/bats
	chmod +x bin/*
	[[ $(id -u) == 0 ]] || skip 'needs root'
	run env PATH="$PWD/bin" ./setup test
	grep -q '^add .*jq' asked
	run ! grep -qE '(make|bats)( |$)' asked
}

# A system that has all but the extras, with an apt-get that does what the script given says; setup ends with
# the word of a test/run that runs nothing.
without_extras() {
	[[ $EUID = 0 ]] || skip 'needs root'
	for file in /usr/bin/gcc /usr/bin/git /usr/bin/python3 /usr/include/stdio.h /usr/include/linux/seccomp.h; do
		[[ -e $file ]] || skip "no $file here"
	done
	mkdir bin
	for tool in sh dirname id mktemp rm cat tr sort date timeout sleep uname; do
		ln -s "$(command -v "$tool")" bin
	done
	for tool in make musl-gcc bats curl jq pkill lsns; do
		ln -s "$(type -P true)" "bin/$tool"
	done
	printf '#!/bin/sh\necho "$*" >>"%s/asked"\n%s\n' "$PWD" "$1" >bin/apt-get
	printf '#!/bin/sh\necho "the tests run"\n' >test/run
	chmod +x bin/apt-get test/run
}

@test "setup refreshes the package lists when only extras are missing, and asks for all of them at once" {
	without_extras ''
	run env PATH="$PWD/bin" ./setup test
	expect "$status" 0
	last_line 'the tests run'
	sed -n 1p asked | grep -q 'update$'
	sed -n 2p asked | grep -q 'download-only.* wrk'
	sed -n 3p asked | grep -q 'no-download.* wrk'
	expect "$(wc -l <asked)" 3
}

@test "setup installs the extras that there are when one of them is not there" {
	without_extras 'case "$*" in *wrk*) exit 100 ;; esac'
	run env PATH="$PWD/bin" ./setup test
	expect "$status" 0
	last_line 'the tests run'
	grep -q 'no-download.* slowhttptest$' asked
	[[ $output == *'going on without '*wrk* ]]
}

@test "setup goes on without extras whose download hangs, says which, and breaks off nothing but downloads" {
	without_extras 'case "$*" in *download-only*) sleep 60 ;; *no-download*) echo broken off ;; esac'
	local start=$SECONDS
	EXTRA_SECONDS=2 run env PATH="$PWD/bin" ./setup test
	expect "$status" 0
	last_line 'the tests run'
	((SECONDS - start < 40))
	[[ $output == *'going on without '*wrk*'is over (EXTRA_SECONDS=2)'* && $output != *'broken off'* ]]
}

@test "setup goes on without a virtual machine whose kernel is not downloaded in time" {
	need cpio xz
	cp "$root/test/vm" test
	without_extras 'case "$*" in *"download linux-image"*) sleep 60 ;; esac'
	for tool in grep sed head tail cut ldd mkdir cpio find gzip; do
		ln -s "$(command -v "$tool")" bin
	done
	[[ -x /bin/busybox || -x /usr/bin/busybox ]] || skip 'no busybox here'
	ln -s "$(type -P true)" bin/qemu-system-x86_64
	printf '#!/bin/sh\necho "  Depends: linux-image-1"\n' >bin/apt-cache
	chmod +x bin/apt-cache
	local start=$SECONDS
	EXTRA_SECONDS=8 run env PATH="$PWD/bin" ./setup test
	expect "$status" 0
	last_line 'the tests run'
	((SECONDS - start < 50))
	grep -q 'download linux-image-1' asked
	[[ $output == *'going on without a virtual machine'* ]]
	expect "$(find build/vm -name 'new.*' 2>/dev/null)" '' 'what is left'
}

@test "CI without root says what it lacks: no sudo, or one that asks for a password" {
	need setpriv
	mkdir -p bin .ci
	cp "$root/.ci/run" .ci
	for tool in sh dirname id; do
		ln -s "$(command -v "$tool")" bin
	done
	run without_root env PATH="$PWD/bin" .ci/run
	expect "$status" 1
	[[ $output == *'not root, and there is no sudo'* ]]
	# sudo itself: -n is what keeps it from asking.
	printf '#!/bin/sh\n[ "$1" = -n ] || sleep 100\necho "sudo: a password is required" >&2\nexit 1\n' >bin/sudo
	chmod +x bin/sudo
	run without_root env PATH="$PWD/bin" .ci/run
	expect "$status" 1
	[[ $output == *'a password is required'*'not root, and sudo does not let this user'* ]]
	printf '#!/bin/sh\n[ "$1" = -n ] && shift && echo "as root: $*"\n' >bin/sudo
	run without_root env PATH="$PWD/bin" .ci/run
	expect "$status" 0
	last_line 'as root: ./setup test'
}

@test "setup refuses what it does not know, with its usage" {
	run ./setup install
	expect "$status" 2
	[[ $output == *usage:* ]]
}

@test "what needs no writing after the start cannot be written: RELRO is sealed in the running program" {
	cmp -s "$OPENSANDBOX" "$root/opensandbox" || skip 'another build is under test'
	"$OPENSANDBOX" serve --listen "unix:$BATS_TEST_TMPDIR/socket" --state-dir "$BATS_TEST_TMPDIR/state" \
		2>/dev/null 3>&- &
	local pid=$!
	try_for 20 test -S "$BATS_TEST_TMPDIR/socket" || :
	# The part behind code and constants: one page range that is not writable, before one that is.
	run grep -c '^[0-9a-f-]* r--p .*/opensandbox$' "/proc/$pid/maps"
	kill "$pid"
	wait "$pid" || :
	echo "$output"
	((output >= 1))
}
