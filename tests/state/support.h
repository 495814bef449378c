#pragma once

#include "pkg/access/authorized.h"
#include "pkg/base/clock.h"
#include "pkg/kube/object.h"
#include "pkg/kube/selector.h"
#include "pkg/state/store.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::state::testing {

/// A clock that stands until it is moved. Timers are not offered.
class StandingClock final : public base::Clock {
 public:
  [[nodiscard]] base::MonotonicTime now() const override {
    return base::MonotonicTime(base::Duration(nanoseconds_.load()));
  }
  [[nodiscard]] base::WallTime wall_now() const override {
    return base::WallTime(base::Duration(nanoseconds_.load()));
  }
  TimerId call_at(base::MonotonicTime, base::Executor, Callback) override {
    throw std::logic_error("the standing clock has no timers");
  }
  bool cancel(TimerId) override { return false; }
  void advance(base::Duration by) { nanoseconds_ += by.count(); }

 private:
  std::atomic<std::int64_t> nanoseconds_{1'000'000'000'000'000};
};

/// Allows everything: these tests are about state, not about access.
class Everybody final : public access::Authorizer {
 public:
  base::Result<access::AuthorizedRead> read(std::string_view, access::ReadScope scope) override {
    return issue(std::move(scope));
  }
};
inline access::AuthorizedRead allowed(std::string resource = "pods", std::string namespace_ = {}) {
  Everybody everybody;
  return *everybody.read({}, {std::move(resource), std::move(namespace_)});
}

struct PodSpec {
  std::string namespace_ = "default";
  std::string name = "a";
  std::uint64_t revision = 1;
  std::string uid = "uid-1";
  std::string node = {};
  std::string phase = "Running";
  std::map<std::string, std::string> labels = {};
};

inline std::string pod_json(const PodSpec& spec) {
  std::string labels;
  for (const auto& [key, value] : spec.labels) {
    labels += (labels.empty() ? "\"" : ",\"") + key + "\":\"" + value + "\"";
  }
  return R"({"metadata":{"name":")" + spec.name + R"(","namespace":")" + spec.namespace_ +
         R"(","uid":")" + spec.uid + R"(","resourceVersion":")" + std::to_string(spec.revision) +
         R"(","creationTimestamp":"2026-11-20T09:00:00Z","labels":{)" + labels +
         R"(}},"spec":{"nodeName":")" + spec.node +
         R"(","containers":[{"name":"c"}]},"status":{"phase":")" + spec.phase + R"("}})";
}

inline std::unique_ptr<kube::Object> pod(const PodSpec& spec) {
  auto object = kube::decode_object(kube::pods(), pod_json(spec));
  if (!object) throw std::runtime_error(object.error().message);
  return *std::move(object);
}

/// As a batch for Store::replace().
template <class... Specs>
std::vector<std::unique_ptr<kube::Object>> batch(const Specs&... specs) {
  std::vector<std::unique_ptr<kube::Object>> objects;
  (objects.push_back(pod(specs)), ...);
  return objects;
}

inline RecordRef record(const PodSpec& spec) { return base::make_ref<const Record>(pod(spec)); }

inline StoreOptions pod_store(std::size_t log_events = 1024) {
  return {.resource = kube::pods(), .map = {}, .log = {.events_max = log_events}};
}

/// "ns/name@revision" of each, so that a failed comparison reads well.
inline std::vector<std::string> text(const std::vector<RecordRef>& records) {
  std::vector<std::string> lines;
  lines.reserve(records.size());
  for (const RecordRef& r : records) {
    lines.push_back(std::string(r->key_text()) + "@" + to_string(r->object().revision));
  }
  return lines;
}

/// "TYPE ns/name@revision" of each; the revision is the event's.
inline std::vector<std::string> text(const std::vector<EventRef>& events) {
  std::vector<std::string> lines;
  lines.reserve(events.size());
  for (const EventRef& e : events) {
    lines.push_back(std::string(kube::to_string(e->type)) + " " +
                    std::string(e->object->key_text()) + "@" + to_string(e->revision));
  }
  return lines;
}

inline kube::FieldSelector fields(std::string_view selector) {
  return kube::FieldSelector::parse(kube::pods(), selector).value();
}
inline kube::LabelSelector labels(std::string_view selector) {
  return kube::LabelSelector::parse(selector).value();
}

}  // namespace podkeeper::state::testing
