# client.bash - for tests of the server: a client in Python, where curl is too well-behaved
# shellcheck shell=bash disable=SC2154 # PORT and SERVER_PID are helper.bash's

# The process that faces the network: SERVER_PID is the launcher, its parent.
front_pid() {
	local pid
	for pid in $(cat "/proc/${1:-$SERVER_PID}/task/"*/children); do
		# A sandbox's pid 1 has a pid namespace of its own, a keeper another name.
		if [[ $(readlink "/proc/$pid/ns/pid") == "$(readlink /proc/self/ns/pid)" &&
			$(<"/proc/$pid/comm") != opensandbox-kee ]]; then
			echo "$pid"
			return
		fi
	done
	return 1
}

# python_client CODE: with connect() and ask(bytes) → everything until the server closes.
python_client() {
	need python3
	PYTHONDONTWRITEBYTECODE=1 python3 - "$PORT" "$@" <<-CODE
		import json, os, re, select, socket, struct, sys, threading, time
		port = int(sys.argv[1])
		def connect():
		    return socket.create_connection(("127.0.0.1", port), 60)
		def rest(c):
		    reply = b""
		    while True:
		        try:
		            more = c.recv(65536)
		        except ConnectionResetError:
		            return reply
		        if not more:
		            return reply
		        reply += more
		def ask(data):
		    c = connect()
		    c.sendall(data)
		    return rest(c)
		def one(c):
		    "One reply with a Content-Length: its status, head and body."
		    reply = b""
		    while b"\r\n\r\n" not in reply:
		        more = c.recv(1)
		        if not more:
		            raise SystemExit("closed after %r" % reply)
		        reply += more
		    length = int(re.search(rb"(?i)content-length: (\d+)", reply).group(1))
		    body = b""
		    while len(body) < length:
		        body += c.recv(length - len(body))
		    return int(reply.split()[1]), reply, body
		def post(path, body, more=""):
		    body = body if isinstance(body, bytes) else json.dumps(body).encode()
		    return ("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
		        "Content-Length: %d\r\n%s\r\n" % (path, len(body), more)).encode() + body
		def check(value, what):
		    if not value:
		        raise SystemExit("not so: " + what)
		$(cat)
	CODE
}
