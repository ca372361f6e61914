#!/usr/bin/env bats
# What is written is held against what is: README's tour, the manual, completions, service files

bats_require_minimum_version 1.5.0
load helper

# Prints block N (from 1) of the tour: commands (1), or the output that is shown below them (2).
tour_block() {
	awk -v wanted="$1" -v part="$2" '
		/^## / { tour = $0 == "## A tour" }
		!tour { next }
		/^```/ {
			if (inside) { inside = 0; next }
			inside = 1
			shown = $0 != "```bash"
			if (!shown) n++
			next
		}
		inside && n == wanted && shown == part - 1' "$root/README.md"
}

tour_blocks() {
	awk '/^## / { tour = $0 == "## A tour" } tour && $0 == "```bash"' "$root/README.md" | wc -l
}

# The options of a command by --help, or all of them.
help_options() {
	"$OPENSANDBOX" --help | awk -v wanted="${1:-}" '
		/^options of / { command = $3; sub(/:$/, "", command) }
		/^  --/ && (wanted == "" || command == wanted) { print $1 }' | sort -u
}

@test "each block of README's tour gives what is shown below it" {
	need curl jq
	start_server
	cd "$root"
	blocks=$(tour_blocks)
	((blocks >= 6))
	for ((i = 1; i <= blocks; i++)); do
		commands=$(tour_block "$i" 1 | sed -e "s|http://localhost:8080|$URL|g" \
			-e 's|sudo \./opensandbox|"$OPENSANDBOX"|g')
		pattern=$(tour_block "$i" 2 | sed -e 's/[][\\*?]/\\&/g' -e 's/…/*/g')
		[[ -n $commands && -n $pattern ]]
		output=$(bash -euo pipefail -c "$commands")
		# shellcheck disable=SC2053 # a pattern on purpose
		if [[ $output != $pattern ]]; then
			printf 'block %d gave\n%s\nnot\n%s\n' "$i" "$output" "$(tour_block "$i" 2)" >&2
			return 1
		fi
	done
}

@test "the table of limits in README has every limit with its default" {
	need jq curl
	start_server
	get /version
	for name in $(json '.limits | keys[]'); do
		default=$(json ".limits.$name.default")
		[[ $default != null ]] || default=60000
		grep -qE "^\| \`$name\`, \`--${name//_/-}\` \| $default( |,)" "$root/README.md" ||
			{ echo "no line for $name with $default" >&2; return 1; }
	done
}

@test "files that README and docs link to are there" {
	cd "$root"
	for file in README.md docs/*.md; do
		while read -r link; do
			[[ -e $(dirname "$file")/$link ]] || { echo "$file: $link" >&2; return 1; }
		done < <(grep -o '](\([^)#]*\)' "$file" | sed 's/^](//' | grep -v '^http' | grep .)
	done
}

@test "the manual is clean mdoc" {
	need mandoc
	run mandoc -T lint -W style "$root/opensandbox.1"
	# Whether pages that it refers to are installed here is not its fault.
	lines=$(grep -v 'mandoc.db\|referenced manual not found' <<<"$output" || :)
	expect "$lines" ''
}

@test "the manual has every option of --help, and no other" {
	cd "$root"
	written=$(sed -n 's/^\.\(It \)\{0,1\}Fl -\([a-z-]*\).*/--\2/p' opensandbox.1 |
		grep -vx -e --run -e --help -e --version -e -- | sort -u)
	expect "$written" "$(help_options)"
}

@test "completion of bash offers every option of each command, and no other" {
	for command in run serve check health sessions; do
		offered=$(bash -c '. "$1"; COMP_WORDS=(opensandbox "$2" --); COMP_CWORD=2; _opensandbox
			printf "%s\n" "${COMPREPLY[@]}"' bash "$root/completions/opensandbox.bash" "$command" |
			sort -u)
		expect "$offered" "$(help_options "$command")" "what is offered for $command"
	done
}

@test "completion of bash knows which options take a value, and where the command begins" {
	complete() {
		bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _opensandbox
			printf "%s\n" "${COMPREPLY[@]}" | head -n 3 | tr "\n" " "' bash \
			"$root/completions/opensandbox.bash" "$@"
	}
	expect "$(complete opensandbox serve --log '')" 'text json none '
	expect "$(complete opensandbox serve --no-token --li)" '--listen --listen-mode '
	expect "$(complete opensandbox run --network h)" 'host '
	expect "$(complete opensandbox run -- mkno)" "$(compgen -c mkno | head -n 3 | tr '\n' ' ')"
	expect "$(complete opensandbox run mkdir --t)" ' '
	for option in $("$OPENSANDBOX" --help | awk '/^  --/ && $2 ~ /^[a-z|]*[A-Z|]/ { print $1 }' | sort -u); do
		[[ $option != --json ]] || continue
		! sed -n '/--no-userns |/p' "$root/completions/opensandbox.bash" | grep -q -- "$option " ||
			{ echo "$option takes a value" >&2; return 1; }
	done
}

@test "completion of zsh has every option of --help, and no other" {
	written=$(grep -o "'[*]\{0,1\}--[a-z-]*\[" "$root/completions/_opensandbox" | tr -d "'*[" | sort -u)
	expect "$written" "$(help_options)"
	! command -v zsh >/dev/null || zsh -n "$root/completions/_opensandbox"
}

@test "service files name options that there are, and systemd takes them" {
	cd "$root/packaging"
	for option in $(grep -h '^ExecStart=\|^command_args=' opensandbox.service opensandbox.openrc |
		grep -o -- '--[a-z-]*'); do
		help_options serve | grep -qx -- "$option"
	done
	need systemd-analyze
	stage=$BATS_TEST_TMPDIR/units
	mkdir "$stage"
	sed "s|/usr/local/bin/opensandbox|$OPENSANDBOX|" opensandbox.service >"$stage/opensandbox.service"
	cp opensandbox.socket "$stage"
	run systemd-analyze verify --man=no "$stage/opensandbox.service" "$stage/opensandbox.socket"
	# A machine that systemd does not run may lack what every unit depends on.
	lines=$(grep 'opensandbox\.' <<<"$output" | grep -v 'target not found' || :)
	expect "$lines" ''
	expect "$(grep -c 'Unknown' <<<"$output")" 0
}

@test "scripts are free of what shellcheck warns of" {
	need shellcheck
	cd "$root"
	shellcheck packaging/build-deb packaging/make-rootfs test/image completions/opensandbox.bash
	# Others read what they set, and set what they read.
	shellcheck -s sh -e SC2034,SC2154 packaging/APKBUILD packaging/opensandbox.openrc
}

@test "every test that docs/security.md names is one" {
	local sentence n=0
	cd "$root"
	while read -r sentence; do
		n=$((n + 1))
		grep -q -F -e "@test \"$sentence\"" -e "(\"$sentence\")" test/*.bats test/attacks/*.bats \
			test/unit/*.c 2>/dev/null ||
			expect "$sentence" 'the sentence of a test'
	done < <(tr '\n' ' ' <docs/security.md | grep -o '"[^"]*"' | tr -d '"')
	((n > 50))
}

@test "every protection of the table of mutations is where the table says, and has its tests" {
	cd "$root"
	test/mutations -n >"$BATS_TEST_TMPDIR/said" || {
		sed -n '/^failed:/,$p' "$BATS_TEST_TMPDIR/said" >&2
		return 1
	}
}
