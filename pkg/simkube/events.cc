#include "pkg/simkube/events.h"

#include "pkg/simkube/faults.h"
#include "pkg/simkube/rules.h"

#include <nlohmann/json.hpp>

#include <utility>
#include <vector>

namespace podkeeper::simkube {
namespace {

/// What upstream prints of a member that is missing.
enum class Missing { kLeftOut, kNull, kEmptyText, kEmptyObject, kEmptyReference };

struct Member {
  const char* core;    ///< its name in the core group
  const char* events;  ///< and in events.k8s.io
  Missing in_core, in_events;
};

/// In the order of the core group's form.
constexpr Member kCoreOrder[] = {
    {"involvedObject", "regarding", Missing::kEmptyReference, Missing::kEmptyReference},
    {"reason", "reason", Missing::kLeftOut, Missing::kLeftOut},
    {"message", "note", Missing::kLeftOut, Missing::kLeftOut},
    {"source", "deprecatedSource", Missing::kEmptyObject, Missing::kEmptyObject},
    {"firstTimestamp", "deprecatedFirstTimestamp", Missing::kNull, Missing::kNull},
    {"lastTimestamp", "deprecatedLastTimestamp", Missing::kNull, Missing::kNull},
    {"count", "deprecatedCount", Missing::kLeftOut, Missing::kLeftOut},
    {"type", "type", Missing::kLeftOut, Missing::kLeftOut},
    {"eventTime", "eventTime", Missing::kNull, Missing::kNull},
    {"series", "series", Missing::kLeftOut, Missing::kLeftOut},
    {"action", "action", Missing::kLeftOut, Missing::kLeftOut},
    {"related", "related", Missing::kLeftOut, Missing::kLeftOut},
    {"reportingComponent", "reportingController", Missing::kEmptyText, Missing::kLeftOut},
    {"reportingInstance", "reportingInstance", Missing::kEmptyText, Missing::kLeftOut},
};
/// The members of kCoreOrder in the order of events.k8s.io.
constexpr std::size_t kEventsOrder[] = {8, 9, 12, 13, 10, 1, 0, 11, 2, 7, 3, 4, 5, 6};

void add_missing(Json& into, const char* key, Missing missing) {
  switch (missing) {
    case Missing::kLeftOut:
      return;
    case Missing::kNull:
      into[key] = nullptr;
      return;
    case Missing::kEmptyText:
      into[key] = "";
      return;
    case Missing::kEmptyObject:
    case Missing::kEmptyReference:
      into[key] = Json::object();
      return;
  }
}

bool is_core(const kube::Resource& resource) { return resource == kube::events(); }

/// Builds the view `to` from the names of the view `from_core`.
Json build(const kube::Resource& to, bool from_core, const Json& event) {
  Json built = Json::object();
  built["kind"] = to.kind;
  built["apiVersion"] = to.api_version();
  const auto metadata = event.find("metadata");
  built["metadata"] = metadata != event.end() && metadata->is_object() ? ordered_metadata(*metadata)
                                                                       : Json::object();
  const auto add = [&](const Member& member) {
    const char* const key = is_core(to) ? member.core : member.events;
    const auto found = event.find(from_core ? member.core : member.events);
    if (found != event.end() && !found->is_null()) {
      built[key] = *found;
    } else {
      add_missing(built, key, is_core(to) ? member.in_core : member.in_events);
    }
  };
  if (is_core(to)) {
    for (const auto& member : kCoreOrder) add(member);
  } else {
    for (const auto index : kEventsOrder) add(kCoreOrder[index]);
  }
  return built;
}

bool has_text(const Json& event, const char* key) {
  const auto found = event.find(key);
  return found != event.end() && found->is_string() &&
         !found->get_ref<const std::string&>().empty();
}

}  // namespace

bool is_event(const kube::Resource& resource) {
  return resource == kube::events() || resource == kube::events_v1();
}

const kube::Resource& other_view(const kube::Resource& events) {
  return is_core(events) ? kube::events_v1() : kube::events();
}

Json ordered_event(const kube::Resource& resource, const Json& event) {
  return build(resource, is_core(resource), event);
}

Json converted_event(const kube::Resource& from, const Json& event) {
  return build(other_view(from), is_core(from), event);
}

std::expected<void, kube::Status> validate_event(const kube::Resource& resource,
                                                 const Json& event) {
  std::vector<Fault> faults;
  const auto space = event["metadata"].value("namespace", "");
  const auto& about = event[is_core(resource) ? "involvedObject" : "regarding"];
  const std::string about_space =
      about.is_object() && has_text(about, "namespace") ? about["namespace"] : "";
  if (!is_core(resource) && !has_text(event, "eventTime")) {
    faults.push_back(required("eventTime"));
  } else if (about_space.empty() ? space != "default" && space != "kube-system"
                                 : about_space != space) {
    faults.push_back(
        invalid_value(is_core(resource) ? "involvedObject.namespace" : "regarding.namespace",
                      about_space, "does not match event.namespace"));
  } else if (!is_core(resource)) {
    for (const char* key : {"reportingController", "reportingInstance", "action", "reason"}) {
      if (!has_text(event, key)) faults.push_back(required(key));
    }
  }
  if (faults.empty()) return {};
  // Upstream names the kind without its group, whichever view was written.
  return std::unexpected(invalid(kube::events(), event["metadata"].value("name", ""), faults));
}

}  // namespace podkeeper::simkube
