# command.bash - for tests of the command line: one run with all that can be seen of it, and programs to run
# shellcheck shell=bash disable=SC2034,SC2154 # the variables are for the tests; root is helper.bash's

# attempt [OPTION...] -- COMMAND...: sets exit_code, output and errors (of each the beginning; the
# whole is in files of these names), and body (the JSON result, for expect_json). Standard input is empty unless the test redirects it to INPUT.
attempt() {
	local result=$BATS_TEST_TMPDIR/result
	rm -f "$result"
	exit_code=0
	sandbox --result "$result" "$@" <"${INPUT:-/dev/null}" \
		>"$BATS_TEST_TMPDIR/output" 2>"$BATS_TEST_TMPDIR/errors" || exit_code=$?
	output=$(head -c 100000 "$BATS_TEST_TMPDIR/output" | tr -d '\0')
	errors=$(head -c 100000 "$BATS_TEST_TMPDIR/errors" | tr -d '\0')
	body=
	[[ ! -f $result ]] || body=$(<"$result")
}

# expect_run STATUS EXIT_CODE: how the last attempt ended, by its result and by its exit status.
expect_run() {
	if [[ $(json .status) != "$1" || $exit_code != "$2" ]]; then
		printf 'the run is %s with exit status %s, not %s with %s\nresult: %s\noutput: %.500s\nerrors: %.500s\n' \
			"$(json .status)" "$exit_code" "$1" "$2" "$body" "$output" "$errors" >&2
		return 1
	fi
}

# expect_match TEXT PATTERN [WHAT]: by bash's =~.
expect_match() {
	if [[ ! $1 =~ $2 ]]; then
		printf '%s is %.2000q, which %q does not match\n' "${3:-it}" "$1" "$2" >&2
		return 1
	fi
}

# expect_between VALUE LEAST MOST [WHAT]: numbers, with a fraction or without.
expect_between() {
	if ! awk -v value="$1" -v least="$2" -v most="$3" \
		'BEGIN { exit !(value != "" && value + 0 >= least && value + 0 <= most) }'; then
		printf '%s is %s, not between %s and %s\n' "${4:-it}" "$1" "$2" "$3" >&2
		return 1
	fi
}

# expect_ms MS LEAST MOST [WHAT]: a time, of which a slow machine may take more.
expect_ms() {
	expect_between "$1" "$2" "$(slow "$3")" "${4:-the time in ms}"
}

# build_programs NAME...: compiles test/programs/NAME.c into $PROGRAMS, static where that is possible;
# to be shown to a sandbox by --bind "$PROGRAMS:/programs".
build_programs() {
	local name compiler
	PROGRAMS=$BATS_FILE_TMPDIR/programs
	export PROGRAMS
	mkdir -p "$PROGRAMS"
	chmod 755 "$PROGRAMS"
	for name; do
		for compiler in 'musl-gcc -static' 'cc -static' 'gcc -static' 'clang -static' cc gcc clang; do
			# shellcheck disable=SC2086 # words on purpose
			$compiler -std=c11 -D_GNU_SOURCE -O1 -pthread -o "$PROGRAMS/$name" \
				"$root/test/programs/$name.c" 2>"$PROGRAMS/$name.log" && break
		done
		if [[ ! -x $PROGRAMS/$name ]]; then
			cat "$PROGRAMS/$name.log" >&2
			return 1
		fi
		chmod 755 "$PROGRAMS/$name"
	done
}

# Skips the test where the sandbox does not have a command, because the host has none in /usr.
need_inside() {
	local command code
	for command; do
		code=0
		sandbox -- sh -c 'command -v "$1" || exit 77' sh "$command" >/dev/null || code=$?
		[[ $code != 77 ]] || skip "no $command in this host's system directories"
		[[ $code = 0 ]]
	done
}

# Processes whose argument list holds a word: for words that no other process has.
count_with_word() {
	local file comm n=0
	while read -r file; do
		# It is an argument of this grep, too, and of the jq that writes a request.
		{ read -r comm <"${file%cmdline}comm"; } 2>/dev/null || continue
		[[ $comm = grep || $comm = jq ]] || n=$((n + 1))
	done < <(grep -l -z -x -F -- "$1" /proc/[0-9]*/cmdline 2>/dev/null)
	echo "$n"
}

none_with_word() {
	[[ $(count_with_word "$1") = 0 ]]
}
