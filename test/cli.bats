#!/usr/bin/env bats
# cli.bats - the command line: options, exit statuses, streams, results, binds, signals, errors

load helper
load command

setup_file() {
	build_programs work
}

# A directory that a sandbox's user can read, whatever the umask.
shown_directory() {
	mkdir -p "$1"
	chmod 755 "$1"
}

# refuse ARGUMENT...: a usage error: exit status 2, and one line, which matches $pattern.
refuse() {
	exit_code=0
	"$OPENSANDBOX" "$@" </dev/null >"$BATS_TEST_TMPDIR/output" 2>"$BATS_TEST_TMPDIR/errors" || exit_code=$?
	expect "$exit_code" 2 "the exit status of: $*"
	expect "$(wc -l <"$BATS_TEST_TMPDIR/errors")" 1 'the number of lines'
	expect "$(wc -c <"$BATS_TEST_TMPDIR/output")" 0 'what stands on stdout'
	expect_match "$(<"$BATS_TEST_TMPDIR/errors")" "$pattern" 'the message'
}

# start_run [OPTION...] -- COMMAND...: in the background, with its own stdin, until it has said "up".
# Sets run_pid. Signals that a shell ignores for its background jobs are at their default.
start_run() {
	local output=$BATS_TEST_TMPDIR/up errors=$BATS_TEST_TMPDIR/up.errors
	: >"$output"
	env --default-signal=INT,QUIT,HUP,TERM "$OPENSANDBOX" --run --result "$BATS_TEST_TMPDIR/result" "$@" \
		</dev/null >"$output" 2>"$errors" 3>&- &
	run_pid=$!
	try_for 20 grep -q up "$output"
}

# Waits for what start_run has started: exit_code, errors, body.
end_run() {
	exit_code=0
	wait "$run_pid" || exit_code=$?
	errors=$(<"$BATS_TEST_TMPDIR/up.errors")
	body=
	[[ ! -f $BATS_TEST_TMPDIR/result ]] || body=$(<"$BATS_TEST_TMPDIR/result")
}

# The process that start_run has started is the launcher, its child the front.
front_of_run() {
	local candidate
	for candidate in $(pgrep -P "$run_pid"); do
		if [[ $(awk '$1 == "NSpid:" { print NF - 1 }' "/proc/$candidate/status") = 1 ]]; then
			echo "$candidate"
		fi
	done
}

no_group_of_run() {
	[[ -z $(find /sys/fs/cgroup -type d -name "opensandbox-$run_pid-*" 2>/dev/null) ]]
}

# A number of seconds that no other command line has, so that a sleep can be looked for.
own_sleep() {
	printf '%d.%06d' $((3000 + RANDOM)) $((RANDOM * 30 + BASHPID % 30))
}

# --- exit statuses ---

@test "the command's output and exit status are the shell's to see" {
	attempt --time 1000 --mem 262144 -- /bin/echo hello
	expect_run exited 0
	expect "$output" hello
	expect "$errors" ''
	attempt -- sh -c 'echo out; echo err >&2; exit 7'
	expect_run exited 7
	expect "$output" out
	expect "$errors" err
}

@test "run is another word for --run, and -- may be left out" {
	expect "$("$OPENSANDBOX" run echo one)" one
	expect "$("$OPENSANDBOX" --run --time=5000 echo --time=two)" --time=two
	expect "$("$OPENSANDBOX" run -- echo -- three)" '-- three'
}

@test "after a limit the exit status is 124, and one line says which limit and what was used" {
	attempt --time 100 -- sh -c 'while :; do :; done'
	expect "$exit_code" 124
	expect_match "$errors" '^opensandbox: time_limit: used 0\.[1-9][0-9]* s of CPU time \(limit 0\.100\)[^'$'\n'']*$'
	attempt --wall-time 100 -- sleep 60
	expect "$exit_code" 124
	expect_match "$errors" '^opensandbox: wall_time_limit: [^'$'\n'']* elapsed \(limit 0\.100\)[^'$'\n'']*$'
}

@test "a sandbox that cannot be made is 125, with the step and the reason" {
	attempt --rootfs /nosuch/directory -- true
	expect_run internal 125
	expect_match "$errors" '^opensandbox: [a-z /]+: No such file or directory$'
	attempt --bind /nosuch/directory -- true
	expect "$exit_code" 125
	expect_match "$errors" '^opensandbox: bind[^'$'\n'']*: No such file or directory$'
	attempt --cwd /nosuch/directory -- true
	expect_run internal 125
	expect_json .step cwd
	expect_json .error 'No such file or directory'
	expect_json .exit_code null
	expect_match "$errors" '^opensandbox: cwd: No such file or directory$'
	attempt --cwd /etc/passwd -- true
	expect_match "$errors" '^opensandbox: cwd: Not a directory$'
}

@test "a user without privileges gets a sandbox or is told the step that failed" {
	local copy=$BATS_TEST_TMPDIR/opensandbox
	need setpriv
	[[ $EUID = 0 ]] || skip 'needs root to become somebody else'
	shown_directory "$BATS_TEST_TMPDIR"
	cp "$OPENSANDBOX" "$copy"
	chmod 755 "$copy"
	exit_code=0
	# By a descriptor: the directories above may be closed to others.
	setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \
		/proc/self/fd/9 --run -- echo made 9<"$copy" >"$BATS_TEST_TMPDIR/output" 2>"$BATS_TEST_TMPDIR/errors" \
		</dev/null || exit_code=$?
	if [[ $exit_code = 0 ]]; then
		expect "$(<"$BATS_TEST_TMPDIR/output")" made
	else
		expect "$exit_code" 125
		expect_match "$(<"$BATS_TEST_TMPDIR/errors")" '^opensandbox: [^'$'\n'']+: [^'$'\n'']+$'
	fi
}

@test "an ordinary user who may make no user namespace is told what forbids it and what allows it" {
	need unshare
	# The limit is set within a user namespace: the host's stays as it is.
	local within=(unshare --user --map-user=1000 --map-group=1000 --keep-caps)
	"${within[@]}" true 2>/dev/null || skip 'no user namespaces here, or an unshare before 2.36'
	exit_code=0
	# shellcheck disable=SC2016 # the inner shell expands it
	"${within[@]}" sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec "$@"' sh \
		"$OPENSANDBOX" --run -- true >"$BATS_TEST_TMPDIR/output" 2>&1 </dev/null || exit_code=$?
	expect "$exit_code" 125
	expect "$(<"$BATS_TEST_TMPDIR/output")" 'opensandbox: user.max_user_namespaces is 0: sysctl -w user.max_user_namespaces=15000: No space left on device'
}

# --- options ---

@test "what is wrong on the command line is named in one line, with exit status 2" {
	local option
	pattern='^opensandbox: no command' refuse
	pattern='^opensandbox: bogus: ' refuse bogus
	pattern='^opensandbox: --nosuch: unknown option' refuse --run --nosuch -- true
	pattern='^opensandbox: --nosuch=1: unknown option' refuse --run --nosuch=1 -- true
	pattern='^opensandbox: --port: unknown option' refuse --run --port 1 -- true
	pattern='^opensandbox: --time: needs a value' refuse --run --time
	pattern='^opensandbox: --time: needs a value' refuse --run --time -- true
	pattern='^opensandbox: --no-cgroup: takes no value' refuse --run --no-cgroup=1 -- true
	pattern='^opensandbox: --run: no command given' refuse --run
	pattern='^opensandbox: --run: no command given' refuse --run --time 5 --
	pattern='^opensandbox: --env A: ' refuse --run --env A -- true
	pattern='^opensandbox: --env =B: ' refuse --run --env =B -- true
	pattern='^opensandbox: --cwd tmp: ' refuse --run --cwd tmp -- true
	pattern='^opensandbox: --network all: ' refuse --run --network all -- true
	pattern='^opensandbox: --bind etc: ' refuse --run --bind etc -- true
	pattern='^opensandbox: --bind /etc:etc: ' refuse --run --bind /etc:etc -- true
	pattern='^opensandbox: --bind /etc:/: ' refuse --run --bind /etc:/ -- true
	pattern='^opensandbox: --bind /etc:/a/\.\./b: ' refuse --run --bind /etc:/a/../b -- true
	pattern='^opensandbox: extra: ' refuse serve extra
	pattern='^opensandbox: extra: ' refuse --version extra
	for option in time wall-time mem fsize nofile stack procs disk output; do
		pattern="^opensandbox: --$option: 0 is out of range \\(1 to [0-9]+\\)" refuse --run "--$option" 0 -- true
		pattern="^opensandbox: --$option: 99999999999999999999999 is out of range" \
			refuse --run "--$option=99999999999999999999999" -- true
		pattern="^opensandbox: --$option: '1e3' is not a whole number" refuse --run "--$option" 1e3 -- true
		pattern="^opensandbox: --$option: '-1' is not a whole number" refuse --run "--$option" -1 -- true
		pattern="^opensandbox: --$option: '' is not a whole number" refuse --run "--$option=" -- true
	done
}

@test "more open files than can be set here are a usage error that names the most" {
	[[ $(sandbox -- sh -c 'ulimit -Hn') -le 1048576 ]]
	attempt --nofile 1048576 -- sh -c 'ulimit -n'
	case $exit_code in
	0) expect "$output" 1048576 ;;
	*)
		expect "$exit_code" 2
		expect_match "$errors" '^opensandbox: --nofile: 1048576 is more than can be set here \([0-9]+\)$'
		;;
	esac
}

@test "every option that the help lists is one that the parser knows" {
	local help option n=0
	help=$("$OPENSANDBOX" --help)
	expect "$help" "$("$OPENSANDBOX" help)"
	expect "$help" "$("$OPENSANDBOX" --run --help)"
	# shellcheck disable=SC2013 # words on purpose
	for option in $(sed -n '/^options of run/,/^$/s/^  --\([a-z-]*\).*/\1/p' <<<"$help"); do
		n=$((n + 1))
		exit_code=0
		errors=$("$OPENSANDBOX" --run "--$option" 2>&1) || exit_code=$?
		expect "$exit_code" 2
		expect_match "$errors" "--$option: needs a value|no command given"
	done
	expect_between "$n" 15 100 'the number of options'
	for option in time wall-time mem fsize nofile procs disk output env cwd network rootfs bind result; do
		expect_match "$help" "--$option "
	done
}

@test "--version prints name and version" {
	expect_match "$("$OPENSANDBOX" --version)" '^opensandbox [0-9]+\.[0-9]+\.[0-9]+$'
}

@test "an option that is given twice has its last value, and --env and --bind add up" {
	attempt --time 1 --time 5000 --env A=1 --env B=2 --env A=3 -- sh -c 'echo $A$B'
	expect_run exited 0
	expect "$output" 32
}

@test "the environment is the minimal one and what --env adds" {
	export OPENSANDBOX_TEST_SECRET=secret
	attempt --env A=1 --env EMPTY= --env 'ODD=a=b c' --env LANG=C -- env
	expect "$(sort <<<"$output")" "$(
		sort <<-'END'
			A=1
			EMPTY=
			HOME=/home/user
			LANG=C
			ODD=a=b c
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
			TMPDIR=/tmp
			USER=user
		END
	)"
}

@test "the working directory is / or what --cwd says" {
	attempt -- pwd
	expect "$output" /
	attempt --cwd /home/user -- pwd
	expect "$output" /home/user
}

# --- streams ---

@test "a megabyte of any bytes comes back through cat, from a pipe, a file and a socket" {
	local bytes=$BATS_TEST_TMPDIR/bytes
	head -c 1048576 /dev/urandom >"$bytes"
	# shellcheck disable=SC2002,SC2094 # a pipe on purpose; nothing writes the file
	cat "$bytes" | sandbox -- cat | cmp - "$bytes"
	# shellcheck disable=SC2094
	sandbox -- cat <"$bytes" | cmp - "$bytes"
	sandbox -- cat <"$bytes" >"$bytes.file"
	cmp "$bytes" "$bytes.file"
	sandbox -- cat <>"$bytes" >"$bytes.file"
	cmp "$bytes" "$bytes.file"
	need python3
	python3 - "$OPENSANDBOX" "$bytes" <<-'END'
		import socket, subprocess, sys, threading
		binary, path = sys.argv[1:]
		data = open(path, "rb").read()
		ours, theirs = socket.socketpair()
		run = subprocess.Popen([binary, "--run", "--", "cat"], stdin=theirs, stdout=theirs)
		theirs.close()
		def feed():
		    ours.sendall(data)
		    ours.shutdown(socket.SHUT_WR)
		threading.Thread(target=feed).start()
		got = b""
		while len(got) < len(data):
		    part = ours.recv(65536)
		    if not part:
		        break
		    got += part
		assert run.wait(60) == 0 and got == data, (run.returncode, len(got))
	END
}

@test "output to a file is not bound by the sandbox's fsize" {
	attempt --fsize 100 -- head -c 5000000 /dev/zero
	expect_run exited 0
	expect "$(wc -c <"$BATS_TEST_TMPDIR/output")" 5000000
}

@test "output is appended to a file that was opened for it" {
	echo before >"$BATS_TEST_TMPDIR/log"
	sandbox -- echo during >>"$BATS_TEST_TMPDIR/log"
	echo after >>"$BATS_TEST_TMPDIR/log"
	expect "$(tr '\n' ' ' <"$BATS_TEST_TMPDIR/log")" 'before during after '
}

@test "stdout and stderr that go to one file stay in order" {
	sandbox -- sh -c 'for i in 1 2 3 4 5 6 7 8; do echo out $i; echo err $i >&2; done' \
		>"$BATS_TEST_TMPDIR/both" 2>&1 </dev/null
	expect "$(tr '\n' ' ' <"$BATS_TEST_TMPDIR/both")" \
		"$(for i in 1 2 3 4 5 6 7 8; do printf 'out %s err %s ' $i $i; done)"
}

@test "a reader that goes away ends a writer, as in a shell" {
	local codes
	sandbox --wall-time 20000 -- yes | head -n 1 >/dev/null || :
	codes=$(sandbox --wall-time 20000 -- yes | head -n 1 >/dev/null; echo "${PIPESTATUS[0]}")
	expect "$codes" 141
}

@test "a reader that is slow loses nothing" {
	local n
	n=$(sandbox -- sh -c 'head -c 3000000 /dev/zero; echo done >&2' 2>"$BATS_TEST_TMPDIR/errors" |
		(sleep 1; wc -c))
	expect "$n" 3000000
	expect "$(<"$BATS_TEST_TMPDIR/errors")" 'done'
}

@test "a command that does not read its input ends all the same" {
	local code
	head -c 3000000 /dev/zero >"$BATS_TEST_TMPDIR/zeros"
	attempt -- true
	expect_run exited 0
	# shellcheck disable=SC2002 # a pipe on purpose
	code=$(cat "$BATS_TEST_TMPDIR/zeros" 2>/dev/null | sandbox --wall-time 20000 -- sh -c 'exec <&-; exit 5' ||
		echo "$?")
	expect "$code" 5
	INPUT=$BATS_TEST_TMPDIR/zeros attempt -- head -c 3
	expect_run exited 0
}

@test "input that stays open does not keep a run that has ended" {
	local begun=$SECONDS
	sleep 30 3>&- | {
		sandbox -- true
		echo $((SECONDS - begun)) >"$BATS_TEST_TMPDIR/seconds"
		# the sleep's only reader is gone then: it is ended here, not waited for
		pkill -P $$ -x sleep || :
	}
	expect_between "$(<"$BATS_TEST_TMPDIR/seconds")" 0 20 seconds
}

@test "a closed standard input is an empty one" {
	local code=0
	sandbox --wall-time 3000 -- cat <&- >"$BATS_TEST_TMPDIR/output" 2>&1 || code=$?
	expect "$code" 0 'the exit status'
	expect "$(<"$BATS_TEST_TMPDIR/output")" ''
}

@test "closed outputs swallow what is written, and none of it reaches another file" {
	local result=$BATS_TEST_TMPDIR/result code=0
	sandbox --result "$result" -- sh -c 'echo lost; echo lost too >&2; exit 3' </dev/null >&- 2>&- || code=$?
	expect "$code" 3 'the exit status'
	jq -e . "$result" >/dev/null
	expect "$(jq -r .exit_code "$result")" 3
	code=0
	sandbox --result "$result" -- sh -c 'echo lost; echo lost too >&2; exit 3' <&- >&- 2>&- || code=$?
	expect "$code" 3 'the exit status'
	expect "$(jq -r .exit_code "$result")" 3
}

@test "output that cannot be written is an error, not lost in silence" {
	local code=0
	[[ -c /dev/full ]] || skip 'no /dev/full here'
	sandbox --wall-time 20000 -- echo text </dev/null >/dev/full 2>"$BATS_TEST_TMPDIR/errors" || code=$?
	[[ $code != 0 ]] || expect "exit status $code" 'not 0'
	expect_match "$(<"$BATS_TEST_TMPDIR/errors")" 'No space left on device'
}

@test "--output keeps so much of each stream, and there is no cap without it" {
	attempt --output 1024 -- sh -c 'head -c 3000000 /dev/zero; echo tail >&2; exit 9'
	expect_run exited 9
	expect "$(wc -c <"$BATS_TEST_TMPDIR/output")" 1048576
	expect "$errors" tail
	attempt -- head -c 3000000 /dev/zero
	expect "$(wc -c <"$BATS_TEST_TMPDIR/output")" 3000000
}

@test "what a command leaves running with its output open does not delay its end" {
	local begun=$SECONDS
	expect "$(sandbox -- sh -c 'sleep 50 & echo ended')" ended
	expect_between $((SECONDS - begun)) 0 20 seconds
}

# --- results ---

@test "the result has every field of a run" {
	attempt -- sh -c 'echo out; exit 3'
	expect_json 'keys - ["accounting", "exit_code", "mem", "signal", "signal_name", "status", "system_time",
		"time", "user_time", "wall_time"]' '[]'
	expect_json '[.exit_code, .signal, .signal_name, .status]' '[3,null,null,"exited"]'
	expect_json '[.time, .user_time, .system_time, .wall_time, .mem | type] | unique' '["number"]'
	expect_json '.accounting | IN("cgroup", "rlimit")' true
	expect_json '.time > 0 and .wall_time > 0' true
}

@test "--result-fd writes the result to an open descriptor, which the command does not have" {
	local result
	result=$(sandbox --result-fd 7 -- sh -c 'ls /proc/self/fd | tr "\n" " "' 7>&1 >"$BATS_TEST_TMPDIR/output")
	expect "$(jq -r .status <<<"$result")" exited
	expect "$(<"$BATS_TEST_TMPDIR/output")" '0 1 2 3 '
	result=$(sandbox --result-fd 1 -- true)
	expect "$(jq -r .status <<<"$result")" exited
}

@test "a result that cannot be written is said before anything runs" {
	attempt --result /nosuch/directory/result -- echo ran
	expect "$exit_code" 125
	expect "$output" ''
	expect_match "$errors" '^opensandbox: /nosuch/directory/result: No such file or directory$'
	exit_code=0
	errors=$(sandbox --result-fd 99 -- echo ran 2>&1) || exit_code=$?
	expect "$exit_code" 125
	expect "$errors" 'opensandbox: --result-fd: Bad file descriptor'
}

# --- what is shown to a sandbox ---

@test "a bind is read-only unless it says rw, and what is written by rw stays" {
	local shown=$BATS_TEST_TMPDIR/shown
	shown_directory "$shown"
	echo content >"$shown/file"
	chmod 644 "$shown/file"
	attempt --bind "$shown:/data" -- sh -c 'cat /data/file; echo x >/data/file'
	expect "$output" content
	expect_match "$errors" 'Read-only file system'
	attempt --bind "$shown" -- cat "$shown/file"
	expect "$output" content
	chmod 777 "$shown"
	attempt --bind "$shown:/data:rw" -- sh -c 'echo written >/data/new'
	expect_run exited 0
	expect "$(<"$shown/new")" written
}

@test "a bind may be a file, several levels down, and there may be many" {
	local shown=$BATS_TEST_TMPDIR/shown options=() i
	shown_directory "$shown"
	for i in 1 2 3 4 5 6 7 8; do
		echo "file $i" >"$shown/$i"
		chmod 644 "$shown/$i"
		options+=(--bind "$shown/$i:/some/where/deep/$i")
	done
	attempt "${options[@]}" -- sh -c 'cat /some/where/deep/*'
	expect "$output" "$(printf 'file %d\n' 1 2 3 4 5 6 7 8)"
}

@test "a bind of a symbolic link shows what it leads to" {
	local shown=$BATS_TEST_TMPDIR/shown
	shown_directory "$shown"
	echo content >"$shown/file"
	chmod 644 "$shown/file"
	ln -s shown "$BATS_TEST_TMPDIR/link"
	ln -s file "$shown/file-link"
	attempt --bind "$shown/file-link:/file" -- cat /file
	expect "$output" content
	attempt --bind "$BATS_TEST_TMPDIR/link:/data" -- cat /data/file
	expect_run exited 0
	expect "$output" content
}

@test "two dots in a name are no way up" {
	local shown=$BATS_TEST_TMPDIR/a..b
	shown_directory "$shown"
	attempt --bind "$shown" -- test -d "$shown"
	expect_run exited 0
}

@test "a bind gives no set-user-id program and no device" {
	local shown=$BATS_TEST_TMPDIR/shown
	shown_directory "$shown"
	cp "$PROGRAMS/work" "$shown/work"
	chmod 4755 "$shown/work"
	attempt --bind "$shown:/data" -- sh -c 'grep " /data " /proc/self/mounts'
	expect_match "$output" 'nosuid'
	expect_match "$output" 'nodev'
}

@test "--rootfs takes the system from a directory in place of the host" {
	local tree=$BATS_TEST_TMPDIR/tree
	shown_directory "$tree/bin"
	shown_directory "$tree"
	cp "$PROGRAMS/work" "$tree/bin/work"
	attempt --rootfs "$tree" -- work file 1 0
	expect_run exited 0
	attempt --rootfs "$tree" -- /usr/bin/env
	expect_run exec_failed 127
	attempt --rootfs "$tree" -- work fill
	expect_run exited 3
	expect "$(find "$tree" -newer "$tree/bin/work" -type f)" '' 'what is new in the tree'
}

@test "without a network there is nothing but a loopback of its own, with host there is the host's" {
	attempt -- sh -c 'sed -n "s/^ *\([^ :]*\):.*/\1/p" /proc/net/dev'
	expect_run exited 0
	expect "$(grep -v -x -E '(tunl|sit|ip6tnl|gre|gretap|erspan|ip_vti|ip6_vti|ip6gre)0' <<<"$output")" lo
	attempt --network none -- sh -c 'cat /proc/net/route | wc -l'
	expect "$output" 1
	attempt --network host -- readlink /proc/self/ns/net
	expect "$output" "$(readlink /proc/self/ns/net)"
}

@test "a server on the host's loopback is reached by --network host alone" {
	local port connect='import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)'
	need python3
	need_inside python3
	python3 -c '
import socket
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
server.settimeout(60)
server.accept()' >"$BATS_TEST_TMPDIR/port" 3>&- &
	try_for 10 test -s "$BATS_TEST_TMPDIR/port"
	port=$(<"$BATS_TEST_TMPDIR/port")
	attempt -- python3 -c "$connect" "$port"
	expect_run exited 1
	expect_match "$errors" 'ConnectionRefusedError'
	attempt --network host -- python3 -c "$connect" "$port"
	expect_run exited 0
	wait $!
}

@test "--no-userns and --no-cgroup give a sandbox too" {
	attempt --no-userns -- sh -c 'id -un; echo $HOME; grep ^Cap /proc/self/status | sort -u -k 2 | wc -l'
	expect_run exited 0
	expect "$output" $'user\n/home/user\n1'
	attempt --no-cgroup -- true
	expect_run exited 0
	expect_json .accounting rlimit
	attempt --no-userns --no-cgroup -- sh -c 'kill -9 $$'
	expect_run signaled 137
}

# --- the end by a signal ---

@test "Ctrl-C and TERM end the sandbox, and the exit status tells of the signal" {
	local seconds signal
	for signal in INT:130 TERM:143; do
		seconds=$(own_sleep)
		start_run -- sh -c 'echo up; sleep "$1" & trap "" INT TERM; wait' sh "$seconds"
		kill -s "${signal%:*}" "$run_pid"
		end_run
		expect "$exit_code" "${signal#*:}"
		expect_json .status canceled
		try_for 10 none_with_word "$seconds"
	done
}

@test "a terminal that hangs up ends the sandbox" {
	local seconds
	seconds=$(own_sleep)
	start_run --wall-time 10000 -- sh -c 'echo up; exec sleep "$1"' sh "$seconds"
	kill -s HUP "$run_pid"
	end_run
	expect "$exit_code" 129
	try_for 10 none_with_word "$seconds"
}

@test "nohup keeps a run from ending by a hangup" {
	: >"$BATS_TEST_TMPDIR/up"
	(
		trap '' HUP
		exec "$OPENSANDBOX" --run -- sh -c 'echo up; sleep 1; exit 5' </dev/null >"$BATS_TEST_TMPDIR/up" 3>&-
	) &
	run_pid=$!
	try_for 20 grep -q up "$BATS_TEST_TMPDIR/up"
	kill -s HUP "$run_pid"
	exit_code=0
	wait "$run_pid" || exit_code=$?
	expect "$exit_code" 5
}

@test "Ctrl-\\ ends the sandbox and leaves no cgroup" {
	start_run -- sh -c 'echo up; exec sleep 100'
	kill -s QUIT "$run_pid"
	end_run
	expect "$exit_code" 131
	try_for 5 no_group_of_run
}

@test "when the launcher is killed its sandbox dies, and the next run removes its cgroups" {
	local seconds
	seconds=$(own_sleep)
	start_run -- sh -c 'echo up; setsid sleep "$1" & wait' sh "$seconds"
	kill -s KILL "$run_pid"
	end_run
	expect "$exit_code" 137
	try_for 10 none_with_word "$seconds"
	attempt -- true
	expect_run exited 0
	# What was still dying then is removed by the run after it.
	swept() {
		no_group_of_run || { sandbox -- true && no_group_of_run; }
	}
	try_for 10 swept
}

@test "when the front is killed the sandbox dies, and the exit status is 125" {
	local seconds
	seconds=$(own_sleep)
	start_run -- sh -c 'echo up; exec sleep "$1"' sh "$seconds"
	expect "$(front_of_run | wc -l)" 1 'the number of fronts'
	kill -s KILL "$(front_of_run)"
	end_run
	expect "$exit_code" 125
	expect_match "$errors" '^opensandbox: the front process died of signal 9$'
	try_for 10 none_with_word "$seconds"
}

@test "the front has no privileges and sees no file" {
	local front
	start_run -- sh -c 'echo up; exec sleep 100'
	front=$(front_of_run)
	awk '/^Uid:/ { exit $2 == 0 }' "/proc/$front/status"
	expect "$(awk '/^Cap(Prm|Eff|Inh|Amb)/ { print $2 }' "/proc/$front/status" | sort -u)" 0000000000000000
	expect "$(awk '/^NoNewPrivs/ { print $2 }' "/proc/$front/status")" 1
	expect "$(awk '/^Seccomp:/ { print $2 }' "/proc/$front/status")" 2
	kill "$run_pid"
	end_run
}

@test "a terminal is the command's own, but not its controlling one" {
	local seen
	need script
	seen=$(SHELL=/bin/sh script -qec "'$OPENSANDBOX' --run -- sh -c 'test -t 0 && test -t 1 && test -t 2 && echo terminal
		(: </dev/tty) 2>/dev/null && echo controlling; exit 6'; echo status \$?" /dev/null </dev/null | tr -d '\r')
	expect_match "$seen" 'terminal'
	expect_match "$seen" 'status 6'
	[[ $seen != *controlling* ]]
}

@test "Ctrl-C on a terminal ends the sandbox" {
	local code=0
	need script
	(
		try_for 20 grep -q up "$BATS_TEST_TMPDIR/seen"
		printf '\003'
		sleep 1
	) | SHELL=/bin/sh script -qefc "'$OPENSANDBOX' --run --wall-time 20000 -- sh -c 'echo up; sleep 100'" \
		"$BATS_TEST_TMPDIR/seen" >/dev/null || code=$?
	expect "$code" 130
}

# --- side by side ---

@test "runs side by side do not disturb each other" {
	local pids=() pid i
	for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
		(
			exec 3>&-
			code=0
			got=$(sandbox -- sh -c 'echo "$1" >/tmp/own; sleep 0.2; cat /tmp/own; ls /tmp | wc -l; exit "$1"' sh "$i" \
				</dev/null) || code=$?
			[[ $code = "$i" && $got = "$i"$'\n'1 ]]
		) &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid"
	done
}
