#pragma once

#include "pkg/base/clock.h"
#include "pkg/base/ref.h"
#include "pkg/base/result.h"
#include "pkg/base/slab.h"
#include "pkg/kube/resource.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace podkeeper::kube {

/// Seconds since 1970 of an RFC 3339 time; 0: not set.
using UnixSeconds = std::int64_t;

/// What selectors, indexes, tables and the pod state controller ask of a pod. Views point into the
/// object's own bytes.
struct PodFields {
  std::string_view node_name;
  std::string_view phase;
  std::string_view pod_ip;
  std::string_view status_reason;
  std::string_view restart_policy;
  std::string_view scheduler_name;
  std::string_view service_account;
  std::string_view nominated_node;
  bool host_network = false;
  bool ready_condition = false;      ///< condition Ready is True
  UnixSeconds ready_transition = 0;  ///< lastTransitionTime of condition Ready
  UnixSeconds start_time = 0;
  std::uint32_t containers_ready = 0;
  std::uint32_t containers_total = 0;  ///< from spec, restartable init containers included
  std::uint32_t restarts = 0;
  UnixSeconds last_restart = 0;  ///< newest lastState.terminated.finishedAt
  UnixSeconds finished = 0;      ///< newest state.terminated.finishedAt
  std::uint32_t readiness_gates_total = 0;
  std::uint32_t readiness_gates_true = 0;
  std::string display_status;   ///< the STATUS column of kubectl get pods
  std::int64_t cpu_millis = 0;  ///< sum of the containers' requests
  std::int64_t memory_bytes = 0;
};

struct NodeFields {
  bool unschedulable = false;
  /// Condition Ready: "True", "False", "Unknown", or empty where there is none.
  std::string_view ready;
  UnixSeconds ready_transition = 0;
  bool memory_pressure = false, disk_pressure = false, pid_pressure = false;
  std::string_view internal_ip, external_ip, kubelet_version, os_image, kernel_version,
      runtime_version;
  std::int64_t capacity_cpu_millis = 0, capacity_memory_bytes = 0, capacity_pods = 0;
  std::int64_t allocatable_cpu_millis = 0, allocatable_memory_bytes = 0, allocatable_pods = 0;
};

/// One object as upstream sent it, decoded in one pass by simdjson. Immutable. `body` is the object
/// without the braces' head: it begins with `"metadata":` and ends with `}`; the members "kind" and
/// "apiVersion" that some answers carry in front are not part of it, so the same bytes serve LIST
/// items, GET and WATCH. All views point into `body` (or into `unescaped` where JSON escapes stood
/// in the way), so an Object does not move.
class Object {
 public:
  using LabelSpan = std::vector<std::pair<std::string_view, std::string_view>>;

  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  /// From a slab: what selectors and tables read lies side by side, the bodies elsewhere.
  static void* operator new(std::size_t bytes) { return base::Slabs::allocate(bytes); }
  static void operator delete(void* object) noexcept { base::Slabs::free(object); }

  std::string key_text;  ///< "namespace/name", or "name"
  std::size_t namespace_length = 0;
  Revision revision;
  std::string_view uid;
  LabelSpan labels;  ///< sorted by key
  UnixSeconds created = 0;
  UnixSeconds deleted = 0;  ///< metadata.deletionTimestamp
  std::string body;
  std::size_t revision_offset =
      0;  ///< where the digits of metadata.resourceVersion stand in `body`
  std::size_t revision_length = 0;
  std::variant<std::monostate, PodFields, NodeFields> fields;
  std::vector<std::unique_ptr<const std::string>> unescaped;

  [[nodiscard]] std::string_view namespace_() const noexcept {
    return std::string_view(key_text).substr(0, namespace_length);
  }
  [[nodiscard]] std::string_view name() const noexcept {
    return std::string_view(key_text).substr(namespace_length == 0 ? 0 : namespace_length + 1);
  }
  [[nodiscard]] std::optional<std::string_view> label(std::string_view key) const noexcept;
  [[nodiscard]] const PodFields* pod() const noexcept { return std::get_if<PodFields>(&fields); }
  [[nodiscard]] const NodeFields* node() const noexcept { return std::get_if<NodeFields>(&fields); }
  /// The bytes allocated for it, exactly; for --history-bytes, store metrics and /state/v1/maps.
  [[nodiscard]] std::size_t bytes() const noexcept;
};
static_assert(sizeof(Object) <= base::Slabs::kBlockBytesMax);

struct DecodeOptions {
  bool drop_managed_fields = false;
};

/// Decodes one object of `resource` from JSON. kDecode names the field, kTooLarge above
/// kObjectBytesMax.
base::Result<std::unique_ptr<Object>> decode_object(const Resource& resource, std::string_view json,
                                                    const DecodeOptions& options = {});
inline constexpr std::size_t kObjectBytesMax = 16 << 20;

/// An object that could not be decoded though its text is JSON, so that the others beside it could.
struct Quarantined {
  /// Of its metadata; all empty where that could not be read either.
  std::string namespace_ = {}, name = {}, uid = {}, revision = {};
  base::Error why;  ///< kDecode or kTooLarge
  /// "namespace/name", or "name".
  [[nodiscard]] std::string key() const {
    return namespace_.empty() ? name : namespace_ + "/" + name;
  }
};

struct DecodedList {
  Revision revision = {};
  std::string continue_token = {};
  std::optional<std::int64_t> remaining_items = {};
  std::vector<std::unique_ptr<Object>> items = {};
  std::vector<Quarantined> quarantined = {};  ///< not among the items
  bool repaired = false;  ///< bytes that are no UTF-8 were read as U+FFFD, as Go reads them
};
/// kDecode where it is no list, or not JSON. An item that cannot be read is quarantined.
base::Result<DecodedList> decode_list(const Resource& resource, std::string_view json,
                                      const DecodeOptions& options = {});

/// One line of a WATCH.
enum class EventType { kAdded, kModified, kDeleted, kBookmark, kError };
const char* to_string(EventType type) noexcept;  ///< "ADDED", ...
struct WatchEvent {
  EventType type = EventType::kAdded;
  std::unique_ptr<Object> object;  ///< ADDED, MODIFIED, DELETED
  /// The object could not be decoded: `object` has its metadata's name, namespace, uid and revision
  /// and the event is a DELETED, since what cannot be read is not shown.
  std::optional<Quarantined> quarantined = {};
  bool repaired = false;            ///< as DecodedList's
  Revision revision;                ///< of the object or bookmark
  bool initial_events_end = false;  ///< bookmark annotation k8s.io/initial-events-end
  base::Error error;                ///< ERROR: the Status as an Error (410: kExpired)
};
base::Result<WatchEvent> decode_watch_event(const Resource& resource, std::string_view line,
                                            const DecodeOptions& options = {});

/// "250m" -> 250, "2" -> 2000; "128Mi" -> bytes. Empty where the text is no quantity or does not
/// fit. Fractions round up, as resource.Quantity's MilliValue and Value do.
std::optional<std::int64_t> parse_quantity_millis(std::string_view text) noexcept;
std::optional<std::int64_t> parse_quantity_value(std::string_view text) noexcept;
/// RFC 3339 with or without a fraction, UTC or offset.
std::optional<UnixSeconds> parse_time(std::string_view text) noexcept;
std::string format_time(UnixSeconds seconds);  ///< "2026-11-20T09:46:00Z"
/// Kubernetes' MicroTime, which has exactly six digits: "2026-11-20T09:46:00.000000Z".
std::string format_micro_time(std::int64_t unix_microseconds);

}  // namespace podkeeper::kube
