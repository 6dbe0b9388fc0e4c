package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
)

// startFront serves on the host itself what k3s serves beside Kubernetes, and passes all else to the API server.
func startFront(c *config, ended chan error, certificate string) error {
	root, err := os.ReadFile(authority + ".crt")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	path, err := client("front", "k3s-front", "")
	if err != nil {
		return err
	}
	own, err := tls.LoadX509KeyPair(path+".crt", path+".key")
	if err != nil {
		return err
	}
	plain := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	trusted := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{own}}, ForceAttemptHTTP2: true}
	there, _ := url.Parse("https://" + c.nodeIP + ":6443")
	through := &httputil.ReverseProxy{FlushInterval: -1, Transport: plain, Rewrite: func(asked *httputil.ProxyRequest) { asked.SetURL(there) }}
	known := &httputil.ReverseProxy{FlushInterval: -1, Transport: trusted, Rewrite: func(asked *httputil.ProxyRequest) {
		asked.SetURL(there)
		asked.Out.Header["X-Remote-Group"] = asked.In.TLS.PeerCertificates[0].Subject.Organization
		asked.Out.Header.Set("X-Remote-User", asked.In.TLS.PeerCertificates[0].Subject.CommonName)
	}}
	routes := http.NewServeMux()
	routes.HandleFunc("PUT /v1-k3s/token", rotateToken)
	routes.HandleFunc("/", func(answer http.ResponseWriter, asked *http.Request) {
		for name := range asked.Header {
			if strings.HasPrefix(name, "X-Remote-") {
				asked.Header.Del(name)
			}
		}
		if len(asked.TLS.PeerCertificates) > 0 {
			known.ServeHTTP(answer, asked)
		} else {
			through.ServeHTTP(answer, asked)
		}
	})
	server := &http.Server{Addr: "127.0.0.1:6443", Handler: routes, TLSConfig: &tls.Config{ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}}
	go func() { ended <- server.ListenAndServeTLS(certificate+".crt", certificate+".key") }()
	return nil
}

// rotateToken is what `k3s token rotate` asks for: the datastore is sealed anew, and the next start wants the new token.
func rotateToken(answer http.ResponseWriter, asked *http.Request) {
	stored, err := os.ReadFile(data + "server/token")
	known := secretOf(strings.TrimSpace(string(stored)))
	name, password, _ := asked.BasicAuth()
	if err != nil || name != "server" || password != known {
		http.Error(answer, "not authorized", http.StatusUnauthorized)
		return
	}
	var wanted struct{ NewToken string }
	if err := json.NewDecoder(asked.Body).Decode(&wanted); err != nil || wanted.NewToken == "" {
		http.Error(answer, "newToken is missing", http.StatusBadRequest)
		return
	}
	if err = writeToken("token", "server", wanted.NewToken); err == nil {
		err = seal(wanted.NewToken, known)
	}
	if err != nil {
		http.Error(answer, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(os.Stderr, "level=info msg=\"token rotated\"")
}
