#!/usr/bin/env bats
# sessions.bats - a session keeps what it was given until it ends: calls, files, limits, real work, and links that a payload plants

load helper
load client

setup_file() {
	start_file_server --log none
}

# Makes a session of a JSON wish: SESSION is its id, AT its path.
new_session() {
	post /sessions "${1:-{\}}"
	expect_status 201
	SESSION=$(json .session_id)
	AT=/sessions/$SESSION
}

# in_session COMMAND...: runs it there; a failure of it is a failure of the test.
in_session() {
	post "$AT/run" "$(run_json "$@")"
	expect_status 200
	expect_json .exit_code 0
}

in_shell() {
	in_session sh -c "$1"
}

# put PATH FILE [OPTION OF CURL...]
put() {
	local path=$1 file=$2
	shift 2
	request PUT "$AT/files$path" --data-binary "@$file" -H 'Expect:' "$@"
}

put_text() {
	request PUT "$AT/files$1" --data-binary "$2"
}

# The body of the last GET, byte for byte.
reply_is() {
	cmp "$reply_file" "$1"
}

expect_file() {
	get "$AT/files$1"
	expect_status 200
	expect "$body" "$2"
}

# --- the calls of the original's README ---

@test "every session call of the original's README works as written" {
	local id reply
	reply=$(curl -s -X POST "$URL/sessions" \
		-H "Content-Type: application/json" \
		-d '{"env": {"MY_VAR": "hello"}}')
	id=$(jq -r .session_id <<<"$reply")
	[[ $id =~ ^[0-9a-f-]{36}$ ]]
	curl -s -X POST "$URL/sessions/$id/run" \
		-H "Content-Type: application/json" \
		-d '{"command": ["/bin/sh", "-c", "echo hello > /tmp/test.txt"]}'
	body=$(curl -s -X POST "$URL/sessions/$id/run" \
		-H "Content-Type: application/json" \
		-d '{"command": ["/bin/cat", "/tmp/test.txt"]}')
	expect_json .stdout hello
	body=$(curl -s -X POST "$URL/sessions/$id/env" \
		-H "Content-Type: application/json" \
		-d '{"env": {"GH_TOKEN": "..."}}')
	expect_json '.env | tojson' '{"MY_VAR":"hello","GH_TOKEN":"..."}'
	body=$(curl -s -X POST "$URL/sessions/$id/cwd" \
		-H "Content-Type: application/json" \
		-d '{"cwd": "/tmp"}')
	expect_json .cwd /tmp
	body=$(curl -s -X POST "$URL/sessions/$id/run" -H "Content-Type: application/json" \
		-d '{"command": ["sh", "-c", "echo $MY_VAR $GH_TOKEN; pwd; ls"]}')
	expect_json .stdout $'hello ...\n/tmp\ntest.txt'
	body=$(curl -s "$URL/sessions")
	expect "$(json ".[] | select(.session_id == \"$id\") | .cwd")" /tmp
	body=$(curl -s "$URL/sessions/$id")
	expect_json .session_id "$id"
	expect "$(curl -s -o /dev/null -w '%{http_code}' -X DELETE "$URL/sessions/$id")" 204
	expect "$(curl -s -o /dev/null -w '%{http_code}' "$URL/sessions/$id")" 404
}

# --- the object ---

@test "the session object has every field of the contract" {
	new_session '{"env": {"A": "b"}, "ttl": 77, "disk": 5000, "limits": {"time": 1234, "nofile": 99}}'
	[[ $head =~ Location:\ /sessions/$SESSION$'\n' ]]
	local made=$body
	get "$AT"
	for body in "$made" "$body"; do
		expect "$(json 'keys_unsorted | sort | join(" ")')" 'age_secs created_at cwd disk disk_used env expires_at id idle_secs'`
			`' last_used_at limits network running session_id ttl'
		expect_json .id "$SESSION"
		expect_json '.env | tojson' '{"A":"b"}'
		expect_json .cwd /
		expect_json .ttl 77
		expect_json .disk 5000
		expect_json .network none
		expect_json .running 0
		expect_json '[.limits.time, .limits.wall_time, .limits.nofile, .limits.procs] | tojson' '[1234,60000,99,128]'
		expect_json '.age_secs >= 0 and .idle_secs >= 0 and .age_secs < 60' true
		expect_json '(.expires_at | sub("\\.[0-9]*Z"; "Z") | fromdate) - (.last_used_at | sub("\\.[0-9]*Z"; "Z") | fromdate) | . >= 76 and . <= 100' true
	done
	post "$AT/run" "$(run_json sh -c 'ulimit -n')"
	expect_json .stdout 99
	post "$AT/run" '{"command": ["sh", "-c", "ulimit -n"], "nofile": 50}'
	expect_json .stdout 50
	in_shell 'head -c 1000000 /dev/zero > /tmp/a'
	get "$AT"
	expect_json '.disk_used >= 976 and .disk_used < 1200' true
}

@test "sessions are listed oldest first, and only while they are there" {
	local a b c
	new_session && a=$SESSION
	new_session && b=$SESSION
	new_session && c=$SESSION
	get /sessions
	expect "$(json "map(.id) | map(select(. == \"$a\" or . == \"$b\" or . == \"$c\")) | join(\" \")")" "$a $b $c"
	request DELETE "/sessions/$b"
	expect_status 204
	request DELETE "/sessions/$b"
	expect_status 404
	get /sessions
	expect "$(json "map(.id) | map(select(. == \"$a\" or . == \"$b\" or . == \"$c\")) | join(\" \")")" "$a $c"
}

@test "a list of many large sessions is given as a whole, and takes the server no memory" {
	start_server --log none
	python_client "$(front_pid)" <<-'CODE'
		def kb(key):
		    return int(re.search(key + r":\s+(\d+)", open("/proc/%s/status" % sys.argv[2]).read()).group(1))
		c = connect()
		for i in range(60):
		    c.sendall(post("/sessions", {"env": {"N": str(i), "LARGE": chr(10) * 200000}}))
		    check(one(c)[0] == 201, "201")
		before = kb("VmHWM")
		c.sendall(b"HEAD /sessions HTTP/1.1\r\nHost: localhost\r\n\r\n")
		head = b""
		while not head.endswith(b"\r\n\r\n"):
		    head += c.recv(1)
		check(head.startswith(b"HTTP/1.1 200 "), head.decode())
		slow = connect()
		slow.sendall(b"GET /sessions HTTP/1.1\r\nHost: localhost\r\n\r\n")
		c.sendall(b"GET /sessions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		head, body = rest(c).split(b"\r\n\r\n", 1)
		text = b""
		while True:
		    length, body = body.split(b"\r\n", 1)
		    length = int(length, 16)
		    if not length:
		        break
		    text, body = text + body[:length], body[length + 2:]
		sessions = json.loads(text)
		check([s["env"]["N"] for s in sessions] == [str(i) for i in range(60)], "the order")
		check(len(text) > 24000000 and all(len(s["env"]["LARGE"]) == 200000 for s in sessions), "whole")
		grown = kb("VmHWM") - before
		check(grown < 6000, "the server has grown by %d KB" % grown)
	CODE
	stop_server
}

@test "nothing of a session, its variables included, is in a file of the host's" {
	local at=$SERVER_DIR canary=canary-4716-$$
	new_session "$(jq -nc --arg c "$canary" '{env: {SECRET: $c}, files: {"/tmp/file": {content: $c, encoding: "utf-8"}}}')"
	post "$AT/run" "$(run_json sh -c 'echo $SECRET; cat /tmp/file')"
	expect_json .stdout "$canary"$'\n'"$canary"
	post "$AT/env" "$(jq -nc --arg c "$canary" '{env: {OTHER: $c}}')"
	# Where a server was told to have its files, and where it might have others.
	files_that_tell() {
		find "$@" -xdev -type f -newer "$at/pid" -size -10000k -not -path "$BATS_RUN_TMPDIR/*" -exec grep -l -F -- "$canary" {} + 2>/dev/null || :
	}
	expect "$(files_that_tell "$at" /tmp /var/tmp /run /dev/shm)" '' 'files that tell of it'
	echo "$canary" >"$at/own"
	expect "$(files_that_tell "$at")" "$at/own" 'a file that tells of it'
}

@test "root sees the files of sessions by opensandbox sessions, and nobody on a path of the host" {
	new_session '{"files": {"/tmp/seen": "by root"}}'
	run "$OPENSANDBOX" sessions --state-dir "$STATE_DIR" cat "sandbox-$SESSION/tmp/seen"
	[[ $status == 0 && $output == 'by root' ]]
	run "$OPENSANDBOX" sessions --state-dir "$STATE_DIR"
	[[ $status == 0 && $output == *"sandbox-$SESSION"* ]]
	run "$OPENSANDBOX" sessions --state-dir "$STATE_DIR" tar -C "sandbox-$SESSION" -cf "$BATS_TEST_TMPDIR/saved.tar" .
	[[ $status == 0 ]]
	tar -tf "$BATS_TEST_TMPDIR/saved.tar" | grep -q -x ./tmp/seen
	[[ ! $(find "$STATE_DIR" -name "*$SESSION*") ]]
	status=0
	output=$("$OPENSANDBOX" sessions --state-dir "$STATE_DIR" no-such-command 2>&1) || status=$?
	[[ $status == 127 && $output == 'opensandbox: no-such-command: No such file or directory' ]]
	mkdir "$BATS_TEST_TMPDIR/empty"
	run "$OPENSANDBOX" sessions --state-dir "$BATS_TEST_TMPDIR/empty"
	[[ $status == 1 && $output == "opensandbox: no sessions of $BATS_TEST_TMPDIR/empty can be seen: "* ]]
}

@test "a session may begin with files, a cwd among them, and without a body" {
	request POST /sessions
	expect_status 201
	new_session '{"files": {"/home/user/p/a.sh": {"content": "echo $0 in $PWD", "mode": "0700"}}, "cwd": "/home/user/p"}'
	in_session sh a.sh
	expect_json .stdout 'a.sh in /home/user/p'
	post /sessions '{"cwd": "/no/such"}'
	expect_status 400
	post /sessions '{"files": {"/proc/x": ""}}'
	expect_status 400
	get /sessions
	expect "$(json 'map(select(.cwd == "/no/such")) | length')" 0
	post /sessions '{"disk": 100, "files": {"/a": "'"$(printf '%.0sx' {1..150000})"'"}}'
	expect_status 507
	expect_json .code disk_full
}

@test "what a session cannot be is refused by name" {
	local wish field
	while IFS=$'\t' read -r wish field; do
		post /sessions "$wish"
		expect "$status_code" 400 "the status of $wish"
		expect_json .code invalid_request
		expect "$(json .field)" "$field" "the field of $wish"
	done <<-'END'
		{"ttl": 0}	ttl
		{"ttl": "5"}	ttl
		{"ttl": 99999999}	ttl
		{"tll": 1}	tll
		{"disk": 0}	disk
		{"limits": {"tiem": 1}}	tiem
		{"limits": {"disk": 1}}	disk
		{"limits": {"time": 0}}	limits.time
		{"limits": 1}	limits
		{"env": {"A=": "b"}}	env["A="]
		{"cwd": "tmp"}	cwd
		{"command": ["a"]}	command
	END
	post /sessions '{"network": "host"}'
	expect_status 403
	new_session
	post "$AT/run" '{"command": ["true"], "disk": 1000}'
	expect_status 400
	expect_json .field disk
	post "$AT/run" '{"command": ["true"], "network": "none"}'
	expect_status 400
}

@test "a session that is not there is 404 session_not_found, whatever its name" {
	local id
	for id in none 00000000-0000-4000-8000-000000000000 %2e%2e ..%2f..%2fetc a%00b "$(printf 'a%.0s' {1..300})"; do
		get "/sessions/$id"
		expect "$status_code" 404 "the status of $id"
		post "/sessions/$id/run" '{"command": ["true"]}'
		expect_status 404
		expect_json .code session_not_found
		get "/sessions/$id/files/a"
		expect_status 404
	done
}

# --- env and cwd ---

@test "env merges, null removes, and a run's own env is for that run alone" {
	new_session '{"env": {"A": "1", "B": "2"}}'
	post "$AT/env" '{"env": {"A": null, "C": "3", "NONE": null}}'
	expect_status 200
	expect_json '.env | tojson' '{"B":"2","C":"3"}'
	post "$AT/run" '{"command": ["sh", "-c", "echo $A-$B-$C-$D"], "env": {"B": "own", "D": "4"}}'
	expect_json .stdout -own-3-4
	in_shell 'echo $A-$B-$C-$D'
	expect_json .stdout -2-3-
	post "$AT/env" '{"env": {"A=B": "c"}}'
	expect_status 400
	expect_json .field 'env["A=B"]'
	post "$AT/env" '{"env": {"A": "b\u0000"}}'
	expect_status 400
	post "$AT/env" '{"env": {"A": "1"}, "evn": {}}'
	expect_status 400
	expect_json .field evn
	post "$AT/env" '{}'
	expect_status 400
	expect_json .field env
	get "$AT"
	expect_json '.env | tojson' '{"B":"2","C":"3"}'
}

@test "variables are bounded in number and size, and the error names the bound" {
	new_session
	post "$AT/env" "{\"env\": {$(printf '"V%s": "x", ' {1..1023})\"LAST\": \"y\"}}"
	expect_status 200
	post "$AT/env" '{"env": {"MORE": "z"}}'
	expect_status 400
	[[ $(json .error) =~ 1024 ]]
	post "$AT/env" '{"env": {"V1": null, "MORE": "z"}}'
	expect_status 200
	new_session
	post "$AT/env" "{\"env\": {\"A\": \"$(printf 'x%.0s' {1..200000})\"}}"
	expect_status 200
	post "$AT/env" "{\"env\": {\"B\": \"$(printf 'x%.0s' {1..70000})\"}}"
	expect_status 400
	[[ $(json .error) =~ 262144 ]]
	# A variable that no exec takes is said so, and hangs nothing.
	post "$AT/run" "$(run_json true)"
	expect_status 200
	expect_json .status exec_failed
}

@test "cwd must be a directory that can be entered; the run's own is for that run alone" {
	new_session
	in_shell 'mkdir -p /home/user/a; echo > /home/user/f; mkdir -m 0 /home/user/no; ln -s a /home/user/l'
	local cwd
	for cwd in /home/user/f /none /home/user/no '' tmp; do
		post "$AT/cwd" "{\"cwd\": \"$cwd\"}"
		expect "$status_code" 400 "the status of $cwd"
		expect_json .field cwd
	done
	post "$AT/cwd" '{"cwd": "/home/user/l"}'
	expect_status 200
	expect_json .cwd /home/user/l
	in_session pwd -P
	expect_json .stdout /home/user/a
	post "$AT/run" '{"command": ["pwd"], "cwd": "/tmp"}'
	expect_json .stdout /tmp
	in_shell 'rm -r /home/user/a'
	post "$AT/run" '{"command": ["true"]}'
	expect_status 400
	expect_json .field cwd
	post "$AT/cwd" '{"cwd": "/"}'
	in_session true
}

# --- runs ---

@test "runs of a session overlap, see the same files, and have processes of their own" {
	local client
	new_session
	curl -s -H 'Content-Type: application/json' \
		-d '{"command": ["sh", "-c", "echo 1 > /tmp/a; while [ ! -e /tmp/b ]; do sleep 0.05; done; ps -e 2>/dev/null | wc -l; cat /tmp/b"]}' \
		"$URL$AT/run" >"$BATS_TEST_TMPDIR/first" &
	client=$!
	in_shell 'while [ ! -e /tmp/a ]; do sleep 0.05; done; kill -9 -1; true'
	get "$AT"
	expect_json .running 1
	in_shell 'echo from the second > /tmp/b'
	wait "$client"
	[[ $(jq -r .stdout "$BATS_TEST_TMPDIR/first") == *'from the second' ]]
	get "$AT"
	expect_json .running 0
}

@test "sockets of a session's run do not end another one beside it that has less memory" {
	need python3
	local client
	new_session
	curl -s -H 'Content-Type: application/json' -d "$(run_json python3 -c '
import os, socket, time
l = [socket.socket() for i in range(200)]
open("/tmp/up", "w").close()
while not os.path.exists("/tmp/done"): time.sleep(0.05)
print(len(l))' | jq '. + {mem: 262144, nofile: 1024}')" "$URL$AT/run" >"$BATS_TEST_TMPDIR/first" &
	client=$!
	in_shell 'while [ ! -e /tmp/up ]; do sleep 0.05; done'
	# Longer than it takes to be looked at, ten times a second.
	post "$AT/run" "$(run_json sh -c 'sleep 1; echo fine' | jq '. + {mem: 65536}')"
	expect_json '[.status, .stdout] | tojson' '["exited","fine\n"]'
	in_shell 'touch /tmp/done'
	wait "$client"
	expect "$(jq -r .stdout "$BATS_TEST_TMPDIR/first")" 200
}

@test "runs of a session share one loopback, other sessions have theirs" {
	need python3
	local client other=$AT
	new_session
	other=$AT
	new_session
	curl -s -H 'Content-Type: application/json' -d "$(run_json python3 -c '
import socket
s = socket.create_server(("127.0.0.1", 4321))
open("/tmp/up", "w").close()
c = s.accept()[0]
print(c.recv(100))')" "$URL$AT/run" >"$BATS_TEST_TMPDIR/server" &
	client=$!
	in_shell 'while [ ! -e /tmp/up ]; do sleep 0.05; done'
	post "$other/run" "$(run_json python3 -c 'import socket; socket.create_connection(("127.0.0.1", 4321))')"
	[[ $(json .stderr) =~ refused ]]
	in_session python3 -c 'import socket; socket.create_connection(("127.0.0.1", 4321)).send(b"hello")'
	wait "$client"
	expect "$(jq -r .stdout "$BATS_TEST_TMPDIR/server")" "b'hello'"
}

@test "deleting a session cancels its runs, and frees its memory" {
	local client
	new_session
	in_shell 'head -c 5000000 /dev/zero > /tmp/a'
	curl -s -H 'Content-Type: application/json' -d "{\"command\": [\"sh\", \"-c\", \"echo begun; sleep 51.0$$\"]}" \
		"$URL$AT/run" >"$BATS_TEST_TMPDIR/canceled" &
	client=$!
	try_for 10 pgrep -x -f "sleep 51.0$$"
	get "$AT"
	expect_json .running 1
	request DELETE "$AT"
	expect_status 204
	wait "$client"
	body=$(<"$BATS_TEST_TMPDIR/canceled")
	expect_json .status canceled
	expect_json .stdout begun
	get "$AT"
	expect_status 404
}

# --- what its files are charged to ---

need_cgroup() {
	[[ $(json .accounting) = cgroup ]] || skip 'no cgroups here: limits are per process'
}

# How many groups for runs the launcher has made so far: they are numbered.
groups_made() {
	local last
	last=$(find /sys/fs/cgroup -path "*/opensandbox-$SERVER_PID-*" -type d -name '[0-9]*' -printf '%f\n' 2>/dev/null | sort -n | tail -n 1)
	echo "${last:-0}"
}

@test "many runs of a session that write use the same cgroups again, and none of their figures has another one's memory" {
	local before i
	new_session '{"limits": {"time": 60000}}'
	in_session true
	need_cgroup
	before=$(groups_made)
	for i in {1..40}; do
		in_shell "head -c 300000 /dev/zero >/tmp/$i"
		expect "$(json '.mem < 8192')" true
	done
	(($(groups_made) - before < 10))
	in_shell 'x=$(head -c 20000000 /dev/zero | tr "\0" a)'
	expect "$(json '.mem > 20000')" true
	in_session true
	expect "$(json '.mem < 8192')" true
}

@test "a run that deletes what earlier ones have left in their session has no more memory for that" {
	new_session '{"limits": {"mem": 65536, "time": 60000}}'
	in_session true
	need_cgroup
	# Two that are small enough for their group to be used again, by far too much for the third.
	in_shell 'head -c 3000000 /dev/zero >/tmp/a'
	in_shell 'head -c 3000000 /dev/zero >/tmp/b'
	in_shell 'head -c 9000000 /dev/zero >/tmp/c; head -c 9000000 /dev/zero >/tmp/d; head -c 9000000 /dev/zero >/tmp/e'
	expect "$(json '.mem > 26000 and .mem < 40000')" true
	post "$AT/run" "$(run_json sh -c 'rm /tmp/?; x=$(head -c 30000000 /dev/zero | tr "\0" a); y=$x$x$x; echo "${#y}"')"
	expect_json .status memory_limit
}

@test "a client that goes away leaves its session as it was, with no run in it" {
	new_session
	curl -s --max-time 0.5 -H 'Content-Type: application/json' -d '{"command": ["sleep", "50"]}' "$URL$AT/run" || :
	idle() { get "$AT" && [[ $(json .running) == 0 ]]; }
	try_for 10 idle
	in_session true
	get "$AT"
	expect_json .running 0
}

@test "a session that is deleted between a request's head and its body is 404, also where nobody waits for the answer" {
	python_client <<-'CODE'
		def call(method, path, body=b""):
		    c = connect()
		    c.sendall((method + " %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
		        "Content-Length: %d\r\n\r\n" % (path, len(body))).encode() + body)
		    return rest(c)
		for path, body in (("env", b'{"env": {"B": "c"}}'), ("cwd", b'{"cwd": "/tmp"}'), ("run", b'{"command": ["true"]}')):
		    for stays in (True, False) * 8:
		        id = json.loads(call("POST", "/sessions", b'{"env": {"A": "b"}}').split(b"\r\n\r\n")[1])["id"]
		        c = connect()
		        c.sendall(post("/sessions/%s/%s" % (id, path), body)[:-1])
		        time.sleep(0.02)
		        check(call("DELETE", "/sessions/" + id).split()[1] == b"204", "deleted")
		        c.sendall(body[-1:])
		        if stays:
		            status, head, text = one(c)
		            check(status == 404 and json.loads(text)["code"] == "session_not_found", path + ": %d %r" % (status, text))
		        c.close()
		    time.sleep(0.1)
		check(call("GET", "/health").split()[1] == b"200", "health")
	CODE
}

# --- how long ---

@test "a session that is used in time does not end" {
	# Far less than the ttl between two uses, as the machine may be busy; together they are more.
	new_session '{"ttl": 6}'
	local i
	for i in 1 2 3 4 5; do
		sleep 1.3
		in_session true
	done
}
@test "a session ends when it has been idle for its ttl, and a running command keeps it" {
	local short long client first
	gone() { [[ $(curl -s "$URL/sessions" | jq "map(select(.id == \"${1#/sessions/}\")) | length") == 0 ]]; }
	new_session '{"ttl": 4}' && long=$AT
	curl -s -H 'Content-Type: application/json' -d '{"wall_time": 90000,
		"command": ["sh", "-c", "until [ -e /tmp/stop ]; do sleep 0.2; done; echo whole"]}' \
		"$URL$long/run" >"$BATS_TEST_TMPDIR/whole" &
	client=$!
	new_session '{"ttl": 4}' && short=$AT
	first=$(json .expires_at)
	sleep 1
	get "$short"
	expect_status 200
	[[ $(json .expires_at) > $first ]]
	try_for 30 gone "$short"
	get "$long"
	expect_status 200
	expect_json .idle_secs 0
	request PUT "$long/files/tmp/stop" --data-binary ''
	wait "$client"
	expect "$(jq -r .stdout "$BATS_TEST_TMPDIR/whole")" whole
	get "$long"
	expect_status 200
	try_for 30 gone "$long"
	get "$long"
	expect_status 404
}

@test "above --max-sessions it is 429 with Retry-After, until one is deleted" {
	start_server --log none --max-sessions 2
	new_session
	new_session
	post /sessions '{}'
	expect_status 429
	expect_json .code too_many_sessions
	[[ $head =~ Retry-After:\ [0-9] ]]
	request DELETE "$AT"
	expect_status 204
	new_session
	get /version
	expect_json '[.sessions.max, .sessions.count] | tojson' '[2,2]'
	stop_server
}

# --- files ---

@test "PUT makes and replaces a file, GET gives it back byte for byte, DELETE removes it" {
	local bytes=$BATS_TEST_TMPDIR/bytes
	new_session
	head -c 3000000 /dev/urandom >"$bytes"
	put /a/b/c.bin "$bytes"
	expect_status 201
	get "$AT/files/a/b/c.bin"
	expect_status 200
	reply_is "$bytes"
	[[ $head =~ Content-Length:\ 3000000 ]]
	[[ $head =~ Content-Type:\ application/octet-stream ]]
	head -c 10 /dev/urandom >"$bytes"
	put /a/b/c.bin "$bytes"
	expect_status 204
	get "$AT/files/a/b/c.bin"
	reply_is "$bytes"
	put /chunked "$bytes" -H 'Transfer-Encoding: chunked'
	expect_status 201
	get "$AT/files/chunked"
	reply_is "$bytes"
	: >"$bytes"
	put /empty "$bytes"
	expect_status 201
	get "$AT/files/empty"
	expect_status 200
	reply_is "$bytes"
	request DELETE "$AT/files/a/b/c.bin"
	expect_status 204
	get "$AT/files/a/b/c.bin"
	expect_status 404
	expect_json .code file_not_found
	request DELETE "$AT/files/a"
	expect_status 204
	request DELETE "$AT/files/a"
	expect_status 404
	in_shell 'test ! -e /a && test -e /chunked'
}

@test "a file's mode is what the upload said, and the file is the user's" {
	new_session
	request PUT "$AT/files/go?mode=0755" --data-binary $'#!/bin/sh\nid -u'
	expect_status 201
	put_text /plain text
	in_shell 'stat -c "%a %u" /go /plain; /go; echo more >> /plain'
	expect_json .stdout $'755 1000\n644 1000\n1000'
	request PUT "$AT/files/go?mode=0700" --data-binary x
	expect_status 204
	request HEAD "$AT/files/go"
	[[ $head =~ X-File-Mode:\ 0700 ]]
	local query
	for query in mode= mode=9 mode=4755 mode=07777 mode=0755\&x=1 x=1 mode=-1; do
		request PUT "$AT/files/x?$query" --data-binary x
		expect "$status_code" 400 "the status of $query"
	done
	get "$AT/files/x"
	expect_status 404
}

@test "a program that was uploaded can be executed at once" {
	new_session
	local i
	cp "$(type -P true)" "$BATS_TEST_TMPDIR/true"
	for i in {1..15}; do
		put /tmp/prog?mode=0755 "$BATS_TEST_TMPDIR/true"
		in_session /tmp/prog
	done
}

@test "HEAD tells a file's size, Range gives a part of it" {
	new_session
	put_text /f 0123456789
	request HEAD "$AT/files/f"
	expect_status 200
	[[ $head =~ Content-Length:\ 10 ]]
	[[ $head =~ Last-Modified:\ [A-Z] ]]
	[[ $head =~ Accept-Ranges:\ bytes ]]
	local range expected
	while read -r range expected; do
		get "$AT/files/f" -H "Range: bytes=$range"
		expect "$status_code $body" "206 $expected" "bytes=$range"
		[[ $head =~ Content-Range:\ bytes\ [0-9]+-[0-9]+/10$'\n' ]]
	done <<-'END'
		2-4 234
		0-0 0
		5- 56789
		0- 0123456789
		9-100 9
		-3 789
		-100 0123456789
		3-9223372036854775806 3456789
	END
	for range in 10- 10-20 -0 99999999999-; do
		get "$AT/files/f" -H "Range: bytes=$range"
		expect "$status_code" 416 "the status of $range"
		[[ $head =~ Content-Range:\ bytes\ \*/10 ]]
	done
	for range in 4-2 x-y 1-2,3-4 - 1--2; do
		get "$AT/files/f" -H "Range: bytes=$range"
		expect "$status_code $body" '200 0123456789' "bytes=$range"
	done
	request HEAD "$AT/files/none"
	expect_status 404
	put_text /e ''
	get "$AT/files/e" -H 'Range: bytes=0-'
	expect_status 416
}

@test "a range asked of a directory is ignored" {
	new_session
	in_session sh -c 'mkdir /d && : >/d/a && : >/d/b'
	local range
	for range in 0-1 0- 99999- -3; do
		get "$AT/files/d" -H "Range: bytes=$range"
		expect_status 200
		expect "$(json '.entries | map(.name) | sort | join(" ")')" 'a b' "of bytes=$range"
	done
}

@test "a directory is listed whatever the names in it are, and each can be asked for again" {
	need python3
	new_session
	in_session python3 -c 'import os
os.mkdir("/d"); os.chdir(b"/d")
for name in (b"plain", b"new\nline", b"quo\"te\\", b"\xff\xfe", b"h\xc3\xa9", b"%41", b"a b?c#d", b"\x01\x7f", b"-rf", b"<script>", b"\xe2\x80\xa8", b"x" * 255):
    open(name, "wb").write(name)
os.mkdir("sub"); os.symlink("/etc/passwd", "link"); os.mkfifo("fifo")'
	get "$AT/files/d"
	expect_status 200
	[[ $head =~ Content-Type:\ application/json ]]
	expect "$(json '.entries | length')" 15
	expect "$(json '.entries | map(keys_unsorted - ["escaped"] | join(" ")) | unique | join("|")')" 'name type size mode modified_at'
	expect "$(json '.entries | map(select(.type != "file") | .type) | sort | join(" ")')" 'directory fifo link'
	expect "$(json '.entries | map(select(.escaped) | .name) | join(" ")')" '%FF%FE'
	local name
	jq -r '.entries[] | select(.type == "file") | if .escaped then .name else .name | @uri end' <<<"$body" >"$BATS_TEST_TMPDIR/names"
	expect "$(wc -l <"$BATS_TEST_TMPDIR/names")" 12
	while read -r name; do
		get "$AT/files/d/$name"
		expect "$status_code" 200 "the status of $name"
		expect "$(od -v -An -tx1 <"$reply_file" | tr -d ' \n')" \
			"$(python3 -c 'import sys, urllib.parse; print(urllib.parse.unquote_to_bytes(sys.argv[1]).hex())' "$name")"
		request DELETE "$AT/files/d/$name"
		expect_status 204
	done <"$BATS_TEST_TMPDIR/names"
	get "$AT/files/d/"
	expect "$(json '.entries | map(.name) | sort | join(" ")')" 'fifo link sub'
	get "$AT/files/"
	expect_status 200
	expect "$(json '.entries | map(select(.name == "d")) | length')" 1
}

@test "a path that names another place than it shows is 400 or 404" {
	new_session
	local path
	for path in /../../etc/passwd /tmp/../../../etc/shadow /%2e%2e/%2e%2e/etc/passwd /a%00b /. /tmp/. /%2e /%zz /%; do
		for method in GET PUT DELETE; do
			request "$method" "$AT/files$path" --data-binary x
			expect "$status_code" 400 "the status of $method $path"
		done
	done
	request GET "$AT/files$(printf '/a%.0s' {1..2100})"
	[[ $status_code == 4* ]]
	request PUT "$AT/files/$(printf 'a%.0s' {1..300})" --data-binary x
	[[ $status_code == 4* ]]
	request PUT "$AT/files/tmp//x" --data-binary y
	[[ $status_code == 4* ]]
}

@test "what cannot be written says why: a directory, a read-only place, a full disk" {
	new_session '{"disk": 1000}'
	request PUT "$AT/files/tmp" --data-binary x
	expect_status 400
	request PUT "$AT/files/tmp/" --data-binary x
	expect_status 400
	request PUT "$AT/files/usr/bin/x" --data-binary x
	expect_status 403
	request PUT "$AT/files/etc/passwd" --data-binary x
	expect_status 403
	request PUT "$AT/files/proc/sys/kernel/core_pattern" --data-binary x
	[[ $status_code == 403 || $status_code == 404 || $status_code == 400 ]]
	request DELETE "$AT/files/usr/bin"
	expect_status 403
	request DELETE "$AT/files/"
	[[ $status_code == 403 || $status_code == 400 ]]
	put_text /keep kept
	head -c 3000000 /dev/zero >"$BATS_TEST_TMPDIR/big"
	put /keep "$BATS_TEST_TMPDIR/big"
	expect_status 507
	expect_json .code disk_full
	put /keep "$BATS_TEST_TMPDIR/big" -H 'Transfer-Encoding: chunked'
	expect_status 507
	expect_file /keep kept
	get "$AT"
	expect_json '.disk_used < 100' true
	request PUT "$AT/files/x" -H 'Content-Length:' -H 'Transfer-Encoding:'
	expect_status 411
}

@test "an upload that breaks off leaves the old file, also where its length was not said" {
	new_session
	put_text /f old
	python_client "$AT" <<-'CODE'
		for head in (b"Content-Length: 1000000\r\n\r\n" + b"x" * 5000, b"Transfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b"x" * 4096 + b"\r\n",
		    b"Transfer-Encoding: chunked\r\n\r\n1000\r\n" + b"x" * 4096 + b"\r\nnonsense\r\n",
		    b"Transfer-Encoding: chunked\r\n\r\n1000\r\n" + b"x" * 4096 + b"\r\n5\r\nab"):
		    for i in range(5):
		        c = connect()
		        c.sendall(("PUT %s/files/f HTTP/1.1\r\nHost: localhost\r\n" % sys.argv[2]).encode() + head)
		        time.sleep(0.1)
		        if i % 2:
		            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		        c.close()
	CODE
	quiet() { get "$AT" && [[ $(json .running) == 0 ]]; }
	try_for 10 quiet
	expect_file /f old
	in_shell 'ls -A / | grep -i upload || true'
	expect_json .stdout ''
}

@test "a reader sees the old file or the new one, never half of one" {
	# Some hundred processes: more than the usual CPU time on a slow machine.
	new_session '{"limits": {"time": 60000}}'
	head -c 500000 /dev/zero | tr '\0' a >"$BATS_TEST_TMPDIR/a"
	head -c 400000 /dev/zero | tr '\0' b >"$BATS_TEST_TMPDIR/b"
	put /f "$BATS_TEST_TMPDIR/a"
	local writer i
	# Its replies go where they do not cover ours.
	(files=$BATS_TEST_TMPDIR BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR/writer
	mkdir "$BATS_TEST_TMPDIR"
	for i in {1..15}; do
		put /f "$files/b"
		put /f "$files/a"
	done >/dev/null 2>&1) &
	writer=$!
	in_shell 'i=0; while [ $i -lt 40 ]; do i=$((i+1)); s=$(cat /f | tr -s ab | head -c 5)$(cat /f | wc -c); sum=$(cksum < /f); echo $sum; done | sort -u | wc -l'
	(($(json .stdout) <= 2))
	for i in {1..15}; do
		curl -s "$URL$AT/files/f" -o "$BATS_TEST_TMPDIR/read"
		cmp -s "$BATS_TEST_TMPDIR/read" "$BATS_TEST_TMPDIR/a" || cmp "$BATS_TEST_TMPDIR/read" "$BATS_TEST_TMPDIR/b"
	done
	wait "$writer"
}

@test "a file that grows or shrinks while it is sent is bounded, and its framing holds" {
	new_session
	in_shell 'head -c 9000000 /dev/zero > /f'
	python_client "$AT" <<-'CODE'
		path = sys.argv[2]
		def get():
		    c = socket.socket()
		    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
		    c.settimeout(30)
		    c.connect(("127.0.0.1", port))
		    c.sendall(("GET %s/files/f HTTP/1.1\r\nHost: localhost\r\n\r\n" % path).encode())
		    head = b""
		    while b"\r\n\r\n" not in head:
		        head += c.recv(1)
		    check(b"Content-Length: 9000000\r\n" in head, "head: %r" % head)
		    return c
		def change(shell):
		    c = connect()
		    c.sendall(post(path + "/run", {"command": ["sh", "-c", shell]}))
		    check(json.loads(one(c)[2])["exit_code"] == 0, shell)
		c = get()
		change("head -c 100000 /dev/zero >> /f")
		got = 0
		while got < 9000000:
		    n = len(c.recv(65536))
		    check(n, "closed after %d" % got)
		    got += n
		check(got == 9000000, "grown: %d" % got)
		c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		check(one(c)[0] == 200, "the connection goes on")
		change("head -c 9000000 /dev/zero > /f")
		c = get()
		change(": > /f")
		check(len(rest(c)) < 9000000, "shrunk: cut, and closed")
	CODE
}

# --- what a payload plants ---

@test "a link leads nowhere but within the session, for every route" {
	new_session
	in_shell 'ln -s /etc/passwd /abs; ln -s ../../../../../../etc/hostname /rel; ln -s / /root_; ln -s /proc/1/root /proc1;
		ln -s /proc/self/cwd /self; ln -s loop /loop; mkdir /real; echo in > /real/f; ln -s real /mid; ln -s /real/new /dangling; ln -s /nowhere/at/all /far'
	get "$AT/files/abs"
	expect_status 200
	[[ $body != "$(</etc/passwd)" ]]
	[[ $body == *1000:1000* ]]
	request PUT "$AT/files/abs" --data-binary x
	expect_status 403
	request PUT "$AT/files/rel" --data-binary x
	[[ $status_code == 403 || $status_code == 201 || $status_code == 204 ]]
	local marker=/tmp/opensandbox-marker-$$-$RANDOM
	request PUT "$AT/files/root_$marker" --data-binary x
	expect_status 201
	[[ ! -e $marker ]]
	in_shell "test -e $marker"
	request PUT "$AT/files/proc1/tmp/m" --data-binary x
	[[ $status_code == 4* ]]
	get "$AT/files/proc1/etc/shadow"
	[[ $status_code == 4* ]]
	get "$AT/files/loop"
	[[ $status_code == 4* ]]
	expect_file /mid/f in
	put_text /dangling made
	expect_status 201
	expect_file /real/new made
	post "$AT/cwd" '{"cwd": "/mid"}'
	expect_status 200
	post "$AT/cwd" '{"cwd": "/proc1/root"}'
	expect_status 400
	post "$AT/cwd" '{"cwd": "/"}'
	expect_status 200
	request DELETE "$AT/files/mid"
	expect_status 204
	expect_file /real/f in
	request DELETE "$AT/files/abs"
	expect_status 204
	post "$AT/run" '{"command": ["true"], "copy_out": ["/root_/etc/shadow", "/proc1/etc/shadow", "/rel", "/real/f"]}'
	expect_json '[.files["/root_/etc/shadow"], .files["/proc1/etc/shadow"], .files["/real/f"].content] | tojson' '[null,null,"in\n"]'
	post "$AT/run" '{"command": ["true"], "files": {"/proc1/tmp/x": "a"}}'
	expect_status 400
	[[ -s /etc/hostname || ! -e /etc/hostname ]]
}

@test "the places where a session's parts are mounted, replaced by links, lead nothing outside" {
	new_session
	local name before after
	before=$(find /tmp -maxdepth 1 -name 'opensandbox-planted*' | wc -l)
	in_shell 'cd /; for d in usr etc proc dev bin lib sbin lib64 sys run opt root; do rm -rf $d 2>/dev/null; mv $d $d.old 2>/dev/null; ln -s /tmp/opensandbox-planted-$d $d 2>/dev/null; done; ls -la / >&2; true'
	post "$AT/run" "$(run_json /bin/sh -c 'id -u; ls /')"
	[[ $status_code == 200 || $status_code == 500 || $status_code == 400 ]]
	after=$(find /tmp -maxdepth 1 -name 'opensandbox-planted*' | wc -l)
	expect "$after" "$before" 'what was made on the host'
	request DELETE "$AT"
	expect_status 204
	[[ -x /usr/bin/env && -e /etc/passwd ]]
}

@test "a FIFO, a socket or a device where a file is expected hangs nothing" {
	need python3
	new_session
	in_session python3 -c 'import os, socket
os.mkfifo("/fifo"); os.mkfifo("/wfifo"); socket.socket(socket.AF_UNIX).bind("/sock")'
	local path
	for path in fifo sock dev/null dev/zero dev/tty; do
		request GET "$AT/files/$path" --max-time 10
		expect "$status_code" 400 "the status of GET $path"
		request HEAD "$AT/files/$path" --max-time 10
		expect "$status_code" 400 "the status of HEAD $path"
		request PUT "$AT/files/$path" --data-binary x --max-time 10
		[[ $status_code == 400 || $status_code == 403 ]]
	done
	post "$AT/run" '{"command": ["true"], "files": {"/fifo": "a"}}' --max-time 10
	expect_status 400
	post "$AT/run" '{"command": ["true"], "copy_out": ["/fifo", "/dev/zero", "/sock"]}' --max-time 10
	expect_json '.files | map_values(. == null) | tojson' '{"/fifo":true,"/dev/zero":true,"/sock":true}'
	request DELETE "$AT/files/fifo"
	expect_status 204
	request DELETE "$AT/files/sock"
	expect_status 204
}

@test "directories of mode 000 and trees of 10^4 levels are deleted, the session too" {
	need python3
	new_session
	in_session python3 -c 'import os
os.mkdir("/deep"); os.chdir("/deep")
for i in range(10000):
    os.mkdir("d"); os.chdir("d")
os.chdir("/"); os.makedirs("/no/a/b"); open("/no/a/b/f", "w").close()
for d in ("/no/a/b", "/no/a", "/no"): os.chmod(d, 0)'
	request DELETE "$AT/files/no"
	expect_status 204
	request DELETE "$AT/files/deep"
	expect_status 204
	in_shell 'test ! -e /no && test ! -e /deep && ls -A / | grep -c opensandbox-delete || true'
	expect_json .stdout 0
}

@test "hard links keep their names and modes whatever the routes do" {
	new_session
	in_shell 'echo one > /a; chmod 600 /a; ln /a /b'
	request PUT "$AT/files/a?mode=0777" --data-binary two
	expect_status 204
	in_shell 'cat /b; stat -c %a /b'
	expect_json .stdout $'one\n600'
	request DELETE "$AT/files/a"
	expect_file /b one
}

@test "a delete of 10^5 files lets others be answered meanwhile" {
	need python3
	new_session '{"disk": 800000}'
	post "$AT/run" "$(run_json python3 -c 'import os
os.mkdir("/many")
for i in range(100000): os.close(os.open("/many/%d" % i, os.O_CREAT))' | jq -c '.time = 60000')"
	expect_json .exit_code 0
	get "$AT/files/many"
	expect "$(json '.entries | length')" 100000
	python_client "$AT" <<-'CODE'
		c = connect()
		c.sendall(("DELETE %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % sys.argv[2]).encode())
		d = connect()
		worst = 0
		for i in range(100):
		    begin = time.time()
		    d.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		    check(one(d)[0] == 200, "health")
		    worst = max(worst, time.time() - begin)
		check(worst < 0.5, "the longest answer took %.3f s" % worst)
	CODE
	get "$AT"
	expect_status 404
}

@test "another session's files and processes cannot be seen" {
	new_session
	in_shell 'echo secret > /tmp/mine; chmod 777 /tmp/mine; (sleep 300 &)'
	local first=$SESSION
	new_session
	in_shell 'cat /tmp/mine 2>/dev/null; find / -xdev -name mine 2>/dev/null; ls /proc | grep -c "^[0-9]" >&2; true'
	expect_json .stdout ''
	post "$AT/run" "$(run_json cat "/tmp/sandbox-$first/tmp/mine")"
	expect_json .exit_code 1
}

# --- real work ---

@test "real work: clone into a session, commit in a second run, log in a third" {
	need git
	new_session '{"limits": {"nofile": 256}}'
	git init -q -b main "$BATS_TEST_TMPDIR/repo"
	(cd "$BATS_TEST_TMPDIR/repo" && echo hello >file && git add file &&
		git -c user.name=A -c user.email=a@b commit -q -m first)
	git -C "$BATS_TEST_TMPDIR/repo" bundle create -q "$BATS_TEST_TMPDIR/bundle" main
	put /tmp/bundle "$BATS_TEST_TMPDIR/bundle"
	expect_status 201
	in_shell 'mkdir /home/user; cd /home/user && git clone -q -b main /tmp/bundle work'
	post "$AT/cwd" '{"cwd": "/home/user/work"}'
	post "$AT/env" '{"env": {"GIT_AUTHOR_NAME": "B", "GIT_AUTHOR_EMAIL": "b@c", "GIT_COMMITTER_NAME": "B", "GIT_COMMITTER_EMAIL": "b@c"}}'
	in_shell 'echo more >> file && git commit -q -a -m second'
	in_session git log --format=%an:%s
	expect_json .stdout $'B:second\nA:first'
	in_shell 'git clone -q . ../again && git -C ../again log --oneline | wc -l'
	expect_json .stdout 2
}

@test "real work: a python virtual environment without pip is made and used" {
	new_session '{"limits": {"nofile": 256, "time": 30000}}'
	post "$AT/run" "$(run_json python3 -c 'import venv')"
	[[ $(json .exit_code) == 0 ]] || skip 'no python3 with venv inside'
	in_session python3 -m venv --without-pip /home/env
	request PUT "$AT/files/home/env/lib/greet.py" --data-binary 'print("no")'
	in_shell 'd=$(/home/env/bin/python -c "import sysconfig; print(sysconfig.get_path(\"purelib\"))"); echo "text = \"greeting\"" > $d/greet.py'
	in_session /home/env/bin/python -c 'import greet, sys; print(greet.text, sys.prefix)'
	expect_json .stdout 'greeting /home/env'
}

@test "real work: a C project is made in one run and its program runs in the next" {
	new_session '{"limits": {"nofile": 256, "time": 60000}, "cwd": "/home/p", "files": {
		"/home/p/Makefile": "prog: a.o b.o\n\t$(CC) -o $@ a.o b.o\n", "/home/p/a.c": "int b(void); int main(void) { return b(); }\n",
		"/home/p/b.c": "#include <stdio.h>\nint b(void) { puts(\"built\"); return 7; }\n"}}'
	post "$AT/run" "$(run_json sh -c 'command -v make && command -v cc')"
	[[ $(json .exit_code) == 0 ]] || skip 'no make and cc inside'
	in_session make -s
	post "$AT/run" "$(run_json ./prog)"
	expect_json .stdout built
	expect_json .exit_code 7
}

@test "real work: a tarball goes up, is unpacked and built, and the result comes down byte for byte" {
	need tar gzip
	new_session '{"limits": {"nofile": 256}}'
	mkdir -p "$BATS_TEST_TMPDIR/src/data"
	head -c 700000 /dev/urandom >"$BATS_TEST_TMPDIR/src/data/a"
	printf '#!/bin/sh\nset -e\ncat data/a data/a > result\ntar cf - result | gzip -9n > ../result.tar.gz\n' >"$BATS_TEST_TMPDIR/src/build"
	chmod 755 "$BATS_TEST_TMPDIR/src/build"
	tar -C "$BATS_TEST_TMPDIR" -czf "$BATS_TEST_TMPDIR/src.tar.gz" src
	put /home/src.tar.gz "$BATS_TEST_TMPDIR/src.tar.gz"
	expect_status 201
	in_shell 'cd /home && tar xzf src.tar.gz && cd src && ./build'
	curl -s "$URL$AT/files/home/result.tar.gz" | tar -xzOf - result >"$BATS_TEST_TMPDIR/result"
	cat "$BATS_TEST_TMPDIR/src/data/a" "$BATS_TEST_TMPDIR/src/data/a" | cmp - "$BATS_TEST_TMPDIR/result"
}

# --- nothing is left ---

@test "sessions made, used and left leave no process, mount, descriptor or uid behind" {
	start_server --log none
	local front before
	front=$(front_pid)
	round() {
		python_client "$1" <<-'CODE'
			def work(n):
			    c = connect()
			    for i in range(n):
			        c.sendall(post("/sessions", {"files": {"/a": "b"}, "env": {"A": "b"}}))
			        status, head, body = one(c)
			        check(status == 201, "made: %r" % body)
			        at = "/sessions/" + json.loads(body)["id"]
			        c.sendall(post(at + "/run", {"command": ["sh", "-c", "cat /a; echo > /c"]}))
			        check(json.loads(one(c)[2])["stdout"] == "b", "ran")
			        c.sendall(("DELETE %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % at).encode())
			        reply = b""
			        while not reply.endswith(b"\r\n\r\n"):
			            reply += c.recv(1)
			        check(reply.split()[1] == b"204", "deleted")
			threads = [threading.Thread(target=work, args=(int(sys.argv[2]),)) for _ in range(6)]
			[t.start() for t in threads]
			[t.join() for t in threads]
		CODE
	}
	round 10
	round 10
	counts() {
		echo "$(count_fds) $(count_fds "$front") $(count_descendants) $(count_zombies)" \
			"$(grep -c -F "$SERVER_DIR" /proc/self/mountinfo)" \
			"$(wc -l <"/proc/$SERVER_PID/mountinfo")"
	}
	sleep 0.5
	before=$(counts)
	round 25
	no_more() {
		local -a was now
		read -ra was <<<"$before"
		read -ra now <<<"$(counts)"
		for i in "${!was[@]}"; do
			((now[i] <= was[i])) || return 1
		done
	}
	# Places that are not needed any more keep their descriptors for ten seconds.
	try_for 30 no_more || {
		echo "descriptors of launcher and server, processes, zombies, mounts of host and launcher: $before, then $(counts)" >&2
		false
	}
	get /version
	expect_json '[.sessions.count, .runs.running] | tojson' '[0,0]'
	stop_server
}
