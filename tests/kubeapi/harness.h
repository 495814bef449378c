#pragma once

#include "pkg/access/authorized.h"
#include "pkg/http/message.h"
#include "pkg/kube/object.h"
#include "pkg/kubeapi/read_api.h"
#include "pkg/runtime/simulated_world.h"
#include "pkg/state/store.h"
#include "pkg/telemetry/metrics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tests/http/support/whole_text.h"

namespace podkeeper::kubeapi {

/// A recorded exchange of tests/data/wire, read without the code under test.
struct Exchange {
  std::string name;
  http::Request request;
  int status = 0;
  http::Headers headers;
  std::string body;  ///< without chunk framing
};

inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::string without_chunks(std::string_view body) {
  std::string whole;
  while (!body.empty()) {
    const auto line = body.find("\r\n");
    if (line == std::string_view::npos) break;
    const auto size = std::stoul(std::string(body.substr(0, line)), nullptr, 16);
    if (size == 0) break;
    whole += body.substr(line + 2, size);
    body.remove_prefix(std::min(body.size(), line + 2 + size + 2));
  }
  return whole;
}

inline http::Headers parse_headers(std::string_view head) {
  http::Headers headers;
  while (!head.empty()) {
    const auto end = head.find("\r\n");
    const auto line = head.substr(0, end);
    head = end == std::string_view::npos ? std::string_view() : head.substr(end + 2);
    const auto colon = line.find(": ");
    if (colon != std::string_view::npos) {
      headers.add(std::string(line.substr(0, colon)), std::string(line.substr(colon + 2)));
    }
  }
  return headers;
}

/// The exchange whose file names begin with `number`.
inline Exchange exchange(const std::string& number) {
  const std::filesystem::path directory = std::filesystem::path(PK_SOURCE_DIR) / "tests/data/wire";
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const auto path = entry.path();
    if (path.extension() != ".req" || !path.filename().string().starts_with(number + "-")) continue;
    Exchange found;
    found.name = path.stem();
    const auto request = read_all(path);
    const auto line_end = request.find("\r\n");
    std::istringstream line(request.substr(0, line_end));
    std::string target;
    line >> found.request.method >> target;
    auto parsed = http::parse_target(target);
    if (!parsed) throw std::runtime_error(found.name + ": " + parsed.error().message);
    found.request.target = std::move(*parsed);
    const auto head_end = request.find("\r\n\r\n");
    found.request.headers =
        parse_headers(std::string_view(request).substr(line_end + 2, head_end - line_end - 2));
    found.request.body = request.substr(head_end + 4);
    const auto response = read_all(std::filesystem::path(path).replace_extension(".resp"));
    const auto end = response.find("\r\n\r\n");
    found.status = std::stoi(response.substr(9, 3));
    found.headers = parse_headers(std::string_view(response).substr(0, end));
    found.body = response.substr(end + 4);
    if (found.headers.get("Transfer-Encoding") == "chunked")
      found.body = without_chunks(found.body);
    return found;
  }
  throw std::runtime_error("no recorded exchange " + number);
}

inline http::Request get(const std::string& target,
                         const std::string& accept = "application/json") {
  http::Request request;
  request.method = "GET";
  request.target = http::parse_target(target).value();
  if (!accept.empty()) request.headers.add("Accept", accept);
  return request;
}

/// Collects a stream's bytes; how its writes go is a test's choice.
class Collected final : public http::BodyWriter {
 public:
  base::Task<base::Result<void>> write(std::span<const std::string_view> pieces) override {
    std::string chunk;
    for (const auto piece : pieces) chunk += piece;
    writes.push_back(chunk);
    text += chunk;
    if (before_return) co_await before_return();
    if (fails) co_return *fails;
    co_return base::Result<void>{};
  }
  [[nodiscard]] bool draining() const noexcept override { return drains; }
  void on_end(std::function<void()> callback) override { ended = std::move(callback); }

  std::string text;
  std::vector<std::string> writes;
  std::function<base::Task<void>()> before_return;  ///< a slow client
  std::optional<base::Error> fails;
  bool drains = false;
  std::function<void()> ended;
};

/// A ReadApi over stores that a test fills, in a simulated world.
class ApiFixture {
 public:
  explicit ApiFixture(std::size_t log_events = 1 << 10, ReadApiOptions options = {})
      : world(1),
        pods(world.clock(),
             {.resource = kube::pods(), .map = {}, .log = {.events_max = log_events}}),
        nodes(world.clock(),
              {.resource = kube::nodes(), .map = {}, .log = {.events_max = log_events}}),
        api(world, authorizer, metrics, {state::Reader(pods), state::Reader(nodes)},
            std::move(options)) {}

  /// Loads a recorded list; `at` lifts the revision.
  void load(state::Store& store, const kube::Resource& resource, const std::string& number,
            std::uint64_t at = 0) {
    auto list = kube::decode_list(resource, exchange(number).body);
    if (!list) throw std::runtime_error(list.error().message);
    store.replace(std::move(list->items), list->revision);
    if (at != 0) store.progress({at});
  }
  void load_recorded(std::uint64_t at = 0) {
    load(pods, kube::pods(), "019", at);
    load(nodes, kube::nodes(), "021", at);
  }
  /// As after a restart of upstream: the recorded pods, and a history that begins at `revision`.
  void load_pods_at(std::uint64_t revision) {
    auto list = kube::decode_list(kube::pods(), exchange("019").body).value();
    pods.replace(std::move(list.items), {revision});
  }
  void apply(kube::EventType type, const std::string& json) {
    auto object = kube::decode_object(kube::pods(), json);
    if (!object) throw std::runtime_error(object.error().message);
    pods.apply(type, std::move(*object));
  }

  http::Response ask(http::Request request) {
    http::Response response;
    const auto handler = api.handler();
    world.run_task([&]() -> base::Task<void> {
      auto answer = handler(std::move(request));
      response = co_await std::move(answer);
    });
    return response;
  }
  /// The whole body; a stream runs until it ends.
  std::string body_of(http::Response& response, Collected& into) {
    if (!std::holds_alternative<http::StreamBody>(response.body)) {
      const std::string whole = http::whole_text(response);
      const auto* gathered = std::get_if<http::GatheredBody>(&response.body);
      if (gathered != nullptr) EXPECT_EQ(whole.size(), gathered->size);
      return whole;
    }
    auto& stream = std::get<http::StreamBody>(response.body);
    world.run_task([&]() -> base::Task<void> {
      auto run = stream(into);
      co_await std::move(run);
    });
    return into.text;
  }
  std::string body_of(http::Response& response) {
    Collected collected;
    return body_of(response, collected);
  }
  std::string text(const std::string& target, const std::string& accept = "application/json") {
    auto response = ask(get(target, accept));
    return body_of(response);
  }

  runtime::SimulatedWorld world;
  access::LoopbackAuthorizer authorizer;
  telemetry::Metrics metrics;
  state::Store pods, nodes;
  ReadApi api;
};

}  // namespace podkeeper::kubeapi
