package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
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
	cluster, err := startAgent(c, isServer, ended)
	if err != nil {
		return err
	}
	if isServer {
		if err := describeServer(c, cluster); err != nil {
			return err
		}
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

func untilReady(address string) error {
	cluster, err := reach("https://"+address+":6443", authority+".crt", "")
	if err != nil {
		return err
	}
	return patiently(func() error { return cluster.get("/readyz", nil) })
}

// passNodePassword is k3s's guard against two hosts of one name: the first to join leaves the hash of a password.
func passNodePassword(c *config, cluster *apiServer, config string) error {
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
	var known struct{ Data struct{ Hash string } }
	if err := cluster.get("/api/v1/namespaces/kube-system/secrets/"+name, &known); err != nil {
		return kubectl(config, "", "create", "secret", "generic", "-n", "kube-system", name, "--from-literal=hash="+mine)
	}
	if plain, _ := decoded(known.Data.Hash); plain != mine {
		return fmt.Errorf("Node password rejected, duplicate hostname or contents of '%s' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag", path)
	}
	return nil
}

type nodes struct {
	Items []struct {
		Metadata struct {
			Name, DeletionTimestamp string
			Finalizers              []string
		}
		Spec   struct{ PodCIDR string }
		Status struct {
			Addresses []struct{ Type, Address string }
		}
	}
}

// keepRoutes writes this node's pod network once it has one, and a route to each other node's; and what follows from
// the deletion of a node.
func keepRoutes(c *config, cluster *apiServer, isServer bool) {
	for ; ; time.Sleep(time.Second) {
		var all nodes
		if cluster.get("/api/v1/nodes", &all) != nil {
			continue
		}
		if isServer {
			forgetServers(c, all)
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

// notify tells systemd that the unit, of type notify, is up.
func notify() {
	if path := os.Getenv("NOTIFY_SOCKET"); path != "" {
		if socket, err := net.Dial("unixgram", path); err == nil {
			defer socket.Close()
			socket.Write([]byte("READY=1"))
		}
	}
}
