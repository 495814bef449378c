#include "pkg/kubeapi/table.h"

namespace podkeeper::kubeapi {
namespace {

// The descriptions are part of the protocol: clients show them for --help-like output and the
// recorded tables hold them.
constexpr std::string_view kPodColumns =
    R"([{"name":"Name","type":"string","format":"name","description":"Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names","priority":0},)"
    R"({"name":"Ready","type":"string","format":"","description":"The aggregate readiness state of this pod for accepting traffic.","priority":0},)"
    R"({"name":"Status","type":"string","format":"","description":"The aggregate status of the containers in this pod.","priority":0},)"
    R"({"name":"Restarts","type":"string","format":"","description":"The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.","priority":0},)"
    R"({"name":"Age","type":"string","format":"","description":"CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata","priority":0},)"
    R"({"name":"IP","type":"string","format":"","description":"podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated.","priority":1},)"
    R"({"name":"Node","type":"string","format":"","description":"NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling by the scheduler defined in schedulerName. Once this field is set, the kubelet for this node becomes responsible for the lifecycle of this pod. This field should not be used to express a desire for the pod to be scheduled on a specific node. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename","priority":1},)"
    R"({"name":"Nominated Node","type":"string","format":"","description":"nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled right away as preemption victims receive their graceful termination periods. This field does not guarantee that the pod will be scheduled on this node. Scheduler may decide to place the pod elsewhere if other nodes become available sooner. Scheduler may also decide to give the resources on this node to a higher priority pod that is created after preemption. As a result, this field may be different than PodSpec.nodeName when the pod is scheduled.","priority":1},)"
    R"({"name":"Readiness Gates","type":"string","format":"","description":"If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its containers are ready AND all conditions specified in the readiness gates have status equal to \"True\" More info: https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates","priority":1}])";

constexpr std::string_view kNodeColumns =
    R"([{"name":"Name","type":"string","format":"name","description":"Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names","priority":0},)"
    R"({"name":"Status","type":"string","format":"","description":"The status of the node","priority":0},)"
    R"({"name":"Roles","type":"string","format":"","description":"The roles of the node","priority":0},)"
    R"({"name":"Age","type":"string","format":"","description":"CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata","priority":0},)"
    R"({"name":"Version","type":"string","format":"","description":"The version of the node's kubelet","priority":0},)"
    R"({"name":"Internal-IP","type":"string","format":"","description":"The address of the node inside the cluster","priority":1},)"
    R"({"name":"External-IP","type":"string","format":"","description":"The address of the node from outside the cluster","priority":1},)"
    R"({"name":"OS-Image","type":"string","format":"","description":"The operating system of the node","priority":1},)"
    R"({"name":"Kernel-Version","type":"string","format":"","description":"The kernel of the node","priority":1},)"
    R"({"name":"Container-Runtime","type":"string","format":"","description":"The container runtime of the node and its version","priority":1}])";

constexpr std::string_view kPlainColumns =
    R"([{"name":"Name","type":"string","format":"name","description":"Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names","priority":0},)"
    R"({"name":"Created At","type":"date","format":"","description":"CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata","priority":0}])";

}  // namespace

std::string_view table_columns(const kube::Resource& resource) {
  if (resource == kube::pods()) return kPodColumns;
  if (resource == kube::nodes()) return kNodeColumns;
  return kPlainColumns;
}

}  // namespace podkeeper::kubeapi
