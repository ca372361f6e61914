#!/usr/bin/env bats
# http.bats - what strangers can do to the port: each line of security.md from 60 to 66, who may ask,
# load, and the log. What takes long (clients that are slow) goes on beside the other tests and is
# looked at in the last ones.
# shellcheck shell=bash disable=SC2154 # the variables of helper.bash

load helper

setup_file() {
	command -v python3 >/dev/null || return 0
	start_file_server
	slow slow_headers 200 25
	slow slow_bodies 200 50
	slow never_reads 60
}

teardown_file() {
	stop_left all
}

# slow WHAT ARGUMENT...: goes on in the background; slow_ended WHAT waits for it and shows it.
slow() {
	local what=$1 to=$BATS_FILE_TMPDIR/$1
	shift
	(
		raw "$what" "$PORT" "$@" >"$to.out" 2>&1
		echo $? >"$to.status"
	) </dev/null >/dev/null 2>&1 3>&- 4>&- &
}

slow_ended() {
	try_for 70 test -s "$BATS_FILE_TMPDIR/$1.status"
	cat "$BATS_FILE_TMPDIR/$1.out"
	[[ $(<"$BATS_FILE_TMPDIR/$1.status") == 0 ]]
}

raw() {
	python3 "$root/test/programs/raw_http.py" "$@"
}

# The process that faces the network: the launcher's first child.
front() {
	pgrep -o -P "$SERVER_PID"
}

running_is() {
	get /version "${auth[@]}"
	[[ $(json .runs.running) == "$1" ]]
}

# --- 60: bodies ---

@test "60 a body that is huge, deep, cut off, or not UTF-8 is refused with an error of JSON" {
	need python3
	raw bodies "$PORT"
}

@test "60 a body over the greatest length is refused before it is sent" {
	head -c 17000000 /dev/zero >"$BATS_TEST_TMPDIR/large"
	request POST /run -H 'Content-Type: application/json' -H 'Expect: 100-continue' \
		--data-binary "@$BATS_TEST_TMPDIR/large" || :
	expect_status 413
}

# --- 62: the table of requests ---

@test "62 each request of the table gets its status, and the connection closes where it must" {
	need python3
	run raw table "$PORT"
	grep -v '^ok' <<<"$output" || :
	[[ $status == 0 ]]
	((${output##*requests } >= 60))
}

@test "62 a request means the same when it comes byte by byte" {
	need python3
	raw bytewise "$PORT"
}

@test "pipelined requests are answered in their order" {
	need python3
	raw pipeline "$PORT"
}

# --- 63: paths ---

@test "63 dots, escapes, NUL and empty parts in an id or a path of a file lead nowhere" {
	post /sessions '{}'
	local id path
	id=$(json .id)
	post "/sessions/$id/run" '{"command": ["sh", "-c", "mkdir -p /a && echo secret > /a/b"]}'
	for path in "$id/files/../etc/passwd" "$id/files/a/../a/b" "$id/files/%2e%2e/a/b" "$id/files/a/%2E/b" \
		"$id/files/a%2f..%2fa/b" "$id/files/a/b%00" "$id/files/%00" "$id/files/a//b" "$id/files//a/b" \
		"$id/files/a/b%" "$id/files/a/b%zz" "../version" "%2e%2e/version" "$id%00" "$id/" "$id/../$id" \
		"%2f$id" "/$id" "." ".." "$id/files/%ff%00"; do
		get "/sessions/$path"
		[[ $status_code == 400 || $status_code == 404 ]] || {
			echo "/sessions/$path: $status_code $body"
			return 1
		}
	done
	get "/sessions/$id/files/a/b"
	expect_status 200
	get "/sessions/$id/files/%61/%62"
	expect_status 200
}

# --- 64: pages in a browser ---

@test "64 what a page can post without asking is refused" {
	local type
	for type in text/plain application/x-www-form-urlencoded multipart/form-data 'text/plain;application/json' \
		'application/jsonx' ''; do
		request POST /run -H "Content-Type: $type" --data '{"command": ["true"]}'
		expect "$status_code" 415 "$type"
	done
	post /run '{"command": ["true"]}' -H 'Content-Type: application/json'
	expect "$status_code" 415 'two types'
	request POST /run -H 'Content-Type: application/json; charset=utf-8' --data '{"command": ["true"]}'
	expect_status 200
}

@test "64 a page of another origin is refused, one of the same is not" {
	local origin
	for origin in http://evil.example null http://localhost "http://127.0.0.1:1" "http://127.0.0.1:$PORT.evil.example" \
		"http://evil.example/127.0.0.1:$PORT" ''; do
		post /run '{"command": ["true"]}' -H "Origin:$origin" -H "Origin;"
		[[ $status_code == 403 ]] || {
			echo "$origin: $status_code"
			return 1
		}
	done
	post /run '{"command": ["true"]}' -H "Origin: http://127.0.0.1:$PORT"
	expect_status 200
}

@test "64 a name that an attacker points at this machine is refused, but not for /health" {
	local host
	for host in evil.example 127.0.0.1.evil.example localhost.evil.example xlocalhost 127.0.0.1x; do
		get /version -H "Host: $host"
		expect "$status_code" 403 "$host"
		expect_json .code forbidden
		get /health -H "Host: $host"
		expect "$status_code" 200 "$host"
	done
	for host in localhost LOCALHOST:1 127.0.0.1 127.0.0.1:99 '[::1]' '[::1]:80' 10.0.0.1; do
		get /version -H "Host: $host"
		expect "$status_code" 200 "$host"
	done
}

@test "64 a name of --allow-host is served, at any port, and no other" {
	start_server --allow-host sandbox.example --allow-host b.example
	local host
	for host in sandbox.example Sandbox.Example:443 b.example; do
		get /version -H "Host: $host"
		expect "$status_code" 200 "$host"
	done
	get /version -H 'Host: c.sandbox.example'
	expect_status 403
	stop_server
}

# --- 65: many connections ---

@test "65 of 10,000 idle connections the oldest make room" {
	need python3
	ulimit -n "$(ulimit -Hn)"
	local most=$(($(ulimit -n) - 300))
	[[ $(ulimit -n) != unlimited ]] || most=10000
	((most >= 1000)) || skip "only $most descriptors here"
	((most < 10000)) || most=10000
	start_server --max-connections $((most - 500))
	run raw idle "$PORT" "$most"
	echo "$output"
	[[ $status == 0 ]]
	[[ $output == *"opened $most, closed 50"[0-9]* && $output == *'the oldest went first: yes'* ]]
	(($(count_kb "$(front)" VmRSS) < 65536))
	stop_server
}

@test "65 a connection that is used again is younger than one that is not" {
	need python3
	start_server --max-connections 8
	raw keep_one "$PORT" 7
	stop_server
}

# start_poor DESCRIPTORS OPTION...: a server that may open no more than so many descriptors.
start_poor() {
	local binary=$OPENSANDBOX
	printf '#!/bin/sh\nulimit -n %d && exec %s "$@"\n' "$1" "$binary" >"$BATS_TEST_TMPDIR/poor"
	chmod 755 "$BATS_TEST_TMPDIR/poor"
	OPENSANDBOX=$BATS_TEST_TMPDIR/poor start_server "${@:2}"
}

@test "65 without a free descriptor the oldest idle connection makes room, and the server does not spin" {
	need python3
	start_poor 200
	local front before after
	front=$(front)
	run raw idle "$PORT" 400
	echo "$output"
	[[ $status == 0 && $output == *'the oldest went first: yes'* ]]
	before=$(awk '{ print $14 + $15 }' "/proc/$front/stat")
	sleep 1
	after=$(awk '{ print $14 + $15 }' "/proc/$front/stat")
	((after - before < 30))
	get /health
	expect_status 200
	stop_server
}

@test "65 idle connections leave descriptors for a run" {
	need python3
	start_poor 200
	raw idle_run "$PORT" 400
	stop_server
}

# --- 66: tokens ---

@test "66 a token file's tokens are asked for by all but /health" {
	printf '# ours\n\n  first-token \nsecond-token\r\n' >"$BATS_TEST_TMPDIR/tokens"
	start_server --token-file "$BATS_TEST_TMPDIR/tokens"
	local token path
	for path in /version /sessions /sessions/x /nowhere; do
		get "$path"
		expect "$status_code" 401 "$path"
		expect_json .code unauthorized
		[[ $head == *'WWW-Authenticate: Bearer'* ]]
	done
	for token in first-toke first-tokenx FIRST-TOKEN '# ours' '' x; do
		get /version -H "Authorization: Bearer $token"
		expect "$status_code" 401 "$token"
	done
	for token in first-token second-token; do
		get /version -H "Authorization: Bearer $token"
		expect "$status_code" 200 "$token"
		get /version -H "authorization: bearer $token"
		expect "$status_code" 200 "$token"
		get /version -H "Authorization: Basic $token"
		expect "$status_code" 401 "Basic $token"
		get /version -H "Authorization: $token"
		expect "$status_code" 401 "without Bearer"
	done
	get /version -H 'Authorization: Bearer first-token' -H 'Authorization: Bearer first-token'
	expect "$status_code" 401 'a token twice'
	get "/version?token=first-token"
	expect_status 401
	post /run '{"command": ["true"]}'
	expect_status 401
	get /health
	expect_status 200
	# With a token neither Host nor Origin matter: a page does not have it.
	get /version -H 'Authorization: Bearer first-token' -H 'Host: any.example' -H 'Origin: http://evil.example'
	expect_status 200
	stop_server
}

@test "66 whoever has one of the tokens sees and ends every session" {
	local id
	printf 'first-token\nsecond-token\n' >"$BATS_TEST_TMPDIR/tokens"
	start_server --token-file "$BATS_TEST_TMPDIR/tokens" --log none
	post /sessions '{}' -H 'Authorization: Bearer first-token'
	id=$(json .session_id)
	get /sessions -H 'Authorization: Bearer second-token'
	expect_json '.[].session_id' "$id"
	request DELETE "/sessions/$id" -H 'Authorization: Bearer second-token'
	expect_status 204
}

@test "66 SIGHUP reads the token file again; one that cannot be read leaves the old tokens" {
	local file=$BATS_TEST_TMPDIR/tokens
	echo old-token >"$file"
	start_server --token-file "$file"
	with_token() {
		get /version -H "Authorization: Bearer $1"
		[[ $status_code == "$2" ]]
	}
	with_token old-token 200
	echo new-token >"$file.new"
	mv "$file.new" "$file"
	with_token new-token 401
	kill -HUP "$SERVER_PID"
	try_for 5 with_token new-token 200
	with_token old-token 401
	rm "$file"
	kill -HUP "$SERVER_PID"
	try_for 5 grep -q 'cannot read the tokens' "$SERVER_LOG"
	with_token new-token 200
	printf 'two words\n' >"$file"
	kill -HUP "$SERVER_PID"
	sleep 0.3
	with_token new-token 200
	: >"$file"
	kill -HUP "$SERVER_PID"
	sleep 0.3
	with_token new-token 200
	with_token '' 401
	stop_server
}

@test "66 the token of the environment is in no argv, log, environment or sandbox" {
	local token=tok-3f9a1c7e55 pid
	OPENSANDBOX_TOKEN=$token start_server --log json
	local auth=(-H "Authorization: Bearer $token")
	get /version
	expect_status 401
	get /version "${auth[@]}"
	expect_status 200
	[[ $body != *"$token"* ]]
	post /run "$(run_json sh -c "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'")" "${auth[@]}"
	expect_status 200
	[[ $(json .stdout) = *PATH=*PATH=* ]]
	[[ $body != *"$token"* ]]
	for pid in "$SERVER_PID" $(pgrep -P "$SERVER_PID"); do
		tr '\0' '\n' <"/proc/$pid/environ" >"$BATS_TEST_TMPDIR/seen" || continue
		tr '\0' '\n' <"/proc/$pid/cmdline" >>"$BATS_TEST_TMPDIR/seen"
		if grep -F "$token" "$BATS_TEST_TMPDIR/seen"; then
			return 1
		fi
	done
	if grep -F "$token" "$SERVER_LOG"; then
		return 1
	fi
	stop_server
}

@test "66 the server process holds no token that has come by a file, only digests" {
	need gdb
	need_release
	local token=tok-5b1e0d99aa
	echo "$token" >"$BATS_TEST_TMPDIR/tokens"
	start_server --token-file "$BATS_TEST_TMPDIR/tokens"
	exec 9<>"/dev/tcp/127.0.0.1/$PORT"
	printf 'GET /marker-of-ours' >&9
	get /version -H "Authorization: Bearer tok-5b1e0d"
	gdb -p "$(front)" -batch -nx -ex "generate-core-file $BATS_TEST_TMPDIR/core" >/dev/null 2>&1 || :
	[[ -s $BATS_TEST_TMPDIR/core ]] || skip 'no core can be taken here'
	if grep -q -a -F "$token" "$BATS_TEST_TMPDIR/core"; then
		return 1
	fi
	# The look itself finds what is there.
	grep -q -a -F /marker-of-ours "$BATS_TEST_TMPDIR/core"
	exec 9>&-
	stop_server
}

@test "listening beyond loopback without a token is refused unless --no-token says so" {
	local address
	for address in 0.0.0.0 :: '[::]'; do
		run timeout 20 "$OPENSANDBOX" serve --port 0 --listen "$address" --state-dir "$BATS_TEST_TMPDIR/state"
		[[ $status == 2 && $output == *--token-file* && $output == *--no-token* ]]
	done
	OPENSANDBOX_TOKEN='' run timeout 20 "$OPENSANDBOX" serve --port 0 --listen 0.0.0.0 --state-dir "$BATS_TEST_TMPDIR/state"
	[[ $status == 2 ]]
	start_server --listen 0.0.0.0 --no-token
	get /health
	expect_status 200
	stop_server
	OPENSANDBOX_TOKEN=x start_server --listen 0.0.0.0
	get /version
	expect_status 401
	stop_server
}

@test "a token file that cannot be read at the start lets nobody in" {
	start_server --token-file "$BATS_TEST_TMPDIR/none"
	grep -F "$BATS_TEST_TMPDIR/none" "$SERVER_LOG"
	get /version
	expect_status 401
	get /version -H 'Authorization: Bearer '
	expect_status 401
	stop_server
}

# --- other ways in ---

@test "a unix socket is made with the mode asked for, serves, and is gone after the end" {
	need python3
	local path=$BATS_TEST_TMPDIR/socket
	start_server --listen 127.0.0.1 --listen "unix:$path" --listen-mode 0640
	expect "$(stat -c %a "$path")" 640 'the mode'
	expect "$(raw unix "$path" /version)" 200
	stop_server
	[[ ! -e $path ]]
	start_server --listen 127.0.0.1 --listen "unix:$path"
	expect "$(stat -c %a "$path")" 600 'the mode without being asked'
	run "$OPENSANDBOX" serve --listen "unix:$path" --state-dir "$BATS_TEST_TMPDIR/state"
	[[ $status != 0 && $output == *"$path"* ]]
	kill -KILL "$SERVER_PID"
	try_for 5 not_there "$SERVER_PID"
	# One that is left of a server that was killed is replaced.
	start_server --listen 127.0.0.1 --listen "unix:$path"
	expect "$(raw unix "$path" /health)" 200
	stop_server
	echo mine >"$path"
	run "$OPENSANDBOX" serve --listen "unix:$path" --state-dir "$BATS_TEST_TMPDIR/state"
	[[ $status != 0 && $(<"$path") == mine ]]
}

@test "a socket that systemd passes is served" {
	need python3
	local out=$BATS_TEST_TMPDIR/out pid port
	python3 "$root/test/programs/raw_http.py" activate 0 "$OPENSANDBOX" serve --state-dir "$BATS_TEST_TMPDIR/state" >"$out" 2>&1 3>&- &
	pid=$!
	try_for 10 grep -q 'listening on http://127' "$out"
	port=$(sed -n 's/^port //p' "$out")
	URL=http://127.0.0.1:$port get /health
	expect_status 200
	kill "$pid"
	wait "$pid"
}

# --- who has gone ---

@test "23 a client that disconnects cancels its run within a second" {
	need python3
	start_server
	local before
	try_for 5 running_is 0
	sleep 0.3
	before=$(count_descendants)
	raw vanish "$PORT" /run '{"command": ["sleep", "50"]}' 0.5
	try_for 1 running_is 0
	raw vanish "$PORT" /run '{"command": ["sleep", "50"]}' 0.5r
	try_for 1 running_is 0
	descendants_are() {
		(($(count_descendants) <= before + 1))
	}
	try_for 5 descendants_are
	grep -c ' 499 ' "$SERVER_LOG"
	stop_server
}

@test "a client that disconnects while it waits in the queue leaves it, and its run never starts" {
	need python3
	start_server --max-runs 1
	post /sessions '{}'
	local id
	id=$(json .id)
	python3 "$root/test/programs/raw_http.py" vanish "$PORT" /run '{"command": ["sleep", "50"]}' 50 3>&- &
	local vanishing=$!
	try_for 20 running_is 1
	raw vanish "$PORT" "/sessions/$id/run" '{"command": ["sh", "-c", "echo was here > /file"]}' 0.3
	get /version
	expect_json .runs.queued 0
	kill "$vanishing"
	wait "$vanishing" || :
	try_for 20 running_is 0
	get "/sessions/$id/files/file"
	expect_status 404
	stop_server
}

@test "a client that disconnects while its session is made leaves none behind" {
	need python3
	start_server
	# The launcher holds its answer back until the clients have gone.
	kill -STOP "$SERVER_PID"
	local n
	for n in 1 2 3; do
		raw vanish "$PORT" /sessions '{}' 0.2r
	done
	raw vanish "$PORT" /sessions '{"files": {"/a": "b"}}' 0.2
	sleep 0.3
	kill -CONT "$SERVER_PID"
	no_sessions() {
		get /sessions
		[[ $(json length) == 0 ]]
	}
	sleep 0.3
	try_for 5 no_sessions
	stop_server
}

@test "a session whose clients have all gone says that nothing runs in it" {
	need python3
	post /sessions '{}'
	local id
	id=$(json .id)
	raw vanish "$PORT" "/sessions/$id/run" '{"command": ["sleep", "50"]}' 0.5
	nothing_runs() {
		get "/sessions/$id"
		[[ $(json .running) == 0 ]]
	}
	try_for 2 nothing_runs
}

# --- load ---

@test "runs over --max-runs wait, say for how long, and are refused with Retry-After when the queue is full" {
	need python3
	start_server --max-runs 2
	run raw queue "$PORT" 6 '{"command": ["sleep", "0.3"]}'
	echo "$output"
	[[ $status == 0 && $output == *"statuses [(200, 6)]"* ]]
	raw vanish "$PORT" /run '{"command": ["sleep", "3"]}' 3 3>&- &
	raw vanish "$PORT" /run '{"command": ["sleep", "3"]}' 3 3>&- &
	local vanishing=$!
	try_for 5 running_is 2
	post /run '{"command": ["true"]}'
	wait "$vanishing"
	expect_json '.queue_time > 100' true
	post /run '{"command": ["true"]}'
	expect_json '.queue_time < 100' true
	stop_server
}

@test "a full queue answers 503 with Retry-After while /health answers" {
	need python3
	ulimit -n "$(ulimit -Hn)"
	start_server --max-runs 1
	run raw full_queue "$PORT" 1100
	echo "$output"
	[[ $status == 0 ]]
	try_for 5 running_is 0
	stop_server
}

@test "who has many runs waiting does not keep another waiting for all of them" {
	need python3
	local runs
	for runs in 1 2; do
		start_server --max-runs "$runs"
		raw fair "$PORT" 30 'X-Plain: N'
		stop_server
	done
}

@test "who poses as many by tokens that are not asked for waits as one" {
	need python3
	start_server --max-runs 1
	raw fair "$PORT" 30 'Authorization: Bearer N'
	stop_server
}

@test "fewer runs go on at once where the host has little memory left, unless --max-runs says otherwise" {
	start_server
	request GET /version
	expect_json .runs.max 64
	stop_server
	printf 'MemTotal: 500000 kB\nMemAvailable: 200000 kB\n' >"$BATS_TEST_TMPDIR/meminfo"
	cat >"$BATS_TEST_TMPDIR/small" <<-SCRIPT
		#!/bin/sh
		mount --make-rprivate / && mount --bind "$BATS_TEST_TMPDIR/meminfo" /proc/meminfo && exec "$OPENSANDBOX" "\$@"
	SCRIPT
	chmod 755 "$BATS_TEST_TMPDIR/small"
	unshare -m "$BATS_TEST_TMPDIR/small" --version || skip 'nothing can be mounted over /proc/meminfo here'
	printf '#!/bin/sh\nexec unshare -m %s "$@"\n' "$BATS_TEST_TMPDIR/small" >"$BATS_TEST_TMPDIR/apart"
	chmod 755 "$BATS_TEST_TMPDIR/apart"
	OPENSANDBOX=$BATS_TEST_TMPDIR/apart start_server
	request GET /version
	expect_json .runs.max 12
	grep -q 'runs at once: 12, as the host has 195 MB of memory left' "$SERVER_LOG"
	stop_server
	OPENSANDBOX=$BATS_TEST_TMPDIR/apart start_server --max-runs 30
	request GET /version
	expect_json .runs.max 30
	stop_server
}

@test "uploads that do not move leave runs to others" {
	need python3
	start_server --max-runs 2
	post /sessions '{}'
	local id n
	id=$(json .id)
	for n in 1 2 3 4; do
		python3 -c '
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"PUT /sessions/%s/files/f HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nx" % sys.argv[2].encode())
time.sleep(4)' "$PORT" "$id" 3>&- &
	done
	local vanishing=$!
	sleep 1
	REQUEST_SECONDS=2 post /run '{"command": ["true"]}'
	expect_status 200
	wait "$vanishing"
	stop_server
}

@test "what one run brings out by copy_out does not fill the server's memory" {
	start_server
	local paths
	paths=$(jq -nc '[range(12) | "/f"]')
	REQUEST_SECONDS=20 request POST /run -H 'Content-Type: application/json' --data '{"time": 30000, "fsize": 65536, "output": 65536,
		"encoding": "base64", "command": ["sh", "-c", "head -c 67108864 /dev/zero > /f"], "copy_out": '"$paths"'}' \
		-o /dev/null || :
	(($(count_kb "$(front)" VmHWM) < 600000))
	stop_server
}

@test "runs whose outputs together could fill the server's memory wait for each other, and all are run" {
	local n pids=()
	start_server
	for n in 1 2 3 4 5 6 7; do
		curl -sS -m 90 -o "$BATS_TEST_TMPDIR/run.$n" "$URL/run" -H 'Content-Type: application/json' \
			-d '{"output": 65536, "command": ["sh", "-c", "sleep 2; echo run"]}' 3>&- &
		pids+=($!)
	done
	# 512 MB are for outputs, and a run of these may have twice 64.
	waiting() { get /version && [[ $(json '.runs | .running >= 3 and .running <= 4 and .running + .queued == 7') = true ]]; }
	try_for 15 waiting || expect "$(json '.runs | tostring')" '3 or 4 running, the rest queued'
	wait "${pids[@]}"
	expect "$(cat "$BATS_TEST_TMPDIR"/run.? | jq -r .stdout | sort | uniq -c | tr -s ' ')" $' 7 \n 7 run'
	stop_server
}

@test "a session that had the host's network has it no longer where the server no longer grants it" {
	start_server --network host --keep-sessions
	local id state=$STATE_DIR
	post /sessions '{"network": "host", "ttl": 1000}'
	expect_status 201
	id=$(json .id)
	stop_server
	start_server --state-dir "$state" --keep-sessions
	post "/sessions/$id/run" "$(run_json readlink /proc/self/ns/net)"
	[[ $status_code != 200 || $(json .stdout) != "$(readlink /proc/self/ns/net)" ]]
	request DELETE "/sessions/$id"
	stop_server
}

# --- the log ---

@test "--log json writes one object a request, with nothing of the client's in it" {
	start_server --log json
	get '/nowhere%0a{"a":1}"?x=%22' --globoff
	post /run '{"command": ["sh", "-c", "echo s3cret"], "env": {"A": "s3cret"}}'
	get /health -H 'X-Request-Id: mine-1'
	get /health -H 'X-Request-Id: a"b'
	get "/sessions/\"}/files/s3cret" --globoff
	local lines
	lines=$(grep '^{' "$SERVER_LOG")
	expect "$(wc -l <<<"$lines")" 5
	jq -e -s 'all(.at and .id and .method and .route and (.status | type == "number") and
		(.bytes | type == "number") and (.ms | type == "number"))' <<<"$lines"
	expect "$(jq -r 'select(.verdict) | "\(.route) \(.verdict) \(.time >= 0)"' <<<"$lines")" '/run exited true'
	expect "$(jq -r 'select(.id == "mine-1") | .route' <<<"$lines")" /health
	expect "$(grep -c -F -e s3cret -e nowhere -e 'a"b' "$SERVER_LOG" || :)" 0 'lines with what the client sent'
	stop_server
}

@test "--log text writes one line a request, --log none writes none" {
	start_server
	get /health
	get '/a%0ab'
	expect "$(grep -c '^20' "$SERVER_LOG")" 2
	grep -E '^20[0-9TZ:.-]+ [0-9a-f]{16} GET /health 200 bytes=2 ms=[0-9.]+$' "$SERVER_LOG"
	stop_server
	start_server --log none
	get /health
	get /nowhere
	expect "$(grep -c '^20' "$SERVER_LOG" || :)" 0 'the lines'
	stop_server
}

@test "X-Request-Id is echoed where it is plain, else made" {
	local id
	get /version -H 'X-Request-Id: abc-DEF_1.2:3'
	[[ $head == *'X-Request-Id: abc-DEF_1.2:3'* ]]
	for id in 'a b' 'a"b' "$(printf 'x%.0s' {1..65})" '<script>'; do
		get /version -H "X-Request-Id: $id"
		[[ $head =~ X-Request-Id:\ [0-9a-f]{16} && $head != *"$id"* ]]
	done
	get /version -H 'X-Request-Id: a' -H 'X-Request-Id: b'
	[[ $head =~ X-Request-Id:\ [0-9a-f]{16} ]]
	get /nowhere -H 'X-Request-Id: lost'
	[[ $head == *'X-Request-Id: lost'* ]]
	get /health -H 'X-Request-Id: well'
	[[ $head == *'X-Request-Id: well'* ]]
}

# start_blocked OPTION...: a server whose stderr is a pipe that nobody reads, and that is full.
start_blocked() {
	need python3
	SERVER_DIR=$(mktemp -d "$BATS_TEST_TMPDIR/blocked.XXXXXX")
	python3 - "$SERVER_DIR/full" "$SERVER_DIR/fifo" <<-'EOT' 3>&- &
		import os, sys, time
		os.mkfifo(sys.argv[2])
		keep = os.open(sys.argv[2], os.O_RDWR | os.O_NONBLOCK)
		while not os.path.exists(sys.argv[1] + ".go"):
		    time.sleep(0.05)
		open(sys.argv[1] + ".log", "wb").write(os.read(keep, 65536))
		for size in (4096, 1):
		    try:
		        while True:
		            os.write(keep, b"x" * size)
		    except BlockingIOError:
		        pass
		open(sys.argv[1], "w").close()
		time.sleep(60)
	EOT
	BLOCKER=$!
	try_for 5 test -p "$SERVER_DIR/fifo"
	"$OPENSANDBOX" serve --port 0 --state-dir "$SERVER_DIR/state" "$@" 2>"$SERVER_DIR/fifo" 3>&- &
	SERVER_PID=$!
	sleep 2
	touch "$SERVER_DIR/full.go"
	try_for 5 test -e "$SERVER_DIR/full"
	PORT=$(sed -n 's|^opensandbox: listening on http://127.*:\([0-9]*\)$|\1|p' "$SERVER_DIR/full.log")
	URL=http://127.0.0.1:$PORT
	REQUEST_SECONDS=8
}

stop_blocked() {
	kill "$BLOCKER"
	kill "$SERVER_PID"
	if ! try_for 5 not_there "$SERVER_PID"; then
		kill -KILL "$SERVER_PID"
		return 1
	fi
}

not_there() {
	! kill -0 "$1" 2>/dev/null
}

@test "a stderr that nobody reads blocks nothing" {
	start_blocked
	local n
	for n in 1 2 3 4 5; do
		post /run '{"command": ["true"]}'
		expect_status 200
	done
	stop_blocked
}

@test "a SIGHUP with a token file that is gone does not hang on a stderr that nobody reads" {
	echo abc >"$BATS_TEST_TMPDIR/tokens"
	start_blocked --token-file "$BATS_TEST_TMPDIR/tokens"
	rm "$BATS_TEST_TMPDIR/tokens"
	kill -HUP "$SERVER_PID"
	sleep 0.5
	local ok=yes
	post /run '{"command": ["true"]}' -H 'Authorization: Bearer abc' || ok=no
	stop_blocked || ok=no
	[[ $ok == yes && $status_code == 200 ]]
}

# --- the end ---

@test "after SIGTERM runs go on for --drain, nothing new begins, and the server then ends" {
	start_server --drain 20
	post /sessions '{}'
	local reply=$BATS_TEST_TMPDIR/last
	curl -s "$URL/run" -H 'Content-Type: application/json' -d '{"command": ["sh", "-c", "sleep 2; echo end"]}' >"$reply" 3>&- &
	local curl=$!
	try_for 5 running_is 1
	coproc other { exec python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print("ready", flush=True)
sys.stdin.readline()
s.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
print(s.recv(1000)[:12].decode() or "closed", flush=True)' "$PORT"; }
	read -r line <&"${other[0]}"
	kill "$SERVER_PID"
	sleep 0.5
	echo >&"${other[1]}" || :
	run curl -s -m 2 "$URL/health"
	[[ $status != 0 ]]
	wait "$curl"
	expect "$(jq -r .stdout "$reply")" end
	server_ended 10
	expect "$server_status" 0
}

@test "a second SIGTERM ends at once, and what runs is canceled" {
	start_server --drain 100
	local reply=$BATS_TEST_TMPDIR/last
	curl -s "$URL/run" -H 'Content-Type: application/json' -d '{"command": ["sleep", "50"]}' >"$reply" 3>&- &
	local curl=$!
	try_for 5 running_is 1
	kill "$SERVER_PID"
	sleep 0.5
	kill "$SERVER_PID"
	server_ended 5
	expect "$server_status" 0
	wait "$curl"
	expect "$(jq -r .status "$reply")" canceled
}

@test "runs that outlast --drain are canceled" {
	start_server --drain 1
	local reply=$BATS_TEST_TMPDIR/last
	curl -s "$URL/run" -H 'Content-Type: application/json' -d '{"command": ["sleep", "50"]}' >"$reply" 3>&- &
	local curl=$!
	try_for 5 running_is 1
	stop_server
	wait "$curl"
	expect "$(jq -r .status "$reply")" canceled
}

# --- what tools that were made for it can do ---

@test "a thousand clients of slowhttptest that send or read slowly keep neither /health nor runs from going on" {
	need python3 slowhttptest wrk
	need_release
	"$root/test/soak" slow 3
}

@test "256 connections of wrk see no error, and the server's memory stays as it is" {
	need python3 wrk slowhttptest
	need_release
	"$root/test/soak" load 6
}

# --- memory ---

# The resident memory of the server's processes, in KB: launcher, server, and the sandbox that is built ahead.
tree_kb() {
	local pid total=0
	for pid in "$SERVER_PID" $(pgrep -P "$SERVER_PID"); do
		total=$((total + $(count_kb "$pid" VmRSS)))
	done
	echo "$total"
}

@test "an idle server has less than 4 MB resident in all, before and after it has worked" {
	local n
	need_release
	start_server
	get /health
	sleep 0.5
	(($(tree_kb) < 4096)) || expect "$(tree_kb)" 'less than 4096'
	for n in {1..20}; do
		post /run '{"command": ["head", "-c", "1000000", "/dev/zero"]}'
		expect_status 200
	done
	small() { (($(tree_kb) < 4096)); }
	try_for 15 small || expect "$(tree_kb)" 'less than 4096'
	stop_server
}

@test "64 runs at once with 1 MiB of output each keep within what is said of outputs" {
	need python3
	need_release
	start_server
	run raw outputs "$PORT" 64 "$(front)"
	echo "$output"
	[[ $status == 0 ]]
	stop_server
}

@test "what all runs together may have is bounded: one that is ended for the others' sake is told so, and the server goes on" {
	need python3
	start_server --max-mem 204800
	post /run '{"command": ["true"]}'
	[[ $(json .accounting) == cgroup ]] || skip 'no memory cgroup here'
	local n statuses pids=()
	for n in 1 2 3; do
		curl -s -m 60 "$URL/run" -H 'Content-Type: application/json' -d '{"mem": 180000, "command":
			["python3", "-c", "import time; x = b\"x\" * (120 << 20); time.sleep(6)"]}' \
			>"$BATS_TEST_TMPDIR/run.$n" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	statuses=$(cat "$BATS_TEST_TMPDIR"/run.[123] | jq -r .status | sort | tr '\n' ' ')
	# Three have 360 MB, of 200.
	expect "$statuses" 'exited host_memory_limit host_memory_limit ' 'how they ended'
	post /run '{"mem": 150000, "command": ["python3", "-c", "x = b\"x\" * (190 << 20)"]}'
	expect_json .status memory_limit
	post /run '{"command": ["true"]}'
	expect_json .status exited
	stop_server
}

# --- 61: those who are slow, who have been at it since the first test ---

@test "61 slow heads are closed in bounded time, and /health answers meanwhile" {
	need python3
	slow_ended slow_headers
	[[ $(<"$BATS_FILE_TMPDIR/slow_headers.out") == *"('408', 200)"* ]]
}

@test "61 slow bodies are closed in bounded time, and /health answers meanwhile" {
	need python3
	slow_ended slow_bodies
	[[ $(<"$BATS_FILE_TMPDIR/slow_bodies.out") == *"('408', 200)"* ]]
}

@test "61 a client that never reads is closed in bounded time" {
	need python3
	slow_ended never_reads
}

@test "61 uploads that take their time keep nobody else's file waiting" {
	need python3
	local id first
	printf 'one\ntwo\n' >"$BATS_TEST_TMPDIR/tokens"
	# Two of four places are for files.
	start_server --token-file "$BATS_TEST_TMPDIR/tokens" --max-runs 4 --log none
	post /sessions '{}' -H 'Authorization: Bearer one'
	id=$(json .session_id)
	coproc slow { exec python3 -c '
import select, socket, sys, time
port, id = sys.argv[1:]
all = []
for i in range(2):
    s = socket.create_connection(("127.0.0.1", int(port)))
    s.sendall(f"PUT /sessions/{id}/files/tmp/{i} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer one\r\nContent-Length: 900000\r\n\r\nabc".encode())
    all.append(s)
print("begun", flush=True)
end = time.time() + 300
while len(all) == 2 and time.time() < end and not select.select([sys.stdin], [], [], 2)[0]:
    for s in all[:]:
        try:
            s.sendall(b"x")
            if select.select([s], [], [], 0)[0] and not s.recv(1000):
                raise OSError
        except OSError:
            all.remove(s)
print(len(all), "left", flush=True)
sys.stdin.readline()
' "$PORT" "$id"; }
	read -r first <&"${slow[0]}"
	expect "$first" begun
	two_run() { get /version -H 'Authorization: Bearer one' && [[ $(json .runs.running) = 2 ]]; }
	try_for 10 two_run
	# A run does not wait for them; whose they are waits for his next.
	post /run '{"command": ["true"]}' -H 'Authorization: Bearer one'
	expect_status 200
	curl -sS --max-time 100 -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer one' --data-binary x -X PUT \
		"$URL/sessions/$id/files/tmp/own" >"$BATS_TEST_TMPDIR/own" 3>&- &
	expect "$(curl -sS --max-time 100 -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer two' --data-binary x -X PUT \
		"$URL/sessions/$id/files/tmp/other")" 201
	read -r first <&"${slow[0]}"
	expect "$first" '1 left' 'those that go on'
	wait $!
	expect "$(<"$BATS_TEST_TMPDIR/own")" 201
	echo >&"${slow[1]}"
	stop_server
}
