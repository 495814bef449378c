package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	readyLimit = 90 * time.Second
	endLimit   = 30 * time.Second
	pollEvery  = 50 * time.Millisecond
	// restartDelay is what a kubelet leaves between the end of a static pod and its next start, cut
	// short.
	restartDelay = 200 * time.Millisecond
)

// child is one of the two servers, started from this program's own file. Its output goes to
// DIR/NAME.log, its process id to DIR/NAME.pid.
type child struct {
	name    string
	process *exec.Cmd
	ended   chan error
	// address is what it said it listens on.
	address string
}

// cluster is etcd and kube-apiserver over one directory.
type cluster struct {
	dir       string
	extra     []string
	etcd      *child
	apiserver *child
}

type repeated []string

func (r *repeated) String() string         { return strings.Join(*r, " ") }
func (r *repeated) Set(value string) error { *r = append(*r, value); return nil }

func runUp(arguments []string) error {
	flags := flag.NewFlagSet("up", flag.ExitOnError)
	dir := flags.String("dir", "", "everything of this run; made where it is missing")
	data := flags.String("etcd-data", "", "an etcd directory to begin with, which is copied")
	var files, extra repeated
	flags.Var(&files, "load", "a recorded list to load before kube-apiserver starts (repeatable)")
	flags.Var(&extra, "apiserver-flag", "a further flag of kube-apiserver (repeatable)")
	_ = flags.Parse(arguments)
	if *dir == "" {
		return errors.New("up needs --dir")
	}
	if err := dieWithParent(); err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGTERM, syscall.SIGINT)

	c := &cluster{dir: *dir, extra: extra}
	defer c.stop()
	if err := c.start(*data, files, interrupted); err != nil {
		return err
	}
	fmt.Printf("ready at %s\n", c.apiserver.address)
	return c.supervise(interrupted)
}

// dieWithParent asks the kernel for SIGTERM when the parent ends. A parent that is gone already
// would never be noticed, so that is an error.
func dieWithParent() error {
	parent := os.Getppid()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0); err != nil {
		return fmt.Errorf("PR_SET_PDEATHSIG: %w", err)
	}
	if os.Getppid() != parent {
		return fmt.Errorf("the process that started this one has ended")
	}
	return nil
}

// start returns when kube-apiserver is ready; a signal meanwhile is an error.
func (c *cluster) start(data string, files []string, interrupted <-chan os.Signal) error {
	if err := writePKI(c.path("pki")); err != nil {
		return err
	}
	if data != "" {
		if err := os.CopyFS(c.path("etcd"), os.DirFS(data)); err != nil {
			return err
		}
	}
	// etcd refuses a directory that others can read.
	if err := os.MkdirAll(c.path("etcd"), 0o700); err != nil {
		return err
	}
	if err := os.Chmod(c.path("etcd"), 0o700); err != nil {
		return err
	}
	var err error
	if c.etcd, err = c.run("etcd", "--data", c.path("etcd")); err != nil {
		return err
	}
	if err := os.WriteFile(c.path("etcd.url"), []byte(c.etcd.address+"\n"), 0o600); err != nil {
		return err
	}
	if len(files) > 0 {
		if err := load(c.etcd.address, files); err != nil {
			return err
		}
	}
	if err := c.startAPIServer("0"); err != nil {
		return err
	}
	if err := c.writeKubeconfig(); err != nil {
		return err
	}
	return c.waitReady(interrupted)
}

func (c *cluster) startAPIServer(port string) (err error) {
	c.apiserver, err = c.run("apiserver", append([]string{
		"--secure-port=" + port,
		"--bind-address=127.0.0.1",
		// Nothing is to look for an address beyond loopback, nor to publish one.
		"--advertise-address=127.0.0.1",
		"--endpoint-reconciler-type=none",
		"--etcd-servers=" + c.etcd.address,
		"--authorization-mode=Node,RBAC",
		"--client-ca-file=" + c.path("pki", caFile),
		"--tls-cert-file=" + c.path("pki", serverCertFile),
		"--tls-private-key-file=" + c.path("pki", serverKeyFile),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.path("pki", serviceAccountFile),
		"--service-account-signing-key-file=" + c.path("pki", serviceAccountFile),
		"--service-cluster-ip-range=10.96.0.0/16",
		"--allow-privileged=true",
	}, c.extra...)...)
	return err
}

// supervise restarts kube-apiserver on its port whenever it ends, as a kubelet does; a test ends it
// by the id in apiserver.pid. It returns after a signal, or when etcd ended.
func (c *cluster) supervise(interrupted <-chan os.Signal) error {
	for {
		select {
		case <-interrupted:
			return nil
		case err := <-c.etcd.ended:
			return fmt.Errorf("etcd ended (%v): see %s", err, c.path("etcd.log"))
		case err := <-c.apiserver.ended:
			fmt.Printf("kube-apiserver ended (%v)\n", err)
		}
		time.Sleep(restartDelay)
		_, port, _ := strings.Cut(strings.TrimPrefix(c.apiserver.address, "https://"), ":")
		if err := c.startAPIServer(port); err != nil {
			return err
		}
		if err := c.waitReady(interrupted); err != nil {
			return err
		}
		fmt.Printf("ready at %s\n", c.apiserver.address)
	}
}

// stop ends kube-apiserver, then etcd, which it needs to end well.
func (c *cluster) stop() {
	for _, server := range []*child{c.apiserver, c.etcd} {
		if server != nil {
			server.stop()
		}
	}
}

func (c *cluster) path(names ...string) string {
	return filepath.Join(append([]string{c.dir}, names...)...)
}

// run starts a sub-command of this program and waits until it says where it listens.
func (c *cluster) run(name string, arguments ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(c.path(name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	process := exec.Command(self, append([]string{name}, arguments...)...)
	process.Stderr = log
	process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	said, err := process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := process.Start(); err != nil {
		return nil, err
	}
	started := &child{name: name, process: process, ended: make(chan error, 1)}
	pid := fmt.Sprintf("%d\n", process.Process.Pid)
	if err := os.WriteFile(c.path(name+".pid"), []byte(pid), 0o600); err != nil {
		return nil, err
	}
	first, err := bufio.NewReader(said).ReadString('\n')
	address, found := strings.CutPrefix(strings.TrimSpace(first), "listening on ")
	go func() {
		_, _ = io.Copy(io.Discard, said)
		started.ended <- process.Wait()
	}()
	if err != nil || !found {
		started.stop()
		return nil, fmt.Errorf("%s did not start: see %s", name, c.path(name+".log"))
	}
	started.address = address
	return started, nil
}

func (s *child) stop() {
	_ = s.process.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(endLimit):
		_ = s.process.Process.Kill()
		<-s.ended
	}
}

// waitReady asks /readyz with the admin's certificate until it answers 200.
func (c *cluster) waitReady(interrupted <-chan os.Signal) error {
	client, err := c.adminClient()
	if err != nil {
		return err
	}
	limit := time.After(readyLimit)
	for {
		if answer, err := client.Get(c.apiserver.address + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-interrupted:
			return errors.New("interrupted before kube-apiserver was ready")
		case err := <-c.apiserver.ended:
			c.apiserver.ended <- err
			return fmt.Errorf("kube-apiserver ended (%v): see %s", err, c.path("apiserver.log"))
		case <-limit:
			return fmt.Errorf("kube-apiserver is not ready after %v: see %s", readyLimit,
				c.path("apiserver.log"))
		case <-time.After(pollEvery):
		}
	}
}

func (c *cluster) adminClient() (*http.Client, error) {
	pair, err := tls.LoadX509KeyPair(c.path("pki", adminCertFile), c.path("pki", adminKeyFile))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(c.path("pki", caFile))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New(caFile + " has no certificate")
	}
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{
				Certificates: []tls.Certificate{pair},
				RootCAs:      roots,
			},
		},
	}, nil
}

// writeKubeconfig writes DIR/admin.kubeconfig, which names the PKI's files: after `kubeapi pki` it
// still fits.
func (c *cluster) writeKubeconfig() error {
	config := clientcmdapi.NewConfig()
	config.Clusters["e2e"] = &clientcmdapi.Cluster{
		Server:               c.apiserver.address,
		CertificateAuthority: c.path("pki", caFile),
	}
	config.AuthInfos["admin"] = &clientcmdapi.AuthInfo{
		ClientCertificate: c.path("pki", adminCertFile),
		ClientKey:         c.path("pki", adminKeyFile),
	}
	config.Contexts["e2e"] = &clientcmdapi.Context{Cluster: "e2e", AuthInfo: "admin"}
	config.CurrentContext = "e2e"
	return clientcmd.WriteToFile(*config, c.path("admin.kubeconfig"))
}
