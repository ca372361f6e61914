#!/usr/bin/env bats
# layers.bats - each protection seen by itself, where an attack alone would be stopped by the next one as well
#
# Most is read from /proc, as the kernel has it: from inside, or of pid 1 and the front from the host.
# shellcheck disable=SC2154 # body and output are the helpers'

load attacks

setup_file() {
	build_attacks layer attack
}

# Of a mountinfo: each mount's point, options, and type.
mounts() {
	awk '{ point = $5; options = $6; for (i = 7; $i != "-"; i++); print point, options, $(i + 1) }'
}

@test "every mount has its flags, and there is none that is not expected" {
	local point options type need missing flag
	attempt -- cat /proc/self/mountinfo
	while read -r point options type; do
		case $point:$type in
		/:tmpfs) need=nosuid,nodev,noatime ;;
		/usr:* | /usr/*:* | /bin:* | /sbin:* | /lib*:* | /nix:* | /nix/*:*) need=ro,nosuid,nodev ;;
		/etc:tmpfs | /etc/*:*) need=ro,nosuid,nodev,noexec ;;
		/dev:tmpfs) need=ro,nosuid,noexec ;;
		# The host's own, where mknod is refused: in an ordinary user's namespace.
		/dev/null:* | /dev/zero:* | /dev/full:* | /dev/random:* | /dev/urandom:* | /dev/tty:*)
			need=nosuid,noexec
			[[ $EUID != 0 ]] || expect "$point ($type)" 'a device that is made, not bound' ;;
		/dev/pts:devpts) need=nosuid,noexec,noatime ;;
		/dev/mqueue:mqueue) need=nosuid,nodev,noexec,noatime ;;
		/proc:proc) need=nosuid,nodev,noexec ;;
		/proc/sys:proc) need=ro,nosuid,nodev,noexec ;;
		/proc/*:tmpfs) need=ro,nosuid,nodev,noexec ;;
		*) expect "$point ($type)" 'a mount that is known here' ;;
		esac
		missing=
		for flag in ${need//,/ }; do
			[[ ,$options, == *,$flag,* ]] || missing+=" $flag"
		done
		expect "$missing" '' "what $point ($options) lacks"
	done < <(mounts <<<"$output")
	expect "$(grep -c ' / /proc .*hidepid=\(2\|invisible\)' <<<"$output")" 1 '/proc with hidepid'
	expect "$(grep -E 'shared:|master:|propagate_from:' <<<"$output")" '' 'what propagates'
	expect_match "$output" ' /dev/pts .*max=64'
}

@test "what tells of the host in /proc is masked, whoever asks" {
	local name
	attempt -- cat /proc/self/mountinfo
	for name in acpi kcore key-users keys kmsg sched_debug sysrq-trigger timer_list; do
		[[ -e /proc/$name ]] || continue
		expect "$(mounts <<<"$output" | awk -v point="/proc/$name" '$1 == point { print $3 }')" tmpfs "/proc/$name"
	done
	attempt -- stat -c '%a %s %u' /proc/keys
	# Root, who is nobody there; without a user namespace it is root itself.
	local owner=65534
	with_userns || owner=0
	# An ordinary user has one uid for all.
	[[ $EUID = 0 ]] || owner=1000
	expect "$output" "0 0 $owner"
}

@test "what masks a name of /proc cannot be changed or written, for the next run to read" {
	# shellcheck disable=SC2016 # expanded there
	local try='for name in /proc/keys /proc/kmsg /proc/acpi /proc/pressure; do
		[ -e $name ] || continue
		chmod 777 $name && echo "$name changed"
		if [ -d $name ]; then touch $name/left && echo "$name/left made"; else echo left >$name && cat $name; fi
	done 2>/dev/null; :'
	attempt -- sh -c "$try"
	expect_run exited 0
	expect "$output" ''
	[[ $EUID = 0 ]] || return 0
	# As an ordinary user's, where all has one uid and the masks were the command's own files.
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_FILE_TMPDIR/.." "$BATS_TEST_TMPDIR"
	cp "$OPENSANDBOX" "$BATS_TEST_TMPDIR/opensandbox"
	local as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups "$BATS_TEST_TMPDIR/opensandbox" --run --)
	"${as_user[@]}" true || skip 'no user namespaces for ordinary users here'
	expect "$("${as_user[@]}" sh -c "$try")" ''
}

@test "in every slot, and without a user namespace too, the command's uid and its files have a name" {
	local option id running
	# shellcheck disable=SC2016 # expanded there
	local look='id -un; id -gn; : >/tmp/own; stat -c "%U %G" /tmp/own /tmp; (echo x >>/etc/passwd) 2>/dev/null; wc -l </etc/passwd; sleep 1'
	local named=$'user\nuser\nuser user\nuser user\n3'
	for option in --no-reuse --no-userns; do
		[[ $option != --no-userns || $EUID = 0 ]] || continue
		start_server --log none "$option"
		running=()
		for id in 1 2 3; do
			curl -sS --max-time "$(slow 60)" -H 'Content-Type: application/json' "$URL/run" 3>&- \
				-d "$(body_of '{"wall_time": 20000}' sh -c "$look")" >"$BATS_TEST_TMPDIR/said.$id" &
			running+=($!)
		done
		id=$(new_session)
		in_session "$id" -- sh -c "$look"
		expect "$(json '.stdout | rtrimstr("\n")')" "$named" "$option: in a session"
		wait "${running[@]}"
		for id in 1 2 3; do
			expect "$(jq -r '.stdout | rtrimstr("\n")' "$BATS_TEST_TMPDIR/said.$id")" "$named" "$option: run $id"
		done
		stop_server
	done
}

@test "the kernel holds each limit as it was asked for" {
	attempt --time 3000 --fsize 77 --nofile 33 --stack 4096 -- cat /proc/self/limits
	limits() { sed -n "s/^Max $1  *\([a-z0-9]*\)  *\([a-z0-9]*\) .*/\1 \2/p" <<<"$output"; }
	expect "$(limits 'cpu time')" '5 6'
	expect "$(limits 'file size')" '78848 78848'
	expect "$(limits 'open files')" '33 33'
	# 1 is what the kernel takes for "no core, and no program that is told of it".
	expect_match "$(limits 'core file size')" '^(1 1|0 0)$'
	expect "$(limits 'locked memory')" '8388608 8388608'
	expect "$(limits 'stack size')" '4194304 unlimited'
	attempt --no-cgroup --mem 300000 --procs 50 -- cat /proc/self/limits
	expect "$(limits 'address space')" '307200000 307200000'
	expect "$(limits processes)" '50 50'
}

@test "no more processes run at once than the limit" {
	local started=5
	attempt --procs 6 --wall-time 20000 --bind "$ATTACKS:/attacks" -- /attacks/layer sleepers 20
	# RLIMIT_NPROC counts by uid, and an ordinary user's pid 1 has the command's.
	[[ $EUID = 0 || $(json .accounting) = cgroup ]] || started=4
	expect "$output" "$started started, then EAGAIN"
}

@test "memory over the limit ends a run, in files and in swap as well" {
	attempt --mem 32768 --wall-time 20000 --bind "$ATTACKS:/attacks" -- /attacks/layer touch 100
	if [[ $(json .accounting) != cgroup ]]; then
		# Without control groups it is the address space: the program is refused more, which is no verdict, and files are the disk's.
		expect_run exited 1
		expect "$output" ''
		attempt --mem 32768 --wall-time 20000 --bind "$ATTACKS:/attacks" -- /attacks/layer touch 20
		expect "$output" '20 MB'
		return 0
	fi
	expect_run memory_limit 124
	attempt --mem 32768 --wall-time 20000 -- head -c 100000000 /dev/zero
	expect_run exited 0
	attempt --mem 32768 --wall-time 20000 --fsize 200000 -- sh -c 'head -c 100000000 /dev/zero >/tmp/file; echo lived'
	expect_run memory_limit 124
}

# --- of processes, as the host sees them ---

# start_one ROLE [OPTION...]: by --run, by a server, or in a session of one: a command that waits, after what BEFORE says. Sets init and command, pids
# of the host.
start_one() {
	local role=$1 word=layer-$BATS_TEST_NUMBER-$$-$RANDOM
	shift
	if [[ $role = run ]]; then
		"$OPENSANDBOX" --run --wall-time 30000 "$@" -- sh -c 'sleep 20; :' "$word" </dev/null >/dev/null 2>&1 3>&- &
		RUN=$!
	else
		start_server --log none "$@"
		[[ $role = server ]] || URL=$URL/sessions/$(new_session)
		curl -sS -o /dev/null -H 'Content-Type: application/json' "$URL/run" 3>&- \
			-d "{\"command\": [\"sh\", \"-c\", \"${BEFORE:-:}; sleep 20; :\", \"$word\"]}" &
		RUN=$!
	fi
	command=
	find_command() {
		local file
		# The word is an argument of our own processes as well, but they are no shells.
		while read -r file; do
			file=${file%/cmdline}
			[[ $(cat "$file/comm" 2>/dev/null || :) != sh ]] || command=${file#/proc/}
		done < <(grep -l -z -x -F -- "$word" /proc/[0-9]*/cmdline 2>/dev/null)
		[[ -n $command ]]
	}
	try_for 30 find_command
	init=$(field_of "$command" PPid)
}

end_one() {
	kill "$RUN" 2>/dev/null || :
	wait "$RUN" || :
}

# field_of PID NAME: of /proc/PID/status.
field_of() {
	awk -v key="$2:" '$1 == key { $1 = ""; sub(/^ /, ""); print }' "/proc/$1/status"
}

expect_init() {
	local fd name other=''
	expect "$(field_of "$init" CapPrm) $(field_of "$init" CapEff)" "$1 $1" "pid 1's capabilities"
	expect "$(field_of "$init" CapInh) $(field_of "$init" CapBnd) $(field_of "$init" CapAmb)" \
		'0000000000000000 0000000000000000 0000000000000000' "pid 1's other sets"
	expect "$(field_of "$init" NoNewPrivs)" 1 no_new_privs
	expect "$(field_of "$init" Seccomp) $(field_of "$init" Seccomp_filters)" "2 $2" 'filters of pid 1'
	expect "$(field_of "$init" Groups)" '' 'groups of pid 1'
	# A process that is not dumpable has root's files in /proc (proc(5)).
	expect "$(stat -c %u:%g "/proc/$init/fd")" 0:0 'who may look into pid 1'
	expect "$(stat -c %u:%g "/proc/$init/mem")" 0:0 'who may look into pid 1'
	for fd in "/proc/$init/fd"/*; do
		name=$(readlink "$fd")
		case ${fd##*/}:$name in
		[02]:socket:* | 1:*pidfd* | [0-9]:anon_inode:?signalfd? | [0-9]:anon_inode:seccomp\ notify) ;;
		*:/*) [[ $2 = 1 ]] || other+=" $name" ;;	# what traces are looked for in, as the sandbox has it
		*) other+=" $name" ;;
		esac
	done
	expect "$other" '' 'what pid 1 has open'
	[[ $(field_of "$init" Uid) != "$(field_of "$command" Uid)" ]]
	[[ $(awk '{ print $2 }' <<<"$(field_of "$init" Uid)") -ge 1879048192 ]]
	[[ $(awk '{ print $2 }' <<<"$(field_of "$command" Uid)") -ge 1879048192 ]]
	expect "$(awk '$1 == "Uid:" || $1 == "Gid:" { print $2; print $3; print $4; print $5 }' "/proc/$init/status" | sort -u | wc -l)" 1 "pid 1's ids"
}

@test "pid 1 keeps no capability, has a filter of its own, and nothing open but what it waits for" {
	[[ $(id -u) = 0 ]] || skip 'needs root: as an ordinary user all has one uid'
	start_one run
	expect_init 0000000000000000 2
	end_one
	start_one run --no-userns
	expect_init 0000000000000000 2
	end_one
	start_one server --no-reuse
	expect_init 0000000000000000 2
	end_one
}

@test "a session's pid 1, which serves once, keeps no capability" {
	[[ $(id -u) = 0 ]] || skip 'needs root: as an ordinary user all has one uid'
	start_one session
	expect_init 0000000000000000 2
	end_one
}

@test "a pid 1 that serves again keeps three capabilities of its user namespace, and no other" {
	[[ $(id -u) = 0 ]] || skip 'needs root: as an ordinary user all has one uid'
	start_one server
	[[ $(readlink "/proc/$init/ns/user") != "$(readlink /proc/self/ns/user)" ]] || skip 'no user namespace here'
	expect_init 00000000000000e0 1
	end_one
}

@test "a pid 1 that serves again gives up its capabilities when it hears of a call that may leave traces" {
	[[ $(id -u) = 0 ]] || skip 'needs root: as an ordinary user all has one uid'
	BEFORE='/attacks/layer ask' start_one server --bind "$ATTACKS:/attacks"
	[[ $(readlink "/proc/$init/ns/user") != "$(readlink /proc/self/ns/user)" ]] || skip 'no user namespace here'
	asked() {
		[[ $(field_of "$init" CapPrm) != 00000000000000e0 ]]
	}
	try_for 10 asked
	expect_init 0000000000000000 1
	end_one
}

@test "every namespace of a sandbox is one of its own, that of users too" {
	local kind
	start_one run
	for kind in user pid mnt ipc uts net cgroup; do
		[[ -e /proc/self/ns/$kind ]] || continue
		[[ $kind != user || $(id -u) = 0 ]] || continue
		[[ $(readlink "/proc/$command/ns/$kind") != "$(readlink "/proc/self/ns/$kind")" ]] ||
			expect "the namespace of $kind" 'one of its own'
		# Pid 1 is not dumpable: root alone may look.
		[[ $(id -u) = 0 ]] || continue
		expect "$(readlink "/proc/$command/ns/$kind")" "$(readlink "/proc/$init/ns/$kind")" "that of pid 1: $kind"
	done
	# Two ids exist in it, pid 1's and the user's.
	[[ $(id -u) != 0 ]] || expect "$(awk '{ print $1, $3 }' "/proc/$command/uid_map")" $'0 1\n1000 1' 'the ids of it'
	end_one
}

@test "two runs at once have two uids on the host" {
	[[ $(id -u) = 0 ]] || skip 'needs root: as an ordinary user all has one uid'
	local word=layer-uids-$$-$RANDOM runs=()
	start_server --log none
	for _ in 1 2; do
		curl -sS -o /dev/null -H 'Content-Type: application/json' "$URL/run" 3>&- \
			-d "{\"command\": [\"sh\", \"-c\", \"sleep $(slow 4); :\", \"$word\"], \"wall_time\": 60000}" &
		runs+=($!)
	done
	uids() {
		grep -l -z -x -F -- "$word" /proc/[0-9]*/cmdline 2>/dev/null | while read -r file; do
			[[ $(<"${file%/cmdline}/comm") != sh ]] || awk '$1 == "Uid:" { print $2 }' "${file%/cmdline}/status"
		done
	}
	both() {
		[[ $(uids | wc -l) = 2 ]]
	}
	try_for 3 both
	expect "$(uids | sort -u | wc -l)" 2 'how many uids they have'
	wait "${runs[@]}"
}

@test "the front of --run has its streams and one socket open, and makes no process" {
	[[ $(id -u) = 0 ]] || skip 'needs root: else its descriptors cannot be seen'
	local front fd name other='' sockets=0
	start_one run
	front=$(tr ' ' '\n' <"/proc/$RUN/task/$RUN/children" | grep -v -x -e "$init" -e '' | head -n 1)
	for fd in "/proc/$front/fd"/*; do
		name=$(readlink "$fd") || continue
		case ${fd##*/}:$name in
		[012]:* | *:pipe:*) ;;
		*:socket:*) sockets=$((sockets + 1)) ;;
		*:/dev/null) ;;
		*) other+=" ${fd##*/}:$name" ;;
		esac
	done
	expect "$other" '' 'what else it has open'
	expect "$sockets" 1 'its sockets'
	expect "$(awk '/^Max processes/ { print $3, $4 }' "/proc/$front/limits")" '0 0'
	expect "$(stat -c %u "/proc/$front/fd")" 0
	expect "$(field_of "$front" CapBnd)" 0000000000000000
	end_one
}

# --- what was given, and no more ---

@test "a file that the command has as its input cannot be written by it, whoever may" {
	local file=$BATS_TEST_TMPDIR/given
	echo mine >"$file"
	chmod 666 "$file"
	INPUT=$file attempt -- sh -c 'cat; echo changed >/proc/self/fd/0; echo changed >/dev/stdin; : >>/proc/self/fd/0'
	expect "$output" mine
	expect "$(<"$file")" mine
	[[ $(id -u) = 0 ]] || return 0
	# Without root the command's uid is the caller's: the file's owner.
	chmod 755 "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR"
	cp "$OPENSANDBOX" "$BATS_TEST_TMPDIR/opensandbox"
	chmod 644 "$file"
	chown 65534 "$file"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$BATS_TEST_TMPDIR/opensandbox" --run -- \
		sh -c 'cat; echo changed >/proc/self/fd/0; chmod 666 /proc/self/fd/0' <"$file" >"$BATS_TEST_TMPDIR/said" 2>/dev/null || :
	expect "$(<"$file")" mine 'as an ordinary user'
	expect "$(stat -c %a "$file")" 644
}

@test "an ordinary user's command can change neither limits nor scheduling of pid 1, though they share a uid" {
	[[ $(id -u) = 0 ]] || skip 'needs root to become somebody else'
	chmod 755 "$BATS_TEST_TMPDIR"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_FILE_TMPDIR/.."
	cp "$OPENSANDBOX" "$BATS_TEST_TMPDIR/opensandbox"
	local exit_code=0 as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups "$BATS_TEST_TMPDIR/opensandbox" --run)
	"${as_user[@]}" -- true || skip 'no user namespaces for ordinary users here'
	# By then pid 1 has dropped its rights, for which the kernel would refuse a part. A limit of CPU time would end it before it tells the end.
	"${as_user[@]}" --bind "$ATTACKS:/attacks" -- sh -c 'sleep 0.3; /attacks/attack init; exit 7' >"$BATS_TEST_TMPDIR/said" 2>&1 || exit_code=$?
	expect "$(grep -E '^(prlimit|sched_set|setpriority|ioprio)' "$BATS_TEST_TMPDIR/said")" "$(printf '%s EPERM\n' prlimit 'prlimit nofile' \
		sched_setparam sched_setattr sched_setscheduler sched_setaffinity setpriority ioprio_set 'setpriority of the user' 'ioprio_set of the user')" "$(<"$BATS_TEST_TMPDIR/said")"
	expect "$exit_code" 7
}

@test "what others have written to the pipe that is a command's output is not the command's to read" {
	[[ $(id -u) = 0 ]] || skip 'needs root: as an ordinary user the pipe is the command'"'"'s own'
	mkfifo "$BATS_TEST_TMPDIR/go"
	{
		echo secret of another
		"$OPENSANDBOX" --run --wall-time 5000 -- sh -c 'timeout 1 head -n 1 /proc/self/fd/1 >&2
			echo in the right way >/dev/stdout' 2>"$BATS_TEST_TMPDIR/read"
		echo >"$BATS_TEST_TMPDIR/go"
	} | {
		read -r _ <"$BATS_TEST_TMPDIR/go"
		cat >"$BATS_TEST_TMPDIR/passed"
	}
	expect "$(cat "$BATS_TEST_TMPDIR/passed")" $'secret of another\nin the right way'
	[[ $(cat "$BATS_TEST_TMPDIR/read") != *secret* ]]
	expect "$(echo input | sandbox -- sh -c 'cat /dev/stdin; echo more 2>/dev/null >/dev/stdin || echo refused')" $'input\nrefused'
}

@test "a bind gives no set-user-id program and no device, nor one that is mounted below it" {
	[[ $(id -u) = 0 ]] || skip 'needs root: something has to be mounted'
	mkdir -p "$BATS_TEST_TMPDIR/shown/below"
	# shellcheck disable=SC2016 # expanded there
	unshare --mount sh -c 'mount -t tmpfs -o suid,dev none "$1/below" &&
		"$2" --run --bind "$1:/shown" -- cat /proc/self/mountinfo' sh "$BATS_TEST_TMPDIR/shown" "$OPENSANDBOX" \
		>"$BATS_TEST_TMPDIR/mounts"
	expect "$(mounts <"$BATS_TEST_TMPDIR/mounts" | awk '$1 ~ "^/shown" { print $1, substr($2, 1, 15) }')" \
		$'/shown ro,nosuid,nodev\n/shown/below ro,nosuid,nodev'
}

@test "a bound directory whose mounts the host shares shares nothing with it inside" {
	[[ $(id -u) = 0 ]] || skip 'needs root: something has to be mounted'
	mkdir -p "$BATS_TEST_TMPDIR/shown"
	# shellcheck disable=SC2016 # expanded there
	unshare --mount sh -c 'mount --bind "$1" "$1" && mount --make-shared "$1" && grep -c " $1 .*shared:" /proc/self/mountinfo &&
		"$2" --run --bind "$1:/shown" -- cat /proc/self/mountinfo' sh "$BATS_TEST_TMPDIR/shown" "$OPENSANDBOX" \
		>"$BATS_TEST_TMPDIR/mounts"
	expect "$(head -n 1 "$BATS_TEST_TMPDIR/mounts")" 1 'what the host shares'
	expect_match "$(cat "$BATS_TEST_TMPDIR/mounts")" ' /shown '
	expect "$(grep -c -E 'shared:|master:|propagate_from:' "$BATS_TEST_TMPDIR/mounts")" 0 'what is shared'
}

# --- who starts it, and what it is started from ---

@test "the launcher's own root has the parts of sandboxes, and nothing else of the host's" {
	[[ $(id -u) = 0 ]] || skip 'needs root: its mount namespace cannot be entered'
	need nsenter
	start_one run
	expect "$(nsenter --target "$RUN" --mount ls / | grep -v -x -E \
		'bin|sbin|lib(|32|64|x32)|usr|nix|etc|dev|bind|mask|new|proc')" '' 'what else is there'
	end_one
}

@test "groups of a caller that has some are not taken along" {
	[[ $(id -u) = 0 ]] || skip 'needs root: nobody else can take groups'
	setpriv --groups 4,24,27 "$OPENSANDBOX" --run -- sed -n 's/^Groups:[[:space:]]*//p' /proc/self/status \
		>"$BATS_TEST_TMPDIR/groups"
	expect "$(tr -d ' ' <"$BATS_TEST_TMPDIR/groups")" ''
}

gone() {
	[[ ! -d /proc/$init ]]
}

# Without a cgroup nobody finds what a dead launcher has left: the next one would end it otherwise.
@test "a sandbox dies with the launcher, without anybody who cleans up after it" {
	start_one run --no-cgroup
	kill -KILL "$RUN"
	try_for 10 gone
	end_one
}

@test "a sandbox whose pid 1 does not run dies with the launcher as well" {
	start_one run --no-cgroup
	kill -STOP "$init"
	kill -KILL "$RUN"
	try_for 10 gone
	end_one
}

# --- how a run ends ---

@test "a program that does not end uses so much CPU time and no more" {
	attempt --time 500 -- sh -c 'while :; do :; done'
	expect_run time_limit 124
	# Without the launcher's clock RLIMIT_CPU would end it at 2 s.
	expect_between "$(json .time)" 490 1300
}

# The directory of the group by which the kernel shares processors, of a process; no output where there is none.
group_of_cpu() {
	local line
	if line=$(grep -E '^[0-9]+:([^:]*,)?cpu(,[^:]*)?:' "/proc/$1/cgroup"); then
		awk -v path="${line#*:*:}" '$3 == "cgroup" && $4 ~ /(^|,)cpu(,|$)/ { print $2 path; exit }' /proc/mounts
	else
		line=$(grep ^0:: "/proc/$1/cgroup") || return 0
		awk -v path="${line#0::}" '$3 == "cgroup2" { print $2 path; exit }' /proc/mounts
	fi
}

@test "all runs together leave a twentieth of the processors to the host" {
	start_one run
	local group quota
	group=$(group_of_cpu "$command")
	group=${group%/*}
	quota=$(cat "$group/cpu.cfs_quota_us" "$group/cpu.cfs_period_us" 2>/dev/null || cat "$group/cpu.max" 2>/dev/null) || quota=
	end_one
	[[ -n $quota ]] || skip 'no cpu controller here, or one without bandwidth'
	expect "$(tr '\n' ' ' <<<"$quota")" "$(($(nproc) * 95000)) 100000 "
}

# class_of PID: its nice value and its scheduling policy, by proc(5).
class_of() {
	sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 17,39
}

@test "no ordinary process keeps the launcher waiting for a processor, and what it starts is ordinary" {
	real_time
	start_one server
	expect "$(class_of "$SERVER_PID")" '-10 2' 'the launcher'
	expect "$(class_of "$(pgrep -P "$SERVER_PID" | head -n 1)")" '-10 0' 'the server'
	expect "$(class_of "$init")" '-10 0' 'pid 1'
	expect "$(class_of "$command")" '0 0' 'the command'
	end_one
}

@test "a run ends at its wall time" {
	attempt --wall-time 500 -- sleep 9
	expect_run wall_time_limit 124
	expect_ms "$(json .wall_time)" 500 7000
}

# On a host with too much to do nobody may look for seconds: here nobody does, until it has ended.
@test "who ends by himself after his wall time, before anybody looks, has exceeded it" {
	start_server --log none
	curl -s -m 60 -H 'Content-Type: application/json' -d "{\"command\": [\"sleep\", \"3.$$\"], \"wall_time\": 2000}" "$URL/run" \
		>"$BATS_TEST_TMPDIR/answer" 3>&- &
	try_for 10 pgrep -x -f "sleep 3.$$"
	kill -STOP "$SERVER_PID"
	sleep 4.5
	kill -CONT "$SERVER_PID"
	wait $!
	body=$(<"$BATS_TEST_TMPDIR/answer")
	expect_json '"\(.status) \(.exit_code)"' 'wall_time_limit 0'
	expect_ms "$(json .wall_time)" 3000 60000
}

@test "copy_out reads as the user: what he alone may read comes, what he may not does not" {
	start_server --log none
	post /run '{"command": ["sh", "-c", "cd /tmp; echo mine >a; chmod 600 a; echo shut >b; chmod 0 b"],
		"copy_out": ["/tmp/a", "/tmp/b"]}'
	expect_status 200
	expect_json '.files["/tmp/a"].content' mine
	expect_json '.files["/tmp/b"].content // "none"' none
}

@test "a run whose files are brought out does not wait for what it has left running" {
	start_server --log none
	post /run '{"command": ["sh", "-c", "sleep 9 & echo x >/tmp/a"], "copy_out": ["/tmp/a"], "wall_time": 20000}'
	expect_json '.files["/tmp/a"].content' x
	expect_ms "$(json .wall_time)" 0 6000
}

@test "no signal is blocked or ignored but SIGXFSZ, from the first instruction on" {
	attempt -- sed -n 's/^Sig\(Blk\|Ign\|Cgt\):[[:space:]]*//p' /proc/self/status
	expect "$output" $'0000000000000000\n0000000001000000\n0000000000000000'
}

@test "a file operation is done by a process of the session's user, without a capability, in which nothing but our binary is loaded" {
	[[ $(id -u) = 0 ]] || skip 'needs root: as an ordinary user all has one uid'
	local id pid upload found=''
	start_server --log none
	id=$(new_session)
	{
		echo begun
		sleep 5
	} | curl -sS -o /dev/null -T - "$URL/sessions/$id/files/tmp/slow" 3>&- &
	upload=$!
	# Of our binary, in a pid namespace of its own, and not its pid 1.
	find_operation() {
		for pid in $(pgrep -f "^$OPENSANDBOX serve.*$STATE_DIR"); do
			[[ $(field_of "$pid" NSpid) =~ ' '([0-9]+)$ && ${BASH_REMATCH[1]} != 1 ]] || continue
			found=$pid
			return 0
		done
		return 1
	}
	try_for 4 find_operation
	expect "$(sed -n 's/^Cap\(Inh\|Prm\|Eff\|Bnd\|Amb\):[[:space:]]*//p' "/proc/$found/status" | sort -u)" 0000000000000000
	expect "$(awk '$1 == "Uid:" { print ($2 >= 1879048192), $2 == $3, $3 == $4 }' "/proc/$found/status")" '1 1 1'
	# Nothing of what a session's files could be: no library, no program.
	# The sanitizers are libraries.
	sanitized || expect "$(awk '$6 ~ "/" { print $6 }' "/proc/$found/maps" | sort -u)" "$OPENSANDBOX" 'the files that are mapped'
	expect "$(stat -L -c %d:%i "/proc/$found/exe")" "$(stat -c %d:%i "$OPENSANDBOX")" 'the program'
	wait "$upload"
}

@test "a mount point whose parent was replaced by a link fails the run, and makes nothing in what others see" {
	local id
	mkdir -p "$BATS_TEST_TMPDIR/shown"
	start_server --log none --no-reuse --bind "$BATS_TEST_TMPDIR/shown:/a/b/c"
	id=$(new_session)
	in_session "$id" -- sh -c 'mv /a /old && ln -s /etc /a && echo moved'
	expect_json .stdout moved
	post "/sessions/$id/run" "$(run_json true)"
	[[ $status_code != 200 || $(json .status) != exited ]]
	# Where the link led while the sandbox was made: /etc of the launcher's parts, which every sandbox shows.
	api -- sh -c 'ls -d /etc/b; ls /a/b'
	expect_match "$(json .stderr)" '/etc/b'
	expect_json .stdout $'c'
}

# --- a sandbox that serves again ---

# born FIELDS: when the sandbox of a run was made (the ctime of a directory of its own), told without a fork.
born() {
	api "$1" -- stat -c %z /run
	json .stdout
}

# serves_again FIELDS: whether one of some runs had the sandbox of an earlier one.
serves_again() {
	local last='' now
	for _ in 1 2 3 4 5 6 7 8; do
		now=$(born "$1")
		[[ $now != "$last" ]] || return 0
		last=$now
		sleep 0.3
	done
	return 1
}

@test "a sandbox with the host's network, or a bind that can be written, serves once" {
	start_server --log none --network host
	serves_again '{"network": "none"}' || skip 'no sandbox is used again here'
	expect "$(serves_again '{"network": "host"}' && echo again)" ''
	mkdir -m 777 "$BATS_TEST_TMPDIR/shared"
	start_server --log none --bind "$BATS_TEST_TMPDIR/shared:/shared:rw"
	expect "$(serves_again '{}' && echo again)" ''
}

@test "a file that is left is not there for the next run" {
	start_server --log none
	for _ in 1 2 3; do
		api -- touch /tmp/left
		api -- ls /tmp
		expect_json .stdout ''
	done
}

@test "pid 1 has unmapped what a run was given before it serves again" {
	[[ $(id -u) = 0 ]] || skip 'needs root: else pid 1 cannot be looked into'
	local pid n=0
	start_server --log none
	for _ in 1 2 3 4; do
		# Large: a small one comes by a pipe, and is never mapped.
		api "$(jq -nc '{env: {SECRET: ("swordfish" * 1000)}}')" -- stat -c %z /run
	done
	sleep 0.5
	while read -r pid; do
		[[ $(readlink "/proc/$pid/ns/pid") != "$(readlink /proc/self/ns/pid)" ]] || continue
		n=$((n + 1))
		expect "$(grep -c memfd: "/proc/$pid/maps")" 0 'what pid 1 has mapped of a run'
	done < <(pgrep -P "$SERVER_PID")
	((n > 0)) || skip 'no sandbox waits here'
}

# --- what the caller has ---

@test "a key in the caller's session keyring is not found inside" {
	"$ATTACKS/layer" with-key "$OPENSANDBOX" --run --bind "$ATTACKS:/attacks" -- /attacks/layer find-key \
		>"$BATS_TEST_TMPDIR/key"
	[[ $(<"$BATS_TEST_TMPDIR/key") != found ]]
	"$ATTACKS/layer" with-key "$ATTACKS/layer" find-key >"$BATS_TEST_TMPDIR/key" || skip 'no keyrings here'
	expect "$(<"$BATS_TEST_TMPDIR/key")" found 'outside'
}
