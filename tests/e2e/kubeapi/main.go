// kubeapi is a real kube-apiserver with a real etcd for the end-to-end tests, in one program.
//
//	kubeapi up --dir DIR [--etcd-data DIR] [--load FILE]...   both, until SIGTERM
//	kubeapi apiserver FLAGS...       kube-apiserver alone; --secure-port=0 asks the kernel for one
//	kubeapi etcd --data DIR          etcd alone, on a port of the kernel's choice
//	kubeapi load --etcd URL FILE...  writes recorded lists (.json.gz) into etcd
//	kubeapi compact --etcd URL       forgets etcd's history up to now
//	kubeapi pki --dir DIR            makes CA, certificates and keys anew, as a rotation does
//
// up ends with the process that started it, and its servers end with it.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
)

var commands = map[string]func(arguments []string) error{
	"apiserver": runAPIServer,
	"compact":   runCompact,
	"etcd":      runEtcd,
	"load":      runLoad,
	"pki":       runPKI,
	"up":        runUp,
}

// init keeps main on the process's first thread: the kernel ties the death signal of a child to the
// thread that started it, and Go ends threads at will.
func init() { runtime.LockOSThread() }

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintf(os.Stderr, "usage: kubeapi %s ...\n", strings.Join(names(), "|"))
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "kubeapi: %v\n", err)
		os.Exit(1)
	}
}

func names() []string {
	var all []string
	for name := range commands {
		all = append(all, name)
	}
	sort.Strings(all)
	return all
}
