package main

import (
	"fmt"
	"os"
)

const (
	serviceKey = data + "server/tls/service.key"
	admin      = data + "server/admin.kubeconfig" // past the front
	role       = "node-role.kubernetes.io/"
	finalizer  = "wrangler.cattle.io/managed-etcd-controller"
)

func startServer(c *config, ended chan error) error {
	if c.server != "" {
		if err := fetchBootstrap(c.server, c.token); err != nil {
			return err
		}
	}
	if err := ensureAuthority(); err != nil {
		return err
	}
	if err := ensureServiceKey(); err != nil {
		return err
	}
	if err := startEtcd(c, ended); err != nil {
		return err
	}
	if err := reconcile(c.token); err != nil {
		return err
	}
	certificate, err := serving(c)
	if err != nil {
		return err
	}
	if err := writeTokens(c); err != nil {
		return err
	}
	identity, err := writeAdmin(c)
	if err != nil {
		return err
	}
	startAPI(c, ended, certificate, identity)
	if err := startFront(c, ended, certificate); err != nil {
		return err
	}
	if err := untilReady(c.nodeIP); err != nil {
		return err
	}
	if err := kubectl(admin, objects, "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	startControllers(c, ended)
	return nil
}

func startAPI(c *config, ended chan error, certificate, identity string) {
	start(ended, "kube-apiserver", "--etcd-servers="+local, "--bind-address="+c.nodeIP,
		"--advertise-address="+c.nodeIP, "--secure-port=6443", "--allow-privileged=true",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--client-ca-file="+authority+".crt", "--token-auth-file="+data+"server/users.csv",
		"--requestheader-client-ca-file="+authority+".crt", "--requestheader-allowed-names=k3s-front",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--tls-cert-file="+certificate+".crt", "--tls-private-key-file="+certificate+".key",
		"--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
		"--kubelet-client-certificate="+identity+".crt", "--kubelet-client-key="+identity+".key",
		"--service-account-key-file="+serviceKey, "--service-account-signing-key-file="+serviceKey,
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-cluster-ip-range=10.43.0.0/16")
}

func startControllers(c *config, ended chan error) {
	leading := fmt.Sprintf("--leader-elect=%t", c.isMany)
	start(ended, "kube-controller-manager", "--kubeconfig="+admin, leading,
		"--use-service-account-credentials=true", "--root-ca-file="+authority+".crt",
		"--service-account-private-key-file="+serviceKey,
		"--cluster-signing-cert-file="+authority+".crt", "--cluster-signing-key-file="+authority+".key",
		"--allocate-node-cidrs=true", "--cluster-cidr=10.42.0.0/16", "--service-cluster-ip-range=10.43.0.0/16",
		"--node-monitor-grace-period=20s")
	start(ended, "kube-scheduler", "--kubeconfig="+admin, leading)
}

// writeAdmin writes the administrator's kubeconfig for users, and one for the parts of the server.
func writeAdmin(c *config) (string, error) {
	identity, err := client("admin", "system:admin", "system:masters")
	if err != nil {
		return "", err
	}
	for path, server := range map[string]string{kubeconfig: "127.0.0.1", admin: c.nodeIP} {
		text, err := kubeconfigOf("https://"+server+":6443", authority+".crt", identity, "")
		if err != nil {
			return "", err
		}
		if err := write(path, text); err != nil {
			return "", err
		}
	}
	return identity, nil
}

// ensureServiceKey makes the key that signs the tokens of service accounts, once.
func ensureServiceKey() error {
	if _, err := os.Stat(serviceKey); err == nil {
		return nil
	}
	_, err := client("service", "service-accounts", "")
	return err
}

// describeServer marks this server's node, whose deletion then waits until its member of etcd is removed.
func describeServer(c *config, cluster *apiServer) error {
	if err := patiently(func() error { return cluster.get("/api/v1/nodes/"+c.nodeName, nil) }); err != nil {
		return err
	}
	return kubectl(admin, "", "patch", "node", c.nodeName, "--type=merge",
		fmt.Sprintf(`--patch={"metadata":{"labels":{%q:"true",%q:"true"},"finalizers":[%q]}}`, role+"control-plane", role+"etcd", finalizer))
}
