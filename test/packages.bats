#!/usr/bin/env bats
# What is handed out: the tarball, the packages, what `make install` puts in place

bats_require_minimum_version 1.5.0
load helper

setup() {
	unset SANITIZE MAKEFLAGS MFLAGS MAKELEVEL
	need git make
	git -C "$root" rev-parse -q --verify HEAD >/dev/null 2>&1 || skip 'not a clone of the repository'
	cd "$BATS_TEST_TMPDIR" || return
}

# A clone of the last commit, in $clone.
make_clone() {
	clone=$BATS_TEST_TMPDIR/clone
	git -c safe.directory='*' clone -q --no-hardlinks "$root" "$clone"
	version=$(sed -n 's/^VERSION = //p' "$clone/Makefile")
}

# in_copy SCRIPT: as root of a copy of this system, of which nothing stays.
in_copy() {
	need unshare
	[[ $EUID = 0 ]] || skip 'not root'
	mkdir -p layer root
	unshare --mount --pid --fork --kill-child --propagation private sh -euc 'mount -t tmpfs layer layer
		mkdir layer/upper layer/work
		mount -t overlay -o lowerdir=/,upperdir=layer/upper,workdir=layer/work root root 2>/dev/null || exit 77
		mount -t proc proc root/proc; mount --rbind /dev root/dev; mount -t tmpfs run root/run
		cp *.deb *.rpm binary script root/run 2>/dev/null || :
		exec chroot root /bin/sh -euc "cd /run; $1"' sh "$1" || {
		local status=$?
		[[ $status != 77 ]] || skip 'no overlay of / here'
		return "$status"
	}
}

@test "two builds of one commit, in a clone and from its tarball, give the same bytes, package included" {
	make_clone
	make -s -C "$clone" dist
	mkdir -p elsewhere/deep
	tar -xzf "$clone/opensandbox-$version.tar.gz" -C elsewhere/deep
	other=elsewhere/deep/opensandbox-$version
	SOURCE_DATE_EPOCH=$(git -C "$clone" log -1 --format=%ct)
	export SOURCE_DATE_EPOCH
	for tree in "$clone" "$other"; do
		make -s -C "$tree" >/dev/null
		if command -v dpkg-deb >/dev/null; then
			(umask 077 && "$tree/packaging/build-deb" "$BATS_TEST_TMPDIR/${tree##*/}.deb") >/dev/null
		fi
	done
	cmp "$clone/opensandbox" "$other/opensandbox"
	first=$(sha256sum <"$clone/opensandbox-$version.tar.gz")
	sleep 1
	make -s -C "$clone" dist
	expect "$(sha256sum <"$clone/opensandbox-$version.tar.gz")" "$first" 'the tarball made again'
	! command -v dpkg-deb >/dev/null || cmp clone.deb/*.deb "opensandbox-$version.deb"/*.deb
}

@test "the Debian package is installed, runs, and is removed without a trace" {
	need dpkg-deb dpkg
	make_clone
	make -s -C "$clone" >/dev/null
	"$clone/packaging/build-deb" "$PWD" >/dev/null
	in_copy 'dpkg -i *.deb; dpkg -V opensandbox
		/usr/bin/opensandbox --version
		/usr/bin/opensandbox run -- echo inside
		grep ^ExecStart= /usr/lib/systemd/system/opensandbox.service
		dpkg -P opensandbox
		find /usr -xdev -name "*opensandbox*" -newer /run' >out 2>err || { cat out err >&2; return 1; }
	grep -qx "opensandbox $version" out
	grep -qx inside out
	grep -q '^ExecStart=/usr/bin/opensandbox serve' out
	expect "$(grep -c '^/usr' out)" 0 'what is left'
}

@test "the rpm package is built of the tarball, and holds what make install puts in place" {
	need rpmbuild rpm
	make_clone
	make -s -C "$clone" dist
	# What the build needs is not asked of rpm, which may not be this system's own.
	rpmbuild -bb --quiet --nodeps --define "_sourcedir $clone" --define "_topdir $PWD/rpm" \
		"$clone/packaging/opensandbox.spec" >log 2>&1 || { tail -n 20 log >&2; return 1; }
	rpm -qpl rpm/RPMS/*/*.rpm | sed 's/\.gz$//' | grep -v '^/usr/share/doc/opensandbox\(/docs\)\{0,1\}$\|/\.build-id' | sort >held
	make -s -C "$clone" install DESTDIR="$PWD/stage" PREFIX=/usr OPENRC= APPARMOR= >/dev/null
	(cd stage && find . ! -type d | sed 's/^\.//' | sort) >staged
	diff held staged
	cp rpm/RPMS/*/*.rpm .
	in_copy 'rpm -i --nodeps *.rpm; /usr/bin/opensandbox --version; rpm -e opensandbox; ! [ -e /usr/bin/opensandbox ]' >out 2>err ||
		{ cat out err >&2; return 1; }
	expect "$(<out)" "opensandbox $version"
}

@test "install puts every file of services and documents in place, uninstall takes all away" {
	make_clone
	cp "$root/opensandbox" "$clone" 2>/dev/null || :
	make -s -C "$clone" install DESTDIR="$PWD/stage" OPENRC=1 APPARMOR=1 >/dev/null
	for file in usr/local/bin/opensandbox usr/local/share/man/man1/opensandbox.1 etc/init.d/opensandbox \
		etc/apparmor.d/opensandbox usr/local/lib/systemd/system/opensandbox.service \
		usr/local/lib/systemd/system/opensandbox.socket usr/local/lib/sysusers.d/opensandbox.conf \
		usr/local/share/bash-completion/completions/opensandbox usr/local/share/zsh/site-functions/_opensandbox \
		usr/local/share/doc/opensandbox/README.md usr/local/share/doc/opensandbox/docs/operation.md; do
		[[ -f stage/$file ]] || { echo "no $file" >&2; return 1; }
	done
	[[ -x stage/usr/local/bin/opensandbox && -x stage/etc/init.d/opensandbox ]]
	make -s -C "$clone" uninstall DESTDIR="$PWD/stage" OPENRC=1 APPARMOR=1 >/dev/null
	expect "$(find stage ! -type d; find stage -name '*opensandbox*')" ''
}

@test "OpenRC starts the service, has it read its tokens again, starts it again when it was killed, and stops it; sessions stay" {
	[[ -x /sbin/openrc-run && -x /sbin/supervise-daemon ]] || skip 'no OpenRC here'
	need curl jq pgrep
	need_release
	cp "$OPENSANDBOX" binary
	cp "$root/packaging/opensandbox.openrc" script
	# What `openrc sysinit` makes at a start of the system.
	in_copy 'cd /run
		for name in starting started stopping inactive wasinactive failed hotplugged daemons options exclusive \
			scheduled init.d tmp; do mkdir -p openrc/$name; done
		: >openrc/softlevel
		mkdir -p /etc/conf.d
		install -m 755 script /etc/init.d/opensandbox
		install -m 755 binary /usr/local/bin/opensandbox
		echo "opensandbox_options=\"--port 0 --token-file /run/tokens\" opensandbox_log=/run/log" >/etc/conf.d/opensandbox
		umask 077
		echo one >tokens
		# try COMMAND...: until it succeeds, for 30 s.
		try() { n=0; until "$@"; do n=$((n + 1)); [ $n -lt 150 ] || exit 1; sleep 0.2; done; }
		main() { pgrep -P "$(cat /run/opensandbox.pid)"; }
		# The line of the server that runs: each says one of its own.
		starts=0
		up() { [ "$(grep -c "listening on http://127" log)" -gt $starts ]; }
		started() { try up; starts=$((starts + 1))
			url=$(sed -n "s|.*listening on \(http://127[^ ]*[0-9]\)/*$|\1|p" log | tail -n 1); }
		code() { [ "$(curl -s -m 20 -o /dev/null -w "%{http_code}" -H "Authorization: Bearer $1" "$url/sessions")" = "$2" ]; }
		sessions() { curl -s -m 20 -H "Authorization: Bearer $1" "$url/sessions" | jq length; }
		rc-service opensandbox start; started
		curl -s -m 20 -X POST -H "Authorization: Bearer one" "$url/sessions" -o /dev/null
		echo "sessions: $(sessions one)"
		echo two >tokens
		rc-service opensandbox reload
		try code two 200; try code one 401; echo reloaded
		rc-service opensandbox restart; started
		echo "restarted: $(sessions two)"
		kill -KILL "$(main)"; started
		echo "killed: $(sessions two)"
		rc-service opensandbox status
		rc-service opensandbox stop
		! pgrep -x opensandbox || exit 1
		! rc-service opensandbox status >/dev/null || exit 1
		echo stopped' >out 2>err || { cat out err >&2; return 1; }
	for line in 'sessions: 1' reloaded 'restarted: 1' 'killed: 1' stopped; do
		grep -qx "$line" out || { echo "no line: $line" >&2; cat out err >&2; return 1; }
	done
}

@test "AppArmor takes the profile, where it is one that knows user namespaces" {
	[[ -e /etc/apparmor.d/abi/4.0 ]] || skip 'no AppArmor 4.0 here'
	need apparmor_parser
	apparmor_parser --skip-kernel-load --skip-cache "$root/packaging/opensandbox.apparmor"
}
