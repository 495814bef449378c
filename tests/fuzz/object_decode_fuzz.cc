// Objects and lists from upstream: what is accepted is JSON to another parser as well, and what is
// kept of it is the same object when it is read again.
#include "pkg/kube/object.h"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "tests/fuzz/support/decoded.h"
#include "tests/fuzz/support/grammar.h"

namespace podkeeper::fuzz {
namespace {

constexpr std::string_view kWords[] = {"metadata",
                                       "name",
                                       "namespace",
                                       "uid",
                                       "resourceVersion",
                                       "labels",
                                       "managedFields",
                                       "spec",
                                       "status",
                                       "items",
                                       "kind",
                                       "apiVersion",
                                       "PodList",
                                       "Pod",
                                       "containers",
                                       "nodeName",
                                       "phase",
                                       "conditions",
                                       "Ready",
                                       "True",
                                       "lastTransitionTime",
                                       "2026-11-20T09:46:37Z",
                                       "100m",
                                       "1Gi",
                                       "requests",
                                       "resources",
                                       "cpu",
                                       "deletionTimestamp",
                                       "continue",
                                       "remainingItemCount",
                                       "containerStatuses",
                                       "restartCount",
                                       "\\u0000",
                                       "\\ud800",
                                       "7",
                                       "web-0",
                                       "shop",
                                       "{",
                                       "}",
                                       "[",
                                       "]",
                                       ":",
                                       ",",
                                       "\"",
                                       "\"metadata\":{",
                                       "1e999",
                                       "-0",
                                       "\xff",
                                       "\x01",
                                       "null"};
constexpr std::size_t kLimits[] = {63, 253, 4096, 65536};

constexpr std::string_view kPod =
    R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-0","namespace":"shop","uid":"u-1",)"
    R"("resourceVersion":"7","creationTimestamp":"2026-11-20T09:46:37Z","labels":{"app":"web",)"
    R"("tier":"a"},"managedFields":[{"manager":"m","fieldsV1":{"f:a":{}}}]},"spec":{"nodeName":"n",)"
    R"("containers":[{"name":"c","resources":{"requests":{"cpu":"100m","memory":"64Mi"}}}]},)"
    R"("status":{"phase":"Running","podIP":"10.0.0.1","conditions":[{"type":"Ready","status":"True",)"
    R"("lastTransitionTime":"2026-11-20T09:46:40Z"}],"containerStatuses":[{"name":"c","ready":true,)"
    R"("restartCount":2,"state":{"running":{}},"lastState":{"terminated":{"exitCode":1,)"
    R"("finishedAt":"2026-11-20T09:47:00Z"}}}]}})";
constexpr std::string_view kNode =
    R"({"metadata":{"name":"node-a","uid":"u","resourceVersion":"9"},"spec":{"unschedulable":true},)"
    R"("status":{"capacity":{"cpu":"2","memory":"1Gi","pods":"110"},"conditions":[{"type":"Ready",)"
    R"("status":"Unknown","lastTransitionTime":"2026-11-20T09:46:40Z"}],"addresses":[{"type":)"
    R"("InternalIP","address":"10.0.0.2"}],"nodeInfo":{"kubeletVersion":"v1.36.2"}}})";

/// In a block of exactly its size, so that a read beyond it is found.
struct Exact {
  explicit Exact(std::string_view text)
      : bytes(std::make_unique<char[]>(text.size())), size(text.size()) {
    text.copy(bytes.get(), size);
  }
  [[nodiscard]] std::string_view view() const { return {bytes.get(), size}; }
  std::unique_ptr<char[]> bytes;
  std::size_t size;
};

void check_list(const kube::Resource& resource, std::string_view json) {
  const auto list = kube::decode_list(resource, json);
  if (!list) return;
  // Of what was repaired or left out, nobody says that it is JSON.
  const bool whole = !list->repaired && list->quarantined.empty();
  demand(!whole || is_json(json), "a list was accepted that is no JSON");
  demand(list->revision.value != 0, "a list without a revision");
  for (const auto& object : list->items) check_object(resource, *object);
}

void check(std::string_view input) {
  const auto& resource = resource_of(input);
  const Exact exact(input);
  const auto object = kube::decode_object(resource, exact.view());
  const bool with_drop =
      kube::decode_object(resource, exact.view(), {.drop_managed_fields = true}).has_value();
  demand(object.has_value() == with_drop, "decided by whether managedFields are kept");
  if (object) {
    demand(is_json(input), "an object was accepted that is no JSON");
    check_object(resource, **object);
    const auto dropped = kube::decode_object(resource, exact.view(), {.drop_managed_fields = true});
    demand((*dropped)->body.size() <= (*object)->body.size(), "longer without managedFields");
    check_object(resource, **dropped);
  }
  check_list(resource, exact.view());
}

std::string generate(Dice& dice) {
  const std::string object = vary_json(dice, pick(dice, {kPod, kPod, kNode}), kWords);
  if (!one_in(dice, 4)) return object;
  std::string list = R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"20",)"
                     R"("continue":")" +
                     text(dice, length(dice, kLimits), kNameCharacters) + R"("},"items":[)";
  list += object;
  for (std::uint64_t i = dice.below(3); i > 0; --i) list += "," + vary_json(dice, kPod, kWords);
  return list + "]}";
}

const Target kTarget{"object_decode", check, generate, kWords, kLimits};
const Registered kRegistered(kTarget);

}  // namespace
}  // namespace podkeeper::fuzz
