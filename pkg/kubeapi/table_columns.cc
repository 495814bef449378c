#include "pkg/kubeapi/table_columns.h"

#include "pkg/kubeapi/json_text.h"

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

constexpr std::string_view kEventColumns =
    R"([{"name":"Last Seen","type":"string","format":"","description":"The time at which the most recent occurrence of this event was recorded.","priority":0},)"
    R"({"name":"Type","type":"string","format":"","description":"Type of this event (Normal, Warning), new types could be added in the future","priority":0},)"
    R"({"name":"Reason","type":"string","format":"","description":"This should be a short, machine understandable string that gives the reason for the transition into the object's current status.","priority":0},)"
    R"({"name":"Object","type":"string","format":"","description":"The object that this event is about.","priority":0},)"
    R"({"name":"Subobject","type":"string","format":"","description":"If referring to a piece of an object instead of an entire object, this should contain a valid JSON/Go field access statement.","priority":1},)"
    R"({"name":"Source","type":"string","format":"","description":"The component reporting this event.","priority":1},)"
    R"({"name":"Message","type":"string","format":"","description":"A human-readable description of the status of this operation.","priority":0},)"
    R"({"name":"First Seen","type":"string","format":"","description":"The time at which the event was first recorded.","priority":1},)"
    R"({"name":"Count","type":"string","format":"","description":"The number of times this event has occurred.","priority":1},)"
    R"({"name":"Name","type":"string","format":"name","description":"Name must be unique within a namespace.","priority":1}])";

constexpr std::string_view kNameColumn =
    R"([{"name":"Name","type":"string","format":"name","description":"Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names","priority":0})";

}  // namespace

std::string_view builtin_columns(const kube::Resource& resource) {
  if (resource == kube::pods()) return kPodColumns;
  if (resource == kube::nodes()) return kNodeColumns;
  if (resource == kube::events() || resource == kube::events_v1()) return kEventColumns;
  return kPlainColumns;
}

std::string custom_columns(const std::vector<PrinterColumn>& columns) {
  std::string json(kNameColumn);
  for (const auto& column : columns) {
    json += R"(,{"name":)" + json_string(column.name) + R"(,"type":)" + json_string(column.type) +
            R"(,"format":)" + json_string(column.format) + R"(,"description":)" +
            json_string(column.description) + R"(,"priority":)" + std::to_string(column.priority) +
            "}";
  }
  return json + "]";
}

}  // namespace podkeeper::kubeapi
