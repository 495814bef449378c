#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "tests/kube/recorded.h"

// The recorded lists of a real API server, read once by us and once by another library, and
// compared object by object.
namespace podkeeper::kube {
namespace {

using Json = nlohmann::json;
using nlohmann::literals::operator""_json_pointer;

std::string text(const Json& object, const Json::json_pointer& at) {
  return object.contains(at) ? object[at].get<std::string>() : std::string();
}

UnixSeconds time(const Json& object, const Json::json_pointer& at) {
  return parse_time(text(object, at)).value_or(0);
}

/// The item as it stands in the list, cut out by counting braces outside strings: no JSON library
/// keeps the bytes.
std::string_view take_item(std::string_view& list) {
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t at = 0; at < list.size(); ++at) {
    const char c = list[at];
    if (quoted) {
      if (c == '\\') ++at;
      if (c == '"') quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (c == '{') ++depth;
    if (c == '}' && --depth == 0) {
      const std::string_view item = list.substr(0, at + 1);
      list.remove_prefix(at + 2);
      return item;
    }
  }
  return {};
}

void expect_metadata(const Object& object, const Json& item) {
  const bool namespaced = item["metadata"].contains("namespace");
  ASSERT_EQ(object.name(), text(item, "/metadata/name"_json_pointer));
  ASSERT_EQ(object.namespace_(),
            namespaced ? text(item, "/metadata/namespace"_json_pointer) : std::string());
  ASSERT_EQ(to_string(object.revision), text(item, "/metadata/resourceVersion"_json_pointer));
  ASSERT_EQ(object.body.substr(object.revision_offset, object.revision_length),
            to_string(object.revision));
  ASSERT_EQ(object.uid, text(item, "/metadata/uid"_json_pointer));
  ASSERT_EQ(object.created, time(item, "/metadata/creationTimestamp"_json_pointer));
  ASSERT_EQ(object.deleted, time(item, "/metadata/deletionTimestamp"_json_pointer));
  std::map<std::string, std::string> labels;
  if (item["metadata"].contains("labels")) item["metadata"]["labels"].get_to(labels);
  ASSERT_EQ((std::map<std::string, std::string>(object.labels.begin(), object.labels.end())),
            labels);
}

void expect_pod(const PodFields& pod, const Json& item) {
  ASSERT_EQ(pod.node_name, text(item, "/spec/nodeName"_json_pointer));
  ASSERT_EQ(pod.phase, text(item, "/status/phase"_json_pointer));
  ASSERT_EQ(pod.pod_ip, text(item, "/status/podIP"_json_pointer));
  ASSERT_EQ(pod.status_reason, text(item, "/status/reason"_json_pointer));
  ASSERT_EQ(pod.restart_policy, text(item, "/spec/restartPolicy"_json_pointer));
  ASSERT_EQ(pod.scheduler_name, text(item, "/spec/schedulerName"_json_pointer));
  ASSERT_EQ(pod.service_account, text(item, "/spec/serviceAccountName"_json_pointer));
  ASSERT_EQ(pod.nominated_node, text(item, "/status/nominatedNodeName"_json_pointer));
  ASSERT_EQ(pod.start_time, time(item, "/status/startTime"_json_pointer));
  std::int64_t cpu = 0;
  std::int64_t memory = 0;
  for (const Json& container : item["spec"]["containers"]) {
    cpu +=
        parse_quantity_millis(text(container, "/resources/requests/cpu"_json_pointer)).value_or(0);
    memory += parse_quantity_value(text(container, "/resources/requests/memory"_json_pointer))
                  .value_or(0);
  }
  ASSERT_EQ(pod.cpu_millis, cpu);
  ASSERT_EQ(pod.memory_bytes, memory);
  ASSERT_EQ(pod.containers_total, item["spec"]["containers"].size());
  std::uint32_t ready = 0;
  std::uint32_t restarts = 0;
  for (const Json& status : item["status"].value("containerStatuses", Json::array())) {
    ready += status["ready"].get<bool>() && status["state"].contains("running") ? 1 : 0;
    restarts += status["restartCount"].get<std::uint32_t>();
  }
  ASSERT_EQ(pod.containers_ready, ready);
  ASSERT_EQ(pod.restarts, restarts);
  for (const Json& condition : item["status"].value("conditions", Json::array())) {
    if (condition["type"] != "Ready") continue;
    ASSERT_EQ(pod.ready_condition, condition["status"] == "True");
    ASSERT_EQ(pod.ready_transition, time(condition, "/lastTransitionTime"_json_pointer));
  }
  ASSERT_FALSE(pod.display_status.empty());
}

void expect_node(const NodeFields& node, const Json& item) {
  ASSERT_EQ(node.kubelet_version, text(item, "/status/nodeInfo/kubeletVersion"_json_pointer));
  ASSERT_EQ(node.os_image, text(item, "/status/nodeInfo/osImage"_json_pointer));
  ASSERT_EQ(node.kernel_version, text(item, "/status/nodeInfo/kernelVersion"_json_pointer));
  ASSERT_EQ(node.runtime_version,
            text(item, "/status/nodeInfo/containerRuntimeVersion"_json_pointer));
  ASSERT_EQ(node.capacity_cpu_millis,
            parse_quantity_millis(text(item, "/status/capacity/cpu"_json_pointer)));
  ASSERT_EQ(node.allocatable_memory_bytes,
            parse_quantity_value(text(item, "/status/allocatable/memory"_json_pointer)));
  ASSERT_EQ(std::to_string(node.capacity_pods), text(item, "/status/capacity/pods"_json_pointer));
  for (const Json& address : item["status"]["addresses"]) {
    if (address["type"] == "InternalIP")
      ASSERT_EQ(node.internal_ip, address["address"].get<std::string>());
  }
  for (const Json& condition : item["status"]["conditions"]) {
    if (condition["type"] == "Ready") ASSERT_EQ(node.ready, condition["status"].get<std::string>());
  }
}

void expect_list(const Resource& resource, const std::string& json, std::size_t count) {
  const auto list = decode_list(resource, json);
  ASSERT_TRUE(list.has_value()) << list.error().message;
  ASSERT_EQ(list->items.size(), count);
  const std::size_t head = json.find("\"items\":[") + 9;
  std::string_view rest = std::string_view(json).substr(head);
  for (const auto& object : list->items) {
    const std::string_view item = take_item(rest);
    ASSERT_EQ(object->body, item.substr(1));
    const Json other = Json::parse(item);
    ASSERT_NO_FATAL_FAILURE(expect_metadata(*object, other)) << object->key_text;
    if (object->pod() != nullptr) ASSERT_NO_FATAL_FAILURE(expect_pod(*object->pod(), other));
    if (object->node() != nullptr) ASSERT_NO_FATAL_FAILURE(expect_node(*object->node(), other));
  }
}

TEST(RealLists, TenThousandPodsAreReadAsAnotherLibraryReadsThemAndKeptByteForByte) {
  expect_list(pods(), testing::read_gzip("pods-10k.json.gz"), 10'000);
}

TEST(RealLists, FiveHundredNodesAreReadAsAnotherLibraryReadsThemAndKeptByteForByte) {
  expect_list(nodes(), testing::read_gzip("nodes-500.json.gz"), 500);
}

TEST(RealLists, WithoutManagedFieldsAnObjectIsTheSameButForThem) {
  const std::string json = testing::read_gzip("nodes-500.json.gz");
  const auto whole = decode_list(nodes(), json);
  const auto less = decode_list(nodes(), json, {.drop_managed_fields = true});
  ASSERT_TRUE(whole.has_value() && less.has_value());
  for (std::size_t i = 0; i < whole->items.size(); ++i) {
    Json want = Json::parse("{" + whole->items[i]->body);
    ASSERT_EQ(want["metadata"].erase("managedFields"), 1U);
    const Object& object = *less->items[i];
    ASSERT_EQ(Json::parse("{" + object.body), want);
    ASSERT_NO_FATAL_FAILURE(expect_metadata(object, want));
    ASSERT_NO_FATAL_FAILURE(expect_node(*object.node(), want));
  }
}

}  // namespace
}  // namespace podkeeper::kube
