#pragma once

#include "pkg/base/world.h"
#include "pkg/http/client.h"
#include "pkg/telemetry/metrics.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/world/support/bugs.h"
#include "tests/world/support/judge.h"
#include "tests/world/support/model_server.h"

namespace podkeeper::world {

inline constexpr std::uint16_t kFirstReplicaPort = 7'000;

/// One answer of a replica; empty where there was none.
struct Answer {
  int status = 0;
  Json body;
};

/// How long a client asks its watches to last, from and to.
struct ClientManner {
  std::chrono::seconds watch_min{4}, watch_max{23};
};

/// A client of the replicas, as a library's informer is one: lists, watches from there, goes on
/// from the last revision after every break, begins anew after 410, and every now and then goes to
/// another replica, reads slowly, or wants a linearizable answer. What it is told is judged. What
/// it is given outlives it; one thread.
class Client {
 public:
  struct Sources {
    base::World& world;
    telemetry::Metrics& metrics;
    const Model& model;
    ModelServer& server;
    const Bugs& bugs;
    Verdict& verdict;
    std::size_t instances = 1;
    ClientManner manner = {};
  };
  Client(const Sources& sources, std::string resource, std::size_t number);
  ~Client();

  /// Until its task is stopped.
  base::Task<void> run();
  /// From now on it neither lingers nor leaves.
  /// From now on it takes what it is given without a pause. Nothing tells a client that its
  /// revision is of a history that a restore took back, once the new one has passed it: whoever
  /// restores a backup has to start the clients again.
  void be_calm();
  [[nodiscard]] bool is_current() const { return judge_.is_current(); }
  [[nodiscard]] std::uint64_t events() const { return judge_.events(); }
  [[nodiscard]] std::uint64_t lists() const noexcept { return lists_; }
  [[nodiscard]] std::uint64_t resumed() const noexcept { return resumed_; }
  [[nodiscard]] std::uint64_t states_judged() const noexcept { return states_; }
  [[nodiscard]] std::string describe() const;

 private:
  base::Task<void> list();
  base::Task<void> watch();
  base::Task<bool> take_watch(http::ClientResponse response);
  base::Task<void> read_states();
  /// False where the stream is at its end for the client.
  bool take_line(std::string_view line);
  void tell(std::string_view type, const Json& object);
  void judge_states(const Json& states, Revision before);
  [[nodiscard]] std::string path() const;
  [[nodiscard]] http::Client& at_replica() { return *replicas_.at(instance_); }
  [[nodiscard]] Revision listed() const;
  /// The newest change of the resource upstream.
  [[nodiscard]] Revision last_change() const;
  void note_position();
  [[nodiscard]] bool chance(std::uint64_t one_in) { return s_.world.random().below(one_in) == 0; }

  const Sources s_;
  const std::string resource_;
  std::vector<std::unique_ptr<http::Client>> replicas_;
  Judge judge_;
  std::size_t instance_ = 0;
  bool calm_ = false;
  bool started_again_ = false;
  std::uint64_t lists_ = 0, resumed_ = 0, states_ = 0;
  std::array<Revision, ModelServer::kInstancesMax> seen_{};  ///< the newest, of each replica
  std::optional<std::pair<std::string, Json>> held_back_;    ///< with a bug
};

/// GETs and reads it all; nothing where it fails.
base::Task<Answer> get(base::World& world, http::Client& client, std::string target);

}  // namespace podkeeper::world
