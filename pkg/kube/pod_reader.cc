#include "pkg/kube/pod_reader.h"

#include "pkg/kube/json_cursor.h"
#include "pkg/kube/object.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

namespace podkeeper::kube {
namespace {

void add_saturating(std::int64_t& sum, std::int64_t more) noexcept {
  if (__builtin_add_overflow(sum, more, &sum)) sum = std::numeric_limits<std::int64_t>::max();
}

}  // namespace

UnixSeconds read_time(JsonCursor& cursor, const char* field) {
  const std::string_view text = cursor.string(field);
  if (text.empty()) return 0;
  const auto time = parse_time(text);
  if (!time.has_value()) cursor.fail(field, "is not an RFC 3339 time");
  return time.value_or(0);
}

void PodReader::start() {
  init_.clear();
  gates_.clear();
  conditions_.clear();
  init_statuses_.clear();
  statuses_.clear();
}

void PodReader::read_spec(JsonCursor& cursor, PodFields& pod) {
  FirstOnly first;
  cursor.object("spec", [&](std::string_view key) {
    if (key == "nodeName" && first(0)) {
      pod.node_name = cursor.string("spec.nodeName");
    } else if (key == "containers" && first(1)) {
      read_containers(cursor, pod, false);
    } else if (key == "initContainers" && first(2)) {
      read_containers(cursor, pod, true);
    } else if (key == "restartPolicy" && first(3)) {
      pod.restart_policy = cursor.string("spec.restartPolicy");
    } else if (key == "schedulerName" && first(4)) {
      pod.scheduler_name = cursor.string("spec.schedulerName");
    } else if (key == "serviceAccountName" && first(5)) {
      pod.service_account = cursor.string("spec.serviceAccountName");
    } else if (key == "hostNetwork" && first(6)) {
      pod.host_network = cursor.boolean("spec.hostNetwork").value_or(false);
    } else if (key == "readinessGates" && first(7)) {
      read_gates(cursor);
    } else {
      cursor.skip();
    }
  });
}

void PodReader::read_containers(JsonCursor& cursor, PodFields& pod, bool init) {
  cursor.array(init ? "spec.initContainers" : "spec.containers", [&] {
    InitContainer container;
    Requests requests;
    FirstOnly first;
    cursor.object("a container", [&](std::string_view key) {
      if (key == "resources" && first(0)) {
        requests = read_requests(cursor);
      } else if (init && key == "name" && first(1)) {
        container.name = cursor.string("container name");
      } else if (init && key == "restartPolicy" && first(2)) {
        container.restartable = cursor.string("container restartPolicy") == "Always";
      } else {
        cursor.skip();
      }
    });
    if (init) {
      init_.push_back(container);
      if (!container.restartable) return;
    }
    ++pod.containers_total;
    add_saturating(pod.cpu_millis, requests.cpu_millis);
    add_saturating(pod.memory_bytes, requests.memory_bytes);
  });
}

PodReader::Requests PodReader::read_requests(JsonCursor& cursor) {
  Requests requests;
  FirstOnly first;
  cursor.object("container resources", [&](std::string_view key) {
    if (key != "requests" || !first(0)) return cursor.skip();
    FirstOnly first_amount;
    cursor.object("container requests", [&](std::string_view what) {
      // An amount that does not fit counts as none: one odd pod must not stop the mirror.
      if (what == "cpu" && first_amount(0)) {
        requests.cpu_millis = parse_quantity_millis(cursor.string("cpu request")).value_or(0);
      } else if (what == "memory" && first_amount(1)) {
        requests.memory_bytes = parse_quantity_value(cursor.string("memory request")).value_or(0);
      } else {
        cursor.skip();
      }
    });
  });
  return requests;
}

void PodReader::read_gates(JsonCursor& cursor) {
  cursor.array("spec.readinessGates", [&] {
    FirstOnly first;
    std::string_view type;
    cursor.object("a readiness gate", [&](std::string_view key) {
      if (key != "conditionType" || !first(0)) return cursor.skip();
      type = cursor.string("conditionType");
    });
    gates_.push_back(type);
  });
}

void PodReader::read_status(JsonCursor& cursor, PodFields& pod) {
  FirstOnly first;
  cursor.object("status", [&](std::string_view key) {
    if (key == "phase" && first(0)) {
      pod.phase = cursor.string("status.phase");
    } else if (key == "conditions" && first(1)) {
      read_conditions(cursor, pod);
    } else if (key == "podIP" && first(2)) {
      pod.pod_ip = cursor.string("status.podIP");
    } else if (key == "containerStatuses" && first(3)) {
      read_statuses(cursor, statuses_);
    } else if (key == "initContainerStatuses" && first(4)) {
      read_statuses(cursor, init_statuses_);
    } else if (key == "startTime" && first(5)) {
      pod.start_time = read_time(cursor, "status.startTime");
    } else if (key == "reason" && first(6)) {
      pod.status_reason = cursor.string("status.reason");
    } else if (key == "nominatedNodeName" && first(7)) {
      pod.nominated_node = cursor.string("status.nominatedNodeName");
    } else {
      cursor.skip();
    }
  });
}

void PodReader::read_conditions(JsonCursor& cursor, PodFields& pod) {
  bool ready_seen = false;
  cursor.array("status.conditions", [&] {
    Condition condition;
    FirstOnly first;
    std::string_view transition;
    cursor.object("a condition", [&](std::string_view key) {
      if (key == "type" && first(0)) {
        condition.type = cursor.string("condition type");
      } else if (key == "status" && first(1)) {
        condition.status = cursor.string("condition status");
      } else if (key == "reason" && first(2)) {
        condition.reason = cursor.string("condition reason");
      } else if (key == "lastTransitionTime" && first(3)) {
        transition = cursor.string("condition lastTransitionTime");
      } else {
        cursor.skip();
      }
    });
    if (condition.type == "Ready" && !ready_seen) {
      ready_seen = true;
      pod.ready_condition = condition.status == "True";
      pod.ready_transition = parse_time(transition).value_or(0);
    }
    conditions_.push_back(condition);
  });
}

void PodReader::read_statuses(JsonCursor& cursor, std::vector<ContainerStatus>& into) {
  cursor.array("container statuses", [&] {
    ContainerStatus& status = into.emplace_back();
    FirstOnly first;
    cursor.object("a container status", [&](std::string_view key) {
      if (key == "name" && first(0)) {
        status.name = cursor.string("container status name");
      } else if (key == "state" && first(1)) {
        read_state(cursor, status);
      } else if (key == "lastState" && first(2)) {
        read_last_state(cursor, status);
      } else if (key == "ready" && first(3)) {
        status.ready = cursor.boolean("container ready").value_or(false);
      } else if (key == "restartCount" && first(4)) {
        status.restart_count = cursor.integer("restartCount").value_or(0);
      } else if (key == "started" && first(5)) {
        status.started = cursor.boolean("container started").value_or(false);
      } else {
        cursor.skip();
      }
    });
  });
}

void PodReader::read_state(JsonCursor& cursor, ContainerStatus& status) {
  FirstOnly first;
  cursor.object("container state", [&](std::string_view key) {
    if (cursor.null()) return;
    if (key == "waiting" && first(0)) {
      status.waiting = true;
      FirstOnly first_reason;
      cursor.object("waiting", [&](std::string_view what) {
        if (what != "reason" || !first_reason(0)) return cursor.skip();
        status.waiting_reason = cursor.string("waiting reason");
      });
    } else if (key == "running" && first(1)) {
      status.running = true;
      cursor.skip();
    } else if (key == "terminated" && first(2)) {
      status.terminated = true;
      read_terminated(cursor, status);
    } else {
      cursor.skip();
    }
  });
}

void PodReader::read_last_state(JsonCursor& cursor, ContainerStatus& status) {
  FirstOnly first;
  cursor.object("container lastState", [&](std::string_view key) {
    if (key != "terminated" || !first(0)) return cursor.skip();
    ContainerStatus last;
    read_terminated(cursor, last);
    status.last_finished = last.finished;
  });
}

void PodReader::read_terminated(JsonCursor& cursor, ContainerStatus& status) {
  FirstOnly first;
  cursor.object("terminated", [&](std::string_view key) {
    if (key == "exitCode" && first(0)) {
      status.exit_code = cursor.integer("exitCode").value_or(0);
    } else if (key == "signal" && first(1)) {
      status.signal = cursor.integer("signal").value_or(0);
    } else if (key == "reason" && first(2)) {
      status.terminated_reason = cursor.string("terminated reason");
    } else if (key == "finishedAt" && first(3)) {
      status.finished = read_time(cursor, "finishedAt");
    } else {
      cursor.skip();
    }
  });
}

}  // namespace podkeeper::kube
