# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# splats CONSOLE [OPTION]...: greps for the splats of configs/splats. With
# kmemleak=off, the message that kmemleak is disabled is not a splat.
splats() {
	local list=${BASH_SOURCE[0]%/*}/../../configs/splats
	if grep -qa 'Command line:.* kmemleak=off' "$1"; then
		grep -aE "${@:2}" -f <(grep -v disabled "$list") "$1"
	else
		grep -aE "${@:2}" -f "$list" "$1"
	fi
}
