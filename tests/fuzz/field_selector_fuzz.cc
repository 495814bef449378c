// Field selectors: terms survive being written down with their escapes, and matching is reading.
#include "pkg/kube/object.h"
#include "pkg/kube/resource.h"
#include "pkg/kube/selector.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "tests/fuzz/support/grammar.h"

namespace podkeeper::fuzz {
namespace {

using kube::FieldSelector;

constexpr std::string_view kWords[] = {"metadata.name",
                                       "metadata.namespace",
                                       "spec.nodeName",
                                       "status.phase",
                                       "spec.host",
                                       "spec.hostNetwork",
                                       "spec.unschedulable",
                                       "status.podIP",
                                       "=",
                                       "==",
                                       "!=",
                                       ",",
                                       "\\",
                                       "\\,",
                                       "\\=",
                                       "\\\\",
                                       "web-0",
                                       "Running",
                                       "true",
                                       "",
                                       "spec.strategy",
                                       "metadata.labels",
                                       "===",
                                       "!",
                                       "status.phase!=Failed"};
constexpr std::size_t kLimits[] = {1000, 10240};

constexpr std::string_view kPod =
    R"({"metadata":{"name":"web-0","namespace":"shop","uid":"u","resourceVersion":"7"},)"
    R"("spec":{"nodeName":"node-a","restartPolicy":"Always"},"status":{"phase":"Running"}})";
constexpr std::string_view kPolicy =
    R"({"metadata":{"name":"web-0","uid":"u","resourceVersion":"7"},)"
    R"("spec":{"strategy":"Sharded"}})";

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == ',' || c == '=') out += '\\';
    out += c;
  }
  return out;
}

bool same(const FieldSelector& a, const FieldSelector& b) {
  return std::ranges::equal(a.terms(), b.terms(), [](const auto& x, const auto& y) {
    return x.field == y.field && x.equal == y.equal && x.value == y.value &&
           x.value_of == y.value_of;
  });
}

void check_with(const kube::Resource& resource, const kube::Object& object,
                std::string_view input) {
  const auto parsed = FieldSelector::parse(resource, input);
  if (!parsed) {
    demand(!parsed.error().message.empty(), "a refusal without a word");
    return;
  }
  demand(input.size() <= kube::kSelectorBytesMax, "longer than the cap");
  demand(parsed->terms().size() <= kube::kSelectorTermsMax, "more terms than the cap");
  std::string text;
  bool all = true;
  for (const auto& term : parsed->terms()) {
    text +=
        (text.empty() ? "" : ",") + term.field + (term.equal ? "=" : "!=") + escaped(term.value);
    if (term.value_of != nullptr) all &= (term.value_of(object) == term.value) == term.equal;
    const auto* const required = parsed->required(term.field);
    if (term.equal) demand(required != nullptr, "an equality that nothing requires");
  }
  const auto again = FieldSelector::parse(resource, text);
  if (text.size() <= kube::kSelectorBytesMax) {
    demand(again.has_value(), "written down it is refused: " + text);
    demand(same(*again, *parsed), "written down it is another: " + text);
  }
  const bool matches = parsed->matches(object);
  demand(!matches || all, "matches against its terms: " + text);
  const bool decoded = std::ranges::none_of(
      parsed->terms(), [](const auto& term) { return term.value_of == nullptr; });
  if (decoded) demand(matches == all, "does not match what its terms say: " + text);
}

void check(std::string_view input) {
  static const auto pod = kube::decode_object(kube::pods(), kPod).value();
  static const auto policy = kube::decode_object(kube::concurrent_map_policies(), kPolicy).value();
  check_with(kube::pods(), *pod, input);
  check_with(kube::concurrent_map_policies(), *policy, input);
}

std::string generate(Dice& dice) {
  std::string out;
  const std::uint64_t terms = one_in(dice, 16) ? 998 + dice.below(5) : 1 + dice.below(5);
  for (std::uint64_t i = 0; i < terms; ++i) {
    if (i > 0) out += ',';
    if (terms > 900) {
      out += "spec.host=";
      continue;
    }
    out += pick(dice, kWords);
    out += pick(dice, {"=", "==", "!=", ""});
    std::string value = one_in(dice, 2) ? std::string(pick(dice, kWords))
                                        : text(dice, length(dice, kLimits), kNameCharacters);
    out += one_in(dice, 4) ? value : escaped(value);
  }
  return out;
}

const Target kTarget{"field_selector", check, generate, kWords, kLimits};
const Registered kRegistered(kTarget);

}  // namespace
}  // namespace podkeeper::fuzz
