package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// run brings up a server or an agent, tells systemd, and ends when a part of it does.
func run(isServer bool) error {
	c, err := readConfig()
	if err != nil {
		return err
	}
	if !isServer && (c.server == "" || c.token == "") {
		return fmt.Errorf("--token and --server are required")
	}
	if err := prepareHost(); err != nil {
		return err
	}
	ended := make(chan error)
	if isServer {
		if err := startServer(c, ended); err != nil {
			return err
		}
	}
	if err := startAgent(c, isServer, ended); err != nil {
		return err
	}
	notify()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-ended:
		return err
	case <-stop:
		return nil // the parts end with us; pods run on, as with k3s
	}
}

func startServer(c *config, ended chan error) error {
	if c.server != "" {
		return fmt.Errorf("the stand-in has one server only")
	}
	if err := ensureAuthority(); err != nil {
		return err
	}
	if known, err := os.ReadFile(data + "server/token"); err == nil {
		if mine, _ := fullToken("server", c.token); strings.TrimSpace(string(known)) != mine {
			return fmt.Errorf("bootstrap data already found and encrypted with different token")
		}
	}
	certificate, err := serving(c)
	if err != nil {
		return err
	}
	admin, err := client("admin", "system:admin", "system:masters")
	if err != nil {
		return err
	}
	if err := issueServiceAccountKey(); err != nil {
		return err
	}
	agentSecret := c.agentToken
	if agentSecret == "" {
		agentSecret = c.token
	}
	users := fmt.Sprintf("%s,k3s-agent,k3s-agent,\"system:bootstrappers,k3s:agents\"\n%s,k3s-server,k3s-server,\"system:bootstrappers,k3s:agents\"\n", agentSecret, c.token)
	if agentSecret == c.token {
		users, _, _ = strings.Cut(users, "\n")
		users += "\n"
	}
	if err := write(data+"server/users.csv", []byte(users)); err != nil {
		return err
	}
	for name, secret := range map[string][2]string{"token": {"server", c.token}, "node-token": {"server", c.token}, "agent-token": {"node", agentSecret}} {
		full, err := fullToken(secret[0], secret[1])
		if err != nil {
			return err
		}
		if err := write(data+"server/"+name, []byte(full+"\n")); err != nil {
			return err
		}
	}
	text, err := kubeconfigOf("https://127.0.0.1:6443", authority+".crt", admin, "")
	if err != nil {
		return err
	}
	if err := write(kubeconfig, text); err != nil {
		return err
	}
	start(ended, "etcd", "--data-dir="+data+"server/db/etcd", "--listen-client-urls=http://127.0.0.1:2379",
		"--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380",
		"--initial-advertise-peer-urls=http://127.0.0.1:2380", "--initial-cluster=default=http://127.0.0.1:2380",
		"--unsafe-no-fsync", "--log-level=error")
	start(ended, "kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--bind-address=0.0.0.0",
		"--advertise-address="+c.nodeIP, "--secure-port=6443", "--allow-privileged=true",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--client-ca-file="+authority+".crt", "--token-auth-file="+data+"server/users.csv",
		"--tls-cert-file="+certificate+".crt", "--tls-private-key-file="+certificate+".key",
		"--kubelet-client-certificate="+admin+".crt", "--kubelet-client-key="+admin+".key",
		"--service-account-key-file="+data+"server/tls/service.key",
		"--service-account-signing-key-file="+data+"server/tls/service.key",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-cluster-ip-range=10.43.0.0/16")
	if err := untilReady(); err != nil {
		return err
	}
	if err := kubectl(kubeconfig, objects, "apply", "--server-side", "-f", "-"); err != nil {
		return err
	}
	start(ended, "kube-controller-manager", "--kubeconfig="+kubeconfig, "--leader-elect=false",
		"--use-service-account-credentials=true", "--root-ca-file="+authority+".crt",
		"--service-account-private-key-file="+data+"server/tls/service.key",
		"--cluster-signing-cert-file="+authority+".crt", "--cluster-signing-key-file="+authority+".key",
		"--allocate-node-cidrs=true", "--cluster-cidr=10.42.0.0/16", "--service-cluster-ip-range=10.43.0.0/16",
		"--node-monitor-grace-period=20s")
	start(ended, "kube-scheduler", "--kubeconfig="+kubeconfig, "--leader-elect=false")
	return nil
}

// issueServiceAccountKey makes the key that signs the tokens of service accounts, once.
func issueServiceAccountKey() error {
	path := data + "server/tls/service.key"
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	made, err := client("service", "service-accounts", "")
	_ = made
	return err
}

func untilReady() error {
	for range 600 {
		if kubectl(kubeconfig, "", "get", "--raw", "/readyz") == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("the API server did not become ready")
}

// passNodePassword is k3s's guard against two hosts of one name: the first to join leaves the hash of a password.
func passNodePassword(c *config, config string) error {
	const path = "/etc/rancher/node/password"
	password, err := os.ReadFile(path)
	if err != nil {
		random := make([]byte, 16)
		rand.Read(random)
		password = []byte(hex.EncodeToString(random))
		if err := write(path, password); err != nil {
			return err
		}
	}
	hash := sha256.Sum256(password)
	name, mine := c.nodeName+".node-password.k3s", hex.EncodeToString(hash[:])
	out, err := output(config, "get", "secret", "-n", "kube-system", name, "-o", "jsonpath={.data.hash}")
	if err != nil {
		return kubectl(config, "", "create", "secret", "generic", "-n", "kube-system", name, "--from-literal=hash="+mine)
	}
	if plain, _ := decoded(out); plain != mine {
		return fmt.Errorf("Node password rejected, duplicate hostname or contents of '%s' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag", path)
	}
	return nil
}

type nodes struct {
	Items []struct {
		Metadata struct{ Name string }
		Spec     struct{ PodCIDR string }
		Status   struct {
			Addresses []struct{ Type, Address string }
		}
	}
}

// keepRoutes writes this node's pod network once it has one, and a route to each other node's.
func keepRoutes(c *config, config string) {
	for ; ; time.Sleep(time.Second) {
		var all nodes
		out, err := output(config, "get", "nodes", "-o", "json")
		if err != nil || json.Unmarshal([]byte(out), &all) != nil {
			continue
		}
		for _, node := range all.Items {
			if node.Spec.PodCIDR == "" {
				continue
			}
			if node.Metadata.Name == c.nodeName {
				writeNetwork(node.Spec.PodCIDR)
				continue
			}
			for _, address := range node.Status.Addresses {
				if address.Type == "InternalIP" {
					exec.Command("ip", "route", "replace", node.Spec.PodCIDR, "via", address.Address).Run()
				}
			}
		}
	}
}

// start runs a component that ends with us; its own end is ours.
func start(ended chan error, name string, arguments ...string) {
	path := components + name
	if _, err := os.Stat(path); err != nil {
		path = "/usr/bin/" + name
	}
	command := exec.Command(path, arguments...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	go func() {
		ended <- fmt.Errorf("%s ended: %v", name, command.Run())
	}()
}

func kubectl(config, input string, arguments ...string) error {
	command := exec.Command(components+"kubectl", append([]string{"--kubeconfig", config}, arguments...)...)
	command.Stdin = strings.NewReader(input)
	said, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%v: %s", err, said)
	}
	return nil
}

func output(config string, arguments ...string) (string, error) {
	said, err := exec.Command(components+"kubectl", append([]string{"--kubeconfig", config}, arguments...)...).Output()
	return string(said), err
}

// notify tells systemd that the unit, of type notify, is up.
func notify() {
	if path := os.Getenv("NOTIFY_SOCKET"); path != "" {
		if socket, err := net.Dial("unixgram", path); err == nil {
			defer socket.Close()
			socket.Write([]byte("READY=1"))
		}
	}
}
