# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# stage NAME DIR EXPECTED COMMAND-OR-FUNCTION [ARGUMENT]...
#
# Runs one long step with its output in build/log/NAME.log. On a terminal, stage
# shows the elapsed time, and how many of about EXPECTED objects exist below
# DIR. Otherwise, stage prints one line at the end of the step. It returns the
# status of the step, and appends the run time to build/log/times.
#
# Do not call stage in a condition: bash then ignores errors inside the function
# that it runs. To get the status, call it between `set +e` and `set -e`.

# stage_line NAME DIR EXPECTED SECONDS
stage_line() {
	local objects=
	[ "$3" = 0 ] || objects=", $(find "$2" -name '*.o' 2>/dev/null |
		wc -l) of about $3 objects"
	printf '%-16s %4d s%s' "$1" "$4" "$objects"
}

stage() {
	local task=("${@:1:3}") log=build/log/$1.log start=$SECONDS pid status
	shift 3
	mkdir -p build/log
	# The step has its own process group, which a signal to this script
	# ends.
	set -m
	(set -e && "$@") >"$log" 2>&1 </dev/null &
	pid=$!
	set +m
	trap 'kill -- -$pid 2>/dev/null; wait $pid; echo; exit 130' INT TERM HUP
	if [ -t 1 ]; then
		while kill -0 "$pid" 2>/dev/null; do
			printf '\r%s' "$(stage_line "${task[@]}" \
				$((SECONDS - start)))"
			sleep 1
		done
		printf '\r'
	fi
	status=0
	wait "$pid" || status=$?
	trap - INT TERM HUP
	stage_line "${task[@]}" $((SECONDS - start))
	if [ "$status" = 0 ]; then
		echo ", done"
		echo "${task[0]} $((SECONDS - start))" >>build/log/times
	else
		echo ", FAILED; the last lines of $log:"
		tail -n 15 "$log"
	fi
	return "$status"
}
