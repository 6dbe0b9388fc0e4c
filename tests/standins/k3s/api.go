package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// apiServer is asked without a kubectl, whose start costs a hundred times as much.
type apiServer struct {
	url, token string
	client     http.Client
}

// reach trusts what the certificate in a file has signed. Without a token it asks as nobody.
func reach(url, root, token string) (*apiServer, error) {
	text, err := os.ReadFile(root)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(text)
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	return &apiServer{url: url, token: token, client: client}, nil
}

func (a *apiServer) get(path string, answer any) error {
	asked, err := http.NewRequest(http.MethodGet, a.url+path, nil)
	if err != nil {
		return err
	}
	if a.token != "" {
		asked.Header.Set("Authorization", "Bearer "+a.token)
	}
	said, err := a.client.Do(asked)
	if err != nil {
		return err
	}
	return answered(said, path, answer)
}

// answered reads an answer in JSON, unless nobody wants it. Anything but 200 is an error.
func answered(said *http.Response, what string, answer any) error {
	defer said.Body.Close()
	text, err := io.ReadAll(said.Body)
	if err != nil {
		return err
	}
	if said.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", what, said.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// patiently asks until there is no error, for a minute.
func patiently(question func() error) error {
	for tries := 0; ; tries++ {
		err := question()
		if err == nil || tries == 600 {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}
