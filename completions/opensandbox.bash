# opensandbox(1) completion for bash
# shellcheck shell=bash

# Options by command; those that take no value, by name.
_opensandbox_options() {
	case $1 in
	run | --run)
		echo --time --wall-time --mem --fsize --nofile --stack --procs --disk --output --env --cwd \
			--result --result-fd --network --rootfs --bind --no-userns --no-cgroup
		;;
	serve)
		echo --network --rootfs --bind --no-userns --no-cgroup --no-reuse --port --listen \
			--listen-mode --state-dir --keep-sessions --token-file --no-token --allow-host \
			--max-runs --max-sessions --max-connections --max-body --max-time --max-wall-time \
			--max-mem --max-fsize --max-nofile --max-stack --max-procs --max-disk --max-output \
			--drain --node-id --log
		;;
	check) echo --rootfs --no-userns --no-cgroup --json ;;
	health) echo --port --listen ;;
	sessions) echo --state-dir ;;
	esac
}

_opensandbox() {
	local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} previous i
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W 'run serve check health sessions help version' -- "$current")
		return
	fi
	# The first word that is neither an option nor its value begins the command to be run.
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--)
			break
			;;
		--no-userns | --no-cgroup | --no-reuse | --no-token | --keep-sessions | --json) ;;
		--*) ((i++)) ;;
		*) break ;;
		esac
	done
	if ((i < COMP_CWORD)); then
		if [[ $command == *run || $command == sessions ]]; then
			mapfile -t COMPREPLY < <(compgen -c -- "$current")
			compopt -o default 2>/dev/null
		fi
		return
	fi
	# Behind an option that takes a value, i has stepped over the word that is being completed.
	previous=${COMP_WORDS[COMP_CWORD - 1]}
	((i > COMP_CWORD)) || previous=
	case $previous in
	--network) mapfile -t COMPREPLY < <(compgen -W 'none host' -- "$current") ;;
	--log) mapfile -t COMPREPLY < <(compgen -W 'text json none' -- "$current") ;;
	--rootfs | --state-dir | --cwd) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
	--bind | --token-file | --result) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	--listen) mapfile -t COMPREPLY < <(compgen -W '127.0.0.1 ::1 0.0.0.0 :: unix:' -- "$current") ;;
	--*) ;;
	*)
		if [[ ($command == *run || $command == sessions) && $current != -* ]]; then
			mapfile -t COMPREPLY < <(compgen -c -- "$current")
		else
			mapfile -t COMPREPLY < <(compgen -W "$(_opensandbox_options "$command")" -- "$current")
		fi
		;;
	esac
}

complete -F _opensandbox opensandbox
