// The lines of a WATCH: the same lines however the stream is sliced, and each an event that another
// parser reads too, or an error.
#include "pkg/kube/line_buffer.h"
#include "pkg/kube/object.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/support/decoded.h"
#include "tests/fuzz/support/grammar.h"

namespace podkeeper::fuzz {
namespace {

constexpr std::string_view kWords[] = {"type",
                                       "object",
                                       "ADDED",
                                       "MODIFIED",
                                       "DELETED",
                                       "BOOKMARK",
                                       "ERROR",
                                       "metadata",
                                       "name",
                                       "resourceVersion",
                                       "annotations",
                                       "k8s.io/initial-events-end",
                                       "true",
                                       "kind",
                                       "Status",
                                       "code",
                                       "410",
                                       "reason",
                                       "Expired",
                                       "message",
                                       "7",
                                       "0",
                                       "18446744073709551616",
                                       "\n",
                                       "\r\n",
                                       "{",
                                       "}",
                                       "\"",
                                       ":",
                                       ",",
                                       "\\n",
                                       "null",
                                       "labels",
                                       "status",
                                       "phase",
                                       "Running",
                                       "details",
                                       "retryAfterSeconds",
                                       "causes"};
constexpr std::size_t kLimits[] = {1024, 4096, 65536};
constexpr std::size_t kLineBytesMax = 64 * 1024;

constexpr std::string_view kAdded =
    R"({"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"w-0",)"
    R"("namespace":"shop","uid":"u","resourceVersion":"221","labels":{"app":"web"}},"spec":{},)"
    R"("status":{"phase":"Pending"}}})";
constexpr std::string_view kBookmark =
    R"({"type":"BOOKMARK","object":{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":)"
    R"("230","creationTimestamp":null,"annotations":{"k8s.io/initial-events-end":"true"}}}})";
constexpr std::string_view kError =
    R"({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},)"
    R"("status":"Failure","message":"too old resource version","reason":"Expired","code":410}})";

struct Lines {
  std::vector<std::string> all;
  std::string rest;
  bool too_long = false;
  friend bool operator==(const Lines&, const Lines&) = default;
};

/// As the reflector reads a stream: what comes is appended, complete lines are taken.
Lines lines_of(std::string_view bytes, bool sliced) {
  Dice dice(1 + bytes.size());
  kube::LineBuffer buffer(kLineBytesMax);
  Lines lines;
  while (!bytes.empty()) {
    const std::size_t size =
        sliced ? 1 + dice.below(std::min<std::size_t>(bytes.size(), 200)) : bytes.size();
    buffer.space().append(bytes.substr(0, std::min(size, bytes.size())));
    bytes.remove_prefix(std::min(size, bytes.size()));
    while (const auto line = buffer.next()) lines.all.emplace_back(*line);
  }
  lines.rest = buffer.rest();
  lines.too_long = buffer.too_long();
  return lines;
}

void check_event(const kube::Resource& resource, const std::string& line) {
  const auto event = kube::decode_watch_event(resource, line);
  if (!event) {
    demand(!event.error().message.empty(), "a refusal without a word");
    return;
  }
  // Of what was repaired or left out, nobody says that it is JSON.
  const bool whole = !event->repaired && !event->quarantined;
  demand(!whole || is_json(line), "an event was accepted that is no JSON");
  switch (event->type) {
    case kube::EventType::kAdded:
    case kube::EventType::kModified:
    case kube::EventType::kDeleted:
      demand(event->object != nullptr, "an event without its object");
      demand(event->revision == event->object->revision, "an event of another revision");
      check_object(resource, *event->object);
      break;
    case kube::EventType::kBookmark:
    case kube::EventType::kError:
      demand(event->object == nullptr, "a bookmark or an error with an object");
      break;
  }
}

void check(std::string_view input) {
  const auto whole = lines_of(input, false);
  demand(whole == lines_of(input, true), "slices make other lines");
  demand(whole.too_long == (whole.rest.size() > kLineBytesMax), "too long, or not");
  std::string joined;
  for (const auto& line : whole.all) joined += line + "\n";
  demand_equal(joined + whole.rest, input, "lines that are not the stream");
  const auto& resource = resource_of(input);
  for (const auto& line : whole.all) check_event(resource, line);
  check_event(resource, whole.rest);
}

std::string generate(Dice& dice) {
  std::string out;
  for (std::uint64_t i = 1 + dice.below(3); i > 0; --i) {
    out += vary_json(dice, pick(dice, {kAdded, kAdded, kBookmark, kError}), kWords);
    out += pick(dice, {"\n", "\n", "\r\n", "", "\n\n"});
  }
  return out;
}

const Target kTarget{"watch_line", check, generate, kWords, kLimits};
const Registered kRegistered(kTarget);

}  // namespace
}  // namespace podkeeper::fuzz
