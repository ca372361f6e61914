#!/usr/bin/env bats
# Several nodes behind one proxy: requests of a session reach the node that holds it

bats_require_minimum_version 1.5.0
load helper

free_port() {
	local port
	for port in $(shuf -i 20000-30000 -n 50); do
		! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || continue
		echo "$port"
		return
	done
}

# The configuration is the one of docs/operation.md, with the ports of these nodes.
documented() {
	awk -v kind="$1" '/^```/ { inside = $0 == "```" kind; next } inside' "$root/docs/operation.md" |
		sed -e "s|10\.0\.0\.1:8080|127.0.0.1:$a_port|g" -e "s|10\.0\.0\.2:8080|127.0.0.1:$b_port|g"
}

setup() {
	need curl jq
	start_server --node-id a
	a_port=$PORT a_pid=$SERVER_PID
	start_server --node-id b
	b_port=$PORT
	proxy_port=$(free_port)
	URL=http://127.0.0.1:$proxy_port
	proxy=
	cd "$BATS_TEST_TMPDIR"
}

teardown() {
	if [[ -n $proxy ]]; then
		kill "$proxy" 2>/dev/null || :
		wait "$proxy" 2>/dev/null || :
	fi
	stop_left
}

start_nginx() {
	need nginx
	{
		printf 'daemon off; worker_processes 1; pid %s/pid; error_log %s/error;\n' "$PWD" "$PWD"
		printf 'events { worker_connections 512; }\nhttp { access_log off;\n'
		for path in client_body proxy fastcgi uwsgi scgi; do
			printf '%s_temp_path %s/%s;\n' "$path" "$PWD" "$path"
		done
		documented nginx | sed -e '/^upstream opensandbox/,/^}/d' \
			-e "s|^server { location|server { listen 127.0.0.1:$proxy_port; location|"
		echo '}'
	} >nginx.conf
	nginx -p "$PWD" -e "$PWD/error" -c "$PWD/nginx.conf" >start.log 2>&1 3>&- &
	proxy=$!
	try_for 20 curl -fs -o /dev/null "$URL/health" || { cat start.log error >&2; return 1; }
}

start_haproxy() {
	need haproxy
	documented haproxy | sed "s|bind :8080|bind 127.0.0.1:$proxy_port|" >haproxy.cfg
	haproxy -db -f haproxy.cfg >start.log 2>&1 3>&- &
	proxy=$!
	try_for 20 curl -fs -o /dev/null "$URL/health" || { cat start.log >&2; return 1; }
}

# 20 sessions made through the proxy, on both nodes, then 1,000 requests for them, in no order.
route_thousand() {
	for ((i = 0; i < 20; i++)); do
		curl -fs -X POST "$URL/sessions" | jq -r .session_id
	done >ids
	expect "$(wc -l <ids)" 20
	grep -q '^a-' ids
	grep -q '^b-' ids
	shuf -r -n 1000 ids | sed "s|.*|url = \"$URL/sessions/&\"\noutput = /dev/null|" >urls
	curl -s --max-time 100 -w '%{http_code}\n' -K urls | sort | uniq -c | sed 's/^ *//' >codes
	expect "$(<codes)" '1000 200' 'the replies'
	id=$(grep -m 1 '^b-' ids)
	post "/sessions/$id/run" '{"command": ["sh", "-c", "echo here > /tmp/x"]}'
	expect_json .status exited
	get "/sessions/$id/files/tmp/x"
	expect "$body" here
}

# A node that is gone gives a clear error, the other one goes on.
lose_a() {
	kill -TERM "$a_pid"
	try_for 20 bash -c '! kill -0 "$1" 2>/dev/null' bash "$a_pid"
	get "/sessions/$(grep -m 1 '^a-' ids)"
	[[ $status_code == 502 || $status_code == 503 ]]
	get "/sessions/$(grep -m 1 '^b-' ids)"
	expect_status 200
}

@test "behind nginx, set up as the documentation says, 1,000 requests reach their session's node" {
	start_nginx
	route_thousand
	lose_a
}

@test "behind HAProxy, set up as the documentation says, 1,000 requests reach their session's node" {
	start_haproxy
	route_thousand
	lose_a
}

@test "on Fly.io a request for another node's session is sent there by fly-replay, any other is not" {
	FLY_MACHINE_ID=148e21f9b5d389 start_server
	uuid=00000000-0000-4000-8000-000000000000
	get "/sessions/6e8229ea5d8987-$uuid"
	expect_status 404
	grep -qi '^fly-replay: instance=6e8229ea5d8987$' <<<"$head"
	get "/sessions/148e21f9b5d389-$uuid"
	expect_status 404
	run ! grep -qi fly-replay <<<"$head"
	get "/sessions/$uuid"
	run ! grep -qi fly-replay <<<"$head"
	post /sessions '{}'
	[[ $(json .session_id) == 148e21f9b5d389-* ]]
}
