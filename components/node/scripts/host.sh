#!/usr/bin/env bash
# Changes to a host that are shown before they are made, harmless when made again, and taken back.
# A step sets STEP, sources this, defines `state`, which says how the host should be, and ends with `main "$@"`:
#   up        make it so; what an earlier run made and `state` no longer says is taken back
#   down      take everything back
#   --check   say what `up` would do, and do nothing
# shellcheck disable=SC2317  # called by name, from the ledger

set -euo pipefail

readonly HOST=/var/lib/inference
readonly LEDGER=$HOST/$STEP/ledger BEFORE=$HOST/$STEP/before PENDING=$HOST/$STEP/pending
CHECK='' LEAVING='' CHANGES=0
declare -A STATED=()

say() { printf '%s\n' "$*"; }
fail() {
    printf '%s\n' "$*" >&2
    exit 1
}

# Tells those who came for no more than this mark that they may go on.
reached() { : >"$HOST/$STEP/$1.mark"; }

# Whether to go on with a change, after saying what it is.
change() {
    CHANGES=$((CHANGES + 1))
    say "${CHECK:+would }$*"
    [ -z "$CHECK" ]
}

# --- The ledger: what was done, in order, as lines of kind, name and what must be called after a change to it.

state_that() { STATED["$1	$2"]=1; }
recorded() { [ -f "$LEDGER" ] && grep -qF -- "$1	$2	" "$LEDGER"; }
record() {
    recorded "$1" "$2" || printf '%s\t%s\t%s\n' "$1" "$2" "${3-}" >>"$LEDGER"
}
strike() {
    grep -vF -- "$1	$2	" "$LEDGER" >"$LEDGER.part" || true
    mv "$LEDGER.part" "$LEDGER"
}

# To be called once all is written, even if this run is killed in between.
later() { [ -z "${1-}" ] || : >"$PENDING/$1"; }
settle() {
    local action
    [ -z "$CHECK" ] || return 0
    for action in "$PENDING"/*; do
        [ -e "$action" ] || continue
        say "${action##*/}" | tr _ ' '
        "${action##*/}"
        rm "$action"
    done
}

# --- Files.

# file PATH MODE [ACTION], its content from standard input
file() {
    local path=$1 mode=$2 action=${3-} content
    content=$(cat; printf .)
    state_that file "$path"
    [ -f "$path" ] && [ "$(cat "$path"; printf .)" = "$content" ] && [ "$(stat --format=%a "$path")" = "$mode" ] &&
        return
    [ ! -d "$path" ] || fail "$path is a directory, where a file should be: move it away"
    change "write $path" || return 0
    keep "$path"
    record file "$path" "$action"
    later "$action"
    (umask 022 && mkdir -p "${path%/*}")
    printf '%s' "${content%.}" >"$path.part"
    chmod "$mode" "$path.part"
    mv "$path.part" "$path"
}

# absent PATH [ACTION]
absent() {
    state_that file "$1"
    [ -e "$1" ] || return 0
    change "remove $1" || return 0
    keep "$1"
    record file "$1" "${2-}"
    later "${2-}"
    rm "$1"
}

# The file as it was before our first change, and the first of its directories that did not exist.
keep() {
    recorded file "$1" && return
    local directory=${1%/*}
    rm -rf "$BEFORE/file$1" "$BEFORE/directories$1"
    mkdir -p "$BEFORE/file$directory" "$BEFORE/directories$directory"
    [ ! -e "$1" ] || cp -a "$1" "$BEFORE/file$1"
    while [ ! -d "$directory" ]; do
        printf '%s\n' "$directory" >>"$BEFORE/directories$1"
        directory=${directory%/*}
    done
}

undo_file() {
    if [ -e "$BEFORE/file$1" ]; then
        (umask 022 && mkdir -p "${1%/*}")
        cp -a "$BEFORE/file$1" "$1.part"
        mv "$1.part" "$1"
    else
        rm -f "$1"
    fi
    local directory
    [ ! -f "$BEFORE/directories$1" ] || while read -r directory; do
        rmdir "$directory" 2>/dev/null || true
    done <"$BEFORE/directories$1"
}

# --- Packages.

apt() {
    local words=(-y -qq -o DPkg::Lock::Timeout=900 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef
        -o Dpkg::Options::=--force-confold -o APT::Update::Error-Mode=any)
    DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get "${words[@]}" "$@"
}
installed() {
    dpkg-query --show --showformat='${db:Status-Abbrev}\t${Package}\n' | sed -n 's/^[ih]i *\t//p' | sort -u
}
accounts() { { sed 's/^\([^:]*\):.*/user:\1/' /etc/passwd; sed 's/^\([^:]*\):.*/group:\1/' /etc/group; } | sort; }
has() { # NAME or NAME=VERSION
    local version
    version=$(dpkg-query --show --showformat='${db:Status-Abbrev}\t${Version}' "${1%%=*}" 2>/dev/null) || return
    case $version in [ih]i*) ;; *) return 1 ;; esac
    [ "${1#*=}" = "$1" ] || [ "${version#*	}" = "${1#*=}" ]
}

# packages NAME[=VERSION]...
packages() {
    local missing=() kind name group asked
    for name in "$@"; do
        has "$name" || missing+=("$name")
        state_that package "${name%%=*}"
    done
    if [ "${#missing[@]}" -gt 0 ] && change "install ${missing[*]}"; then
        await_apt
        if [ ! -f "$BEFORE/packages" ]; then
            accounts >"$BEFORE/accounts"
            installed >"$BEFORE/packages.part"
            mv "$BEFORE/packages.part" "$BEFORE/packages"
        fi
        apt install --no-install-recommends --allow-change-held-packages "${missing[@]}"
    fi
    # Also what a run that was killed has installed: it is ours to take back.
    if [ -z "$CHECK" ] && [ -f "$BEFORE/packages" ]; then
        # Each goes with its own name, or with those that it came along with.
        installed | comm -13 "$BEFORE/packages" - | while read -r name; do
            group=${missing[*]:-$*}
            for asked in "$@"; do [ "${asked%%=*}" != "$name" ] || group=$name; done
            record package "$name" "$group"
        done
        # Packages make accounts, and leave them when they go.
        accounts | comm -13 "$BEFORE/accounts" - | while read -r name; do record "${name%:*}" "${name#*:}" "$*"; done
        rm "$BEFORE/packages"
    fi
    # What came with those that are stated is stated too.
    while IFS=$'\t' read -r kind name group; do
        for asked in $group; do [ -z "${STATED["package	${asked%%=*}"]-}" ] || state_that "$kind" "$name"; done
    done < <(grep -sE '^(package|user|group)	' "$LEDGER")
}

# Another run of apt or cloud-init may be at work, or have been cut off in the middle.
await_apt() {
    if command -v cloud-init >/dev/null; then timeout 600 cloud-init status --wait >/dev/null || true; fi
    if [ -n "$(dpkg --audit)" ]; then
        say "finishing an interrupted installation of packages"
        DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --configure -a
    fi
}

# Of a unit's file that came, changed or went.
reload_units() { systemctl daemon-reload; }

refresh_package_lists() {
    await_apt
    local tries=0 said=$HOST/$STEP/update
    until apt update 2>&1 | tee "$said"; do
        if [ -n "$LEAVING" ]; then
            say "the package lists are as old as before: run apt-get update once the sources in /etc/apt can be reached"
            return
        fi
        if grep -qE 'NO_PUBKEY|BADSIG|EXPKEYSIG|is not signed' "$said"; then
            fail "a package repository is not signed by the key that is set for it: see above; correct the key or the url in system.aptSources"
        fi
        tries=$((tries + 1))
        # Waiting helps against a mirror in mid-change, not against an address where there is none.
        if [ "$tries" -ge 5 ] || grep -q 'does not have a Release file' "$said"; then
            fail "apt-get update failed: see above; check the sources in /etc/apt, system.aptSources and mirror.apt"
        fi
        sleep $((tries * 5))
    done
}

# apt_source NAME "URL SUITE [COMPONENT...]" KEY: a repository, with the key that signs it from an address of its own
apt_source() {
    local name=$1 url suite components key=/etc/apt/keyrings/inference-$1
    read -r url suite components <<<"$(for_this_host "$2")"
    case $3 in *.gpg) key+=.gpg ;; *) key+=.asc ;; esac
    if [ -z "$CHECK" ] && [ ! -e "$key" ]; then
        curl --fail --silent --show-error --location --retry 5 --connect-timeout 15 --output "$HOST/$STEP/key" "$3" ||
            fail "$3 cannot be fetched (see above): check the network, or set mirror.apt"
        # Through the ledger, by way of text: a binary key would lose its zero bytes in a variable.
        keep "$key"
        record file "$key"
        install -D --mode=644 "$HOST/$STEP/key" "$key"
    fi
    state_that file "$key"
    repository "$name" "$url" "$suite" "$components" "$key"
}

# repository NAME URL SUITES COMPONENTS KEY, the last a file on this host
repository() {
    file "/etc/apt/sources.list.d/inference-$1.sources" 644 refresh_package_lists <<END
Types: deb
URIs: $2
Suites: $3
${4:+Components: $4
}Signed-By: $5
END
}

# Vendors name systems and architectures each in their own way; AMD has packages for Ubuntu, which Debian takes too.
for_this_host() {
    local system codename machine
    # shellcheck source=/dev/null
    system=$(. /etc/os-release && echo "$ID${VERSION_ID//./}")
    # shellcheck source=/dev/null
    case $system in debian12) codename=jammy ;; debian13) codename=noble ;; *) codename=$(. /etc/os-release && echo "${VERSION_CODENAME-}") ;; esac
    case $(uname -m) in x86_64) machine=x86_64 ;; *) machine=sbsa ;; esac
    sed "s|@system|$system|; s|@ubuntu|$codename|; s|@machine|$machine|; s|@arch|$(dpkg --print-architecture)|" <<<"$1"
}

# Modules are built for the kernel that runs.
kernel_headers() {
    local name
    name=linux-headers-$(uname -r)
    if [ ! -e "/lib/modules/$(uname -r)/build" ] || has "$name"; then packages "$name"; fi
}

rebuild_initramfs() { ! command -v update-initramfs >/dev/null || update-initramfs -u; }

# Whatever this step installed with such a name.
hold_matching() {
    local names
    names=$(sed -n 's/^package\t\([^\t]*\)\t.*/\1/p' "$LEDGER" 2>/dev/null | grep -E "$1" | sort -u) || true
    # shellcheck disable=SC2086  # one word a package
    hold $names
}

# Until the next boot, a file in memory says so, and why.
needs_reboot() {
    mkdir -p /run/inference
    printf '%s\n' "$1" >/run/inference/reboot
    say "needs a reboot: $1"
}

# hold NAME...: no upgrade of these, by hand or unattended
hold() {
    local name held
    held=$(apt-mark showhold)
    for name in "$@"; do
        state_that hold "$name"
        grep -qx "$name" <<<"$held" && continue
        change "hold $name" || continue
        record hold "$name"
        apt-mark hold "$name" >/dev/null
    done
}
undo_hold() { apt-mark unhold "$1" >/dev/null; }

# --- Units, users, kernel parameters.

# unit NAME: enabled and running
unit() {
    state_that unit "$1"
    systemctl is-enabled --quiet "$1" 2>/dev/null && { systemctl is-active --quiet "$1" || is_exempt "$1"; } && return
    change "start $1" || return 0
    if ! recorded unit "$1"; then
        mkdir -p "$BEFORE/unit"
        { systemctl is-enabled "$1" 2>/dev/null || true; systemctl is-active "$1" 2>/dev/null || true; } >"$BEFORE/unit/$1"
    fi
    record unit "$1"
    systemctl daemon-reload
    systemctl enable --quiet --now "$1"
}
# Of a unit that was started and says by a condition of its own that this host does not need it.
is_exempt() {
    [ "$(systemctl show --property=ConditionTimestampMonotonic --value "$1")" != 0 ] &&
        [ "$(systemctl show --property=ConditionResult --value "$1")" = no ]
}
undo_unit() {
    grep -qx active "$BEFORE/unit/$1" || systemctl stop "$1" 2>/dev/null || true
    grep -qx enabled "$BEFORE/unit/$1" || systemctl disable --quiet "$1" 2>/dev/null || true
}

# parameter KEY VALUE: as sysctl has it, now and after a reboot
parameter() {
    local now
    state_that parameter "$1"
    PARAMETERS+="$1 = $2"$'\n'
    now=$(sysctl --values "$1" 2>/dev/null | tr '\t' ' ') || now=
    [ "$now" = "$2" ] && return
    if [ ! -w "/proc/sys/${1//.//}" ]; then
        say "$1 stays ${now:-unknown}: the kernel is not this host's own"
        return
    fi
    change "set $1 to $2 (is ${now:-not set})" || return 0
    if ! recorded parameter "$1"; then
        mkdir -p "$BEFORE/parameter"
        printf '%s' "$now" >"$BEFORE/parameter/$1"
    fi
    record parameter "$1"
    sysctl --quiet --write "$1=$2"
}
PARAMETERS=''
undo_parameter() { sysctl --quiet --write "$1=$(cat "$BEFORE/parameter/$1")" || true; }

# --- What a step ends with.

# take_back KIND NAME [ACTION]
take_back() {
    state_that "$1" "$2" # so that it is said once
    change "take back $1 $2" || return 0
    later "${3-}"
    "undo_$1" "$2"
    strike "$1" "$2"
}

# take_back_files PREFIX: those no longer stated, before the rest of `state` trips over them
take_back_files() {
    [ -f "$LEDGER" ] || return 0
    local kind name action
    while IFS=$'\t' read -r kind name action; do
        case $kind:$name in file:"$1"*) [ -n "${STATED["file	$name"]-}" ] || take_back file "$name" "$action" ;; esac
    done < <(tac "$LEDGER")
}

# Take back, last first, what is in the ledger and was not stated.
finish() {
    local kind name action purge=() users=() groups=()
    [ -f "$LEDGER" ] || return 0
    while IFS=$'\t' read -r kind name action; do
        [ -z "${STATED["$kind	$name"]-}" ] || continue
        case $kind in user) users+=("$name") && continue ;; group) groups+=("$name") && continue ;; esac
        if [ "$kind" = package ]; then
            if has "$name"; then purge+=("$name"); elif [ -z "$CHECK" ]; then strike package "$name"; fi
            continue
        fi
        take_back "$kind" "$name" "$action"
    done < <(tac "$LEDGER")
    if [ "${#purge[@]}" -gt 0 ] && change "remove ${purge[*]}"; then
        await_apt
        apt purge --allow-change-held-packages "${purge[@]}"
        for name in "${purge[@]}"; do strike package "$name"; done
    fi
    for name in "${users[@]}"; do
        change "remove user $name" || continue
        if getent passwd "$name" >/dev/null; then userdel "$name"; fi
        strike user "$name"
    done
    for name in "${groups[@]}"; do
        change "remove group $name" || continue
        if getent group "$name" >/dev/null; then groupdel "$name"; fi
        strike group "$name"
    done
}

main() {
    case ${1-} in
    up | down) mkdir -p "$BEFORE" "$PENDING" && touch "$LEDGER" ;;
    --check) CHECK=1 ;;
    *) fail "usage: ${0##*/} up|down|--check" ;;
    esac
    if [ "$1" = down ]; then LEAVING=1; else state; fi
    finish
    settle
    [ "$CHANGES" -gt 0 ] || say "nothing to change"
}
