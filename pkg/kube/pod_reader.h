#pragma once

#include "pkg/kube/json_cursor.h"
#include "pkg/kube/object.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace podkeeper::kube {

/// Reads PodFields from `spec` and `status`, in whichever order they come, and derives what
/// `kubectl get pods` shows the way its printer does. The scratch lists are reused from pod to pod.
/// Views point into the cursor's text. Not thread-safe.
class PodReader {
 public:
  void start();
  void read_spec(JsonCursor& cursor, PodFields& pod);
  void read_status(JsonCursor& cursor, PodFields& pod);
  /// Derives counts, restarts and the STATUS column. `deleted`: metadata.deletionTimestamp is set.
  void finish(PodFields& pod, bool deleted);

 private:
  struct Requests {
    std::int64_t cpu_millis = 0;
    std::int64_t memory_bytes = 0;
  };
  struct InitContainer {
    std::string_view name;
    bool restartable = false;
  };
  struct Condition {
    std::string_view type, status, reason;
  };
  /// containerStatuses[] or initContainerStatuses[].
  struct ContainerStatus {
    std::string_view name;
    std::string_view waiting_reason, terminated_reason;
    std::int64_t restart_count = 0;
    std::int64_t exit_code = 0;
    std::int64_t signal = 0;
    UnixSeconds finished = 0;
    UnixSeconds last_finished = 0;
    bool ready = false, started = false;
    bool waiting = false, running = false, terminated = false;
  };
  /// What the containers add up to.
  struct Tally {
    std::int64_t restarts = 0;
    UnixSeconds last_restart = 0;
    std::int64_t ready = 0;
    void add_restarts(const ContainerStatus& status) noexcept;
  };

  void read_containers(JsonCursor& cursor, PodFields& pod, bool init);
  Requests read_requests(JsonCursor& cursor);
  void read_gates(JsonCursor& cursor);
  void read_conditions(JsonCursor& cursor, PodFields& pod);
  void read_statuses(JsonCursor& cursor, std::vector<ContainerStatus>& into);
  void read_state(JsonCursor& cursor, ContainerStatus& status);
  void read_last_state(JsonCursor& cursor, ContainerStatus& status);
  void read_terminated(JsonCursor& cursor, ContainerStatus& status);

  [[nodiscard]] bool restartable(std::string_view init_container) const noexcept;
  [[nodiscard]] bool condition_true(std::string_view type) const noexcept;
  /// Whether the pod still initialises; `status` then says how far it is.
  bool tally_init(Tally& all, Tally& restartable_only, std::string& status) const;
  void tally_containers(Tally& tally, std::string& status) const;

  std::vector<InitContainer> init_;
  std::vector<std::string_view> gates_;
  std::vector<Condition> conditions_;
  std::vector<ContainerStatus> init_statuses_;
  std::vector<ContainerStatus> statuses_;
};

/// Reads a time; 0 where it is null. Fails the cursor for what is no RFC 3339 time.
UnixSeconds read_time(JsonCursor& cursor, const char* field);

}  // namespace podkeeper::kube
