#!/usr/bin/env bash
# An account without a password, for monitoring and operators: reads the journal and the state of GPUs, restarts k3s.
# Knows from its variables: NAME KEYS, the latter a public SSH key a line.
# Its home is root's, so that it logs in by these keys and cannot add others.

STEP=${STEP:-account}
# shellcheck source=SCRIPTDIR/host.sh
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"

: "${NAME:?}" "${KEYS:?}"
readonly GROUPS_OF_READERS=(systemd-journal render video)

state() {
    ours
    let_in
    account
    file "/home/$NAME/.ssh/authorized_keys" 644 <<<"restrict,pty ${KEYS//$'\n'/$'\n'restrict,pty }"
    sudo_rules
}

ours() {
    recorded account "$NAME" && return
    if getent passwd "$NAME" >/dev/null || getent group "$NAME" >/dev/null || [ -e "/home/$NAME" ]; then
        fail "$NAME is the name of an account, a group or a home on this host, which is not ours: choose another system.serviceAccount.name"
    fi
}

# Whom sshd lets in is the user's to say: we look, and change nothing.
let_in() {
    local kind
    RULES=$(sshd -T -C "user=$NAME,host=localhost,addr=127.0.0.1")
    for kind in users groups; do
        if grep -q "^allow$kind " <<<"$RULES" && ! is_named "allow$kind" || is_named "deny$kind"; then
            fail "sshd would not let $NAME in, by its Allow${kind^} or Deny${kind^} (see: sshd -T): change these, or leave out system.serviceAccount"
        fi
    done
    grep -q '^authorizedkeysfile .*\.ssh/authorized_keys' <<<"$RULES" ||
        fail "sshd does not read ~/.ssh/authorized_keys: see AuthorizedKeysFile in sshd -T, or leave out system.serviceAccount"
}
# is_named LIST: whether the account or one of its groups fits a pattern of sshd's list
is_named() {
    local pattern name names=("$NAME")
    case $1 in *groups) names+=("${GROUPS_OF_READERS[@]}") ;; esac
    while read -r _ pattern; do
        # shellcheck disable=SC2053  # a pattern
        for name in "${names[@]}"; do [[ $name != ${pattern%@*} ]] || return 0; done
    done < <(grep "^$1 " <<<"$RULES")
    return 1
}

# With an asterisk for a password there is none that fits; with an exclamation mark some sshd take it for locked.
account() {
    local group
    state_that account "$NAME"
    if ! getent passwd "$NAME" >/dev/null; then
        change "make the account $NAME" || return 0
        record account "$NAME"
        useradd --system --user-group --password '*' --shell /bin/bash --home-dir "/home/$NAME" --no-create-home "$NAME"
    fi
    [ -n "$CHECK" ] || install -d --mode=755 "/home/$NAME"
    for group in "${GROUPS_OF_READERS[@]}"; do
        if ! getent group "$group" >/dev/null || id --name --groups "$NAME" | grep -qw "$group"; then continue; fi
        change "let $NAME read what $group may" || return 0
        usermod --append --groups "$group" "$NAME"
    done
}
undo_account() {
    local number
    if number=$(id --user "$1" 2>/dev/null); then
        systemctl stop "user-$number.slice" "user@$number.service" 2>/dev/null || true
        pkill -KILL --uid "$number" || true
        systemctl reset-failed "user@$number.service" 2>/dev/null || true
    fi
    rm -f "/var/spool/cron/crontabs/$1"
    if getent passwd "$1" >/dev/null; then userdel --force "$1"; fi
    if getent group "$1" >/dev/null; then groupdel "$1"; fi
    rm -rf "/home/${1:?}"
}

# Whole commands: a free argument would be a way to become root, and so would a pager.
sudo_rules() {
    local rules='' service
    for service in k3s k3s-agent; do
        rules+="$NAME ALL=(root) NOPASSWD: /usr/bin/systemctl restart $service"$'\n'
        rules+="$NAME ALL=(root) NOPASSWD: /usr/bin/systemctl status --no-pager $service"$'\n'
    done
    visudo --check --quiet --file=- <<<"$rules" || fail "sudo does not take these rules: $rules"
    file "/etc/sudoers.d/inference-$NAME" 440 <<<"${rules%$'\n'}"
}

main "$@"
