package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"sort"
	"time"

	"github.com/google/uuid"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
)

// Limits of one load. etcd takes at most 128 operations and 1.5 MiB in a transaction; a recorded
// pod has about 5 KB.
const (
	txnOpsMax = 100
	loadLimit = 2 * time.Minute
)

func runLoad(arguments []string) error {
	flags := flag.NewFlagSet("load", flag.ExitOnError)
	endpoint := flags.String("etcd", "", "the URL that etcd listens on")
	_ = flags.Parse(arguments)
	return load(*endpoint, flags.Args())
}

// load writes recorded PodLists and NodeLists as kube-apiserver would have stored them, and the
// namespaces of the pods with their default service accounts. Straight into etcd: through the API
// every pod would take three requests (create, bind, status), and lose its recorded status times.
func load(endpoint string, files []string) error {
	client, err := etcdClient(endpoint)
	if err != nil {
		return err
	}
	defer client.Close()
	var objects []runtime.Object
	for _, file := range files {
		read, err := readList(file)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		objects = append(objects, read...)
	}
	ops, err := puts(append(namespaces(objects), objects...))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), loadLimit)
	defer cancel()
	if err := write(ctx, client, ops); err != nil {
		return err
	}
	fmt.Printf("loaded %d objects\n", len(ops))
	return nil
}

func readList(file string) ([]runtime.Object, error) {
	compressed, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer compressed.Close()
	stream, err := gzip.NewReader(compressed)
	if err != nil {
		return nil, err
	}
	var list struct {
		Kind  string
		Items []json.RawMessage
	}
	if err := json.NewDecoder(stream).Decode(&list); err != nil {
		return nil, err
	}
	var objects []runtime.Object
	for _, item := range list.Items {
		var object runtime.Object
		switch list.Kind {
		case "PodList":
			object = &corev1.Pod{}
		case "NodeList":
			object = &corev1.Node{}
		default:
			return nil, fmt.Errorf("a %q, not a PodList or NodeList", list.Kind)
		}
		if err := json.Unmarshal(item, object); err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// namespaces gives the namespaces of the pods, each with its default service account, which no
// controller makes here. Their UIDs follow from their names, so that a load is reproducible.
func namespaces(objects []runtime.Object) []runtime.Object {
	oldest := map[string]metav1.Time{}
	for _, object := range objects {
		if pod, ok := object.(*corev1.Pod); ok {
			first, known := oldest[pod.Namespace]
			if !known || pod.CreationTimestamp.Before(&first) {
				oldest[pod.Namespace] = pod.CreationTimestamp
			}
		}
	}
	var sorted []string
	for name := range oldest {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	var made []runtime.Object
	for _, name := range sorted {
		made = append(made,
			&corev1.Namespace{
				ObjectMeta: metav1.ObjectMeta{
					Name:              name,
					UID:               uidOf("namespace/" + name),
					CreationTimestamp: oldest[name],
					Labels:            map[string]string{corev1.LabelMetadataName: name},
				},
				Spec:   corev1.NamespaceSpec{Finalizers: []corev1.FinalizerName{"kubernetes"}},
				Status: corev1.NamespaceStatus{Phase: corev1.NamespaceActive},
			},
			&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{
				Name:              "default",
				Namespace:         name,
				UID:               uidOf("serviceaccount/" + name),
				CreationTimestamp: oldest[name],
			}})
	}
	return made
}

func uidOf(name string) types.UID {
	return types.UID(uuid.NewSHA1(uuid.NameSpaceDNS, []byte(name)).String())
}

// puts encodes the objects for kube-apiserver's storage: protobuf, no resourceVersion, under its
// keys (nodes have kept their first name, minions).
func puts(objects []runtime.Object) ([]clientv3.Op, error) {
	folders := map[string]string{
		"Pod": "pods", "Node": "minions", "Namespace": "namespaces", "ServiceAccount": "serviceaccounts",
	}
	encoder := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	var ops []clientv3.Op
	for _, object := range objects {
		kinds, _, err := scheme.Scheme.ObjectKinds(object)
		if err != nil {
			return nil, err
		}
		object.GetObjectKind().SetGroupVersionKind(kinds[0])
		meta, ok := object.(metav1.Object)
		if !ok {
			return nil, errors.New("an object without metadata")
		}
		meta.SetResourceVersion("")
		var value bytes.Buffer
		if err := encoder.Encode(object, &value); err != nil {
			return nil, err
		}
		key := path.Join("/registry", folders[kinds[0].Kind], meta.GetNamespace(), meta.GetName())
		ops = append(ops, clientv3.OpPut(key, value.String()))
	}
	return ops, nil
}

// write puts everything in transactions of txnOpsMax.
func write(ctx context.Context, client *clientv3.Client, ops []clientv3.Op) error {
	for begin := 0; begin < len(ops); begin += txnOpsMax {
		batch := ops[begin:min(begin+txnOpsMax, len(ops))]
		if _, err := client.Txn(ctx).Then(batch...).Commit(); err != nil {
			return err
		}
	}
	return nil
}
