#include "pkg/simkube/manifests.h"

#include "pkg/simkube/cluster.h"

#include <nlohmann/json.hpp>

#include <array>
#include <utility>

namespace podkeeper::simkube {
namespace {

constexpr std::array kZones = {"zone-a", "zone-b", "zone-c"};

Json node_condition(const char* type, bool good, const char* reason, const char* message,
                    const std::string& now) {
  return {{"type", type},
          {"status", good ? "True" : "False"},
          {"lastHeartbeatTime", now},
          {"lastTransitionTime", now},
          {"reason", reason},
          {"message", message}};
}

Json container(const std::string& name, const std::string& image, const char* cpu,
               const char* memory) {
  return {
      {"name", name},
      {"image", image},
      {"ports", Json::array({{{"name", "http"}, {"containerPort", 8080}, {"protocol", "TCP"}}})},
      {"env",
       Json::array({{{"name", "POD_IP"},
                     {"valueFrom",
                      {{"fieldRef", {{"apiVersion", "v1"}, {"fieldPath", "status.podIP"}}}}}}})},
      {"resources",
       {{"limits", {{"memory", memory}}}, {"requests", {{"cpu", cpu}, {"memory", memory}}}}},
      {"volumeMounts",
       Json::array({{{"name", "kube-api-access"},
                     {"readOnly", true},
                     {"mountPath", "/var/run/secrets/kubernetes.io/serviceaccount"}}})},
      {"readinessProbe",
       {{"httpGet", {{"path", "/healthz"}, {"port", "http"}, {"scheme", "HTTP"}}},
        {"initialDelaySeconds", 5},
        {"timeoutSeconds", 1},
        {"periodSeconds", 10},
        {"successThreshold", 1},
        {"failureThreshold", 3}}},
      {"terminationMessagePath", "/dev/termination-log"},
      {"terminationMessagePolicy", "File"},
      {"imagePullPolicy", "IfNotPresent"}};
}

Json service_account_volume() {
  return {
      {"name", "kube-api-access"},
      {"projected",
       {{"sources",
         Json::array({{{"serviceAccountToken", {{"expirationSeconds", 3607}, {"path", "token"}}}},
                      {{"configMap",
                        {{"name", "kube-root-ca.crt"},
                         {"items", Json::array({{{"key", "ca.crt"}, {"path", "ca.crt"}}})}}}}})},
        {"defaultMode", 420}}}};
}

/// What the server keeps of who wrote which field: nearly half of a real pod's bytes.
Json managed_fields(const std::string& now) {
  static const Json kSpecFields = Json::parse(
      R"({"f:metadata":{"f:annotations":{".":{},"f:checksum/config":{}},"f:generateName":{},"f:labels":{".":{},"f:app.kubernetes.io/name":{},"f:pod-template-hash":{},"f:tier":{}},"f:ownerReferences":{".":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:env":{".":{},"k:{\"name\":\"POD_IP\"}":{".":{},"f:name":{},"f:valueFrom":{".":{},"f:fieldRef":{}}}},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":{".":{},"k:{\"containerPort\":8080,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:name":{},"f:protocol":{}}},"f:readinessProbe":{".":{},"f:failureThreshold":{},"f:httpGet":{".":{},"f:path":{},"f:port":{},"f:scheme":{}},"f:initialDelaySeconds":{},"f:periodSeconds":{},"f:successThreshold":{},"f:timeoutSeconds":{}},"f:resources":{".":{},"f:limits":{".":{},"f:memory":{}},"f:requests":{".":{},"f:cpu":{},"f:memory":{}}},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{},"f:volumeMounts":{".":{}}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:serviceAccountName":{},"f:terminationGracePeriodSeconds":{},"f:volumes":{".":{}}}})");
  return Json::array({{{"manager", "kube-controller-manager"},
                       {"operation", "Update"},
                       {"apiVersion", "v1"},
                       {"time", now},
                       {"fieldsType", "FieldsV1"},
                       {"fieldsV1", kSpecFields}}});
}

}  // namespace

std::string digest_text(std::string_view text, std::size_t length, std::string_view alphabet) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  std::string out;
  while (out.size() < length) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    for (int i = 0; i < 8 && out.size() < length; ++i)
      out += alphabet[(hash >> (8 * i)) % alphabet.size()];
  }
  return out;
}

std::string hex_of(std::string_view text, std::size_t length) {
  return digest_text(text, length, "0123456789abcdef");
}

Json namespace_manifest(std::string_view name) {
  return {{"kind", "Namespace"},
          {"apiVersion", "v1"},
          {"metadata", {{"name", name}, {"labels", {{"kubernetes.io/metadata.name", name}}}}},
          {"spec", {{"finalizers", {"kubernetes"}}}},
          {"status", {{"phase", "Active"}}}};
}

std::string node_name(std::uint64_t number) { return "node-" + std::to_string(number); }

Json node_manifest(std::uint64_t number, base::WallTime now) {
  const auto name = node_name(number);
  const auto text = format_now(now);
  const auto subnet =
      "10." + std::to_string(128 + number / 256 % 64) + "." + std::to_string(number % 256) + ".";
  Json status = {
      {"capacity",
       {{"cpu", "16"},
        {"ephemeral-storage", "101430960Ki"},
        {"memory", "65536Mi"},
        {"pods", "110"}}},
      {"allocatable",
       {{"cpu", "15800m"},
        {"ephemeral-storage", "93478772Ki"},
        {"memory", "63488Mi"},
        {"pods", "110"}}},
      {"conditions",
       Json::array({node_condition("MemoryPressure", false, "KubeletHasSufficientMemory",
                                   "kubelet has sufficient memory available", text),
                    node_condition("DiskPressure", false, "KubeletHasNoDiskPressure",
                                   "kubelet has no disk pressure", text),
                    node_condition("PIDPressure", false, "KubeletHasSufficientPID",
                                   "kubelet has sufficient PID available", text),
                    node_condition("Ready", true, "KubeletReady", "kubelet is posting ready status",
                                   text)})},
      {"addresses", Json::array({{{"type", "InternalIP"},
                                  {"address", "10.40." + std::to_string(number / 250 % 250) + "." +
                                                  std::to_string(number % 250 + 1)}},
                                 {{"type", "Hostname"}, {"address", name}}})},
      {"daemonEndpoints", {{"kubeletEndpoint", {{"Port", 10250}}}}},
      {"nodeInfo",
       {{"machineID", hex_of(name, 32)},
        {"systemUUID", hex_of(name + "/system", 32)},
        {"bootID", hex_of(name + "/boot", 32)},
        {"kernelVersion", "6.1.0-28-amd64"},
        {"osImage", "Debian GNU/Linux 12 (bookworm)"},
        {"containerRuntimeVersion", "containerd://2.1.4"},
        {"kubeletVersion", "v1.36.2"},
        {"kubeProxyVersion", ""},
        {"operatingSystem", "linux"},
        {"architecture", "amd64"}}}};
  return {{"kind", "Node"},
          {"apiVersion", "v1"},
          {"metadata",
           {{"name", name},
            {"labels",
             {{"kubernetes.io/arch", "amd64"},
              {"kubernetes.io/hostname", name},
              {"kubernetes.io/os", "linux"},
              {"topology.kubernetes.io/region", "sim-1"},
              {"topology.kubernetes.io/zone", kZones[number % kZones.size()]}}}}},
          {"spec", {{"podCIDR", subnet + "0/24"}, {"podCIDRs", {subnet + "0/24"}}}},
          {"status", std::move(status)}};
}

void set_node_heard(Json& node, bool heard, base::WallTime now) {
  const auto text = format_now(now);
  auto& conditions = node["status"]["conditions"];
  if (!conditions.is_array()) return;
  for (auto& condition : conditions) {
    const std::string before = condition.value("status", "");
    const bool ready = condition.value("type", "") == "Ready";
    const std::string after = heard ? (ready ? "True" : "False") : "Unknown";
    if (heard) condition["lastHeartbeatTime"] = text;
    if (before == after) continue;
    condition["status"] = after;
    condition["lastTransitionTime"] = text;
    condition["reason"] =
        heard ? (ready ? "KubeletReady" : "KubeletIsHealthy") : "NodeStatusUnknown";
    condition["message"] =
        heard ? "kubelet is posting status" : "Kubelet stopped posting node status.";
  }
}

Json deployment_manifest(const DeploymentShape& shape) {
  const Json labels = {{"app.kubernetes.io/name", shape.name}, {"tier", "backend"}};
  Json containers = Json::array({container("app", shape.image, "250m", "512Mi")});
  if (shape.sidecar)
    containers.push_back(
        container("proxy", "registry.example.com/mesh/proxy:1.31.0", "50m", "64Mi"));
  const Json pod_spec = {{"volumes", Json::array({service_account_volume()})},
                         {"containers", std::move(containers)},
                         {"restartPolicy", "Always"},
                         {"terminationGracePeriodSeconds", 30},
                         {"dnsPolicy", "ClusterFirst"},
                         {"serviceAccountName", shape.name},
                         {"serviceAccount", shape.name},
                         {"securityContext", {{"runAsUser", 10001}, {"runAsNonRoot", true}}},
                         {"schedulerName", "default-scheduler"}};
  return {
      {"kind", "Deployment"},
      {"apiVersion", "apps/v1"},
      {"metadata", {{"name", shape.name}, {"namespace", shape.namespace_}, {"labels", labels}}},
      {"spec",
       {{"replicas", shape.replicas},
        {"selector", {{"matchLabels", {{"app.kubernetes.io/name", shape.name}}}}},
        {"template",
         {{"metadata",
           {{"labels", labels}, {"annotations", {{"checksum/config", hex_of(shape.name, 64)}}}}},
          {"spec", pod_spec}}},
        {"strategy",
         {{"type", "RollingUpdate"},
          {"rollingUpdate", {{"maxUnavailable", "25%"}, {"maxSurge", "25%"}}}}},
        {"revisionHistoryLimit", 10},
        {"progressDeadlineSeconds", 600}}},
      {"status", Json::object()}};
}

std::string template_hash(const Json& deployment) {
  return digest_text(deployment["spec"]["template"].dump(), 10, "bcdfghjklmnpqrstvwxz2456789");
}

Json pod_of_deployment(const Json& deployment, base::WallTime now) {
  const auto& held = deployment["spec"]["template"];
  const auto hash = template_hash(deployment);
  const std::string set = deployment["metadata"].value("name", "") + "-" + hash;
  Json metadata = {{"generateName", set + "-"}, {"namespace", deployment["metadata"]["namespace"]}};
  metadata["labels"] = held["metadata"].value("labels", Json::object());
  metadata["labels"]["pod-template-hash"] = hash;
  if (held["metadata"].contains("annotations"))
    metadata["annotations"] = held["metadata"]["annotations"];
  metadata["ownerReferences"] =
      Json::array({{{"apiVersion", "apps/v1"},
                    {"kind", "ReplicaSet"},
                    {"name", set},
                    {"uid", hex_of(set, 8) + "-0000-4000-8000-" + hex_of(set + "/uid", 12)},
                    {"controller", true},
                    {"blockOwnerDeletion", true}}});
  metadata["managedFields"] = managed_fields(format_now(now));
  return {{"kind", "Pod"},
          {"apiVersion", "v1"},
          {"metadata", std::move(metadata)},
          {"spec", held["spec"]}};
}

Json job_pod(std::string_view namespace_, std::string_view name) {
  return {
      {"kind", "Pod"},
      {"apiVersion", "v1"},
      {"metadata",
       {{"generateName", std::string(name) + "-"},
        {"namespace", namespace_},
        {"labels", {{"batch.kubernetes.io/job-name", name}, {"tier", "batch"}}}}},
      {"spec",
       {{"containers",
         Json::array({container("app", "registry.example.com/batch/job:2.3.1", "500m", "256Mi")})},
        {"restartPolicy", "Never"}}}};
}

}  // namespace podkeeper::simkube
