#!/usr/bin/env bash
# k3s on this host: a server or an agent of a cluster; a new version comes in turn, around running pods.
# Knows from its variables: NODE ROLE VERSION DOWNLOADS INSTALLER CONFIG REGISTRIES ADDRESS LABELS TAINTS DRAIN_SECONDS
# VOLUMES PURGE CERTIFICATES, another number of which makes new ones; on a server PEER, the address of another one, if
# there is any, and FIRST; on an agent MAINTENANCE: a kubeconfig that may take nodes out of service and of the cluster.

STEP=${STEP:-k3s}
# shellcheck source=SCRIPTDIR/host.sh
. "$(dirname "${BASH_SOURCE[0]}")/host.sh"

readonly PROGRAM=/usr/local/bin/k3s CONFIG_FILE=/etc/rancher/k3s/config.yaml LOCK=inference-maintenance
readonly SERVER_DATA=/var/lib/rancher/k3s/server
readonly READY_SECONDS=300 LOCK_SECONDS=7200 RESTARTS=20
SERVICE=k3s NEW=''
[ "${ROLE-}" != agent ] || SERVICE=k3s-agent

state() {
    tokens
    file $CONFIG_FILE 600 restart_k3s <<<"$CONFIG"
    [ -z "${REGISTRIES-}" ] || file /etc/rancher/k3s/registries.yaml 600 restart_k3s <<<"$REGISTRIES"
    program
    certificates
    [ -z "$CHECK" ] || return 0
    container_runtimes
    settle
    [ "$ROLE" = agent ] || open_to_others
    await_node
    release
    describe
}

# --- The program.

program() {
    state_that k3s "$SERVICE"
    local now
    now=$(version)
    # Of these the cluster knows nothing older: an agent's namesake is forgotten, and a first server begins the cluster.
    if [ ! -e /var/lib/rancher/k3s/agent ] && [ "$ROLE${FIRST-}" != server ]; then NEW=yes; fi
    # shellcheck disable=SC2153  # a variable of the step
    [ "$now" = "$VERSION" ] && [ -e "/etc/systemd/system/$SERVICE.service" ] && return
    change "install k3s $VERSION${now:+ in place of $now}" || return 0
    fetch
    if [ -n "$now" ] && systemctl is-active --quiet "$SERVICE"; then take_out_of_service; fi
    record k3s "$SERVICE"
    later restart_k3s
    install --mode=755 "$HOST/$STEP/k3s" $PROGRAM.part
    mv $PROGRAM.part $PROGRAM
    INSTALL_K3S_EXEC=$ROLE INSTALL_K3S_SKIP_DOWNLOAD=true INSTALL_K3S_SKIP_START=true INSTALL_K3S_SKIP_SELINUX_RPM=true \
        sh "$HOST/$STEP/install.sh"
    if [ "$ROLE" = agent ] && [ -n "$NEW" ]; then forget_namesake; fi
    rm -f "$HOST/$STEP/k3s" "$HOST/$STEP/install.sh"
}

version() { { $PROGRAM --version 2>/dev/null || true; } | sed -n 's/^k3s version \([^ ]*\).*/\1/p'; }

fetch() {
    local architecture name sums=$HOST/$STEP/sums release
    case $(uname -m) in x86_64) architecture=amd64 name=k3s ;; *) architecture=arm64 name=k3s-arm64 ;; esac
    release=$DOWNLOADS/${VERSION/+/%2B}
    download "$release/sha256sum-$architecture.txt" "$sums"
    download "$release/$name" "$HOST/$STEP/k3s"
    verify "$HOST/$STEP/k3s" "$name" "$sums"
    # Of an ELF file, bytes 18 and 19 name the machine: 62 is x86-64, 183 is AArch64.
    local machine
    machine=$(od --address-radix=n --format=u1 --skip-bytes=18 --read-bytes=1 "$HOST/$STEP/k3s" | tr -d ' ')
    case "$architecture $machine" in "amd64 62" | "arm64 183") ;; *)
        rm -f "$HOST/$STEP/k3s"
        fail "$release/$name is not a program for $architecture: put the right one there"
        ;;
    esac
    download "${INSTALLER:-$release/install.sh}" "$HOST/$STEP/install.sh"
    if grep -q ' install.sh$' "$sums"; then verify "$HOST/$STEP/install.sh" install.sh "$sums"; fi
}

download() {
    say "downloads $1"
    curl --fail --silent --show-error --location --retry 5 --retry-delay 2 --retry-connrefused --connect-timeout 15 \
        --speed-limit 1024 --speed-time 60 --output "$2.part" "$1" ||
        fail "$1 cannot be downloaded (see above): check the network and free disk space of this host, or set mirror.k3s"
    mv "$2.part" "$2"
}

# verify FILE NAME SUMS
verify() {
    local expected actual
    expected=$(sed -n "s/^\([0-9a-f]\{64\}\) [ *]$2\$/\1/p" "$3")
    actual=$(sha256sum "$1" | cut -d' ' -f1)
    [ -n "$expected" ] && [ "$expected" = "$actual" ] && return
    rm -f "$1"
    fail "$2 is corrupt: its sha256 is $actual, published is ${expected:-none}; nothing was installed. Run pulumi up again, or look at $DOWNLOADS"
}

restart_k3s() {
    [ -e "/etc/systemd/system/$SERVICE.service" ] || return 0
    systemctl daemon-reload
    systemctl enable --quiet "$SERVICE"
    systemctl stop "$SERVICE" # so that what its journal says from now on is of the new one
    STARTED=$(date --utc +%FT%T.%6N)
    systemctl reset-failed "$SERVICE" 2>/dev/null || true
    systemctl start --no-block "$SERVICE"
}

# --- New tokens and certificates. Pods run on while k3s restarts, so nodes take turns, and are not drained.

token_of() { sed -n "s/^token: *['\"]*\([^'\"]*\).*/\1/p" "$@"; }

# The server token seals the datastore, so one server tells the cluster of a new one before any is restarted with it.
tokens() {
    local old new
    new=$(token_of <<<"$CONFIG")
    [ -e $CONFIG_FILE ] && [ "$(token_of $CONFIG_FILE)" != "$new" ] || return 0
    if [ -z "${FIRST-}" ] || [ ! -e $SERVER_DATA/token ]; then
        change "take the new tokens" || return 0
        take_turn_if_answered
        return
    fi
    old=$(cut -d: -f4 $SERVER_DATA/token)
    change "rotate the tokens of the cluster" || return 0
    # Already done, by a run that was killed before it wrote the new one.
    [ "$old" != "$new" ] || return 0
    servers_ready || fail "tokens are rotated only while all servers are Ready; mend them, then run pulumi up again"
    take_turn
    # The agents' new token comes first: what is sealed with the new one includes it, and k3s refuses to start where its
    # own copy (server/cred/passwd) is newer than what was sealed.
    file $CONFIG_FILE 600 restart_k3s <<<"${CONFIG/"$new"/"$old"}"
    settle
    await_node
    rotate_token "$old" "$new"
}

# What `k3s token rotate` asks of a server: https://docs.k3s.io/cli/token#k3s-token-rotate, pkg/cli/token of k3s. The command
# itself takes the new token as an argument only, which anybody on the host could read in the process list.
rotate_token() {
    curl --silent --show-error --fail --max-time 60 --config - <<END ||
url = "https://127.0.0.1:6443/v1-k3s/token"
cacert = "$SERVER_DATA/tls/server-ca.crt"
user = "server:$1"
request = "PUT"
data = "{\"newToken\":\"$2\"}"
END
        fail "k3s on $NODE did not take the new token (see above); next: journalctl -u $SERVICE, then run pulumi up again"
}

# Where no API server answers, there is nobody to take turns with: old tokens and certificates may be why.
take_turn_if_answered() { ! kubectl get --raw=/readyz >/dev/null 2>&1 || take_turn; }

servers_ready() {
    local ready
    ready=$(kubectl get nodes --selector=node-role.kubernetes.io/control-plane \
        --output='jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}') && [ -n "$ready" ] || return 1
    [[ $ready != *Unknown* && $ready != *False* ]]
}

# k3s makes new ones at its next start: https://docs.k3s.io/cli/certificate#rotating-client-and-server-certificates
certificates() {
    local number=$HOST/$STEP/certificates known
    known=$(cat "$number" 2>/dev/null) || known=1
    # shellcheck disable=SC2153  # a variable of the step
    if [ "$known" != "$CERTIFICATES" ] && [ -e /var/lib/rancher/k3s/agent ]; then
        change "rotate the certificates of $NODE" || return 0
        take_turn_if_answered
        later restart_k3s
        systemctl stop "$SERVICE"
        $PROGRAM certificate rotate || fail "k3s certificate rotate failed (see above); run pulumi up again"
    fi
    [ -n "$CHECK" ] || printf '%s\n' "$CERTIFICATES" >"$number"
}

# k3s looks for other container runtimes than its own only when it starts.
container_runtimes() {
    local known=/var/lib/rancher/k3s/agent/etc/containerd/config.toml
    [ -e $known ] || return 0
    if command -v nvidia-container-runtime >/dev/null && ! grep -q nvidia $known; then
        say "restarts k3s, which has not seen nvidia-container-runtime yet"
        later restart_k3s
    fi
}

# --- The node in its cluster.

kubectl() {
    if [ "$ROLE" = agent ]; then
        "$PROGRAM" kubectl --kubeconfig <(printf '%s' "$MAINTENANCE") --request-timeout=20s "$@"
    else
        "$PROGRAM" kubectl --request-timeout=20s "$@"
    fi
}

# A new cluster takes others as soon as its API answers; in one that is being changed, they wait for this node.
open_to_others() {
    await is_serving "the API server of $NODE" answer
    maintenance_account
    [ -z "$NEW" ] || reached joinable
}

# Asking costs little before there is anybody to answer; starting kubectl does not.
is_serving() { (: </dev/tcp/127.0.0.1/6443) 2>/dev/null && kubectl get --raw=/readyz >/dev/null 2>&1; }

# A node that was Ready before a restart says so until it is found out: only a fresh sign of life counts.
is_ready() {
    local alive
    kubectl wait --for=condition=Ready "node/$NODE" --timeout=8s >/dev/null 2>&1 || return
    [ -z "$NEW" ] || return 0
    alive=$(kubectl get lease "$NODE" --namespace=kube-node-lease --output=jsonpath='{.spec.renewTime}' 2>/dev/null) || return
    [[ $alive > ${STARTED-} ]]
}

await_node() {
    await is_ready "node $NODE" "become Ready"
    say "node $NODE is Ready, k3s $(version)"
}

# await QUESTION WHO DOES
await() {
    local start=$SECONDS told=-10
    until "$1"; do
        if [ $((SECONDS - start)) -ge $READY_SECONDS ] ||
            [ "$(systemctl show --property=NRestarts --value "$SERVICE")" -ge $RESTARTS ]; then
            journalctl --unit="$SERVICE" --no-pager --lines=15 --output=cat | cut -c1-300
            fail "$2 does not $3; above is the end of the journal of $SERVICE. Next: journalctl -u $SERVICE"
        fi
        if refused; then fail "$REFUSAL"; fi
        if [ $((SECONDS - told)) -ge 10 ]; then
            say "waits for $2 to $3"
            told=$SECONDS
        fi
        sleep 1
    done
}

# What never gets better by waiting.
refused() {
    local recent
    recent=$(journalctl --unit="$SERVICE" --no-pager --output=cat --since="${STARTED:+${STARTED/T/ } UTC}" 2>/dev/null | tail -200)
    case $recent in
    *"encrypted with different token"*)
        REFUSAL="the data in /var/lib/rancher/k3s belongs to a cluster with another token: move that directory away, or bring back the state of that cluster" ;;
    *"newer than datastore"*)
        REFUSAL="k3s finds files that are newer than what its servers share (see journalctl -u $SERVICE): remove those that it names, then run pulumi up again" ;;
    *"token CA hash does not match"*)
        REFUSAL="the server at $ADDRESS is not the one that this agent's token was made for: run pulumi refresh, then pulumi up" ;;
    *"Node password rejected"*)
        REFUSAL="the cluster knows another host named $NODE: kubectl delete node $NODE; kubectl -n kube-system delete secret $NODE.node-password.k3s" ;;
    *) return 1 ;;
    esac
}

# A host of this name that was in the cluster and is gone, or this one before it was wiped: k3s would not let it in.
forget_namesake() {
    if kubectl get node "$NODE" >/dev/null 2>&1; then
        say "the cluster knows an earlier $NODE: forgets it"
        kubectl delete node "$NODE" --wait=false
    fi
    kubectl delete secret "$NODE.node-password.k3s" --namespace=kube-system --ignore-not-found
}

# --- In turn: one node of a cluster at a time, and none after one that failed.

holder() { kubectl get configmap $LOCK --namespace=kube-system --output=jsonpath='{.data.node}' 2>/dev/null; }

take_out_of_service() {
    take_turn
    drain
}

take_turn() {
    local waited=0 other
    until kubectl create configmap $LOCK --namespace=kube-system --from-literal=node="$NODE" >/dev/null 2>&1 ||
        [ "$(holder)" = "$NODE" ]; do
        other=$(holder) || true
        [ "$waited" -lt $LOCK_SECONDS ] ||
            fail "node ${other:-(unknown)} has been out of service for $((LOCK_SECONDS / 60)) minutes; mend it, then run pulumi up again"
        if [ "$(kubectl get configmap $LOCK --namespace=kube-system --output=jsonpath='{.data.failed}' 2>/dev/null)" = yes ]; then
            fail "not changed, because node $other failed before; mend that one, then run pulumi up again"
        fi
        [ $((waited % 30)) = 0 ] && say "waits for its turn: node ${other:-(unknown)} is being changed"
        sleep 2
        waited=$((waited + 2))
    done
    trap '[ $? = 0 ] || mark_failed yes' EXIT
    mark_failed no
}

mark_failed() {
    kubectl patch configmap $LOCK --namespace=kube-system --patch="{\"data\":{\"failed\":\"$1\"}}" >/dev/null
}

drain() {
    kubectl cordon "$NODE"
    if [ "$(kubectl get nodes --output=name | wc -l)" = 1 ]; then
        say "the only node of its cluster: its pods stay, and run on"
        return
    fi
    kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data --timeout="${DRAIN_SECONDS:-600}s" ||
        fail "pods could not be moved off $NODE (see above): free them, or give them room elsewhere; then run pulumi up again"
}

release() {
    [ "$(holder)" = "$NODE" ] || return 0
    kubectl uncordon "$NODE"
    kubectl delete configmap $LOCK --namespace=kube-system --ignore-not-found >/dev/null
}

# --- What the cluster knows of the node. k3s sets labels and taints only when a node is new.

describe() {
    local known=$HOST/$STEP/described word
    touch "$known"
    while read -r word; do
        [[ " $LABELS $TAINTS " == *" $word "* ]] && continue
        case $word in
        *:NoSchedule | *:PreferNoSchedule) kubectl taint node "$NODE" "${word%%=*}-" >/dev/null || true ;;
        *) kubectl label node "$NODE" "${word%%=*}-" >/dev/null ;;
        esac
    done <"$known"
    # shellcheck disable=SC2086  # one word a label
    [ -z "$LABELS" ] || kubectl label node "$NODE" --overwrite $LABELS >/dev/null
    # shellcheck disable=SC2086
    [ -z "$TAINTS" ] || kubectl taint node "$NODE" --overwrite $TAINTS >/dev/null
    # shellcheck disable=SC2086
    printf '%s\n' $LABELS $TAINTS >"$known"
}

# May take nodes out of service and out of the cluster, and nothing else: agents get it, and no administrator's rights.
maintenance_account() {
    kubectl apply --server-side --field-manager=inference --filename=- >/dev/null <<END
apiVersion: v1
kind: ServiceAccount
metadata: {name: $LOCK, namespace: kube-system}
automountServiceAccountToken: false
---
apiVersion: v1
kind: Secret
metadata: {name: $LOCK, namespace: kube-system, annotations: {kubernetes.io/service-account.name: $LOCK}}
type: kubernetes.io/service-account-token
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: $LOCK}
rules:
- {apiGroups: [""], resources: [nodes], verbs: [get, list, watch, patch, delete]}
- {apiGroups: [""], resources: [pods], verbs: [get, list]}
- {apiGroups: [""], resources: [pods/eviction], verbs: [create]}
- {apiGroups: [apps], resources: [daemonsets], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: $LOCK}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: $LOCK}
subjects: [{kind: ServiceAccount, name: $LOCK, namespace: kube-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: $LOCK, namespace: kube-system}
rules:
- {apiGroups: [""], resources: [configmaps], verbs: [create]}
- {apiGroups: [""], resources: [configmaps], resourceNames: [$LOCK], verbs: [get, patch, delete]}
- {apiGroups: [""], resources: [secrets], resourceNames: [$PASSWORDS], verbs: [delete]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: $LOCK, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: $LOCK}
subjects: [{kind: ServiceAccount, name: $LOCK, namespace: kube-system}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: $LOCK, namespace: kube-node-lease}
rules: [{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: $LOCK, namespace: kube-node-lease}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: $LOCK}
subjects: [{kind: ServiceAccount, name: $LOCK, namespace: kube-system}]
END
}

# --- The way back.

undo_k3s() {
    leave || say "node $NODE could not be taken out of its cluster (see above); if that lives on: kubectl delete node $NODE"
    [ ! -x "/usr/local/bin/$1-uninstall.sh" ] || "/usr/local/bin/$1-uninstall.sh" >/dev/null 2>&1
    rm -rf /etc/rancher/node /var/lib/rancher/k3s $PROGRAM
    rmdir --ignore-fail-on-non-empty /etc/rancher /var/lib/rancher 2>/dev/null || true
    volumes
}

# Data outlives the cluster, unless settings say otherwise; and even then only what k3s calls a volume is removed.
volumes() {
    [ -d "${VOLUMES:=}" ] || return 0
    if [ -n "${PURGE-}" ]; then
        say "removes all volumes in $VOLUMES"
        rm -rf "$VOLUMES"/pvc-*
    fi
    rmdir "$VOLUMES" 2>/dev/null || say "keeps what is in $VOLUMES; k3s.purgeData would remove volumes"
}

leave() {
    local others left=0
    others=$(kubectl get nodes --output=name | grep -cvx "node/$NODE") || true
    [ "${others:-0}" -gt 0 ] || return 0
    [ "$ROLE" = agent ] || [ -n "${PEER-}" ] || return 0
    kubectl cordon "$NODE" && kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data --force --timeout="${DRAIN_SECONDS:-600}s"
    # A server goes while it still counts: the others need its vote to let it go, and two of two are a majority, one is not.
    [ "$ROLE" != agent ] || systemctl stop "$SERVICE"
    away delete node "$NODE" --ignore-not-found &&
        away delete secret "$NODE.node-password.k3s" --namespace=kube-system --ignore-not-found || left=1
    systemctl stop "$SERVICE"
    return $left
}

# As seen by the servers that stay.
away() { if [ "$ROLE" = agent ]; then kubectl "$@"; else kubectl --server="$PEER" "$@"; fi; }

main "$@"
