#pragma once

#include "pkg/base/net.h"
#include "pkg/base/task.h"
#include "pkg/http/client.h"
#include "pkg/kube/object.h"
#include "pkg/kube/reflector.h"
#include "pkg/kube/resource.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/runtime/task_group.h"
#include "pkg/telemetry/metrics.h"

#include <boost/asio/buffer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace podkeeper::kube::testing {

/// One answer of a scripted upstream: raw bytes, then what becomes of the connection.
struct Step {
  enum class End { kKeep, kClose, kHold };
  std::string bytes;
  End end = End::kKeep;
  base::Duration delay = {};  ///< between the bytes' two halves: before `late`
  std::string late = {};
};

inline std::string http_answer(int status, const std::string& body,
                               const std::string& fields = {}) {
  return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: application/json\r\n" +
         fields + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

inline std::string pod_json(const std::string& name, std::uint64_t revision) {
  return R"({"metadata":{"name":")" + name + R"(","namespace":"shop","resourceVersion":")" +
         std::to_string(revision) + R"("},"spec":{},"status":{}})";
}

inline std::string list_json(std::uint64_t revision, const std::vector<std::string>& items,
                             const std::string& token = {}) {
  std::string json = R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":")" +
                     std::to_string(revision) + "\"";
  if (!token.empty()) json += R"(,"continue":")" + token + "\"";
  json += R"(},"items":[)";
  for (const std::string& item : items) json += (json.back() == '[' ? "" : ",") + item;
  return json + "]}";
}

inline Step list_step(std::uint64_t revision, const std::vector<std::string>& items,
                      const std::string& token = {}) {
  return {.bytes = http_answer(200, list_json(revision, items, token))};
}

inline std::string event_line(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}

inline std::string bookmark_line(std::uint64_t revision) {
  return event_line("BOOKMARK",
                    R"({"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":")" +
                        std::to_string(revision) + R"("},"spec":{"containers":null},"status":{}})");
}

/// The bookmark that ends the initial events.
inline std::string initial_end_line(std::uint64_t revision) {
  return event_line("BOOKMARK",
                    R"({"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":")" +
                        std::to_string(revision) +
                        R"(","annotations":{"k8s.io/initial-events-end":"true"}}})");
}

inline std::string error_line(int code, const std::string& reason) {
  return event_line("ERROR", R"({"kind":"Status","apiVersion":"v1","metadata":{},)"
                             R"("status":"Failure","message":"so it is","reason":")" +
                                 reason + R"(","code":)" + std::to_string(code) + "}");
}

inline std::string chunk(const std::string& bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string size;
  for (std::size_t rest = bytes.size(); rest > 0; rest /= 16) size.insert(0, 1, kHex[rest % 16]);
  return size + "\r\n" + bytes + "\r\n";
}

inline const std::string kWatchHead =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
inline const std::string kLastChunk = "0\r\n\r\n";

/// A watch that says `lines`, a chunk each, and then stays open.
inline Step watch_step(const std::vector<std::string>& lines, Step::End end = Step::End::kHold) {
  std::string bytes = kWatchHead;
  for (const std::string& line : lines) bytes += chunk(line);
  return {.bytes = bytes, .end = end};
}

/// An API server that gives scripted answers in order, over any connections, and notes what it was
/// asked and when; when the script is at its end it keeps silent.
class ScriptedUpstream {
 public:
  struct Asked {
    std::string method, target;
    base::Duration at;
    std::string head, body;
  };

  ScriptedUpstream(runtime::SimulatedWorld& world, runtime::TaskGroup& group,
                   std::vector<Step> script)
      : world_(world), group_(group), script_(std::move(script)), start_(world.clock().now()) {
    listener_ = std::move(world_.network().listen({"upstream", 6443}).value());
    auto accepting = [this] { return accept(); };
    (void)group_.spawn("upstream", base::Handler::kHttp, accepting);
  }
  [[nodiscard]] const std::vector<Asked>& asked() const { return asked_; }

 private:
  base::Task<void> accept() {
    while (true) {
      auto accepting = listener_->accept(world_.make_executor());
      auto stream = co_await std::move(accepting);
      if (!stream.has_value()) co_return;
      std::shared_ptr<base::Stream> kept = *std::move(stream);
      auto serving = [this, kept] { return serve(kept); };
      (void)group_.spawn("upstream connection", base::Handler::kHttp, serving);
    }
  }

  base::Task<void> serve(std::shared_ptr<base::Stream> stream) {
    std::string input;
    while (true) {
      std::array<char, 4096> buffer{};
      auto reading = stream->read_some(boost::asio::buffer(buffer));
      const auto size = co_await std::move(reading);
      if (!size.has_value() || *size == 0) co_return;
      input.append(buffer.data(), *size);
      const std::size_t end = input.find("\r\n\r\n") + 4;
      if (end < 4 || input.size() < end + length_in(input)) continue;
      const std::size_t begin = input.find(' ') + 1;
      asked_.push_back({.method = input.substr(0, begin - 1),
                        .target = input.substr(begin, input.find(' ', begin) - begin),
                        .at = world_.clock().now() - start_,
                        .head = input.substr(0, end),
                        .body = input.substr(end, length_in(input))});
      input.erase(0, end + asked_.back().body.size());
      Step step{.bytes = {}, .end = Step::End::kHold};
      if (next_ < script_.size()) step = script_[next_++];
      auto answering = answer(*stream, step);
      co_await std::move(answering);
      if (step.end == Step::End::kClose) co_return;
    }
  }

  static std::size_t length_in(const std::string& head) {
    const std::size_t at = head.find("Content-Length: ");
    return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
  }

  base::Task<void> answer(base::Stream& stream, Step step) {
    auto writing = write(stream, step.bytes);
    co_await std::move(writing);
    if (step.delay != base::Duration{}) {
      auto sleep = world_.clock().sleep_for(step.delay);
      co_await std::move(sleep);
    }
    auto later = write(stream, step.late);
    co_await std::move(later);
  }

  static base::Task<void> write(base::Stream& stream, std::string bytes) {
    if (bytes.empty()) co_return;
    const std::array pieces{boost::asio::const_buffer(bytes.data(), bytes.size())};
    auto writing = stream.write(pieces);
    (void)co_await std::move(writing);
  }

  runtime::SimulatedWorld& world_;
  runtime::TaskGroup& group_;
  std::vector<Step> script_;
  std::size_t next_ = 0;
  std::vector<Asked> asked_;
  base::MonotonicTime start_;
  std::unique_ptr<base::Listener> listener_;
};

/// Writes down what a reflector tells, a line for each call: "list 5: shop/a@3", "ADDED shop/a@7",
/// "at 9".
class NotingSink final : public MirrorSink {
 public:
  WatchProof replace(std::vector<std::unique_ptr<Object>> objects, Revision revision) override {
    std::string line = "list " + to_string(revision) + ":";
    for (const auto& object : objects) line += " " + text(*object);
    notes.push_back(line);
    const bool back = revision < std::exchange(seen_, revision);
    return back ? WatchProof::kRestored : WatchProof::kNone;
  }
  void apply(EventType type, std::unique_ptr<Object> object) override {
    notes.push_back(std::string(to_string(type)) + " " + text(*object));
  }
  void progress(Revision revision) override {
    notes.push_back("at " + to_string(revision));
    seen_ = revision;
  }

  std::vector<std::string> notes;

 private:
  static std::string text(const Object& object) {
    return object.key_text + "@" + to_string(object.revision);
  }
  Revision seen_;
};

/// A reflector of pods in a simulated world, against a script.
struct Reflecting {
  explicit Reflecting(std::vector<Step> script, std::uint64_t seed = 1,
                      ReflectorOptions options = {})
      : world(seed),
        registry(world.clock()),
        group(world, registry, "test"),
        upstream(world, group, std::move(script)),
        client(world, metrics, {.endpoint = {"upstream", 6443}, .user_agent = "test"}) {
    options.resource = pods();
    reflector = std::make_unique<Reflector>(world, client, metrics, sink, std::move(options));
    auto running = [this] { return reflector->run(); };
    (void)group.spawn("reflector", base::Handler::kEvent, running);
  }
  ~Reflecting() {
    group.stop();
    world.run_for(std::chrono::minutes(1));
  }

  /// Runs until `count` requests were made, or a virtual hour.
  bool until_asked(std::size_t count) {
    return world.run_until([&] { return upstream.asked().size() >= count; }, std::chrono::hours(1));
  }
  /// Runs until the sink has `count` notes, or a virtual hour.
  bool until_noted(std::size_t count) {
    return world.run_until([&] { return sink.notes.size() >= count; }, std::chrono::hours(1));
  }
  /// How long request `index` came after the one before it, in seconds.
  [[nodiscard]] double pause_before(std::size_t index) const {
    return std::chrono::duration<double>(upstream.asked()[index].at -
                                         upstream.asked()[index - 1].at)
        .count();
  }

  runtime::SimulatedWorld world;
  telemetry::Metrics metrics;
  runtime::TaskRegistry registry;
  runtime::TaskGroup group;
  ScriptedUpstream upstream;
  http::Client client;
  NotingSink sink;
  std::unique_ptr<Reflector> reflector;
};

}  // namespace podkeeper::kube::testing
