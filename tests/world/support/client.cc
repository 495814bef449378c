#include "tests/world/support/client.h"

#include <chrono>
#include <utility>

namespace podkeeper::world {

using base::Task;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr std::size_t kBodyBytesMax = 16 << 20;
constexpr base::Duration kAnswerTimeout = seconds(15);
constexpr base::Duration kIdleMax = seconds(60);

const char* kConsistent = "consistency=linearizable";

}  // namespace

Task<Answer> get(base::World& world, http::Client& client, std::string target) {
  http::ClientRequest request;
  request.target = std::move(target);
  auto sending = client.send(std::move(request), world.clock().now() + kAnswerTimeout);
  auto response = co_await std::move(sending);
  if (!response) co_return Answer{};
  auto reading = response->read_all(kBodyBytesMax);
  const auto body = co_await std::move(reading);
  if (!body) co_return Answer{};
  co_return Answer{.status = response->status, .body = Json::parse(*body, nullptr, false)};
}

Client::Client(const Sources& sources, std::string resource, std::size_t number)
    : s_(sources),
      resource_(std::move(resource)),
      judge_(s_.model, s_.verdict, resource_, "client " + std::to_string(number)),
      instance_(number % s_.instances) {
  for (std::size_t i = 0; i < s_.instances; ++i) {
    http::ClientOptions options;
    options.endpoint = {.host = "127.0.0.1",
                        .port = static_cast<std::uint16_t>(kFirstReplicaPort + i)};
    options.user_agent = "client";
    replicas_.push_back(std::make_unique<http::Client>(s_.world, s_.metrics, std::move(options)));
  }
}

Client::~Client() = default;

std::string Client::describe() const {
  return resource_ + " of replica " + std::to_string(instance_) + " at " +
         std::to_string(judge_.position());
}

std::string Client::path() const { return "/api/v1/" + resource_; }

Revision Client::listed() const {
  const auto& listed = s_.server.view(instance_).listed;
  const auto at = listed.find(resource_);
  return at == listed.end() ? 0 : at->second;
}

Revision Client::last_change() const {
  const auto& history = s_.model.table(resource_).history;
  return history.empty() ? 0 : history.back()->revision;
}

void Client::be_calm() {
  calm_ = true;
  started_again_ = s_.model.restored();
}

void Client::note_position() { seen_.at(instance_) = judge_.position(); }

Task<void> Client::run() {
  while (true) {
    if (!calm_ && s_.instances > 1 && chance(8)) {
      instance_ = s_.world.random().below(s_.instances);
      judge_.forget();
    }
    if (std::exchange(started_again_, false)) judge_.forget();
    if (judge_.knows_nothing()) {
      auto listing = list();
      co_await std::move(listing);
    }
    if (!judge_.knows_nothing()) {
      auto watching = watch();
      co_await std::move(watching);
    }
    if (resource_ == Model::kPods && chance(3)) {
      auto reading = read_states();
      co_await std::move(reading);
    }
    auto pause = s_.world.clock().sleep_for(milliseconds(200 + s_.world.random().below(800)));
    co_await std::move(pause);
  }
}

Task<void> Client::list() {
  ++lists_;
  const bool linearizable = chance(3);
  const bool paged = !linearizable && chance(3);
  const Revision before = last_change();
  Json whole;
  std::string token;
  do {
    std::string target = path();
    if (linearizable && !s_.bugs.has(Bug::kAgeOfNow)) target += std::string("?") + kConsistent;
    if (paged) target += "?limit=4";
    if (!token.empty()) target += "&continue=" + token;
    auto getting = get(s_.world, at_replica(), std::move(target));
    auto page = co_await std::move(getting);
    if (page.status != 200 || !page.body.is_object()) co_return;
    token = page.body.at("metadata").value("continue", "");
    if (whole.is_null()) {
      whole = std::move(page.body);
      continue;
    }
    if (revision_of(page.body) != revision_of(whole)) {
      s_.verdict.violated("atomic: the pages of a list are of different revisions");
    }
    for (auto& item : page.body.at("items")) whole["items"].push_back(std::move(item));
  } while (!token.empty());
  if (s_.bugs.has(Bug::kLostAtSwap) && resource_ == Model::kPods && !whole["items"].empty() &&
      s_.model.table(Model::kPolicies).history.size() > 3 && chance(4)) {
    whole["items"].erase(whole["items"].begin());
  }
  judge_.take_list(whole);
  // What the replica could not prove it has forwarded: that is upstream's answer, not its own.
  if (linearizable) {
    if (!s_.model.restored() && revision_of(whole) < before) {
      s_.verdict.violated("linearizable: a list of " + std::to_string(revision_of(whole)) +
                          " does not know the change of " + std::to_string(before));
    }
    co_return;
  }
  if (!s_.model.restored() && judge_.position() < seen_.at(instance_)) {
    s_.verdict.violated("ordered: replica " + std::to_string(instance_) +
                        " goes back in time, to " + std::to_string(judge_.position()) + " from " +
                        std::to_string(seen_.at(instance_)));
  }
  note_position();
}

Task<void> Client::watch() {
  ++resumed_;
  judge_.resume();
  const auto [shortest, longest] = s_.manner;
  const auto timeout =
      static_cast<std::uint64_t>(shortest.count()) +
      s_.world.random().below(1 + static_cast<std::uint64_t>((longest - shortest).count()));
  http::ClientRequest request;
  request.target =
      path() + "?watch=true&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(timeout) +
      "&resourceVersion=" + std::to_string(judge_.position());
  auto sending = at_replica().send(std::move(request), s_.world.clock().now() + kAnswerTimeout);
  auto response = co_await std::move(sending);
  if (!response) co_return;
  if (response->status != 200) {
    if (response->status == 410) judge_.forget();
    co_return;
  }
  auto taking = take_watch(*std::move(response));
  const bool resumable = co_await std::move(taking);
  if (!resumable) judge_.forget();
}

Task<bool> Client::take_watch(http::ClientResponse response) {
  std::string lines;
  while (true) {
    response.body->set_deadline(s_.world.clock().now() + kIdleMax);
    auto reading = response.body->read_some(lines);
    const auto more = co_await std::move(reading);
    if (!more) co_return true;
    for (auto end = lines.find('\n'); end != std::string::npos; end = lines.find('\n')) {
      const bool goes_on = take_line(std::string_view(lines).substr(0, end));
      lines.erase(0, end + 1);
      if (!goes_on) co_return false;
    }
    if (!*more) co_return true;
    if (calm_) continue;
    if (chance(60)) co_return true;  // it leaves in the middle
    if (chance(60)) {
      auto lingering = s_.world.clock().sleep_for(seconds(2 + s_.world.random().below(40)));
      co_await std::move(lingering);
    }
  }
}

bool Client::take_line(std::string_view line) {
  if (line.empty()) return true;
  Json event = Json::parse(line, nullptr, false);
  if (!event.is_object()) {
    s_.verdict.violated("framing: a line of a watch is no event: " +
                        std::string(line.substr(0, 80)));
    return false;
  }
  std::string type = event.value("type", "");
  Json& object = event.at("object");
  if (type == "ERROR") {
    if (object.value("code", 0) != 410) {
      s_.verdict.violated("errors: a watch ended with " + object.dump());
    }
    return false;
  }
  if (type == "BOOKMARK") {
    judge_.take_bookmark(revision_of(object), listed());
  } else {
    tell(type, object);
  }
  note_position();
  return true;
}

void Client::tell(std::string_view type, const Json& object) {
  const Bug bug = s_.bugs.planted();
  if (bug == Bug::kNoTombstone && type == "DELETED" && chance(4)) return;
  if (bug == Bug::kOutOfOrder && !held_back_ && chance(8)) {
    held_back_.emplace(type, object);
    return;
  }
  if (bug == Bug::kOldTombstone && type == "DELETED") {
    const auto was = s_.model.find(resource_, key_of(object), revision_of(object) - 1);
    if (was) return judge_.take_event(type, was->object, listed());
  }
  judge_.take_event(type, object, listed());
  if (held_back_) {
    const auto late = *std::exchange(held_back_, std::nullopt);
    judge_.take_event(late.first, late.second, listed());
  }
  if (bug == Bug::kTwice && chance(20)) judge_.take_event(type, object, listed());
  if (bug == Bug::kResurrectedAtSwap && type == "DELETED" &&
      s_.model.table(Model::kPolicies).history.size() > 3 && chance(4)) {
    judge_.take_event("ADDED", object, listed());
  }
}

Task<void> Client::read_states() {
  const Revision before = last_change();
  auto getting = get(s_.world, at_replica(), std::string("/state/v1/pods?") + kConsistent);
  const auto answer = co_await std::move(getting);
  if (answer.status != 200 || !answer.body.is_object()) co_return;
  if (!s_.model.restored()) judge_states(answer.body, before);
}

void Client::judge_states(const Json& states, Revision before) {
  for (const auto& state : states.at("items")) {
    ++states_;
    const std::string key = state.value("namespace", "") + "/" + state.value("name", "");
    const Revision at = std::stoull(state.value("revision", "0"));
    auto version = s_.model.find(resource_, key, at);
    if (s_.bugs.has(Bug::kStateOfOldPod) && version) {
      const auto old = s_.model.find(resource_, key, at - 1);
      if (old) version = old;
    }
    if (!version || version->revision != at) {
      s_.verdict.violated("state: " + key + " is derived from a pod that never was, of " +
                          std::to_string(at));
      continue;
    }
    if (s_.model.changed(resource_, key, at, before)) {
      s_.verdict.violated("state: " + key + " is derived from the pod as it was at " +
                          std::to_string(at) + ", though it had changed before the request");
    }
    const Json labels = version->object["metadata"].value("labels", Json::object());
    if (state.value("labels", Json::object()) != labels ||
        state.value("node", "") != version->object["spec"].value("nodeName", "")) {
      s_.verdict.violated("state: " + key + " is not derived from the pod at " +
                          std::to_string(at));
    }
  }
}

}  // namespace podkeeper::world
