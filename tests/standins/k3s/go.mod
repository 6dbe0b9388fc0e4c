module inference.test/k3s

go 1.24
