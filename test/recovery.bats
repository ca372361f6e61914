#!/usr/bin/env bats
# recovery.bats - what was acknowledged is there after kill -9 of any process of the server; what was not leaves nothing

load helper
load client

teardown() {
	# Of the ordinary user's: what a failed test has left.
	local exe
	for exe in /proc/[0-9]*/exe; do
		[[ $(readlink "$exe") != "$BATS_TEST_TMPDIR/user/"* ]] || kill -KILL "$(cut -d/ -f3 <<<"$exe")"
	done
	stop_left
}

# As start_server; how it ended is noted also where it was killed.
begin_server() {
	local failed=0
	set +e
	start_server "$@"
	failed=$?
	set -e
	echo "$SERVER_PID" >>"$BATS_TEST_TMPDIR/pids"
	return "$failed"
}

# restart_server [OPTION...]: another server on the state directory of the last one, which has ended.
# shellcheck disable=SC2153 # SERVER_DIR is helper.bash's
restart_server() {
	server_ended 15
	rm -f "$SERVER_DIR/status"
	: >"$SERVER_LOG"
	(
		"$OPENSANDBOX" serve --port 0 --state-dir "$STATE_DIR" --log none "$@" \
			</dev/null >>"$SERVER_DIR/stdout" 2>"$SERVER_LOG" &
		set +e
		echo $! >"$SERVER_DIR/pid"
		wait $!
		echo $? >"$SERVER_DIR/status"
	) </dev/null >/dev/null 2>&1 3>&- 4>&- &
	if ! try_for 20 server_started || [[ -s $SERVER_DIR/status ]]; then
		echo 'the server did not start again:' >&2
		cat "$SERVER_LOG" >&2
		return 1
	fi
	SERVER_PID=$(<"$SERVER_DIR/pid")
	echo "$SERVER_PID" >>"$BATS_TEST_TMPDIR/pids"
	PORT=$(sed -n 's|^opensandbox: listening on http://.*:\([0-9]*\)/\{0,1\}$|\1|p' "$SERVER_LOG" | head -n 1)
	URL=http://127.0.0.1:$PORT
}

# Kills the server process, the launcher, or both, and starts again.
crash() {
	local front
	front=$(front_pid)
	case $1 in
	server) kill -KILL "$front" ;;
	launcher) kill -KILL "$SERVER_PID" ;;
	both) kill -KILL "$SERVER_PID" "$front" ;;
	esac
	shift
	server_ended 15
	gone() { [[ ! -e /proc/$front ]]; }
	try_for 15 gone
	restart_server "$@"
}

new_session() {
	post /sessions "${1:-{\}}"
	expect_status 201
	SESSION=$(json .session_id)
	AT=/sessions/$SESSION
}

# What is left of this file's servers, none of which runs.
expect_nothing_left() {
	local pid left
	nothing() {
		left=$(grep -F "$SERVER_DIR" /proc/self/mountinfo || :)
		while read -r pid; do
			left+=$(find /sys/fs/cgroup -type d -name "opensandbox-$pid*" 2>/dev/null)
		done <"$BATS_TEST_TMPDIR/pids"
		left+=$(find "$STATE_DIR" -mindepth 1)
		[[ ! $left && $(count_processes) == 0 ]]
	}
	try_for 15 nothing || {
		echo "left: $(count_processes) processes, $left" >&2
		return 1
	}
}

# Processes that have a word among their arguments.
with_word() {
	pids_with_word "$1" | wc -l
}

pids_with_word() {
	local files=(/proc/[0-9]*/cmdline)
	{ grep -l -z -x -F -f - "${files[@]}" 2>/dev/null || :; } <<<"$1" | cut -d/ -f3
}

some_with_word() {
	(($(with_word "$1") >= 1))
}

none_with_word() {
	[[ $(with_word "$1") == 0 ]]
}

@test "after kill -9 of the server, the launcher, or both, sessions are there again, and what was deleted is not" {
	local who kept deleted
	begin_server --log none
	new_session '{"env": {"A": "1"}, "cwd": "/home", "ttl": 3000, "disk": 54321, "limits": {"nofile": 99}}'
	kept=$AT
	request PUT "$kept/files/home/first" --data-binary one
	expect_status 201
	for who in server launcher both; do
		post "$kept/env" "{\"env\": {\"LAST\": \"$who\"}}"
		expect_status 200
		request PUT "$kept/files/home/$who" --data-binary "before the end of $who"
		expect_status 201
		request PUT "$kept/files/home/gone" --data-binary x
		request DELETE "$kept/files/home/gone"
		expect_status 204
		new_session
		deleted=$AT
		request DELETE "$deleted"
		expect_status 204
		crash "$who"
		get /sessions
		expect_json length 1
		get "$kept"
		expect_status 200
		expect_json '[.env.A, .env.LAST, .cwd, .ttl, .disk, .limits.nofile, .running] | map(tostring) | join(" ")' "1 $who /home 3000 54321 99 0"
		post "$kept/run" "$(run_json sh -c 'cat first; echo; cat $LAST; ls gone; pwd; ulimit -n; echo $A; touch again; df -k / | tail -n 1 | tr -s " " | cut -d" " -f2')"
		expect "$(json .stdout)" "one"$'\n'"before the end of $who/home"$'\n99\n1\n54324'
		get "$deleted"
		expect_status 404
	done
	get "$kept/files/home"
	expect "$(json '.entries | map(.name) | sort | join(" ")')" 'again both first launcher server user'
	stop_server
	expect_nothing_left
}

@test "what ran when a process of ours was killed is gone, whichever process it was" {
	local who word clients stateless in_session
	for who in server launcher both; do
		begin_server --log none
		word=word-$who-$$-$RANDOM
		new_session
		# Made before they are looked for: jq has the word among its arguments, too.
		stateless=$(run_json sh -c 'setsid sh -c "sleep 100; :" '"$word"' & trap "" TERM; sleep 100' "$word")
		in_session=$(run_json sh -c 'setsid sh -c "sleep 100; :" '"$word"' & sleep 100' "$word")
		curl -s -H 'Content-Type: application/json' -d "$stateless" "$URL/run" >/dev/null 3>&- &
		clients=$!
		curl -s -H 'Content-Type: application/json' -d "$in_session" "$URL$AT/run" >/dev/null 3>&- &
		clients+=" $!"
		up() { (($(with_word "$word") >= 4)); }
		try_for 10 up
		crash "$who"
		try_for 10 none_with_word "$word"
		get "$AT"
		expect_status 200
		expect_json .running 0
		stop_server
		# shellcheck disable=SC2086 # words on purpose
		wait $clients || :
	done
	expect_nothing_left
}

@test "groups of sessions that rest are gone at the next start, whichever process was killed" {
	local who old group accounting
	(($(id -u) == 0)) || skip 'not root: whose groups these are depends on the host'
	groups_of() { find /sys/fs/cgroup -type d -path "*/opensandbox-$1-*" 2>/dev/null || :; }
	begin_server --log none
	for who in launcher both server; do
		new_session
		post "$AT/run" "$(run_json true)"
		expect_status 200
		accounting=$(json .accounting)
		old=$SERVER_PID
		group=$(groups_of "$old")
		crash "$who"
		expect "$(groups_of "$old")" '' "groups after the death of $who, before it $group"
	done
	[[ $group || $accounting == rlimit ]]
	stop_server
	expect_nothing_left
}

@test "a launcher that is stopped for a while answers afterwards, and ends in good order by a SIGTERM of that time" {
	local client
	begin_server --log none
	kill -STOP "$SERVER_PID"
	curl -s -m 60 -H 'Content-Type: application/json' -d "$(run_json echo later)" "$URL/run" \
		>"$BATS_TEST_TMPDIR/answer" 3>&- &
	client=$!
	get /health
	expect_status 200
	kill -CONT "$SERVER_PID"
	wait "$client"
	expect "$(jq -r '.status + " " + .stdout' "$BATS_TEST_TMPDIR/answer")" 'exited later'
	kill -STOP "$SERVER_PID"
	kill -TERM "$SERVER_PID"
	sleep 0.3
	kill -CONT "$SERVER_PID"
	server_ended 15
	expect "$server_status" 0 'the exit status'
	expect_nothing_left
}

@test "a log that takes nothing more costs no request" {
	local socket=$BATS_TEST_TMPDIR/socket server i ended=0 answered=
	[[ -c /dev/full ]] || skip 'no /dev/full here'
	"$OPENSANDBOX" serve --listen "unix:$socket" --state-dir "$BATS_TEST_TMPDIR/state" --log json \
		</dev/null >/dev/null 2>/dev/full 3>&- 4>&- &
	server=$!
	try_for 20 curl -s -o /dev/null --unix-socket "$socket" http://localhost/health
	for i in 1 2 3 4 5; do
		curl -s -m 60 --unix-socket "$socket" -H 'Content-Type: application/json' -d "$(run_json echo "$i")" \
			http://localhost/run >"$BATS_TEST_TMPDIR/answer" || break
		[[ $(jq -r .stdout "$BATS_TEST_TMPDIR/answer") == "$i" ]] || break
		answered+=$i
	done
	kill -TERM "$server" || :
	wait "$server" || ended=$?
	expect "$answered $ended" '12345 0' 'what was answered, and the exit status'
}

@test "an upload that the server's death cuts off leaves the old file, also where its length was not said" {
	local who client
	begin_server --log none
	new_session
	for who in server launcher both server launcher both; do
		request PUT "$AT/files/f" --data-binary old
		python_client "$AT" >"$BATS_TEST_TMPDIR/held" <<-'CODE' &
			cs = []
			for n, head in enumerate((b"Transfer-Encoding: chunked\r\n\r\n1000\r\n" + b"x" * 4096 + b"\r\n", b"Content-Length: 9999\r\n\r\n" + b"x" * 4096)):
			    c = connect()
			    c.sendall(("PUT %s/files/%s HTTP/1.1\r\nHost: localhost\r\n" % (sys.argv[2], ("f", "g")[n])).encode() + head)
			    cs.append(c)
			[rest(c) for c in cs]
		CODE
		client=$!
		running() { get "$AT" && [[ $(json .running) == 2 ]]; }
		try_for 10 running
		sleep 0.2
		crash "$who"
		wait "$client" || :
		get "$AT/files/f"
		expect "$body" old "the file after the death of $who"
		get "$AT/files/g"
		expect_status 404
	done
	stop_server
}

@test "a second server on the same state directory is refused, says why, and disturbs nothing" {
	begin_server --log none
	new_session
	local status=0 text
	text=$(timeout 20 "$OPENSANDBOX" serve --port 0 --state-dir "$STATE_DIR" 2>&1 </dev/null) || status=$?
	[[ $status != 0 && $status != 124 ]]
	[[ $text == *"another server is running with the state directory $STATE_DIR"* ]]
	# The same place by another name.
	ln -s "$STATE_DIR" "$BATS_TEST_TMPDIR/link"
	status=0
	timeout 20 "$OPENSANDBOX" serve --port 0 --state-dir "$BATS_TEST_TMPDIR/link" 2>/dev/null </dev/null || status=$?
	[[ $status != 0 && $status != 124 ]]
	post "$AT/run" "$(run_json echo still)"
	expect_json .stdout still
	stop_server
	expect_nothing_left
}

@test "a state directory that is read-only, full, no directory or not there is said with its name" {
	need unshare
	refused() {
		local status=0 text
		text=$(timeout 20 unshare --mount sh -c "mount --make-rprivate / && $1"' && exec "$@"' sh \
			"$OPENSANDBOX" serve --port 0 --state-dir "$2" 2>&1 </dev/null) || status=$?
		expect "$status" 125 "the status for $1"
		[[ $text == *"the state directory $2: $3"* ]] || expect "$text" "$3"
	}
	local at=$BATS_TEST_TMPDIR/at
	mkdir "$at"
	refused "mount -t tmpfs -o ro none $at" "$at" 'Read-only file system'
	refused "mount -t tmpfs -o ro none $at" "$at/below" 'Read-only file system'
	refused "mount -t tmpfs -o size=4k,nr_inodes=2 none $at" "$at/below" 'No space left on device'
	refused ":>$at/file" "$at/file" 'Not a directory'
	refused true "$at/no/such" 'No such file or directory'
}

@test "a state directory that is another's, or open to others, is refused" {
	[[ $(id -u) = 0 ]] || skip 'needs root: nobody else can give a directory away'
	local at=$BATS_TEST_TMPDIR/at owner mode
	mkdir "$at"
	while read -r owner mode; do
		rm -rf "$at/.opensandbox"
		mkdir "$at/.opensandbox"
		chmod "$mode" "$at/.opensandbox"
		chown "$owner" "$at/.opensandbox"
		local status=0 text
		text=$(timeout 20 "$OPENSANDBOX" serve --port 0 --state-dir "$at" 2>&1 </dev/null) || status=$?
		expect "$status" 125 "the status for one of $owner with mode $mode"
		[[ $text == *"the state directory $at: Operation not permitted"* ]] || expect "$text" refused
	done <<-'TABLE'
		65534 700
		0 750
		0 701
	TABLE
}

@test "a link or a file in the place of the state directory is refused, and nothing is made where it leads" {
	local at=$BATS_TEST_TMPDIR/at own=$BATS_TEST_TMPDIR/own status text
	mkdir "$at"
	mkdir -m 700 "$own"
	plant() {
		rm -f "$at/.opensandbox"
		"$@" "$at/.opensandbox"
	}
	for text in "ln -s $own" "ln -s $own/new" touch mkfifo; do
		# shellcheck disable=SC2086 # words on purpose
		plant $text
		status=0
		text=$(timeout 20 "$OPENSANDBOX" serve --port 0 --state-dir "$at" 2>&1 </dev/null) || status=$?
		expect "$status" 125 'the status'
		[[ $text == *"cannot lock the state directory $at: Not a directory"* ]] || expect "$text" refused
	done
	expect "$(ls -A "$own")" '' 'what was made'
}

@test "--keep-sessions keeps them over a clean stop; without it the next stop ends them" {
	begin_server --log none --keep-sessions
	new_session '{"env": {"A": "kept"}}'
	post "$AT/run" "$(run_json sh -c 'echo file > /f')"
	stop_server
	restart_server --keep-sessions
	post "$AT/run" "$(run_json sh -c 'echo $A; cat /f')"
	expect_json .stdout $'kept\nfile'
	stop_server
	restart_server
	post "$AT/run" "$(run_json sh -c 'echo $A; cat /f')"
	expect_json .stdout $'kept\nfile'
	stop_server
	expect_nothing_left
	restart_server
	get "$AT"
	expect_status 404
	stop_server
}

@test "an ordinary user's sessions outlive the server too, in a process that ends with them" {
	need setpriv
	local at=$BATS_TEST_TMPDIR/user copy
	mkdir -m 777 "$at"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_TEST_TMPDIR"
	copy=$at/opensandbox
	install -m 755 "$OPENSANDBOX" "$copy"
	local user=(setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all)
	"${user[@]}" "$copy" --run -- true || skip 'no user namespaces for an ordinary user here'
	begin() {
		: >"$at/log"
		"${user[@]}" "$copy" serve --port 0 --state-dir "$at/state" --log none </dev/null >"$at/log" 2>&1 3>&- &
		launcher=$!
		listening() { URL=$(sed -n 's|.*listening on \(http://127.*\)|\1|p' "$at/log") && [[ $URL ]]; }
		try_for 20 listening
	}
	left() { OPENSANDBOX=$copy count_processes; }
	begin
	new_session '{"files": {"/tmp/f": "of nobody"}, "env": {"A": "b"}}'
	local who
	for who in launcher server; do
		if [[ $who == launcher ]]; then
			kill -KILL "$launcher"
		else
			kill -KILL "$(front_pid "$launcher")"
		fi
		wait "$launcher" || :
		one() { [[ $(left) == 1 ]]; }
		try_for 15 one
		begin
		post "$AT/run" "$(run_json sh -c 'cat /tmp/f; echo $A')"
		expect_json .stdout 'of nobodyb'
	done
	run "${user[@]}" "$copy" sessions --state-dir "$at/state" cat "sandbox-$SESSION/tmp/f"
	expect "$output" 'of nobody'
	kill -TERM "$launcher"
	wait "$launcher"
	none() { [[ $(left) == 0 ]]; }
	try_for 15 none
	[[ ! $(find "$at/state" -mindepth 1) ]]
}

@test "a server that cannot start leaves the sessions of the last one alone" {
	begin_server --log none
	new_session
	request PUT "$AT/files/f" --data-binary kept
	kill -KILL "$SERVER_PID"
	server_ended 15
	sleep 0.5
	local status=0
	timeout 20 "$OPENSANDBOX" serve --port 0 --state-dir "$STATE_DIR" --listen 192.0.2.1 --no-token 2>/dev/null </dev/null || status=$?
	[[ $status != 0 && $status != 124 ]]
	status=0
	timeout 20 "$OPENSANDBOX" serve --port 0 --state-dir "$STATE_DIR" --rootfs /no/such 2>/dev/null </dev/null || status=$?
	[[ $status != 0 && $status != 124 ]]
	status=0
	timeout 20 "$OPENSANDBOX" serve --port 0 --state-dir "$STATE_DIR" --token-file /no/such 2>/dev/null </dev/null || status=$?
	[[ $status != 0 && $status != 124 ]]
	restart_server
	get "$AT/files/f"
	expect "$body" kept
	stop_server
}

@test "sessions are listed oldest first also after a restart" {
	begin_server --log none
	local ids i
	for i in {1..12}; do
		new_session
		ids+=" $SESSION"
		# A change of a record moves it in its directory.
		((i % 3)) || post "$AT/env" '{"env": {"A": "b"}}'
	done
	crash both
	get /sessions
	expect " $(json 'map(.id) | join(" ")')" "$ids"
	stop_server
}

@test "a session's ttl begins anew at a restart, and it ends then" {
	begin_server --log none
	new_session '{"ttl": 8}'
	sleep 4.5
	crash both
	sleep 4
	get /sessions
	expect_json length 1
	ended() { get /sessions && [[ $(json length) == 0 ]]; }
	try_for 20 ended
	stop_server
}

@test "sessions keep uids of their own over a restart" {
	begin_server --log none
	local first second uids
	new_session && first=$AT
	new_session && second=$AT
	host_uid() {
		local word=uid-$RANDOM-$RANDOM request
		request=$(run_json sh -c 'sleep 100' "$word")
		curl -s -H 'Content-Type: application/json' -d "$request" "$URL$1/run" >/dev/null 3>&- &
		local client=$!
		try_for 10 some_with_word "$word"
		pids_with_word "$word" | sed 's|^|/proc/|' | xargs stat -c %u | sort -u | head -n 1
		kill "$client"
		wait "$client" 2>/dev/null || :
	}
	uids="$(host_uid "$first") $(host_uid "$second")"
	[[ ${uids% *} != "${uids#* }" ]]
	crash both
	new_session
	expect "$(host_uid "$first") $(host_uid "$second")" "$uids" 'uids'
	local third
	third=$(host_uid "$AT")
	[[ " $uids " != *" $third "* ]]
	stop_server
}

@test "what no request could have made is not believed of a session's record" {
	need nsenter python3
	local ids=() kept what
	begin_server --log none --keep-sessions
	for what in kept ttl network limit name cwd disk; do
		new_session '{"env": {"NAME": "value"}, "cwd": "/tmp"}'
		ids+=("$SESSION")
	done
	stop_server
	nsenter "--mount=$STATE_DIR/.opensandbox/sessions" /bin/true 2>/dev/null || [[ $? == 127 || $? == 126 ]] || skip 'the sessions are kept by a process here'
	python3 - "$STATE_DIR/.opensandbox/sessions" "${ids[@]}" <<-'CODE' || skip 'cannot enter the namespace'
		import ctypes, os, struct, sys
		libc = ctypes.CDLL(None, use_errno=True)
		if libc.setns(os.open(sys.argv[1], os.O_RDONLY), 0x20000):
		    sys.exit(1)
		def change(id, change):
		    with open("/records/" + id, "r+b") as f:
		        text = f.read()
		        new = change(text)
		        if text == new or len(text) != len(new):
		            sys.exit(2)
		        f.seek(0)
		        f.write(new)
		# 24 bytes of the launcher's, then the server's: magic, network, env_len, cwd_len; ttl, disk, created, used; limits; cwd; env
		put = lambda at, form, value: lambda text: text[:at] + struct.pack(form, value) + text[at + struct.calcsize(form):]
		ttl, network, limit, name, cwd, disk = sys.argv[3:]
		change(ttl, put(24 + 16, "Q", 0))
		change(network, put(24 + 4, "I", 9))
		change(limit, put(24 + 48, "Q", 1 << 63))
		change(name, lambda text: text.replace(b"NAME", b"NA=E"))
		change(cwd, lambda text: text.replace(b"/tmp", b"ttmp"))
		change(disk, put(24 + 24, "Q", 0))
	CODE
	restart_server
	get /sessions
	expect "$(json 'map(.id) | join(" ")')" "${ids[0]}"
	post "/sessions/${ids[0]}/run" "$(run_json sh -c 'echo $NAME; pwd')"
	expect_json .stdout $'value\n/tmp'
	stop_server
}

@test "half-made and half-deleted sessions are cleaned away at the next start" {
	need nsenter
	begin_server --log none --keep-sessions
	new_session
	local kept=$SESSION deleted
	new_session
	deleted=$SESSION
	stop_server
	[[ -e $STATE_DIR/.opensandbox/sessions ]]
	nsenter "--mount=$STATE_DIR/.opensandbox/sessions" /bin/true 2>/dev/null || [[ $? == 127 || $? == 126 ]] || skip 'the sessions are kept by a process here'
	# In the namespace there is no program: its files are reached by its root, seen from a process in it.
	python3 - "$STATE_DIR/.opensandbox/sessions" "$deleted" "$kept" <<-'CODE' || skip 'cannot enter the namespace'
		import ctypes, os, sys
		libc = ctypes.CDLL(None, use_errno=True)
		fd = os.open(sys.argv[1], os.O_RDONLY)
		if libc.setns(fd, 0x20000):
		    sys.exit(1)
		os.unlink("/records/" + sys.argv[2])          # half deleted: a tree without its record
		os.mkdir("/s/sandbox-half-made")              # half made: a place without a tree
		with open("/records/no-tree", "wb") as f:     # a record without a tree
		    f.write(b"x" * 100)
		with open("/records/%s.new" % sys.argv[2], "wb") as f:
		    f.write(b"cut")
		os.mkdir("/outside")
		open("/outside/file", "w").close()
		root = "/s/sandbox-%s/" % sys.argv[3]
		open(root + ".opensandbox-upload-0123456789abcdef", "w").close()    # killed before its last step
		os.symlink("../../outside/file", root + ".opensandbox-upload-1")      # planted
		open(root + "file", "w").close()
	CODE
	restart_server
	get /sessions
	expect "$(json 'map(.id) | join(" ")')" "$kept"
	python3 - "$STATE_DIR/.opensandbox/sessions" "$kept" <<-'CODE'
		import ctypes, os, sys
		libc = ctypes.CDLL(None, use_errno=True)
		libc.setns(os.open(sys.argv[1], os.O_RDONLY), 0x20000)
		left = os.listdir("/records") + os.listdir("/s")
		if sorted(left) != sorted([sys.argv[2], "sandbox-" + sys.argv[2]]):
		    sys.exit("left: %r" % left)
		if os.listdir("/outside") != ["file"]:
		    sys.exit("a link was followed")
		left = os.listdir("/s/sandbox-" + sys.argv[2])
		if "file" not in left or [name for name in left if name.startswith(".opensandbox")]:
		    sys.exit("left in the session: %r" % left)
	CODE
	stop_server
}
