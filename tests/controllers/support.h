#pragma once

#include "pkg/kube/object.h"
#include "pkg/state/record.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/state/support.h"

namespace podkeeper::controllers::testing {

using kube::UnixSeconds;
using state::testing::allowed;

inline constexpr UnixSeconds kCreated = 1'763'629'200;  // 2025-11-20T09:00:00Z

inline std::string quoted_time(UnixSeconds at) { return "\"" + kube::format_time(at) + "\""; }

inline std::unique_ptr<kube::Object> decode(const kube::Resource& resource,
                                            const std::string& json) {
  auto object = kube::decode_object(resource, json);
  if (!object) throw std::runtime_error(object.error().message + ": " + json);
  return *std::move(object);
}

/// A pod by what these tests are about; the optional times are seconds after its creation.
struct Pod {
  std::string phase = "Running";
  std::string node = "n1";
  std::optional<UnixSeconds> deleted = {};
  std::optional<UnixSeconds> ready_since = {};
  std::optional<UnixSeconds> finished = {};
  std::optional<UnixSeconds> started = {};
  std::string name = "p";
  std::uint64_t revision = 9;
  UnixSeconds created = kCreated;
  std::string uid = "u";
};

inline std::unique_ptr<kube::Object> object(const Pod& pod) {
  const auto at = [&](UnixSeconds after) { return quoted_time(pod.created + after); };
  std::string metadata = R"("name":")" + pod.name + R"(","namespace":"d","uid":")" + pod.uid +
                         R"(","resourceVersion":")" + std::to_string(pod.revision) +
                         R"(","creationTimestamp":)" + at(0);
  if (pod.deleted) metadata += R"(,"deletionTimestamp":)" + at(*pod.deleted);
  std::string status = R"("phase":")" + pod.phase + "\"";
  if (pod.started) status += R"(,"startTime":)" + at(*pod.started);
  if (pod.ready_since) {
    status += R"(,"conditions":[{"type":"Ready","status":"True","lastTransitionTime":)" +
              at(*pod.ready_since) + "}]";
  }
  if (pod.finished) {
    status += R"(,"containerStatuses":[{"name":"c","ready":false,"restartCount":0,"state":)"
              R"({"terminated":{"exitCode":0,"reason":"Completed","finishedAt":)" +
              at(*pod.finished) + "}}}]";
  }
  return decode(kube::pods(), R"({"metadata":{)" + metadata + R"(},"spec":{"nodeName":")" +
                                  pod.node + R"(","containers":[{"name":"c"}]},"status":{)" +
                                  status + "}}");
}

/// A node; `since` is when its Ready condition last changed, in seconds after kCreated.
struct Node {
  std::string ready = "True";
  UnixSeconds since = 0;
  std::string name = "n1";
  std::uint64_t revision = 1;
  UnixSeconds base = kCreated;
};

inline std::unique_ptr<kube::Object> object(const Node& node) {
  return decode(kube::nodes(),
                R"({"metadata":{"name":")" + node.name + R"(","uid":"n","resourceVersion":")" +
                    std::to_string(node.revision) + R"(","creationTimestamp":)" +
                    quoted_time(node.base - 1000) +
                    R"(},"spec":{},"status":{"conditions":[{"type":"Ready","status":")" +
                    node.ready + R"(","lastTransitionTime":)" +
                    quoted_time(node.base + node.since) + "}]}}");
}

template <class T>
state::RecordRef record(const T& description) {
  return base::make_ref<const state::Record>(object(description));
}

template <class... Ts>
std::vector<std::unique_ptr<kube::Object>> batch(const Ts&... descriptions) {
  std::vector<std::unique_ptr<kube::Object>> objects;
  (objects.push_back(object(descriptions)), ...);
  return objects;
}

}  // namespace podkeeper::controllers::testing
