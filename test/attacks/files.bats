#!/usr/bin/env bats
# files.bats - lines 46 to 54: links, swaps and odd files where the privileged side, and the file routes, have to look

load attacks

setup_file() {
	start_attacked
	CANARY=$BATS_FILE_TMPDIR/canary
	mkdir -m 777 "$CANARY"
	echo host-4713 >"$CANARY/file"
	chmod 666 "$CANARY/file"
	export CANARY
}

setup() {
	watch_host
	id=$(new_session)
}

teardown() {
	expect "$(cat "$CANARY"/* && ls -A "$CANARY")" $'host-4713\nfile' 'a directory of the host'
	host_is_unharmed
	stop_left
}

# put PATH TEXT
put() {
	request PUT "/sessions/$id/files/$1" -H 'Content-Type: application/octet-stream' --data-binary "$2"
}

@test "an upload, a download and a deletion by a link lead nowhere outside" {
	in_session "$id" -- sh -c "mkdir -p /tmp/l; cd /tmp/l; ln -s $CANARY abs; ln -s ../../../../../../..$CANARY rel
		ln -s / root; ln -s /proc/1/root one; ln -s /proc/self/root self; ln -s /etc/shadow shadow; ln -s $CANARY/file file; ls | wc -l"
	expect_json .stdout 7
	local path host
	host=$(grep -v -E '^(root|user|nobody):' /etc/passwd | head -n 1)
	[[ -n $host ]]
	for path in abs/file rel/file root"$CANARY"/file one"$CANARY"/file self"$CANARY"/file file shadow one/etc/shadow; do
		get "/sessions/$id/files/tmp/l/$path"
		[[ $body != *host-4713* ]]
		put "tmp/l/$path" planted
		request DELETE "/sessions/$id/files/tmp/l/$path"
	done
	for path in self root; do
		get "/sessions/$id/files/tmp/l/$path/etc/passwd"
		[[ $body != *"$host"* ]]
	done
	request DELETE "/sessions/$id/files/tmp/l"
	expect_status 204
}

@test "copy_out and cwd by a link lead nowhere outside" {
	post /run "$(jq -nc --arg c "$CANARY" '{command: ["sh", "-c", "ln -s \($c)/file /tmp/a; ln -s /proc/1/root\($c)/file /tmp/b;
		ln -s /proc/self/environ /tmp/c; ln -s /proc/1/environ /tmp/d; ln -s / /tmp/e; echo own >/tmp/f; ln -s f /tmp/g"],
		copy_out: ["/tmp/a", "/tmp/b", "/tmp/c", "/tmp/d", "/tmp/e\($c)/file", "/etc/shadow", "/tmp/f"]}')"
	expect_status 200
	expect_json '.files | to_entries | map([.key, .value.content]) | map(select(.[1]))' '[["/tmp/f","own\n"]]'
	expect_json '.files | length' 7
	in_session "$id" -- sh -c "ln -sfn $CANARY /tmp/cwd"
	post "/sessions/$id/cwd" '{"cwd": "/tmp/cwd"}'
	expect_status 400
}

@test "a link swapped while files are uploaded, read and deleted leads nowhere outside" {
	local i swapper
	in_session "$id" -- sh -c 'mkdir -p /tmp/s/d; echo inside >/tmp/s/d/file'
	{
		post "/sessions/$id/run" "$(body_of '{"wall_time": 30000, "time": 30000}' /attacks/attack swap /tmp/s/d "$CANARY" 5)"
		json .stdout >"$BATS_TEST_TMPDIR/swapped"
	} &
	swapper=$!
	sleep 0.3
	local found=0
	for i in {1..40}; do
		put "tmp/s/d/file" inside
		get "/sessions/$id/files/tmp/s/d/file"
		[[ $body = inside || $status_code != 200 ]]
		[[ $status_code != 200 ]] || found=$((found + 1))
		request DELETE "/sessions/$id/files/tmp/s/d/other-$i"
	done
	wait "$swapper"
	# Both were there to be found, the directory and the link.
	expect "$(<"$BATS_TEST_TMPDIR/swapped")" swapping
	expect_between "$found" 1 39 'how often the file was there'
}

@test "mount points swapped for links while other runs of the session start make nothing outside" {
	local i swapper point
	in_session "$id" -- sh -c 'mkdir -p /tmp/x; for d in / /usr /etc /proc /dev; do mv $d $d.old 2>/dev/null && echo moved $d; done; true'
	expect_json .stdout ''
	# What is no mount point itself is the session's own: here /attacks' parent is the root, so a bind deeper down.
	stop_left
	local state=$BATS_TEST_TMPDIR/deep
	mkdir "$state"
	start_server --log none --bind "$ATTACKS:/attacks" --bind "$ATTACKS:/deep/er/attacks"
	id=$(new_session)
	in_session "$id" -- ls /deep/er/attacks/attack
	expect_json .exit_code 0
	{
		post "/sessions/$id/run" "$(body_of '{"wall_time": 30000, "time": 30000}' /attacks/attack swap /deep "$CANARY" 4)"
		json .stdout >"$BATS_TEST_TMPDIR/swapped"
	} &
	swapper=$!
	sleep 0.3
	local -A met=()
	for i in {1..15}; do
		post "/sessions/$id/run" "$(body_of '{}' true)"
		expect_match "$status_code" '^(200|500)$'
		met[$status_code]=1
	done
	wait "$swapper"
	expect "$(<"$BATS_TEST_TMPDIR/swapped")" swapping
	[[ -n ${met[500]:-} ]] || expect 'no link' 'a link' 'what runs have met'
	# And between two runs: a link in the place of a parent fails the run, and makes nothing.
	in_session "$id" -- sh -c "mv /deep /deep.moved && ln -s $CANARY /deep && readlink /deep"
	expect_json .stdout "$CANARY"
	post "/sessions/$id/run" "$(body_of '{}' ls /deep/er)"
	expect_status 500
	[[ ! -e $CANARY/er ]]
}

@test "hard links change nobody's owner or mode" {
	in_session "$id" -- sh -c 'ln /etc/passwd /tmp/p; ln /usr/bin/env /tmp/e; cd /tmp; echo a >a; chmod 600 a; ln a b; ls /tmp/p /tmp/e'
	expect_json .stdout ''
	put tmp/b replaced
	in_session "$id" -- sh -c 'cat /tmp/a; stat -c "%a %u" /tmp/a | sed "s/ $(id -u)$/ user/"'
	expect_json .stdout $'a\n600 user'
}

@test "a FIFO, a socket and a device where a file is expected are an error, at once" {
	local path
	in_session "$id" -- sh -c 'mkfifo /tmp/fifo; ln -s /dev/zero /tmp/zero; ln -s /dev/ptmx /tmp/ptmx; ln -s /tmp/fifo /tmp/link'
	for path in fifo zero ptmx link; do
		REQUEST_SECONDS=10 get "/sessions/$id/files/tmp/$path"
		expect_match "$status_code" '^4' "GET $path"
	done
	REQUEST_SECONDS=10 put tmp/fifo x
	expect_match "$status_code" '^4' 'PUT of a FIFO'
	post "/sessions/$id/run" "$(jq -nc '{command: ["true"], copy_out: ["/tmp/fifo", "/tmp/zero", "/tmp/ptmx"]}')"
	expect_status 200
	expect_json '[.files[]?.content // empty] | length' 0
}

@test "a tree 10^5 deep is made, and deleted" {
	local deep
	deep=$(new_session '{"disk": 1048576}')
	in_session "$deep" '{"time": 60000, "wall_time": 60000, "mem": 1048576}' -- /attacks/attack deep 100000
	expect_json .stdout $'100000 deep'
	request DELETE "/sessions/$deep/files/tmp/d"
	expect_status 204
	in_session "$deep" -- ls -A /tmp
	expect_json .stdout ''
	request DELETE "/sessions/$deep"
	expect_status 204
}

@test "many files are deleted with their session while the API answers" {
	local many
	many=$(new_session '{"disk": 1048576}')
	in_session "$many" '{"time": 60000, "wall_time": 90000, "mem": 2097152}' -- sh -c '
		cd /tmp && for d in 1 2 3 4 5 6 7 8; do mkdir $d; (cd $d; seq 1 12000 | xargs touch); done; echo made'
	expect_json .stdout $'made'
	watch_health
	request DELETE "/sessions/$many"
	expect_status 204
	sleep 1
	health_was 1000
}

@test "names that are no text are told as valid JSON, and directories of mode 000 are deleted" {
	in_session "$id" -- sh -c 'mkdir -p /tmp/n/shut/in; cd /tmp/n; touch -- "$(printf "new\nline")" "$(printf "bad\377utf")" "..x" "-rf" "\"q\\"
		chmod 000 shut/in shut'
	get "/sessions/$id/files/tmp/n"
	expect_status 200
	expect_json '.entries | length' 6
	request DELETE "/sessions/$id/files/tmp/n"
	expect_status 204
	get "/sessions/$id/files/tmp/n"
	expect_status 404
}

@test "a file that grows and shrinks while it is sent keeps the framing" {
	local i ended grown=0
	in_session "$id" -- sh -c 'head -c 3000000 /dev/zero >/tmp/moving'
	in_session "$id" '{"wall_time": 30000, "time": 30000}' -- sh -c '
		i=0; while [ $i -lt 300 ]; do i=$((i + 1)); head -c 100 /dev/zero >/tmp/moving; head -c 3000000 /dev/zero >>/tmp/moving; done' \
		>/dev/null &
	for i in {1..15}; do
		rm -f "$BATS_TEST_TMPDIR/next"
		# Nothing is written of a reply that is cut short before its first byte.
		: >"$BATS_TEST_TMPDIR/moved"
		# On one connection, unless the file's reply had to be cut short: what comes next begins where it ended.
		ended=$(curl -s -w '%{exitcode} ' -o "$BATS_TEST_TMPDIR/moved" --max-time 20 "$URL/sessions/$id/files/tmp/moving" \
			-o "$BATS_TEST_TMPDIR/next" "$URL/health") || :
		# Whole, or ended before its length (18) by a reset (56), never hanging (28) or with another's bytes (8).
		expect_match "$ended" '^(0|18|56) 0 $' "the downloads' ends"
		(($(stat -c %s "$BATS_TEST_TMPDIR/moved") <= 4000000))
		expect "$(tr -d '\0' <"$BATS_TEST_TMPDIR/moved")" '' 'what is sent but the bytes of the file'
		expect "$(cat "$BATS_TEST_TMPDIR/next")" OK
		(($(stat -c %s "$BATS_TEST_TMPDIR/moved") < 100000)) || grown=$((grown + 1))
		get /health
		expect_status 200
	done
	((grown > 0))
	kill %1 2>/dev/null || :
	wait
}

@test "a program that was uploaded runs at once" {
	local i
	for i in {1..10}; do
		post /run "$(jq -nc --arg i "$i" '{command: ["/tmp/run-me"], files: {"/tmp/run-me":
			{content: "#!/bin/sh\necho ran \($i)\n", encoding: "utf-8", mode: "0755"}}}')"
		expect_json .stdout "ran $i"
	done
	request PUT "/sessions/$id/files/tmp/bin?mode=0755" -H 'Content-Type: application/octet-stream' --data-binary @"$ATTACKS/attack"
	in_session "$id" -- /tmp/bin nothing
	expect_json .stderr 'attack: no such attack'
}

@test "files of a run cannot be written through a link to the outside, nor to pid 1" {
	local path before
	before=$(sha256sum /usr/bin/env /etc/passwd /proc/sys/kernel/core_pattern)
	for path in /proc/1/mem /proc/self/mem /proc/sys/kernel/core_pattern /usr/bin/env /etc/passwd /etc/planted /usr/planted; do
		post /run "$(jq -nc --arg path "$path" '{command: ["true"], files: {($path): "planted"}}')"
		expect_status 400
		expect_json .field files
		post /sessions "$(jq -nc --arg path "$path" '{files: {($path): "planted"}}')"
		expect_status 400
	done
	# A name of the host's is one of the sandbox's own tree.
	for path in "$CANARY/file" "/tmp/../..$CANARY/file"; do
		post /run "$(jq -nc --arg path "$path" '{command: ["cat", $path], files: {($path): "planted"}}')"
		expect_status 200
		expect_json .stdout planted
	done
	expect "$(sha256sum /usr/bin/env /etc/passwd /proc/sys/kernel/core_pattern)" "$before"
}
