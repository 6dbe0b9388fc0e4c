#!/usr/bin/env bash
# Prints as JSON what others need to reach the cluster of this k3s server; all of it is secret.
# Knows from its variables: SERVER, the API server's address as others see it; and is run again when ROTATION is another

set -euo pipefail

readonly K3S=/usr/local/bin/k3s ACCOUNT=inference-maintenance KUBECONFIG_FILE=/etc/rancher/k3s/k3s.yaml

encoded() { base64 --wrap=0; }

# The token of an account appears a moment after the account.
token=$($K3S kubectl wait --for=jsonpath='{.data.token}' secret/$ACCOUNT --namespace=kube-system --timeout=60s \
    --output=jsonpath='{.data.token}' | base64 --decode) || {
    echo "the cluster gave no token to $ACCOUNT: see kubectl -n kube-system describe secret $ACCOUNT" >&2
    exit 1
}
authority=$(sed -n 's/^ *certificate-authority-data: *//p' $KUBECONFIG_FILE)

kubeconfig=$(sed "s|server: .*|server: $SERVER|" $KUBECONFIG_FILE | encoded)
maintenance=$(encoded <<END
apiVersion: v1
kind: Config
clusters: [{name: default, cluster: {server: "$SERVER", certificate-authority-data: $authority}}]
users: [{name: default, user: {token: "$token"}}]
contexts: [{name: default, context: {cluster: default, user: default}}]
current-context: default
END
)
printf '{"kubeconfig": "%s", "maintenance": "%s", "agentToken": "%s"}\n' "$kubeconfig" "$maintenance" \
    "$(encoded </var/lib/rancher/k3s/server/agent-token)"
