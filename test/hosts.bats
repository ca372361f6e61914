#!/usr/bin/env bats
# Hosts that this one is not: older kernels, other C libraries, nothing but the binary, a read-only or full disk, no /proc

bats_require_minimum_version 1.5.0
load helper
load command

# The same number on every architecture.
openat2=437 mount_setattr=442 close_range=436 pidfd_open=434 fsopen=430 open_tree=428

setup_file() {
	build_programs refuse
}

setup() {
	[[ $EUID = 0 ]] || skip 'not root'
	need_release
	export OPENSANDBOX
	# Reached by any user.
	binary=$BATS_TEST_TMPDIR/opensandbox
	cp "$OPENSANDBOX" "$binary"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR" "$BATS_TEST_TMPDIR/.." "$binary"
	cd "$BATS_TEST_TMPDIR" || return
}

# without "CALL..." COMMAND...
without() {
	local calls=$1
	shift
	# shellcheck disable=SC2086 # words on purpose
	"$PROGRAMS/refuse" $calls -- "$@"
}

as_nobody() {
	need setpriv
	setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

# in_host SCRIPT ARG...: the script with a mount namespace of its own; what it mounts there is gone with it.
in_host() {
	local script=$1
	shift
	need unshare
	unshare --mount --propagation private sh -euc "$script" sh "$@"
}

# A host in $host that has the binary, /proc and what is copied into it, and nothing else. in_root ARG...: the binary there.
make_host() {
	host=$BATS_TEST_TMPDIR/host
	mkdir -p "$host/proc" "$host/tmp" "$host/dev"
	chmod 1777 "$host/tmp"
	cp "$OPENSANDBOX" "$host/opensandbox"
}
in_root() {
	# The new root is moved over the old one, which chroot is still found in.
	in_host 'mount --bind "$1" "$1"; cd "$1"; shift; mount -t proc proc proc
		for name in null zero full random urandom tty; do : >dev/$name; mount --bind /dev/$name dev/$name; done
		mount --move . /; exec chroot . /opensandbox "$@"' "$host" "$@"
}

mounts='cut -d " " -f 5,6 /proc/self/mountinfo; ls /binds /file 2>&1; (: >/file) 2>&1; (: >/usr/x) 2>&1; (: >/etc/x) 2>&1; true'
show_mounts() {
	"$@" --run --bind "$binary:/file" --bind "$BATS_TEST_TMPDIR/binds:/binds" -- sh -c "$mounts"
}

@test "on kernels before 5.12 and 5.6 a sandbox has the same mounts, as root and as an ordinary user" {
	mkdir binds
	touch binds/here
	chmod -R a+rX binds
	expected=$(show_mounts "$binary")
	[[ $expected == *'/usr ro,nosuid,nodev'*/binds*/file* ]]
	expect "$(show_mounts without "$mount_setattr $openat2 $close_range" "$binary")" "$expected"
	as_nobody "$binary" --run -- true || skip 'no user namespaces for ordinary users here'
	expected=$(show_mounts as_nobody "$binary")
	expect "$(show_mounts as_nobody "$PROGRAMS/refuse" $mount_setattr $openat2 $close_range -- "$binary")" "$expected"
}

@test "on kernels before 5.12 a bound directory is shown without the mounts below it" {
	mkdir -p binds/below
	script='mount -t tmpfs tmpfs binds/below; : >binds/below/file; exec "$@" --run --bind "$PWD/binds:/binds" -- find /binds'
	expect "$(in_host "$script" "$binary")" $'/binds\n/binds/below\n/binds/below/file'
	expect "$(in_host "$script" "$PROGRAMS/refuse" $mount_setattr -- "$binary")" $'/binds\n/binds/below'
}

@test "on kernels before 5.12 a server makes runs and sessions" {
	cat >old <<-END
		#!/bin/sh
		exec $PROGRAMS/refuse $mount_setattr $openat2 $close_range -- $binary "\$@"
	END
	chmod +x old
	OPENSANDBOX=$BATS_TEST_TMPDIR/old start_server
	post /run '{"command": ["sh", "-c", "id -u; (: >/usr/x) 2>/dev/null || echo read-only"]}'
	expect_json .stdout $'1000\nread-only'
	post /sessions '{}'
	id=$(json .session_id)
	post "/sessions/$id/run" '{"command": ["sh", "-c", "echo kept >/tmp/x"]}'
	get "/sessions/$id/files/tmp/x"
	expect "$body" kept
	stop_server
}

@test "a kernel that is too old is told by the call that it lacks, and the version that has it" {
	for entry in "$pidfd_open pidfd_open 5.3" "$fsopen fsopen 5.2" "$open_tree open_tree 5.2"; do
		read -r number name since <<<"$entry"
		run without "$number" "$binary" check
		expect "$status" 2
		[[ $output =~ kernel\ +missing:.*"$name".*"$since" ]] || { echo "$output" >&2; return 1; }
		run without "$number" "$binary" --run -- true
		expect "$status" 125
		[[ $output == *"Function not implemented"* ]] || { echo "$output" >&2; return 1; }
	done
}

@test "where less memory may be locked than a sandbox would be given (before 5.16), it has that" {
	expect "$(ulimit -l 64 && "$binary" run -- sh -c 'ulimit -l')" 64
	expect "$(ulimit -l 64 && as_nobody "$binary" run -- sh -c 'ulimit -l')" 64
}

@test "on a host that has nothing but the binary and a static program, it runs there" {
	make_host
	mkdir -p "$host/usr/bin"
	cp "$PROGRAMS/refuse" "$host/usr/bin/refuse"
	run in_root run -- /usr/bin/refuse 1000 -- /usr/bin/refuse
	expect "$status" 2
	run in_root check
	[[ $output =~ sandbox\ +ok ]]
	[[ $output =~ command\ +degraded ]]
}

@test "on a host whose C library is musl, its programs run inside, by a server and in sessions too" {
	need musl-gcc
	make_host
	loader=$(readlink -f /lib/ld-musl-*.so.1)
	mkdir -p "$host/bin" "$host/lib"
	cp "$loader" "$host/lib/$(basename /lib/ld-musl-*.so.1)"
	printf '#include <stdio.h>\nint main(void) { return puts("musl") < 0; }\n' >hello.c
	musl-gcc -o "$host/bin/hello" hello.c
	readelf -l "$host/bin/hello" | grep -q ld-musl
	expect "$(in_root run -- hello)" musl
	expect "$("$binary" run --rootfs "$host" -- hello)" musl
	need curl jq
	declare -f in_host in_root need | sed "s/^ *unshare --mount/exec &/" >functions
	printf '#!/usr/bin/env bash\nhost=%s\n. %s\nin_root "$@"\n' "$host" "$PWD/functions" >on_musl
	chmod +x on_musl
	OPENSANDBOX=$PWD/on_musl start_server --state-dir /tmp
	post /run '{"command": ["hello"]}'
	expect_json .stdout musl
	post /sessions '{}'
	id=$(json .session_id)
	request PUT "/sessions/$id/files/tmp/x" --data-binary kept
	expect_status 201
	post "/sessions/$id/run" '{"command": ["hello"], "copy_out": ["/tmp/x"]}'
	expect_json '.stdout + .files["/tmp/x"].content' $'musl\nkept'
	stop_server
}

@test "without /proc a run says so" {
	run in_host 'umount -l /proc; exec "$@"' "$binary" run -- true
	expect "$status" 125
	[[ $output == *'a /proc that is mounted'* ]]
}

@test "without /proc/sys root has runs and sessions all the same, and an ordinary user is told what covers it and what to do" {
	need curl jq setpriv
	cat >covered <<-END
		#!/bin/sh
		exec unshare --mount --propagation private sh -euc \
			'mount -t tmpfs -o mode=0 nothing /proc/sys; exec "\$@"' sh $binary "\$@"
	END
	chmod +x covered
	expect "$(./covered run -- cat /proc/sys/kernel/ostype)" Linux
	OPENSANDBOX=$PWD/covered start_server
	post /sessions '{}'
	id=$(json .session_id)
	post "/sessions/$id/run" '{"command": ["sh", "-c", "id -u; cat /proc/sys/kernel/ostype"]}'
	expect_json .stdout $'1000\nLinux'
	stop_server
	as_nobody "$binary" run -- true || skip 'no user namespaces for ordinary users here'
	# The kernel lets a user namespace have no /proc that shows more than the one outside.
	user='mount -t tmpfs -o mode=0 nothing /proc/sys; exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"'
	run in_host "$user" "$binary" run -- true
	expect "$status" 125
	[[ $output == *"mount proc: Operation not permitted: see opensandbox check" ]] || { echo "$output" >&2; return 1; }
	run in_host "$user" "$binary" check
	expect "$status" 2
	[[ $(grep '^proc ' <<<"$output") == *missing*'covers parts of /proc: start as root'* ]] || { echo "$output" >&2; return 1; }
}

@test "without /sys and without cgroups runs and sessions work, and say that limits are per process" {
	script='umount -l /sys 2>/dev/null; while umount -l /sys/fs/cgroup 2>/dev/null; do :; done; exec "$@"'
	in_host "$script" "$binary" run --result result -- true
	expect "$(jq -r '.status + " " + .accounting' result)" 'exited rlimit'
}

@test "in a chroot a server makes runs and sessions, with the files of the chroot; one that is no mount point it refuses" {
	need curl jq unshare
	mkdir mount
	cat >chrooted <<-END
		#!/bin/sh
		exec unshare --mount --propagation private sh -euc \
			'mount --rbind / "\$1"; cd "\$1\$2"; shift 2; exec chroot . $binary "\$@"' sh "$PWD/mount" "\$BELOW" "\$@"
	END
	chmod +x chrooted
	# A root that has another /usr/local than the host: the host's files must not be seen.
	sed -i 's|; cd "$1$2"|&; mount -t tmpfs local usr/local; : >usr/local/mark|' chrooted
	grep -q mark chrooted
	# The second root has no files but those of its mounts. The third is no mount point: the host's mounts cannot be kept apart.
	mkdir -p below/{proc,dev,usr,tmp}
	for name in bin lib lib64; do ln -s "usr/$name" "below/$name"; done
	sed 's|; cd "|; for name in proc dev usr tmp; do mount --rbind /$name "$1$2/$name"; done&|' chrooted >unbound
	sed 's|; for name|; mount --bind "$1$2" "$1$2"&|' unbound >directory
	chmod +x directory unbound
	for kind in chrooted directory; do
		BELOW=; [[ $kind = chrooted ]] || BELOW=$PWD/below
		export BELOW
		OPENSANDBOX=$PWD/$kind start_server
		post /run '{"command": ["ls", "/usr/local"]}'
		expect_json .stdout mark
		post /sessions '{}'
		expect_status 201
		id=$(json .session_id)
		post "/sessions/$id/run" '{"command": ["sh", "-c", "echo kept >/tmp/x; ls -d /s /proc/self; ls /usr/local"]}'
		expect_json .stdout $'/proc/self\nmark'
		get "/sessions/$id/files/tmp/x"
		expect "$body" kept
		stop_server
	done
	run timeout 40 ./unbound serve --port 0 --state-dir "$PWD/state"
	expect "$status" 125
	[[ $output == *'no mount point (chroot?)'* ]] || { echo "$output" >&2; return 1; }
}

@test "a switch of the distribution that forbids user namespaces to ordinary users is named, with what allows them" {
	need setpriv
	mkdir mount
	# The kernel allows them to nobody in a chroot; there the switches of other kernels are imitated.
	within='mount --rbind / mount; cd mount; mount -t tmpfs -o mode=755 kernel proc/sys/kernel
		echo "$2" >"proc/sys/kernel/$1"; shift 2
		exec chroot . setpriv --reuid 65534 --regid 65534 --clear-groups "$@"'
	while read -r name value cure; do
		run in_host "$within" "$name" "$value" "$binary" run -- true
		expect "$status" 125
		[[ $output == *": $cure: Operation not permitted: see opensandbox check" ]] || { echo "$output" >&2; return 1; }
		run in_host "$within" "$name" "$value" "$binary" check
		expect "$status" 2
		[[ $(grep ^namespace_user <<<"$output") == *missing*"$name"* ]] || { echo "$output" >&2; return 1; }
	done <<-'END'
		apparmor_restrict_unprivileged_userns 1 start as root, load opensandbox's AppArmor profile, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
		unprivileged_userns_clone 0 start as root, or sysctl -w kernel.unprivileged_userns_clone=1
	END
}

@test "a server in a chroot that ends unmounts nothing of the host's at the path of its state directory" {
	state=$BATS_TEST_TMPDIR/state
	mkdir -p "below$state" below/{proc,dev,usr} "$state/.opensandbox"
	cp "$binary" below/opensandbox
	for name in bin lib lib64; do ln -s "usr/$name" "below/$name"; done
	in_host 'mount --bind "$1/.opensandbox" "$1/.opensandbox"; : >"$1/.opensandbox/sessions"
		mount --bind "$1/.opensandbox/sessions" "$1/.opensandbox/sessions"
		mount --bind below below
		for name in proc dev usr; do mount --rbind /$name below/$name; done
		chroot below /opensandbox serve --port 0 --state-dir "$1" 2>log &
		tries=0
		until grep -q listening log || [ $tries = 200 ]; do sleep 0.1; tries=$((tries + 1)); done
		[ -e "below$1/.opensandbox/sessions" ] || echo no state >>log
		kill $!; wait $! || echo "status $?" >>log
		grep -c " $1/.opensandbox" /proc/self/mountinfo >mounts' "$state" || { cat log >&2; return 1; }
	grep -q listening log
	run ! grep 'no state\|^status' log
	expect "$(<mounts)" 2
	[[ ! -e below$state/.opensandbox ]]
}

@test "on a read-only root runs work, and a server that can keep no sessions says why" {
	need curl
	read_only='mount --bind / /mnt 2>/dev/null; mount -o remount,bind,ro /
		! (: >"$1/x") 2>/dev/null; shift; exec "$@"'
	expect "$(in_host "$read_only" "$PWD" "$binary" run -- echo here)" here
	run in_host "$read_only" "$PWD" timeout 20 "$binary" serve --port 0 --state-dir "$PWD/state"
	expect "$status" 125
	[[ $output == *"$PWD/state"*'Read-only file system'* ]] || { echo "$output" >&2; return 1; }
}

@test "with a full disk runs work, a result that cannot be written is told, and so is a state directory" {
	full='mount -t tmpfs -o size=16k,nr_inodes=2 full /mnt; head -c 1M /dev/zero >/mnt/all 2>/dev/null || :
		export TMPDIR=/mnt; cd /mnt; exec "$@"'
	expect "$(in_host "$full" "$binary" run -- sh -c 'echo here >/tmp/x; cat /tmp/x')" here
	run in_host "$full" "$binary" run --result /mnt/other -- true
	expect "$status" 125
	[[ $output == *"/mnt/other: No space left on device"* ]]
	run in_host "$full" timeout 20 "$binary" serve --port 0 --state-dir /mnt
	expect "$status" 125
	[[ $output == *' /mnt: No space left on device'* ]] || { echo "$output" >&2; return 1; }
}

@test "with the capabilities of docker-compose.yml and no other, runs are ended by their limits, and a server by SIGTERM" {
	need setpriv curl jq
	few=$(sed -n '/cap_add:/,/security_opt:/s/^ *- \([A-Z_]*\) .*/,+\1/p' "$root/docker-compose.yml" | tr -d '\n' | tr '[:upper:]' '[:lower:]')
	[[ $few == *,+setuid* && $few != *kill* ]]
	printf '#!/bin/sh\nexec setpriv --no-new-privs --inh-caps -all --bounding-set -all%s -- %s "$@"\n' "$few" "$binary" >few
	chmod +x few
	# Were none of them ended, each would take a minute.
	run timeout -k 5 40 ./few run --wall-time 300 -- sleep 60
	expect "$status" 124
	[[ $output == *wall_time_limit* ]] || { echo "$output" >&2; return 1; }
	run timeout -k 5 40 ./few run --time 200 --no-cgroup -- sh -c 'trap "" TERM INT; (while :; do :; done) & while :; do :; done'
	[[ $status = 124 && $output == *time_limit* ]] || { echo "$output" >&2; return 1; }
	OPENSANDBOX=$PWD/few start_server
	post /sessions '{}'
	id=$(json .session_id)
	for path in /run "/sessions/$id/run"; do
		REQUEST_SECONDS=30 post "$path" '{"command": ["sleep", "60"], "wall_time": 300}'
		expect_json .status wall_time_limit
	done
	# One that goes on, in a sandbox of its own, ends with the server.
	curl -s -m 60 -o canceled "$URL/run" -d '{"command": ["sleep", "60"]}' -H 'Content-Type: application/json' 3>&- &
	client=$!
	running() { get /version; [[ $(json .runs.running) = 1 ]]; }
	try_for 20 running
	stop_server
	wait "$client" || :
}
