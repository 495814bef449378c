#include "pkg/kube/node_reader.h"

#include "pkg/kube/json_cursor.h"
#include "pkg/kube/object.h"

#include <cstdint>
#include <string_view>

namespace podkeeper::kube {
namespace {

struct Amounts {
  std::int64_t cpu_millis = 0;
  std::int64_t memory_bytes = 0;
  std::int64_t pods = 0;
};

Amounts read_amounts(JsonCursor& cursor, const char* field) {
  Amounts amounts;
  FirstOnly first;
  cursor.object(field, [&](std::string_view key) {
    if (key == "cpu" && first(0)) {
      amounts.cpu_millis = parse_quantity_millis(cursor.string("node cpu")).value_or(0);
    } else if (key == "memory" && first(1)) {
      amounts.memory_bytes = parse_quantity_value(cursor.string("node memory")).value_or(0);
    } else if (key == "pods" && first(2)) {
      amounts.pods = parse_quantity_value(cursor.string("node pods")).value_or(0);
    } else {
      cursor.skip();
    }
  });
  return amounts;
}

void read_conditions(JsonCursor& cursor, NodeFields& node) {
  cursor.array("status.conditions", [&] {
    std::string_view type, status, transition;
    FirstOnly first;
    cursor.object("a condition", [&](std::string_view key) {
      if (key == "type" && first(0)) {
        type = cursor.string("condition type");
      } else if (key == "status" && first(1)) {
        status = cursor.string("condition status");
      } else if (key == "lastTransitionTime" && first(2)) {
        transition = cursor.string("condition lastTransitionTime");
      } else {
        cursor.skip();
      }
    });
    if (type == "Ready" && node.ready.empty()) {
      node.ready = status;
      node.ready_transition = parse_time(transition).value_or(0);
    } else if (type == "MemoryPressure") {
      node.memory_pressure = status == "True";
    } else if (type == "DiskPressure") {
      node.disk_pressure = status == "True";
    } else if (type == "PIDPressure") {
      node.pid_pressure = status == "True";
    }
  });
}

void read_addresses(JsonCursor& cursor, NodeFields& node) {
  cursor.array("status.addresses", [&] {
    std::string_view type, address;
    FirstOnly first;
    cursor.object("an address", [&](std::string_view key) {
      if (key == "type" && first(0)) {
        type = cursor.string("address type");
      } else if (key == "address" && first(1)) {
        address = cursor.string("address");
      } else {
        cursor.skip();
      }
    });
    if (type == "InternalIP" && node.internal_ip.empty()) node.internal_ip = address;
    if (type == "ExternalIP" && node.external_ip.empty()) node.external_ip = address;
  });
}

void read_node_info(JsonCursor& cursor, NodeFields& node) {
  FirstOnly first;
  cursor.object("status.nodeInfo", [&](std::string_view key) {
    if (key == "kubeletVersion" && first(0)) {
      node.kubelet_version = cursor.string("kubeletVersion");
    } else if (key == "osImage" && first(1)) {
      node.os_image = cursor.string("osImage");
    } else if (key == "kernelVersion" && first(2)) {
      node.kernel_version = cursor.string("kernelVersion");
    } else if (key == "containerRuntimeVersion" && first(3)) {
      node.runtime_version = cursor.string("containerRuntimeVersion");
    } else {
      cursor.skip();
    }
  });
}

}  // namespace

void read_node_spec(JsonCursor& cursor, NodeFields& node) {
  FirstOnly first;
  cursor.object("spec", [&](std::string_view key) {
    if (key != "unschedulable" || !first(0)) return cursor.skip();
    node.unschedulable = cursor.boolean("spec.unschedulable").value_or(false);
  });
}

void read_node_status(JsonCursor& cursor, NodeFields& node) {
  FirstOnly first;
  cursor.object("status", [&](std::string_view key) {
    if (key == "capacity" && first(0)) {
      const Amounts amounts = read_amounts(cursor, "status.capacity");
      node.capacity_cpu_millis = amounts.cpu_millis;
      node.capacity_memory_bytes = amounts.memory_bytes;
      node.capacity_pods = amounts.pods;
    } else if (key == "allocatable" && first(1)) {
      const Amounts amounts = read_amounts(cursor, "status.allocatable");
      node.allocatable_cpu_millis = amounts.cpu_millis;
      node.allocatable_memory_bytes = amounts.memory_bytes;
      node.allocatable_pods = amounts.pods;
    } else if (key == "conditions" && first(2)) {
      read_conditions(cursor, node);
    } else if (key == "addresses" && first(3)) {
      read_addresses(cursor, node);
    } else if (key == "nodeInfo" && first(4)) {
      read_node_info(cursor, node);
    } else {
      cursor.skip();
    }
  });
}

}  // namespace podkeeper::kube
