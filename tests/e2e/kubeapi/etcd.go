package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

const etcdLimit = 30 * time.Second

func runEtcd(arguments []string) error {
	flags := flag.NewFlagSet("etcd", flag.ExitOnError)
	data := flags.String("data", "", "the data directory")
	_ = flags.Parse(arguments)
	if *data == "" {
		return errors.New("etcd needs --data")
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGTERM, syscall.SIGINT)

	server, err := embed.StartEtcd(etcdConfig(*data))
	if err != nil {
		return err
	}
	defer server.Close()
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		return err
	case <-time.After(etcdLimit):
		return fmt.Errorf("etcd is not ready after %v", etcdLimit)
	}
	fmt.Printf("listening on http://%s\n", server.Clients[0].Addr())
	select {
	case <-interrupted:
		return nil
	case err := <-server.Err():
		return err
	}
}

// etcdConfig is one member on loopback, on ports of the kernel's choice. It does not wait for the
// disk: a test's data need not survive the machine.
func etcdConfig(data string) *embed.Config {
	any := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config := embed.NewConfig()
	config.Dir = data
	config.LogLevel = "warn"
	config.UnsafeNoFsync = true
	// Unset, every request is a slow one and is logged.
	config.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration
	config.ListenClientUrls = []url.URL{any}
	config.AdvertiseClientUrls = []url.URL{any}
	config.ListenPeerUrls = []url.URL{any}
	config.AdvertisePeerUrls = []url.URL{any}
	config.InitialCluster = config.InitialClusterFromName(config.Name)
	return config
}

func etcdClient(endpoint string) (*clientv3.Client, error) {
	if endpoint == "" {
		return nil, errors.New("--etcd is missing: the URL that etcd listens on")
	}
	return clientv3.New(clientv3.Config{
		Endpoints:   []string{endpoint},
		DialTimeout: etcdLimit,
	})
}

func runCompact(arguments []string) error {
	flags := flag.NewFlagSet("compact", flag.ExitOnError)
	endpoint := flags.String("etcd", "", "the URL that etcd listens on")
	_ = flags.Parse(arguments)
	client, err := etcdClient(*endpoint)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), etcdLimit)
	defer cancel()
	now, err := client.Get(ctx, "revision", clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	if _, err := client.Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		return err
	}
	fmt.Printf("compacted at %d\n", now.Header.Revision)
	return nil
}
