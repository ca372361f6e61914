#!/usr/bin/env bats
# sessions.bats - a session keeps its files, variables and directory, and loses none

load helper

setup_file() {
	start_file_server --log none
}

new_session() {
	post /sessions "${1:-{\}}"
	expect_status 201
	id=$(json .session_id)
}

run_in() {
	local session=$1
	shift
	post "/sessions/$session/run" "$(run_json "$@")"
	expect_status 200
}

@test "every session call of the original README works as it is written there" {
	body=$(curl -s -X POST "$URL/sessions" -H "Content-Type: application/json" \
		-d '{"env": {"MY_VAR": "hello"}}')
	id=$(json .session_id)
	[[ $id =~ ^[0-9a-f-]{36}$ ]]
	curl -s -X POST "$URL/sessions/$id/run" -H "Content-Type: application/json" \
		-d '{"command": ["/bin/sh", "-c", "echo hello > /tmp/test.txt"]}'
	body=$(curl -s -X POST "$URL/sessions/$id/run" -H "Content-Type: application/json" \
		-d '{"command": ["/bin/cat", "/tmp/test.txt"]}')
	expect_json .stdout hello
	curl -s -X POST "$URL/sessions/$id/env" -H "Content-Type: application/json" \
		-d '{"env": {"GH_TOKEN": "..."}}'
	curl -s -X POST "$URL/sessions/$id/cwd" -H "Content-Type: application/json" -d '{"cwd": "/tmp"}'
	run_in "$id" /bin/sh -c 'pwd; echo $MY_VAR $GH_TOKEN'
	expect "$(json .stdout)" $'/tmp\nhello ...'
	body=$(curl -s "$URL/sessions")
	expect_json "map(select(.id == \"$id\")) | length" 1
	body=$(curl -s "$URL/sessions/$id")
	expect_json .cwd /tmp
	request DELETE "/sessions/$id"
	expect_status 204
	get "/sessions/$id"
	expect_status 404
	expect_json .code session_not_found
}

@test "a new session says where it is and what it is" {
	post /sessions '{"env": {"A": "1"}, "cwd": "/home/user", "ttl": 60, "disk": 4096, "limits": {"time": 1000}}'
	expect_status 201
	[[ $head =~ Location:\ /sessions/$(json .session_id) ]]
	expect_json '[.env.A, .cwd, .ttl, .disk, .limits.time, .running, .network] | join(" ")' \
		'1 /home/user 60 4096 1000 0 none'
	expect_json '.id == .session_id' true
	expect_json '[.created_at, .last_used_at, .expires_at, .age_secs, .idle_secs] | map(. != null) | all' true
}

@test "a variable set to null is removed, others stay" {
	new_session '{"env": {"A": "1", "B": "2"}}'
	post "/sessions/$id/env" '{"env": {"A": null, "C": "3"}}'
	expect_status 200
	run_in "$id" /bin/sh -c 'echo "$A-$B-$C"'
	expect_json .stdout -2-3
}

@test "a variable with = or NUL in its name is refused" {
	new_session
	post "/sessions/$id/env" '{"env": {"A=B": "1"}}'
	expect_status 400
	post "/sessions/$id/env" '{"env": {"A\u0000": "1"}}'
	expect_status 400
}

@test "a directory that is not there cannot be the working directory" {
	new_session
	post "/sessions/$id/cwd" '{"cwd": "/nowhere"}'
	expect_status 400
	expect_json .field cwd
	post /sessions '{"cwd": "/nowhere"}'
	expect_status 400
}

@test "files given with a session are there before its first run" {
	new_session '{"files": {"/home/user/a/b.txt": "text", "/tmp/x": {"content": "AAE=", "encoding": "base64", "mode": "0755"}}}'
	run_in "$id" /bin/sh -c 'cat /home/user/a/b.txt; stat -c %a:%s /tmp/x'
	expect "$(json .stdout)" text755:2
}

@test "a file goes up and comes down byte for byte, and is replaced as a whole" {
	new_session
	head -c 3000000 /dev/urandom >"$BATS_TEST_TMPDIR/big"
	request PUT "/sessions/$id/files/home/user/new/big?mode=0640" --data-binary "@$BATS_TEST_TMPDIR/big"
	expect_status 201
	curl -s "$URL/sessions/$id/files/home/user/new/big" | cmp - "$BATS_TEST_TMPDIR/big"
	curl -s -r 1000-1999 "$URL/sessions/$id/files/home/user/new/big" |
		cmp - <(tail -c +1001 "$BATS_TEST_TMPDIR/big" | head -c 1000)
	curl -s -r -10 "$URL/sessions/$id/files/home/user/new/big" | cmp - <(tail -c 10 "$BATS_TEST_TMPDIR/big")
	request GET "/sessions/$id/files/home/user/new/big" -r 9000000-
	expect_status 416
	request PUT "/sessions/$id/files/home/user/new/big" --data-binary short
	expect_status 204
	get "/sessions/$id/files/home/user/new/big"
	expect "$body" short
	request HEAD "/sessions/$id/files/home/user/new/big"
	[[ $head =~ Content-Length:\ 5 ]]
	request DELETE "/sessions/$id/files/home/user/new"
	expect_status 204
	get "/sessions/$id/files/home/user/new/big"
	expect_status 404
	expect_json .code file_not_found
}

@test "an upload that breaks off leaves the old file" {
	new_session
	request PUT "/sessions/$id/files/tmp/f" --data-binary old
	expect_status 201
	need python3
	python3 - "$PORT" "$id" <<-'CODE'
		import socket, sys
		for head in ("Content-Length: 1000000", "Transfer-Encoding: chunked"):
		    c = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
		    c.sendall(("PUT /sessions/%s/files/tmp/f HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n" % (sys.argv[2], head)).encode())
		    c.sendall(b"5\r\nnew12\r\n" if "chunked" in head else b"new")
		    import time; time.sleep(0.5)
		    c.close()
	CODE
	sleep 0.5
	get "/sessions/$id/files/tmp/f"
	expect "$body" old
	run_in "$id" /bin/sh -c 'ls -A /tmp'
	expect_json .stdout f
}

@test "a listing shows every name, also one that is no UTF-8, as it can be asked for" {
	new_session
	run_in "$id" /bin/sh -c 'cd /tmp; echo a >"$(printf "a\377b")"; echo b >"$(printf "c\nd")"; mkdir dir; ln -s /etc/passwd link; mkfifo fifo'
	get "/sessions/$id/files/tmp"
	expect_status 200
	expect_json '.entries | map(.name) | sort | @json' '["a%FFb","c\nd","dir","fifo","link"]'
	expect_json '.entries | map(select(.name == "a%FFb"))[0].escaped' true
	get "/sessions/$id/files/tmp/a%FFb"
	expect "$body" a
	get "/sessions/$id/files/tmp/fifo"
	expect_status 400
}

@test "links of a payload lead nowhere outside" {
	new_session
	echo secret >"$BATS_TEST_TMPDIR/host"
	run_in "$id" /bin/sh -c "ln -s $BATS_TEST_TMPDIR/host /tmp/abs; ln -s ../../../../..$BATS_TEST_TMPDIR/host /tmp/rel; ln -s $BATS_TEST_TMPDIR /tmp/dir"
	for path in tmp/abs tmp/rel tmp/dir/host; do
		get "/sessions/$id/files/$path"
		[[ $body != secret ]]
		request PUT "/sessions/$id/files/$path" --data-binary changed
		[[ $status_code == 20[14] || $status_code == 404 ]]
		request DELETE "/sessions/$id/files/$path"
	done
	expect "$(<"$BATS_TEST_TMPDIR/host")" secret
	get "/sessions/$id/files/tmp/../../etc/passwd"
	expect_status 400
	get "/sessions/$id/files/%2e%2e/etc/passwd"
	expect_status 400
}

@test "a payload that replaces parents of mount points makes nothing outside" {
	new_session
	run_in "$id" /bin/sh -c 'rm -f /sbin; ln -s /proc/1 /sbin; mv /usr /usr2; mv /etc /etc2; rmdir /proc; echo $?'
	expect_json .stdout 1
	post "/sessions/$id/run" "$(run_json /usr/bin/true)"
	expect_status 200
}

@test "runs of a session overlap, share files and a loopback, and nothing else" {
	need python3
	new_session '{"limits": {"time": 20000, "procs": 64}}'
	(curl -s -X POST "$URL/sessions/$id/run" -H 'Content-Type: application/json' -d @- >"$BATS_TEST_TMPDIR/serving" <<<"$(run_json python3 -c '
import socket
s = socket.socket(); s.bind(("127.0.0.1", 7000)); s.listen()
open("/tmp/up", "w").close()
c, a = s.accept(); c.sendall(b"over the loopback"); c.close()')") 3>&- &
	local server_run=$!
	post "/sessions/$id/run" "$(run_json python3 -c '
import os, socket, time
for i in range(300):
    if os.path.exists("/tmp/up"): break
    time.sleep(0.05)
print(socket.create_connection(("127.0.0.1", 7000)).recv(100).decode(), len([p for p in os.listdir("/proc") if p.isdigit()]))')"
	expect_json .stdout 'over the loopback 1'
	wait "$server_run"
}

@test "a session's disk is a limit of its own" {
	new_session '{"disk": 1024}'
	run_in "$id" /bin/sh -c 'head -c 3000000 /dev/zero >/tmp/f; stat -c %s /tmp/f'
	[[ $(json .stdout) -le 1048576 ]]
	request PUT "/sessions/$id/files/tmp/g" --data-binary "@/bin/sh"
	expect_status 507
	expect_json .code disk_full
}

@test "an idle session ends after its ttl, a used one does not" {
	new_session '{"ttl": 2}'
	local idle=$id
	new_session '{"ttl": 2}'
	local used=$id
	for _ in 1 2 3 4 5 6; do
		run_in "$used" /bin/true
		sleep 0.7
	done
	get "/sessions/$idle"
	expect_status 404
	get "/sessions/$used"
	expect_status 200
}

@test "deleting a session cancels what runs in it" {
	new_session
	(curl -s -X POST "$URL/sessions/$id/run" -H 'Content-Type: application/json' -d "$(run_json sleep 60)" \
		>"$BATS_TEST_TMPDIR/reply") 3>&- &
	local running=$!
	sleep 0.7
	request DELETE "/sessions/$id"
	expect_status 204
	wait "$running"
	body=$(<"$BATS_TEST_TMPDIR/reply")
	expect_json .status canceled
}

@test "a ceiling of sessions is 429, and a place that is given back can be had" {
	start_server --max-sessions 2 --log none
	new_session
	new_session
	post /sessions '{}'
	expect_status 429
	expect_json .code too_many_sessions
	request DELETE "/sessions/$id"
	new_session
}

@test "real work: a repository is cloned, committed to and read in three runs" {
	need git
	new_session '{"cwd": "/home/user", "limits": {"time": 20000, "nofile": 256}}'
	run_in "$id" /bin/sh -c 'git init -q up && cd up && git config user.email a@b && git config user.name n && echo 1 >f && git add f && git commit -qm one && git clone -q . ../down'
	expect_json .exit_code 0
	run_in "$id" /bin/sh -c 'cd down && git config user.email a@b && git config user.name n && echo 2 >f && git commit -qam two'
	expect_json .exit_code 0
	run_in "$id" /bin/sh -c 'cd down && git log --format=%s'
	expect "$(json .stdout)" $'two\none'
}

@test "real work: a tarball goes up, is built, and its result runs and comes down" {
	need cc
	need tar
	mkdir "$BATS_TEST_TMPDIR/project"
	printf '#include <stdio.h>\nint main(void) { puts("built"); return 0; }\n' >"$BATS_TEST_TMPDIR/project/main.c"
	printf 'prog: main.c\n\tcc -o prog main.c\n' >"$BATS_TEST_TMPDIR/project/Makefile"
	tar -C "$BATS_TEST_TMPDIR" -czf "$BATS_TEST_TMPDIR/p.tgz" project
	new_session '{"cwd": "/home/user", "limits": {"time": 30000, "nofile": 256}}'
	request PUT "/sessions/$id/files/home/user/p.tgz" --data-binary "@$BATS_TEST_TMPDIR/p.tgz"
	expect_status 201
	run_in "$id" /bin/sh -c 'tar xzf p.tgz && cd project && make >/dev/null'
	expect_json .exit_code 0
	run_in "$id" ./project/prog
	expect_json .stdout built
	curl -s "$URL/sessions/$id/files/home/user/p.tgz" | cmp - "$BATS_TEST_TMPDIR/p.tgz"
}

# Kills every process of the server at once, as a crash of the machine's mind would, and starts another on its state.
crash() {
	local directory=$SERVER_DIR
	kill -KILL "$SERVER_PID"
	sleep 1
	"$OPENSANDBOX" serve --port 0 --state-dir "$STATE_DIR" --log none </dev/null >/dev/null \
		2>"$directory/log2" 3>&- 4>&- &
	SERVER_PID=$!
	echo "$SERVER_PID" >"$directory/pid"
	rm -f "$directory/status"
	try_for 20 grep -q '^opensandbox: listening on http://' "$directory/log2"
	URL=$(sed -n 's|^opensandbox: listening on \(http://127[^ ]*\)$|\1|p' "$directory/log2" | head -n 1)
}

@test "after kill -9 sessions are there again with files, env and cwd, and a deleted one is not" {
	start_server --log none
	new_session '{"env": {"A": "1"}, "cwd": "/home/user"}'
	local kept=$id
	request PUT "/sessions/$kept/files/home/user/f" --data-binary content
	post "/sessions/$kept/env" '{"env": {"B": "2"}}'
	new_session
	request DELETE "/sessions/$id"
	expect_status 204
	for _ in 1 2 3; do
		crash
		run_in "$kept" /bin/sh -c 'echo "$A$B"; pwd; cat f'
		expect "$(json .stdout)" $'12\n/home/user\ncontent'
		get "/sessions/$id"
		expect_status 404
		get /sessions
		expect_json length 1
	done
	kill -TERM "$SERVER_PID"
	wait "$SERVER_PID"
	expect "$(count_files "$STATE_DIR" 2>/dev/null || find "$STATE_DIR" -mindepth 1 | wc -l)" 0 'files left'
}

@test "a second server on the same state directory is refused, and says why" {
	start_server --log none
	run timeout 20 "$OPENSANDBOX" serve --port 0 --state-dir "$STATE_DIR"
	[[ $status -ne 0 && $status -ne 124 ]]
	[[ $output =~ "another server is running with the state directory" ]]
}
