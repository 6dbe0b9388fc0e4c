// A stand-in for the GPU vendors' device plugins: it registers with a real kubelet, and counts GPUs that do not exist.
// The first argument is the resource. Of nvidia.com/gpu it believes the (stand-in) NVIDIA runtime, of amd.com/gpu sysfs.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	api "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const socket = "stand-in.sock"

type plugin struct {
	api.UnimplementedDevicePluginServer
	devices []*api.Device
	onlyOne bool
}

func main() {
	resource := os.Args[1]
	count := amd()
	if resource == "nvidia.com/gpu" {
		count = nvidia()
	}
	replicas, onlyOne := sharing()
	var devices []*api.Device
	for number := range count * replicas {
		devices = append(devices, &api.Device{ID: fmt.Sprintf("gpu-%d::%d", number/replicas, number%replicas), Health: api.Healthy})
	}
	for {
		fail(serve(resource, devices, onlyOne))
		// A kubelet that starts anew forgets all plugins, and removes their sockets.
		for exists(api.DevicePluginPath + socket) {
			time.Sleep(500 * time.Millisecond)
		}
	}
}

// nvidia counts what the runtime has put into this container; without that runtime there is no driver here.
func nvidia() int {
	variable := "STAND_IN_GPUS"
	if os.Getenv("MIG_STRATEGY") == "single" {
		variable = "STAND_IN_MIG"
	}
	count, err := strconv.Atoi(os.Getenv(variable))
	if err != nil {
		fail(fmt.Errorf("Failed to initialize NVML: ERROR_LIBRARY_NOT_FOUND"))
	}
	return count
}

func amd() int {
	count := 0
	nodes, _ := filepath.Glob("/sys/class/kfd/kfd/topology/nodes/*/properties")
	for _, node := range nodes {
		text, _ := os.ReadFile(node)
		if strings.HasPrefix(string(text), "simd_count ") && !strings.HasPrefix(string(text), "simd_count 0") {
			count++
		}
	}
	return count
}

// sharing reads what it needs of NVIDIA's configuration file.
func sharing() (replicas int, onlyOne bool) {
	text, err := os.ReadFile(os.Getenv("CONFIG_FILE"))
	if err != nil {
		return 1, false
	}
	var config struct {
		Sharing struct {
			TimeSlicing struct {
				FailRequestsGreaterThanOne bool
				Resources                  []struct{ Replicas int }
			}
		}
	}
	fail(json.Unmarshal(text, &config))
	slicing := config.Sharing.TimeSlicing
	return slicing.Resources[0].Replicas, slicing.FailRequestsGreaterThanOne
}

func serve(resource string, devices []*api.Device, onlyOne bool) error {
	os.Remove(api.DevicePluginPath + socket)
	listener, err := net.Listen("unix", api.DevicePluginPath+socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	api.RegisterDevicePluginServer(server, &plugin{devices: devices, onlyOne: onlyOne})
	go server.Serve(listener)
	connection, err := grpc.NewClient("unix://"+api.KubeletSocket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	context, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	request := &api.RegisterRequest{Version: api.Version, Endpoint: socket, ResourceName: resource}
	_, err = api.NewRegistrationClient(connection).Register(context, request, grpc.WaitForReady(true))
	if err == nil {
		fmt.Printf("registered %d x %s\n", len(devices), resource)
	}
	return err
}

func (p *plugin) GetDevicePluginOptions(context.Context, *api.Empty) (*api.DevicePluginOptions, error) {
	return &api.DevicePluginOptions{}, nil
}

func (p *plugin) ListAndWatch(_ *api.Empty, stream api.DevicePlugin_ListAndWatchServer) error {
	if err := stream.Send(&api.ListAndWatchResponse{Devices: p.devices}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (p *plugin) Allocate(_ context.Context, request *api.AllocateRequest) (*api.AllocateResponse, error) {
	answer := &api.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		if p.onlyOne && len(container.DevicesIds) > 1 {
			return nil, fmt.Errorf("maximum request size for shared resources is 1; found %d", len(container.DevicesIds))
		}
		seen := map[string]string{"NVIDIA_VISIBLE_DEVICES": strings.Join(container.DevicesIds, ",")}
		answer.ContainerResponses = append(answer.ContainerResponses, &api.ContainerAllocateResponse{Envs: seen})
	}
	return answer, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
