// Label selectors: what is parsed can be written down and parsed to the same, and matches what a
// plain reading of it matches.
#include "pkg/kube/selector.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "tests/fuzz/support/grammar.h"

namespace podkeeper::fuzz {
namespace {

using kube::LabelSelector;
using Operator = LabelSelector::Operator;
using Requirement = LabelSelector::Requirement;

constexpr std::string_view kWords[] = {"app",
                                       "tier",
                                       " in ",
                                       " notin ",
                                       "in",
                                       "notin",
                                       "!",
                                       "=",
                                       "==",
                                       "!=",
                                       ">",
                                       "<",
                                       "(",
                                       ")",
                                       ",",
                                       "a",
                                       "web",
                                       "1",
                                       "-1",
                                       "99",
                                       "()",
                                       "(,)",
                                       "(a,b)",
                                       "!app",
                                       "x.io/y",
                                       "/",
                                       " ",
                                       "\t",
                                       "gt",
                                       "lt",
                                       "9223372036854775808",
                                       "app=web",
                                       ",,",
                                       "&",
                                       "\x01",
                                       "\xc3\xa9"};
constexpr std::size_t kLimits[] = {63, 253, 1000, 10240};

std::string list_of(const Requirement& of) {
  std::string out;
  for (std::size_t i = 0; i < of.values.size(); ++i) out += (i == 0 ? "" : ",") + of.values[i];
  return out;
}

/// As kubectl would write it; an empty value can stand only in a set of its own or after '='.
std::string written(const Requirement& of) {
  switch (of.op) {
    case Operator::kIn:
      return of.values.size() == 1 ? of.key + "=" + of.values[0]
                                   : of.key + " in (" + list_of(of) + ")";
    case Operator::kNotIn:
      return of.values.size() == 1 ? of.key + "!=" + of.values[0]
                                   : of.key + " notin (" + list_of(of) + ")";
    case Operator::kExists:
      return of.key;
    case Operator::kNotExists:
      return "!" + of.key;
    case Operator::kGreater:
      return of.key + ">" + list_of(of);
    case Operator::kLess:
      return of.key + "<" + list_of(of);
  }
  return {};
}

std::string written(const LabelSelector& selector) {
  std::string out;
  for (const auto& one : selector.requirements()) out += (out.empty() ? "" : ",") + written(one);
  return out;
}

std::optional<std::int64_t> number(std::string_view text) {
  const std::string copy(text);
  char* end = nullptr;
  errno = 0;
  const long long value = std::strtoll(copy.c_str(), &end, 10);
  if (copy.empty() || errno != 0 || *end != '\0' || copy[0] == ' ' || copy[0] == '\t') return {};
  return value;
}

bool holds(const Requirement& of, const kube::Object::LabelSpan& labels) {
  const auto found =
      std::ranges::find(labels, of.key, [](const auto& label) { return std::string(label.first); });
  const bool there = found != labels.end();
  const bool among = there && std::ranges::find(of.values, found->second) != of.values.end();
  switch (of.op) {
    case Operator::kIn:
      return among;
    case Operator::kNotIn:
      return !among;
    case Operator::kExists:
      return there;
    case Operator::kNotExists:
      return !there;
    case Operator::kGreater:
    case Operator::kLess: {
      const auto held = there ? number(found->second) : std::nullopt;
      const auto bound = number(of.values.front());
      if (!held || !bound) return false;
      return of.op == Operator::kGreater ? *held > *bound : *held < *bound;
    }
  }
  return false;
}

bool same(const LabelSelector& a, const LabelSelector& b) {
  return std::ranges::equal(a.requirements(), b.requirements(), [](const auto& x, const auto& y) {
    return x.key == y.key && x.op == y.op && x.values == y.values;
  });
}

const kube::Object::LabelSpan kLabels[] = {
    {},
    {{"app", "web"}},
    {{"a", "1"}, {"app", ""}, {"tier", "99"}},
    {{"app", "-1"}, {"tier", "a"}, {"x.io/y", "b"}},
};

void check(std::string_view input) {
  const auto parsed = LabelSelector::parse(input);
  if (!parsed) {
    demand(!parsed.error().message.empty(), "a refusal without a word");
    return;
  }
  demand(input.size() <= kube::kSelectorBytesMax, "longer than the cap");
  demand(parsed->requirements().size() <= kube::kSelectorTermsMax, "more terms than the cap");
  for (const auto& one : parsed->requirements()) {
    demand(std::ranges::is_sorted(one.values), "values out of order");
    demand(std::ranges::adjacent_find(one.values) == one.values.end(), "a value twice");
  }
  const std::string text = written(*parsed);
  if (text.size() <= kube::kSelectorBytesMax) {
    const auto again = LabelSelector::parse(text);
    demand(again.has_value(), "written down it is refused: " + text);
    demand(same(*again, *parsed), "written down it is another: " + text);
  }
  for (const auto& labels : kLabels) {
    const bool all = std::ranges::all_of(parsed->requirements(),
                                         [&](const auto& one) { return holds(one, labels); });
    demand(parsed->matches(labels) == all, "matches what it does not say: " + text);
  }
}

std::string value(Dice& dice) {
  if (one_in(dice, 4)) return std::string(pick(dice, kWords));
  return text(dice, length(dice, kLimits), kNameCharacters);
}

std::string requirement(Dice& dice) {
  std::string key(pick(dice, {"app", "tier", "a", "x.io/y"}));
  if (one_in(dice, 4)) key = value(dice);
  switch (dice.below(4)) {
    case 0:
      return one_in(dice, 2) ? key : "!" + key;
    case 1: {
      std::string set = key + std::string(pick(dice, {" in (", " notin (", "in("}));
      for (std::uint64_t i = dice.below(5); i > 0; --i) set += value(dice) + (i > 1 ? "," : "");
      return set + ")";
    }
    case 2:
      return key + std::string(pick(dice, {">", "<", " gt "})) + std::to_string(dice.below(200));
    default:
      return key + std::string(pick(dice, {"=", "==", "!=", " = "})) + value(dice);
  }
}

std::string generate(Dice& dice) {
  std::string out;
  const std::uint64_t terms = one_in(dice, 16) ? 998 + dice.below(5) : 1 + dice.below(5);
  for (std::uint64_t i = 0; i < terms; ++i) {
    if (i > 0) out += ',';
    out += terms > 900 ? "a" : requirement(dice);
  }
  return out;
}

const Target kTarget{"label_selector", check, generate, kWords, kLimits};
const Registered kRegistered(kTarget);

}  // namespace
}  // namespace podkeeper::fuzz
