# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# splats CONSOLE [OPTION]...: greps for the splats of configs/splats. kmemleak says
# that it is disabled where kmemleak=off asked for that, which is no splat.
splats() {
	local list=${BASH_SOURCE[0]%/*}/../../configs/splats
	if grep -qa 'Command line:.* kmemleak=off' "$1"; then
		grep -aE "${@:2}" -f <(grep -v disabled "$list") "$1"
	else
		grep -aE "${@:2}" -f "$list" "$1"
	fi
}
