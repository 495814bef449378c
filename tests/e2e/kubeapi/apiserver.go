package main

import (
	"fmt"
	"net"
	"strconv"

	"github.com/spf13/pflag"
	utilerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // rest_client_* metrics, as a real one has
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/cmd/kube-apiserver/app/options"

	utilfeature "k8s.io/apiserver/pkg/util/feature"
)

// runAPIServer is kube-apiserver's own command but for two things: it may listen on a port of the
// kernel's choice, and it prints where it listens.
func runAPIServer(arguments []string) error {
	settings := options.NewServerRunOptions()
	flags := pflag.NewFlagSet("apiserver", pflag.ExitOnError)
	flags.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	for _, set := range settings.Flags().FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1",
		strconv.Itoa(settings.SecureServing.BindPort)))
	if err != nil {
		return err
	}
	settings.SecureServing.Listener = listener
	settings.SecureServing.BindPort = listener.Addr().(*net.TCPAddr).Port

	if err := settings.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	if err := logsapi.ValidateAndApply(settings.Logs, utilfeature.DefaultFeatureGate); err != nil {
		return err
	}
	ctx := server.SetupSignalContext()
	completed, err := settings.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) != 0 {
		return utilerrors.NewAggregate(errs)
	}
	fmt.Printf("listening on https://%s\n", listener.Addr())
	return app.Run(ctx, completed)
}
