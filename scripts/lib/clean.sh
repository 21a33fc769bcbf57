# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Starts the script that sources this file again, in an environment that is the
# same for every user. Source it first, while "$@" holds all arguments. Scripts
# begin with `#!/bin/bash -p`: bash then ignores exported functions, BASH_ENV,
# SHELLOPTS and CDPATH until it gets here.
#
# The scripts take the variables below from the environment, and no others. They
# take two things from the user's git configuration: the committer's identity,
# as git finds it in this checkout, and core.excludesFile, which hides files
# from git status. They ignore GIT_AUTHOR_*, which git sets for hooks and rebase
# --exec. configs/git overrides all other settings.

nobody=netns-generic@invalid
# The variables of make
taken=(KERNEL DEPS ASIS MAILING VERSION ONLY STEPS CELL BASE NETNS ROUNDS KEEP
	AGAIN ACCEL)

# is_taken NAME
is_taken() {
	case $1 in
	# The user, and how to find programs, libraries and the network
	PATH | HOME | USER | LOGNAME | TERM | TMPDIR | SUDO_ASKPASS) ;;
	XDG_CACHE_HOME | XDG_CONFIG_HOME | XDG_RUNTIME_DIR) ;;
	LD_LIBRARY_PATH | LD_PRELOAD | LIBRARY_PATH | CPATH) ;;
	C_INCLUDE_PATH | PKG_CONFIG_PATH | NIX_* | GUIX_*) ;;
	http_proxy | https_proxy | ftp_proxy | all_proxy | no_proxy) ;;
	HTTP_PROXY | HTTPS_PROXY | FTP_PROXY | ALL_PROXY | NO_PROXY) ;;
	SSL_CERT_FILE | SSL_CERT_DIR | APT_CONFIG) ;;
	# The compiler cache
	CCACHE_DIR | CCACHE_CONFIGPATH | CCACHE_MAXSIZE) ;;
	CCACHE_REMOTE_STORAGE | CCACHE_DISABLE) ;;
	CCACHE_BASEDIR | CCACHE_NOHASHDIR) ;;
	# Set by tests/ for its own programs
	TEST_*) ;;
	*) [[ " ${taken[*]} " = *" $1 "* ]] ;;
	esac
}

if [ "${CLEAN-}" != $$ ]; then
	unset CDPATH
	root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
	[ -v HOME ] || export HOME=~
	[ -w "${TMPDIR-}/." ] || unset TMPDIR
	me=
	excludes=
	if command -v git >/dev/null; then
		for name in "${!GIT_@}"; do
			case $name in
			GIT_CONFIG_* | GIT_COMMITTER_NAME | GIT_COMMITTER_EMAIL) ;;
			*) unset "$name" ;;
			esac
		done
		me=$(command git -C "$root" -c user.useConfigOnly=true \
			var GIT_COMMITTER_IDENT 2>/dev/null) ||
			command git -C "$root" config --list >/dev/null || exit
		excludes=$(command git -C "$root" config --type=path \
			core.excludesFile) || excludes=
		# The user's git may refuse the repository of another owner;
		# configs/git does not.
		for name in "$root/build/linux" "${KERNEL-}"; do
			[ ! -e "$name/.git" ] || command git -C "$name" \
				rev-parse HEAD >/dev/null || exit
		done
	fi
	me=${me:-netns-generic <$nobody>}
	mail=${me#*<}
	unset "${!GIT_@}"
	export CLEAN=$$ LC_ALL=C LANG=C.UTF-8 TZ=UTC PYTHONDONTWRITEBYTECODE=1
	export GIT_COMMITTER_NAME="${me%% <*}" GIT_COMMITTER_EMAIL="${mail%%>*}"
	export GIT_AUTHOR_NAME="$GIT_COMMITTER_NAME"
	export GIT_AUTHOR_EMAIL="$GIT_COMMITTER_EMAIL"
	export GIT_CONFIG_NOSYSTEM=1 GIT_ATTR_NOSYSTEM=1 GIT_NO_REPLACE_OBJECTS=1
	export GIT_CONFIG_GLOBAL="$root/configs/git"
	# Include it again, to override the configuration of a repository
	export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=include.path
	export GIT_CONFIG_VALUE_0="$root/configs/git"
	[ -z "$excludes" ] || export GIT_CONFIG_COUNT=2 \
		GIT_CONFIG_KEY_1=core.excludesFile GIT_CONFIG_VALUE_1="$excludes"
	# Do not take a build/linux without .git for a part of this checkout.
	export GIT_CEILING_DIRECTORIES="$root/build"

	# env also lists variables whose names bash rejects, such as functions.
	options=()
	while IFS= read -rd '' name; do
		name=${name%%=*}
		case $name in
		GIT_* | CLEAN | LC_ALL | LANG | TZ | PYTHONDONTWRITEBYTECODE) ;;
		*) is_taken "$name" || options+=(-u "$name") ;;
		esac
	done < <(command env -0)
	options+=("$BASH" -p)
	[[ $- != *x* ]] || options+=(-x)
	exec env "${options[@]}" "$0" "$@"
fi
unset CLEAN
umask 022
