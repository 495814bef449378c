#include "tests/proofs/support/watcher.h"

#include <utility>

#include "tests/proofs/support/proof.h"
#include "tests/proofs/support/raw_http.h"

namespace podkeeper::proofs {
namespace {

using nlohmann::json;

std::uint64_t revision_of(const json& object) {
  return std::stoull(object.at("metadata").at("resourceVersion").get<std::string>());
}

}  // namespace

Watcher::Watcher(std::uint16_t port, std::string selector, std::uint64_t drop_every)
    : port_(port),
      selector_(std::move(selector)),
      drop_every_(drop_every),
      thread_([this] { run(); }) {}

Watcher::~Watcher() { stop(); }

void Watcher::stop() {
  request_stop();
  if (thread_.joinable()) thread_.join();
}

std::string Watcher::violation() const {
  std::lock_guard lock(mutex_);
  return violation_;
}

DigestMap Watcher::objects() const {
  std::lock_guard lock(mutex_);
  return objects_;
}

void Watcher::violate(const std::string& what) {
  std::lock_guard lock(mutex_);
  if (violation_.empty()) violation_ = "watcher \"" + selector_ + "\": " + what;
}

void Watcher::run() {
  while (!stopping_) {
    try {
      if (must_list_) list();
      const std::string target =
          "/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=10&resourceVersion=" +
          std::to_string(revision_.load()) + (selector_.empty() ? "" : "&" + selector_);
      ++reconnects_;
      raw_stream(port_, target, [this](std::string_view line) { return on_line(line); });
    } catch (const std::exception& e) {
      violate(e.what());
      return;
    }
  }
}

void Watcher::list() {
  const std::string target = "/api/v1/pods" + (selector_.empty() ? "" : "?" + selector_);
  RawResponse response;
  while ((response = raw_request(port_, target)).status != 200 || !response.complete) {
    if (stopping_) return;
    pause(std::chrono::milliseconds(50));
  }
  const json list = json::parse(response.body);
  ++relists_;
  must_list_ = false;
  const std::uint64_t revision =
      std::stoull(list.at("metadata").at("resourceVersion").get<std::string>());
  if (revision < revision_)
    violate("a list went back from revision " + std::to_string(revision_) + " to " +
            std::to_string(revision));
  revision_ = revision;
  std::lock_guard lock(mutex_);
  objects_.clear();
  for (const json& item : list.at("items")) {
    objects_[object_key(item)] = object_digest(item);
  }
}

bool Watcher::on_line(std::string_view line) {
  const json event = json::parse(line);
  const std::string type = event.at("type");
  const json& object = event.at("object");
  if (type == "ERROR") {
    if (object.at("code") != 410) violate("an ERROR event: " + object.dump());
    must_list_ = true;
    return false;
  }
  const std::uint64_t revision = revision_of(object);
  if (revision < revision_ || (type != "BOOKMARK" && revision == revision_ && type != "DELETED")) {
    violate(type + " went back or stood still from revision " + std::to_string(revision_) + " to " +
            std::to_string(revision));
  }
  revision_ = revision;
  if (type != "BOOKMARK") apply(type, object);
  const bool drop = drop_every_ != 0 && events_ % drop_every_ == drop_every_ - 1;
  return !stopping_ && !drop;
}

void Watcher::apply(const std::string& type, const json& object) {
  ++events_;
  const std::string key = object_key(object);
  std::string wrong;
  {
    std::lock_guard lock(mutex_);
    const bool known = objects_.contains(key);
    if (type == "ADDED" && known) wrong = "ADDED for what is there: ";
    if (type == "MODIFIED" && !known) wrong = "MODIFIED for what is not there: ";
    if (type == "DELETED" && !known) wrong = "DELETED for what is not there: ";
    if (type == "DELETED") {
      ++deletions_;
      objects_.erase(key);
    } else {
      objects_[key] = object_digest(object);
    }
  }
  if (!wrong.empty()) violate(wrong + key + " at revision " + std::to_string(revision_of(object)));
}

}  // namespace podkeeper::proofs
