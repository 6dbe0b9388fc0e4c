// A stand-in for k3s on test hosts: its commands, files, units and messages around the real Kubernetes components,
// which lie in /opt/kube. It is no k3s: servers share what etcd holds, sealed with a token, and agents join with one.
package main

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

const (
	components = "/opt/kube/"
	data       = "/var/lib/rancher/k3s/"
	settings   = "/etc/rancher/k3s/config.yaml"
	kubeconfig = "/etc/rancher/k3s/k3s.yaml"
)

var version = "v0.0.0+k3s0" // set by the linker

func main() {
	arguments := os.Args[1:]
	if name := filepath.Base(os.Args[0]); name != "k3s" {
		arguments = append([]string{name}, arguments...)
	}
	if len(arguments) == 0 {
		fail(fmt.Errorf("usage: k3s server|agent|certificate rotate|kubectl|ctr|--version"))
	}
	switch arguments[0] {
	case "--version":
		fmt.Printf("k3s version %s (stand-in)\n", version)
	case "certificate":
		fail(rotateCertificates())
	case "server", "agent":
		fail(run(arguments[0] == "server"))
	case "kubectl":
		if os.Getenv("KUBECONFIG") == "" {
			os.Setenv("KUBECONFIG", kubeconfig)
		}
		fail(syscall.Exec(components+"kubectl", arguments, os.Environ()))
	case "ctr", "crictl":
		os.Setenv("CONTAINERD_ADDRESS", containerd)
		fail(syscall.Exec("/usr/bin/ctr", append([]string{"ctr", "-n", "k8s.io"}, arguments[1:]...), os.Environ()))
	case "pause": // as the image of the same name: holds a pod's namespaces
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
		<-stop
	case "web": // a server to ask whether it is there
		hostname, _ := os.Hostname()
		fail(http.ListenAndServe(":8080", http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(answer, hostname)
		})))
	default:
		fail(fmt.Errorf("no such command: %s", arguments[0]))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "time=now level=fatal msg=%q\n", err.Error())
		os.Exit(1)
	}
}
