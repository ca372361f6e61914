#!/usr/bin/env bats
# inside.bats - all that can be read in /proc, /dev and /etc and written anywhere, held against lists: a new name needs a decision

load attacks

setup_file() {
	build_attacks walk
	sandbox --time 600000 --wall-time 900000 --output 8192 --bind "$ATTACKS:/attacks" -- \
		/attacks/walk ${SLOW:+-x /usr} / >"$BATS_FILE_TMPDIR/walked"
}

walked() {
	grep -E "^$1 " "$BATS_FILE_TMPDIR/walked" | cut -c3- | sort
}

# none_but LIST: no line of stdin that is not in the list (of patterns, each of a whole line).
none_but() {
	local lines
	lines=$(cat)
	[[ -n $lines ]] || expect nothing something 'what was looked at'
	expect "$(grep -v -x -E -f <(printf '%s\n' "$@") <<<"$lines")" '' 'what was not expected'
}

@test "the walk went everywhere" {
	walked w | grep -q -x /tmp
	walked r | grep -q -x /etc/passwd
	walked r | grep -q -x /proc/meminfo
}

@test "only the sandbox's own directories and the harmless devices can be written" {
	# An ordinary user's, who owns it; nothing can be made in it either.
	local terminals=()
	[[ $(id -u) = 0 ]] || terminals=(/dev/pts)
	walked w | grep -v -E '^/proc/([0-9]+|self|thread-self)(/|$)' | none_but "${terminals[@]}" / /tmp /home /home/user /run /run/shm \
		/var /var/tmp /dev/mqueue '/dev/pts/(ptmx|[0-9]+)' '/dev/(null|zero|full|random|urandom|tty)'
}

@test "of a process of its own only the usual files can be written" {
	walked w | grep -E '^/proc/[0-9]+/' | sed -E 's|^/proc/[0-9]+(/task/[0-9]+)?/||' | sort -u | none_but \
		mem clear_refs oom_adj oom_score_adj loginuid sched autogroup timens_offsets comm coredump_filter \
		timerslack_ns uid_map gid_map projid_map setgroups fail-nth make-it-fail latency ksm_.* \
		'attr(/.*)?' 'fd(/[0-9]+)?' map_files 'ns/.*' net/xt_recent sessionid children
}

@test "/proc has no top-level name that was not thought of" {
	walked r | grep -E '^/proc/[^/]+$' | grep -v -E '^/proc/[0-9]+$' | sed 's|/proc/||' | none_but \
		asound bootconfig buddyinfo bus cgroups cmdline config.gz consoles cpuinfo crypto devices diskstats dma driver \
		dynamic_debug execdomains fb filesystems fs interrupts iomem ioports irq kallsyms kpagecgroup loadavg locks mdstat schedstat \
		meminfo misc modules mpt mtd net partitions pressure scsi softirqs spl stat swaps sys sysvipc tty uptime version \
		version_signature vmstat zoneinfo allocinfo
}

@test "/dev has the harmless devices and nothing else" {
	attempt -- sh -c 'ls -A /dev; find /dev -type b; ls -A /dev/pts'
	sort <<<"$output" | none_but fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero
	attempt -- sh -c 'find / -xdev \( -type b -o -type c \) 2>/dev/null; echo looked'
	expect "$output" looked
}

@test "/etc has what programs need, and nothing else of the host's" {
	attempt -- ls -A /etc
	sort <<<"$output" | none_but alpine-release alternatives crypto-policies debian_version group hostname hosts \
		'java.*' ld.so.cache ld.so.conf 'ld-musl-.*\.path' localtime mime.types mtab nsswitch.conf os-release passwd \
		pki protocols resolv.conf services ssl timezone
	attempt -- cat /etc/passwd
	expect "$(wc -l <<<"$output")" 3
	attempt -- sh -c 'find /etc/ssl/private /etc/pki -name "*.key" -o -name "*key.pem" 2>/dev/null |
		while read -r f; do cat "$f"; done'
	expect "$output" ''
}

@test "the root has the system directories and the sandbox's own, and nothing else" {
	attempt -- ls -A /
	sort <<<"$output" | none_but bin dev etc home lib lib32 lib64 libx32 nix proc run sbin tmp usr var
}

@test "the mounts are flagged as they should be, and none can be seen that was not made for it" {
	# Without root no node can be made: each device is bound.
	attempt -- sh -c 'while read -r _ _ _ _ point options _; do
		case $point in
		/|/bin|/sbin|/lib*|/usr|/usr/*|/nix) need=nosuid,nodev ;;
		/dev) need=ro,noexec ;;
		/dev/pts) need=nosuid,noexec ;;
		/etc|/etc/*) need=ro,nodev,noexec ;;
		/proc|/proc/sys|/dev/mqueue) need=nosuid,nodev,noexec ;;
		/proc/*) need= ;;
		/dev/null|/dev/zero|/dev/full|/dev/random|/dev/urandom|/dev/tty) [ "$1" != 0 ] || echo "unexpected: $point"; need=nosuid,noexec ;;
		*) echo "unexpected: $point"; continue ;;
		esac
		case $point in /bin|/sbin|/lib*|/usr|/usr/*|/proc/sys) need=$need,ro ;; esac
		IFS=,
		for flag in $need; do case ,$options, in *,$flag,*) ;; *) echo "$point lacks $flag: $options" ;; esac; done
		unset IFS
	done </proc/self/mountinfo' sh "$(id -u)"
	expect "$output" ''
	[[ -z $errors ]]
}

@test "no mount inside propagates anywhere" {
	attempt -- grep -cE 'shared:|master:|propagate_from:' /proc/self/mountinfo
	expect "$output" 0
}
