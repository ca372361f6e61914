#!/usr/bin/env bats
# api.bats - POST /run, GET /health, GET /version, and HTTP itself: every call of the original's README, every field, every error

load helper
load client

setup_file() {
	start_file_server --log none
}

run_command() {
	post /run "$(run_json "$@")"
}

# expect_refused JSON CODE FIELD [PATTERN]: a 400, and what it says of which field.
expect_refused() {
	post "${REFUSED_AT:-/run}" "$1"
	expect "$status_code" 400 "the status of $1" && expect_json .code "$2" &&
		expect_json .field "$3"
	if [[ ! $(json .error) =~ ${4:-.} ]]; then
		printf 'the error %q has no %q\n' "$(json .error)" "$4" >&2
		return 1
	fi
}

# --- the calls of the original's README ---

@test "the first call of the original's README says hello" {
	body=$(curl -s -X POST "$URL/run" \
		-H "Content-Type: application/json" \
		-d '{"command": ["/bin/echo", "Hello from sandbox!"]}')
	expect_json .stdout 'Hello from sandbox!'
	expect_json .exit_code 0
}

@test "POST /run of the original's README gives the version of git, and nothing else" {
	need git
	body=$(curl -s -X POST "$URL/run" \
		-H "Content-Type: application/json" \
		-d '{
    "command": ["git", "--version"],
    "time": 5000,
    "mem": 2097152,
    "fsize": 10240,
    "nofile": 64
  }')
	expect_json '.stdout | endswith("\n")' true
	expect "$(json .stdout)" "$(git --version)"
	expect_json .stderr ''
	expect_json .exit_code 0
	expect_json .signal null
}

@test "GET /health is OK" {
	expect "$(curl -s "$URL/health")" OK
	get /health
	expect_status 200
	[[ $head =~ Content-Type:\ text/plain ]]
}

@test "what real clients of the original send works" {
	post /run '{"command": ["/bin/sh", "-c", "mkdir -p /home/user && cd /home/user && echo aGVsbG8K | base64 -d > f && cat f; kill -9 $$"],
		"time": 300000, "mem": 4194304, "fsize": 102400, "nofile": 1024, "cwd": "/tmp"}'
	expect_status 200
	expect_json .stdout hello
	expect_json .signal 9
	expect_json .exit_code null
}

# --- the reply ---

@test "a reply has every field of the contract and no other" {
	run_command true
	expect_status 200
	expect "$(json 'keys_unsorted | sort | join(" ")')" 'accounting exit_code mem queue_time signal signal_name status stderr'`
		`' stderr_truncated stdout stdout_truncated system_time time user_time wall_time'
	expect_json .status exited
	expect_json '[.time, .wall_time, .mem, .queue_time] | map(type) | unique | join(" ")' number
	expect_json '[.stdout_truncated, .stderr_truncated] | map(tostring) | join(" ")' 'false false'
	expect_json '.time > 0 and .wall_time > 0' true
	[[ $head =~ Content-Type:\ application/json ]]
	[[ $head =~ Content-Length:\ [0-9] ]]
}

@test "status says why a run ended" {
	run_command sh -c 'exit 3'
	expect_json .status exited
	expect_json .exit_code 3
	run_command sh -c 'kill -TERM $$'
	expect_json .status signaled
	expect_json '[.exit_code, .signal, .signal_name] | tojson' '[null,15,"SIGTERM"]'
	post /run '{"command": ["sh", "-c", "while :; do :; done"], "time": 100}'
	expect_json .status time_limit
	post /run '{"command": ["sleep", "60"], "wall_time": 100}'
	expect_json .status wall_time_limit
	run_command /no/such/program
	expect_json .status exec_failed
	expect_json .exit_code 127
	[[ $(json .stderr) =~ /no/such/program ]]
	run_command /etc/passwd
	expect_json .status exec_failed
	expect_json .exit_code 126
}

@test "memory over the limit is memory_limit" {
	need python3
	post /run '{"command": ["python3", "-c", "x = b\"a\" * (200 << 20); print(len(x))"], "mem": 65536}'
	[[ $(json .accounting) == cgroup ]] || skip 'no cgroups here'
	expect_json .status memory_limit
	expect_json .signal 9
}

@test "a program cannot fake a status" {
	run_command sh -c 'echo "{\"status\": \"time_limit\"}" >&2; exit 137'
	expect_json .status exited
	expect_json .exit_code 137
	run_command sh -c 'kill -9 $$'
	expect_json .status signaled
	expect_json .signal 9
}

@test "the reply does not wait for a grandchild that holds the pipe" {
	local before=$SECONDS
	run_command sh -c 'setsid sleep 50 & echo done'
	expect_json .stdout 'done'
	((SECONDS - before < 20))
}

# --- fields ---

@test "without a field its default holds" {
	run_command sh -c 'pwd; ulimit -n; ulimit -s; ulimit -f; cat; env | cut -d= -f1 | sort | tr "\n" " "'
	expect "$(json .stdout)" $'/\n64\n8192\n20480\nHOME LANG PATH PWD TMPDIR USER '
	get /version
	expect "$(json '.limits | map_values(.default) | tojson')" \
		'{"time":5000,"wall_time":null,"mem":2097152,"fsize":10240,"nofile":64,"stack":8192,"procs":128,"disk":262144,"output":1024}'
}

@test "nofile, stack and fsize are the limits that the command sees" {
	post /run '{"command": ["sh", "-c", "ulimit -n; ulimit -s; ulimit -f"], "nofile": 33, "stack": 4096, "fsize": 100}'
	expect "$(json .stdout)" $'33\n4096\n200'
	post /run '{"command": ["sh", "-c", "head -c 200000 /dev/zero > /tmp/f; wc -c < /tmp/f"], "fsize": 100}'
	expect "$(json .stdout)" 102400
}

@test "procs bounds the processes of a run" {
	post /run '{"command": ["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait; echo end"], "procs": 4}'
	expect_status 200
	[[ $(json .stderr) =~ [Cc]annot\ fork|[Rr]esource ]]
}

@test "disk bounds what a run may write" {
	post /run '{"command": ["sh", "-c", "head -c 9000000 /dev/zero > /tmp/f; wc -c < /tmp/f"], "disk": 4096}'
	[[ $(json .stderr) =~ [Nn]o\ space ]]
	(($(json .stdout) <= 4194304))
}

@test "output bounds what is kept of each stream, and the command is not disturbed" {
	post /run '{"command": ["sh", "-c", "head -c 5000 /dev/zero | tr \"\\0\" a; head -c 900 /dev/zero | tr \"\\0\" b >&2; exit 7"], "output": 1}'
	expect_json '.stdout | length' 1024
	expect_json .stdout_truncated true
	expect_json '.stderr | length' 900
	expect_json .stderr_truncated false
	expect_json .exit_code 7
}

@test "3 MB of output is cut at 1 MiB and flagged, while stderr and exit code are right" {
	run_command sh -c 'head -c 3000000 /dev/zero | tr "\0" x; echo said >&2; exit 42'
	expect_json '.stdout | length' 1048576
	expect_json '.stdout | test("^x*$")' true
	expect_json .stdout_truncated true
	expect_json .stderr said
	expect_json .stderr_truncated false
	expect_json .exit_code 42
	expect_json .status exited
}

@test "stdin of 1 MB comes back through cat" {
	need python3
	python3 -c 'import json, random
r = random.Random(1)
print(json.dumps({"command": ["cat"], "stdin": "".join(r.choice("abcdefg\n\"\\\u00e9\u4e2d") for _ in range(600000))}))' >"$BATS_TEST_TMPDIR/in"
	request POST /run -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/in"
	expect_status 200
	expect "$(json .stdout | cksum)" "$(jq -r .stdin <"$BATS_TEST_TMPDIR/in" | cksum)"
}

@test "stdin may be base64, and is empty where it is not given" {
	post /run '{"command": ["od", "-An", "-tx1"], "stdin": {"content": "AAH/gA==", "encoding": "base64"}}'
	expect_json .stdout ' 00 01 ff 80'
	post /run '{"command": ["wc", "-c"]}'
	expect_json .stdout 0
}

@test "env is added to the minimal environment, and cwd is where the command begins" {
	post /run '{"command": ["sh", "-c", "echo $A $HOME; pwd"], "env": {"A": "b c", "HOME": "/tmp"}, "cwd": "/tmp"}'
	expect_json .stdout $'b c /tmp\n/tmp'
}

@test "a cwd that is not there, or no directory, is 400 and names the field" {
	local cwd
	for cwd in /no/such /etc/passwd; do
		post /run "{\"command\": [\"true\"], \"cwd\": \"$cwd\"}"
		expect_status 400
		expect_json .code invalid_request
		expect_json .field cwd
	done
}

@test "files are there before the run, with modes, and parents are made" {
	post /run '{"command": ["sh", "-c", "cat a/b/c; /tmp/x/run; stat -c %a a/b/c /tmp/x/run; od -An -tx1 bin"], "cwd": "/tmp",
		"files": {"a/b/c": "text\n", "/tmp/x/run": {"content": "#!/bin/sh\necho ran\n", "mode": "0755"},
		"bin": {"content": "/wA=", "encoding": "base64"}}}'
	expect_json .stdout $'text\nran\n644\n755\n ff 00'
	expect_json .stderr ''
}

@test "copy_out brings files back: text, bytes, what is missing and what is too long" {
	post /run '{"command": ["sh", "-c", "printf hi > a; printf \"\\377\" > b; head -c 5000 /dev/zero > c; mkdir d; mkfifo e"], "cwd": "/tmp",
		"output": 1, "copy_out": ["a", "/tmp/b", "c", "d", "e", "none"]}'
	expect_json '.files.a | tojson' '{"content":"hi","encoding":"utf-8"}'
	expect_json '.files["/tmp/b"] | tojson' '{"content":"/w==","encoding":"base64"}'
	expect_json '.files.c.truncated' true
	expect_json '.files.c.content | length' 1024
	expect_json '[.files.d, .files.e, .files.none] | tojson' '[null,null,null]'
	post /run '{"command": ["sh", "-c", "printf hi > /tmp/a"], "copy_out": ["/tmp/a"], "encoding": "base64"}'
	expect_json '.files["/tmp/a"] | tojson' '{"content":"aGk=","encoding":"base64"}'
}

@test "files go as they came: 1 MB of bytes in and out" {
	head -c 1000000 /dev/urandom >"$BATS_TEST_TMPDIR/bytes"
	base64 -w0 <"$BATS_TEST_TMPDIR/bytes" >"$BATS_TEST_TMPDIR/base64"
	jq -nc --rawfile content "$BATS_TEST_TMPDIR/base64" '{command: ["cp", "/tmp/in", "/tmp/out"],
		files: {"/tmp/in": {content: $content, encoding: "base64"}}, copy_out: ["/tmp/out"]}' >"$BATS_TEST_TMPDIR/in"
	request POST /run -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/in"
	expect_status 200
	json '.files["/tmp/out"].content' | base64 -d | cmp - "$BATS_TEST_TMPDIR/bytes"
}

@test "encoding base64 gives exact bytes, utf-8 replaces each invalid sequence" {
	post /run '{"command": ["printf", "a\\377\\000b\\303\\251"], "encoding": "base64"}'
	expect "$(json .stdout | base64 -d | od -An -tx1)" ' 61 ff 00 62 c3 a9'
	post /run '{"command": ["printf", "a\\377b\\303\\251\\342\\202"]}'
	expect_json '.stdout | explode | tojson' '[97,65533,98,233,65533]'
}

@test "network host is refused where the server does not grant it" {
	post /run '{"command": ["true"], "network": "host"}'
	expect_status 403
	expect_json .code forbidden
	expect_json .field network
	post /run '{"command": ["true"], "network": "none"}'
	expect_status 200
}

@test "a field that is wrong is refused by name" {
	expect_refused '{}' invalid_request command missing
	expect_refused '{"command": []}' invalid_request command
	expect_refused '{"command": "ls"}' invalid_request command
	expect_refused '{"command": [""]}' invalid_request 'command[0]'
	expect_refused '{"command": ["a", 1, "b"]}' invalid_request 'command[1]'
	expect_refused '{"command": ["a", "b", "c\u0000d"]}' invalid_request 'command[2]' NUL
	expect_refused '{"comand": ["a"]}' invalid_request comand comand
	expect_refused '{"command": ["a"], "tiem": 1}' invalid_request tiem tiem
	local field value
	for field in time wall_time mem fsize nofile stack procs disk output; do
		for value in 0 -1 1.5 1e3 '"5"' null true '[]' 99999999999999999999 9007199254740993; do
			expect_refused "{\"command\": [\"a\"], \"$field\": $value}" invalid_request "$field"
		done
	done
	expect_refused '{"command": ["a"], "env": []}' invalid_request env
	expect_refused '{"command": ["a"], "env": {"A=B": "c"}}' invalid_request 'env["A=B"]'
	expect_refused '{"command": ["a"], "env": {"": "c"}}' invalid_request 'env[""]'
	expect_refused '{"command": ["a"], "env": {"A": 1}}' invalid_request 'env["A"]'
	expect_refused '{"command": ["a"], "env": {"A": null}}' invalid_request 'env["A"]'
	expect_refused '{"command": ["a"], "env": {"A": "x\u0000"}}' invalid_request 'env["A"]'
	expect_refused '{"command": ["a"], "env": {"A\u0000": "x"}}' invalid_request 'env["A?"]'
	expect_refused '{"command": ["a"], "cwd": "tmp"}' invalid_request cwd absolute
	expect_refused '{"command": ["a"], "cwd": ""}' invalid_request cwd
	expect_refused '{"command": ["a"], "cwd": "/a\u0000"}' invalid_request cwd
	expect_refused '{"command": ["a"], "stdin": 1}' invalid_request stdin
	expect_refused '{"command": ["a"], "stdin": {}}' invalid_request stdin
	expect_refused '{"command": ["a"], "stdin": {"content": "?", "encoding": "base64"}}' invalid_request stdin
	expect_refused '{"command": ["a"], "stdin": {"content": "", "mode": "0755"}}' invalid_request stdin
	expect_refused '{"command": ["a"], "encoding": "latin-1"}' invalid_request encoding
	expect_refused '{"command": ["a"], "network": "bridge"}' invalid_request network
	expect_refused '{"command": ["a"], "files": []}' invalid_request files
	expect_refused '{"command": ["a"], "files": {"a": 1}}' invalid_request 'files["a"]'
	expect_refused '{"command": ["a"], "files": {"": ""}}' invalid_request 'files[""]'
	expect_refused '{"command": ["a"], "files": {"a": {"content": "", "mode": "1777"}}}' invalid_request 'files["a"]'
	expect_refused '{"command": ["a"], "files": {"a": {"content": "", "mode": "9"}}}' invalid_request 'files["a"]'
	expect_refused '{"command": ["a"], "files": {"a": {"content": "", "owner": "root"}}}' invalid_request 'files["a"]'
	expect_refused '{"command": ["a"], "copy_out": "a"}' invalid_request copy_out
	expect_refused '{"command": ["a"], "copy_out": ["a", ""]}' invalid_request 'copy_out[1]'
	expect_refused '{"command": ["a"], "command": ["b"]}' invalid_request command twice
	expect_refused '[]' invalid_request null object
	expect_refused '1' invalid_request null object
}

@test "a limit above the greatest is refused, and the greatest is named" {
	expect_refused '{"command": ["a"], "output": 65537}' invalid_request output 65536
	stop_left
	start_server --log none --max-time 1000 --max-mem 500000 --max-nofile 100 --max-output 10
	expect_refused '{"command": ["a"], "time": 1001}' invalid_request time 1000
	expect_refused '{"command": ["a"], "mem": 500001}' invalid_request mem 500000
	expect_refused '{"command": ["a"], "nofile": 101}' invalid_request nofile 100
	post /run '{"command": ["sh", "-c", "ulimit -n"], "time": 1000, "mem": 500000, "nofile": 100, "output": 10}'
	expect_status 200
	expect_json .stdout 100
	REFUSED_AT=/sessions expect_refused '{"limits": {"time": 1001}}' invalid_request limits.time 1000
	stop_server
}

@test "a command of more than 128 KiB is 400, one just below runs" {
	need python3
	python3 -c 'print("{\"command\": [\"true\"" + ", \"%s\"" % ("a" * 1000) * 131 + "]}")' >"$BATS_TEST_TMPDIR/big"
	request POST /run -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/big"
	expect_status 400
	expect_json .field command
	python3 -c 'print("{\"command\": [\"true\"" + ", \"%s\"" % ("a" * 1000) * 129 + "]}")' >"$BATS_TEST_TMPDIR/big"
	request POST /run -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/big"
	expect_status 200
	expect_json .exit_code 0
}

# --- JSON ---

@test "malformed JSON is 400 with the byte offset" {
	local text offset
	while IFS=$'\t' read -r text offset; do
		request POST /run -H 'Content-Type: application/json' --data-binary "$text"
		expect "$status_code" 400 "the status of $text"
		expect "$(json .code)" invalid_json "the code of $text"
		if [[ ! $(json .error) =~ byte\ $offset: ]]; then
			printf 'for %q the error is %q, not at byte %s\n' "$text" "$(json .error)" "$offset" >&2
			return 1
		fi
	done <<-'END'
		{"command": ["a"],}	18
		{"command" ["a"]}	11
		{'command': 1}	1
		{"command": ["a"]} x	19
		{"command": ["a"	16
		{"time": 01}	[0-9]+
		{"time": +1}	9
		{"time": 1.}	[0-9]+
		{"time": NaN}	9
		{"command": ["\x"]}	[0-9]+
		{"command": ["\ud800"]}	[0-9]+
		[tru]	[0-9]+
	END
}

@test "JSON that is no UTF-8, or too deep, or has control characters, is 400" {
	local deep
	printf '{"command": ["\xff"]}' >"$BATS_TEST_TMPDIR/bad"
	request POST /run -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/bad"
	expect_status 400
	expect_json .code invalid_json
	[[ $(json .error) =~ byte\ 14 ]]
	printf '{"command": ["a\nb"]}' >"$BATS_TEST_TMPDIR/bad"
	request POST /run -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/bad"
	expect_json .code invalid_json
	deep=$(printf '[%.0s' {1..33})$(printf ']%.0s' {1..33})
	post /run "$deep"
	expect_json .code invalid_json
	post /run "${deep:1:64}"
	expect_json .code invalid_request
	request POST /run -H 'Content-Type: application/json'
	expect_status 400
	expect_json .code invalid_json
}

@test "an error is valid JSON whatever is in the name that it shows" {
	post /run '{"command": ["a"], "\u0000\n\"\\\u001b[31m\u2028": 1}'
	expect_status 400
	expect_json .code invalid_request
	post /run "{\"command\": [\"a\"], \"$(printf '%.0sé' {1..500})\": 1}"
	expect_status 400
	expect_json .code invalid_request
}

# --- HTTP ---

@test "a connection is kept for the next request" {
	expect "$(curl -s -o /dev/null -o /dev/null -w '%{num_connects} ' "$URL/health" "$URL/version")" '1 0 '
	local reply
	reply=$(curl -s -w ' %{num_connects}\n' -H 'Content-Type: application/json' -d '{"command": ["echo", "a"]}' \
		"$URL/run" "$URL/run" | jq -Rr 'capture("\"stdout\": *\"(?<out>[^\"]*)\".*") // .' 2>/dev/null | wc -l)
	((reply >= 2))
}

@test "HEAD has the fields of GET and no body" {
	request HEAD /health
	expect_status 200
	[[ $head =~ Content-Length:\ 2 ]]
	expect "$(curl -s --head -w '%{size_download} %{num_connects}\n' -o /dev/null "$URL/version" | tail -n 1)" '0 1'
	request HEAD /run
	expect_status 405
}

@test "Expect: 100-continue is answered before the body comes" {
	head -c 2000000 /dev/zero | tr '\0' ' ' >"$BATS_TEST_TMPDIR/body"
	echo '{"command": ["echo", "expected"]}' >>"$BATS_TEST_TMPDIR/body"
	curl -sv -H 'Expect: 100-continue' -H 'Content-Type: application/json' --expect100-timeout 50 --max-time 40 \
		--data-binary "@$BATS_TEST_TMPDIR/body" "$URL/run" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err"
	grep -q '^< HTTP/1.1 100' "$BATS_TEST_TMPDIR/err"
	expect "$(jq -r .stdout <"$BATS_TEST_TMPDIR/out")" expected
	# What will be refused is refused at once.
	request POST /run -H 'Expect: 100-continue' -H 'Content-Type: text/plain' --data-binary "@$BATS_TEST_TMPDIR/body"
	expect_status 415
	request POST /run -H 'Expect: tea' -H 'Content-Type: application/json' -d '{}'
	expect_status 417
}

@test "a chunked body is a body" {
	post /run '{"command": ["echo", "chunks"]}' -H 'Transfer-Encoding: chunked'
	expect_status 200
	expect_json .stdout chunks
}

@test "requests sent in one go are answered in order" {
	python_client <<-'CODE'
		c = connect()
		c.sendall(b"".join(post("/run", {"command": ["echo", str(i)]}) for i in range(20)))
		for i in range(20):
		    status, head, body = one(c)
		    check(status == 200 and json.loads(body)["stdout"] == "%d\n" % i, "reply %d: %r" % (i, body))
	CODE
}

@test "a request that comes byte by byte is one" {
	python_client <<-'CODE'
		c = connect()
		for byte in post("/run", {"command": ["echo", "slow"]}):
		    c.sendall(bytes([byte]))
		check(json.loads(one(c)[2])["stdout"] == "slow\n", "slow")
	CODE
}

@test "a path or a method that is not there is 404 or 405, with Allow" {
	get /nothing
	expect_status 404
	expect_json .code not_found
	get /run
	expect_status 405
	expect_json .code method_not_allowed
	[[ $head =~ Allow:\ POST$'\n' ]]
	request PUT /sessions
	expect_status 405
	[[ $head =~ Allow:\ GET,\ HEAD,\ POST$'\n' ]]
	request POST /health
	expect_status 405
	[[ $head =~ Allow:\ GET,\ HEAD$'\n' ]]
	request PATCH /sessions/x/files/a
	expect_status 405
	[[ $head =~ Allow:\ PUT,\ GET,\ HEAD,\ DELETE$'\n' ]]
}

@test "a body that is not said to be JSON is 415, with parameters it is fine" {
	request POST /run -d '{"command": ["true"]}'
	expect_status 415
	expect_json .code unsupported_media_type
	request POST /run -H 'Content-Type: text/plain' -d '{"command": ["true"]}'
	expect_status 415
	request POST /run -H 'Content-Type: application/jsonp' -d '{"command": ["true"]}'
	expect_status 415
	request POST /run -H 'Content-Type: Application/JSON; charset=utf-8' -d '{"command": ["true"]}'
	expect_status 200
	request POST /run -H 'Content-Type: application/json;charset=utf-8' -d '{"command": ["true"]}'
	expect_status 200
}

@test "a page of another origin, or a rebound name, is 403; /health is open" {
	local host
	for host in evil.example localhost.evil.example 127.0.0.1.evil.example:8080 ''; do
		request POST /run -H "Host: $host" -H 'Content-Type: application/json' -d '{"command": ["true"]}'
		[[ $host || $status_code == 400 ]] || { [[ $status_code != 200 ]]; continue; }
		expect "$status_code" "$([[ $host ]] && echo 403 || echo 400)" "the status of Host: $host"
	done
	for host in localhost LocalHost:80 '[::1]:8080' 10.1.2.3; do
		request GET /version -H "Host: $host"
		expect "$status_code" 200 "the status of Host: $host"
	done
	request GET /health -H 'Host: evil.example'
	expect_status 200
	request POST /run -H 'Content-Type: application/json' -H 'Origin: http://evil.example' -d '{"command": ["true"]}'
	expect_status 403
	expect_json .code forbidden
	request POST /run -H 'Content-Type: application/json' -H 'Origin: null' -d '{"command": ["true"]}'
	expect_status 403
	request POST /run -H 'Content-Type: application/json' -H "Origin: $URL" -d '{"command": ["true"]}'
	expect_status 200
}

@test "a token is asked for where one is set, and a further name where it is allowed" {
	export OPENSANDBOX_TOKEN=secret-token-of-thirty-two-bytes
	start_server --log none --allow-host sandbox.example
	unset OPENSANDBOX_TOKEN
	get /version
	expect_status 401
	expect_json .code unauthorized
	[[ $head =~ WWW-Authenticate:\ Bearer ]]
	get /version -H 'Authorization: Bearer secret-token-of-thirty-two-byteX'
	expect_status 401
	get /version -H 'Authorization: Bearer '
	expect_status 401
	get /version -H 'Authorization: bearer secret-token-of-thirty-two-bytes'
	expect_status 200
	get /no/such
	expect_status 401
	get /health
	expect_status 200
	post /run "$(run_json sh -c 'env; cat /proc/*/environ')" -H 'Authorization: Bearer secret-token-of-thirty-two-bytes'
	expect_status 200
	[[ $body != *secret-token* ]]
	stop_server
	start_server --log none --allow-host sandbox.example
	get /version -H 'Host: sandbox.example:80'
	expect_status 200
	get /version -H 'Host: other.example'
	expect_status 403
	stop_server
}

@test "what is too long is 413, 414 or 431" {
	need python3
	python3 -c 'print("{\"command\": [\"true\"], \"stdin\": \"" + "a" * (17 << 20) + "\"}")' >"$BATS_TEST_TMPDIR/big"
	request POST /run -H 'Content-Type: application/json' --data-binary "@$BATS_TEST_TMPDIR/big"
	expect_status 413
	request POST /run -H 'Content-Type: application/json' -H 'Transfer-Encoding: chunked' --data-binary "@$BATS_TEST_TMPDIR/big" || :
	expect_status 413
	get "/$(printf '%.0sa' {1..70000})"
	expect_status 414
	get /version -H "X: $(printf '%.0sa' {1..70000})"
	expect_status 431
	get /health
	expect_status 200
}

@test "what cannot be one request is 400, and the connection ends" {
	python_client <<-'CODE'
		H = b"POST /run HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		B = b'{"command": ["true"]}'
		smuggled = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
		cases = {
		    "two lengths": H + b"Content-Length: 21\r\nContent-Length: 22\r\n\r\n" + B,
		    "length and chunked": H + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		    "signed length": H + b"Content-Length: +21\r\n\r\n" + B,
		    "negative length": H + b"Content-Length: -1\r\n\r\n" + B,
		    "length with words": H + b"Content-Length: 21 x\r\n\r\n" + B,
		    "hex length": H + b"Content-Length: 0x15\r\n\r\n" + B,
		    "huge length": H + b"Content-Length: 99999999999999999999999\r\n\r\n" + B,
		    "bare LF": b"GET /version HTTP/1.1\nHost: localhost\n\n",
		    "folded field": b"GET /version HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
		    "space before the colon": b"GET /version HTTP/1.1\r\nHost : localhost\r\n\r\n",
		    "no host": b"GET /version HTTP/1.1\r\n\r\n",
		    "two hosts": b"GET /version HTTP/1.1\r\nHost: localhost\r\nHost: a\r\n\r\n",
		    "NUL": b"GET /version HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
		    "chunk size with sign": H + b"Transfer-Encoding: chunked\r\n\r\n+5\r\nabcde\r\n0\r\n\r\n",
		    "chunk size too large": H + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\na\r\n0\r\n\r\n",
		    "chunk without its end": H + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcdefg\r\n0\r\n\r\n",
		    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		    "no version": b"GET /version\r\n\r\n",
		}
		for name, data in cases.items():
		    reply = ask(data + smuggled)
		    check(reply.startswith(b"HTTP/1.1 400 ") or (name == "chunk size too large" and reply.startswith(b"HTTP/1.1 413 ")), name + ": %r" % reply[:200])
		    check(reply.count(b"HTTP/1.1 ") == 1, name + " is followed by another reply: %r" % reply)
		check(ask(H + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n").split()[1] in (b"400", b"501"), "gzip")
		check(ask(b"GET /version HTTP/2.0\r\nHost: localhost\r\n\r\n").split()[1] == b"505", "version 2")
		check(ask(b"GET /version HTTP/1.0\r\nHost: localhost\r\n\r\n").split()[1] == b"200", "version 1.0")
	CODE
	get /health
	expect_status 200
}

@test "an id of the client's own is told again in the reply" {
	get /version -H 'X-Request-Id: abc-123'
	[[ $head =~ X-Request-Id:\ abc-123$'\n' ]]
	get /version -H 'X-Request-Id: a b"c'
	[[ ! $head =~ a\ b ]]
}

# --- many ---

@test "64 runs side by side are all right, and take the time of one" {
	python_client <<-'CODE'
		begin, results = time.time(), []
		def run(i):
		    c = connect()
		    c.sendall(post("/run", {"command": ["sh", "-c", "sleep 2; echo %d; exit %d" % (i, i)]}))
		    results.append((i, json.loads(one(c)[2])))
		threads = [threading.Thread(target=run, args=(i,)) for i in range(64)]
		[t.start() for t in threads]
		[t.join() for t in threads]
		check(len(results) == 64, "all came")
		for i, result in results:
		    check(result["stdout"] == "%d\n" % i and result["exit_code"] == i, "%d: %r" % (i, result))
		check(time.time() - begin < 40, "side by side: %.1f s" % (time.time() - begin))
	CODE
}

@test "some hundred runs leave nothing and do not grow the server" {
	local front before after i
	# What is made once, and what is kept for the next runs, is made.
	many() {
		python_client "$1" "$2" <<-'CODE'
			def run(n):
			    c = connect()
			    for i in range(n):
			        c.sendall(post("/run", {"command": ["sh", "-c", "echo $0", str(i)], "files": {"/tmp/a": "b"}}))
			        check(json.loads(one(c)[2])["stdout"] == "%d\n" % i, "run %d" % i)
			threads = [threading.Thread(target=run, args=(int(sys.argv[3]),)) for _ in range(int(sys.argv[2]))]
			[t.start() for t in threads]
			[t.join() for t in threads]
		CODE
	}
	many 8 20
	many 1 500
	front=$(front_pid)
	counts() {
		echo "$(count_fds) $(count_fds "$front") $(count_descendants) $(count_zombies)" \
			"$(grep -c "$STATE_DIR" /proc/self/mountinfo) $(count_files)"
	}
	before=$(counts)
	rss=$(($(count_kb) + $(count_kb "$front")))
	many 1 500
	# Sandboxes that wait for the next run come and go: never more than before.
	no_more() {
		local -a was now
		read -ra was <<<"$before"
		read -ra now <<<"$(counts)"
		for i in "${!was[@]}"; do
			((now[i] <= was[i])) || return 1
		done
	}
	try_for 5 no_more || {
		echo "descriptors of launcher and server, processes, zombies, mounts, files: $before, then $(counts)" >&2
		false
	}
	rss=$(($(count_kb) + $(count_kb "$front") - rss))
	# Sanitizers keep what was freed, to see who still uses it.
	((rss < 300)) || sanitized || { echo "launcher and server grew by $rss KB" >&2; false; }
}

@test "a client that goes away cancels its run" {
	local before
	run_command true
	before=$(count_descendants)
	local code=0
	curl -s --max-time 1 -H 'Content-Type: application/json' -d '{"command": ["sleep", "50"]}' "$URL/run" || code=$?
	expect "$code" 28 'what curl says'
	same() { (($(count_descendants) <= before)); }
	try_for 10 same
	# Also while it waits, and with half a body sent.
	python_client <<-'CODE'
		for n in range(100):
		    c = connect()
		    c.sendall(post("/run", {"command": ["sleep", "50"]})[:-n or None])
		    if n % 2:
		        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
		    c.close()
	CODE
	try_for 10 same
	get /version
	expect_json .runs.running 0
	expect_json .runs.queued 0
}

@test "a client that does not read its reply holds up nobody" {
	python_client <<-'CODE'
		slow = []
		for i in range(8):
		    c = socket.socket()
		    c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
		    c.connect(("127.0.0.1", port))
		    c.sendall(post("/run", {"command": ["sh", "-c", "head -c 1000000 /dev/zero"]}))
		    slow.append(c)
		time.sleep(1)
		for i in range(20):
		    c = connect()
		    c.sendall(post("/run", {"command": ["echo", "quick"]}))
		    check(json.loads(one(c)[2])["stdout"] == "quick\n", "quick")
	CODE
}

@test "more runs than --max-runs wait their turn, in order, and say for how long" {
	start_server --log none --max-runs 2
	python_client <<-'CODE'
		results = []
		def run(i):
		    c = connect()
		    c.sendall(post("/run", {"command": ["sh", "-c", "sleep 0.5; echo %d" % i]}))
		    results.append(json.loads(one(c)[2]))
		threads = []
		for i in range(8):
		    t = threading.Thread(target=run, args=(i,))
		    t.start()
		    threads.append(t)
		    time.sleep(0.05)
		c = connect()
		c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		begin = time.time()
		check(one(c)[0] == 200 and time.time() - begin < 5, "health does not wait")
		[t.join() for t in threads]
		check([r["exit_code"] for r in results] == [0] * 8, "all ran")
		order = [int(r["stdout"]) for r in results]
		check(all(abs(i - n) <= 1 for i, n in enumerate(order)), "in order: %r" % order)
		waited = sorted(r["queue_time"] for r in results)
		check(waited[0] < waited[-1] and waited[-1] >= 500, "queue times: %r" % waited)
	CODE
	stop_server
}

@test "a full queue is 503 with Retry-After, and what waited is run" {
	start_server --log none --max-runs 1
	python_client <<-'CODE'
		import resource
		resource.setrlimit(resource.RLIMIT_NOFILE, (4096, max(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
		first = connect()
		first.sendall(post("/run", {"command": ["sleep", "50"]}))
		time.sleep(0.5)
		waiting = []
		for i in range(1024):
		    c = connect()
		    c.sendall(post("/run", {"command": ["true"]}))
		    waiting.append(c)
		time.sleep(0.5)
		c = connect()
		c.sendall(post("/run", {"command": ["true"]}))
		status, head, body = one(c)
		check(status == 503 and b"Retry-After: " in head and json.loads(body)["code"] == "overloaded", "full: %r" % head)
		c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		check(one(c)[0] == 200, "health")
		[w.close() for w in waiting[20:]]
		first.close()
		for w in waiting[:20]:
		    check(json.loads(one(w)[2])["exit_code"] == 0, "what waited")
	CODE
	stop_server
}

# --- the end ---

@test "SIGTERM cancels the runs, answers them, and leaves no process, mount, cgroup or file" {
	local client
	start_server --log none
	post /sessions '{}'
	expect_status 201
	post "/sessions/$(json .session_id)/run" "$(run_json sh -c 'echo kept > /tmp/a')"
	curl -s -H 'Content-Type: application/json' -d "{\"command\": [\"sh\", \"-c\", \"echo begun; sleep 50.0$$\"]}" \
		"$URL/run" >"$BATS_TEST_TMPDIR/canceled" &
	client=$!
	try_for 10 pgrep -x -f "sleep 50.0$$"
	get /version
	expect_json .runs.running 1
	stop_server TERM 0
	wait "$client"
	body=$(<"$BATS_TEST_TMPDIR/canceled")
	expect_json .status canceled
	expect_json .stdout begun
	# By this server's own names: others on the machine come and go, this file's server among them.
	expect "$(pgrep -c -f -- "$STATE_DIR" || :)" 0 'its processes'
	expect "$(find /sys/fs/cgroup -type d -name "opensandbox-$SERVER_PID*" | wc -l)" 0 'its cgroups'
	expect "$(count_files)" 0 'what is in the state directory'
	! grep -q "$STATE_DIR" /proc/self/mountinfo
}

@test "with --drain a run may go on after SIGTERM, while /health says draining" {
	local client
	start_server --log none --drain 30
	curl -s -H 'Content-Type: application/json' -d '{"command": ["sh", "-c", "sleep 3; echo whole"]}' \
		"$URL/run" >"$BATS_TEST_TMPDIR/drained" &
	client=$!
	running() { get /version && [[ $(json .runs.running) == 1 ]]; }
	try_for 10 running
	python_client "$SERVER_PID" <<-'CODE'
		c = connect()
		c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		check(one(c)[0] == 200, "health before")
		os.kill(int(sys.argv[2]), 15)
		time.sleep(0.5)
		try:
		    c.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
		    status, head, body = one(c)
		    check(status == 503 and b"draining" in body, "health while draining: %d %r" % (status, body))
		except (SystemExit, ConnectionError) as e:
		    check("closed" in str(e) or isinstance(e, ConnectionError), str(e))
	CODE
	wait "$client"
	body=$(<"$BATS_TEST_TMPDIR/drained")
	expect_json .stdout whole
	expect_json .status exited
	server_ended 15
	expect "$server_status" 0
}

# CPU time of a process in ms.
cpu_ms() {
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); print int(($12 + $13) * 1000 / hz) }' "/proc/$1/stat"
}

@test "a flood of output that is not kept costs the server little, and goes on when its program pauses" {
	local front before
	start_server --log none
	front=$(front_pid)
	before=$(cpu_ms "$front")
	post /run '{"command": ["cat", "/dev/zero"], "output": 1, "time": 60000, "wall_time": 2000}'
	expect_json .status wall_time_limit
	# To read all that comes takes a second and more, where the processors are free.
	before=$(($(cpu_ms "$front") - before))
	((before < 450)) || expect "$before" 'less than 450 ms' 'CPU time of the server'
	post /run '{"command": ["sh", "-c", "for i in 1 2 3; do head -c 1000000 /dev/zero; sleep 0.2; done; exit 7"], "output": 1}'
	expect_json .exit_code 7
	expect_json .stdout_truncated true
}

@test "where few files can be open, runs that there are no descriptors for are refused, and the server goes on" {
	local i codes clients=()
	ulimit -n 256
	start_server --log none --max-runs 64
	for ((i = 0; i < 30; i++)); do
		curl -sS --max-time 60 -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' \
			--data-binary '{"command": ["sleep", "1"]}' "$URL/run" >"$BATS_TEST_TMPDIR/code.$i" 3>&- &
		clients+=($!)
	done
	wait "${clients[@]}"
	codes=$(sort -u "$BATS_TEST_TMPDIR"/code.* | tr '\n' ' ')
	[[ $codes == '200 ' || $codes == '200 503 ' ]] || expect "$codes" '200 503'
	post /run '{"command": ["true"]}'
	expect_json .exit_code 0
}

@test "the launcher uses no CPU time while a sandbox that is full of files is taken down" {
	local before after i
	start_server --log none --no-reuse
	before=$(cpu_ms "$SERVER_PID")
	for ((i = 0; i < 20; i++)); do
		post /run '{"command": ["sh", "-c", "head -c 250000000 /dev/zero >/tmp/file"], "mem": 1048576, "fsize": 262144, "time": 60000, "wall_time": 180000}'
		expect_json .exit_code 0
	done
	after=$(cpu_ms "$SERVER_PID")
	# Here 20 ms; 140 to 280 where the launcher looked again and again at a socket that had ended.
	if ((after - before > 100)); then
		echo "the launcher used $((after - before)) ms" >&2
		return 1
	fi
}
