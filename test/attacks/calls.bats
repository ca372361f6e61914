#!/usr/bin/env bats
# calls.bats - line 39, and every system call by number, held against the table in docs/syscalls.md

load attacks

setup_file() {
	build_attacks calls
	sandbox --time 60000 --output 4096 --bind "$ATTACKS:/attacks" -- /attacks/calls \
		>"$BATS_FILE_TMPDIR/calls"
}

setup() {
	watch_host
	CALLS=$BATS_FILE_TMPDIR/calls
	[[ $(uname -m) = x86_64 ]] || skip 'the numbers are of x86-64'
}

# The numbers of names, by the headers here and, for what they are too old to know, by hand.
numbers() {
	{
		echo '#include <sys/syscall.h>' | cc -E -dM - | sed -n 's/^#define __NR_\([a-z0-9_]*\) \([0-9]*\)$/\1 \2/p'
		printf '%s\n' 'memfd_secret 447' 'mount_setattr 442' 'quotactl_fd 443' 'open_tree_attr 467' 'file_setattr 469'
	} | sort -u
}

# refused_names ANSWER: what the table "Refused to the command" says gets it.
refused_names() {
	sed -n '/^## Refused to the command/,/^## Decided/p' "$root/docs/syscalls.md" |
		awk -F'|' -v answer=" $1 " '$3 == answer { print $2 }' | grep -o '`[^`]*`' | tr -d '`'
}

# What the other lists of the page name: decided_names, allowed_names.
decided_names() {
	sed -n '/^## Decided by/,/^## Allowed after/p' "$root/docs/syscalls.md" | awk -F'|' '{ print $2 }' | grep -o '`[^`]*`' | tr -d '`' | sort -u
}
allowed_names() {
	sed -n '/^## Every call/,/^## Pid 1/p' "$root/docs/syscalls.md" | grep '^- ' | grep -o '`[^`]*`' | tr -d '`'
}

# expect_calls ANSWER
expect_calls() {
	local name number got n=0
	declare -A number_of
	while read -r name number; do
		number_of[$name]=$number
	done < <(numbers)
	for name in $(refused_names "$1"); do
		number=${number_of[$name]:-}
		[[ -n $number ]] || continue
		got=$(awk -v n="$number" '$1 == "native" && $2 == n { print $3 }' "$CALLS")
		expect "$got" "$1" "$name ($number)"
		n=$((n + 1))
	done
	((n > 15))
}

@test "every number from 0 to 1024 was tried in all three tables" {
	expect "$(wc -l <"$CALLS")" 3075
	expect "$(cut -d' ' -f1,2 "$CALLS" | sort -u | wc -l)" 3075
}

@test "every call that the documents say is EPERM is refused so" {
	expect_calls EPERM
}

@test "every call that the documents say is ENOSYS is refused so" {
	expect_calls ENOSYS
}

@test "a call that is not refused with zeros for arguments is one that the documents do not list" {
	{
		refused_names EPERM
		refused_names ENOSYS
	} >"$BATS_TEST_TMPDIR/refused"
	numbers >"$BATS_TEST_TMPDIR/numbers"
	expect "$(awk '
		FILENAME ~ /refused$/ { refused[$1] = 1; next }
		FILENAME ~ /numbers$/ { if ($1 in refused) name[$2] = $1; next }
		$1 == "native" && ($2 in name) && $3 == "other" { print name[$2] }' \
		"$BATS_TEST_TMPDIR/refused" "$BATS_TEST_TMPDIR/numbers" "$CALLS")" '' 'what is not refused'
}

@test "every call of the kernel is on one list of the documents by name: refused, decided by an argument, or allowed" {
	local name number lists n=0
	{
		refused_names EPERM
		refused_names ENOSYS
		decided_names
		allowed_names
	} >"$BATS_TEST_TMPDIR/lists"
	while read -r name number; do
		((number < 470)) || continue	# newer than the table: ENOSYS, as another test sees
		lists=$(grep -c -x -F "$name" "$BATS_TEST_TMPDIR/lists" || :)
		expect "$lists" 1 "the number of lists that have $name ($number)"
		n=$((n + 1))
	done < <(numbers)
	((n > 330))
}

@test "every call that the documents allow gets what an ordinary process gets that has no filter" {
	need setpriv
	[[ $(id -u) = 0 ]] || skip 'needs root: the filter is left out by another way than that of an ordinary user'
	local name number known=()
	while read -r name number; do
		! grep -q -x -F "$name" <(allowed_names) || known+=("$number")
	done < <(numbers)
	((${#known[@]} > 240))
	printf '%s\n' "${known[@]}" | sort -n >"$BATS_TEST_TMPDIR/known"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_FILE_TMPDIR/.."
	cd /
	xargs setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs "$ATTACKS/calls" <"$BATS_TEST_TMPDIR/known" \
		>"$BATS_TEST_TMPDIR/outside"
	awk 'FNR == NR { known[$1] = 1; next } $1 == "native" && $2 in known' "$BATS_TEST_TMPDIR/known" "$CALLS" >"$BATS_TEST_TMPDIR/inside"
	expect "$(wc -l <"$BATS_TEST_TMPDIR/inside")" "${#known[@]}"
	diff "$BATS_TEST_TMPDIR/inside" "$BATS_TEST_TMPDIR/outside"
	((${#known[@]} > 8 * $(grep -c -v ' other$' "$BATS_TEST_TMPDIR/inside")))
}

@test "no native call is answered by a kill, and numbers that nobody has are ENOSYS" {
	expect "$(grep -c '^native .* killed$' "$CALLS")" 0
	expect "$(awk '$1 == "native" && ($2 >= 470 || ($2 >= 337 && $2 < 424 && $2 != 335)) && $3 != "ENOSYS"' \
		"$CALLS")" ''
	expect "$(awk '$1 == "native" && ($2 == 41 || $2 == 53) && $3 != "EAFNOSUPPORT"' "$CALLS")" ''
}

@test "every call by int 0x80 and every one of x32 kills, whatever its number" {
	expect "$(grep -E '^(int80|x32) ' "$CALLS" | grep -vc ' killed$')" 0
	expect "$(grep -cE '^(int80|x32) ' "$CALLS")" 2050
}

@test "a command that makes a call by int 0x80 is signaled with SIGSYS" {
	cat >"$ATTACKS/int80.c" <<-'C'
		int main(void) { int r; __asm__ volatile("int $0x80" : "=a"(r) : "a"(20)); return 0; }
	C
	cc -o "$ATTACKS/int80" "$ATTACKS/int80.c"
	chmod 755 "$ATTACKS/int80"
	attempt --bind "$ATTACKS:/attacks" -- /attacks/int80
	expect_run signaled 159
	expect_json .signal_name SIGSYS
}

@test "a tracer that puts another call in the place of one that was let through has that one refused too" {
	local expected=$'setns EPERM\nbpf EPERM\nkeyctl ENOSYS\nio_uring_setup ENOSYS\ngetpid made\ngetpid of x32 killed'
	build_attacks attack
	attempt --bind "$ATTACKS:/attacks" -- /attacks/attack change
	expect "$output" "$expected"
}
