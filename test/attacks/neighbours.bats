#!/usr/bin/env bats
# neighbours.bats - lines 42 and 55: two sandboxes and two sessions on one server, against each other

load attacks

setup_file() {
	start_attacked
	OTHER=$(new_session '{"ttl": 36000}')
	export OTHER
}

# holder PATH: a run that takes each name; what came of that is in `held`.
holder() {
	post "$1" "$(body_of '{"wall_time": 600000}' /attacks/attack meet make "$(slow 7)" "$word")"
	json .stdout >"$BATS_TEST_TMPDIR/held"
}

# All names are taken, by a program that goes on.
holds() {
	[[ $(count_with_word "$word") = 1 ]]
}

all_met=$'abstract ok\nport ok\nsysv shm ok\nposix shm ok\nmqueue ok\nfile ok'
nothing_met=$'abstract ECONNREFUSED\nport ECONNREFUSED\nsysv shm ENOENT\nposix shm ENOENT\nmqueue ENOENT\nfile ENOENT'

@test "a sandbox meets another at no name: sockets, ports, memory, queues, files" {
	local path held word=attack-meet-$$
	for path in "/sessions/$SESSION/run" /run; do
		holder "$path" &
		held=$!
		try_for 5 holds
		sleep 0.5
		api -- /attacks/attack meet look
		expect_json .stdout "$nothing_met"
		in_session "$OTHER" -- /attacks/attack meet look
		expect_json .stdout "$nothing_met"
		attempt --bind "$ATTACKS:/attacks" -- /attacks/attack meet look
		expect "$output" "$nothing_met"
		kill -0 "$held"
		wait "$held"
		expect "$(<"$BATS_TEST_TMPDIR/held")" "$all_met" "what was held by $path"
	done
	# Within a sandbox each of them is found.
	api -- sh -c '/attacks/attack meet make 5 >/dev/null & until [ -e /tmp/meet ]; do sleep 0.1; done; /attacks/attack meet look'
	expect_json .stdout "$all_met"
}

@test "a network namespace that was made ahead goes to one session, and is never the host's" {
	local round i names running
	for round in 1 2 3; do
		running=()
		# At the same time, since the kernel gives the number of one that is gone to the next.
		for i in 1 2 3; do
			(
				id=$(new_session '{"ttl": 60}')
				curl -s --max-time "$(slow 60)" -H 'Content-Type: application/json' "$URL/sessions/$id/run" -d "$(body_of \
					'{"wall_time": 20000}' sh -c 'readlink /proc/self/ns/net; grep -v -e lo: -e "|" /proc/net/dev; sleep 2')"
			) | jq -r .stdout >"$BATS_TEST_TMPDIR/net.$i" &
			running+=($!)
		done
		wait "${running[@]}"
		names=$(readlink /proc/self/ns/net; cat "$BATS_TEST_TMPDIR"/net.*)
		expect "$(grep -c . <<<"$names") $(sort -u <<<"$names" | grep -c '^net:')" '4 4' 'names, and different ones'
	done
}

@test "the test of names sees what is there: runs of one session share a loopback and files" {
	local word=attack-meet-own-$$
	in_session "$OTHER" '{"wall_time": 600000}' -- /attacks/attack meet make "$(slow 9)" "$word" >/dev/null &
	local held=$!
	try_for 5 holds
	sleep 0.5
	in_session "$OTHER" -- /attacks/attack meet look
	expect_match "$(json .stdout)" $'abstract ok\nport ok\n'
	expect_match "$(json .stdout)" 'file ok'
	wait "$held"
}

@test "a sandbox sees, signals and traces no process of another" {
	local expected pids sleeper seconds
	# Nobody else's.
	seconds=$(slow 8).0$$
	{
		in_session "$SESSION" '{"wall_time": 600000}' -- sleep "$seconds"
		json .status >"$BATS_TEST_TMPDIR/slept"
	} &
	sleeper=$!
	try_for 3 pgrep -x -f "sleep $seconds"
	api -- sh -c 'for p in /proc/[0-9]*; do read -r name <$p/comm && echo $name; done'
	expect_json .stdout sh
	# The host's pids of the other, and small ones.
	pids=$(pgrep -x -f "sleep $seconds" | tr '\n' ' ')
	# shellcheck disable=SC2086 # words on purpose
	api -- /attacks/attack signal $pids
	[[ -n $pids ]]
	expected=$(for _ in $pids; do printf '%s ESRCH\n' kill ptrace prlimit getpgid; done)
	expect "$(json .stdout | grep -v pidfd_open | sed '/^$/d')" "$expected"
	# shellcheck disable=SC2086 # words on purpose
	in_session "$OTHER" -- /attacks/attack signal $pids
	expect "$(json .stdout | grep -v pidfd_open | sed '/^$/d')" "$expected" 'from a session'
	in_session "$OTHER" -- sh -c 'kill -9 -1; true'
	api -- sh -c 'kill -9 -1; true'
	wait "$sleeper"
	expect "$(<"$BATS_TEST_TMPDIR/slept")" exited 'the end of the other'
}

@test "two sandboxes at once have two uids on the host, and pid 1 has one of its own" {
	local word=attack-uids-$$ uids runs=()
	api '{"wall_time": 600000}' -- sh -c "sleep $(slow 9); :" "$word" >/dev/null &
	runs+=($!)
	in_session "$SESSION" '{"wall_time": 600000}' -- sh -c "sleep $(slow 9); :" "$word" >/dev/null &
	runs+=($!)
	in_session "$OTHER" '{"wall_time": 600000}' -- sh -c "sleep $(slow 9); :" "$word" >/dev/null &
	runs+=($!)
	three() {
		[[ $(count_with_word "$word") = 3 ]]
	}
	try_for 7 three
	uids=$(for pid in $(pgrep -x -f "sh -c sleep $(slow 9); : $word"); do
		awk '$1 == "Uid:" { print $2 }' "/proc/$pid/status"
		awk '$1 == "Uid:" { print $2 }' "/proc/$(awk '$1 == "PPid:" { print $2 }' "/proc/$pid/status")/status"
	done | sort -u)
	wait "${runs[@]}"
	if [[ $EUID != 0 ]]; then
		expect "$uids" "$EUID" "an ordinary user's uids"
		return
	fi
	expect "$(wc -l <<<"$uids")" 6 'the uids'
	expect "$(awk '$1 < 1879048192' <<<"$uids")" '' 'uids that somebody may have'
}

@test "a session's files are no other's, and are gone with it" {
	local id
	in_session "$SESSION" -- sh -c 'echo secret-4712 >/tmp/mine; chmod 777 /tmp/mine; cp /tmp/mine /dev/shm/mine; cat /dev/shm/mine'
	expect_json .stdout secret-4712
	in_session "$OTHER" -- sh -c 'cat /tmp/mine /dev/shm/mine; find / -name mine 2>/dev/null'
	expect_json .stdout ''
	api -- sh -c 'find / -name mine 2>/dev/null'
	expect_json .stdout ''
	id=$(new_session '{"disk": 4096}')
	in_session "$id" -- sh -c 'echo x >/tmp/mine'
	get "/sessions/$id/files/tmp/mine"
	expect_status 200
	request DELETE "/sessions/$id"
	expect_status 204
	get "/sessions/$id/files/tmp/mine"
	expect_status 404
}

@test "a run leaves nothing to the next one, however it hides it" {
	local i
	api -- sh -c 'echo hidden >/tmp/left; echo hidden >/dev/shm/left; mkdir /home/user/.left; (sleep 60 &) ; exec 3<>/tmp/left; echo made'
	expect_json .stdout made
	for i in 1 2 3; do
		api -- sh -c 'find / -xdev -name "*left*" 2>/dev/null; find /dev/shm/ /dev/mqueue/ -mindepth 1; cat /proc/sysvipc/* | grep -c "^ *[0-9]"'
		expect_json .stdout $'0'
	done
}

@test "a message queue that was hidden by going round all ids is not there in the next run" {
	local i
	# pid 1 is told of each of them, and of the first already; what is left after one is asked for in reuse.bats.
	[[ -n ${LONG:-} ]] || skip 'four million calls: with LONG=1'
	REQUEST_SECONDS=400
	api '{"time": 300000, "wall_time": 390000}' -- /attacks/attack plant
	expect_json .stdout $'round'
	for i in 1 2 3; do
		api -- /attacks/attack plant look
		expect_json .stdout $'queue ENOENT'
	done
}

# The uids that the processes named by a word have on the host.
uids_with_word() {
	local file
	for file in $(grep -l -z -x -F -- "$1" /proc/[0-9]*/cmdline 2>/dev/null); do
		# Root's are the test's own: whoever writes the request has the word as well.
		awk '$1 == "Uid:" && $2 != 0 { print $2 }' "${file%cmdline}status" 2>/dev/null
	done | sort -u
}

two_uids() {
	uids=$(uids_with_word "$1")
	[[ $(wc -l <<<"$uids") = 2 ]]
}

@test "two servers take different uids" {
	local word=attack-servers-$$ first
	own_uids
	api '{"wall_time": 600000}' -- sh -c "sleep $(slow 9); :" "$word" >/dev/null &
	first=$!
	start_server --log none
	api '{"wall_time": 600000}' -- sh -c "sleep $(slow 9); :" "$word" >/dev/null &
	try_for 7 two_uids "$word"
	wait "$first"
	wait $!
}

@test "a uid is given to nobody else while its session's files are being deleted" {
	local word=attack-old-uid-$$ id old new i
	own_uids
	id=$(new_session)
	in_session "$id" '{"time": 60000, "wall_time": 60000}' -- sh -c 'cd /tmp; i=0; while [ $i -lt 30 ]; do mkdir d$i; (cd d$i; touch $(seq 400)); i=$((i + 1)); done'
	in_session "$id" '{"wall_time": 20000}' -- sh -c 'sleep 30; :' "$word" >/dev/null &
	local sleeper=$!
	try_for 10 old_uid "$word"
	request DELETE "/sessions/$id"
	expect_status 204
	wait "$sleeper" || :
	for i in 1 2 3; do
		id=$(new_session)
		in_session "$id" '{"wall_time": 20000}' -- sh -c 'sleep 1; :' "$word-$i" >/dev/null &
		sleeper=$!
		new=
		try_for 10 new_uid "$word-$i"
		expect "$(grep -c -x -F "$old" <<<"$new")" 0 'sessions with the uid of the one before'
		wait "$sleeper" || :
	done
}

old_uid() {
	old=$(uids_with_word "$1")
	[[ -n $old ]]
}

new_uid() {
	new=$(uids_with_word "$1")
	[[ -n $new ]]
}
