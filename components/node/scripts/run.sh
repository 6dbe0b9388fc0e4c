#!/usr/bin/env bash
# Runs one step on a host, detached from the connection: if SSH drops, the step goes on, and the next run joins it.
# Comes as one text with STEP, HASH, VARIABLES, LIBRARY and SCRIPT set before it, and is called as:
#   up [MARK]   do the step, unless it is done; follow its output; end with its exit code, or once it has set the mark
#   down        take it back, and forget it
# Nothing happens before the last line, so a text that was cut off does nothing.

set -euo pipefail
umask 077

readonly HOME_OF_STEPS=/var/lib/inference RUNTIME=/run/inference WAIT_SECONDS=1800
readonly BUSY=75 INTERRUPTED=74 # EX_TEMPFAIL and EX_IOERR of sysexits.h

say() { printf '%s: %s\n' "$STEP" "$*"; }

# What is asked of this step: an action, and the hash of all that its outcome depends on.
wanted() { printf '%s %s\n' "$ACTION" "$HASH"; }
says_so() { [ -f "$1" ] && [ "$(cat "$1")" = "$(wanted)" ]; }
at_work() { systemctl list-units --plain --no-legend --state=active,activating,deactivating 'inference-step-*' | cut -d' ' -f1; }

lock() {
    exec 9>"$RUNTIME/lock"
    flock --nonblock 9 && return
    say "waits: another connection is starting a step on this host"
    if ! flock --wait "$WAIT_SECONDS" 9; then
        say "another connection has been waiting for $((WAIT_SECONDS / 60)) minutes; run pulumi up again later" >&2
        exit $BUSY
    fi
}

# Only one step at a time may change a host, whoever asked for it. Our own is joined, not waited for.
wait_for_others() {
    local other waited=0
    while other=$(at_work) && [ -n "$other" ]; do
        [ "$other" = "$UNIT" ] && says_so "$DIRECTORY/asked" && return
        if [ "$waited" -ge "$WAIT_SECONDS" ]; then
            say "$other is still at work after $((WAIT_SECONDS / 60)) minutes; see: journalctl -u $other" >&2
            exit $BUSY
        fi
        [ $((waited % 30)) = 0 ] && say "waits: ${other%.service} is at work on this host"
        sleep 1
        waited=$((waited + 1))
    done
}

start() {
    mkdir -p "$DIRECTORY"
    rm -f "$DIRECTORY/exit" "$DIRECTORY/done" "$DIRECTORY/shown" "$DIRECTORY"/*.mark
    wanted >"$DIRECTORY/asked"
    : >"$DIRECTORY/log"
    printf '%s' "$LIBRARY" >"$DIRECTORY/host.sh"
    printf '%s' "$SCRIPT" >"$DIRECTORY/script.sh"
    printf '%s' "$VARIABLES" >"$RUNTIME/$STEP.variables" # never on a disk: secrets may be among them
    cat >"$DIRECTORY/detached.sh" <<'DETACHED'
cd /
(
    set -euo pipefail
    . "$2"
    . "$1/script.sh" "$3"
) 2>&1 | tee "$1/log"
code=${PIPESTATUS[0]}
rm -f "$2"
[ "$code" != 0 ] || { cp "$1/asked" "$1/done.part" && mv "$1/done.part" "$1/done"; }
sync "$1"
echo "$code" >"$1/exit.part" && mv "$1/exit.part" "$1/exit"
DETACHED
    systemctl reset-failed "$UNIT" 2>/dev/null || true
    systemd-run --quiet --collect --unit="$UNIT" --property=KillMode=mixed --description="inference: $STEP $ACTION" \
        bash "$DIRECTORY/detached.sh" "$DIRECTORY" "$RUNTIME/$STEP.variables" "$ACTION"
}

follow() {
    show
    if has_mark && [ ! -f "$DIRECTORY/exit" ]; then return; fi
    while [ ! -f "$DIRECTORY/exit" ] && [ -n "$(at_work)" ]; do sleep 0.1; done
    if [ ! -f "$DIRECTORY/exit" ]; then
        say "was interrupted: the host went down, or the step was killed; run pulumi up again" >&2
        exit $INTERRUPTED
    fi
    return "$(cat "$DIRECTORY/exit")"
}

has_mark() { [ -n "$MARK" ] && [ -f "$DIRECTORY/$MARK.mark" ]; }

# What the step says until it ends or sets the mark, from where an earlier connection has left it at one.
show() {
    local process line part='' number=0 shown=0 last=''
    process=$(systemctl show --property=MainPID --value "$UNIT")
    [ ! -f "$DIRECTORY/shown" ] || shown=$(cat "$DIRECTORY/shown")
    while [ -z "$last" ]; do
        if has_mark || [ "${process:-0}" = 0 ] || ! kill -0 "$process" 2>/dev/null; then last=yes; else sleep 0.1; fi
        while IFS= read -r line; do
            number=$((number + 1))
            [ "$number" -le "$shown" ] || printf '%s\n' "$part$line"
            part=''
        done
        part+=$line
    done <"$DIRECTORY/log"
    printf '%s' "$part"
    ! has_mark || printf '%s' "$number" >"$DIRECTORY/shown"
}

forget() {
    rm -rf "$DIRECTORY"
    rmdir --ignore-fail-on-non-empty "$HOME_OF_STEPS"
}

# This connection shows that one can log in, so what was done to SSH and firewall may stay.
prove() {
    [ -e "$HOME_OF_STEPS/system/proof.sh" ] || return 0
    if [ "$STEP" = system ]; then # sets them anew, perhaps because they were wrong
        systemctl stop inference-proof.timer 2>/dev/null || true
        rm -f "$HOME_OF_STEPS/system/unproven" "$HOME_OF_STEPS/system/ssh.off"
        return
    fi
    /bin/sh "$HOME_OF_STEPS/system/proof.sh" proven && return
    say "SSH and firewall had been put back, since nobody had logged in within 5 minutes of their change." >&2
    say "They are set again now, for 5 minutes: run pulumi up again, whose connection proves them." >&2
    exit $BUSY
}

main() {
    readonly ACTION=${1:?up or down} MARK=${2-} DIRECTORY=$HOME_OF_STEPS/$STEP UNIT=inference-step-$STEP.service
    mkdir -p "$RUNTIME" "$HOME_OF_STEPS"
    lock
    prove
    if [ "$ACTION" = up ] && says_so "$DIRECTORY/done"; then
        say "done already"
        return
    fi
    wait_for_others
    if [ -n "$(at_work)" ]; then say "is at work already: joins it"; else start 9>&-; fi
    exec 9>&-
    follow
    [ "$ACTION" = up ] || forget
}

main "$@"
