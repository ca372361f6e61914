#!/usr/bin/env bats
# escape.bats - lines 24 to 45: ways out of a sandbox, and into the kernel

bats_require_minimum_version 1.5.0
load attacks

setup_file() {
	export OPENSANDBOX_SECRET=dont-tell-4711
	start_attacked
}

@test "no descriptor and no directory of the host is inherited" {
	exec 7<"/" 8<"/etc/passwd"
	refused $'0 plain\n1 plain\n2 plain\ncwd /' -- /attacks/attack fds
	exec 7<&- 8<&-
}

@test "a working directory by way of a descriptor is refused" {
	local path
	for path in /proc/self/fd/7 /proc/self/fd/3/../../etc /proc/1/cwd /proc/1/root /proc/self/fd/0; do
		post /run "$(jq -nc --arg cwd "$path" '{command: ["pwd"], cwd: $cwd}')"
		expect_status 400
		attempt --cwd "$path" -- pwd
		[[ $exit_code != 0 && -z $output ]]
	done
}

@test "the binary of pid 1 cannot be written, nor run for anything by a script that names it" {
	local what before refusal=EACCES said='Permission denied'
	# An ordinary user's own, and refused for being run.
	[[ $(id -u) = 0 ]] || refusal=ETXTBSY said='Text file busy'
	before=$(sha256sum <"$OPENSANDBOX"; stat -c '%a %u %g %s %Y' "$OPENSANDBOX")
	# It runs, as the user, and gives nothing for it.
	for what in '#!/proc/self/exe --version:exited 2' '#!/proc/1/exe:exec_failed 126' '#!/proc/self/exe --run:exited 125' \
		'#!/proc/self/exe --no-userns:exited 2'; do
		post /run "$(jq -nc --arg text "${what%:*}" '{command: ["/tmp/x", "--", "sh", "-c", "echo out; id -u"],
			files: {"/tmp/x": {content: $text, encoding: "utf-8", mode: "0755"}}}')"
		expect_status 200
		expect "$(json '"\(.status) \(.exit_code)"')" "${what#*:}" "$what"
		expect_json .stdout ''
	done
	api -- /proc/self/exe --run --result /proc/self/exe -- true
	expect_match "$(json .stderr)" "^opensandbox: /proc/self/exe: $said"
	refused "/proc/self/exe $refusal"$'\n/proc/1/exe ENOENT' -- /attacks/attack write /proc/self/exe /proc/1/exe
	expect "$(sha256sum <"$OPENSANDBOX"; stat -c '%a %u %g %s %Y' "$OPENSANDBOX")" "$before" 'the binary'
}

@test "nothing in /proc that acts on the host can be written" {
	local names='/proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /proc/sys/vm/overcommit_memory
		/proc/sys/net/ipv4/ip_forward /proc/sysrq-trigger /proc/irq/default_smp_affinity
		/proc/pressure/memory /proc/pressure/cpu /proc/sys/kernel/ns_last_pid /proc/1/oom_score_adj
		/proc/scsi/scsi /proc/acpi/wakeup /proc/mtrr /proc/latency_stats /proc/fs/nfsd /proc/bus/pci/devices'
	# shellcheck disable=SC2086 # words on purpose
	api -- /attacks/attack write $names
	none_works "$(json .stdout)"
	# shellcheck disable=SC2086 # words on purpose
	attempt --no-userns --bind "$ATTACKS:/attacks" -- /attacks/attack write $names
	none_works "$output"
	refused '/proc/sys/kernel/ns_last_pid EROFS' -- /attacks/attack write /proc/sys/kernel/ns_last_pid
}

@test "nothing in /proc that tells the kernel's secrets can be read" {
	api -- /attacks/attack read /proc/kcore /proc/kmsg /proc/keys /proc/key-users /proc/timer_list \
		/proc/sched_debug /proc/slabinfo /proc/vmallocinfo /proc/pagetypeinfo
	none_works "$(json .stdout)"
	attempt -- sh -c 'grep -v "^0*  *" /proc/kallsyms | head -n 1'
	expect "$output" ''
}

@test "there is no /sys, no control group and no socket of the host" {
	refused "$(printf '%s ENOENT\n' /sys /sys/fs/cgroup /sys/kernel/uevent_helper /var/run/docker.sock \
		/run/docker.sock /run/systemd/private /run/dbus/system_bus_socket /etc/shadow /root/.ssh)" \
		-- /attacks/attack open /sys /sys/fs/cgroup /sys/kernel/uevent_helper /var/run/docker.sock \
		/run/docker.sock /run/systemd/private /run/dbus/system_bus_socket /etc/shadow /root/.ssh
	attempt -- sh -c 'cut -d: -f3 /proc/self/cgroup | sort -u'
	expect "$output" /
}

@test "mount, umount, remount and pivot_root fail, by old names and by new" {
	refused "$(printf '%s EPERM\n' mount bind remount shared umount umount2 pivot_root
		printf '%s ENOSYS\n' fsopen open_tree move_mount fspick mount_setattr)" -- /attacks/attack mount
}

@test "chroot fails, and dot-dot leads no higher than the root" {
	refused $'chroot EPERM\nfchdir ok\nstill inside' -- /attacks/attack chroot
}

@test "no device can be made, and no file opened by its handle" {
	refused "$(printf '%s EPERM\n' block mem kmsg open_by_handle_at)" -- /attacks/attack device
}

@test "a set-user-ID program of the host gains nothing" {
	# Ids that are not mapped are refused as no ids, before any right is asked for.
	local unmapped=EPERM
	[[ $(id -u) = 0 ]] || unmapped=EINVAL
	# Its uid is 1000, and without a user namespace another one every time.
	refused "$(printf '%s\n' "setuid $unmapped" "setgid $unmapped" 'setgroups EPERM' "setreuid $unmapped" 'capset EPERM' 'ambient EPERM'
		printf 'no_new_privs 1\nuid own own, groups 0')" -- sh -c '/attacks/attack gain | sed "s/ $(id -u)/ own/g"'
	# The loader of glibc tells nothing to a program that has gained something.
	attempt -- sh -c 'for p in /usr/bin/env $(find /usr/bin /usr/sbin -perm /6000 -type f); do
		LD_SHOW_AUXV=1 $p --help </dev/null | grep -q "^AT_SECURE: *0$" || echo $p; done 2>/dev/null'
	[[ $output == /usr/bin/env* ]] || expect "$output" '' 'what gains something'
	attempt -- sh -c 'grep -E "^Cap(Prm|Eff|Inh|Bnd|Amb)" /proc/self/status | grep -vc 0000000000000000'
	expect "$output" 0
	attempt -- sh -c 'while read -r _ _ _ _ point options _; do case $point in /usr|/bin|/lib*|/sbin|/)
		case $options in *nosuid*) ;; *) echo "$point $options" ;; esac ;; esac; done </proc/self/mountinfo'
	expect "$output" ''
}

@test "no namespace can be made or entered" {
	local kind expected=
	for kind in user mount pid net ipc uts cgroup; do
		expected+="unshare $kind EPERM"$'\n'"clone $kind EPERM"$'\n'
	done
	refused "$expected"$'unshare time EPERM\nclone3 ENOSYS\nsetns EPERM' -- /attacks/attack namespace
}

@test "keyrings, bpf, perf, userfaultfd, io_uring and the like are refused" {
	refused "$(printf '%s EPERM\n' bpf perf_event_open
		printf '%s ENOSYS\n' userfaultfd io_uring_setup io_uring_enter add_key request_key keyctl
		printf '%s EPERM\n' fanotify_init process_vm_readv kcmp
		printf '%s ENOSYS\n' io_setup memfd_secret
		printf 'personality EPERM')" -- /attacks/attack kernel
}

@test "sockets of all families but UNIX, INET, INET6 and NETLINK route are refused, and raw ones" {
	refused "$(for type in 1 2 3 5; do echo "family 1 type $type opens"; done
		for type in 1 2; do echo "family 2 type $type opens"; done
		for type in 1 2; do echo "family 10 type $type opens"; done
		for type in 2 3; do echo "family 16 type $type opens"; done
		printf '%s opens\n' 'stream protocol 6' 'datagram protocol 17'
		printf '%s EPROTONOSUPPORT\n' raw ping 'raw by IPv6' 'raw with the high half set' 'SCTP by its type' 'DCCP by its type'
		printf 'a module EPERM\n%.0s' 1 2 3 4 5 6 7 8 9
		printf '%s EAFNOSUPPORT\n' packet 'packet by inet')" -- /attacks/attack socket
}

@test "nothing can be typed into a terminal, also with the high half of the command set" {
	local call expected=
	for call in TIOCSTI 'TIOCSTI with the high half set' TIOCLINUX 'TIOCLINUX with the high half set' \
		TIOCCONS TIOCSETD; do
		expected+="$call EPERM"$'\n'
	done
	expected+=$'/dev/tty ENXIO\n/dev/console ENOENT\n/dev/tty0 ENOENT'
	refused "$expected" -- /attacks/attack terminal
}

@test "a terminal that --run was given is no controlling terminal inside, and takes no typed input" {
	need script
	script -qec "'$OPENSANDBOX' --run --bind '$ATTACKS:/attacks' -- /attacks/attack terminal given" /dev/null \
		</dev/null >"$BATS_TEST_TMPDIR/typed"
	tr -d '\r' <"$BATS_TEST_TMPDIR/typed" >"$BATS_TEST_TMPDIR/plain"
	grep -q '^TIOCSTI EPERM$' "$BATS_TEST_TMPDIR/plain"
	grep -q '^/dev/tty ENXIO$' "$BATS_TEST_TMPDIR/plain"
	none_works "$(cat "$BATS_TEST_TMPDIR/plain")"
}

@test "what remains: a terminal that --run was given can be read, written to and set, and stays as it was set" {
	need script
	script -qec "stty echo; '$OPENSANDBOX' --run -- sh -c 'printf \\\\033c; stty -echo'; stty -a" /dev/null </dev/null >"$BATS_TEST_TMPDIR/terminal"
	grep -q -w -e '-echo' "$BATS_TEST_TMPDIR/terminal"
	grep -q $'\033c' "$BATS_TEST_TMPDIR/terminal"
	# By pipes nothing of it is reached.
	script -qec "stty echo; true | '$OPENSANDBOX' --run -- sh -c 'stty -echo; for fd in 0 1 2; do test -t \$fd && echo terminal; done; echo none' \
		2>&1 | cat; stty -a" /dev/null </dev/null >"$BATS_TEST_TMPDIR/terminal"
	run ! grep -q -w -e '-echo' "$BATS_TEST_TMPDIR/terminal"
	grep -q '^none' "$BATS_TEST_TMPDIR/terminal"
	run ! grep -q '^terminal' "$BATS_TEST_TMPDIR/terminal"
}

@test "clock, swap, reboot, kexec, modules, ports and the kernel's log are out of reach" {
	[[ $(uname -m) = x86_64 ]] || skip 'the list is of x86-64'
	refused "$(printf '%s EPERM\n' clock_settime settimeofday adjtimex swapon swapoff reboot kexec_load init_module \
		finit_module delete_module syslog acct sethostname setdomainname quotactl vhangup iopl ioperm modify_ldt)" \
		-- /attacks/attack machine
}

@test "the host's loopback, its abstract sockets, the server and the metadata address are out of reach" {
	local name=opensandbox-test-$$ holder
	python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX); s.bind("\0" + sys.argv[1]); s.listen(9); print("up", flush=True); time.sleep(30)' \
		"$name" >"$BATS_TEST_TMPDIR/holder" 3>&- &
	holder=$!
	try_for 10 grep -q up "$BATS_TEST_TMPDIR/holder"
	refused $'127.0.0.1 ECONNREFUSED\n169.254.169.254 ENETUNREACH\n8.8.8.8 ENETUNREACH' \
		-- /attacks/attack connect 127.0.0.1 "$PORT" 169.254.169.254 80 8.8.8.8 53
	refused "@$name ECONNREFUSED" -- /attacks/attack connect_unix "@$name"
	kill "$holder"
}

# The abstract names that a process has bound.
abstract_names_of() {
	find "/proc/$1/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n' |
		awk 'NR == FNR { mine[$1] = 1; next } $7 in mine && $8 ~ /^@/ { print $8 }' - /proc/net/unix
}

@test "on the host's network the launcher's abstract socket takes no connection, no message and no descriptor" {
	local name first port
	[[ $EUID = 0 ]] || skip "an ordinary user's launcher has no uids to lock"
	start_server --log none --network host --bind "$ATTACKS:/attacks"
	name=$(abstract_names_of "$SERVER_PID")
	expect_match "$name" '^@opensandbox-uids-[0-9]+$'
	api '{"network": "host"}' -- /attacks/attack send_unix "$name" "@nobody-has-this-$$"
	expect_json .stdout "$(printf '%s\n' 'stream ECONNREFUSED' 'seqpacket ECONNREFUSED' 'datagram ECONNREFUSED' \
		'stream ECONNREFUSED' 'seqpacket ECONNREFUSED' 'datagram ECONNREFUSED')"
	first=${name##*-}
	port=127.$((first >> 24 & 255)).$((first >> 16 & 255)).$((first >> 8 & 255))
	api '{"network": "host"}' -- /attacks/attack connect "$port" 4
	expect_json .stdout "$port ECONNREFUSED"
	[[ -z $(abstract_names_of "$(pgrep -o -P "$SERVER_PID")") ]]
}

@test "the server's environment, arguments and other processes cannot be read" {
	# shellcheck disable=SC2016 # expanded there
	local look='cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr "\0" "\n"; env; echo /proc/[0-9]*'
	tells() {
		expect_match "$1" 'PATH=.*PATH=.*/proc/([2-9]|[1-9][0-9]+)$' && [[ $1 != *dont-tell-4711* && $1 != *state-dir* && $1 != *"$STATE_DIR"* ]]
	}
	attempt -- sh -c "$look"
	tells "$output"
	api -- sh -c "$look"
	tells "$(json .stdout)"
	in_session "$SESSION" -- sh -c "$look"
	tells "$(json .stdout)"
}

@test "what is read-only stays so: by path, by descriptor, by map, by chmod" {
	local path before
	before=$(sha256sum /usr/bin/env /etc/passwd; stat -c '%n %a %u %Z' /usr/bin/env /etc/passwd)
	for path in /usr/bin/env /etc/passwd; do
		attempt --bind "$ATTACKS:/attacks" -- /attacks/attack read_only "$path"
		none_works "$output"
		expect "$(wc -l <<<"$output")" 10 'what was tried'
		api -- /attacks/attack read_only "$path"
		none_works "$(json .stdout)"
		expect "$(json .stdout | sed '/^$/d' | wc -l)" 10 'what was tried'
	done
	api -- sh -c 'for d in /usr /usr/bin /etc /dev /proc /proc/sys /lib; do touch $d/planted 2>/dev/null && echo "$d"; done; echo tried'
	expect_json .stdout tried
	expect "$(sha256sum /usr/bin/env /etc/passwd; stat -c '%n %a %u %Z' /usr/bin/env /etc/passwd)" "$before" 'what is the host'"'"'s'
}

@test "a directory bound read-only stays so, however it is approached" {
	local shown=$BATS_TEST_TMPDIR/shown
	mkdir -m 777 "$shown"
	chmod 755 "$BATS_TEST_TMPDIR"
	echo mine >"$shown/file"
	chmod 666 "$shown/file"
	attempt --bind "$shown:/shown" --bind "$ATTACKS:/attacks" -- sh -c '
		echo x >/shown/file; touch /shown/new; /attacks/attack read_only /shown/file'
	none_works "$output"
	expect_match "$output" '^open rw EROFS'
	expect "$(cat "$shown"/*; stat -c '%a %s' "$shown/file")" $'mine\n666 5'
}

@test "a root directory whose directories are links shows nothing of the host's, and is not written to" {
	local tree=$BATS_TEST_TMPDIR/root canary=$BATS_TEST_TMPDIR/canary name
	mkdir -m 777 "$tree" "$canary"
	chmod 755 "$BATS_TEST_TMPDIR"
	echo host-4714 >"$canary/secret"
	touch "$canary/ptmx" "$canary/passwd"
	chmod 666 "$canary"/*
	# Absolute, and out of the tree.
	for name in dev proc tmp home; do ln -s "$canary" "$tree/$name"; done
	for name in etc usr var lib; do ln -s ../canary "$tree/$name"; done
	mkdir "$tree/programs"
	cp "$ATTACKS/attack" "$tree/programs"
	attempt --rootfs "$tree" -- /programs/attack read /dev/secret /proc/secret /tmp/secret /home/secret /etc/secret /usr/secret /var/secret /lib/secret "$canary/secret"
	none_works "$output"
	attempt --rootfs "$tree" -- /programs/attack write /dev/passwd /etc/passwd /usr/ptmx /var/ptmx /lib/ptmx "$tree/programs/attack" /programs/attack
	none_works "$output"
	expect "$(cat "$canary"/* && ls -A "$canary")" $'host-4714\npasswd\nptmx\nsecret' 'the directory that links name'
	expect "$(ls -A "$tree")" $'dev\netc\nhome\nlib\nproc\nprograms\ntmp\nusr\nvar' 'the root directory'
}

@test "no field of a request names a directory, a root, a user or a device of the host" {
	local field path requests=() refused
	for field in bind binds mount mounts volume volumes rootfs root image device devices user uid userns privileged \
		cap_add seccomp cgroup pid ipc state_dir; do
		for path in run sessions "sessions/$SESSION/run"; do
			requests+=(--next -sS -o - -w '%{http_code}\n' -H 'Content-Type: application/json' -d "{\"command\": [\"true\"], \"$field\": \"/\"}")
			[[ $path != sessions ]] || requests[-1]="{\"$field\": \"/\"}"
			requests+=("$URL/$path")
		done
		refused+="$field"$'\n'"$field"$'\n'"$field"$'\n'
	done
	curl "${requests[@]:1}" >"$BATS_TEST_TMPDIR/answers"
	expect "$(jq -r 'if type == "number" then select(. != 400) else select(.code == "invalid_request").field end' \
		"$BATS_TEST_TMPDIR/answers")"$'\n' "$refused" 'what is refused, and with another status than 400'
}

@test "what a root directory has in place of a sandbox's own, a false /proc among it, is neither seen nor written to" {
	local tree=$BATS_TEST_TMPDIR/root option name own=(proc sys dev etc tmp home root run mnt media boot lost+found)
	mkdir -p "$tree/proc/self/attr" "$tree/proc/1/attr" "$tree/proc/sys/kernel" "$tree/proc/thread-self" "$tree/programs"
	chmod 755 "$BATS_TEST_TMPDIR"
	tee "$tree/proc/sys/kernel/ns_last_pid" "$tree"/proc/{self,1,thread-self}/{oom_score_adj,uid_map,gid_map,setgroups,status,cgroup} \
		"$tree"/proc/{self,1}/attr/{exec,current} </dev/null
	for name in "${own[@]}"; do
		mkdir -p "$tree/$name"
		echo false >"$tree/$name/false"
	done
	chmod -R a+rwX "$tree"
	touch -d '2001-01-01' "$BATS_TEST_TMPDIR/before"
	find "$tree" -exec touch -h -r "$BATS_TEST_TMPDIR/before" {} +
	cp "$ATTACKS/attack" "$tree/programs"
	for option in '' --no-userns; do
		[[ -z $option || $EUID = 0 ]] || continue
		# shellcheck disable=SC2086 # no word or one
		attempt $option --rootfs "$tree" -- /programs/attack read /proc/self/status /proc/self/mountinfo "${own[@]/%//false}"
		expect "$output" $'/proc/self/status ok\n/proc/self/mountinfo ok\n'"$(printf '%s/false ENOENT\n' "${own[@]}")"
	done
	expect "$(find "$tree" -newer "$BATS_TEST_TMPDIR/before" ! -path "$tree/programs*")" '' 'what was written'
}
