#!/usr/bin/env bats
# list.bats - README.md here names a test for every attack of the list, and each of them is there

list=$BATS_TEST_DIRNAME/README.md

rows() {
	grep -E '^\| [0-9]+b? \|' "$list"
}

@test "every attack of the list has a test" {
	local line missing=
	for line in {1..66} 46b; do
		rows | grep -q "^| $line |" || missing+=" $line"
	done
	echo "without a test:$missing" >&2
	[[ -z $missing ]]
}

@test "every sentence that the list names is a test of the file that it names" {
	local file sentence missing=0
	while IFS='|' read -r _ _ _ file sentence _; do
		file=${file# }
		sentence=${sentence# }
		if ! grep -q -F "@test \"${sentence% }\" {" "$BATS_TEST_DIRNAME/${file% }"; then
			echo "${file% } has no test \"${sentence% }\"" >&2
			missing=$((missing + 1))
		fi
	done < <(rows)
	((missing == 0))
}

@test "every file of attacks is named by the list" {
	local file
	for file in "$BATS_TEST_DIRNAME"/*.bats; do
		[[ $file = "$BATS_TEST_FILENAME" ]] || grep -q -F "${file##*/}" "$list" || {
			echo "${file##*/} is not named" >&2
			return 1
		}
	done
}
