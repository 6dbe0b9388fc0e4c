#!/usr/bin/env bash
# The operating system as a node needs it: packages, security upgrades, SSH by key, time, logs, limits, firewall.
# Knows from its variables: PACKAGES SOURCES ONLY_SOURCES UPGRADES SSH TIME LOG_SIZE LOG_DAYS LIMITS FIREWALL
# An empty variable leaves that part as it is, or puts it back to how it was.

STEP=${STEP:-system}
# shellcheck source=SCRIPTDIR/host.sh
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"

: "${PACKAGES:=}" "${SOURCES:=}" "${ONLY_SOURCES:=}" "${UPGRADES:=}" "${SSH:=}" "${TIME:=}" "${LOG_SIZE:=}"
: "${LOG_DAYS:=}" "${LIMITS:=}" "${FIREWALL:=}"

state() {
    package_sources
    # shellcheck disable=SC2086  # one word a package
    packages curl ca-certificates iptables $PACKAGES
    [ -z "$UPGRADES" ] || security_upgrades
    [ -z "$TIME" ] || time_sync
    [ -z "$LOG_SIZE$LOG_DAYS" ] || logs
    [ -z "$LIMITS" ] || limits
    kernel_parameters
    [ -z "$FIREWALL" ] || firewall
    [ -z "$SSH" ] || ssh_by_key
}

# --- Where packages come from.

# One a line, its parts set apart by bars: name, url, suites, components, and its key in base64.
package_sources() {
    local name url suites components key path
    while IFS='|' read -r name url suites components key; do
        [ -n "$name" ] || continue
        path=/etc/apt/keyrings/inference-system-$name.asc
        file "$path" 644 refresh_package_lists < <(base64 --decode <<<"$key")
        repository "system-$name" "$url" "$suites" "$components" "$path"
    done <<<"$SOURCES"
    [ -z "$ONLY_SOURCES" ] || no_other_sources
    take_back_files /etc/apt/sources.list
    take_back_files /etc/apt/keyrings
    settle
    # Lists that were never fetched, or more than a day ago, may name packages that are gone.
    if [ -z "$CHECK" ] && [ -z "$(find /var/lib/apt/lists -name '*_Packages*' -mtime -1 -print -quit 2>/dev/null)" ]; then
        refresh_package_lists
    fi
}

# Those that are there, and those that an earlier run has set aside. Ours stay, those of other steps too.
no_other_sources() {
    local source
    while read -r source; do
        case $source in
        */inference-*.sources) ;;
        /etc/apt/sources.list | /etc/apt/sources.list.d/*.list | /etc/apt/sources.list.d/*.sources)
            absent "$source" refresh_package_lists
            ;;
        esac
    done < <(find /etc/apt -name '*.list' -o -name '*.sources'; cut -s -f2 "$LEDGER" 2>/dev/null)
}

# Kernel and drivers move only when settings say so: a library that is newer than its module is a dead GPU.
security_upgrades() {
    packages unattended-upgrades
    file /etc/apt/apt.conf.d/60inference 644 <<'END'
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
Unattended-Upgrade::Package-Blacklist { "linux-"; "nvidia"; "libnvidia"; "cuda"; "amdgpu"; "rocm"; "containerd"; "docker"; };
Unattended-Upgrade::Automatic-Reboot "false";
END
}

time_sync() {
    local service
    for service in chrony ntp ntpsec; do
        if systemctl is-active --quiet $service; then return; fi
    done
    packages systemd-timesyncd
    unit systemd-timesyncd.service
}

logs() {
    file /etc/systemd/journald.conf.d/60-inference.conf 644 restart_journal <<END
[Journal]
${LOG_SIZE:+SystemMaxUse=$LOG_SIZE
}${LOG_DAYS:+MaxRetentionSec=${LOG_DAYS}day}
END
    [ -n "$LOG_DAYS" ] || return 0
    packages logrotate
    # Empty ones too: only what is rotated is looked at for its age. In place, since a step may be writing.
    file /etc/logrotate.d/inference 644 <<END
/var/lib/inference/*/log {
    weekly
    rotate $(((LOG_DAYS + 6) / 7))
    maxage $LOG_DAYS
    compress
    copytruncate
    missingok
}
END
}
restart_journal() { systemctl restart systemd-journald.service; }

# Each pod's kubelet watches use up inotify instances, of which Linux gives 128. A server of models opens a file for
# each shard and client, of 1024. Memory is locked for weights that must not be swapped and for network cards that read
# it; pods get k3s's limits, which are systemd's. A process may map 65530 regions: one for each shard and GPU allocation.
# Never more than the kernel grants: sudo refuses who cannot be given their limits.
limits() {
    local files=65536 most memory=yes
    at_least fs.inotify.max_user_instances 1024
    at_least fs.inotify.max_user_watches 524288
    at_least vm.max_map_count 1048576
    most=$(ulimit -H -n)
    [ "$most" = unlimited ] || [ "$most" -ge $files ] || files=$most
    if ! (ulimit -l unlimited) 2>/dev/null; then
        memory=
        say "locked memory stays at $(ulimit -l) KiB: the kernel is not this host's own"
    fi
    file /etc/security/limits.d/60-inference.conf 644 <<END
* soft nofile $files
root soft nofile $files
${memory:+* - memlock unlimited
root - memlock unlimited}
END
    file /etc/systemd/system.conf.d/60-inference.conf 644 limit_services <<END
[Manager]
DefaultLimitNOFILE=$files:${most/unlimited/infinity}
${memory:+DefaultLimitMEMLOCK=infinity}
END
}
# Services get them when they start next. Told to read its settings anew, systemd also writes devices' rules anew, by
# which running pods lose their GPUs: on a node at work that waits for the next boot.
limit_services() {
    local service
    for service in k3s k3s-agent; do
        if systemctl is-active --quiet $service; then
            say "limits of services change with the next boot, since pods are running"
            return
        fi
    done
    systemctl daemon-reexec
}
at_least() { # KEY VALUE
    state_that parameter "$1"
    [ "$(sysctl --values "$1" 2>/dev/null || echo 0)" -gt "$2" ] || parameter "$1" "$2"
}

# Forwarding is the pods' network.
kernel_parameters() {
    parameter net.ipv4.ip_forward 1
    file /etc/sysctl.d/60-inference.conf 644 <<<"${PARAMETERS%$'\n'}"
}

# --- What could lock us out: proven by the next connection, and without one taken back by the host itself.

# Our own table, beside those of k3s: nobody else's rules are touched.
firewall() {
    packages nftables
    file /etc/inference/firewall.nft 600 load_firewall <<<"$FIREWALL"
    file /etc/systemd/system/inference-firewall.service 644 reload_units <<'END'
[Unit]
Description=Firewall of this inference node
Before=network-pre.target
Wants=network-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft --file /etc/inference/firewall.nft
ExecReload=/usr/sbin/nft --file /etc/inference/firewall.nft
ExecStop=/usr/sbin/nft delete table inet inference

[Install]
WantedBy=multi-user.target
END
    settle
    if [ -z "$CHECK" ] && ! systemctl is-active --quiet inference-firewall.service; then take_back_unless_proven; fi
    unit inference-firewall.service
}
load_firewall() {
    [ -e /etc/inference/firewall.nft ] || return 0
    nft --check --file /etc/inference/firewall.nft
    take_back_unless_proven
    ! systemctl is-active --quiet inference-firewall.service || systemctl reload inference-firewall.service
}

ssh_by_key() {
    file /etc/ssh/sshd_config.d/10-inference.conf 644 reload_ssh <<'END'
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
X11Forwarding no
END
    settle
}
reload_ssh() {
    if ! sshd -t; then
        rm -f /etc/ssh/sshd_config.d/10-inference.conf
        fail "sshd refuses its configuration (see above); our part was removed, and sshd was not touched"
    fi
    [ ! -e /etc/ssh/sshd_config.d/10-inference.conf ] || take_back_unless_proven
    systemctl reload ssh.service
}

# Whoever logs in next proves that somebody can: the runner then tells this script so. It stays on the host.
take_back_unless_proven() {
    cat >"$HOST/$STEP/proof.sh" <<'END'
set -eu
directory=${0%/*} ours=/etc/ssh/sshd_config.d/10-inference.conf
case $1 in
await)
    systemctl is-active --quiet inference-proof.timer ||
        systemd-run --quiet --collect --unit=inference-proof --on-active=5min --timer-property=AccuracySec=1s /bin/sh "$0" back
    ;;
back)
    [ ! -e $ours ] || mv $ours "$directory/ssh.off"
    systemctl reload ssh.service
    systemctl stop inference-firewall.service
    : >"$directory/unproven"
    ;;
proven)
    systemctl stop inference-proof.timer 2>/dev/null || true
    [ -e "$directory/unproven" ] || exit 0
    rm "$directory/unproven"
    [ ! -e "$directory/ssh.off" ] || mv "$directory/ssh.off" $ours
    systemctl reload ssh.service
    [ ! -e /etc/inference/firewall.nft ] || systemctl start inference-firewall.service
    /bin/sh "$0" await
    exit 1
    ;;
esac
END
    say "SSH and firewall will be as before in 5 minutes, unless the next connection succeeds"
    /bin/sh "$HOST/$STEP/proof.sh" await
}

main "$@"
