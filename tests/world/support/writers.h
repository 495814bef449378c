#pragma once

#include "pkg/base/world.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/world/support/model.h"

namespace podkeeper::world {

struct WriterOptions {
  std::size_t pods = 12;  ///< names that pods have
  std::size_t nodes = 3;
  base::Duration pause = std::chrono::milliseconds(500);  ///< between two changes, about
  bool poison = false;  ///< objects with content that is legal and seldom
  std::size_t fat = 0;  ///< bytes of an annotation of each pod
};

/// The cluster's other inhabitants: pods are created, bound, become ready, move between labels, end
/// and come back under their name; nodes come and go; policies are made, changed and removed. One
/// thread; what it is given outlives it.
class Writers {
 public:
  Writers(base::World& world, Model& model, WriterOptions options);
  /// What is there from the start.
  void populate();
  /// Changes something, over and over, until its task is stopped.
  base::Task<void> run();
  /// One change, by seed.
  void change();
  void change_policy();

 private:
  void change_pod();
  void change_node();
  void create_pod(const std::string& key);
  void bind(Json& pod);
  void move_labels(Json& pod);
  void add_poison(Json& pod);
  [[nodiscard]] std::uint64_t chance(std::uint64_t bound) { return world_.random().below(bound); }
  [[nodiscard]] std::string now() const { return time_text(world_.clock().wall_now()); }

  base::World& world_;
  Model& model_;
  const WriterOptions options_;
};

/// Strategies a policy may ask for.
inline constexpr const char* kStrategies[] = {"Mutex",   "RWMutex",  "Sharded",
                                              "SyncMap", "LockFree", "CopyOnWrite"};

}  // namespace podkeeper::world
